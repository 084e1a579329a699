//! A gateway that wants to know who calls, and credentials of every kind.

use jsonwebtoken::{Algorithm, EncodingKey, Header};
use partgate::access::Role;
use partgate::service::{NewKey, create_key};
use partgate::store::{Migrations, Store};
use reqwest::Method;
use serde_json::{Value, json};
use time::OffsetDateTime;

use crate::harness::{Answer, Gateway, Options, part_size, parts};

pub(super) const TOKEN_SECRET: &str = "0123456789abcdef0123456789abcdef";
pub(super) const ISSUER_SECRET: &str = "an issuer's secret of thirty-two bytes and more";

/// A gateway in required mode, with the tenants `acme` and `zoo`.
pub(super) struct Guarded {
    pub(super) gateway: Gateway,
    pub(super) store: Store,
    /// The harness's may carry a credential already.
    http: reqwest::Client,
}

/// The settings of such a gateway.
pub(super) fn required() -> Options {
    Options::default()
        .with("auth.mode", "required")
        .with("auth.token_secrets", format!("k1:{TOKEN_SECRET}"))
        .with("auth.issuers.app.secret", ISSUER_SECRET)
        .with("tenants.acme.naming", "api_keys")
        .with("tenants.zoo.naming", "api_keys")
}

impl Guarded {
    pub(super) async fn start(options: Options) -> Self {
        let gateway = Gateway::start_with(options).await;
        let database = format!("sqlite://{}", gateway.data.path().join("gateway.db").display());
        let store = Store::open(&database, 2, Migrations::Refuse).await.unwrap();
        let http = reqwest::Client::builder().no_proxy().redirect(reqwest::redirect::Policy::none());
        Self { gateway, store, http: http.build().unwrap() }
    }

    /// An API key of this tenant.
    pub(super) async fn key(&self, tenant: &str) -> String {
        self.key_with(Some(tenant), &[Role::Upload, Role::Read], None).await
    }

    pub(super) async fn key_with(
        &self,
        tenant: Option<&str>,
        roles: &[Role],
        expires_at: Option<OffsetDateTime>,
    ) -> String {
        let new = NewKey {
            tenant: tenant.map(str::to_owned),
            name: "test".to_owned(),
            roles: roles.iter().copied().collect(),
            expires_at,
        };
        create_key(&self.store, new, self.gateway.clock.now()).await.unwrap().secret_text
    }

    /// A grant of an hour with these claims beside the usual ones.
    pub(super) fn grant(&self, claims: Value) -> String {
        let exp = self.gateway.clock.now().unix_timestamp() + 3_600;
        let mut all = json!({ "tenant": "acme", "sub": "user-1", "aud": "partgate", "exp": exp });
        all.as_object_mut().unwrap().extend(claims.as_object().unwrap().clone());
        let key = EncodingKey::from_secret(ISSUER_SECRET.as_bytes());
        jsonwebtoken::encode(&Header::new(Algorithm::HS256), &all, &key).unwrap()
    }

    pub(super) async fn call(
        &self,
        bearer: Option<&str>,
        method: Method,
        path: &str,
        body: Option<Value>,
    ) -> Answer {
        self.call_at(&self.gateway.url, bearer, method, path, body).await
    }

    pub(super) async fn call_at(
        &self,
        url: &str,
        bearer: Option<&str>,
        method: Method,
        path: &str,
        body: Option<Value>,
    ) -> Answer {
        let mut request = self.http.request(method, format!("{url}{path}"));
        if let Some(bearer) = bearer {
            request = request.bearer_auth(bearer);
        }
        if let Some(body) = body {
            request = request.json(&body);
        }
        Answer::of(request.send().await.unwrap()).await
    }

    pub(super) async fn init(&self, bearer: &str, body: Value) -> Answer {
        self.call(Some(bearer), Method::POST, "/upload/init", Some(body)).await
    }

    /// Opens an upload of two parts; answers its id and its token.
    pub(super) async fn open(&self, bearer: &str) -> (String, String) {
        let created = self.init(bearer, two_parts()).await.expect(201);
        let text = |name: &str| created[name].as_str().unwrap().to_owned();
        (text("upload_id"), text("token"))
    }
}

/// An upload of two parts.
pub(super) fn two_parts() -> Value {
    json!({ "filename": "f.bin", "size": parts(2), "part_size": part_size() })
}

/// Every route that is about one upload, with a body that it takes.
pub(super) fn routes_of(id: &str) -> Vec<(Method, String, Option<Value>)> {
    let route = |method, rest: &str, body| (method, format!("/upload/{id}{rest}"), body);
    vec![
        route(Method::POST, "/sign", Some(json!({ "parts": [1] }))),
        route(Method::POST, "/parts", Some(json!({ "stored": [{ "number": 1 }] }))),
        route(Method::GET, "/status", None),
        route(Method::POST, "/complete", Some(json!({}))),
        route(Method::GET, "/file", None),
        route(Method::PUT, "/parts/1", None),
        route(Method::POST, "/chunk/0", None),
        route(Method::DELETE, "", None),
    ]
}
