//! The tools of the sample company's systems. A tool's arguments are one Rust type: what reads them also writes the
//! JSON Schema that clients see.

mod crm;
mod gateway;
mod helpdesk;
mod payments;
mod warehouse;

use schemars::JsonSchema;
use schemars::generate::SchemaSettings;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::company::{Admission, Company};

/// A system of the sample company; each is a server of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum System {
    /// Customers, their orders and the notes about them.
    Crm,
    /// The backups and the disk they are on.
    Warehouse,
    /// Rate limits and alerts.
    Gateway,
    /// Tickets, and the mail that answers them.
    Helpdesk,
    /// Money going out.
    Payments,
}

impl System {
    /// Every one.
    pub const ALL: [System; 5] = [System::Crm, System::Warehouse, System::Gateway, System::Helpdesk, System::Payments];

    /// Its name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            System::Crm => "crm",
            System::Warehouse => "warehouse",
            System::Gateway => "gateway",
            System::Helpdesk => "helpdesk",
            System::Payments => "payments",
        }
    }

    pub(super) fn tools(self) -> Vec<Tool> {
        match self {
            System::Crm => crm::tools(),
            System::Warehouse => warehouse::tools(),
            System::Gateway => gateway::tools(),
            System::Helpdesk => helpdesk::tools(),
            System::Payments => payments::tools(),
        }
    }
}

/// What a tool does to the world, as its server hints at it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Nature {
    Reads,
    Adds,
    Changes,
    Destroys,
}

/// Why a call came to nothing.
#[derive(Debug, thiserror::Error)]
pub(super) enum Trouble {
    /// The arguments do not fit the tool.
    #[error("{0}")]
    Arguments(String),
    /// There is no such thing, or it cannot be done now.
    #[error("{0}")]
    Cannot(String),
    /// The gateway lets nothing through just now.
    #[error("429 too many requests on {route}: retry after {retry_after_ms} ms, then one every {every_ms} ms")]
    Throttled { route: &'static str, retry_after_ms: u64, every_ms: u64 },
    #[error("the database failed: {0}")]
    Database(#[from] rusqlite::Error),
}

type Run = Box<dyn Fn(&Company, Value) -> Result<Value, Trouble>>;

/// One tool of one system.
pub(super) struct Tool {
    pub name: &'static str,
    description: &'static str,
    nature: Nature,
    schema: Value,
    run: Run,
}

impl Tool {
    fn new<A: DeserializeOwned + JsonSchema + 'static>(
        name: &'static str,
        nature: Nature,
        description: &'static str,
        run: fn(&Company, A) -> Result<Value, Trouble>,
    ) -> Tool {
        let settings = SchemaSettings::draft2020_12().with(|settings| {
            settings.meta_schema = None;
            settings.inline_subschemas = true;
        });
        let mut schema = settings.into_generator().into_root_schema_for::<A>();
        // The title would be the name of a Rust type, which tells a client nothing.
        schema.remove("title");
        let read = move |company: &Company, arguments: Value| {
            let arguments: A =
                serde_json::from_value(arguments).map_err(|error| Trouble::Arguments(error.to_string()))?;
            run(company, arguments)
        };
        Tool { name, description, nature, schema: schema.into(), run: Box::new(read) }
    }

    /// As `tools/list` gives it.
    pub fn definition(&self) -> Value {
        json!({
            "name": self.name,
            "description": self.description,
            "inputSchema": self.schema,
            "annotations": {
                "readOnlyHint": self.nature == Nature::Reads,
                "destructiveHint": self.nature == Nature::Destroys,
                "openWorldHint": false,
            },
        })
    }

    pub fn call(&self, company: &Company, arguments: Value) -> Result<Value, Trouble> {
        (self.run)(company, arguments)
    }
}

/// Takes a place at the gateway, as every write of a throttled route does first.
fn through_gateway(company: &Company, route: &'static str) -> Result<(), Trouble> {
    match company.admit(route)? {
        Admission::Passes => Ok(()),
        Admission::Throttled { retry_after_ms, every_ms } => {
            Err(Trouble::Throttled { route, retry_after_ms, every_ms })
        }
    }
}

/// Every row of a query as an object whose members are the columns.
fn objects(company: &Company, query: &str, parameters: impl rusqlite::Params) -> Result<Vec<Value>, rusqlite::Error> {
    let mut query = company.db.prepare(query)?;
    let names: Vec<String> = query.column_names().into_iter().map(str::to_owned).collect();
    let rows = query.query_map(parameters, |row| {
        let mut object = serde_json::Map::new();
        for (at, name) in names.iter().enumerate() {
            object.insert(name.clone(), json_of(&row.get::<_, rusqlite::types::Value>(at)?));
        }
        Ok(Value::Object(object))
    })?;
    rows.collect()
}

fn json_of(value: &rusqlite::types::Value) -> Value {
    use rusqlite::types::Value as Stored;
    match value {
        Stored::Null => Value::Null,
        Stored::Integer(number) => json!(number),
        Stored::Real(number) => json!(number),
        Stored::Text(text) => json!(text),
        Stored::Blob(_) => Value::Null,
    }
}

/// `Ok` when a statement touched a row, else that there is no such thing.
fn touched(rows: usize, what: &str) -> Result<(), Trouble> {
    if rows == 0 { Err(Trouble::Cannot(format!("there is no {what}"))) } else { Ok(()) }
}

/// An amount with at most two decimals, exactly, in cents.
fn cents(amount: &serde_json::Number) -> Option<i64> {
    let text = amount.to_string();
    let (whole, part) = text.split_once('.').unwrap_or((&text, ""));
    let part = part.trim_end_matches('0');
    if part.len() > 2 || whole.starts_with('-') || text.contains(['e', 'E']) {
        return None;
    }
    whole.parse::<i64>().ok()?.checked_mul(100)?.checked_add(format!("{part:0<2}").parse().ok()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_exact_and_never_negative() {
        let cents = |text: &str| super::cents(&serde_json::from_str(text).unwrap());
        assert_eq!(cents("80"), Some(8000));
        assert_eq!(cents("80.5"), Some(8050));
        assert_eq!(cents("0.29"), Some(29));
        assert_eq!(cents("0.295"), None);
        assert_eq!(cents("-1"), None);
        assert_eq!(cents("1e3"), Some(100_000));
        assert_eq!(cents("9223372036854775807"), None);
    }

    #[test]
    fn every_tool_has_a_schema_that_takes_an_object_and_nothing_unknown() {
        for system in System::ALL {
            for tool in system.tools() {
                let definition = tool.definition();
                let schema = &definition["inputSchema"];
                assert_eq!(schema["type"], "object", "{}", tool.name);
                assert_eq!(schema["additionalProperties"], false, "{}", tool.name);
                assert!(!definition.to_string().contains("$ref"), "{}: a client must follow references", tool.name);
                for (name, property) in schema["properties"].as_object().into_iter().flatten() {
                    assert!(property["description"].is_string(), "{}: `{name}` is not described", tool.name);
                }
            }
        }
    }
}
