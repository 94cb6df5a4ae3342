//! SIGKILL of Envoy, of Webdis and of Redis, at random moments and under load.
//!
//! `KILLS` says how many, for each way to sync the log of Redis.

use super::gateway;
use crate::resilience::{Arrivals, tried};
use crate::support::gateway::Gateway;
use crate::support::platform::Platform;
use crate::support::receiver::Receiver;
use crate::support::store::{Fsync, RedisServer, Webdis};
use crate::support::wait;
use crate::{CREATE, order, orders_platform};
use axum::http::StatusCode;
use axum::response::IntoResponse as _;
use serde_json::json;
use std::collections::HashSet;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

const GATEWAYS: usize = 2;
const CLIENTS_OF_EACH: usize = 3;
const LONGEST_PAUSE_MILLIS: u64 = 400;

/// The target refuses one of so many customers for good.
const REFUSED: usize = 10;

/// Says which gateways have how many pushes to send, and when their leases end.
const WAITING: &str = "
    local said = ''
    for _, key in ipairs(redis.call('KEYS', '{formhook}:waiting:*')) do
        local gateway = string.sub(key, 20)
        local lease = redis.call('ZSCORE', '{formhook}:gateways', gateway) or 'no lease'
        local is_orphaned = redis.call('SISMEMBER', '{formhook}:orphaned', gateway)
        said = said .. gateway .. ': ' .. redis.call('HLEN', key) .. ' ' .. lease .. ' ' .. is_orphaned .. '; '
    end
    return said == '' and said or said .. 'now ' .. redis.call('TIME')[1]";

fn is_refused(customer: usize) -> bool {
    customer.is_multiple_of(REFUSED)
}

/// What the clients do, and what they have been told.
#[derive(Default)]
struct Load {
    gateways: [Mutex<Option<SocketAddr>>; GATEWAYS],
    next: AtomicUsize,
    /// Customers whose call was answered to its end, so whose pushes are in Redis.
    accepted: Mutex<HashSet<usize>>,
    /// Calls of each client that were answered so.
    answered: [AtomicUsize; GATEWAYS * CLIENTS_OF_EACH],
    is_over: AtomicBool,
}

impl Load {
    /// Calls the API, one call after the other over a connection that lasts.
    async fn call(&self, client: usize, key: &str) {
        let http = reqwest::Client::builder().no_proxy().timeout(wait::PATIENCE).build().unwrap();
        while !self.is_over.load(Ordering::SeqCst) {
            let gateway = *self.gateways[client % GATEWAYS].lock().unwrap();
            let Some(gateway) = gateway else {
                tokio::time::sleep(Duration::from_millis(5)).await;
                continue;
            };
            let customer = self.next.fetch_add(1, Ordering::SeqCst);
            let call = http.post(format!("http://{gateway}{CREATE}")).bearer_auth(key);
            // Of a gateway that was killed there comes no answer, or half of one.
            let Ok(answer) = call.json(&order(&customer.to_string())).send().await else {
                continue;
            };
            let status = answer.status();
            if answer.bytes().await.is_ok() && status == StatusCode::OK {
                self.accepted.lock().unwrap().insert(customer);
                self.answered[client].fetch_add(1, Ordering::SeqCst);
            }
        }
    }

    /// Waits until each client had a call answered that it began after this moment. All that was
    /// accepted before is in Redis then, whatever that has lost.
    async fn goes_on(&self) {
        let count = || self.answered.each_ref().map(|count| count.load(Ordering::SeqCst));
        let before = count();
        wait::until("calls of each client", async || {
            let is_over = count().iter().zip(&before).all(|(now, before)| *now >= before + 2);
            is_over.then_some(())
        })
        .await;
    }
}

/// Numbers that nobody foresees; they need be no better than that.
struct Dice(u64);

impl Dice {
    fn new() -> Self {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
        Dice(now.as_nanos() as u64)
    }

    fn below(&mut self, limit: u64) -> u64 {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % limit
    }
}

/// Takes what it does not refuse for good, one of three only at the second try.
async fn target() -> Receiver {
    let seen = Mutex::new(HashSet::new());
    Receiver::answering(move |push| {
        let body = push.json();
        let customer: usize = body["data"]["customer"].as_str().unwrap().parse().unwrap();
        let is_new = seen.lock().unwrap().insert(customer);
        let status = match customer {
            _ if is_refused(customer) => StatusCode::BAD_REQUEST,
            _ if is_new && customer.is_multiple_of(3) => StatusCode::INTERNAL_SERVER_ERROR,
            _ => StatusCode::OK,
        };
        status.into_response()
    })
    .await
}

async fn new_gateway(platform: &Platform, webdis: &Webdis, receiver: &Receiver) -> Gateway {
    let more = json!({
        // No response may go before its pushes are stored: Redis comes back within this time.
        "redis": {"ack": "before_response", "ack_timeout": "10s", "timeout": "1s"},
        "webhook": {"retry": ["20ms", "50ms"], "disable_after": 1_000_000, "disable_count": "total"},
    });
    gateway(platform, webdis, &receiver.url("/"), more).await
}

/// The customers of the failed cache.
async fn failed_customers(redis: &RedisServer) -> Vec<usize> {
    let failed = redis.command(&["HVALS", "{formhook}:failed"]).await;
    let customer = |push: &str| {
        let (_, rest) = push.split_once(r#""customer":""#).unwrap();
        rest.split_once('"').unwrap().0.parse().unwrap()
    };
    failed.texts().iter().map(|push| customer(push)).collect()
}

async fn nothing_accepted_is_lost(fsync: Fsync) {
    let kills: usize = std::env::var("KILLS").map_or(9, |kills| kills.parse().unwrap());
    let mut redis = RedisServer::start(fsync).await;
    let mut webdis = Webdis::start(&redis).await;
    let platform = orders_platform().await;
    let receiver = target().await;
    let load = Arc::new(Load::default());
    let mut gateways = Vec::new();
    for place in &load.gateways {
        let gateway = new_gateway(&platform, &webdis, &receiver).await;
        *place.lock().unwrap() = Some(gateway.address);
        gateways.push(gateway);
    }
    let clients: Vec<_> = (0..load.answered.len())
        .map(|client| {
            let (load, key) = (Arc::clone(&load), platform.api_key().to_owned());
            tokio::spawn(async move { load.call(client, &key).await })
        })
        .collect();
    load.goes_on().await;
    let mut dice = Dice::new();
    let mut killed = [0; 3];
    let mut released = 0.0;
    for kill in 0..kills {
        // At a moment that nobody chose.
        tokio::time::sleep(Duration::from_millis(dice.below(LONGEST_PAUSE_MILLIS))).await;
        killed[kill % 3] += 1;
        match kill % 3 {
            0 => {
                let number = dice.below(GATEWAYS as u64) as usize;
                released += gateways[number].metric("formhook_ack_timeouts_total{}").await;
                let gateway = gateways.remove(number);
                gateway.assert_vm_alive();
                *load.gateways[number].lock().unwrap() = None;
                drop(gateway);
                let gateway = new_gateway(&platform, &webdis, &receiver).await;
                *load.gateways[number].lock().unwrap() = Some(gateway.address);
                gateways.insert(number, gateway);
            }
            1 => {
                webdis.kill();
                webdis.start_again().await;
            }
            _ => {
                redis.kill();
                redis.start_again().await;
            }
        }
        load.goes_on().await;
    }
    load.is_over.store(true, Ordering::SeqCst);
    for client in clients {
        client.await.unwrap();
    }
    let accepted = load.accepted.lock().unwrap().clone();
    let mut waiting = String::new();
    let ended = wait::attempt("", async || {
        waiting = redis.command(&["EVAL", WAITING, "0"]).await.text();
        waiting.is_empty().then_some(())
    });
    ended.await.unwrap_or_else(|_| panic!("pushes do not come to their end: {waiting}"));
    for gateway in &gateways {
        gateway.assert_vm_alive();
        released += gateway.metric("formhook_ack_timeouts_total{}").await;
    }
    assert_eq!(released, 0.0, "responses did not wait for their pushes");
    let received = receiver.received();
    let arrivals = Arrivals::of(&received);
    let cached = failed_customers(&redis).await;
    let failed: HashSet<usize> = cached.iter().copied().collect();
    assert_eq!(cached.len(), failed.len(), "a push is in the failed cache twice");
    assert!(failed.iter().all(|customer| is_refused(*customer)));
    let count = redis.command(&["HGET", "{formhook}:webhook:crm", "failures"]).await.text();
    assert_eq!(count, failed.len().to_string(), "failures were miscounted");
    let is_lost = |customer: &&usize| {
        !arrivals.taken.contains(&customer.to_string()) && !failed.contains(customer)
    };
    let lost: Vec<&usize> = accepted.iter().filter(is_lost).collect();
    let [envoys, webdises, redises] = killed;
    let fault = format!(
        "kill -9 of Envoy ({envoys}), Webdis ({webdises}) and Redis ({redises}), appendfsync {}",
        fsync.option()
    );
    println!("{} failed, {} attempts", failed.len(), received.len());
    tried(&fault, accepted.len(), lost.len(), arrivals.duplicates);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_accepted_is_lost_when_redis_syncs_before_it_answers() {
    nothing_accepted_is_lost(Fsync::Always).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_accepted_is_lost_when_redis_syncs_once_a_second() {
    nothing_accepted_is_lost(Fsync::EverySecond).await;
}
