//! Providers of keys that rotate, fail and lie.

use super::jwks::Jwks;
use super::key_cache::{KeysUnavailable, Patience};
use super::*;

#[tokio::test]
async fn a_new_key_is_accepted_at_once() {
    let (old, new) = (Pair::new(Algorithm::ES256), Pair::new(Algorithm::EdDSA));
    let provider = Provider::start(&[old.jwk("2026-02")]).await;
    let grants = grants(vec![provider.issuer()]);
    assert!(grants.verify(&old.grant("2026-02"), NOW).await.is_ok());
    assert!(grants.verify(&old.grant("2026-02"), NOW).await.is_ok());
    assert_eq!(provider.asked(), 1);
    provider.list(&[new.jwk("2026-03"), old.jwk("2026-02")]);
    assert!(grants.verify(&new.grant("2026-03"), NOW).await.is_ok());
    assert!(grants.verify(&old.grant("2026-02"), NOW).await.is_ok());
    assert_eq!(provider.asked(), 2);
}

#[tokio::test]
async fn a_key_that_was_taken_out_is_refused() {
    let (old, new) = (Pair::new(Algorithm::ES256), Pair::new(Algorithm::ES256));
    let provider = Provider::start(&[old.jwk("old")]).await;
    let grants = grants(vec![provider.issuer()]);
    assert!(grants.verify(&old.grant("old"), NOW).await.is_ok());
    provider.list(&[new.jwk("new")]);
    assert!(grants.verify(&new.grant("new"), NOW).await.is_ok());
    assert_eq!(grants.verify(&old.grant("old"), NOW).await, Err(GrantError::UnknownKey));
}

#[tokio::test]
async fn a_flood_of_made_up_keys_asks_the_provider_twice() {
    let provider = Provider::start(&[P256.jwk("a")]).await;
    let grants = grants(vec![provider.issuer()]);
    let flood = (0..1000).map(|number| {
        let (grants, token) = (grants.clone(), P256.grant(&format!("made-up-{number}")));
        tokio::spawn(async move { grants.verify(&token, NOW).await })
    });
    let flood: Vec<_> = flood.collect();
    for refused in flood {
        assert_eq!(refused.await.unwrap(), Err(GrantError::UnknownKey));
    }
    assert!(grants.verify(&P256.grant("a"), NOW).await.is_ok());
    assert!((1..=2).contains(&provider.asked()), "{}", provider.asked());
}

#[tokio::test]
async fn a_crowd_that_comes_first_asks_once() {
    let provider = Provider::start(&[P256.jwk("a")]).await;
    let grants = grants(vec![provider.issuer()]);
    let token = P256.grant("a");
    let crowd = (0..100).map(|_| {
        let (grants, token) = (grants.clone(), token.clone());
        tokio::spawn(async move { grants.verify(&token, NOW).await })
    });
    let crowd: Vec<_> = crowd.collect();
    for accepted in crowd {
        assert!(accepted.await.unwrap().is_ok());
    }
    assert_eq!(provider.asked(), 1);
}

#[tokio::test]
async fn a_caller_who_hangs_up_leaves_the_request_to_others() {
    let provider = Provider::start(&[P256.jwk("a")]).await;
    let grants = grants(vec![provider.issuer()]);
    let token = P256.grant("a");
    let gone = tokio::time::timeout(Duration::ZERO, grants.verify(&token, NOW)).await;
    assert!(gone.is_err(), "they hung up before there was an answer");
    assert!(grants.verify(&token, NOW).await.is_ok());
    assert_eq!(provider.asked(), 1);
}

#[tokio::test]
async fn without_a_kid_there_must_be_no_choice() {
    let bare = |pair: &Pair| {
        let header = json!({ "alg": format!("{:?}", pair.algorithm) });
        signed(&header, &claims(json!({})), &pair.signing, pair.algorithm)
    };
    let encryption = json!({ "kty": "RSA", "use": "enc", "n": "AQAB", "e": "AQAB" });
    let single = Provider::start(&[encryption, P256.jwk("a")]).await;
    let single = grants(vec![single.issuer()]).verify(&bare(&P256), NOW).await;
    assert!(single.is_ok(), "{single:?}");
    for keys in [vec![P256.jwk("a"), RSA.jwk("b")], Vec::new()] {
        let provider = Provider::start(&keys).await;
        let refusal = grants(vec![provider.issuer()]).verify(&bare(&P256), NOW).await;
        assert_eq!(refusal, Err(GrantError::UnknownKey), "{} keys", keys.len());
        assert_eq!(provider.asked(), 1);
    }
}

#[tokio::test]
async fn without_any_keys_nobody_is_judged() {
    let provider = Provider::start(&[]).await;
    let large = json!({ "keys": [P256.jwk("a")], "padding": "x".repeat(256 * 1024) }).to_string();
    let good = json!({ "keys": [P256.jwk("a")] }).to_string();
    for (status, body) in [
        (StatusCode::INTERNAL_SERVER_ERROR, good.clone()),
        (StatusCode::NOT_FOUND, good.clone()),
        (StatusCode::FOUND, good.clone()),
        (StatusCode::PERMANENT_REDIRECT, good.clone()),
        (StatusCode::OK, large),
        (StatusCode::OK, "<html>".to_owned()),
        (StatusCode::OK, good[..good.len() - 1].to_owned()),
    ] {
        provider.answer(status, body);
        let before = provider.asked();
        let grants = grants(vec![provider.issuer()]);
        for _ in 0..3 {
            assert_eq!(
                grants.verify(&P256.grant("a"), NOW).await,
                Err(GrantError::KeysUnavailable),
                "{status}"
            );
        }
        assert_eq!(provider.asked() - before, 1, "{status}: asked again too soon, or followed a redirect");
    }
}

#[tokio::test]
async fn an_outage_of_one_provider_is_nothing_to_others() {
    let (down, up) = (Provider::start(&[]).await, Provider::start(&[P256.jwk("a")]).await);
    down.answer(StatusCode::BAD_GATEWAY, "");
    let down = IssuerSettings { name: "down".to_owned(), ..down.issuer() };
    let both = grants(vec![down, up.issuer()]);
    assert!(both.verify(&P256.grant("a"), NOW).await.is_ok());
    // It may be theirs, so it is not called wrong.
    assert_eq!(both.verify(&RSA.grant("b"), NOW).await, Err(GrantError::KeysUnavailable));
}

#[tokio::test]
async fn old_keys_stay_in_use_while_the_provider_is_down() {
    let provider = Provider::start(&[P256.jwk("a")]).await;
    let impatient = Patience { fresh: Duration::ZERO, pause: Duration::ZERO, ..Patience::default() };
    let jwks = Jwks::new("provider".to_owned(), provider.url.clone(), impatient).unwrap();
    assert!(jwks.keys(Some("a")).await.is_ok());
    provider.answer(StatusCode::BAD_GATEWAY, "");
    let keys = jwks.keys(Some("a")).await.unwrap();
    assert_eq!((keys.candidates(Some("a")).len(), provider.asked()), (1, 2));
    assert_eq!(jwks.keys(Some("new")).await.err(), Some(KeysUnavailable), "it may be a new one");
    provider.list(&[P256.jwk("new")]);
    let keys = jwks.keys(Some("new")).await.unwrap();
    assert_eq!(keys.candidates(Some("new")).len(), 1);
}

#[tokio::test]
async fn a_provider_that_is_gone_is_waited_for_no_longer_than_a_connection_takes() {
    let provider = Provider::start(&[P256.jwk("a")]).await;
    let issuer = provider.issuer();
    drop(provider);
    tokio::task::yield_now().await;
    let refusal = grants(vec![issuer]).verify(&P256.grant("a"), NOW).await;
    assert_eq!(refusal, Err(GrantError::KeysUnavailable));
}
