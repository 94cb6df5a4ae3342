//! What a client and the platform see of a call through the gateway, beside what they see of it without one.
//!
//! A generator makes pairs of a request and an answer out of numbers. Each pair is played directly, and then
//! through each gateway that is shipped, with and without aliases in the API and with small buffers. Client
//! and platform must see the same, but for what concerns a single connection (RFC 9110, section 7.6.1), and for
//! what a gateway is there to change, which [`compare`] names.
//!
//! `PAIRS=n` plays n pairs, `PAIR=n` replays one.

#[path = "../support/mod.rs"]
mod support;

#[path = "../support/orders.rs"]
mod orders;

mod client;
mod compare;
mod gateways;
mod generate;
mod message;
mod server;

use client::play;
use compare::differences;
use generate::Pair;
use server::Platform;
use std::fmt::Write as _;

/// How many pairs are played at the same time.
const AT_ONCE: u64 = 4;

#[tokio::test]
async fn a_call_through_a_gateway_is_the_call_without_one() {
    let number = |name: &str| std::env::var(name).ok().map(|value| value.parse().unwrap());
    let (first, count) = match number("PAIR") {
        Some(pair) => (pair, 1),
        None => (0, number("PAIRS").unwrap_or(300)),
    };
    let platform = Platform::start().await;
    let gateways = gateways::all(platform.address).await;
    let mut report = String::new();
    let mut failed = 0;
    for begin in (first..first + count).step_by(usize::try_from(AT_ONCE).unwrap()) {
        let pairs = (begin..(begin + AT_ONCE).min(first + count)).map(|seed| {
            let (platform, gateways) = (&platform, &gateways);
            async move {
                let pair = Pair::new(seed);
                let direct = play(&pair, platform, platform.address, &pair.body()).await;
                let mut found = Vec::new();
                for gateway in gateways {
                    let body = gateway.body(&pair);
                    let through = play(&pair, platform, gateway.address(), &body).await;
                    for difference in differences(&pair, gateway, &direct, &through) {
                        found.push(format!("{}: {difference}", gateway.name));
                    }
                }
                (pair, found)
            }
        });
        for (pair, found) in futures_util::future::join_all(pairs).await {
            failed += u32::from(!found.is_empty());
            if !found.is_empty() && failed <= 20 {
                writeln!(report, "PAIR={}: {pair}", pair.seed).unwrap();
                found.iter().for_each(|line| writeln!(report, "  {line}").unwrap());
            }
        }
    }
    for gateway in &gateways {
        gateway.assert_alive();
    }
    println!("{count} pairs through {} gateways, {failed} with differences", gateways.len());
    assert_eq!(failed, 0, "{report}");
}
