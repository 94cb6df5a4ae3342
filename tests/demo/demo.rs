//! `make demo`: API calls through a real gateway, and the pushes that come of them, side by side.
//!
//! Needs `build/formhook.wasm`, and Envoy as `.ci/get-envoy` finds it. With `KEEP=1` it stays up
//! after the play, to be tried by hand. Exit status 0 means that all was as it must be.

#[path = "../support/mod.rs"]
mod support;

mod guests;
mod layout;
mod play;
mod show;

use axum::http::StatusCode;
use axum::response::IntoResponse as _;
use guests::Guests;
use layout::{Screen, Style};
use play::{Stage, Tally};
use serde_json::{Value, json};
use std::cell::Cell;
use std::process::ExitCode;
use support::gateway::{self, ADMIN_TOKEN, Gateway, SECRET_ENV, Setup};
use support::platform::{Field, Form, Kind, Platform};
use support::receiver::{Received, Receiver};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc::{self, UnboundedReceiver};

const APP: &str = "59264073a2a60c0c08e20bfb";
const ORDERS: &str = "59264073a2a60c0c08e20bfd";
const CUSTOMER: &str = "_widget_1432728651402";
const AMOUNT: &str = "_widget_1432728651403";
const STATUS: &str = "_widget_1432728651405";
const ITEMS: &str = "_widget_1528854613291";
const SKU: &str = "_widget_1528854614409";
const QUANTITY: &str = "_widget_1528854615499";

/// The lines of Envoy's log that are told when it does not start.
const LOG_LINES: usize = 12;

type Trouble = Box<dyn std::error::Error>;

#[tokio::main]
async fn main() -> ExitCode {
    let all_good = Cell::new(false);
    // Whatever ends first, all servers and Envoy end with it.
    let ended = tokio::select! {
        ended = demo(&all_good) => ended,
        stopped = stop_signal() => stopped.map_err(Trouble::from),
    };
    match ended {
        Ok(()) if all_good.get() => ExitCode::SUCCESS,
        Ok(()) => ExitCode::FAILURE,
        Err(trouble) => {
            eprintln!("demo: {trouble}");
            ExitCode::FAILURE
        }
    }
}

async fn demo(all_good: &Cell<bool>) -> Result<(), Trouble> {
    let screen = Screen::of_stdout();
    screen.print(&[
        Style::Prose.line(
            "Formhook sits in Envoy, in front of a form platform's API. When a call changes a \
             record, Formhook pushes that record to your webhook, signed: the platform itself \
             pushes nothing for changes made through its API.",
        ),
        Style::Plain.line(""),
    ])?;
    let platform = Platform::start(vec![Form::orders()]).await;
    let (arrived, mut pushes) = mpsc::unbounded_channel();
    let receiver = Receiver::answering(move |push| {
        // With the demo at its end nobody listens any more.
        let _ = arrived.send(push.clone());
        StatusCode::OK.into_response()
    });
    let receiver = receiver.await;
    let gateway = start_gateway(&platform, &receiver.url("/hooks/orders")).await?;
    screen.print(&[
        Style::Prose.line("Started for this demo, all on this machine:"),
        Style::Plain.line(format!(
            "  platform  http://{}  a stand-in, with the form Orders",
            platform.address()
        )),
        Style::Plain.line(format!(
            "  gateway   http://{}  Envoy with build/formhook.wasm in it",
            gateway.address
        )),
        Style::Plain.line(format!(
            "  receiver  http://{}  what the webhook \"crm\" points to",
            receiver.address
        )),
        Style::Plain.line(""),
        Style::Prose.line(
            "Six API calls follow, each with the push that came of it. Four change a record and \
             are pushed; the fifth fails and the sixth is a batch, and these are not. The API \
             calls fields by ids such as _widget_1432728651402; a push has the aliases that the \
             configuration gives them, such as customer. What is left out here is marked with …",
        ),
    ])?;
    let stage = Stage {
        screen: &screen,
        api_key: platform.api_key(),
        gateway: &gateway,
        receiver: &receiver,
        pushes: &mut pushes,
        tally: Tally::default(),
    };
    all_good.set(play::play(stage).await?);
    if std::env::var("KEEP").is_ok_and(|keep| !matches!(keep.as_str(), "" | "0")) {
        let _guests = Guests::invite(&platform, &gateway, &mut pushes).await?;
        invite(&screen, &platform, &gateway, &receiver)?;
        follow(&screen, &mut pushes).await?;
    }
    Ok(())
}

async fn start_gateway(platform: &Platform, url: &str) -> Result<Gateway, Trouble> {
    let wasm = gateway::root().join("build/formhook.wasm");
    if !wasm.exists() {
        return Err(format!("{} is missing: run `make wasm`", wasm.display()).into());
    }
    let setup = Setup::new(platform.address(), &plugin(&Form::orders(), url));
    setup.try_start().await.map_err(|why| shortened(&why).into())
}

/// An error with Envoy's log in it, of which the last lines tell.
fn shortened(why: &str) -> String {
    let lines: Vec<&str> = why.lines().collect();
    match lines.as_slice() {
        [first, rest @ ..] if rest.len() > LOG_LINES => {
            format!("{first}\n{}", rest[rest.len() - LOG_LINES..].join("\n"))
        }
        _ => why.to_owned(),
    }
}

/// The plugin's configuration: one webhook, signed, for what happens to this form.
fn plugin(form: &Form, url: &str) -> Value {
    json!({
        "platform": "jodoo",
        "forms": [{
            "app_id": form.app_id,
            "entry_id": form.entry_id,
            "name": form.name,
            "fields": form.data_fields().map(field).collect::<Value>(),
        }],
        "webhooks": [{
            "id": "crm",
            "url": url,
            "secret_env": SECRET_ENV,
            "events": ["data_update", "data_remove"],
            "retry": ["10ms", "20ms", "40ms"],
        }],
    })
}

/// A field whose alias is its label in lower case, as in `customer` and `sku`.
fn field(field: &Field) -> Value {
    let mut described = json!({
        "id": field.id, "alias": field.label.to_lowercase(), "type": field.kind.name(),
    });
    if let Kind::Subform(items) = &field.kind {
        described["items"] = items.iter().map(self::field).collect();
    }
    described
}

/// Tells what can be done by hand.
fn invite(
    screen: &Screen,
    platform: &Platform,
    gateway: &Gateway,
    receiver: &Receiver,
) -> Result<(), Trouble> {
    screen.heading("Now it is yours, until Ctrl-C")?;
    screen.print(&[
        Style::Title.line(format!("console   http://{}/#token={ADMIN_TOKEN}", gateway.admin_api)),
        Style::Plain.line(format!("gateway   {}", gateway.url(""))),
        Style::Plain.line(format!("metrics   http://{}/stats/prometheus", gateway.metrics_page)),
        Style::Plain.line(format!("platform  http://{}", platform.address())),
        Style::Plain.line(format!("receiver  {}", receiver.url("/hooks/orders"))),
    ])?;
    let key = platform.api_key();
    let curl = |path: &str, body: Value| {
        format!(
            "curl -s {} \\\n  -H 'authorization: Bearer {key}' \\\n  \
             -H 'content-type: application/json' \\\n  -d '{body}'",
            gateway.url(path)
        )
    };
    let order = play::concerning_orders(json!({"data": {
        CUSTOMER: {"value": "Ada"}, AMOUNT: {"value": 99.5},
    }}));
    let list = play::concerning_orders(json!({"limit": 10}));
    screen.print(&[
        Style::Plain.line(""),
        Style::Prose.line(
            "The console shows the webhook crm as it is pushed to, and three more that the admin \
             API has just made: billing fails, old-erp is disabled, archive is off.",
        ),
    ])?;
    let offers = [
        ("Create an order, and see its push below:", curl(play::CREATE, order)),
        ("List the orders:", curl("/api/v5/app/entry/data/list", list)),
        (
            "See what Formhook counted:",
            format!("curl -s http://{}/stats/prometheus | grep ^formhook_", gateway.metrics_page),
        ),
    ];
    for (title, command) in offers {
        screen.print(&[Style::Plain.line(""), Style::Title.line(title)])?;
        screen.print_unwrapped(&command)?;
    }
    Ok(())
}

/// Shows each push that arrives, for ever.
async fn follow(screen: &Screen, pushes: &mut UnboundedReceiver<Received>) -> Result<(), Trouble> {
    while let Some(push) = pushes.recv().await {
        screen.heading("A push arrived")?;
        screen.print(&show::push(&push, &play::verified(&push), screen.width()))?;
    }
    Ok(())
}

/// Ends when the demo is asked to end.
async fn stop_signal() -> std::io::Result<()> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut hang_up = signal(SignalKind::hangup())?;
    tokio::select! {
        pressed = tokio::signal::ctrl_c() => pressed,
        _ = terminate.recv() => Ok(()),
        _ = hang_up.recv() => Ok(()),
    }
}
