//! Server-sent events, as far as messages come in them.

use std::time::Duration;

use hyper::header::HeaderValue;

/// The data of server-sent events, as they come; bounded.
pub(super) struct Events {
    most: usize,
    line: Vec<u8>,
    data: Vec<u8>,
    // Of the event that comes, and of the last that came.
    id: Option<HeaderValue>,
    last: Option<HeaderValue>,
    retry: Duration,
}

// A server that does not say when it wants to be asked again is given so long, and one that wants it at once a little.
const RETRY: Duration = Duration::from_secs(1);
const SOONEST: Duration = Duration::from_millis(100);
// What is longer is no id that anybody needs.
const ID: usize = 1_000;

impl Events {
    pub(super) fn new(most: usize) -> Events {
        Events { most, line: Vec::new(), data: Vec::new(), id: None, last: None, retry: RETRY }
    }

    /// By what, and after how long, the server can be asked for what came after the last event; it begins anew with one. `None`
    /// where no event had an id.
    pub(super) fn again(&mut self) -> Option<(HeaderValue, Duration)> {
        self.line.clear();
        self.data.clear();
        Some((self.last.clone()?, self.retry))
    }

    /// The data of each event that ends in those bytes.
    pub(super) fn take(&mut self, bytes: &[u8]) -> Result<Vec<Vec<u8>>, String> {
        let mut whole = Vec::new();
        for byte in bytes {
            if *byte != b'\n' {
                self.line.push(*byte);
                if self.line.len() + self.data.len() > self.most {
                    return Err(format!("the server wrote an event of more than {} bytes", self.most));
                }
                continue;
            }
            let line = std::mem::take(&mut self.line);
            let line = line.strip_suffix(b"\r").unwrap_or(&line);
            if line.is_empty() {
                self.last = self.id.clone().or(self.last.take());
                if !self.data.is_empty() {
                    whole.push(std::mem::take(&mut self.data));
                }
            } else if let Some(data) = line.strip_prefix(b"data:") {
                if !self.data.is_empty() {
                    self.data.push(b'\n');
                }
                self.data.extend_from_slice(value(data));
            } else if let Some(id) = line.strip_prefix(b"id:") {
                self.id = HeaderValue::from_bytes(value(id)).ok().filter(|id| (1..=ID).contains(&id.len()));
            } else if let Some(retry) = line.strip_prefix(b"retry:") {
                let digits = value(retry).iter().all(u8::is_ascii_digit).then_some(value(retry));
                let said = digits.and_then(|digits| std::str::from_utf8(digits).ok()?.parse().ok());
                self.retry = said.map_or(self.retry, Duration::from_millis).max(SOONEST);
            }
        }
        Ok(whole)
    }
}

/// What stands behind the colon of a line.
fn value(text: &[u8]) -> &[u8] {
    text.strip_prefix(b" ").unwrap_or(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_event_says_where_to_go_on() {
        let mut events = Events::new(100);
        assert_eq!(events.again(), None);
        assert!(events.take(b"id: a\nretry: 250\ndata: \n\nid: b\ndata: ha").unwrap().is_empty());
        let (id, after) = events.again().unwrap();
        assert_eq!((id.as_bytes(), after), (b"a".as_slice(), Duration::from_millis(250)), "`b` did not come whole");
        assert_eq!(events.take(b"id:c\ndata:1\n\ndata: 2\nretry: soon\nretry: 0\n\n").unwrap(), [b"1", b"2"]);
        let (id, after) = events.again().unwrap();
        assert_eq!((id.as_bytes(), after), (b"c".as_slice(), SOONEST));
    }

    #[test]
    fn events_are_read_however_they_are_cut() {
        let text = b": hello\r\nevent: message\r\ndata: {\"a\":\r\ndata:1}\r\n\r\nid: 7\ndata: 2\n\n\n\ndata: half";
        for cut in 1..text.len() {
            let mut events = Events::new(100);
            let all: Vec<Vec<u8>> = text.chunks(cut).flat_map(|chunk| events.take(chunk).unwrap()).collect();
            assert_eq!(all, [b"{\"a\":\n1}".to_vec(), b"2".to_vec()], "{cut}");
        }
        assert!(Events::new(10).take(b"data: 0123456789").is_err());
        assert!(Events::new(10).take(b"data: 01234\ndata: 01234\n").is_err());
    }
}
