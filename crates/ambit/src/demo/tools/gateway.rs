//! Rate limits and alerts.

use rusqlite::params;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};

use super::super::company::Company;
use super::{Nature, Tool, Trouble, objects, touched};

pub(super) fn tools() -> Vec<Tool> {
    vec![
        Tool::new("get_rate_limit", Nature::Reads, "How many writes a minute a route lets through.", get_rate_limit),
        Tool::new(
            "set_rate_limit",
            Nature::Changes,
            "Sets how many writes a minute a route lets through.",
            set_rate_limit,
        ),
        Tool::new("list_alerts", Nature::Reads, "Every alert, and whether it fires now.", list_alerts),
        Tool::new("mute_alert", Nature::Changes, "Keeps an alert silent for some hours.", mute_alert),
    ]
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct GetRateLimit {
    /// The route, such as `crm.write`.
    route: String,
}

fn get_rate_limit(company: &Company, asked: GetRateLimit) -> Result<Value, Trouble> {
    let mut found =
        objects(company, "SELECT route, per_minute, burst FROM rate_limits WHERE route = ?", [&asked.route])?;
    found.pop().ok_or_else(|| Trouble::Cannot(format!("there is no route `{}`", asked.route)))
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct SetRateLimit {
    /// The route, such as `crm.write`.
    route: String,
    /// Writes a minute, from 1 to 1,000,000.
    #[schemars(range(min = 1, max = 1_000_000))]
    per_minute: u32,
}

fn set_rate_limit(company: &Company, asked: SetRateLimit) -> Result<Value, Trouble> {
    if !(1..=1_000_000).contains(&asked.per_minute) {
        return Err(Trouble::Arguments("`per_minute` must be between 1 and 1,000,000".into()));
    }
    let rows = company.db.execute(
        "UPDATE rate_limits SET per_minute = ?2, burst = max(burst, ?2 / 60), tokens = max(burst, ?2 / 60) \
         WHERE route = ?1",
        params![asked.route, asked.per_minute],
    )?;
    touched(rows, &format!("route `{}`", asked.route))?;
    Ok(json!({ "route": asked.route, "per_minute": asked.per_minute }))
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct ListAlerts {}

fn list_alerts(company: &Company, _: ListAlerts) -> Result<Value, Trouble> {
    let firing = company.alerts_firing()?;
    let mut alerts = objects(company, "SELECT name, says, severity, muted_hours FROM alerts ORDER BY name", [])?;
    for alert in &mut alerts {
        let fires = firing.iter().any(|(name, _)| alert.get("name").is_some_and(|n| n == name.as_str()));
        if let Some(members) = alert.as_object_mut() {
            members.insert("fires".into(), json!(fires));
        }
    }
    Ok(json!({ "alerts": alerts }))
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct MuteAlert {
    /// Which alert.
    name: String,
    /// For how many hours, from 1 to 8,760.
    #[schemars(range(min = 1, max = 8_760))]
    hours: u32,
}

fn mute_alert(company: &Company, asked: MuteAlert) -> Result<Value, Trouble> {
    if !(1..=8_760).contains(&asked.hours) {
        return Err(Trouble::Arguments("`hours` must be between 1 and 8,760".into()));
    }
    let rows =
        company.db.execute("UPDATE alerts SET muted_hours = ?2 WHERE name = ?1", params![asked.name, asked.hours])?;
    touched(rows, &format!("alert `{}`", asked.name))?;
    Ok(json!({ "muted": asked.name, "hours": asked.hours }))
}
