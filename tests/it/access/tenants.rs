//! Tenants in settings and database: where their objects are, and whose pages may call.

use partgate::access::TenantSettings;
use partgate::store::TenantRecord;
use reqwest::Method;
use serde_json::json;

use super::support::{Guarded, required, two_parts};
use crate::harness::{Options, TestStore};

async fn put(guarded: &Guarded, name: &str, settings: TenantSettings) {
    let now = guarded.gateway.clock.now();
    let settings = serde_json::to_string(&settings).unwrap();
    let record = TenantRecord { name: name.to_owned(), settings, created_at: now, updated_at: now };
    guarded.store.put_tenant(&record).await.unwrap();
}

#[tokio::test]
async fn tenant_of_the_database_is_there_without_a_restart() {
    let guarded = Guarded::start(required()).await;
    let key = guarded.key("later").await;
    guarded.init(&key, two_parts()).await.problem(401, "unauthorized");
    put(&guarded, "later", TenantSettings::default()).await;
    // What is not known is looked for again a moment later.
    let mut created = guarded.init(&key, two_parts()).await;
    for _ in 0..50 {
        if created.status == 201 {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
        created = guarded.init(&key, two_parts()).await;
    }
    assert!(created.expect(201)["key"].as_str().unwrap().starts_with("later/"));
}

#[tokio::test]
async fn tenant_has_a_bucket_of_its_own() {
    let bucket = format!("own-{}", uuid::Uuid::new_v4());
    let options = required().with("tenants.acme.bucket", bucket.clone()).with("tenants.acme.prefix", "in/");
    let guarded = Guarded::start(options).await;
    let s3 = crate::harness::s3(&guarded.gateway);
    s3.create_bucket().bucket(&bucket).send().await.unwrap();
    let key = guarded.key("acme").await;
    let (id, _) = guarded.open(&key).await;
    let status =
        guarded.call(Some(&key), Method::GET, &format!("/upload/{id}/status?refresh=true"), None).await;
    status.expect(200);
    let mut small = json!({ "filename": "small.txt", "size": 5, "sign": 1 });
    small["key"] = json!("small.txt");
    let created = guarded.init(&key, small).await.expect(201);
    assert_eq!((created["bucket"].as_str(), created["key"].as_str()), (Some(&*bucket), Some("in/small.txt")));
    let sent = crate::harness::put_part(&guarded.gateway, &created["parts"][0], b"hello".to_vec()).await;
    assert_eq!(sent.status(), 200);
    let path = format!("/upload/{}/complete", created["upload_id"].as_str().unwrap());
    guarded.call(Some(&key), Method::POST, &path, Some(json!({}))).await.expect(200);
    let object = s3.get_object().bucket(&bucket).key("in/small.txt").send().await.unwrap();
    assert_eq!(object.body.collect().await.unwrap().to_vec(), b"hello");
    guarded.call(Some(&key), Method::DELETE, &format!("/upload/{id}"), None).await.expect(204);
    let left = s3.list_multipart_uploads().bucket(&bucket).send().await.unwrap();
    assert!(
        left.uploads().is_empty() || TestStore::chosen() == TestStore::MinIo,
        "MinIO lists by exact key only"
    );
}

#[tokio::test]
async fn pages_of_other_origins_do_not_call_in_a_tenants_name() {
    let options = required().with("tenants.acme.cors_origins", "https://acme.example");
    let guarded = Guarded::start(options).await;
    let key = guarded.key("acme").await;
    let http = reqwest::Client::new();
    let preflight = async |origin: &str| {
        let request = http
            .request(Method::OPTIONS, format!("{}/upload/init", guarded.gateway.url))
            .header("origin", origin)
            .header("access-control-request-method", "POST")
            .header("access-control-request-headers", "authorization,content-type");
        request.send().await.unwrap().headers().get("access-control-allow-origin").cloned()
    };
    assert!(preflight("https://acme.example").await.is_some(), "a tenant allows it");
    assert!(preflight("http://app.example").await.is_some(), "the gateway allows it");
    assert!(preflight("https://evil.example").await.is_none());
    let call = async |key: &str, origin: &str| {
        let url = format!("{}/upload/init", guarded.gateway.url);
        let request = http.post(url).header("origin", origin).bearer_auth(key).json(&two_parts());
        request.send().await.unwrap().status().as_u16()
    };
    assert_eq!(call(&key, "https://acme.example").await, 201);
    assert_eq!(call(&key, "http://app.example").await, 403, "allowed by the gateway, but not by this tenant");
    assert_eq!(call(&key, &guarded.gateway.url).await, 201, "the gateway's own page");
    let zoo = guarded.key("zoo").await;
    assert_eq!(call(&zoo, "http://app.example").await, 201);
}

#[tokio::test]
async fn gateway_without_tenants_has_one() {
    let options = Options::default()
        .with("auth.mode", "required")
        .with("auth.token_secrets", format!("k1:{}", super::support::TOKEN_SECRET));
    let guarded = Guarded::start(options).await;
    let key = guarded.key("default").await;
    let created = guarded.init(&key, json!({ "filename": "f", "size": 1, "key": "a/b" })).await.expect(201);
    assert_eq!(created["key"], "a/b");
}
