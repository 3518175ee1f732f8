//! Server-sent events, as far as messages come in them.

/// The data of server-sent events, as they come; bounded.
pub(super) struct Events {
    most: usize,
    line: Vec<u8>,
    data: Vec<u8>,
}

impl Events {
    pub(super) fn new(most: usize) -> Events {
        Events { most, line: Vec::new(), data: Vec::new() }
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
                if !self.data.is_empty() {
                    whole.push(std::mem::take(&mut self.data));
                }
            } else if let Some(data) = line.strip_prefix(b"data:") {
                if !self.data.is_empty() {
                    self.data.push(b'\n');
                }
                self.data.extend_from_slice(data.strip_prefix(b" ").unwrap_or(data));
            }
        }
        Ok(whole)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
