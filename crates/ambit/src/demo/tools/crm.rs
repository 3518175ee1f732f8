//! Customers, their orders and the notes about them.

use rusqlite::params;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};

use super::super::company::{Company, TODAY};
use super::{Nature, Tool, Trouble, objects, through_gateway, touched};

const ROUTE: &str = "crm.write";

pub(super) fn tools() -> Vec<Tool> {
    vec![
        Tool::new(
            "find_customers",
            Nature::Reads,
            "Finds customers; gives id, name, email, city and status.",
            find_customers,
        ),
        Tool::new("get_customer", Nature::Reads, "One customer, with the fields asked for.", get_customer),
        Tool::new("update_customer", Nature::Changes, "Changes the given fields of one customer.", update_customer),
        Tool::new("find_orders", Nature::Reads, "The orders of one customer, the newest first.", find_orders),
        Tool::new("list_notes", Nature::Reads, "Notes on customers, the oldest first.", list_notes),
        Tool::new("add_note", Nature::Adds, "Adds a note on a customer.", add_note),
        Tool::new("delete_note", Nature::Destroys, "Deletes one note for good.", delete_note),
        Tool::new("delete_notes", Nature::Destroys, "Deletes every note written before a day, for good.", delete_notes),
    ]
}

#[derive(Clone, Copy, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
enum Status {
    Active,
    Vip,
    Closed,
}

impl Status {
    fn word(self) -> &'static str {
        match self {
            Status::Active => "active",
            Status::Vip => "vip",
            Status::Closed => "closed",
        }
    }
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct FindCustomers {
    /// Only those whose address is at this domain.
    email_domain: Option<String>,
    /// Only those whose name contains this.
    name_contains: Option<String>,
    /// Only those of this status.
    status: Option<Status>,
}

fn find_customers(company: &Company, asked: FindCustomers) -> Result<Value, Trouble> {
    let customers = objects(
        company,
        "SELECT id, name, email, city, status FROM customers \
         WHERE (?1 IS NULL OR lower(substr(email, instr(email, '@') + 1)) = lower(?1)) \
           AND (?2 IS NULL OR instr(lower(name), lower(?2)) > 0) \
           AND (?3 IS NULL OR status = ?3) ORDER BY id",
        params![asked.email_domain, asked.name_contains, asked.status.map(Status::word)],
    )?;
    Ok(json!({ "customers": customers }))
}

#[derive(Clone, Copy, PartialEq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum Field {
    Id,
    Name,
    Email,
    Phone,
    City,
    Status,
    Ssn,
    CardNumber,
}

impl Field {
    fn column(self) -> &'static str {
        match self {
            Field::Id => "id",
            Field::Name => "name",
            Field::Email => "email",
            Field::Phone => "phone",
            Field::City => "city",
            Field::Status => "status",
            Field::Ssn => "ssn",
            Field::CardNumber => "card_number",
        }
    }
}

fn usual_fields() -> Vec<Field> {
    vec![Field::Id, Field::Name, Field::Email, Field::Phone, Field::City, Field::Status]
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct GetCustomer {
    /// The customer's number.
    id: i64,
    /// What to give; everything but `ssn` and `card_number` unless said.
    #[serde(default = "usual_fields")]
    #[schemars(default = "usual_field_names", length(min = 1))]
    fields: Vec<Field>,
}

fn usual_field_names() -> Vec<&'static str> {
    usual_fields().into_iter().map(Field::column).collect()
}

fn get_customer(company: &Company, asked: GetCustomer) -> Result<Value, Trouble> {
    if asked.fields.is_empty() {
        return Err(Trouble::Arguments("`fields` names no field".into()));
    }
    // Only names out of `Field::column` reach the statement.
    let columns: Vec<&str> = asked.fields.into_iter().map(Field::column).collect();
    let query = format!("SELECT {} FROM customers WHERE id = ?", columns.join(", "));
    match objects(company, &query, [asked.id])?.pop() {
        Some(customer) => Ok(customer),
        None => Err(Trouble::Cannot(format!("there is no customer {}", asked.id))),
    }
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct UpdateCustomer {
    /// The customer's number.
    id: i64,
    /// The new address.
    #[schemars(email)]
    email: Option<String>,
    /// The new telephone number.
    phone: Option<String>,
    /// The new city.
    city: Option<String>,
    /// The new status.
    status: Option<Status>,
}

fn update_customer(company: &Company, asked: UpdateCustomer) -> Result<Value, Trouble> {
    if asked.email.is_none() && asked.phone.is_none() && asked.city.is_none() && asked.status.is_none() {
        return Err(Trouble::Arguments("nothing to change: give `email`, `phone`, `city` or `status`".into()));
    }
    through_gateway(company, ROUTE)?;
    let rows = company.db.execute(
        "UPDATE customers SET email = coalesce(?2, email), phone = coalesce(?3, phone), city = coalesce(?4, city), \
         status = coalesce(?5, status) WHERE id = ?1",
        params![asked.id, asked.email, asked.phone, asked.city, asked.status.map(Status::word)],
    )?;
    touched(rows, &format!("customer {}", asked.id))?;
    Ok(json!({ "updated": asked.id }))
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct FindOrders {
    /// The customer's number.
    customer: i64,
}

fn find_orders(company: &Company, asked: FindOrders) -> Result<Value, Trouble> {
    let orders = objects(
        company,
        "SELECT id, placed_on, item, printf('%d.%02d', amount_cents / 100, amount_cents % 100) AS amount, currency, \
         status FROM orders WHERE customer_id = ? ORDER BY placed_on DESC, id DESC",
        [asked.customer],
    )?;
    Ok(json!({ "orders": orders }))
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct ListNotes {
    /// Only those on this customer.
    customer: Option<i64>,
    /// Only those written before this day, `YYYY-MM-DD`.
    before: Option<String>,
}

fn list_notes(company: &Company, asked: ListNotes) -> Result<Value, Trouble> {
    let notes = objects(
        company,
        "SELECT id, customer_id AS customer, author, created_on, kind, body FROM notes \
         WHERE (?1 IS NULL OR customer_id = ?1) AND (?2 IS NULL OR created_on < ?2) ORDER BY created_on, id",
        params![asked.customer, asked.before],
    )?;
    Ok(json!({ "notes": notes }))
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct AddNote {
    /// The customer's number.
    customer: i64,
    /// What to note.
    body: String,
}

fn add_note(company: &Company, asked: AddNote) -> Result<Value, Trouble> {
    through_gateway(company, ROUTE)?;
    let rows = company.db.execute(
        "INSERT INTO notes (customer_id, author, created_on, kind, body) \
         SELECT id, 'agent', ?2, 'call', ?3 FROM customers WHERE id = ?1",
        params![asked.customer, TODAY, asked.body],
    )?;
    touched(rows, &format!("customer {}", asked.customer))?;
    Ok(json!({ "added": company.db.last_insert_rowid() }))
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct DeleteNote {
    /// The note's number.
    id: i64,
}

fn delete_note(company: &Company, asked: DeleteNote) -> Result<Value, Trouble> {
    let rows = company.db.execute("DELETE FROM notes WHERE id = ?", [asked.id])?;
    touched(rows, &format!("note {}", asked.id))?;
    Ok(json!({ "deleted": asked.id }))
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct DeleteNotes {
    /// The day, `YYYY-MM-DD`; notes written on it stay.
    before: String,
}

fn delete_notes(company: &Company, asked: DeleteNotes) -> Result<Value, Trouble> {
    if ambit_core::time::Date::parse(&asked.before).is_none() {
        return Err(Trouble::Arguments(format!("`{}` is not a day: write it as `YYYY-MM-DD`", asked.before)));
    }
    let rows = company.db.execute("DELETE FROM notes WHERE created_on < ?", [&asked.before])?;
    Ok(json!({ "deleted": rows }))
}
