//! JSON with one way to write it: members in the order of their names' bytes, no white space. Numbers as `serde_json`
//! writes them; no two members of one name can occur in a `Value`.

use serde_json::Value;

/// Deeper values are not written: readers of JSON, ours among them, give up at 128.
const DEEPEST: usize = 100;

/// The bytes of the value; `None` when it is nested too deeply.
pub(super) fn bytes(value: &Value) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(512);
    write(value, DEEPEST, &mut out)?;
    Some(out)
}

fn write(value: &Value, deeper: usize, out: &mut Vec<u8>) -> Option<()> {
    match value {
        Value::Array(items) => {
            let deeper = deeper.checked_sub(1)?;
            out.push(b'[');
            for (n, item) in items.iter().enumerate() {
                if n > 0 {
                    out.push(b',');
                }
                write(item, deeper, out)?;
            }
            out.push(b']');
        }
        Value::Object(members) => {
            let deeper = deeper.checked_sub(1)?;
            // Sorted here: whether `Map` is sorted is for any crate of the build to change.
            let mut members: Vec<_> = members.iter().collect();
            members.sort_unstable_by_key(|(name, _)| name.as_bytes());
            out.push(b'{');
            for (n, (name, value)) in members.into_iter().enumerate() {
                if n > 0 {
                    out.push(b',');
                }
                serde_json::to_writer(&mut *out, name).ok()?;
                out.push(b':');
                write(value, deeper, out)?;
            }
            out.push(b'}');
        }
        simple => serde_json::to_writer(out, simple).ok()?,
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn members_stand_in_the_order_of_their_bytes() {
        let value = json!({"b": [1, 2.5, -3, null, true], "a": {"é": "\u{1b}\"", "z": {}}, "B": []});
        assert_eq!(
            String::from_utf8(bytes(&value).unwrap()).unwrap(),
            r#"{"B":[],"a":{"z":{},"é":"\u001b\""},"b":[1,2.5,-3,null,true]}"#
        );
    }

    #[test]
    fn what_could_not_be_read_again_is_not_written() {
        let nested = |depth| (0..depth).fold(json!(1), |inner, _| json!([inner]));
        assert!(bytes(&nested(100)).is_some());
        assert_eq!(bytes(&nested(101)), None);
    }
}
