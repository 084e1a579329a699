//! API keys and tenants.

use super::*;

fn key(id: &str, tenant: Option<&str>) -> ApiKeyRecord {
    ApiKeyRecord {
        id: id.to_owned(),
        tenant: tenant.map(str::to_owned),
        name: "käse \"1\"".to_owned(),
        roles: "upload,read".to_owned(),
        secret_hash: "0123abcd".to_owned(),
        created_at: NOW,
        last_used_at: None,
        expires_at: None,
        revoked_at: None,
    }
}

async fn stored(store: &Store, key: ApiKeyRecord) -> ApiKeyRecord {
    store.insert_key(&key).await.unwrap();
    key
}

async fn found(store: &Store, id: &str) -> ApiKeyRecord {
    store.key(id).await.unwrap().unwrap()
}

pub(super) async fn key_comes_back_as_it_was_written(store: Store) {
    let plain = stored(&store, key("operator", None)).await;
    let full = ApiKeyRecord {
        last_used_at: Some(NOW + Duration::microseconds(1)),
        expires_at: Some(NOW + Duration::microseconds(2)),
        revoked_at: Some(NOW + Duration::microseconds(3)),
        ..key("backend", Some("a"))
    };
    let full = stored(&store, full).await;
    assert_eq!(found(&store, "operator").await, plain);
    assert_eq!(found(&store, "backend").await, full);
    assert_eq!(store.key("nobody").await.unwrap(), None);
}

pub(super) async fn keys_are_listed_newest_first(store: Store) {
    for (id, tenant, age) in
        [("k1", Some("a"), 2), ("k2", None, 1), ("k3", Some("b"), 3), ("k4", Some("a"), 0)]
    {
        stored(&store, ApiKeyRecord { created_at: NOW - Duration::seconds(age), ..key(id, tenant) }).await;
    }
    let ids = async |tenant| {
        let keys = store.keys(tenant).await.unwrap();
        keys.into_iter().map(|key| key.id).collect::<Vec<_>>()
    };
    assert_eq!(ids(None).await, ["k4", "k2", "k1", "k3"]);
    assert_eq!(ids(Some("a")).await, ["k4", "k1"]);
    assert_eq!(ids(Some("c")).await, [""; 0]);
}

pub(super) async fn key_is_revoked_once(store: Store) {
    stored(&store, key("k", None)).await;
    stored(&store, key("other", None)).await;
    assert_eq!(store.revoke_key("k", NOW).await.unwrap(), Written::Done);
    let later = NOW + Duration::SECOND;
    assert_eq!(store.revoke_key("k", later).await.unwrap(), Written::Conflict);
    assert_eq!(store.revoke_key("nobody", NOW).await.unwrap(), Written::Conflict);
    assert_eq!(found(&store, "k").await.revoked_at, Some(NOW));
    assert_eq!(found(&store, "other").await.revoked_at, None);
}

pub(super) async fn use_of_a_key_is_written_now_and_then(store: Store) {
    stored(&store, key("k", None)).await;
    stored(&store, key("other", None)).await;
    let later = NOW + Duration::MINUTE;
    for (now, if_before, expected) in [(NOW, NOW, NOW), (later, NOW, NOW), (later, later, later)] {
        store.key_used("k", now, if_before).await.unwrap();
        assert_eq!(found(&store, "k").await.last_used_at, Some(expected));
    }
    store.key_used("nobody", NOW, NOW).await.unwrap();
    assert_eq!(found(&store, "other").await.last_used_at, None);
}

pub(super) async fn key_id_is_unique(store: Store) {
    let first = stored(&store, key("k", Some("a"))).await;
    let refused = store.insert_key(&key("k", Some("b"))).await;
    assert!(matches!(refused, Err(StoreError::Database(_))), "{refused:?}");
    assert_eq!(found(&store, "k").await, first);
}

#[test]
fn hash_of_a_key_shows_in_no_debug_output() {
    let key = key("k", Some("a"));
    let shown = format!("{key:?}");
    assert!(shown.contains("upload,read") && !shown.contains(&key.secret_hash), "{shown}");
}

fn tenant(name: &str, settings: &str, now: OffsetDateTime) -> TenantRecord {
    TenantRecord { name: name.to_owned(), settings: settings.to_owned(), created_at: now, updated_at: now }
}

pub(super) async fn tenant_comes_back_as_it_was_last_written(store: Store) {
    let later = NOW + Duration::microseconds(1);
    for tenant in [tenant("b", "{}", NOW), tenant("a", "{}", NOW), tenant("b", "{\"x\":\"ä\"}", later)] {
        store.put_tenant(&tenant).await.unwrap();
    }
    let changed = TenantRecord { created_at: NOW, ..tenant("b", "{\"x\":\"ä\"}", later) };
    assert_eq!(store.tenants().await.unwrap(), [tenant("a", "{}", NOW), changed]);
}

pub(super) async fn tenant_is_deleted_once(store: Store) {
    store.put_tenant(&tenant("a", "{}", NOW)).await.unwrap();
    store.put_tenant(&tenant("b", "{}", NOW)).await.unwrap();
    assert_eq!(store.delete_tenant("a").await.unwrap(), Written::Done);
    assert_eq!(store.delete_tenant("a").await.unwrap(), Written::Conflict);
    assert_eq!(store.tenants().await.unwrap(), [tenant("b", "{}", NOW)]);
}

pub(super) async fn tenant_without_uploads_is_told_from_one_with(store: Store) {
    in_state(&store, upload_with(1, |spec| spec.tenant = "b".to_owned()), State::Completed).await;
    let mut found = Vec::new();
    for tenant in ["a", "b", "c"] {
        found.push(store.has_uploads(tenant).await.unwrap());
    }
    assert_eq!(found, [false, true, false]);
}
