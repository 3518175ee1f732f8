//! What became of an action, in PostgreSQL's words: a tag, or an error with its code, what there is to say of it, and what
//! to do next.

use ambit_effects::sql::wire::write;
use serde_json::Value;

use super::stored;
use crate::gate::Answer;
use crate::upstream::postgres::Wanted;

/// What is said to an agent at the end of what it asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Said {
    /// It is done; the messages that say so.
    Done(Vec<u8>),
    /// As many rows were given as were wanted.
    Suspended,
    /// It is not done, or went wrong; the fields that say why.
    Error {
        /// The fields, each with its letter.
        fields: Vec<(char, String)>,
        /// Whether the connection ends with it.
        ends: bool,
    },
}

impl Said {
    /// An error with a code, one that its connection survives.
    #[must_use]
    pub fn error(code: &str, message: String) -> Said {
        let severity = "ERROR".to_owned();
        let fields = vec![('S', severity.clone()), ('V', severity), ('C', code.to_owned()), ('M', message)];
        Said::Error { fields, ends: false }
    }

    /// An error with which the connection ends.
    #[must_use]
    pub fn fatal(code: &str, message: String) -> Said {
        let severity = "FATAL".to_owned();
        let fields = vec![('S', severity.clone()), ('V', severity), ('C', code.to_owned()), ('M', message)];
        Said::Error { fields, ends: true }
    }

    /// Text that is none.
    #[must_use]
    pub fn not_text() -> Said {
        Said::error("22021", "invalid byte sequence for encoding \"UTF8\"".to_owned())
    }

    /// The same error, with what to do next.
    #[must_use]
    pub fn with_help(self, help: &str) -> Said {
        self.with('H', help)
    }

    /// The same error, with more to say of it.
    #[must_use]
    pub fn with_detail(self, detail: &str) -> Said {
        self.with('D', detail)
    }

    fn with(mut self, letter: char, text: &str) -> Said {
        if let (Said::Error { fields, .. }, false) = (&mut self, text.is_empty()) {
            fields.push((letter, text.to_owned()));
        }
        self
    }

    /// An error out of words that end with what to do next: the first line is what happened, the rest is said of it.
    #[must_use]
    pub fn words(code: &str, text: &str) -> Said {
        let mut lines = text.lines();
        let message = lines.next().unwrap_or_default().to_owned();
        let (help, detail): (Vec<&str>, Vec<&str>) = lines.partition(|line| line.starts_with("help: "));
        let help: Vec<&str> = help.into_iter().map(|line| line.strip_prefix("help: ").unwrap_or(line)).collect();
        Said::error(code, message).with_detail(&detail.join("\n")).with_help(&help.join("\n"))
    }

    /// The code of an error; empty where it is none.
    #[must_use]
    pub fn code(&self) -> &str {
        let Said::Error { fields, .. } = self else { return "" };
        fields.iter().find(|(letter, _)| *letter == 'C').map_or("", |(_, code)| code)
    }

    /// What an answer is.
    #[must_use]
    pub fn of(answer: Answer, wanted: &Wanted) -> Said {
        match answer {
            Answer::Result(result) => done(&result, wanted),
            Answer::Error(error) => Said::stored_error(&error),
            Answer::Refused(text) => Said::words("42501", &text),
            Answer::NotHere(text) => Said::words("25001", &text),
            Answer::Pending { id, text } => Said::words("ZG001", &text).with_detail(&format!("pending={id}")),
            Answer::Invalid(text) => Said::words("42601", &text),
            Answer::Fault(text) => Said::words("58000", &text),
            Answer::OutcomeUnknown(text) => {
                let message = "nobody knows whether the statement took effect".to_owned();
                let help = "do not send it again before somebody has looked at what is there";
                Said::fatal("08007", message).with_detail(&text).with_help(help)
            }
        }
    }

    /// The error of a server, or of a bound, as it was recorded.
    fn stored_error(error: &[u8]) -> Said {
        let value: Value = serde_json::from_slice(error).unwrap_or_default();
        let fields = value.get("error").cloned().and_then(|fields| serde_json::from_value(fields).ok());
        match fields {
            Some(fields) => Said::Error { fields, ends: false },
            None => Said::error("XX000", "what the database said cannot be read".to_owned()),
        }
    }

    /// Writes it.
    pub fn write(&self, out: &mut Vec<u8>) {
        match self {
            Said::Done(messages) => out.extend_from_slice(messages),
            Said::Suspended => write::bare(out, b's'),
            Said::Error { fields, .. } => {
                let known = |letter: &char| u8::try_from(*letter).ok().filter(u8::is_ascii_alphabetic);
                let fields: Vec<(u8, &str)> =
                    fields.iter().filter_map(|(letter, text)| Some((known(letter)?, text.as_str()))).collect();
                write::fields(out, b'E', &fields);
            }
        }
    }
}

/// What a statement came to, out of what was recorded of it.
fn done(result: &[u8], wanted: &Wanted) -> Said {
    let Ok(Value::Object(result)) = serde_json::from_slice(result) else {
        return Said::error("XX000", "what came of it cannot be read".to_owned());
    };
    if result.get("stored") == Some(&Value::Bool(true)) {
        return stored::done(&result, wanted);
    }
    let mut out = Vec::new();
    match (result.get("tag").and_then(Value::as_str), result.contains_key("suspended")) {
        (_, true) => return Said::Suspended,
        (Some(tag), false) => write::tag(&mut out, tag),
        (None, false) => write::bare(&mut out, b'I'),
    }
    Said::Done(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fields(said: Said) -> Vec<String> {
        let Said::Error { fields, .. } = said else { return Vec::new() };
        fields.into_iter().filter(|(letter, _)| !"SV".contains(*letter)).map(|(l, t)| format!("{l} {t}")).collect()
    }

    #[test]
    fn an_answer_is_an_error_whose_parts_a_driver_shows_apart() {
        let wanted = Wanted::default();
        let of = |answer| fields(Said::of(answer, &wanted));
        let refused = "refused: It is not there.\nLine 3 of the scope.\nhelp: do something else";
        assert_eq!(
            of(Answer::Refused(refused.into())),
            ["C 42501", "M refused: It is not there.", "D Line 3 of the scope.", "H do something else"]
        );
        let text = "pending: the statement has not run\nhelp: send it again".to_owned();
        assert_eq!(
            of(Answer::Pending { id: "h-1".into(), text }),
            ["C ZG001", "M pending: the statement has not run", "H send it again", "D pending=h-1"]
        );
        assert_eq!(of(Answer::Invalid("no".into())), ["C 42601", "M no"]);
        assert_eq!(of(Answer::NotHere("no".into()))[0], "C 25001");
        let error = br#"{"error":[["S","ERROR"],["C","23505"],["M","duplicate"],["D","Key (id)=(1)"]]}"#;
        assert_eq!(of(Answer::Error(error.to_vec())), ["C 23505", "M duplicate", "D Key (id)=(1)"]);
        assert_eq!(of(Answer::Error(b"x".to_vec()))[0], "C XX000");
        let unknown = Said::of(Answer::OutcomeUnknown("it broke".into()), &wanted);
        assert!(matches!(&unknown, Said::Error { ends: true, .. }) && unknown.code() == "08007");
    }

    #[test]
    fn a_result_is_its_tag() {
        let of = |json: &str| Said::of(Answer::Result(json.into()), &Wanted::default());
        assert_eq!(of(r#"{"tag":"UPDATE 3","rows":0}"#), Said::Done(b"C\0\0\0\x0dUPDATE 3\0".to_vec()));
        assert_eq!(of(r#"{"tag":null,"rows":7,"suspended":true}"#), Said::Suspended);
        assert_eq!(of(r#"{"tag":null,"rows":0,"empty":true}"#), Said::Done(b"I\0\0\0\x04".to_vec()));
    }
}
