//! Who is let in, who is not, and what each may do.

use partgate::access::Role;
use reqwest::Method;
use serde_json::{Value, json};
use time::Duration;
use uuid::Uuid;

use super::support::{Guarded, required, routes_of, two_parts};
use crate::harness::{Answer, bytes, part_size, parts};

/// A body without what differs from call to call.
fn body_of(answer: Answer) -> (u16, Value) {
    let mut body = answer.body;
    if let Some(body) = body.as_object_mut() {
        body.remove("request_id");
    }
    (answer.status.as_u16(), body)
}

#[tokio::test]
async fn without_a_credential_every_route_is_closed() {
    let guarded = Guarded::start(required()).await;
    let (id, _) = guarded.open(&guarded.key("acme").await).await;
    let mut routes = routes_of(&id);
    routes.push((Method::POST, "/upload/init".to_owned(), Some(two_parts())));
    routes.push((Method::GET, "/upload".to_owned(), None));
    routes.push((Method::GET, "/metrics".to_owned(), None));
    for (method, path, body) in routes {
        let answer = guarded.call(None, method.clone(), &path, body).await;
        assert!(
            answer.headers["www-authenticate"].to_str().unwrap().starts_with("Bearer"),
            "{method} {path}"
        );
        answer.problem(401, "unauthorized");
    }
    for open in ["/healthz", "/readyz", "/openapi.json"] {
        guarded.call(None, Method::GET, open, None).await.expect(200);
    }
}

#[tokio::test]
async fn backend_opens_with_its_key_and_the_page_goes_on_with_the_uploads_token() {
    let guarded = Guarded::start(required()).await;
    let key = guarded.key("acme").await;
    let (id, token) = guarded.open(&key).await;
    let content = bytes(1, parts(2));
    let signed = json!({ "parts": [1, 2] });
    let signed = guarded.call(Some(&token), Method::POST, &format!("/upload/{id}/sign"), Some(signed)).await;
    for (part, bytes) in
        signed.expect(200)["parts"].as_array().unwrap().iter().zip(content.chunks(part_size()))
    {
        let url = part["url"].as_str().unwrap();
        let sent = reqwest::Client::new().put(url).body(bytes.to_vec()).send().await.unwrap();
        assert_eq!(sent.status(), 200);
    }
    let path = format!("/upload/{id}/complete");
    let completed = guarded.call(Some(&token), Method::POST, &path, Some(json!({}))).await.expect(200);
    assert!(completed["key"].as_str().unwrap().starts_with("acme/"), "{completed}");
    let file = format!("/upload/{id}/file?redirect=false");
    let file = guarded.call(Some(&key), Method::GET, &file, None).await.expect(200);
    let got = reqwest::get(file["url"].as_str().unwrap()).await.unwrap().bytes().await.unwrap();
    assert!(got == content, "the file is not what was sent");
}

#[tokio::test]
async fn token_of_an_upload_is_good_for_that_upload_alone() {
    let guarded = Guarded::start(required()).await;
    let key = guarded.key("acme").await;
    let (id, token) = guarded.open(&key).await;
    let (other, _) = guarded.open(&key).await;
    for (method, path, body) in routes_of(&other) {
        let is_file = path.ends_with("/file");
        let answer = guarded.call(Some(&token), method, &path, body).await;
        if is_file {
            answer.problem(403, "forbidden")
        } else {
            answer.problem(404, "upload_not_found")
        };
    }
    guarded.init(&token, two_parts()).await.problem(403, "forbidden");
    guarded.call(Some(&token), Method::GET, "/upload", None).await.problem(403, "forbidden");
    guarded.call(Some(&token), Method::DELETE, &format!("/upload/{id}"), None).await.expect(204);
}

#[tokio::test]
async fn another_tenants_upload_does_not_exist() {
    let guarded = Guarded::start(required()).await;
    let (acme, zoo) = (guarded.key("acme").await, guarded.key("zoo").await);
    let (theirs, token) = guarded.open(&acme).await;
    let (_, zoo_token) = guarded.open(&zoo).await;
    let grant = guarded.grant(json!({ "tenant": "zoo", "roles": ["upload", "read"] }));
    let unknown = Uuid::now_v7().to_string();
    for bearer in [&zoo, &grant, &zoo_token] {
        for ((method, path, body), (_, unknown_path, _)) in
            routes_of(&theirs).into_iter().zip(routes_of(&unknown))
        {
            let answer = guarded.call(Some(bearer), method.clone(), &path, body.clone()).await;
            let of_unknown = guarded.call(Some(bearer), method.clone(), &unknown_path, body).await;
            assert!(matches!(answer.status.as_u16(), 403 | 404), "{method} {path}: {}", answer.status);
            assert_eq!(body_of(answer), body_of(of_unknown), "{method} {path}");
        }
    }
    let listed = guarded.call(Some(&zoo), Method::GET, "/upload?tenant=acme", None).await.expect(200);
    assert!(!listed.to_string().contains(&theirs), "{listed}");
    let path = format!("/upload/{theirs}/status");
    guarded.call(Some(&token), Method::GET, &path, None).await.expect(200);
}

#[tokio::test]
async fn people_with_grants_see_only_what_is_theirs() {
    let guarded = Guarded::start(required()).await;
    let key = guarded.key("acme").await;
    let roles = json!(["upload", "read"]);
    let (one, two) = (
        guarded.grant(json!({ "sub": "one", "roles": roles })),
        guarded.grant(json!({ "sub": "two", "roles": roles })),
    );
    // The same content, told by the same fingerprint: still an upload each.
    let mut body = two_parts();
    body["fingerprint"] = json!("the same");
    let of = |created: Value| created["upload_id"].as_str().unwrap().to_owned();
    let of_one = of(guarded.init(&one, body.clone()).await.expect(201));
    let of_two = of(guarded.init(&two, body.clone()).await.expect(201));
    let of_key = of(guarded.init(&key, body.clone()).await.expect(201));
    assert_eq!(of(guarded.init(&one, body).await.expect(200)), of_one, "their own is found again");
    for id in [&of_two, &of_key] {
        let path = format!("/upload/{id}/status");
        guarded.call(Some(&one), Method::GET, &path, None).await.problem(404, "upload_not_found");
    }
    let listed = |answer: Answer| {
        let uploads = answer.expect(200)["uploads"].as_array().unwrap().clone();
        uploads.iter().map(|upload| upload["upload_id"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(
        listed(guarded.call(Some(&one), Method::GET, "/upload", None).await),
        std::slice::from_ref(&of_one)
    );
    let of_tenant = listed(guarded.call(Some(&key), Method::GET, "/upload", None).await);
    assert_eq!(of_tenant, [of_key, of_two, of_one], "the backend sees all of its tenant, newest first");
}

#[tokio::test]
async fn roles_are_what_they_say() {
    let guarded = Guarded::start(required()).await;
    let upload = guarded.key_with(Some("acme"), &[Role::Upload], None).await;
    let read = guarded.key_with(Some("acme"), &[Role::Read], None).await;
    let admin = guarded.key_with(None, &[Role::Read, Role::Admin], None).await;
    let (id, _) = guarded.open(&upload).await;
    let (of_zoo, _) = guarded.open(&guarded.key("zoo").await).await;
    let status = format!("/upload/{id}/status");
    for bearer in [&upload, &read, &admin] {
        guarded.call(Some(bearer), Method::GET, &status, None).await.expect(200);
    }
    guarded.call(Some(&upload), Method::GET, "/upload", None).await.problem(403, "forbidden");
    guarded.init(&read, two_parts()).await.problem(403, "forbidden");
    guarded.init(&admin, two_parts()).await.problem(403, "forbidden");
    let sign = Some(json!({ "parts": [1] }));
    guarded
        .call(Some(&read), Method::POST, &format!("/upload/{id}/sign"), sign)
        .await
        .problem(403, "forbidden");
    for bearer in [&upload, &read] {
        guarded.call(Some(bearer), Method::GET, "/metrics", None).await.problem(403, "forbidden");
    }
    assert_eq!(guarded.call(Some(&admin), Method::GET, "/metrics", None).await.status, 200);
    let all = guarded.call(Some(&admin), Method::GET, "/upload", None).await.expect(200);
    let tenants: Vec<_> =
        all["uploads"].as_array().unwrap().iter().map(|upload| upload["tenant"].clone()).collect();
    assert_eq!(tenants, ["zoo", "acme"]);
    let one = guarded.call(Some(&admin), Method::GET, "/upload?tenant=zoo", None).await.expect(200);
    assert_eq!(one["uploads"][0]["upload_id"], of_zoo.as_str());
    assert_eq!(one["uploads"].as_array().unwrap().len(), 1);
    guarded.call(Some(&admin), Method::DELETE, &format!("/upload/{of_zoo}"), None).await.expect(204);
}

#[tokio::test]
async fn keys_end_at_once_when_revoked_or_expired() {
    let guarded = Guarded::start(required()).await;
    let now = guarded.gateway.clock.now();
    let lasting = guarded.key("acme").await;
    let short = guarded.key_with(Some("acme"), &[Role::Read], Some(now + Duration::HOUR)).await;
    let list = async |key: &str| guarded.call(Some(key), Method::GET, "/upload", None).await;
    list(&lasting).await.expect(200);
    list(&short).await.expect(200);
    let id = lasting.split('_').nth(1).unwrap();
    let used = guarded.store.key(id).await.unwrap().unwrap().last_used_at;
    assert!(used.is_some(), "its use is written down");
    let _ = guarded.store.revoke_key(id, now).await.unwrap();
    list(&lasting).await.problem(401, "unauthorized");
    guarded.gateway.clock.advance(Duration::HOUR);
    list(&short).await.problem(401, "unauthorized");
}

#[tokio::test]
async fn forged_credentials_are_refused() {
    let guarded = Guarded::start(required()).await;
    let key = guarded.key("acme").await;
    let (id, token) = guarded.open(&key).await;
    let grant = guarded.grant(json!({ "roles": ["upload", "read"] }));
    let status = format!("/upload/{id}/status");
    guarded.call(Some(&token), Method::GET, &status, None).await.expect(200);
    guarded.call(Some(&grant), Method::GET, "/upload", None).await.expect(200);
    let now = guarded.gateway.clock.now().unix_timestamp();
    let mut forged = vec![
        ("a key without its end", key[..key.len() - 1].to_owned()),
        ("a key with another end", format!("{}x", &key[..key.len() - 1])),
        ("a token cut short", token[..token.len() - 1].to_owned()),
        ("a token as a grant", token.trim_start_matches("pgu_").to_owned()),
        ("a grant as a token", format!("pgu_{grant}")),
        ("a grant cut short", grant[..grant.len() - 2].to_owned()),
        ("an expired grant", guarded.grant(json!({ "exp": now - 1 }))),
        ("a grant that ends now", guarded.grant(json!({ "exp": now }))),
        ("a grant of the future", guarded.grant(json!({ "nbf": now + 60 }))),
        ("another audience", guarded.grant(json!({ "aud": "somebody" }))),
        ("a tenant that is not", guarded.grant(json!({ "tenant": "nobody" }))),
        ("an operator's role", guarded.grant(json!({ "roles": ["admin"] }))),
        ("a grant for ever", guarded.grant(json!({ "exp": now + 1_000_000 }))),
        ("nothing much", "x".to_owned()),
    ];
    let segments: Vec<_> = grant.split('.').collect();
    for header in [r#"{"alg":"none"}"#, r#"{"alg":"None","typ":"JWT"}"#, r#"{"alg":"HS384"}"#] {
        use base64::Engine as _;
        let header = base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(header);
        for signature in ["", segments[2]] {
            forged.push(("another algorithm", format!("{header}.{}.{signature}", segments[1])));
        }
    }
    for (what, credential) in forged {
        for path in [status.as_str(), "/upload"] {
            let answer = guarded.call(Some(&credential), Method::GET, path, None).await;
            assert_eq!(answer.status.as_u16(), 401, "{what} at {path}: {:#}", answer.body);
            assert!(
                !answer.body.to_string().contains(&credential) || credential.len() < 8,
                "{what} is echoed"
            );
            answer.problem(401, "unauthorized");
        }
    }
    // To the second: good until its upload ends, and not one longer.
    let expires_at =
        guarded.call(Some(&token), Method::GET, &status, None).await.expect(200)["expires_at"].clone();
    let format = &time::format_description::well_known::Rfc3339;
    let end = time::OffsetDateTime::parse(expires_at.as_str().unwrap(), format).unwrap();
    let left = end - guarded.gateway.clock.now() - Duration::seconds(2);
    guarded.gateway.clock.advance(left);
    guarded.call(Some(&token), Method::GET, &status, None).await.expect(200);
    guarded.gateway.clock.advance(Duration::seconds(2));
    guarded.call(Some(&token), Method::GET, &status, None).await.problem(401, "unauthorized");
}

#[tokio::test]
async fn token_secrets_are_exchanged_without_a_moment_of_refusal() {
    let new_secret = "another secret of thirty-two bytes and more";
    let options = |secrets: String| required().with("auth.token_secrets", secrets);
    let old = format!("k1:{}", super::support::TOKEN_SECRET);
    let mut guarded = Guarded::start(options(format!("k2:{new_secret},{old}"))).await;
    let key = guarded.key("acme").await;
    // What a gateway signed that knows only the old secret is good here, and the other way round once it knows both.
    let (id, token) = guarded.open(&key).await;
    guarded.call(Some(&token), Method::GET, &format!("/upload/{id}/status"), None).await.expect(200);
    guarded.gateway.change(options(old));
    guarded.gateway.restart().await;
    let path = format!("/upload/{id}/status");
    guarded.call(Some(&token), Method::GET, &path, None).await.problem(401, "unauthorized");
    let (id, token) = guarded.open(&key).await;
    guarded.gateway.change(options(format!("k2:{new_secret},k1:{}", super::support::TOKEN_SECRET)));
    guarded.gateway.restart().await;
    guarded.call(Some(&token), Method::GET, &format!("/upload/{id}/status"), None).await.expect(200);
}
