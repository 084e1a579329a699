//! What grants may claim, and what not.

use proptest::prelude::*;

use super::*;

async fn verify(token: &str) -> Result<VerifiedGrant, GrantError> {
    grants(vec![secret_issuer()]).verify(token, NOW).await
}

async fn bad_claim(changes: Value) -> &'static str {
    match verify(&grant_with(changes.clone())).await {
        Err(GrantError::BadClaim { claim, .. }) => claim,
        other => panic!("{changes}: {other:?}"),
    }
}

fn at(seconds: i64) -> OffsetDateTime {
    NOW + time::Duration::seconds(seconds)
}

#[tokio::test]
async fn a_full_grant_is_read() {
    let token = grant_with(json!({
        "aud": ["elsewhere", "partgate"],
        "iss": "anybody",
        "nbf": NOW.unix_timestamp(),
        "iat": NOW.unix_timestamp() - 5,
        "jti": "grant-7",
        "max_bytes": 10_000_000_000_u64,
        "max_uploads": 3,
        "key_prefix": "users/1/",
        "content_types": ["image/*", "text/plain"],
        "roles": ["read", "upload"],
        "email": "somebody@example.com",
        "groups": { "unknown": ["claims", "are", 1, null] },
    }));
    let types = ["image/*", "text/plain"].map(str::to_owned);
    let grant = Grant {
        id: "grant-7".to_owned(),
        subject: "user-1".to_owned(),
        expires_at: at(3600),
        max_bytes: Some(10_000_000_000),
        max_uploads: Some(3),
        key_prefix: Some("users/1/".to_owned()),
        content_types: ContentTypes::new(types).unwrap(),
    };
    let roles = [Role::Upload, Role::Read].into_iter().collect();
    assert_eq!(verify(&token).await, Ok(VerifiedGrant { tenant: "acme".to_owned(), roles, grant }));
}

#[tokio::test]
async fn a_bare_grant_lets_upload_and_is_named_by_its_hash() {
    let (one, other) = (grant_with(json!({})), grant_with(json!({ "sub": "user-2" })));
    let verified = verify(&one).await.unwrap();
    assert_eq!(verified.roles, [Role::Upload].into_iter().collect());
    assert_eq!((verified.grant.max_bytes, verified.grant.max_uploads), (None, None));
    assert_eq!((verified.grant.key_prefix, verified.grant.content_types), (None, ContentTypes::default()));
    let id = verified.grant.id;
    assert!(id.starts_with("h:") && id.len() == 34, "{id}");
    assert_eq!(verify(&one).await.unwrap().grant.id, id);
    assert_ne!(verify(&other).await.unwrap().grant.id, id);
}

#[tokio::test]
async fn what_every_grant_must_say_is_missed() {
    for claim in ["aud", "exp", "sub", "tenant"] {
        let token = signed_with_secret(&json!({ "alg": "HS256" }), &without(claim), SECRET);
        assert_eq!(verify(&token).await, Err(GrantError::MissingClaim(claim)));
    }
}

#[tokio::test]
async fn a_claim_that_cannot_be_is_named() {
    let long = "x".repeat(257);
    for (claim, values) in [
        (
            "sub",
            vec![
                json!(1),
                json!(null),
                json!(""),
                json!(long),
                json!("a\nb"),
                json!("a\u{202e}b"),
                json!("\0"),
            ],
        ),
        ("jti", vec![json!(1), json!(""), json!(long), json!("a\u{2028}b")]),
        ("tenant", vec![json!(1), json!(null), json!(""), json!(["acme"])]),
        ("iss", vec![json!(1), json!(null), json!(["anybody"])]),
        ("aud", vec![json!(1), json!(null), json!(["partgate", 1])]),
        (
            "exp",
            vec![json!("soon"), json!(null), json!(true), json!(i64::MAX), json!(u64::MAX), json!(1e300)],
        ),
        ("nbf", vec![json!("soon"), json!(null), json!(i64::MIN), json!(-1e300)]),
        ("iat", vec![json!("today")]),
        ("max_bytes", vec![json!("1"), json!(-1), json!(1.5), json!(null), json!(1e30)]),
        ("max_uploads", vec![json!("1"), json!(-1), json!([1]), json!(null)]),
        ("content_types", vec![json!("image/png"), json!([]), json!(["image"]), json!([1]), json!(null)]),
        ("roles", vec![json!("upload"), json!([]), json!(["root"]), json!([1]), json!(null)]),
        ("roles", vec![json!(["admin"]), json!(["upload", "admin"]), json!(["Upload"])]),
    ] {
        for value in values {
            assert_eq!(bad_claim(json!({ claim: value })).await, claim, "{value}");
        }
    }
}

#[tokio::test]
async fn a_key_prefix_stays_below_the_tenants() {
    for prefix in ["a/", "a", "users/1/photo-", "ü/"] {
        let verified = verify(&grant_with(json!({ "key_prefix": prefix }))).await.unwrap();
        assert_eq!(verified.grant.key_prefix.as_deref(), Some(prefix));
    }
    let long = "a/".repeat(512);
    for prefix in ["", "/", "/a/", "../", "a/../", "a/./", "a//", "a\\b/", "a\n/", ".uploads/", &long] {
        assert_eq!(bad_claim(json!({ "key_prefix": prefix })).await, "key_prefix", "{prefix:?}");
    }
    assert_eq!(bad_claim(json!({ "key_prefix": null })).await, "key_prefix");
}

#[tokio::test]
async fn subjects_are_what_people_are_called() {
    for subject in ["1", "auth0|507f", "Zoë O'Neil \"Z\" \\ 1", "名前", &"x".repeat(256)] {
        let verified = verify(&grant_with(json!({ "sub": subject }))).await.unwrap();
        assert_eq!(verified.grant.subject, *subject);
    }
}

#[tokio::test]
async fn a_grant_is_good_from_its_first_to_before_its_last_second() {
    let strict = grants(vec![secret_issuer()]);
    let token = grant_with(json!({ "nbf": NOW.unix_timestamp() }));
    assert_eq!(strict.verify(&token, at(-1)).await, Err(GrantError::NotYetValid { from: NOW }));
    assert!(strict.verify(&token, NOW).await.is_ok());
    assert!(strict.verify(&token, at(3599)).await.is_ok());
    for late in [3600, 3601] {
        assert_eq!(strict.verify(&token, at(late)).await, Err(GrantError::Expired { at: at(3600) }));
    }
    let words = strict.verify(&token, at(3600)).await.unwrap_err().to_string();
    assert_eq!(words, "the grant expired at 2026-03-01T13:00:00Z");
    let half = grant_with(json!({ "exp": NOW.unix_timestamp() as f64 + 0.5 }));
    assert!(strict.verify(&half, NOW).await.is_ok());
    assert!(strict.verify(&half, at(1)).await.is_err());
}

#[tokio::test]
async fn leeway_forgives_a_clock_that_is_off_and_no_more() {
    let lenient = IssuerSettings { leeway: Duration::from_secs(10), ..secret_issuer() };
    let lenient = grants(vec![lenient]);
    let token = grant_with(json!({ "nbf": NOW.unix_timestamp() }));
    for (seconds, is_good) in [(-11, false), (-10, true), (3609, true), (3610, false)] {
        assert_eq!(lenient.verify(&token, at(seconds)).await.is_ok(), is_good, "{seconds}");
    }
    // The last second that there is has no room for a leeway.
    let last = grant_with(json!({ "exp": 253_402_300_799_i64 }));
    assert!(matches!(lenient.verify(&last, NOW).await, Err(GrantError::TooLong { .. })));
}

#[tokio::test]
async fn a_grant_ends_within_its_issuers_limit() {
    let day = 24 * 60 * 60;
    let ends_in = |seconds| grant_with(json!({ "exp": NOW.unix_timestamp() + seconds }));
    assert!(verify(&ends_in(day)).await.is_ok());
    let too_long = GrantError::TooLong { at: at(day + 1), max: Duration::from_secs(24 * 60 * 60) };
    assert_eq!(verify(&ends_in(day + 1)).await, Err(too_long));
}

#[tokio::test]
async fn audience_and_issuer_must_be_ours() {
    for audience in
        [json!("elsewhere"), json!(["elsewhere"]), json!([]), json!("Partgate"), json!("partgate ")]
    {
        let expected = Err(GrantError::WrongAudience { expected: "partgate".to_owned() });
        assert_eq!(verify(&grant_with(json!({ "aud": audience }))).await, expected, "{audience}");
    }
    let strict = IssuerSettings { issuer: Some("https://id.example".to_owned()), ..secret_issuer() };
    let strict = grants(vec![strict]);
    assert!(strict.verify(&grant_with(json!({ "iss": "https://id.example" })), NOW).await.is_ok());
    for changes in [json!({}), json!({ "iss": "https://id.example/" }), json!({ "iss": "" })] {
        let refusal = strict.verify(&grant_with(changes.clone()), NOW).await;
        assert_eq!(refusal, Err(GrantError::UnknownIssuer), "{changes}");
    }
    assert_eq!(grants(Vec::new()).verify(&grant_with(json!({})), NOW).await, Err(GrantError::UnknownIssuer));
}

#[tokio::test]
async fn an_issuer_of_one_tenant_grants_nothing_of_another() {
    let bound = grants(vec![IssuerSettings { tenant: Some("acme".to_owned()), ..secret_issuer() }]);
    let silent = signed_with_secret(&json!({ "alg": "HS256" }), &without("tenant"), SECRET);
    assert_eq!(bound.verify(&silent, NOW).await.unwrap().tenant, "acme");
    assert_eq!(bound.verify(&grant_with(json!({})), NOW).await.unwrap().tenant, "acme");
    let foreign = grant_with(json!({ "tenant": "rival" }));
    assert_eq!(bound.verify(&foreign, NOW).await, Err(GrantError::OtherTenant));
}

#[tokio::test]
async fn the_issuer_whose_key_verifies_decides() {
    let rival_secret = "the rival's own secret, long enough";
    let rival = IssuerSettings {
        tenant: Some("rival".to_owned()),
        audience: "rival-uploads".to_owned(),
        ..issuer("rival", IssuerKeys::Secret(SigningSecret::new(rival_secret.to_owned())))
    };
    let both = grants(vec![rival, IssuerSettings { tenant: Some("acme".to_owned()), ..secret_issuer() }]);
    assert_eq!(both.verify(&grant_with(json!({})), NOW).await.unwrap().tenant, "acme");
    let by_rival = |changes| signed_with_secret(&json!({ "alg": "HS256" }), &claims(changes), rival_secret);
    let refused = both.verify(&by_rival(json!({})), NOW).await;
    assert_eq!(refused, Err(GrantError::WrongAudience { expected: "rival-uploads".to_owned() }));
    let refused = both.verify(&by_rival(json!({ "aud": "rival-uploads" })), NOW).await;
    assert_eq!(refused, Err(GrantError::OtherTenant), "a rival's key is good for the rival alone");
    let theirs = both.verify(&by_rival(json!({ "aud": "rival-uploads", "tenant": "rival" })), NOW).await;
    assert_eq!(theirs.unwrap().tenant, "rival");
}

proptest! {
    #[test]
    fn any_other_character_anywhere_is_refused(place in any::<prop::sample::Index>(), letter in any::<char>()) {
        let mut letters: Vec<_> = grant_with(json!({})).chars().collect();
        let place = place.index(letters.len());
        prop_assume!(letters[place] != letter);
        letters[place] = letter;
        let changed: String = letters.into_iter().collect();
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        prop_assert!(runtime.block_on(verify(&changed)).is_err());
    }
}
