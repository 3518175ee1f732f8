//! What came of a statement that people confirmed, as it was kept, given to whoever asks for the same again.

use ambit_effects::sql::wire::server::Column;
use ambit_effects::sql::wire::write;
use serde_json::{Map, Value};

use super::say::Said;
use crate::upstream::postgres::Wanted;

/// The messages that say what is kept: its columns where they are wanted, its rows in text form, its tag.
pub(super) fn done(kept: &Map<String, Value>, wanted: &Wanted) -> Said {
    let columns: Vec<Column> = list(kept, "columns").iter().filter_map(column).collect();
    let is_whole = kept.get("cut") != Some(&Value::Bool(true));
    let tag = kept.get("tag").and_then(Value::as_str);
    if !columns.is_empty() && (!is_whole || wanted.results.contains(&true)) {
        let why = if is_whole {
            "what it gave is kept in text form, and is asked for in binary form"
        } else {
            "what it gave is more than is kept (1 MiB)"
        };
        let detail = format!("It ran once, and came to `{}`.", tag.unwrap_or_default());
        let help = "it has happened; do not ask for it again to have it done";
        return Said::error("0A000", why.to_owned()).with_detail(&detail).with_help(help);
    }
    let mut out = Vec::new();
    for (tells, kind) in [(wanted.tells_parsed, b'1'), (wanted.tells_bound, b'2')] {
        if tells {
            write::bare(&mut out, kind);
        }
    }
    match (columns.is_empty(), wanted.describe, wanted.simple) {
        (false, true, _) => write::columns(&mut out, &columns),
        (true, true, false) => write::bare(&mut out, b'n'),
        _ => {}
    }
    for row in list(kept, "values") {
        let values = row.as_array().map(Vec::as_slice).unwrap_or_default();
        write::row(&mut out, values.iter().map(|value| value.as_str().map(str::as_bytes)));
    }
    match tag {
        Some(tag) => write::tag(&mut out, tag),
        None => write::bare(&mut out, b'I'),
    }
    Said::Done(out)
}

fn list<'a>(kept: &'a Map<String, Value>, name: &str) -> &'a [Value] {
    kept.get(name).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default()
}

fn column(value: &Value) -> Option<Column> {
    let number = |name: &str| value.get(name).and_then(Value::as_i64);
    Some(Column {
        name: value.get("name")?.as_str()?.to_owned(),
        type_number: u32::try_from(number("type")?).ok()?,
        size: i16::try_from(number("size")?).ok()?,
        modifier: i32::try_from(number("modifier")?).ok()?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gate::Answer;

    const KEPT: &str = r#"{"stored":true,"tag":"UPDATE 1","rows":1,
        "columns":[{"name":"id","type":23,"size":4,"modifier":-1}],"values":[["7"],[null]],"cut":false}"#;

    fn of(kept: &str, wanted: &Wanted) -> Said {
        Said::of(Answer::Result(kept.into()), wanted)
    }

    #[test]
    fn what_was_kept_is_given_as_if_it_had_just_come() {
        let kinds = |said: Said| {
            let Said::Done(mut rest) = said else { panic!("{said:?}") };
            let mut kinds = String::new();
            while let Some(kind) = rest.first() {
                kinds.push(char::from(*kind));
                let length = u32::from_be_bytes(rest[1..5].try_into().unwrap());
                rest.drain(..=usize::try_from(length).unwrap());
            }
            kinds
        };
        let all = Wanted { describe: true, tells_parsed: true, tells_bound: true, ..Wanted::default() };
        assert_eq!(kinds(of(KEPT, &all)), "12TDDC");
        assert_eq!(kinds(of(KEPT, &Wanted::default())), "DDC");
        let bare = r#"{"stored":true,"tag":"DELETE 4","rows":0}"#;
        assert_eq!(kinds(of(bare, &all)), "12nC");
        assert_eq!(kinds(of(bare, &Wanted { simple: true, describe: true, ..Wanted::default() })), "C");
    }

    #[test]
    fn what_cannot_be_given_is_said_to_have_happened() {
        let binary = Wanted { results: vec![true], ..Wanted::default() };
        assert_eq!(of(KEPT, &binary).code(), "0A000");
        assert_eq!(of(&KEPT.replace("false", "true"), &Wanted::default()).code(), "0A000");
    }
}
