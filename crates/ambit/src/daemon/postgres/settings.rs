//! What a driver says when it comes in: for whom, for which system, and what it wants set. Little of that may be set, because
//! settings decide how statements are read.

use ambit_effects::sql::wire::first::NEWEST;

use crate::gate::postgres::Said;

/// Who comes in, for what.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Asked {
    /// The agent.
    pub agent: String,
    /// The system.
    pub system: String,
    /// What the server is to be told, besides what is pinned.
    pub settings: Vec<(String, String)>,
    /// The version of the protocol that is spoken.
    pub version: u32,
    /// What was wished for that nobody knows, where the driver is to be told of it or of another version.
    pub negotiated: Option<Vec<String>>,
}

/// What a driver may set: nothing by which statements are read.
const LET_THROUGH: [&str; 4] = ["application_name", "DateStyle", "TimeZone", "extra_float_digits"];
// A longer one is none.
const VALUE: usize = 256;

impl Asked {
    /// Reads what the first message says.
    pub fn read(version: u32, parameters: &[(&str, &str)]) -> Result<Asked, Said> {
        let (mut agent, mut system, mut settings, mut unknown) = (None, None, Vec::new(), Vec::new());
        for (name, value) in parameters.iter().copied() {
            match name {
                "user" => agent = Some(value.to_owned()),
                "database" => system = Some(value.to_owned()),
                "client_encoding" if is_utf8(value) => {}
                "client_encoding" => {
                    return Err(not_set(name).with_help("set the driver's encoding to UTF8"));
                }
                "replication" if is_off(value) => {}
                "replication" => {
                    return Err(Said::fatal("0A000", "no replication goes through this gate".to_owned()));
                }
                "options" if value.trim().is_empty() => {}
                name if name.starts_with("_pq_.") => unknown.push(name.to_owned()),
                name => {
                    let known = LET_THROUGH.into_iter().find(|known| known.eq_ignore_ascii_case(name));
                    match known.filter(|_| value.len() <= VALUE) {
                        Some(known) => settings.push((known.to_owned(), value.to_owned())),
                        None => return Err(not_set(name)),
                    }
                }
            }
        }
        let agent = agent.filter(|agent| !agent.is_empty()).ok_or_else(|| {
            Said::fatal("28000", "no user is named".to_owned()).with_help("give the agent's name as the user")
        })?;
        let spoken = version.min(NEWEST);
        let negotiated = (spoken != version || !unknown.is_empty()).then_some(unknown);
        Ok(Asked { system: system.unwrap_or_else(|| agent.clone()), agent, settings, version: spoken, negotiated })
    }

    /// How many bytes the key has with which the driver cancels.
    pub fn key_bytes(&self) -> usize {
        // From 3.2 on a key may be longer than a number.
        if self.version & 0xffff >= 2 { 32 } else { 4 }
    }
}

fn not_set(name: &str) -> Said {
    let message = format!("the setting `{}` cannot be set here", crate::escape::escape(name));
    Said::fatal("0A000", message).with_help("leave it out: Ambit sets what statements are read by")
}

fn is_utf8(value: &str) -> bool {
    let plain: String = value.chars().filter(char::is_ascii_alphanumeric).collect();
    plain.eq_ignore_ascii_case("utf8") || plain.eq_ignore_ascii_case("unicode")
}

fn is_off(value: &str) -> bool {
    ["false", "off", "no", "0"].into_iter().any(|off| value.eq_ignore_ascii_case(off))
}

#[cfg(test)]
mod tests {
    use super::*;

    const V3: u32 = 3 << 16;

    #[test]
    fn a_driver_says_for_whom_and_where_and_sets_what_reads_nothing() {
        let asked = Asked::read(
            V3,
            &[
                ("user", "helper"),
                ("database", "crm"),
                ("client_encoding", "'utf-8'"),
                ("datestyle", "ISO"),
                ("application_name", "psql"),
                ("options", ""),
                ("replication", "false"),
            ],
        )
        .unwrap();
        assert_eq!((asked.agent.as_str(), asked.system.as_str(), asked.key_bytes()), ("helper", "crm", 4));
        assert_eq!(asked.settings, [("DateStyle".into(), "ISO".into()), ("application_name".into(), "psql".into())]);
        assert_eq!(asked.negotiated, None);
        assert_eq!(Asked::read(V3, &[("user", "helper")]).unwrap().system, "helper");
        let newer = Asked::read(V3 | 9, &[("user", "a"), ("_pq_.x", "1")]).unwrap();
        assert_eq!((newer.version, newer.key_bytes()), (NEWEST, 32));
        assert_eq!(newer.negotiated, Some(vec!["_pq_.x".into()]));
        assert_eq!(Asked::read(V3 | 2, &[("user", "a")]).unwrap().negotiated, None);
    }

    #[test]
    fn nothing_by_which_statements_are_read_is_set_at_the_door() {
        for (name, value) in [
            ("options", "-c standard_conforming_strings=off"),
            ("standard_conforming_strings", "off"),
            ("search_path", "x"),
            ("client_encoding", "SJIS"),
            ("replication", "database"),
            ("replication", "true"),
            ("role", "postgres"),
            ("statement_timeout", "0"),
        ] {
            let said = Asked::read(V3, &[("user", "a"), (name, value)]).unwrap_err();
            assert_eq!(said.code(), "0A000", "{name}");
        }
        assert_eq!(Asked::read(V3, &[]).unwrap_err().code(), "28000");
    }
}
