//! `completion/complete`: what an argument of a prompt, or a variable of a resource's template, could be. The server says it
//! out of what it holds, so it reads the one or the other.

use ambit_core::effect::Verb;
use ambit_core::reading::{Reach, Reading};
use ambit_core::value::Value;

use super::params::Params;
use super::{Invalid, Target};

/// What is completed.
pub(super) enum About {
    /// An argument of a prompt.
    Prompt,
    /// A variable of a template.
    Resource,
}

/// What the parameters are about.
pub(super) fn about(payload: &[u8]) -> Result<About, Invalid> {
    let reference = Params::read(payload)?.object("ref")?;
    match reference.get("type") {
        Some(Value::Text(kind)) if kind == "ref/prompt" => Ok(About::Prompt),
        Some(Value::Text(kind)) if kind == "ref/resource" => Ok(About::Resource),
        _ => Err(Invalid::Member { member: "ref", expected: "a reference to a prompt or a resource" }),
    }
}

/// Reads them. What a prompt would be given is not known before all of it is, and a template is no URI: a test on either is
/// about what is not there.
pub(super) fn read(target: &Target<'_>, name: &str, payload: &[u8]) -> Result<Reading, Invalid> {
    let mut params = Params::read(payload)?;
    let reference = params.object("ref")?;
    let (member, values, given) = match about(payload)? {
        About::Prompt => {
            ("name", vec![("name".to_owned(), Value::Text(name.to_owned()))], ["name", "arguments"].as_slice())
        }
        About::Resource => ("uri", Vec::new(), ["uri"].as_slice()),
    };
    match reference.get(member) {
        Some(Value::Text(said)) if said == name => {}
        Some(Value::Text(said)) => return Err(Invalid::Name(crate::json::escape(said))),
        _ => return Err(Invalid::Member { member, expected: "a string" }),
    }
    let argument = params.object("argument")?;
    for member in ["name", "value"] {
        if !matches!(argument.get(member), Some(Value::Text(_))) {
            return Err(Invalid::Member { member: "argument", expected: "an object with a `name` and a `value`" });
        }
    }
    params.object("context")?;
    let mut fields = ambit_core::effect::FieldSet::new();
    for name in given {
        match target.resource.field_named(name) {
            Some(place) => fields.insert(place),
            None => fields.insert_unlisted(),
        }
    }
    let unread = params.unread(&["_meta"], Reach::Resource(target.id))?;
    Ok(target.reading(Verb::Read, fields, unread, Value::Map(values)))
}
