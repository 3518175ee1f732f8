//! An issuer's keys (RFC 7517), and whether a signature is one of theirs. The arithmetic is `ring`'s.

use ambit_effects::token::Algorithm;
use base64ct::{Base64UrlUnpadded, Encoding as _};
use ring::signature::{
    ECDSA_P256_SHA256_FIXED, ED25519, RSA_PKCS1_2048_8192_SHA256, RSA_PSS_2048_8192_SHA256, RsaPublicKeyComponents,
    UnparsedPublicKey,
};
use serde_json::{Map, Value};

/// The keys of an issuer that can prove something here.
#[derive(Clone, Debug, Default)]
pub struct KeySet(Vec<Key>);

/// One of them.
#[derive(Clone, Debug)]
pub struct Key {
    id: Option<String>,
    // Where the key says for which algorithm alone it is.
    only: Option<Algorithm>,
    material: Material,
}

#[derive(Clone, Debug)]
enum Material {
    Rsa { modulus: Vec<u8>, exponent: Vec<u8> },
    P256(Vec<u8>),
    Ed25519(Vec<u8>),
}

// An issuer needs two, or a few more while it changes them.
const MOST: usize = 64;

impl KeySet {
    /// Out of a set as its issuer publishes it. Keys that prove nothing here (those that both sides would know, those for
    /// secrecy, other curves) are left out; `None` for what is no set, or one that is too large.
    #[must_use]
    pub fn of(document: &Value) -> Option<KeySet> {
        let keys = document.get("keys")?.as_array()?;
        (keys.len() <= MOST).then(|| KeySet(keys.iter().filter_map(Value::as_object).filter_map(Key::of).collect()))
    }

    /// The one key of that id that is for that algorithm; where no id is named, the one key that is. `None` also where
    /// there are several.
    #[must_use]
    pub fn find(&self, id: Option<&str>, algorithm: Algorithm) -> Option<&Key> {
        let fits = |key: &&Key| key.is_for(algorithm) && id.is_none_or(|id| key.id.as_deref() == Some(id));
        let mut fitting = self.0.iter().filter(fits);
        match (fitting.next(), fitting.next()) {
            (Some(key), None) => Some(key),
            _ => None,
        }
    }
}

impl Key {
    fn of(key: &Map<String, Value>) -> Option<Key> {
        let text = |name: &str| key.get(name).and_then(Value::as_str);
        let bytes = |name: &str| Base64UrlUnpadded::decode_vec(text(name)?).ok();
        // A key that says what it is for is for nothing else.
        let signs = key.get("use").is_none_or(|used| used.as_str() == Some("sig"));
        let verifies = key.get("key_ops").is_none_or(|operations| {
            operations.as_array().is_some_and(|all| all.iter().any(|one| one.as_str() == Some("verify")))
        });
        if !signs || !verifies {
            return None;
        }
        let only = match key.get("alg") {
            None => None,
            Some(said) => Some(Algorithm::named(said.as_str()?)?),
        };
        let material = match (text("kty")?, text("crv")) {
            ("RSA", _) => {
                let whole = |name| {
                    let bytes = bytes(name)?;
                    let start = bytes.iter().position(|byte| *byte != 0)?;
                    Some(bytes.get(start..)?.to_vec())
                };
                Material::Rsa { modulus: whole("n")?, exponent: whole("e")? }
            }
            ("EC", Some("P-256")) => {
                let (x, y) = (bytes("x")?, bytes("y")?);
                let whole = x.len() == 32 && y.len() == 32;
                whole.then(|| Material::P256([&[4], x.as_slice(), y.as_slice()].concat()))?
            }
            ("OKP", Some("Ed25519")) => Material::Ed25519(bytes("x").filter(|x| x.len() == 32)?),
            _ => return None,
        };
        Some(Key { id: text("kid").map(str::to_owned), only, material })
    }

    fn is_for(&self, algorithm: Algorithm) -> bool {
        let able = match self.material {
            Material::Rsa { .. } => matches!(algorithm, Algorithm::Rs256 | Algorithm::Ps256),
            Material::P256(_) => algorithm == Algorithm::Es256,
            Material::Ed25519(_) => algorithm == Algorithm::EdDsa,
        };
        able && self.only.is_none_or(|only| only == algorithm)
    }

    /// Whether that is this key's signature over the bytes, by that algorithm.
    #[must_use]
    pub fn signed(&self, algorithm: Algorithm, bytes: &[u8], signature: &[u8]) -> bool {
        if !self.is_for(algorithm) {
            return false;
        }
        let held = match (&self.material, algorithm) {
            (Material::Rsa { modulus, exponent }, Algorithm::Ps256) => {
                RsaPublicKeyComponents { n: modulus, e: exponent }.verify(&RSA_PSS_2048_8192_SHA256, bytes, signature)
            }
            (Material::Rsa { modulus, exponent }, _) => {
                RsaPublicKeyComponents { n: modulus, e: exponent }.verify(&RSA_PKCS1_2048_8192_SHA256, bytes, signature)
            }
            (Material::P256(point), _) => {
                UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, point).verify(bytes, signature)
            }
            (Material::Ed25519(point), _) => UnparsedPublicKey::new(&ED25519, point).verify(bytes, signature),
        };
        held.is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    // RFC 7515, A.2 and A.3; RFC 8037, A.4.
    const RSA: &str = r#"{"kty":"RSA","n":"ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTbji9k0l8W26mPddxHmfHQp-Vaw-4qPCJrcS2mJPMEzP1Pt0Bm4d4QlL-yRT-SFd2lZS-pCgNMsD1W_YpRPEwOWvG6b32690r2jZ47soMZo9wGzjb_7OMg0LOL-bSf63kpaSHSXndS5z5rexMdbBYUsLA9e-KXBdQOS-UTo7WTBEMa2R2CapHg665xsmtdVMTBQY4uDZlxvb3qCo5ZwKh9kG4LT6_I5IhlJH7aGhyxXFvUK-DWNmoudF8NAco9_h9iaGNj8q2ethFkMLs91kzk2PAcDTW9gb54h4FRWyuXpoQ","e":"AQAB"}"#;
    const RSA_SIGNED: &str = "eyJhbGciOiJSUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ.cC4hiUPoj9Eetdgtv3hF80EGrhuB__dzERat0XF9g2VtQgr9PJbu3XOiZj5RZmh7AAuHIm4Bh-0Qc_lF5YKt_O8W2Fp5jujGbds9uJdbF9CUAr7t1dnZcAcQjbKBYNX4BAynRFdiuB--f_nZLgrnbyTyWzO75vRK5h6xBArLIARNPvkSjtQBMHlb1L07Qe7K0GarZRmB_eSN9383LcOLn6_dO--xi12jzDwusC-eOkHWEsqtFZESc6BfI7noOPqvhJ1phCnvWh6IeYI2w9QOYEUipUTI8np6LbgGY9Fs98rqVt5AXLIhWkWywlVmtVrBp0igcN_IoypGlUPQGe77Rw";
    const EC: &str = r#"{"kty":"EC","crv":"P-256","x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU","y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"}"#;
    const EC_SIGNED: &str = "eyJhbGciOiJFUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ.DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q";
    const ED: &str = r#"{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}"#;
    const ED_SIGNED: &str = "eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc.hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg";

    fn set(keys: &[Value]) -> KeySet {
        KeySet::of(&json!({ "keys": keys })).unwrap()
    }

    fn key(text: &str) -> Value {
        serde_json::from_str(text).unwrap()
    }

    fn with(text: &str, more: Value) -> Value {
        let mut key = key(text);
        key.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        key
    }

    #[test]
    fn the_signatures_of_the_standards_hold_and_no_others() {
        for (text, signed, algorithm) in
            [(RSA, RSA_SIGNED, Algorithm::Rs256), (EC, EC_SIGNED, Algorithm::Es256), (ED, ED_SIGNED, Algorithm::EdDsa)]
        {
            let set = set(&[key(text)]);
            let key = set.find(None, algorithm).unwrap();
            let (bytes, signature) = signed.rsplit_once('.').unwrap();
            let mut signature = Base64UrlUnpadded::decode_vec(signature).unwrap();
            assert!(key.signed(algorithm, bytes.as_bytes(), &signature), "{algorithm:?}");
            assert!(!key.signed(algorithm, format!("{bytes}x").as_bytes(), &signature));
            assert!(!key.signed(Algorithm::Ps256, bytes.as_bytes(), &signature));
            signature[7] ^= 1;
            assert!(!key.signed(algorithm, bytes.as_bytes(), &signature));
            assert!(!key.signed(algorithm, bytes.as_bytes(), &[]));
        }
    }

    #[test]
    fn a_key_is_for_what_it_says_and_nothing_else() {
        let found = |keys: &[Value], id, algorithm| set(keys).find(id, algorithm).is_some();
        assert!(found(&[key(RSA)], None, Algorithm::Ps256) && !found(&[key(RSA)], None, Algorithm::Es256));
        let only = [with(RSA, json!({"alg": "RS256", "kid": "a"}))];
        assert!(found(&only, Some("a"), Algorithm::Rs256));
        assert!(!found(&only, Some("a"), Algorithm::Ps256));
        assert!(!found(&only, Some("b"), Algorithm::Rs256) && !found(&[key(RSA)], Some("a"), Algorithm::Rs256));
        for other in [
            json!({"use": "enc"}),
            json!({"use": 1}),
            json!({"key_ops": ["sign"]}),
            json!({"alg": "HS256"}),
            json!({"alg": "RSA-OAEP"}),
            json!({"n": ""}),
            json!({"n": "AAAA"}),
            json!({"kty": "oct", "k": "c2VzYW1l"}),
        ] {
            assert!(!found(&[with(RSA, other.clone())], None, Algorithm::Rs256), "{other}");
        }
        assert!(!found(&[with(EC, json!({"crv": "P-384"}))], None, Algorithm::Es256));
        assert!(!found(&[with(EC, json!({"x": "AA"}))], None, Algorithm::Es256));
        // Two that could be meant are none; two of one id for different algorithms are two.
        assert!(!found(&[key(RSA), key(RSA)], None, Algorithm::Rs256));
        let both = [with(RSA, json!({"kid": "a"})), with(EC, json!({"kid": "a"}))];
        assert!(found(&both, Some("a"), Algorithm::Rs256) && found(&both, Some("a"), Algorithm::Es256));
    }

    #[test]
    fn a_set_that_is_none_or_too_large_is_none() {
        for wrong in [json!({}), json!([]), json!({"keys": {}}), json!({"keys": vec![key(RSA); 65]})] {
            assert!(KeySet::of(&wrong).is_none());
        }
        assert!(KeySet::of(&json!({"keys": [1, "x", {}]})).is_some());
    }
}
