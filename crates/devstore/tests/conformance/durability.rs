//! What survives a restart, a cut connection and kill -9, and that nothing is left on the disk.

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use partgate_devstore::OpenError;
use tempfile::tempdir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::support::{OwnStore, Space, blob_files, bytes, code, embedded, own_endpoint};

/// A path that a child process serves until it is killed.
const CHILD_DIR: &str = "DEVSTORE_TEST_CHILD_DIR";

#[tokio::test]
async fn parts_survive_a_restart_and_the_upload_can_be_finished() {
    let Some(_) = embedded("parts_survive_a_restart_and_the_upload_can_be_finished") else { return };
    let dir = tempdir().unwrap();
    let own = OwnStore::open(dir.path()).await;
    let space = Space::on(own.endpoint.clone()).await;
    let (key, body) = (space.key("file"), bytes(1, 1_000_000));
    let id = space.create(&key).await;
    let one = space.part(&key, &id, 1, &body).await;
    own.close().await;

    let own = OwnStore::open(dir.path()).await;
    let space = space.moved_to(own.endpoint.clone());
    let listed = space.s3.list_parts().bucket(&space.bucket).key(&key).upload_id(&id).send().await.unwrap();
    assert_eq!(listed.parts()[0].e_tag(), one.e_tag());
    let two = space.part(&key, &id, 2, b"end").await;
    space.completing(&key, &id, &[one, two]).send().await.unwrap();
    assert!(space.get(&key).await == [body, b"end".to_vec()].concat());
    own.close().await;
}

#[tokio::test]
async fn repeating_complete_gives_the_same_answer_after_a_restart() {
    let Some(_) = embedded("repeating_complete_gives_the_same_answer_after_a_restart") else { return };
    let dir = tempdir().unwrap();
    let own = OwnStore::open(dir.path()).await;
    let space = Space::on(own.endpoint.clone()).await;
    let key = space.key("file");
    let id = space.create(&key).await;
    let parts = [space.part(&key, &id, 1, b"x").await];
    let first = space.completing(&key, &id, &parts).send().await.unwrap();
    own.close().await;

    let own = OwnStore::open(dir.path()).await;
    let space = space.moved_to(own.endpoint.clone());
    let second = space.completing(&key, &id, &parts).send().await.unwrap();
    assert_eq!(first.e_tag, second.e_tag);
    assert_eq!(space.get(&key).await, b"x");
    own.close().await;
}

#[tokio::test]
async fn killed_with_nine_the_store_keeps_every_part_that_it_answered() {
    let Some(_) = embedded("killed_with_nine_the_store_keeps_every_part_that_it_answered") else { return };
    let dir = tempdir().unwrap();
    let (mut child, url) = spawn_child(dir.path());
    let space = Space::on(own_endpoint(url)).await;
    let key = space.key("file");
    let id = space.create(&key).await;
    let one = space.part(&key, &id, 1, b"answered").await;
    // A body that is still on its way when the process dies leaves a file without a row.
    let mut socket = half_a_part(&space, &key, &id, 2).await;
    wait_for_files(dir.path(), 2).await;
    child.kill().unwrap();
    child.wait().unwrap();
    let _ = socket.shutdown().await;
    assert_eq!(blob_files(dir.path()).len(), 2);

    let own = OwnStore::open(dir.path()).await;
    assert_eq!(blob_files(dir.path()).len(), 1, "the orphan is removed at open");
    let space = space.moved_to(own.endpoint.clone());
    space.completing(&key, &id, &[one]).send().await.unwrap();
    assert_eq!(space.get(&key).await, b"answered");
    own.close().await;
}

/// Not a test of its own: serves the directory that the test above names, until it is killed.
#[tokio::test]
async fn child_serves() {
    let Ok(dir) = std::env::var(CHILD_DIR) else { return };
    let own = OwnStore::open(Path::new(&dir)).await;
    println!("\nlistening {}", own.endpoint.url);
    std::future::pending::<()>().await;
}

fn spawn_child(dir: &Path) -> (Child, String) {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["durability::child_serves", "--exact", "--nocapture"])
        .env(CHILD_DIR, dir)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let url = lines.map_while(Result::ok).find_map(|line| line.strip_prefix("listening ").map(str::to_owned));
    (child, url.unwrap())
}

/// Starts a part of 100,000 bytes and sends half of it.
async fn half_a_part(space: &Space, key: &str, id: &str, number: u32) -> TcpStream {
    let url = space.url(&space.presign_part(key, id, number));
    let url = reqwest::Url::parse(&url).unwrap();
    let host = format!("{}:{}", url.host_str().unwrap(), url.port().unwrap());
    let mut socket = TcpStream::connect(&host).await.unwrap();
    let target = format!("{}?{}", url.path(), url.query().unwrap());
    let head = format!("PUT {target} HTTP/1.1\r\nHost: {host}\r\nContent-Length: 100000\r\n\r\n");
    socket.write_all(head.as_bytes()).await.unwrap();
    socket.write_all(&[b'h'; 50_000]).await.unwrap();
    socket
}

/// Polls the disk: the store works on its own threads.
async fn wait_for_files(dir: &Path, count: usize) {
    let waiting = async {
        while blob_files(dir).len() != count {
            tokio::task::yield_now().await;
        }
    };
    let waited = tokio::time::timeout(std::time::Duration::from_secs(20), waiting).await;
    assert!(waited.is_ok(), "{} files, not {count}", blob_files(dir).len());
}

async fn own() -> (tempfile::TempDir, OwnStore, Space) {
    let dir = tempdir().unwrap();
    let own = OwnStore::open(dir.path()).await;
    let space = Space::on(own.endpoint.clone()).await;
    (dir, own, space)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cut_off_body_leaves_the_good_part_and_no_file() {
    let Some(_) = embedded("a_cut_off_body_leaves_the_good_part_and_no_file") else { return };
    let (dir, own, space) = own().await;
    let key = space.key("file");
    let id = space.create(&key).await;
    let good = space.part(&key, &id, 1, b"good").await;
    let socket = half_a_part(&space, &key, &id, 1).await;
    wait_for_files(dir.path(), 2).await;
    drop(socket);
    wait_for_files(dir.path(), 1).await;
    space.completing(&key, &id, &[good]).send().await.unwrap();
    assert_eq!(space.get(&key).await, b"good");
    own.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_part_that_lands_after_abort_is_refused_and_its_bytes_removed() {
    let Some(_) = embedded("a_part_that_lands_after_abort_is_refused_and_its_bytes_removed") else { return };
    let (dir, own, space) = own().await;
    let key = space.key("file");
    let id = space.create(&key).await;
    let mut socket = half_a_part(&space, &key, &id, 1).await;
    wait_for_files(dir.path(), 1).await;
    space.s3.abort_multipart_upload().bucket(&space.bucket).key(&key).upload_id(&id).send().await.unwrap();
    socket.write_all(&[b'h'; 50_000]).await.unwrap();
    let mut answer = vec![0; 12];
    socket.read_exact(&mut answer).await.unwrap();
    assert_eq!(answer, b"HTTP/1.1 404");
    assert_eq!(blob_files(dir.path()).len(), 0);
    own.close().await;
}

#[tokio::test]
async fn bytes_go_with_what_they_belonged_to() {
    let Some(_) = embedded("bytes_go_with_what_they_belonged_to") else { return };
    let (dir, own, space) = own().await;
    let files = || blob_files(dir.path()).len();
    let key = space.key("file");
    let id = space.create(&key).await;
    space.part(&key, &id, 1, b"replaced").await;
    let one = space.part(&key, &id, 1, b"one").await;
    assert_eq!(files(), 1, "a replaced part");
    space.part(&key, &id, 2, b"unused").await;
    space.completing(&key, &id, &[one]).send().await.unwrap();
    assert_eq!(files(), 1, "an unused part");
    space.put(&key, b"new".to_vec()).await;
    assert_eq!(files(), 1, "a replaced object");
    space.s3.delete_object().bucket(&space.bucket).key(&key).send().await.unwrap();
    assert_eq!(files(), 0, "a deleted object");
    let id = space.create(&key).await;
    space.part(&key, &id, 1, b"x").await;
    space.s3.delete_bucket().bucket(&space.bucket).send().await.unwrap();
    assert_eq!(files(), 0, "an open upload of a deleted bucket");
    own.close().await;
}

#[tokio::test]
async fn a_refused_body_leaves_no_file() {
    let Some(_) = embedded("a_refused_body_leaves_no_file") else { return };
    let (dir, own, space) = own().await;
    let key = space.key("file");
    let id = space.create(&key).await;
    let md5 = "1B2M2Y8AsgTpgAmY7PhCfg==";
    let part = space.presign_part(&key, &id, 1).header("content-md5", md5);
    space.send_signed(&part, b"not empty").await.assert_error(400, "BadDigest");
    let object = space.presign("PUT", &key).header("content-md5", md5);
    space.send_signed(&object, b"not empty").await.assert_error(400, "BadDigest");
    space.put(&key, b"there".to_vec()).await;
    let object = space.presign("PUT", &key).header("if-none-match", "*");
    space.send_signed(&object, b"not stored").await.assert_error(412, "PreconditionFailed");
    assert_eq!(blob_files(dir.path()).len(), 1);
    own.close().await;
}

#[tokio::test]
async fn a_directory_has_one_store_at_a_time() {
    let Some(_) = embedded("a_directory_has_one_store_at_a_time") else { return };
    let (dir, own, _space) = own().await;
    let second = partgate_devstore::DevStore::open(crate::support::config(dir.path().to_owned())).await;
    assert!(matches!(second, Err(OpenError::InUse { .. })));
    own.close().await;
    partgate_devstore::DevStore::open(crate::support::config(dir.path().to_owned())).await.unwrap();
}

#[tokio::test]
async fn tiny_parts_are_accepted_where_the_settings_say_so() {
    let Some(_) = embedded("tiny_parts_are_accepted_where_the_settings_say_so") else { return };
    let (_dir, own, space) = own().await;
    let key = space.key("file");
    let id = space.create(&key).await;
    let parts = [space.part(&key, &id, 1, b"a").await, space.part(&key, &id, 2, b"b").await];
    space.completing(&key, &id, &parts).send().await.unwrap();
    assert_eq!(space.get(&key).await, b"ab");
    let id = space.create(&key).await;
    let parts = [space.part(&key, &id, 1, b"").await, space.part(&key, &id, 2, b"b").await];
    assert_eq!(code(space.completing(&key, &id, &parts).send().await), "EntityTooSmall");
    own.close().await;
}
