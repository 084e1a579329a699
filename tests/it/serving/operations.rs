//! Health and metrics on a listener of their own.

use super::*;

#[tokio::test]
async fn metrics_are_on_the_operations_listener_only() {
    let served = Served::start(&[("operations.listen", "127.0.0.1:0")]).await;
    let at = |path: &str| served.http.get(format!("http://{}{path}", served.operations.unwrap()));
    for path in ["/healthz", "/metrics"] {
        send(at(path)).await.expect(200);
    }
    send(at("/readyz")).await.expect(503);
    for path in ["/upload", "/", "/openapi.json"] {
        send(at(path)).await.problem(404, "no_such_route");
    }
    served.get("/metrics").await.problem(404, "no_such_route");
    served.get("/healthz").await.expect(200);
    send(at("/metrics").header("host", "evil.example")).await.problem(421, "misdirected_request");
}

#[tokio::test]
async fn metrics_are_beside_the_api_without_it() {
    let served = Served::start(&[]).await;
    assert_eq!(served.operations, None);
    served.get("/metrics").await.expect(200);
}

#[tokio::test]
async fn flood_of_connections_does_not_reach_operations() {
    let settings = [("operations.listen", "127.0.0.1:0"), ("http.max_connections", "1")];
    let served = Served::start(&settings).await;
    let mut held = Vec::new();
    for _ in 0..10 {
        let mut connection = served.connect().await;
        connection.write("POST /upload/init HTTP/1.1\r\nhost: localhost\r\n").await;
        held.push(connection);
    }
    let health = format!("http://{}/healthz", served.operations.unwrap());
    send(served.http.get(health)).await.expect(200);
}
