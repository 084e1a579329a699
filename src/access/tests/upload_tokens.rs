//! Upload tokens: of every change of one, none passes.

use proptest::prelude::*;
use time::Duration;
use uuid::Uuid;

use super::*;
use crate::upload::UploadId;

const UPLOAD: UploadId = UploadId(Uuid::from_u128(0x0195_0000_0000_7000_8000_0000_0000_0001));
const OTHER_SECRET: &str = "another secret of thirty-two bytes";

fn keys(keys: &[(&str, &str)]) -> TokenKeys {
    let pairs =
        keys.iter().map(|(id, secret)| (String::from(*id), SigningSecret::new(String::from(*secret))));
    TokenKeys::new(pairs.collect()).unwrap()
}

fn token() -> String {
    keys(&[("k1", SECRET)]).issue(UPLOAD, "acme", NOW + Duration::HOUR)
}

/// A token that is right but for these changes, signed with the right secret.
fn forged(header: Value, changes: Value) -> Result<UploadTokenClaims, TokenError> {
    let mut whole = json!({ "alg": "HS256", "kid": "k1", "typ": "partgate-upload+jwt" });
    for (field, value) in header.as_object().unwrap() {
        whole[field] = value.clone();
    }
    let mut claims = json!({ "aud": "partgate-upload", "sub": UPLOAD.0, "tenant": "acme", "exp": NOW.unix_timestamp() + 1 });
    for (claim, value) in changes.as_object().unwrap() {
        claims[claim] = value.clone();
    }
    keys(&[("k1", SECRET)]).verify(&format!("pgu_{}", signed_with_secret(&whole, &claims, SECRET)), NOW)
}

#[test]
fn a_token_says_what_it_was_issued_for_until_its_second() {
    let keys = keys(&[("k1", SECRET)]);
    let ends = NOW + Duration::HOUR;
    let expected = UploadTokenClaims { upload: UPLOAD, tenant: "acme".to_owned(), expires_at: ends };
    assert_eq!(keys.verify(&token(), NOW), Ok(expected.clone()));
    assert_eq!(keys.verify(&token(), ends - Duration::SECOND), Ok(expected));
    for late in [Duration::ZERO, Duration::SECOND] {
        assert_eq!(keys.verify(&token(), ends + late), Err(TokenError::Expired { at: ends }));
    }
    let words = keys.verify(&token(), ends).unwrap_err().to_string();
    assert_eq!(words, "the upload token expired at 2026-03-01T13:00:00Z");
}

#[test]
fn keys_rotate_by_being_put_in_front() {
    let (old, both, new) = (
        keys(&[("k1", SECRET)]),
        keys(&[("k2", OTHER_SECRET), ("k1", SECRET)]),
        keys(&[("k2", OTHER_SECRET)]),
    );
    let issue = |keys: &TokenKeys| keys.issue(UPLOAD, "acme", NOW + Duration::HOUR);
    assert!(both.verify(&issue(&old), NOW).is_ok());
    assert!(new.verify(&issue(&both), NOW).is_ok());
    assert_eq!(new.verify(&issue(&old), NOW), Err(TokenError::UnknownKey));
    let impostor = keys(&[("k1", OTHER_SECRET)]);
    assert_eq!(impostor.verify(&issue(&old), NOW), Err(TokenError::BadSignature));
}

#[test]
fn what_was_signed_for_another_purpose_is_refused() {
    use TokenError::{Expired, Form, NotOurs, UnknownKey, WrongAudience};
    let none = || json!({});
    assert!(forged(none(), none()).is_ok(), "the forger's tool makes good tokens");
    for (header, changes, expected) in [
        (json!({ "typ": "JWT" }), none(), NotOurs),
        (json!({ "typ": null }), none(), NotOurs),
        (json!({ "alg": "RS256" }), none(), NotOurs),
        (json!({ "alg": "HS512" }), none(), Form(JwsError::Algorithm)),
        (json!({ "alg": "none" }), none(), Form(JwsError::Algorithm)),
        (json!({ "kid": "k2" }), none(), UnknownKey),
        (json!({ "kid": null }), none(), UnknownKey),
        (json!({ "kid": 1 }), none(), Form(JwsError::Header)),
        (json!({ "crit": ["exp"] }), none(), Form(JwsError::Critical)),
        (json!({ "crit": null }), none(), Form(JwsError::Critical)),
        (none(), json!({ "aud": "partgate" }), WrongAudience),
        (none(), json!({ "aud": ["partgate-upload"] }), Form(JwsError::Claims)),
        (none(), json!({ "sub": "upload" }), Form(JwsError::Claims)),
        (none(), json!({ "exp": null }), Form(JwsError::Claims)),
        (none(), json!({ "exp": i64::MAX }), Form(JwsError::Claims)),
        (none(), json!({ "exp": NOW.unix_timestamp() }), Expired { at: NOW }),
    ] {
        assert_eq!(forged(header.clone(), changes.clone()), Err(expected), "{header} {changes}");
    }
}

#[test]
fn every_change_of_one_character_is_refused() {
    let keys = keys(&[("k1", SECRET)]);
    for changed in one_character_off(&token()) {
        assert!(keys.verify(&changed, NOW).is_err(), "{changed}");
    }
}

#[test]
fn every_truncation_is_refused() {
    let (keys, token) = (keys(&[("k1", SECRET)]), token());
    for length in 0..token.len() {
        assert!(keys.verify(&token[..length], NOW).is_err(), "{length}");
    }
    assert_eq!(keys.verify(&token[4..], NOW), Err(TokenError::NotOurs));
    assert_eq!(
        keys.verify(&format!("pgu_{}", "x".repeat(8193)), NOW),
        Err(TokenError::Form(JwsError::TooLong))
    );
}

#[test]
fn every_bad_key_is_told_at_once_without_its_secret() {
    let pair = |id: &str, secret: &str| (id.to_owned(), SigningSecret::new(secret.to_owned()));
    let long = "k".repeat(33);
    let bad = vec![
        pair("k1", SECRET),
        pair("k1", SECRET),
        pair("", SECRET),
        pair("k 2", "short but secret"),
        pair(&long, SECRET),
        pair("k3", &SECRET[..31]),
    ];
    let problems = TokenKeys::new(bad).unwrap_err();
    let indexes: Vec<_> = problems.iter().map(|problem| problem.index).collect();
    assert_eq!(indexes, [1, 2, 3, 3, 4, 5]);
    assert!(!format!("{problems:?}").contains("secret of"), "{problems:?}");
    assert_eq!(TokenKeys::new(Vec::new()).unwrap_err().len(), 1);
    assert_eq!(format!("{:?}", keys(&[("k1", SECRET), ("k2", OTHER_SECRET)])), r#"{"k1", "k2"}"#);
}

proptest! {
    #[test]
    fn any_other_character_anywhere_is_refused(place in any::<prop::sample::Index>(), letter in any::<char>()) {
        let mut letters: Vec<_> = token().chars().collect();
        let place = place.index(letters.len());
        prop_assume!(letters[place] != letter);
        letters[place] = letter;
        let changed: String = letters.into_iter().collect();
        prop_assert!(keys(&[("k1", SECRET)]).verify(&changed, NOW).is_err());
    }
}
