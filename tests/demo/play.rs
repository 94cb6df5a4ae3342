//! The play: six API calls through the gateway, what must come of each, and in the end the sums.

use super::layout::{Line, Screen, Style};
use super::show::{self, Answer};
use super::support::gateway::{Gateway, SECRET};
use super::support::receiver::{Received, Receiver};
use super::support::{verify, wait};
use super::{AMOUNT, APP, CUSTOMER, ITEMS, ORDERS, QUANTITY, SKU, STATUS, Trouble};
use serde_json::{Value, json};
use std::collections::HashMap;
use tokio::sync::mpsc::UnboundedReceiver;

pub const CREATE: &str = "/api/v5/app/entry/data/create";
const UPDATE: &str = "/api/v5/app/entry/data/update";
const DELETE: &str = "/api/v5/app/entry/data/delete";
const BATCH_CREATE: &str = "/api/v5/app/entry/data/batch_create";

const STEPS: usize = 6;
const PUSHES: usize = 4;

/// What Formhook must have counted in the end. Of these three metrics all else must be zero.
const COUNTED: [(&str, f64); 7] = [
    (r#"formhook_events_total{op="data_create"}"#, 1.0),
    (r#"formhook_events_total{op="data_update"}"#, 2.0),
    (r#"formhook_events_total{op="data_remove"}"#, 1.0),
    (MISSED_BATCHES, 1.0),
    (r#"formhook_pushes_total{result="success",webhook="crm"}"#, 4.0),
    (r#"formhook_pushes_total{result="failure",webhook="crm"}"#, 0.0),
    (r#"formhook_pushes_total{result="dropped",webhook="crm"}"#, 0.0),
];
const EVENTS: &str = "formhook_events_total";
const MISSES: &str = "formhook_capture_misses_total";
const COUNTERS: [&str; 3] = [EVENTS, MISSES, "formhook_pushes_total"];
const MISSED_BATCHES: &str = r#"formhook_capture_misses_total{reason="batch"}"#;

type Metrics = HashMap<String, f64>;

/// Who plays.
pub struct Stage<'a> {
    pub screen: &'a Screen,
    pub api_key: &'a str,
    pub gateway: &'a Gateway,
    pub receiver: &'a Receiver,
    /// What the receiver got, in order.
    pub pushes: &'a mut UnboundedReceiver<Received>,
    /// What happened so far.
    pub tally: Tally,
}

/// What the demo has to say in the end.
#[derive(Debug, Default)]
pub struct Tally {
    steps: usize,
    verified: usize,
    failures: Vec<String>,
}

/// A call that is to be made.
struct Call<'a> {
    title: &'a str,
    path: &'a str,
    body: Value,
}

/// Plays everything. Whether all was as it must be.
pub async fn play(mut stage: Stage<'_>) -> Result<bool, Trouble> {
    if let Err(trouble) = stage.steps_and_sums().await {
        stage.fails(trouble.to_string());
    }
    stage.close()
}

/// Both signatures of a push, checked as a receiver does.
pub fn verified(push: &Received) -> [(&'static str, Result<(), &'static str>); 2] {
    [("standard", verify::standard(SECRET, push)), ("jodoo", verify::jodoo(SECRET, push))]
}

/// The body of a call that concerns the form "Orders".
pub fn concerning_orders(rest: Value) -> Value {
    let mut body = json!({"app_id": APP, "entry_id": ORDERS});
    if let (Value::Object(body), Value::Object(rest)) = (&mut body, rest) {
        body.extend(rest);
    }
    body
}

fn rows(rows: &[(&str, u32)]) -> Value {
    let row =
        |(sku, quantity): &(&str, u32)| json!({SKU: {"value": sku}, QUANTITY: {"value": quantity}});
    json!({"value": rows.iter().map(row).collect::<Value>()})
}

impl Stage<'_> {
    /// After trouble with a step there is nothing to sum up.
    async fn steps_and_sums(&mut self) -> Result<(), Trouble> {
        self.all_steps().await?;
        self.sums().await
    }

    async fn all_steps(&mut self) -> Result<(), Trouble> {
        let body = concerning_orders(json!({"data": {
            CUSTOMER: {"value": "Ada 林"},
            AMOUNT: {"value": 1280.50},
            STATUS: {"value": "new"},
            ITEMS: rows(&[("A-1", 2), ("B-7", 10)]),
        }}));
        let call = Call { title: "Create an order", path: CREATE, body };
        let id = self.change(call, "data_create").await?;

        let body = concerning_orders(json!({"data_id": id, "data": {STATUS: {"value": "paid"}}}));
        let call = Call { title: "Update it", path: UPDATE, body };
        self.change(call, "data_update").await?;

        let items = rows(&[("A-1", 3), ("C-9", 1)]);
        let body = concerning_orders(json!({"data_id": id, "data": {ITEMS: items}}));
        let call = Call { title: "Update the rows of its sub-form", path: UPDATE, body };
        self.change(call, "data_update").await?;

        let body = concerning_orders(json!({"data_id": id}));
        let call = Call { title: "Delete it", path: DELETE, body };
        self.change(call, "data_remove").await?;

        let body = concerning_orders(json!({"data_id": id, "data": {STATUS: {"value": "sent"}}}));
        let title = "Update the deleted order: a call that fails";
        self.refused(Call { title, path: UPDATE, body }).await?;

        let order = |customer| json!({CUSTOMER: {"value": customer}});
        let body = concerning_orders(json!({"data_list": [order("Bo"), order("Cy")]}));
        self.batch(Call {
            title: "Create two orders in one call: a batch",
            path: BATCH_CREATE,
            body,
        })
        .await
    }

    /// A call that changes a record must be followed by its push. The record's id.
    async fn change(&mut self, call: Call<'_>, op: &str) -> Result<Value, Trouble> {
        let answer = self.answer(&call).await?;
        if !answer.status.is_success() {
            let text = "No push: the platform refused the call, which it should not have.";
            self.show(&call, &answer, &[Style::Bad.line(text)])?;
            return Err(format!("\"{}\" was answered with {}", call.title, answer.status).into());
        }
        let Ok(Some(push)) = tokio::time::timeout(wait::PATIENCE, self.pushes.recv()).await else {
            let text = format!("No push came within {:?}.", wait::PATIENCE);
            self.show(&call, &answer, &[Style::Bad.line(text)])?;
            return Err(format!("no push came of \"{}\"", call.title).into());
        };
        let verified = verified(&push);
        let width = self.screen.halves().1;
        self.show(&call, &answer, &show::push(&push, &verified, width))?;
        for (name, result) in verified {
            match result {
                Ok(()) => self.tally.verified += 1,
                Err(why) => {
                    self.fails(format!("the {name} signature of \"{}\": {why}", call.title))
                }
            }
        }
        // The answer to a delete does not name the record.
        let id = match call.body.get("data_id") {
            Some(id) => id.clone(),
            None => answer.at("/data/_id"),
        };
        let body: Value = serde_json::from_slice(&push.body).unwrap_or_default();
        if body["op"] != op || body.pointer("/data/_id") != Some(&id) {
            self.fails(format!("the push of \"{}\" is not {op} of the record {id}", call.title));
        }
        Ok(id)
    }

    /// A call that the platform refuses must add to no counter.
    async fn refused(&mut self, call: Call<'_>) -> Result<(), Trouble> {
        let before = self.gateway.try_metrics().await?;
        let answer = self.answer(&call).await?;
        let after = self.gateway.try_metrics().await?;
        let mut lines = no_push(
            "The platform refused the call (HTTP 400, code 4001: there is no such record). \
             Nothing changed, so there is nothing to push, and Formhook counted nothing:",
        );
        if answer.status != 400 || answer.at("/code") != 4001 {
            self.fails(format!("\"{}\" was answered with {}", call.title, answer.text));
        }
        for counter in [EVENTS, MISSES] {
            lines.push(self.unchanged(counter, &before, &after));
        }
        self.show(&call, &answer, &lines)
    }

    /// A batch must add to the misses, and to nothing else.
    async fn batch(&mut self, call: Call<'_>) -> Result<(), Trouble> {
        let before = self.gateway.try_metrics().await?;
        let answer = self.answer(&call).await?;
        if answer.status != 200 || answer.at("/success_count") != 2 {
            self.fails(format!("\"{}\" was answered with {}", call.title, answer.text));
        }
        let counted = self.reach("the batch to be counted", &[(MISSED_BATCHES, 1.0)]).await;
        let mut lines = no_push(
            "The call worked, but the platform's own webhooks do not tell of batches either, and \
             its answer does not hold the records. Formhook counts it, so that it can be noticed:",
        );
        match counted {
            Ok(after) => {
                lines.push(Style::Good.line(format!("{MISSED_BATCHES}: 1")));
                lines.push(self.unchanged(EVENTS, &before, &after));
            }
            Err(why) => {
                lines.push(Style::Bad.line(why.to_string()));
                self.fails(why.to_string());
            }
        }
        self.show(&call, &answer, &lines)
    }

    /// A counter must be where it was.
    fn unchanged(&mut self, counter: &str, before: &Metrics, after: &Metrics) -> Line {
        let (before, after) = (total(before, counter), total(after, counter));
        if before == after {
            return Style::Good.line(format!("{counter}: still {after}"));
        }
        self.fails(format!("{counter} went from {before} to {after} where nothing was to be seen"));
        Style::Bad.line(format!("{counter}: {after}, was {before}"))
    }

    /// Waits until these counters have got to where they are expected, or beyond.
    async fn reach(&self, what: &str, counters: &[(&str, f64)]) -> Result<Metrics, Trouble> {
        let reached = wait::attempt(what, async || {
            let metrics = match self.gateway.try_metrics().await {
                Ok(metrics) => metrics,
                Err(error) => return Some(Err(error)),
            };
            let is_reached = |(name, value): &(&str, f64)| metrics.get(*name) >= Some(value);
            counters.iter().all(is_reached).then_some(Ok(metrics))
        });
        Ok(reached.await??)
    }

    async fn answer(&self, call: &Call<'_>) -> Result<Answer, Trouble> {
        let request = self.gateway.post(call.path, self.api_key).json(&call.body);
        let answer = request.send().await?;
        Ok(Answer { status: answer.status(), text: answer.text().await? })
    }

    fn show(&mut self, call: &Call<'_>, answer: &Answer, right: &[Line]) -> Result<(), Trouble> {
        self.tally.steps += 1;
        self.screen.heading(&format!("{} of {STEPS}: {}", self.tally.steps, call.title))?;
        let left = show::call(call.path, &call.body, answer, self.screen.halves().0);
        Ok(self.screen.print_beside(&left, right)?)
    }

    /// Waits until Formhook has counted what it must, and compares everything that it counted with
    /// what the receiver saw. After this no push can be on its way: each event is a push that ended.
    async fn sums(&mut self) -> Result<(), Trouble> {
        if let Err(why) = self.reach("Formhook to have counted everything", &COUNTED).await {
            self.fails(why.to_string());
        }
        let metrics = self.gateway.try_metrics().await?;
        let received = self.receiver.received().len();

        self.screen.heading("In sum: Formhook's metrics, and what the receiver saw")?;
        let mut lines: Vec<Line> = Vec::new();
        let mut compare = |name: &str, is: f64, must_be: f64| {
            let line = format!("{is:>3}  {name}");
            if is == must_be {
                lines.push(Style::Plain.line(line));
            } else {
                lines.push(Style::Bad.line(format!("{line}, but {must_be} expected")));
                self.tally.failures.push(format!("{name} is {is} and not {must_be}"));
            }
        };
        for (name, must_be) in COUNTED {
            compare(name, metrics.get(name).copied().unwrap_or_default(), must_be);
        }
        for (name, is) in seen(&metrics) {
            if is != 0.0 && COUNTED.iter().all(|(known, _)| *known != name) {
                compare(&name, is, 0.0);
            }
        }
        compare("pushes that the receiver got", received as f64, PUSHES as f64);
        // Those that were not verified are among the failures already.
        let verified = self.tally.verified;
        let style = if verified == 2 * PUSHES { Style::Plain } else { Style::Bad };
        lines.push(style.line(format!("{verified:>3}  signatures verified")));
        Ok(self.screen.print(&lines)?)
    }

    /// The last words.
    fn close(&self) -> Result<bool, Trouble> {
        let Tally { verified, failures, .. } = &self.tally;
        let mut lines = vec![Style::Plain.line("")];
        lines.extend(failures.iter().map(|why| Style::Bad.line(format!("failed: {why}"))));
        let style = if failures.is_empty() { Style::Good } else { Style::Bad };
        lines.push(style.line(format!(
            "demo: {} pushes delivered, {verified} signatures verified, {} failed",
            self.receiver.received().len(),
            failures.len()
        )));
        self.screen.print(&lines)?;
        Ok(failures.is_empty())
    }

    fn fails(&mut self, why: String) {
        self.tally.failures.push(why);
    }
}

fn no_push(why: &str) -> Vec<Line> {
    vec![
        Style::Aside.line("Push:"),
        Style::Title.line("none, as it should be"),
        Style::Prose.line(why),
        Style::Plain.line(""),
    ]
}

/// The counters of what was seen and what became of it, by name.
fn seen(metrics: &Metrics) -> Vec<(String, f64)> {
    let is_counter = |name: &str| COUNTERS.iter().any(|counter| name.starts_with(counter));
    let mut seen: Vec<_> = metrics
        .iter()
        .filter(|(name, _)| is_counter(name))
        .map(|(name, value)| (name.clone(), *value))
        .collect();
    seen.sort_by(|a, b| a.0.cmp(&b.0));
    seen
}

/// A counter, whatever its labels.
fn total(metrics: &Metrics, counter: &str) -> f64 {
    metrics.iter().filter(|(name, _)| name.starts_with(counter)).map(|(_, value)| value).sum()
}
