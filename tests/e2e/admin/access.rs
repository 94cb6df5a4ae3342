//! Who gets in, and with what kind of request.

use super::super::support::gateway::ADMIN_TOKEN;
use super::*;
use crate::support::raw;

/// A gateway with two workers and the webhook `crm`.
async fn some_gateway() -> (Platform, Receiver, Gateway) {
    let platform = orders_platform().await;
    let receiver = Receiver::start().await;
    let gateway = gateway(&platform, &receiver.url("/")).workers(2).start().await;
    (platform, receiver, gateway)
}

fn status_url(gateway: &Gateway) -> String {
    format!("http://{}/api/v1/status", gateway.admin_api)
}

#[tokio::test]
async fn nothing_is_told_without_the_token() {
    let (platform, receiver, gateway) = some_gateway().await;
    let client = crate::support::gateway::client();
    let prefix = &ADMIN_TOKEN[..ADMIN_TOKEN.len() - 1];
    let long = format!("{ADMIN_TOKEN}0");
    for header in [
        None,
        Some("Bearer".as_bytes().to_vec()),
        Some(format!("Basic {ADMIN_TOKEN}").into_bytes()),
        Some(format!("Bearer {prefix}").into_bytes()),
        Some(format!("Bearer {long}").into_bytes()),
        Some(b"Bearer \xff\xfe\xfd".to_vec()),
    ] {
        let mut request = client.get(status_url(&gateway));
        if let Some(header) = &header {
            request = request.header("authorization", header.as_slice());
        }
        let answer = request.send().await.unwrap();
        assert!(answer.headers()["www-authenticate"].to_str().unwrap().starts_with("Bearer"));
        assert_eq!(answer.status(), StatusCode::UNAUTHORIZED, "{header:?}");
        assert!(!answer.text().await.unwrap().contains("version"));
    }
    // Envoy itself takes no header of this size.
    let huge = client.get(status_url(&gateway)).bearer_auth("x".repeat(1 << 20)).send().await;
    assert!(huge.is_err() || huge.unwrap().status() == 431);
    get(&gateway, "/status").await;
    gateway.assert_vm_alive();
    create(&gateway, &platform, "a").await;
    receiver.wait_for(1).await;
}

#[tokio::test]
async fn an_address_with_many_wrong_tokens_has_to_wait_and_never_the_right_token() {
    let platform = orders_platform().await;
    let receiver = Receiver::start().await;
    let gateway = gateway(&platform, &receiver.url("/")).start().await;
    let client = crate::support::gateway::client();
    let wrong = || client.get(status_url(&gateway)).bearer_auth("wrong");
    for number in 0..10 {
        // Whatever it says of itself.
        let claimed = format!("203.0.113.{number}");
        answered(wrong().header("x-forwarded-for", claimed), 401).await;
    }
    for _ in 0..3 {
        let answer = wrong().send().await.unwrap();
        assert_eq!(answer.status(), StatusCode::TOO_MANY_REQUESTS);
        let wait: u64 = answer.headers()["retry-after"].to_str().unwrap().parse().unwrap();
        assert!((1..=60).contains(&wait), "{wait}");
        // Whoever has it may be behind the same address as who does not.
        get(&gateway, "/status").await;
    }
    gateway.wait_for_log(&["10 wrong tokens for the admin API came from 127.0.0.1"]).await;
    // The API that passes through is none of this.
    create(&gateway, &platform, "a").await;
    receiver.wait_for(1).await;
}

/// What a page of another site can send in the name of who looks at it: no header of its own but these.
#[tokio::test]
async fn a_page_of_another_site_changes_nothing_and_reads_nothing() {
    let (.., gateway) = some_gateway().await;
    let before = get(&gateway, "/webhooks").await;
    let client = crate::support::gateway::client();
    let body = r#"{"id":"evil","url":"https://evil.example/"}"#;
    for kind in ["application/x-www-form-urlencoded", "text/plain", "multipart/form-data"] {
        for path in ["/webhooks", "/webhooks/crm/restart", "/test", "/failed/abandon"] {
            let url = format!("http://{}/api/v1{path}", gateway.admin_api);
            let request = client.post(url).header("content-type", kind).body(body);
            let answer = request.header("origin", "https://evil.example").send().await.unwrap();
            assert_eq!(answer.status(), StatusCode::UNAUTHORIZED, "{path}");
            assert!(!answer.headers().contains_key("access-control-allow-origin"));
        }
    }
    // Nor does it get leave for more.
    let asked = client.request(Method::OPTIONS, status_url(&gateway));
    let asked = asked.header("origin", "https://evil.example");
    let asked = asked.header("access-control-request-method", "PUT");
    let answer = asked.header("access-control-request-headers", "authorization").send().await;
    let answer = answer.unwrap();
    assert_eq!(answer.status(), StatusCode::UNAUTHORIZED);
    let headers: Vec<_> =
        answer.headers().keys().map(reqwest::header::HeaderName::as_str).collect();
    assert!(headers.iter().all(|name| !name.starts_with("access-control-")), "{headers:?}");
    assert_eq!(get(&gateway, "/webhooks").await, before);
}

#[tokio::test]
async fn a_name_that_was_rebound_to_this_machine_is_not_answered() {
    let (.., gateway) = some_gateway().await;
    let port = gateway.admin_api.port();
    let client = crate::support::gateway::client();
    let asked = async |host: &str, path: &str| {
        let request = client.get(format!("http://{}{path}", gateway.admin_api));
        let answer = request.bearer_auth(ADMIN_TOKEN).header("host", host).send().await.unwrap();
        (answer.status().as_u16(), answer.text().await.unwrap())
    };
    for host in ["rebound.example", "localhost.rebound.example", "127.0.0.1.nip.io", "192.0.2.1"] {
        for path in ["/", "/app.js", "/api/v1/status", "/nothing"] {
            for host in [host.to_owned(), format!("{host}:{port}")] {
                let (status, said) = asked(&host, path).await;
                assert_eq!(status, 421, "{host} {path}: {said}");
                assert!(said.contains("`hosts` of the admin's filter"), "{said}");
                assert!(said.contains(&format!("\\\"{host}\\\"")), "{said}");
            }
        }
    }
    // Whatever `Host` says: the request line counts before it.
    let request = format!(
        "GET http://rebound.example/ HTTP/1.1\r\nhost: localhost:{port}\r\nconnection: close\r\n\r\n"
    );
    let answer = raw::exchange(gateway.admin_api, &[request]).await;
    assert!(answer.starts_with("HTTP/1.1 421 "), "{answer}");
    for host in ["localhost", "LOCALHOST", "127.0.0.1", "[::1]"] {
        for host in [host.to_owned(), format!("{host}:{port}"), format!("{host}:1")] {
            assert_eq!(asked(&host, "/api/v1/status").await.0, 200, "{host}");
        }
    }
}

#[tokio::test]
async fn the_console_is_answered_under_the_names_that_hosts_has() {
    let platform = orders_platform().await;
    let setup = gateway(&platform, "http://127.0.0.1:1/").edited(|setup| {
        let config = &mut setup.admin_plugin()["configuration"]["value"];
        config["hosts"] = json!(["Console.example.com"]);
    });
    let gateway = setup.start().await;
    for (host, status) in
        [("console.example.com", 200), ("console.example.com:8443", 200), ("localhost", 421)]
    {
        answered(gateway.admin(Method::GET, "/status").header("host", host), status).await;
    }
}

#[tokio::test]
async fn an_admin_listener_without_a_good_token_is_refused() {
    let platform = orders_platform().await;
    for (config, expected) in [
        (json!({"role": "admin"}), "token_env: is required"),
        (json!({"role": "admin", "token_env": "UNSET"}), "environment variable is not set"),
        (
            json!({"role": "admin", "token_env": "FORMHOOK_ADMIN_TOKEN", "webhooks": []}),
            "webhooks: unknown key",
        ),
    ] {
        let setup = gateway(&platform, "http://127.0.0.1:1/").edited(|setup| {
            setup.admin_plugin()["configuration"]["value"] = config;
        });
        let log = setup.refused().await;
        assert!(log.contains(expected), "{expected}: {log}");
    }
    let short = gateway(&platform, "http://127.0.0.1:1/").edited(|setup| {
        // Of both, as they share a VM.
        let variables = json!({"FORMHOOK_ADMIN_TOKEN": "tooshort", SECRET_ENV: "s"});
        let environment = json!({"key_values": variables});
        setup.plugin()["vm_config"]["environment_variables"] = environment.clone();
        setup.admin_plugin()["vm_config"]["environment_variables"] = environment;
    });
    let log = short.refused().await;
    assert!(log.contains("a token has at least 16 characters"), "{log}");
    assert!(!log.contains("tooshort"));
}

#[tokio::test]
async fn bodies_that_are_none_are_refused() {
    let (.., gateway) = some_gateway().await;
    let deep = "[".repeat(10_000);
    for (body, status, expected) in [
        ("", 400, "not JSON"),
        ("{\"id\":", 400, "not JSON"),
        (deep.as_str(), 400, "not JSON"),
        ("[]", 422, "faults"),
        ("{}", 422, "faults"),
    ] {
        for path in ["/webhooks", "/test", "/failed/retry", "/failed/abandon"] {
            let request = gateway.admin(Method::POST, path).body(body.to_owned());
            let problem = answered(request, status).await;
            assert!(problem["detail"].as_str().unwrap().contains(expected), "{path}: {problem}");
        }
    }
    let large = format!("{{\"id\":\"{}\"}}", "x".repeat(256 * 1024));
    for size in [256 * 1024 + 1, large.len()] {
        let request = gateway.admin(Method::POST, "/webhooks").body(large[..size].to_owned());
        let problem = answered(request, 413).await;
        assert!(problem["detail"].as_str().unwrap().contains("256 KiB"));
    }
    // What is not UTF-8 is not JSON.
    let request = gateway.admin(Method::POST, "/webhooks").body(b"{\"id\":\"\xff\"}".to_vec());
    answered(request, 400).await;
    gateway.assert_vm_alive();
}

#[tokio::test]
async fn paths_methods_and_parameters_that_are_none_are_refused() {
    let (.., gateway) = some_gateway().await;
    for path in ["/nothing", "/webhooks/crm/nothing", "/forms/a", "/history/1/2", "/%ff"] {
        let status = if path == "/%ff" { 400 } else { 404 };
        answered(gateway.admin(Method::GET, path), status).await;
    }
    for (method, path, allowed) in [
        (Method::POST, "/status", "GET"),
        (Method::PATCH, "/webhooks/crm", "GET, PUT, DELETE"),
        (Method::GET, "/failed/retry", "POST"),
        (Method::DELETE, "/forms/a/b/example", "GET"),
    ] {
        let answer = gateway.admin(method, path).send().await.unwrap();
        assert_eq!(answer.status(), StatusCode::METHOD_NOT_ALLOWED, "{path}");
        assert_eq!(answer.headers()["allow"], allowed);
    }
    for (path, field) in [
        ("/status?x=1", "x"),
        ("/history?limit=0", "limit"),
        ("/history?limit=101", "limit"),
        ("/history?limit=1&limit=2", "limit"),
        ("/history?from=yesterday", "from"),
        ("/history?result=good", "result"),
        ("/history?cursor=x", "cursor"),
        ("/failed?cursor=1", "cursor"),
        ("/failed?webhook=", "webhook"),
    ] {
        let problem = answered(gateway.admin(Method::GET, path), 400).await;
        assert_eq!(faults(&problem).0, [field], "{path}");
    }
}

#[tokio::test]
async fn a_body_may_come_in_pieces_and_end_with_trailers() {
    let (.., gateway) = some_gateway().await;
    let head = format!(
        "POST /api/v1/webhooks HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer {ADMIN_TOKEN}\r\n\
         transfer-encoding: chunked\r\nconnection: close\r\n\r\n"
    );
    for (number, end) in ["0\r\n\r\n", "0\r\nx-trailer: 1\r\n\r\n"].into_iter().enumerate() {
        let body = format!(r#"{{"id":"w{number}","url":"https://x.example/"}}"#);
        let pieces = body.as_bytes().chunks(7).map(|piece| {
            format!("{:x}\r\n{}\r\n", piece.len(), std::str::from_utf8(piece).unwrap())
        });
        let request: Vec<String> =
            [head.clone()].into_iter().chain(pieces).chain([end.to_owned()]).collect();
        let answer = raw::exchange(gateway.admin_api, &request).await;
        assert!(answer.starts_with("HTTP/1.1 201"), "{answer}");
    }
}

#[tokio::test]
async fn where_nobody_watches_the_answer_says_what_to_do() {
    let platform = orders_platform().await;
    let setup = gateway(&platform, "http://127.0.0.1:1/").edited(|setup| {
        setup.admin_plugin()["root_id"] = json!("another");
    });
    let gateway = setup.start().await;
    let problem = answered(gateway.admin(Method::GET, "/webhooks"), 503).await;
    assert!(problem["detail"].as_str().unwrap().contains("`root_id`"), "{problem}");
}

#[tokio::test]
async fn the_console_comes_packed_and_may_load_nothing_from_elsewhere() {
    let (.., gateway) = some_gateway().await;
    let client = crate::support::gateway::client();
    for (path, kind) in [
        ("/", "text/html; charset=utf-8"),
        ("/app.js", "text/javascript; charset=utf-8"),
        ("/console.css", "text/css; charset=utf-8"),
    ] {
        let answer = client.get(format!("http://{}{path}", gateway.admin_api)).send().await;
        let answer = answer.unwrap();
        assert_eq!(answer.status(), StatusCode::OK, "{path}");
        let headers = answer.headers();
        assert_eq!(headers["content-type"], kind);
        assert_eq!(headers["content-encoding"], "gzip");
        assert!(
            headers["content-security-policy"].to_str().unwrap().contains("default-src 'none'")
        );
        assert!(!headers.contains_key("set-cookie"));
        assert!(!headers.contains_key("access-control-allow-origin"));
        let packed = answer.bytes().await.unwrap();
        let mut unpacked = String::new();
        let mut reader = flate2::read::GzDecoder::new(&packed[..]);
        std::io::Read::read_to_string(&mut reader, &mut unpacked).unwrap();
        assert!(!unpacked.is_empty());
    }
    let posted = client.post(format!("http://{}/", gateway.admin_api)).send().await.unwrap();
    assert_eq!(posted.status(), StatusCode::METHOD_NOT_ALLOWED);
}

#[tokio::test]
async fn every_operation_of_the_description_is_there() {
    let (.., gateway) = some_gateway().await;
    let text =
        std::fs::read_to_string(crate::support::gateway::root().join("src/admin/openapi.json"));
    let description: Value = serde_json::from_str(&text.unwrap()).unwrap();
    for (path, operations) in description["paths"].as_object().unwrap() {
        for method in operations.as_object().unwrap().keys().filter(|key| *key != "parameters") {
            let path = path.replace(['{', '}'], "");
            let method = Method::from_bytes(method.to_uppercase().as_bytes()).unwrap();
            let answer = gateway.admin(method.clone(), &path).send().await.unwrap();
            let text = answer.text().await.unwrap();
            assert!(!text.contains("There is nothing here"), "{method} {path}: {text}");
            assert!(!text.contains("Allowed here"), "{method} {path}: {text}");
        }
    }
}
