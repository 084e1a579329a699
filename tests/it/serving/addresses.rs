//! Who calls too often, or holds too much.

use super::*;

/// One call and then none for half an hour; proxies of this machine say whose it is.
const ONE_CALL: [(&str, &str); 2] = [("limits.per_address", "2/h"), ("http.trusted_proxies", "127.0.0.1")];

#[tokio::test]
async fn only_the_greedy_address_is_refused() {
    let served = Served::start(&ONE_CALL).await;
    served.get_from("198.51.100.1", "/upload").await.expect(200);
    let refused = served.get_from("198.51.100.1", "/upload").await;
    let seconds: u64 = refused.headers["retry-after"].to_str().unwrap().parse().unwrap();
    assert!((1..=1_800).contains(&seconds), "{seconds}");
    refused.problem(429, "rate_limited");
    served.get_from("198.51.100.2", "/upload").await.expect(200);
    // Neighbours in IPv6 are one.
    served.get_from("2001:db8::1", "/upload").await.expect(200);
    served.get_from("2001:db8::2", "/upload").await.problem(429, "rate_limited");
    served.get_from("2001:db8:0:1::2", "/upload").await.expect(200);
}

#[tokio::test]
async fn every_route_of_the_api_counts_and_health_does_not() {
    let served = Served::start(&ONE_CALL).await;
    for (at, path) in
        ["/upload", "/upload/0197a000-0000-7000-8000-000000000000/status", "/metrics"].into_iter().enumerate()
    {
        let address = format!("198.51.100.{at}");
        assert_ne!(served.get_from(&address, path).await.status, 429, "{path}");
        assert_eq!(served.get_from(&address, path).await.status, 429, "{path}");
        for path in ["/healthz", "/", "/openapi.json"] {
            served.get_from(&address, path).await.expect(200);
        }
    }
    let metrics = served.http.get(served.url("/metrics")).header("x-forwarded-for", "198.51.100.9");
    let metrics = metrics.send().await.unwrap().text().await.unwrap();
    assert!(metrics.contains("partgate_http_rate_limited_total{by=\"address\"} "), "{metrics}");
}

#[tokio::test]
async fn address_that_a_stranger_writes_is_not_believed() {
    for trusted in ["", "192.0.2.0/24"] {
        let served = Served::start(&[ONE_CALL[0], ("http.trusted_proxies", trusted)]).await;
        served.get_from("198.51.100.1", "/upload").await.expect(200);
        served.get_from("198.51.100.2", "/upload").await.problem(429, "rate_limited");
    }
    // Neither is what a caller wrote before the proxy appended them.
    let served = Served::start(&ONE_CALL).await;
    served.get_from("203.0.113.1, 198.51.100.1", "/upload").await.expect(200);
    served.get_from("203.0.113.2, 198.51.100.1", "/upload").await.problem(429, "rate_limited");
}

#[tokio::test]
async fn caller_is_refused_wherever_they_call_from() {
    let settings = [("limits.per_caller", "2/h"), ONE_CALL[1]];
    let served = Served::start(&settings).await;
    served.get_from("198.51.100.1", "/upload").await.expect(200);
    served.get_from("198.51.100.2", "/upload").await.problem(429, "rate_limited");
}

#[tokio::test]
async fn nobody_is_counted_in_open_mode_unless_asked_for() {
    let served = Served::start(&[]).await;
    for _ in 0..50 {
        served.get("/upload").await.expect(200);
    }
}

#[tokio::test]
async fn flood_of_slow_calls_from_one_address_leaves_places_for_others() {
    let settings = [("limits.per_address", "100000/s"), ("max_in_flight", "4"), ONE_CALL[1]];
    let served = Served::start(&settings).await;
    let mut slow = Vec::new();
    for _ in 0..8 {
        let mut connection = served.connect().await;
        connection
            .write("POST /upload/init HTTP/1.1\r\nhost: localhost\r\nx-forwarded-for: 198.51.100.1\r\n")
            .await;
        connection.write("content-type: application/json\r\ncontent-length: 100\r\n\r\n{").await;
        slow.push(connection);
    }
    // Until the slow calls have arrived, there is a place for one more.
    let refused = loop {
        let answer = served.get_from("198.51.100.1", "/upload").await;
        if answer.status != 200 {
            break answer;
        }
    };
    assert_eq!(refused.headers["retry-after"], "1");
    refused.problem(429, "rate_limited");
    for last in 2..20 {
        served.get_from(&format!("198.51.100.{last}"), "/upload").await.expect(200);
    }
    drop(slow);
    // Whoever hangs up gives the places back.
    while served.get_from("198.51.100.1", "/upload").await.status != 200 {}
}
