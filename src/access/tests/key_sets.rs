//! Which keys of a set may verify grants.

use super::jwk::KeySet;
use super::*;

fn usable(keys: &[Value]) -> usize {
    KeySet::parse(json!({ "keys": keys }).to_string().as_bytes()).unwrap().len()
}

fn with(mut jwk: Value, field: &str, value: Value) -> Value {
    jwk[field] = value;
    jwk
}

fn rsa_of_bits(bits: usize) -> Value {
    let mut modulus = vec![0xff; bits.div_ceil(8)];
    modulus[0] >>= (8 - bits % 8) % 8;
    // Some providers put a zero in front, as DER does; it must not count.
    let padded = [vec![0, 0], modulus].concat();
    json!({ "kty": "RSA", "n": BASE64_URL_SAFE_NO_PAD.encode(padded), "e": "AQAB" })
}

#[test]
fn keys_for_signatures_of_our_algorithms_are_used() {
    for pair in [&*RSA, &*P256, &*ED25519] {
        let jwk = pair.jwk("a");
        assert_eq!(usable(std::slice::from_ref(&jwk)), 1, "{jwk}");
        for field in ["alg", "use", "kid"] {
            let mut less = jwk.clone();
            less.as_object_mut().unwrap().remove(field).unwrap();
            assert_eq!(usable(&[less]), 1, "{jwk} without {field}");
        }
        assert_eq!(usable(&[with(jwk, "key_ops", json!(["sign", "verify"]))]), 1);
    }
}

#[test]
fn keys_for_anything_else_are_left_out() {
    let (rsa, p256, ed25519) = (RSA.jwk("a"), P256.jwk("a"), ED25519.jwk("a"));
    for other in [
        with(rsa.clone(), "use", json!("enc")),
        with(rsa.clone(), "key_ops", json!(["sign"])),
        with(rsa.clone(), "key_ops", json!([])),
        with(rsa.clone(), "alg", json!("RS512")),
        with(rsa.clone(), "alg", json!("PS256")),
        with(rsa.clone(), "alg", json!("HS256")),
        with(rsa.clone(), "alg", json!("none")),
        with(rsa.clone(), "n", json!("not base64!")),
        with(rsa.clone(), "n", json!("")),
        with(rsa.clone(), "kty", json!("oct")),
        with(rsa, "kid", json!(1)),
        with(p256.clone(), "crv", json!("P-384")),
        with(p256.clone(), "alg", json!("RS256")),
        with(p256, "x", json!("AAAA")),
        with(ed25519.clone(), "crv", json!("X25519")),
        with(ed25519, "x", json!("AAAA")),
        json!({ "kty": "oct", "k": BASE64_URL_SAFE_NO_PAD.encode(SECRET) }),
        json!({ "kty": "oct", "alg": "HS256", "kid": "a", "k": BASE64_URL_SAFE_NO_PAD.encode(SECRET) }),
        json!("a key"),
        json!(null),
    ] {
        // One that cannot be used does not spoil its neighbours.
        assert_eq!(usable(&[other.clone(), P256.jwk("b")]), 1, "{other}");
    }
}

#[test]
fn rsa_keys_have_2048_bits() {
    for (bits, expected) in [(512, 0), (1024, 0), (2047, 0), (2048, 1), (4096, 1)] {
        assert_eq!(usable(&[rsa_of_bits(bits)]), expected, "{bits} bits");
    }
}

#[test]
fn what_is_no_set_is_refused() {
    for document in ["", "[]", "{}", r#"{"keys": {}}"#, "<html>"] {
        assert!(KeySet::parse(document.as_bytes()).is_err(), "{document:?}");
    }
}
