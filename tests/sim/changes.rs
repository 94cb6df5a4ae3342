//! Pushes while something changes around them: addresses, owners, configurations, room. Short plays with a
//! certain end.

use super::call::answered;
use super::host::Sent;
use super::workers::{Gateway, RECORD, authorities, gateway, ids};
use formhook::host::{Answer, EgressReport, Host as _, Reply};
use formhook::store::{Selection, Store as _};

/// A webhook gets another address while a push to the old one is on its way; then the old one answers.
fn moved(status: u16) -> Gateway {
    let mut gateway = gateway("");
    gateway.set_webhook("erp", Some("https://old.example/"));
    gateway.create(0);
    gateway.set_webhook("erp", Some("https://new.example/"));
    let (host, pipeline) = &mut gateway.workers[0];
    pipeline.woken(&**host);
    for sent in host.sent.take() {
        let address = Some("192.0.2.1:443".into());
        let egress = EgressReport { details: "via_upstream".into(), address, ..Default::default() };
        let status = if sent.headers[":authority"] == "old.example" { status } else { 200 };
        let reply = Answer { status, egress: Some(egress), ..Answer::default() };
        pipeline.reply(&**host, sent.id, &Reply::Answer(reply));
    }
    gateway
}

#[test]
fn a_push_to_a_new_address_does_not_go_to_the_server_of_the_old_one() {
    let mut gateway = moved(200);
    gateway.create(0);
    let sent = gateway.run(|_| 200);
    assert_eq!(authorities(&sent), ["crm.example", "new.example"]);
    let past_egress = |authority: &str| {
        let sent = sent.iter().find(|sent| sent.headers[":authority"] == authority).unwrap();
        sent.headers.contains_key("x-formhook-address")
    };
    assert!(past_egress("crm.example"), "else this test shows nothing");
    assert!(!past_egress("new.example"));
}

#[test]
fn an_address_that_is_gone_does_not_disable_a_webhook_that_has_another_now() {
    let mut gateway = moved(410);
    let sent = gateway.run(|_| 200);
    assert_eq!(authorities(&sent), ["new.example"]);
    let (host, pipeline) = &mut gateway.workers[0];
    assert_eq!(pipeline.store().webhook(&**host, "erp").disabled, None);
    assert!(gateway.failed().is_empty());
}

#[test]
fn a_push_with_a_status_that_is_none_ends_in_the_failed_cache() {
    let mut gateway = gateway("");
    gateway.create(0);
    gateway.run(|_| 0);
    assert_eq!(gateway.failed().len(), 1);
    assert_eq!(gateway.failures(), 1);
}

#[test]
fn the_failed_cache_is_retried_and_abandoned_in_parts() {
    let mut gateway = gateway(r#","disable_after":10000"#);
    for _ in 0..1_500 {
        gateway.create(0);
        gateway.run(|_| 500);
    }
    assert_eq!(gateway.failed().len(), 1_500);
    let all = Selection::Webhook("crm".into());
    let (host, pipeline) = &mut gateway.workers[0];
    assert_eq!(pipeline.store().retry_failed(&**host, &all), Ok((1_000, true)));
    gateway.run(|_| 500);
    assert_eq!(gateway.failed().len(), 1_500);
    let (host, pipeline) = &mut gateway.workers[0];
    let (first, more) = pipeline.store().abandon_failed(&**host, &all).unwrap();
    assert_eq!((first.len(), more), (1_000, true));
    let (second, more) = pipeline.store().abandon_failed(&**host, &all).unwrap();
    assert_eq!((second.len(), more), (500, false));
    assert!(gateway.failed().is_empty());
}

/// What was pushed of a record, in order.
fn numbers(gateway: &mut Gateway, id: &str) -> Vec<u64> {
    let sent = gateway.run(|_| 200);
    let of_record = sent.iter().filter_map(|sent| {
        let push: serde_json::Value = serde_json::from_slice(&sent.body).unwrap();
        (push["data"]["_id"] == id).then(|| push["data"]["number"].as_u64().unwrap())
    });
    of_record.collect()
}

#[test]
fn pushes_of_a_record_stay_in_order_when_another_worker_takes_over_more_than_a_region() {
    let mut gateway = gateway("");
    // Else each might take over one region.
    gateway.workers.truncate(1);
    // Nothing gets out.
    gateway.process.refusals.set(100);
    for _ in 0..1_024 {
        gateway.create(0);
    }
    // The first change is in a second region, and for the second one there is a place in the first again.
    gateway.create_as(0, "r");
    gateway.process.refusals.set(0);
    gateway.process.advance(1_000);
    let (host, pipeline) = &mut gateway.workers[0];
    pipeline.timer_fired(&**host);
    let first = host.sent.take().remove(0);
    let egress = EgressReport { details: "via_upstream".into(), ..Default::default() };
    let reply = Answer { status: 200, egress: Some(egress), ..Answer::default() };
    gateway.process.refusals.set(100);
    pipeline.reply(&**host, first.id, &Reply::Answer(reply));
    gateway.create_as(0, "r");
    gateway.crash(0);
    gateway.process.refusals.set(0);
    assert_eq!(numbers(&mut gateway, "r"), [1_024, 1_025]);
}

#[test]
fn a_notice_for_a_target_that_was_taken_out_ends_and_is_no_failed_push() {
    let with = config(
        r#"{"id":"crm","url":"https://crm.example/","retry":[]}"#,
        r#""notify":[{"url":"https://chat.example/"}]"#,
    );
    let without = config(r#"{"id":"crm","url":"https://crm.example/","retry":[]}"#, "");
    let mut gateway = gateway("");
    gateway.workers.truncate(1);
    gateway.configure(&with);
    gateway.create(0);
    let (host, pipeline) = &mut gateway.workers[0];
    let push = host.sent.take().remove(0);
    pipeline.reply(&**host, push.id, &Reply::Broken);
    assert_eq!(gateway.failed().len(), 1);
    // The notice of it is on its way.
    gateway.crash(0);
    gateway.configure(&without);
    assert!(gateway.run(|_| 200).is_empty());
    assert_eq!(gateway.failed().len(), 1);
    assert!(gateway.workers[0].1.is_idle());
    assert_eq!(gateway.process.counted("formhook_pending.", ""), 0);
}

fn config(webhook: &str, more: &str) -> String {
    let more = if more.is_empty() { String::new() } else { format!(",{more}") };
    format!(r#"{{"platform":"jodoo","webhooks":[{webhook}]{more}}}"#)
}

#[test]
fn the_gauges_of_a_webhook_that_was_taken_out_of_the_configuration_say_nothing() {
    let mut gateway = gateway("");
    gateway.configure(&config(
        r#"{"id":"crm","url":"https://crm.example/","retry":[],"disable_after":1}"#,
        "",
    ));
    gateway.create(0);
    gateway.run(|_| 500);
    let gauges = ["webhook_disabled", "webhook_failures", "failed_cache_entries"];
    let gauges = gauges.map(|gauge| format!("formhook_{gauge}.webhook.crm"));
    for gauge in &gauges {
        assert_eq!(gateway.process.counted(gauge, ""), 1, "{gauge}");
    }
    gateway.configure(&config(r#"{"id":"erp","url":"https://erp.example/"}"#, ""));
    gateway.run(|_| 200);
    for gauge in &gauges {
        assert_eq!(gateway.process.counted(gauge, ""), 0, "{gauge}");
    }
}

#[test]
fn the_failed_cache_is_counted_whole_after_a_change_of_the_configuration() {
    let mut gateway = gateway("");
    let text = config(r#"{"id":"crm","url":"https://crm.example/","retry":[]}"#, "");
    gateway.configure(&text);
    gateway.create(0);
    gateway.run(|_| 500);
    gateway.configure(&text);
    gateway.create(0);
    gateway.run(|_| 500);
    assert_eq!(gateway.failed().len(), 2);
    assert_eq!(gateway.process.counted("formhook_failed_cache_entries.webhook.crm", ""), 2);
    let bytes = gateway.process.counted("formhook_failed_cache_bytes", "");
    assert!(bytes > 2 * 512, "{bytes}");
}

#[test]
fn the_failed_cache_is_not_given_up_for_a_push_that_has_no_room_all_the_same() {
    let mut gateway = gateway("");
    let limits = r#""limits":{"memory_bytes":1048576}"#;
    let webhook = |retry: &str| {
        format!(
            r#"{{"id":"crm","url":"https://crm.example/","retry":[{retry}],"disable_after":10000}}"#
        )
    };
    gateway.configure(&config(&webhook(""), limits));
    for _ in 0..3 {
        gateway.create(0);
        gateway.run(|_| 500);
    }
    gateway.configure(&config(&webhook(r#""1h""#), limits));
    // What waits takes nearly all the room.
    gateway.process.refusals.set(100);
    gateway.create_as(0, &"x".repeat(400_000));
    assert_eq!(gateway.process.counted("formhook_pushes_total.webhook.crm.result.dropped", ""), 0);
    gateway.create_as(0, &"y".repeat(130_000));
    assert_eq!(gateway.process.counted("formhook_pushes_total.webhook.crm.result.dropped", ""), 1);
    assert_eq!(gateway.failed().len(), 3);
}

#[test]
fn two_owners_that_fetch_the_same_record_of_a_batch_push_it_under_the_same_ids() {
    let webhook = |id: &str| {
        format!(r#"{{"id":"{id}","url":"https://{id}.example/","batch":true,"retry":[]}}"#)
    };
    let platform =
        r#""platform_api":{"cluster":"platform","authority":"api.example","key_env":"KEY"}"#;
    let webhooks = [webhook("crm"), webhook("erp")].join(",");
    let mut gateway = gateway("");
    gateway.workers.truncate(1);
    gateway.configure(&config(&webhooks, platform));
    let (host, pipeline) = &mut gateway.workers[0];
    let texts = (
        r#"{"app_id":"a","entry_id":"e","data_list":[{}]}"#,
        r#"{"status":"success","success_count":1,"success_ids":["r"]}"#,
    );
    let path = "/api/v5/app/entry/data/batch_create";
    answered(&gateway.config, host, pipeline, path, host.uptime(), texts);
    pipeline.pump(&**host);
    let is_asked = |sent: &Sent| sent.headers[":path"].ends_with("/data/get");
    let asked = host.sent.take().into_iter().find(is_asked).unwrap();
    // It stands still until another has taken over, and then hears its answer all the same.
    let (host, mut pipeline) = gateway.stall(0);
    let is_push = |sent: &&Sent| sent.headers.contains_key("webhook-id");
    let mut first = gateway.run_until(|_| 200, |sent| sent.iter().filter(is_push).count() == 2);
    first.retain(|sent| is_push(&sent));
    *host.body.borrow_mut() = RECORD.to_vec();
    let reply = Answer { status: 200, ..Answer::default() };
    pipeline.reply(&*host, asked.id, &Reply::Answer(reply));
    pipeline.pump(&*host);
    let mut second = host.sent.take();
    second.retain(|sent| is_push(&sent));
    assert_eq!(first.len(), 2);
    assert_eq!(ids(&first), ids(&second));
    assert_ne!(ids(&first)[0], ids(&first)[1]);
}
