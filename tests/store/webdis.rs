//! What Webdis itself does, beside what Redis says.

use super::{answer, call, client, load, put, redis_said, run};
use crate::store::{Fsync, RedisServer, WEBDIS_AUTH, Webdis};
use reqwest::StatusCode;

#[tokio::test]
async fn it_passes_no_other_command() {
    let redis = RedisServer::start(Fsync::EverySecond).await;
    let webdis = Webdis::start(&redis).await;
    let forbidden = (StatusCode::FORBIDDEN, Vec::new());
    for path in ["/FLUSHALL.raw", "/PING", "/CONFIG/GET/*", "/1/GET/a", "/SUBSCRIBE/a", "/", "//"] {
        assert_eq!(put(&webdis, path, "").await, forbidden, "{path}");
        assert_eq!(put(&webdis, path, "a body").await, forbidden, "{path}");
    }
    // It takes a part of an allowed name for the name. That is for Redis to refuse.
    let refused = redis_said("NOPERM this user has no permissions to run the 'eval' command");
    assert_eq!(put(&webdis, "/EVAL/return%201.raw", "0").await, refused);
    let refused =
        redis_said("NOPERM this user has no permissions to run the 'script|flush' command");
    assert_eq!(put(&webdis, "/SCRIPT/FLUSH.raw", "").await, refused);

    let (user, password) = WEBDIS_AUTH.split_once(':').unwrap();
    let request = client().delete(webdis.url(&run("0"))).basic_auth(user, Some(password));
    assert_eq!(answer(request).await, (StatusCode::METHOD_NOT_ALLOWED, Vec::new()));
}

/// Any bytes, of this length.
fn bytes(length: usize) -> Vec<u8> {
    let mut state = 1_u32;
    let mut next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 24) as u8
    };
    (0..length).map(|_| next()).collect()
}

#[tokio::test]
async fn it_passes_any_body_unharmed() {
    let redis = RedisServer::start(Fsync::EverySecond).await;
    let webdis = Webdis::start(&redis).await;
    let echo = load(&webdis, "return ARGV[1]").await;
    let large = [4_095, 4_096, 16_384, 65_536, 1024 * 1024, 3 * 1024 * 1024].map(bytes);
    let odd: [&[u8]; 6] = [b"\0", b"a\0b\0", b"\xff\xfe", b"\r\n\r\n", b"%41+ ?/x.raw", b"$1\r\nx"];
    for body in large.iter().map(Vec::as_slice).chain(odd) {
        let (status, said) = put(&webdis, &run(&echo), body.to_vec()).await;
        let wanted = [format!("${}\r\n", body.len()).as_bytes(), body, b"\r\n"].concat();
        assert_eq!(status, 200);
        assert!(said == wanted, "{} bytes: {:?}", body.len(), &said[..said.len().min(80)]);
    }
    // An empty body is no argument.
    assert_eq!(put(&webdis, &run(&echo), "").await, (StatusCode::OK, b"$-1\r\n".to_vec()));
}

#[tokio::test]
async fn it_takes_one_large_body_after_the_other_on_a_connection() {
    let redis = RedisServer::start(Fsync::EverySecond).await;
    let webdis = Webdis::start(&redis).await;
    let length = load(&webdis, "return #ARGV[1]").await;
    let keeping = reqwest::Client::builder().no_proxy().build().unwrap();
    for _ in 0..20 {
        let request = call(&webdis, &run(&length), bytes(1024 * 1024)).build().unwrap();
        let response = keeping.execute(request).await.unwrap();
        assert_eq!(response.bytes().await.unwrap(), ":1048576\r\n");
    }
}
