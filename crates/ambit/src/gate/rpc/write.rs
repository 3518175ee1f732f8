//! Writing messages.

/// Writes a request line.
pub fn request(out: &mut Vec<u8>, id: u64, method: &str, params: Option<&[u8]>) {
    request_raw(out, &id.to_string(), method, params);
}

/// The same, with the id as raw JSON.
pub fn request_raw(out: &mut Vec<u8>, id: &str, method: &str, params: Option<&[u8]>) {
    out.extend_from_slice(b"{\"jsonrpc\":\"2.0\",\"id\":");
    out.extend_from_slice(id.as_bytes());
    out.extend_from_slice(b",\"method\":");
    quote(out, method);
    finish(out, params);
}

/// Writes a notification line.
pub fn notification(out: &mut Vec<u8>, method: &str, params: Option<&[u8]>) {
    out.extend_from_slice(b"{\"jsonrpc\":\"2.0\",\"method\":");
    quote(out, method);
    finish(out, params);
}

/// Writes the line of an answer, `id` and `result` as raw JSON.
pub fn result(out: &mut Vec<u8>, id: &str, result: &[u8]) {
    answer(out, id, b",\"result\":", result);
}

/// Writes the line of an error, `id` and `error` as raw JSON.
pub fn error_raw(out: &mut Vec<u8>, id: &str, error: &[u8]) {
    answer(out, id, b",\"error\":", error);
}

/// The code of the error in a line that was written here as the answer to `id`; `None` for a result.
pub(crate) fn error_code(line: &[u8], id: &str) -> Option<i64> {
    let rest = line.strip_prefix(b"{\"jsonrpc\":\"2.0\",\"id\":")?.strip_prefix(id.as_bytes())?;
    let error = rest.strip_prefix(b",\"error\":")?.trim_ascii_end().strip_suffix(b"}")?;
    serde_json::from_slice::<super::ErrorWords>(error).ok().map(|error| error.code)
}

/// Writes the line of an error of our own. Where no id could be read, it has none: the Model Context Protocol's schema
/// takes that and not `null`.
pub fn error(out: &mut Vec<u8>, id: Option<&str>, code: i32, message: &str) {
    let mut body = format!("{{\"code\":{code},\"message\":").into_bytes();
    quote(&mut body, message);
    body.push(b'}');
    match id {
        Some(id) => error_raw(out, id, &body),
        None => {
            out.extend_from_slice(b"{\"jsonrpc\":\"2.0\",\"error\":");
            out.extend_from_slice(&body);
            out.extend_from_slice(b"}\n");
        }
    }
}

/// Writes `text` as a JSON string.
pub fn quote(out: &mut Vec<u8>, text: &str) {
    // Writing to memory does not fail, and a string has a JSON form.
    let _ = serde_json::to_writer(out, text);
}

fn answer(out: &mut Vec<u8>, id: &str, member: &[u8], body: &[u8]) {
    out.reserve(32 + id.len() + body.len());
    out.extend_from_slice(b"{\"jsonrpc\":\"2.0\",\"id\":");
    out.extend_from_slice(id.as_bytes());
    out.extend_from_slice(member);
    one_line(out, body);
    out.extend_from_slice(b"}\n");
}

fn finish(out: &mut Vec<u8>, params: Option<&[u8]>) {
    if let Some(params) = params {
        out.extend_from_slice(b",\"params\":");
        one_line(out, params);
    }
    out.extend_from_slice(b"}\n");
}

/// Valid JSON has line breaks only between its parts; there a space means the same. A line off this wire has none, so
/// this changes something only where the bytes came from elsewhere.
fn one_line(out: &mut Vec<u8>, json: &[u8]) {
    let from = out.len();
    out.extend_from_slice(json);
    if memchr::memchr2(b'\n', b'\r', json).is_some() {
        for byte in out.iter_mut().skip(from).filter(|byte| matches!(byte, b'\n' | b'\r')) {
            *byte = b' ';
        }
    }
}
