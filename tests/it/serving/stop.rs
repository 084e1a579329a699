//! What is under way when the gateway stops.

use super::*;

#[tokio::test]
async fn request_under_way_is_answered_and_no_other_is_taken() {
    let mut served = Served::start(&[("max_in_flight", "1")]).await;
    let mut idle = served.connect().await;
    idle.write("GET /healthz HTTP/1.1\r\nhost: localhost\r\n\r\n").await;
    idle.read_until("\"ok\"").await;
    let mut slow = served.connect().await;
    slow.write("POST /upload/init HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n").await;
    slow.write("content-length: 2\r\n\r\n{").await;
    while served.get("/upload").await.status != 503 {}
    served.stop.cancel();
    assert_eq!(idle.read_to_end().await, "", "who asks nothing is not waited for");
    while TcpStream::connect(served.address).await.is_ok() {}
    slow.write("}").await;
    let answer = slow.read_to_end().await;
    assert!(answer.starts_with("HTTP/1.1 400"), "{answer}");
    served.server.take().unwrap().await.unwrap();
}
