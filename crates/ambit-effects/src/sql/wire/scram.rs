//! The two messages of SCRAM-SHA-256 (RFC 5802, 7677) with which an agent's driver proves that it has a token.

use base64ct::{Base64, Encoding as _};

/// The first: nothing in it proves anything yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Opening<'a> {
    /// What it says about channel binding, which the second message has to repeat.
    pub binding: &'static str,
    /// What both sides sign of it.
    pub bare: &'a str,
    /// What it drew.
    pub nonce: &'a str,
}

/// The second.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Proof<'a> {
    /// What both sides sign of it.
    pub without_proof: &'a str,
    /// The proof.
    pub proof: [u8; 32],
}

// A nonce is short; one that is not is meant for something else.
const NONCE: std::ops::RangeInclusive<usize> = 8..=256;

impl<'a> Opening<'a> {
    /// Reads the first message, of a client that binds no channel. `None`: it is none.
    #[must_use]
    pub fn read(bytes: &'a [u8]) -> Option<Opening<'a>> {
        let text = std::str::from_utf8(bytes).ok()?;
        let (binding, bare) = ["n,,", "y,,"].into_iter().find_map(|says| Some((says, text.strip_prefix(says)?)))?;
        // Whom it names here is not looked at: the connection has said it.
        let (name, nonce) = bare.strip_prefix("n=")?.split_once(",r=")?;
        let is_plain = |text: &str| text.bytes().all(|byte| matches!(byte, 0x21..=0x2b | 0x2d..=0x7e));
        (!name.contains(',') && is_plain(nonce) && NONCE.contains(&nonce.len())).then_some(Opening {
            binding,
            bare,
            nonce,
        })
    }
}

impl<'a> Proof<'a> {
    /// Reads the second message. `nonce`: what both sides drew, the client's first. `None`: it is not the second message
    /// of that exchange.
    #[must_use]
    pub fn read(bytes: &'a [u8], opening_binding: &str, nonce: &str) -> Option<Proof<'a>> {
        let text = std::str::from_utf8(bytes).ok()?;
        let (without_proof, proof) = text.rsplit_once(",p=")?;
        let expected = format!("c={},r={nonce}", Base64::encode_string(opening_binding.as_bytes()));
        if without_proof != expected || proof.len() != 44 {
            return None;
        }
        let mut bytes = [0; 32];
        let decoded = Base64::decode(proof, &mut bytes).ok()?;
        (decoded.len() == 32).then_some(Proof { without_proof, proof: bytes })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_messages_of_the_standard_are_read_and_nothing_else_is() {
        // RFC 7677, section 3.
        let first = Opening::read(b"n,,n=user,r=rOprNGfwEbeRWgbNEkqO").unwrap();
        assert_eq!((first.binding, first.bare), ("n,,", "n=user,r=rOprNGfwEbeRWgbNEkqO"));
        let nonce = "rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0";
        let last = format!("c=biws,r={nonce},p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=");
        let read = Proof::read(last.as_bytes(), first.binding, nonce).unwrap();
        assert_eq!(read.without_proof, format!("c=biws,r={nonce}"));
        assert_eq!(read.proof[..2], [0x74, 0x7c]);
        for wrong in [
            "",
            "n,,",
            "p=tls-server-end-point,,n=,r=rOprNGfwEbeRWgbNEkqO",
            "n,a=admin,n=,r=rOprNGfwEbeRWgbNEkqO",
            "n,,m=x,n=,r=rOprNGfwEbeRWgbNEkqO",
            "n,,n=,r=short",
            "n,,n=,r=rOprNGfwEbeRWgbNEkqO,x=1",
        ] {
            assert_eq!(Opening::read(wrong.as_bytes()), None, "{wrong}");
        }
        for wrong in [
            last.replace("biws", "eSws"),
            last.replace("c=", "c=x"),
            last.replace("k0,p", "k1,p"),
            last.replace("VQ=", "V"),
            last.replace("dHz", "d*z"),
            last.replace(",p=", ",x=1,p="),
        ] {
            assert_eq!(Proof::read(wrong.as_bytes(), first.binding, nonce), None, "{wrong}");
        }
    }
}
