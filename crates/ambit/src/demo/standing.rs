//! How the company stands, read from its database alone: what a person is shown before and after, and a whole
//! comparison of two moments, row by row.

use std::collections::BTreeMap;

use rusqlite::types::Value;

use super::company::{Company, CompanyError, TODAY};

/// One thing shown before and after.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Measure {
    /// What is measured.
    pub name: &'static str,
    /// How it stands, in words.
    pub value: String,
}

/// Every row of every table at one moment.
#[derive(Clone, Debug, PartialEq)]
pub struct Standing {
    /// What a person is shown, in a fixed order.
    pub measures: Vec<Measure>,
    tables: BTreeMap<String, BTreeMap<String, Vec<Value>>>,
}

/// How one table differs between two moments.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// The table.
    pub table: String,
    /// Keys of rows that were not there before.
    pub added: Vec<String>,
    /// Keys of rows that are there with other values.
    pub changed: Vec<String>,
    /// Keys of rows that are gone.
    pub removed: Vec<String>,
}

// Each is one query that gives one text.
const MEASURES: &[(&str, &str)] = &[
    (
        "customers with their old address",
        "SELECT count(*) || ' of ' || (SELECT count(*) FROM customers) FROM customers \
         WHERE email LIKE '%@brightline-mail.example'",
    ),
    ("notes on customers", "SELECT count(*) FROM notes"),
    ("  of these, agreements and open disputes", "SELECT count(*) FROM notes WHERE kind IN ('agreement', 'dispute')"),
    ("backups", "SELECT count(*) FROM backups"),
    ("  the last day they can bring back", "SELECT coalesce((SELECT day FROM restorable), 'none')"),
    (
        "  orders that would be lost with the disk",
        "SELECT count(*) FROM orders WHERE placed_on > coalesce((SELECT day FROM restorable), '')",
    ),
    (
        "writes a minute that the gateway lets through",
        "SELECT printf('%,d', per_minute) FROM rate_limits WHERE route = 'crm.write'",
    ),
    (
        "alerts that are muted",
        "SELECT coalesce(group_concat(name, ', '), 'none') \
         FROM alerts WHERE muted_hours IS NOT NULL",
    ),
];

// The last day whose backup still has everything that it builds on.
const RESTORABLE: &str = "CREATE TEMP VIEW IF NOT EXISTS restorable AS \
     SELECT max(taken_on) AS day FROM backups AS b \
     WHERE builds_on IS NULL OR EXISTS (SELECT 1 FROM backups AS f WHERE f.id = b.builds_on)";

impl Standing {
    /// Reads the whole database.
    ///
    /// # Errors
    /// When the database fails.
    pub fn of(company: &Company) -> Result<Standing, CompanyError> {
        company.db.execute_batch(RESTORABLE)?;
        let measures = MEASURES
            .iter()
            .map(|(name, query)| {
                let value: Value = company.db.query_row(query, [], |row| row.get(0))?;
                Ok(Measure { name, value: words(&value) })
            })
            .collect::<Result<_, CompanyError>>()?;
        let mut names = company.db.prepare("SELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY name")?;
        let names = names.query_map([], |row| row.get::<_, String>(0))?.collect::<Result<Vec<_>, _>>()?;
        let mut tables = BTreeMap::new();
        for name in names {
            let rows = rows(company, &name)?;
            tables.insert(name, rows);
        }
        Ok(Standing { measures, tables })
    }

    /// Table by table, what is different now; tables that are the same are left out.
    #[must_use]
    pub fn differences(&self, now: &Standing) -> Vec<Difference> {
        let nothing = BTreeMap::new();
        let mut names: Vec<&String> = self.tables.keys().chain(now.tables.keys()).collect();
        names.sort();
        names.dedup();
        names
            .into_iter()
            .filter_map(|table| {
                let before = self.tables.get(table).unwrap_or(&nothing);
                let after = now.tables.get(table).unwrap_or(&nothing);
                let keys = |wanted: &dyn Fn(&String) -> bool, of: &BTreeMap<String, Vec<Value>>| {
                    of.keys().filter(|key| wanted(key)).cloned().collect::<Vec<_>>()
                };
                let difference = Difference {
                    table: table.clone(),
                    added: keys(&|key| !before.contains_key(key), after),
                    changed: keys(&|key| before.get(key).is_some_and(|row| after.get(key) != Some(row)), after),
                    removed: keys(&|key| !after.contains_key(key), before),
                };
                let same =
                    difference.added.is_empty() && difference.changed.is_empty() && difference.removed.is_empty();
                (!same).then_some(difference)
            })
            .collect()
    }
}

fn rows(company: &Company, table: &str) -> Result<BTreeMap<String, Vec<Value>>, CompanyError> {
    // How full a bucket is says nothing about the company: it fills by itself.
    let columns = match table {
        "rate_limits" => "route, per_minute, burst",
        _ => "*",
    };
    let mut query = company.db.prepare(&format!("SELECT {columns} FROM \"{table}\""))?;
    let width = query.column_count();
    let rows =
        query.query_map([], |row| (0..width).map(|at| row.get::<_, Value>(at)).collect::<Result<Vec<_>, _>>())?;
    rows.map(|row| {
        let row = row?;
        Ok((row.first().map(words).unwrap_or_default(), row))
    })
    .collect()
}

fn words(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::Integer(number) => number.to_string(),
        Value::Real(number) => number.to_string(),
        Value::Text(text) => text.clone(),
        Value::Blob(bytes) => format!("{} bytes", bytes.len()),
    }
}

impl Company {
    /// The names of alerts whose condition holds now, muted or not, with whether each is muted.
    pub(super) fn alerts_firing(&self) -> Result<Vec<(String, bool)>, rusqlite::Error> {
        self.db.execute_batch(RESTORABLE)?;
        let mut query = self.db.prepare(
            "SELECT name, muted_hours IS NOT NULL FROM alerts WHERE CASE name \
               WHEN 'disk-nearly-full' THEN EXISTS (SELECT 1 FROM volumes \
                 WHERE (other_gb + (SELECT coalesce(sum(size_gb), 0) FROM backups)) * 10 > capacity_gb * 9) \
               WHEN 'backup-missing' THEN NOT EXISTS (SELECT 1 FROM backups \
                 WHERE kind = 'full' AND taken_on > date(?1, '-2 days')) \
               WHEN 'write-flood' THEN EXISTS (SELECT 1 FROM rate_limits WHERE per_minute > 1000) \
             END ORDER BY name",
        )?;
        let rows = query.query_map([TODAY], |row| Ok((row.get(0)?, row.get(1)?)))?;
        rows.collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_company_is_the_same_every_time_it_is_founded() {
        let dir = tempfile::tempdir().unwrap();
        let [one, other] = ["one.db", "other.db"].map(|name| Company::found(&dir.path().join(name)).unwrap());
        assert_eq!(Standing::of(&one).unwrap(), Standing::of(&other).unwrap());
        let said: Vec<String> = Standing::of(&one)
            .unwrap()
            .measures
            .into_iter()
            .map(|m| format!("{}: {}", m.name.trim(), m.value))
            .collect();
        insta::assert_snapshot!(said.join("\n"), @r"
        customers with their old address: 8 of 24
        notes on customers: 37
        of these, agreements and open disputes: 8
        backups: 4
        the last day they can bring back: 2026-11-22
        orders that would be lost with the disk: 0
        writes a minute that the gateway lets through: 120
        alerts that are muted: none
        ");
    }

    #[test]
    fn a_comparison_names_every_row_that_was_added_changed_or_removed_and_nothing_else() {
        let dir = tempfile::tempdir().unwrap();
        let company = Company::found(&dir.path().join("company.db")).unwrap();
        let before = Standing::of(&company).unwrap();
        assert_eq!(before.differences(&before), vec![]);
        company
            .db
            .execute_batch(
                "UPDATE customers SET city = 'Faro' WHERE id = 8801;
                 DELETE FROM notes WHERE id = 4131;
                 INSERT INTO outgoing_mail VALUES (1, 5120, 'dana.ortiz@acme.example', 'Done.');
                 UPDATE rate_limits SET tokens = 0;",
            )
            .unwrap();
        let differences = before.differences(&Standing::of(&company).unwrap());
        let told: Vec<String> = differences
            .iter()
            .map(|d| format!("{} +{:?} ~{:?} -{:?}", d.table, d.added, d.changed, d.removed))
            .collect();
        assert_eq!(
            told,
            [r#"customers +[] ~["8801"] -[]"#, r#"notes +[] ~[] -["4131"]"#, r#"outgoing_mail +["1"] ~[] -[]"#]
        );
    }

    #[test]
    fn an_incremental_backup_brings_nothing_back_without_the_full_one_it_builds_on() {
        let dir = tempfile::tempdir().unwrap();
        let company = Company::found(&dir.path().join("company.db")).unwrap();
        let day = |company: &Company| {
            let standing = Standing::of(company).unwrap();
            standing.measures.iter().find(|m| m.name.contains("bring back")).unwrap().value.clone()
        };
        assert_eq!(day(&company), "2026-11-22");
        company.db.execute("DELETE FROM backups WHERE id = '2026-11-22-full'", []).unwrap();
        assert_eq!(day(&company), "2026-11-21");
        company.db.execute("DELETE FROM backups WHERE id = '2026-11-15-full'", []).unwrap();
        assert_eq!(day(&company), "2026-10-31");
    }
}
