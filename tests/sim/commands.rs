//! What the admin does, and what all workers together count: short plays with a certain end.

use super::host::Sent;
use super::workers::{admin, authorities, gateway, ids};
use formhook::host::{Answer, EgressReport, Host as _, MetricKind, Reply};
use formhook::store::{Counting, Selection};
use std::rc::Rc;

#[test]
fn the_hundredth_failed_push_disables_and_no_earlier_one_whichever_workers_they_are_on() {
    let mut gateway = gateway("");
    for number in 0..99 {
        gateway.create(number % 2);
    }
    gateway.run(|_| 500);
    assert_eq!((gateway.failures(), gateway.is_disabled()), (99, false));
    gateway.create(1);
    gateway.run(|_| 500);
    assert_eq!((gateway.failures(), gateway.is_disabled()), (100, true));
    // The next one is not sent at all, and does not count.
    gateway.create(0);
    assert!(gateway.run(|_| 200).is_empty());
    assert_eq!(gateway.failures(), 100);
    let failed = gateway.failed();
    assert_eq!(failed.len(), 101);
    assert_eq!(failed.iter().filter(|(_, attempts)| *attempts == 0).count(), 1);
    assert_eq!(gateway.history().last(), Some(&"not_attempted"));
}

#[test]
fn a_success_begins_the_count_anew() {
    let mut gateway = gateway(r#","disable_after":3"#);
    for status in [500, 500, 200, 500, 500] {
        gateway.create(0);
        gateway.run(|_| status);
        assert!(!gateway.is_disabled());
    }
    gateway.create(1);
    gateway.run(|_| 500);
    assert!(gateway.is_disabled());
}

#[test]
fn the_gauge_of_failures_shows_the_last_count_whichever_worker_is_late() {
    let mut gateway = gateway("");
    gateway.create(0);
    let host = Rc::clone(&gateway.workers[0].0);
    let sent = host.sent.take().remove(0);
    let other = Rc::clone(&gateway.workers[1].0);
    let gauge = host.metric(MetricKind::Gauge, "formhook_webhook_failures.webhook.crm");
    let meanwhile = move || {
        let counting = Counting { limit: 100, total: false };
        admin().update_webhook(&*other, "crm", |state| {
            state.charge("another push", "HTTP 500", counting, other.now())
        });
        other.record(gauge, 2);
    };
    *host.meanwhile.borrow_mut() = Some((gauge, Box::new(meanwhile)));
    let egress = EgressReport { details: "via_upstream".into(), ..Default::default() };
    let answer = Answer { status: 500, egress: Some(egress), ..Answer::default() };
    let (_, pipeline) = &mut gateway.workers[0];
    pipeline.reply(&*host, sent.id, &Reply::Answer(answer));
    assert_eq!(gateway.failures(), 2);
    assert_eq!(gateway.process.counted("formhook_webhook_failures", "crm"), 2);
}

#[test]
fn in_total_a_success_does_not_begin_the_count_anew() {
    let mut gateway = gateway(r#","disable_after":3,"disable_count":"total""#);
    for status in [500, 200, 500, 200, 500] {
        assert!(!gateway.is_disabled());
        gateway.create(0);
        gateway.run(|_| status);
    }
    assert!(gateway.is_disabled());
}

#[test]
fn a_push_parked_while_disabled_keeps_its_id() {
    let mut gateway = gateway(r#","disable_after":1"#);
    gateway.create(0);
    let first = gateway.run(|_| 500);
    gateway.create(1);
    assert!(gateway.run(|_| 200).is_empty());
    let kept: Vec<_> = gateway.failed().into_iter().map(|(id, _)| id).collect();
    assert_eq!(kept.len(), 2);
    assert!(kept.contains(&ids(&first)[0]));

    let (host, pipeline) = &mut gateway.workers[1];
    assert_eq!(pipeline.store().restart_webhook(&**host, "crm"), Ok(true));
    let all = Selection::Webhook("crm".into());
    assert_eq!(pipeline.store().retry_failed(&**host, &all), Ok((2, false)));
    let sent = gateway.run(|_| 200);
    assert_eq!(ids(&sent), kept);
    assert!(gateway.failed().is_empty());
    assert_eq!(gateway.failures(), 0);
}

#[test]
fn some_of_the_failed_cache_may_be_retried_and_some_abandoned() {
    let mut gateway = gateway("");
    for number in 0..4 {
        gateway.create(number % 2);
    }
    gateway.run(|_| 404);
    let failed: Vec<_> = gateway.failed().into_iter().map(|(id, _)| id).collect();
    let (host, pipeline) = &mut gateway.workers[0];
    let one = Selection::Ids(vec![failed[0].clone(), "no such id".into()]);
    assert_eq!(pipeline.store().retry_failed(&**host, &one), Ok((1, false)));
    let two = Selection::Ids(failed[1..3].to_vec());
    assert_eq!(pipeline.abandon(&**host, &two).unwrap().len(), 2);
    assert_eq!(ids(&gateway.run(|_| 200)), failed[..1]);
    let left: Vec<_> = gateway.failed().into_iter().map(|(id, _)| id).collect();
    assert_eq!(left, failed[3..]);
    let told = gateway.history();
    let count = |outcome| told.iter().filter(|known| **known == outcome).count();
    assert_eq!((count("failure"), count("abandoned"), count("success")), (4, 2, 1));
}

#[test]
fn an_answer_of_410_disables_at_once() {
    let mut gateway = gateway("");
    gateway.create(0);
    gateway.run(|_| 410);
    assert!(gateway.is_disabled());
    assert_eq!(gateway.failed().len(), 1);
}

#[test]
fn a_webhook_may_drop_events_while_it_is_disabled() {
    let mut gateway = gateway(r#","disable_after":1,"while_disabled":"drop""#);
    gateway.create(0);
    gateway.run(|_| 500);
    gateway.create(1);
    gateway.run(|_| 200);
    assert_eq!(gateway.failed().len(), 1);
    assert_eq!(gateway.history(), ["failure", "dropped"]);
    assert_eq!(gateway.process.counted("formhook_pushes_total.webhook.crm.result.dropped", ""), 1);
}

#[test]
fn foreign_values_under_our_keys_are_counted_and_harm_nobody() {
    let mut gateway = gateway("");
    gateway.create(0);
    gateway.run(|_| 500);
    let keys: Vec<String> = gateway.process.map.borrow().keys().cloned().collect();
    for key in keys {
        let value = (b"\xff<html>".to_vec(), 1);
        gateway.process.map.borrow_mut().insert(key, value);
    }
    for worker in 0..2 {
        gateway.create(worker);
    }
    let sent = gateway.run(|_| 200);
    assert_eq!(sent.len(), 2);
    assert!(gateway.failed().is_empty());
    assert!(gateway.process.counted("formhook_store_errors_total", "") > 0);
}

#[test]
fn a_push_outlives_a_foreign_value_in_place_of_its_regions_record() {
    let mut gateway = gateway("");
    gateway.create(0);
    let regions: Vec<String> =
        gateway.process.map.borrow().keys().filter(|key| key.contains("/r/")).cloned().collect();
    assert_eq!(regions.len(), 1);
    for region in regions {
        gateway.process.map.borrow_mut().insert(region, (b"\xff<html>".to_vec(), 1));
    }
    gateway.create(0);
    let sent = gateway.run(|_| 200);
    let was_sent =
        |id: &str| sent.iter().any(|sent| String::from_utf8_lossy(&sent.body).contains(id));
    assert!(was_sent(r#""_id":"0""#) && was_sent(r#""_id":"1""#));
    assert!(gateway.process.counted("formhook_store_errors_total", "") > 0);
}

#[test]
fn workers_at_rest_take_no_ticks() {
    let mut gateway = gateway("");
    gateway.create(0);
    gateway.run(|_| 200);
    assert!(
        gateway
            .workers
            .iter()
            .all(|(host, pipeline)| { host.timer.get().is_none() && pipeline.is_idle() })
    );
}

#[test]
fn a_webhook_that_an_admin_sets_gets_the_next_change_on_every_worker() {
    let mut gateway = gateway("");
    gateway.create(0);
    gateway.create(1);
    gateway.run(|_| 200);
    gateway.set_webhook("erp", Some("https://erp.example/"));
    // The workers are woken for it, and not by the change.
    gateway.run(|_| 200);
    for worker in 0..2 {
        gateway.create(worker);
        let sent = gateway.run(|_| 200);
        assert_eq!(authorities(&sent), ["crm.example", "erp.example"]);
    }
    assert_eq!(gateway.process.counted("formhook_pushes_total.webhook.erp", "success"), 2);
}

#[test]
fn pushes_follow_a_webhook_to_its_new_address() {
    let mut gateway = gateway("");
    gateway.set_webhook("erp", Some("https://old.example/"));
    gateway.create(0);
    let sent =
        gateway.run(|sent| if sent.headers[":authority"] == "crm.example" { 200 } else { 500 });
    // One attempt failed, so did its retry: now it waits in the failed cache.
    assert_eq!(authorities(&sent), ["crm.example", "old.example", "old.example"]);
    gateway.set_webhook("erp", Some("https://new.example/"));
    let (host, pipeline) = &mut gateway.workers[1];
    pipeline.store().retry_failed(&**host, &Selection::Webhook("erp".into())).unwrap();
    let sent = gateway.run(|_| 200);
    assert_eq!(authorities(&sent), ["new.example"]);
    assert!(gateway.failed().is_empty());
}

#[test]
fn what_is_on_its_way_to_a_webhook_that_is_deleted_goes_to_the_failed_cache() {
    for status in [200, 500] {
        let mut gateway = gateway("");
        gateway.set_webhook("erp", Some("https://erp.example/"));
        gateway.create(0);
        let host = Rc::clone(&gateway.workers[0].0);
        assert_eq!(host.sent.borrow().len(), 2);
        // The answers come after the webhook is gone.
        gateway.set_webhook("erp", None);
        let (host, pipeline) = &mut gateway.workers[0];
        pipeline.woken(&**host);
        let answer = |sent: &Sent| {
            if sent.headers[":authority"] == "crm.example" { 200 } else { status }
        };
        assert_eq!(gateway.run(answer).len(), 2);
        assert_eq!(gateway.failed().len(), usize::from(status == 500));
        gateway.create(0);
        assert_eq!(authorities(&gateway.run(answer)), ["crm.example"]);
        // There is nowhere to send it to.
        let (host, pipeline) = &mut gateway.workers[1];
        pipeline.store().retry_failed(&**host, &Selection::Webhook("erp".into())).unwrap();
        assert!(gateway.run(answer).is_empty());
        assert_eq!(gateway.failed().len(), usize::from(status == 500));
        assert!(gateway.workers.iter().all(|(_, pipeline)| pipeline.is_idle()));
    }
}

#[test]
fn pushes_that_wait_for_a_webhook_that_is_deleted_go_to_the_failed_cache() {
    let mut gateway = gateway("");
    gateway.configure(
        r#"{"platform":"jodoo","webhooks":[{"id":"crm","url":"https://crm.example/","retry":["1s"]}]}"#,
    );
    gateway.set_webhook("erp", Some("https://erp.example/"));
    gateway.process.refusals.set(100);
    gateway.create(0);
    gateway.create(0);
    gateway.set_webhook("erp", None);
    let (host, pipeline) = &mut gateway.workers[0];
    pipeline.woken(&**host);
    assert_eq!(gateway.failed().len(), 2);
    gateway.process.refusals.set(0);
    assert_eq!(authorities(&gateway.run(|_| 200)), ["crm.example", "crm.example"]);
}

#[test]
fn a_connection_that_a_cluster_drops_does_not_slow_its_target_down_but_an_answer_of_503_does() {
    for (is_local, expected) in [(true, 1), (false, 0)] {
        let mut gateway = gateway("");
        gateway.configure(
            r#"{"platform":"jodoo","webhooks":[{"id":"crm","url":"https://crm.example/","cluster":"c","retry":["1h"]}]}"#,
        );
        gateway.create(0);
        let (host, pipeline) = &mut gateway.workers[0];
        let push = host.sent.take().remove(0);
        let begin = "upstream connect error or disconnect/reset before headers. reset reason: ";
        let excerpt = [begin, "connection termination"].concat().into_bytes();
        let answer = Answer { status: 503, excerpt, is_local, ..Answer::default() };
        pipeline.reply(&**host, push.id, &Reply::Answer(answer));
        gateway.create(0);
        assert_eq!(gateway.workers[0].0.sent.borrow().len(), expected, "{is_local}");
    }
}
