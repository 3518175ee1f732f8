//! Bytes as lowercase hex digits.

/// Two digits a byte.
#[must_use]
pub fn write(bytes: &[u8]) -> String {
    const DIGITS: [char; 16] = ['0', '1', '2', '3', '4', '5', '6', '7', '8', '9', 'a', 'b', 'c', 'd', 'e', 'f'];
    let digit = |value: u8| DIGITS.get(usize::from(value)).copied().unwrap_or('0');
    bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]).collect()
}

/// Reads lowercase hex digits; `None` for anything else, so that there is one way to write a thing.
#[must_use]
pub fn read(text: &str) -> Option<Vec<u8>> {
    let value = |digit: u8| match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        _ => None,
    };
    text.as_bytes()
        .chunks(2)
        .map(|pair| match pair {
            [high, low] => Some(value(*high)? << 4 | value(*low)?),
            _ => None,
        })
        .collect()
}

/// Reads exactly `N` bytes.
#[must_use]
pub fn read_exactly<const N: usize>(text: &str) -> Option<[u8; N]> {
    read(text)?.try_into().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_have_one_way_to_be_written() {
        let all: Vec<u8> = (0..=255).collect();
        assert_eq!(read(&write(&all)), Some(all));
        assert_eq!(write(&[0, 0xf, 0xa0]), "000fa0");
        for wrong in ["0", "0g", "FF", " 00", "é"] {
            assert_eq!(read(wrong), None, "{wrong}");
        }
        assert_eq!(read_exactly::<2>("00ff"), Some([0, 255]));
        assert_eq!(read_exactly::<2>("00ff00"), None);
    }
}
