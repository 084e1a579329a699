//! Limits of tenants and grants: exact, whoever counts and however many do so at once.

use reqwest::Method;
use serde_json::{Value, json};
use time::Duration;

use super::support::{Guarded, required, two_parts};
use crate::harness::{Answer, part_size, parts, put_part};

fn id_of(created: &Value) -> String {
    created["upload_id"].as_str().unwrap().to_owned()
}

fn of_size(size: usize) -> Value {
    json!({ "filename": "f.bin", "size": size, "part_size": part_size() })
}

#[tokio::test]
async fn limits_of_a_file_are_told_with_the_limit() {
    let options = required()
        .with("tenants.acme.max_size", parts(2).to_string())
        .with("tenants.acme.content_types", "image/*,text/plain");
    let guarded = Guarded::start(options).await;
    let key = guarded.key("acme").await;
    let mut body = two_parts();
    body["content_type"] = json!("image/png");
    guarded.init(&key, body.clone()).await.expect(201);
    body["content_type"] = json!("text/html");
    let problem = guarded.init(&key, body.clone()).await.problem(400, "invalid_request");
    assert_eq!(problem["errors"][0]["field"], "content_type");
    assert!(problem["errors"][0]["detail"].as_str().unwrap().contains("image/*"), "{problem}");
    body["content_type"] = json!("text/plain; charset=utf-8");
    body["size"] = json!(parts(2) + 1);
    let problem = guarded.init(&key, body.clone()).await.problem(413, "too_large");
    assert_eq!(problem["limit"], parts(2));
    // The other tenant has no such limits.
    body["content_type"] = json!("text/html");
    guarded.init(&guarded.key("zoo").await, body).await.expect(201);
}

#[tokio::test]
async fn open_uploads_are_counted_until_they_end() {
    let guarded = Guarded::start(required().with("tenants.acme.max_open_uploads", "2")).await;
    let key = guarded.key("acme").await;
    let (first, _) = guarded.open(&key).await;
    guarded.open(&key).await;
    let problem = guarded.init(&key, two_parts()).await.problem(403, "quota_exceeded");
    assert_eq!((&problem["limit"], &problem["quota"]), (&json!(2), &json!("open_uploads")));
    assert!(problem["detail"].as_str().unwrap().contains("open uploads"), "{problem}");
    guarded.call(Some(&key), Method::DELETE, &format!("/upload/{first}"), None).await.expect(204);
    guarded.open(&key).await;
    guarded.init(&key, two_parts()).await.problem(403, "quota_exceeded");
}

#[tokio::test]
async fn found_uploads_cost_nothing() {
    let guarded = Guarded::start(required().with("tenants.acme.max_open_uploads", "1")).await;
    let key = guarded.key("acme").await;
    let mut body = two_parts();
    body["fingerprint"] = json!("the same");
    let first = guarded.init(&key, body.clone()).await.expect(201);
    let again = guarded.init(&key, body).await.expect(200);
    assert_eq!(id_of(&first), id_of(&again));
}

#[tokio::test]
async fn bytes_of_a_day_come_back_with_the_next() {
    let guarded =
        Guarded::start(required().with("tenants.acme.max_bytes_per_day", parts(3).to_string())).await;
    let key = guarded.key("acme").await;
    let (id, _) = guarded.open(&key).await;
    guarded.call(Some(&key), Method::DELETE, &format!("/upload/{id}"), None).await.expect(204);
    let problem = guarded.init(&key, two_parts()).await.problem(403, "quota_exceeded");
    assert_eq!(problem["limit"], parts(3), "what is taken back counts for its day");
    guarded.init(&key, of_size(parts(1))).await.expect(201);
    guarded.init(&key, of_size(1)).await.problem(403, "quota_exceeded");
    guarded.gateway.clock.advance(Duration::DAY);
    guarded.open(&key).await;
}

#[tokio::test]
async fn stream_is_counted_before_its_bytes_are_signed_for() {
    let guarded =
        Guarded::start(required().with("tenants.acme.max_bytes_in_flight", parts(3).to_string())).await;
    let key = guarded.key("acme").await;
    let stream = json!({ "filename": "stream", "part_size": part_size() });
    let id = id_of(&guarded.init(&key, stream.clone()).await.expect(201));
    let sign = async |numbers: Value| {
        let body = Some(json!({ "parts": numbers }));
        guarded.call(Some(&key), Method::POST, &format!("/upload/{id}/sign"), body).await
    };
    sign(json!([1, 2])).await.expect(200);
    sign(json!([2])).await.expect(200);
    guarded.init(&key, two_parts()).await.problem(403, "quota_exceeded");
    guarded.init(&key, of_size(parts(1))).await.expect(201);
    let problem = sign(json!([3])).await.problem(403, "quota_exceeded");
    assert_eq!(problem["limit"], parts(3));
    let bearer = Some(key.as_str());
    guarded.call(bearer, Method::DELETE, &format!("/upload/{id}"), None).await.expect(204);
    let other = id_of(&guarded.init(&key, stream).await.expect(201));
    let body = Some(json!({ "parts": [1, 2] }));
    guarded.call(bearer, Method::POST, &format!("/upload/{other}/sign"), body).await.expect(200);
}

#[tokio::test]
async fn stream_that_is_refused_at_once_holds_no_place() {
    let options = required().with("tenants.acme.max_bytes_in_flight", parts(1).to_string());
    let guarded = Guarded::start(options).await;
    let key = guarded.key("acme").await;
    let stream = json!({ "filename": "stream", "part_size": part_size(), "sign": 2 });
    guarded.init(&key, stream).await.problem(403, "quota_exceeded");
    let open = guarded.call(Some(&key), Method::GET, "/upload?state=open", None).await.expect(200);
    assert_eq!(open["uploads"], json!([]));
}

#[tokio::test]
async fn grant_is_worth_what_it_says() {
    let guarded = Guarded::start(required()).await;
    let limits = json!({
        "jti": "one", "max_bytes": parts(2), "max_uploads": 2, "key_prefix": "people/7/", "content_types": ["image/*"],
    });
    let grant = guarded.grant(limits.clone());
    let image = |size: usize| json!({ "filename": "f.png", "size": size, "content_type": "image/png", "part_size": part_size() });
    guarded.init(&grant, of_size(1)).await.problem(400, "invalid_request");
    let problem = guarded.init(&grant, image(parts(2) + 1)).await.problem(413, "too_large");
    assert_eq!(problem["limit"], parts(2));
    let stream = json!({ "filename": "s.png", "content_type": "image/png" });
    let problem = guarded.init(&grant, stream).await.problem(400, "invalid_request");
    assert_eq!(problem["errors"][0]["field"], "size");
    let created = guarded.init(&grant, image(parts(1))).await.expect(201);
    assert!(created["key"].as_str().unwrap().starts_with("acme/people/7/"), "{created}");
    let mut named = image(1);
    named["key"] = json!("mine.png");
    let created = guarded.init(&grant, named.clone()).await.expect(201);
    assert_eq!(created["key"], "acme/people/7/mine.png");
    named["key"] = json!("../8/theirs.png");
    guarded.init(&grant, named).await.problem(400, "invalid_request");
    let problem = guarded.init(&grant, image(1)).await.problem(403, "quota_exceeded");
    assert_eq!(problem["limit"], 2, "two uploads: {problem}");
    // The same grant written anew does not count from the start.
    let again = guarded.grant({
        let mut claims = limits;
        claims["iat"] = json!(1);
        claims
    });
    guarded.init(&again, image(1)).await.problem(403, "quota_exceeded");
    guarded.init(&guarded.grant(json!({ "jti": "two", "max_uploads": 1 })), of_size(1)).await.expect(201);
}

/// Two tenants at the limits of each, from three gateways at once.
#[tokio::test]
async fn limits_hold_across_gateways() {
    let options = required()
        .with("tenants.acme.max_open_uploads", "7")
        .with("tenants.zoo.max_bytes_in_flight", parts(10).to_string());
    hammer(Guarded::start(options).await).await;
}

/// Calls as clients do, again after a 503: on a slow disk, more wait for the database than get it in time.
async fn insist(
    guarded: &Guarded,
    url: &str,
    key: &str,
    method: Method,
    path: &str,
    body: Option<Value>,
) -> Answer {
    for _ in 0..10 {
        let answer = guarded.call_at(url, Some(key), method.clone(), path, body.clone()).await;
        if answer.status != 503 {
            return answer;
        }
    }
    panic!("{method} {path} was answered with 503 ten times");
}

async fn hammer(guarded: Guarded) {
    let urls =
        [guarded.gateway.url.clone(), guarded.gateway.another().await, guarded.gateway.another().await];
    let (acme, zoo) = (guarded.key("acme").await, guarded.key("zoo").await);
    // Opened, and some of them taken back at once: room comes and goes while others knock.
    let calls = (0..60).map(|number: usize| {
        let (key, size) =
            if number.is_multiple_of(2) { (&acme, parts(1)) } else { (&zoo, parts(1 + number % 3)) };
        let (guarded, url) = (&guarded, &urls[number % urls.len()]);
        async move {
            let answer = insist(guarded, url, key, Method::POST, "/upload/init", Some(of_size(size))).await;
            if answer.status == 201 && number.is_multiple_of(5) {
                let path = format!("/upload/{}", id_of(&answer.body));
                insist(guarded, url, key, Method::DELETE, &path, None).await.expect(204);
                return None;
            }
            Some(answer)
        }
    });
    let answers = futures_util::future::join_all(calls).await;
    let refused = answers.iter().flatten().filter(|answer| answer.status != 201);
    for answer in refused {
        assert_eq!(
            (answer.status.as_u16(), &answer.body["code"]),
            (403, &json!("quota_exceeded")),
            "{:#}",
            answer.body
        );
    }
    let open = async |key: &str| {
        let listed = guarded.call(Some(key), Method::GET, "/upload?state=open", None).await.expect(200);
        listed["uploads"]
            .as_array()
            .unwrap()
            .iter()
            .map(|upload| upload["size"].as_u64().unwrap())
            .collect::<Vec<_>>()
    };
    let fill = async |key: &str| {
        // What is left is filled up to the last, one by one, until the limit says no.
        for _ in 0..20 {
            let body = Some(of_size(parts(1)));
            if insist(&guarded, &urls[0], key, Method::POST, "/upload/init", body).await.status != 201 {
                return;
            }
        }
    };
    assert!(open(&acme).await.len() <= 7);
    assert!(open(&zoo).await.iter().sum::<u64>() <= parts(10) as u64);
    fill(&acme).await;
    fill(&zoo).await;
    assert_eq!(open(&acme).await.len(), 7);
    assert_eq!(open(&zoo).await.iter().sum::<u64>(), parts(10) as u64);
}

/// The bytes of an upload that a page aborts in the middle are counted until storage has let go of them.
#[tokio::test]
async fn finished_uploads_make_room() {
    let guarded =
        Guarded::start(required().with("tenants.acme.max_bytes_in_flight", part_size().to_string())).await;
    let key = guarded.key("acme").await;
    let mut body = of_size(part_size());
    body["sign"] = json!(1);
    let created = guarded.init(&key, body.clone()).await.expect(201);
    guarded.init(&key, body.clone()).await.problem(403, "quota_exceeded");
    let sent = put_part(&guarded.gateway, &created["parts"][0], vec![7; part_size()]).await;
    assert_eq!(sent.status(), 200);
    let complete = format!("/upload/{}/complete", id_of(&created));
    let completed: Answer = guarded.call(Some(&key), Method::POST, &complete, Some(json!({}))).await;
    completed.expect(200);
    guarded.init(&key, body).await.expect(201);
}
