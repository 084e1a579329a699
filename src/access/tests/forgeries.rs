//! Grants that nobody may have signed.

use super::*;

fn pairs() -> [&'static Pair; 3] {
    [&RSA, &P256, &ED25519]
}

async fn trusting(pair: &Pair) -> (Provider, Grants) {
    let provider = Provider::start(&[pair.jwk("a")]).await;
    let grants = grants(vec![provider.issuer()]);
    (provider, grants)
}

fn form(error: JwsError) -> Result<VerifiedGrant, GrantError> {
    Err(GrantError::Form(error))
}

#[tokio::test]
async fn no_signature_is_no_grant() {
    let grants = grants(vec![secret_issuer()]);
    for name in ["none", "None", "NONE", "nOnE", "", "HS256 ", "hs256", "HS384", "HS512", "PS256", "ES256K"] {
        let message = format!("{}.{}", encoded(&json!({ "alg": name })), encoded(&claims(json!({}))));
        for signature in ["", "AAAA"] {
            let refusal = grants.verify(&format!("{message}.{signature}"), NOW).await;
            assert_eq!(refusal, form(JwsError::Algorithm), "{name:?}");
        }
    }
    let stripped = grant_with(json!({})).rsplit_once('.').unwrap().0.to_owned();
    assert_eq!(grants.verify(&format!("{stripped}."), NOW).await, Err(GrantError::BadSignature));
    assert_eq!(grants.verify(&stripped, NOW).await, form(JwsError::Segments));
}

#[tokio::test]
async fn a_public_key_is_no_secret() {
    for pair in pairs() {
        let (provider, grants) = trusting(pair).await;
        let jwk = pair.jwk("a");
        let public: Vec<_> = ["n", "x"].into_iter().filter_map(|field| jwk[field].as_str()).collect();
        let bytes = BASE64_URL_SAFE_NO_PAD.decode(public[0]).unwrap();
        let texts = [jwk.to_string().into_bytes(), public[0].as_bytes().to_vec(), bytes];
        for secret in texts {
            let header = json!({ "alg": "HS256", "kid": "a" });
            let key = EncodingKey::from_secret(&secret);
            let token = signed(&header, &claims(json!({})), &key, Algorithm::HS256);
            assert_eq!(grants.verify(&token, NOW).await, Err(GrantError::WrongAlgorithm));
        }
        assert_eq!(provider.asked(), 0, "nothing is fetched for a token that cannot be right");
    }
}

#[tokio::test]
async fn a_key_signs_by_its_own_algorithm_only() {
    for pair in pairs() {
        let (_provider, grants) = trusting(pair).await;
        assert!(grants.verify(&pair.grant("a"), NOW).await.is_ok(), "{:?}", pair.algorithm);
        for other in pairs().into_iter().filter(|other| other.algorithm != pair.algorithm) {
            let refusal = grants.verify(&other.grant("a"), NOW).await;
            assert_eq!(refusal, Err(GrantError::WrongAlgorithm), "{:?}", other.algorithm);
        }
        let own = Pair::new(pair.algorithm);
        assert_eq!(grants.verify(&own.grant("a"), NOW).await, Err(GrantError::BadSignature));
    }
    let with_secret = grants(vec![secret_issuer()]);
    assert_eq!(with_secret.verify(&RSA.grant("a"), NOW).await, Err(GrantError::WrongAlgorithm));
}

#[tokio::test]
async fn keys_that_a_token_brings_along_are_not_used() {
    let (provider, grants) = trusting(&P256).await;
    let attacker = Pair::new(Algorithm::ES256);
    let theirs = Provider::start(&[attacker.jwk("a")]).await;
    for (field, value) in [
        ("jku", json!(theirs.url.as_str())),
        ("x5u", json!(theirs.url.as_str())),
        ("jwk", attacker.jwk("a")),
        ("x5c", json!(["MIIB"])),
    ] {
        let mut header = attacker.header("a");
        header[field] = value;
        let token = signed(&header, &claims(json!({})), &attacker.signing, Algorithm::ES256);
        assert_eq!(grants.verify(&token, NOW).await, Err(GrantError::BadSignature), "{field}");
    }
    assert_eq!((provider.asked(), theirs.asked()), (1, 0));
}

#[tokio::test]
async fn headers_that_ask_for_more_are_refused() {
    let grants = grants(vec![secret_issuer()]);
    for (header, error) in [
        (json!({ "alg": "HS256", "crit": ["exp"] }), JwsError::Critical),
        (json!({ "alg": "HS256", "crit": ["b64"], "b64": false }), JwsError::Critical),
        (json!({ "alg": "HS256", "crit": [] }), JwsError::Critical),
        (json!({ "alg": "HS256", "crit": null }), JwsError::Critical),
        (json!({ "alg": ["HS256"] }), JwsError::Header),
        (json!({ "kid": "a" }), JwsError::Header),
        (json!(["HS256"]), JwsError::Header),
    ] {
        let token = signed_with_secret(&header, &claims(json!({})), SECRET);
        assert_eq!(grants.verify(&token, NOW).await, form(error), "{header}");
    }
    let twice = BASE64_URL_SAFE_NO_PAD.encode(r#"{"alg":"none","alg":"HS256"}"#);
    let rest = grant_with(json!({})).split_once('.').unwrap().1.to_owned();
    assert_eq!(grants.verify(&format!("{twice}.{rest}"), NOW).await, form(JwsError::Header));
}

#[tokio::test]
async fn an_upload_token_is_no_grant() {
    let header = json!({ "alg": "HS256", "typ": "partgate-upload+jwt" });
    let token = signed_with_secret(&header, &claims(json!({})), SECRET);
    let refusal = grants(vec![secret_issuer()]).verify(&token, NOW).await;
    assert_eq!(refusal, Err(GrantError::UploadToken));
}

#[tokio::test]
async fn what_is_no_token_is_refused() {
    let grants = grants(vec![secret_issuer()]);
    let good = grant_with(json!({}));
    let (header, rest) = good.split_once('.').unwrap();
    let signature = rest.split_once('.').unwrap().1;
    let with_claims = |text: &str| {
        let message = format!("{header}.{}", BASE64_URL_SAFE_NO_PAD.encode(text));
        let key = EncodingKey::from_secret(SECRET.as_bytes());
        let signature = jsonwebtoken::crypto::sign(message.as_bytes(), &key, Algorithm::HS256).unwrap();
        format!("{message}.{signature}")
    };
    for (token, error) in [
        (String::new(), JwsError::Segments),
        (header.to_owned(), JwsError::Segments),
        (format!("{good}.{signature}"), JwsError::Segments),
        (format!(".{good}"), JwsError::Segments),
        (format!("{header}..{signature}"), JwsError::Claims),
        ("..".to_owned(), JwsError::Header),
        (format!("{good}="), JwsError::Base64),
        (format!(" {good}"), JwsError::Base64),
        (format!("{good}\n"), JwsError::Base64),
        (good.replace(signature, "+/+/"), JwsError::Base64),
        (with_claims("[]"), JwsError::Claims),
        (with_claims("{} {}"), JwsError::Claims),
        (with_claims(&"[".repeat(1000)), JwsError::Claims),
        (with_claims("not json"), JwsError::Claims),
    ] {
        assert_eq!(grants.verify(&token, NOW).await, form(error), "{token}");
    }
    let fat = |bytes: usize| grant_with(json!({ "padding": "x".repeat(bytes) }));
    assert!(fat(5900).len() <= 8192 && grants.verify(&fat(5900), NOW).await.is_ok());
    assert!(fat(6100).len() > 8192);
    assert_eq!(grants.verify(&fat(6100), NOW).await, form(JwsError::TooLong));
}

#[tokio::test]
async fn every_truncation_and_change_is_refused() {
    for pair in pairs() {
        let (_provider, grants) = trusting(pair).await;
        let good = pair.grant("a");
        for length in 0..good.len() {
            assert!(grants.verify(&good[..length], NOW).await.is_err(), "{length} of {:?}", pair.algorithm);
        }
        for changed in one_character_off(&good) {
            assert!(grants.verify(&changed, NOW).await.is_err(), "{changed}");
        }
    }
}

#[tokio::test]
async fn segments_of_two_good_grants_make_no_third() {
    let grants = grants(vec![secret_issuer()]);
    let (small, large) =
        (grant_with(json!({ "max_bytes": 1 })), grant_with(json!({ "max_bytes": 1_u64 << 40 })));
    let (small, large): (Vec<_>, Vec<_>) = (small.split('.').collect(), large.split('.').collect());
    let spliced = [small[0], large[1], small[2]].join(".");
    assert_eq!(grants.verify(&spliced, NOW).await, Err(GrantError::BadSignature));
}

#[tokio::test]
async fn no_refusal_repeats_the_token() {
    let grants = grants(vec![secret_issuer()]);
    let token = grant_with(json!({ "exp": 1, "sub": "somebody-private" }));
    let changed = format!("{}x", &token[..token.len() - 1]);
    for bad in [&token[..], &changed, &token[1..]] {
        let words = grants.verify(bad, NOW).await.unwrap_err().to_string();
        assert!(bad.split('.').all(|segment| !words.contains(segment)), "{words}");
        assert!(!words.contains("somebody-private"), "{words}");
    }
}
