//! What is kept of results, case by case.

use ambit_core::returns::Part;
use serde_json::{Value as Json, json};

use super::*;

fn parts(parts: &[(&str, &str)]) -> Vec<NamedPart> {
    let named = |(part, field): &(&str, &str)| NamedPart {
        part: Part::parse(part).unwrap(),
        resource: "crm.customers".into(),
        field: (!field.is_empty()).then(|| (*field).to_owned()),
    };
    parts.iter().map(named).collect()
}

fn returns() -> Returns {
    Returns {
        kept: parts(&[("customers[].id", "id"), ("customers[].name", "name"), ("total", "")]),
        withheld: parts(&[("customers[].ssn", "ssn"), ("note", "note")]),
    }
}

fn told(cut: &Cut) -> Json {
    serde_json::to_value(&cut.withheld).unwrap()
}

/// The cut result as text, and what was withheld.
fn of(result: &str) -> (String, Json) {
    let cut = cut(result.as_bytes(), &returns());
    (String::from_utf8(cut.bytes.clone()).unwrap(), told(&cut))
}

/// It is withheld whole, in Ambit's own words.
fn whole(result: &str) -> &'static str {
    let cut = cut(result.as_bytes(), &returns());
    let said: Json = serde_json::from_slice(&cut.bytes).unwrap();
    assert_eq!(said["isError"], true, "{result}");
    assert_eq!(said["content"].as_array().unwrap().len(), 1);
    assert!(said.get("structuredContent").is_none());
    assert!(!said.to_string().contains("078-05-1120"), "{said}");
    cut.withheld.whole.unwrap()
}

#[test]
fn only_granted_parts_are_kept_and_their_bytes_are_the_servers() {
    let (said, told) = of(
        r#"{"content":[{"type":"text","text":"Ann, 078-05-1120"}],"structuredContent": {"customers" : [ {"id" : 1.0e0,"ssn":"078-05-1120", "name":"\u0041nn","age":4} , {"id":2, "name" : null}], "total": 2, "note":"x", "more":{}}}"#,
    );
    let structure = r#"{"customers":[{"id":1.0e0,"name":"\u0041nn"},{"id":2, "name" : null}],"total":2}"#;
    let text = serde_json::to_string(structure).unwrap();
    assert_eq!(said, format!(r#"{{"content":[{{"type":"text","text":{text}}}],"structuredContent":{structure}}}"#));
    assert_eq!(
        told,
        json!({ "fields": ["crm.customers.note", "crm.customers.ssn"], "undeclared": 2, "beside": ["text"] })
    );
}

#[test]
fn what_needs_no_cutting_stays_byte_for_byte() {
    for result in [
        r#"{ "structuredContent": {"total":1.0e0 , "customers":[ {"id":1} ]}, "content":[] }"#,
        r#"{"content":[{"text":"{\n  \"total\": 1,\"customers\":[]}","type":"text"}],"structuredContent":{"total":1,"customers":[]},"isError":false}"#,
        r#"{"resultType":"complete","content":[{"type":"text","text":" {\"total\":1}"}]}"#,
        r#"{"content":[]}"#,
        r#"{"structuredContent":{"customers":null}}"#,
    ] {
        assert_eq!(of(result), (result.to_owned(), json!({})));
    }
}

#[test]
fn text_that_is_json_of_the_declared_shape_is_cut_where_nothing_is_structured() {
    let (said, told) = of(
        r#"{"content":[{"type":"text","text":"{\"total\":1,\"customers\":[{\"id\":7,\"ssn\":\"078-05-1120\"}]}"}],"isError":false}"#,
    );
    assert_eq!(
        said,
        r#"{"content":[{"type":"text","text":"{\"total\":1,\"customers\":[{\"id\":7}]}"}],"isError":false}"#
    );
    assert_eq!(told, json!({ "fields": ["crm.customers.ssn"] }));
}

#[test]
fn a_list_at_the_top_is_cut_element_by_element() {
    let returns = Returns { kept: parts(&[("[].id", "id")]), withheld: parts(&[("[].ssn", "ssn")]) };
    let cut = |text: &str| {
        let result = json!({ "content": [{ "type": "text", "text": text }] }).to_string();
        let cut = cut(result.as_bytes(), &returns);
        let said: Json = serde_json::from_slice(&cut.bytes).unwrap();
        said["content"][0]["text"].as_str().unwrap().to_owned()
    };
    assert_eq!(cut(r#"[{"id":1,"ssn":"x"},{"ssn":"y"},5,[{"id":2}]]"#), r#"[{"id":1},{}]"#);
    assert!(cut(r#"{"id":1}"#).starts_with("the call was made, but what came back is withheld"));
}

#[test]
fn what_cannot_be_looked_into_is_withheld_whole() {
    for text in [r#""078-05-1120""#, "078-05-1120", "{'total': 1}", r#"{"total":1,"total":"078-05-1120"}"#, "[1]", ""] {
        let result = json!({ "content": [{ "type": "text", "text": text }] }).to_string();
        assert_eq!(whole(&result), NO_STRUCTURE, "{text}");
    }
    let block = r#"{"type":"text","text":"{}"}"#;
    assert_eq!(whole(&format!(r#"{{"content":[{block},{block}]}}"#)), NO_STRUCTURE);
    assert_eq!(whole(r#"{"content":[{"type":"text","text":"{}","_meta":{"x":"078-05-1120"}}]}"#), NO_STRUCTURE);
    assert_eq!(whole(r#"{"content":[{"type":"image","data":"078-05-1120"}]}"#), NO_STRUCTURE);
    assert_eq!(whole(r#"{"structuredContent":["078-05-1120"]}"#), OTHER_SHAPE);
    assert_eq!(whole(r#"{"structuredContent":"078-05-1120"}"#), OTHER_SHAPE);
    assert_eq!(whole(r#"{"structuredContent":{"total":1},"structuredContent":{"total":"078-05-1120"}}"#), NOT_READ);
    assert_eq!(whole(r#"{"structuredContent":{"total":"\ud800"}}"#), NOT_READ);
    assert_eq!(whole(r#"{"resultType":"input_required","inputRequests":"078-05-1120"}"#), NOT_DONE);
    assert_eq!(whole(r#"{"isError":"078-05-1120"}"#), NO_RESULT);
    assert_eq!(whole(r#"{"content":"078-05-1120"}"#), NO_RESULT);
    assert_eq!(whole("[]"), NO_RESULT);
    let deep = format!(r#"{{"structuredContent":{{"total":{}{}}}}}"#, "[".repeat(70), "]".repeat(70));
    assert_eq!(whole(&deep), TOO_LARGE);
}

#[test]
fn the_words_of_an_error_are_withheld() {
    let error =
        r#"{"content":[{"type":"text","text":"078-05-1120 is taken"}],"structuredContent":{"total":1},"isError":true}"#;
    assert_eq!(whole(error), IS_ERROR);
    let cut = cut_error(br#"{"code":-32050,"message":"078-05-1120 is taken","data":["078-05-1120"]}"#);
    let said: Json = serde_json::from_slice(&cut.bytes).unwrap();
    assert_eq!(said["code"], -32050);
    assert!(!said.to_string().contains("078"), "{said}");
    assert_eq!(cut_error(b"{}").withheld.whole, Some(IS_ERROR));
}

#[test]
fn what_stands_beside_is_left_out_and_named_without_its_words() {
    let (said, told) = of(
        r#"{"_meta":{"a":1},"ttlMs":5,"content":[{"type":"image","data":"eA=="},{"type":"resource_link","uri":"x:y"},{"type":"078"}],"structuredContent":{"total":1}}"#,
    );
    assert_eq!(said, r#"{"content":[{"type":"text","text":"{\"total\":1}"}],"structuredContent":{"total":1}}"#);
    assert_eq!(told, json!({ "beside": ["_meta", "image", "other content", "other members", "resource link"] }));
}

#[test]
fn where_nothing_is_granted_an_empty_result_comes_back() {
    let none = Returns { kept: vec![], withheld: parts(&[("customers[].ssn", "ssn")]) };
    let cut = cut(br#"{"structuredContent":{"customers":[{"ssn":"078-05-1120"}]}}"#, &none);
    assert_eq!(cut.bytes, br#"{"content":[{"type":"text","text":"{}"}],"structuredContent":{}}"#);
    assert_eq!(told(&cut), json!({ "fields": ["crm.customers.ssn"] }));
    // A value where records should be is nobody's field.
    let (said, told) = of(r#"{"structuredContent":{"customers":"078-05-1120","total":1}}"#);
    assert!(!said.contains("078") && told == json!({ "undeclared": 1 }), "{said}");
}
