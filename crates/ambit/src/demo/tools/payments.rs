//! Money going out.

use rusqlite::{OptionalExtension as _, params};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Number, Value, json};

use super::super::company::Company;
use super::{Nature, Tool, Trouble, cents};

pub(super) fn tools() -> Vec<Tool> {
    vec![Tool::new(
        "create_refund",
        Nature::Destroys,
        "Pays money back for an order. It cannot be called back.",
        create_refund,
    )]
}

#[derive(Clone, Copy, Deserialize, JsonSchema)]
enum Currency {
    #[serde(rename = "EUR")]
    Eur,
    #[serde(rename = "USD")]
    Usd,
}

impl Currency {
    fn code(self) -> &'static str {
        match self {
            Currency::Eur => "EUR",
            Currency::Usd => "USD",
        }
    }
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct CreateRefund {
    /// The order's number.
    order: i64,
    /// How much, with at most two decimals.
    #[schemars(with = "f64")]
    amount: Number,
    /// In which currency.
    currency: Currency,
    /// Why, as the customer will read it.
    reason: String,
}

fn create_refund(company: &Company, asked: CreateRefund) -> Result<Value, Trouble> {
    let amount = cents(&asked.amount).filter(|cents| *cents > 0).ok_or_else(|| {
        Trouble::Arguments(format!("`amount` must be above 0 with at most two decimals, not {}", asked.amount))
    })?;
    let ordered: Option<i64> = company
        .db
        .query_row(
            "SELECT amount_cents - coalesce((SELECT sum(amount_cents) FROM outgoing_payments WHERE order_id = o.id), 0) \
             FROM orders AS o WHERE id = ?1 AND currency = ?2",
            params![asked.order, asked.currency.code()],
            |row| row.get(0),
        )
        .optional()?;
    match ordered {
        None => Err(Trouble::Cannot(format!("there is no order {} in {}", asked.order, asked.currency.code()))),
        Some(left) if amount > left => Err(Trouble::Cannot(format!("order {} has less left to refund", asked.order))),
        Some(_) => {
            company.db.execute(
                "INSERT INTO outgoing_payments (order_id, amount_cents, currency, reason) VALUES (?, ?, ?, ?)",
                params![asked.order, amount, asked.currency.code(), asked.reason],
            )?;
            Ok(json!({ "refund": company.db.last_insert_rowid() }))
        }
    }
}
