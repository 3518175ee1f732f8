//! Tickets, and the mail that answers them.

use rusqlite::params;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};

use super::super::company::Company;
use super::{Nature, Tool, Trouble, objects, through_gateway, touched};

pub(super) fn tools() -> Vec<Tool> {
    vec![
        Tool::new("get_ticket", Nature::Reads, "One ticket: who opened it, and what it says.", get_ticket),
        Tool::new("reply", Nature::Adds, "Sends a mail about a ticket.", reply),
    ]
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct GetTicket {
    /// The ticket's number.
    id: i64,
}

fn get_ticket(company: &Company, asked: GetTicket) -> Result<Value, Trouble> {
    let mut found = objects(
        company,
        "SELECT id, opened_by, customer_id AS customer, order_id AS \"order\", subject, body FROM tickets WHERE id = ?",
        [asked.id],
    )?;
    found.pop().ok_or_else(|| Trouble::Cannot(format!("there is no ticket {}", asked.id)))
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Reply {
    /// The ticket it is about.
    ticket: i64,
    /// The address it goes to.
    #[schemars(email)]
    recipient: String,
    /// What it says.
    body: String,
}

fn reply(company: &Company, asked: Reply) -> Result<Value, Trouble> {
    through_gateway(company, "helpdesk.send")?;
    let rows = company.db.execute(
        "INSERT INTO outgoing_mail (ticket_id, recipient, body) SELECT id, ?2, ?3 FROM tickets WHERE id = ?1",
        params![asked.ticket, asked.recipient, asked.body],
    )?;
    touched(rows, &format!("ticket {}", asked.ticket))?;
    Ok(json!({ "sent": company.db.last_insert_rowid() }))
}
