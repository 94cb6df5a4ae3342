//! Webhooks: what they are set to, how they are, and what can be done to them.

use super::answer::{Answer, Problem};
use super::origin::Origin;
use super::{Context, keep};
use crate::config::{Fault, parse_webhook};
use crate::delivery::{FormFilter, Probed, Purpose, Target, Webhook, WhileDisabled};
use crate::duration;
use crate::history::Outcome;
use crate::host::{Host, UnixMillis};
use crate::json::{Builder, Document, Kind, Value};
use crate::metrics::{self, MAX_IDS};
use crate::sign::Secret;
use crate::store::{Store as _, Totals, WebhookState};
use std::rc::Rc;

/// How a webhook can be.
pub(super) const STATUSES: [&str; 5] = ["active", "failing", "blocked", "disabled", "off"];

/// How many webhooks can be set at run time.
const MAX_WEBHOOKS: usize = 100;

/// A secret and the variable that may hold it: one of the two is given, or neither.
const SECRETS: [[&str; 2]; 2] =
    [["secret", "secret_env"], ["previous_secret", "previous_secret_env"]];

/// All webhooks in force.
pub(super) fn all<'a, H>(context: &Context<'a, H>) -> impl Iterator<Item = &'a Rc<Webhook>> {
    let webhooks = context.view.in_force.webhooks.iter();
    webhooks.filter(|webhook| webhook.purpose == Purpose::Push)
}

pub(super) fn find<H>(context: &Context<'_, H>, id: &str) -> Result<Rc<Webhook>, Problem> {
    let found = all(context).find(|webhook| *webhook.id == *id);
    found.cloned().ok_or_else(|| Problem::new(404, "There is no webhook with this id."))
}

pub(super) fn status(webhook: &Webhook, state: &WebhookState) -> &'static str {
    match (webhook.enabled, &state.disabled, &state.blocked, state.failures) {
        (false, ..) => "off",
        (true, Some(_), ..) => "disabled",
        (true, None, Some(_), _) => "blocked",
        (true, None, None, 1..) => "failing",
        (true, None, None, 0) => "active",
    }
}

fn is_configured<H>(context: &Context<'_, H>, id: &str) -> bool {
    context.view.config.webhooks.iter().any(|webhook| *webhook.id == *id)
}

pub(super) fn list<H: Host>(context: &mut Context<'_, H>) -> Answer {
    let mut json = Builder::new();
    json.open(b'{').name("items").open(b'[');
    let totals = context.store.survey(context.host);
    for webhook in all(context) {
        write_one(&mut json, context, webhook, &totals);
    }
    json.close(b']').close(b'}');
    Answer::json(json)
}

pub(super) fn get<H: Host>(context: &mut Context<'_, H>, id: &str) -> Result<Answer, Problem> {
    let webhook = find(context, id)?;
    let mut json = Builder::new();
    write(&mut json, context, &webhook);
    Ok(Answer::json(json))
}

fn write<H: Host>(json: &mut Builder, context: &Context<'_, H>, webhook: &Webhook) {
    write_one(json, context, webhook, &context.store.survey(context.host));
}

fn write_one<H: Host>(
    json: &mut Builder,
    context: &Context<'_, H>,
    webhook: &Webhook,
    totals: &Totals,
) {
    let source = if is_configured(context, &webhook.id) { "config" } else { "api" };
    json.open(b'{').name("id").text(&webhook.id).name("source").text(source);
    json.name("has_secret").flag(!webhook.secrets.is_empty());
    json.name("has_previous_secret").flag(webhook.secrets.len() > 1);
    settings(json.name("settings"), webhook);
    let state = context.store.webhook(context.host, &webhook.id);
    let known = totals.by_webhook.iter().find(|(id, ..)| *id == webhook.id);
    let (pending, failed) = known.map_or((0, 0), |(_, pending, failed)| (*pending, *failed));
    let disabled = state.disabled.as_ref();
    let since = |state: Option<&(UnixMillis, Box<str>)>| state.map(|(since, _)| since.to_string());
    let cause = disabled.or(state.blocked.as_ref()).map(|(_, cause)| &**cause);
    json.name("state").open(b'{').name("status").text(status(webhook, &state));
    json.name("disabled_since").maybe(since(disabled).as_deref());
    json.name("blocked_since").maybe(since(state.blocked.as_ref()).as_deref());
    json.name("cause").maybe(cause);
    json.name("failures").number(state.failures.into());
    json.name("pending").number(pending).name("failed").number(failed);
    json.close(b'}').close(b'}');
}

/// All settings but secrets and the values of headers, in the words of the configuration.
fn settings(json: &mut Builder, webhook: &Webhook) {
    let Webhook { target, forms, ops, signing, headers, timeout, retry, counting, .. } = webhook;
    let Webhook { batch, changes, remove_with_record, .. } = webhook;
    json.open(b'{').name("id").text(&webhook.id).name("enabled").flag(webhook.enabled);
    json.name("url").text(&target.to_string());
    if !target.is_by_egress() {
        json.name("cluster").text(target.cluster());
    }
    json.name("forms");
    match forms {
        FormFilter::All => {
            json.text("all");
        }
        FormFilter::Only(forms) => {
            json.open(b'[');
            for key in forms {
                json.open(b'{').name("app_id").text(&key.app_id);
                json.name("entry_id").text(&key.entry_id).close(b'}');
            }
            json.close(b']');
        }
    }
    json.name("events").texts(ops.iter().map(|op| op.name()));
    json.name("batch").flag(*batch).name("changes").flag(*changes);
    json.name("remove_with_record").flag(*remove_with_record);
    json.name("signing").texts(signing.iter().map(|scheme| scheme.name()));
    json.name("headers").open(b'{');
    for (name, _) in headers {
        json.name(name).raw("null");
    }
    json.close(b'}');
    let duration = |duration: &_| duration::shown(*duration).to_string();
    json.name("timeout").text(&duration(timeout));
    json.name("retry").texts(retry.delays().iter().map(duration));
    json.name("max_in_flight").number(webhook.max_in_flight as u64);
    json.name("disable_after").number(counting.limit.into());
    json.name("disable_count").text(if counting.total { "total" } else { "in_a_row" });
    json.name("while_disabled").text(match webhook.while_disabled {
        WhileDisabled::Park => "park",
        WhileDisabled::Drop => "drop",
    });
    json.close(b'}');
}

pub(super) fn create<H: Host>(context: &mut Context<'_, H>) -> Result<Answer, Problem> {
    let (webhook, text) = context.request.with_object(|body| checked(context, body, None))?;
    let id = webhook.id.clone();
    if is_configured(context, &id) {
        return Err(exists(&id));
    }
    let host = context.host;
    context.store.set(host, &mut |additions| {
        if additions.webhook(&id).is_some() {
            return Err(exists(&id));
        }
        if additions.webhooks.len() >= MAX_WEBHOOKS {
            let detail = format!("There are {MAX_WEBHOOKS} webhooks; delete one first.");
            return Err(Problem::new(409, detail));
        }
        if !metrics::claim(host, &id) {
            let detail = format!(
                "There is no room for the metrics of another webhook: {MAX_IDS} ids were used here since Envoy started, and it keeps what it counted of each. Take an id that a deleted webhook had, or restart the gateway."
            );
            return Err(Problem::new(409, detail));
        }
        additions.set_webhook(&id, text.clone());
        Ok(())
    })?;
    // One of this name may have been deleted while it was disabled.
    context.store.begin_anew(context.host, &id);
    let location = format!("/api/v1/webhooks/{id}");
    let mut answer = kept(context, &webhook, &text, None);
    answer.status = 201;
    answer.headers.push(("location", location.into()));
    Ok(answer)
}

fn exists(id: &str) -> Problem {
    let detail = format!("There is a webhook with the id {id} already; choose another id.");
    Problem::new(409, detail)
}

pub(super) fn replace<H: Host>(context: &mut Context<'_, H>, id: &str) -> Result<Answer, Problem> {
    let old = own(context, id)?;
    let read = |body: Value<'_>| checked(context, body, Some((id, &old)));
    let (webhook, text) = context.request.with_object(read)?;
    if begins_second_rotation(&find(context, id)?.secrets, &webhook.secrets) {
        return Err(is_rotating(id));
    }
    save(context, id, &text)?;
    Ok(kept(context, &webhook, &text, None))
}

/// Whether a rotation is under way, and these new secrets would be another: a receiver that has the old
/// secret still could verify nothing any more.
fn begins_second_rotation(old: &[Secret], new: &[Secret]) -> bool {
    old.len() > 1 && new.len() > 1 && new.iter().any(|secret| !old.contains(secret))
}

fn is_rotating(id: &str) -> Problem {
    let detail = format!(
        "The secret of {id} is being rotated: pushes are signed with the new one and the old one. End that rotation first, once the receiver has the new secret: DELETE /api/v1/webhooks/{id}/previous-secret."
    );
    Problem::new(409, detail)
}

/// Puts a webhook in the place of one that is still there.
fn save<H: Host>(context: &mut Context<'_, H>, id: &str, text: &str) -> Result<(), Problem> {
    context.store.set(context.host, &mut |additions| {
        if additions.webhook(id).is_none() {
            return Err(Problem::new(404, "The webhook was deleted meanwhile."));
        }
        additions.set_webhook(id, text.into());
        Ok(())
    })
}

pub(super) fn delete<H: Host>(context: &mut Context<'_, H>, id: &str) -> Result<Answer, Problem> {
    own(context, id)?;
    context.store.set(context.host, &mut |additions| match additions.remove_webhook(id) {
        true => Ok(()),
        false => Err(Problem::new(404, "The webhook was deleted meanwhile.")),
    })?;
    Ok(Answer::nothing())
}

/// The text of a webhook that was set at run time.
fn own<H>(context: &Context<'_, H>, id: &str) -> Result<Box<str>, Problem> {
    if is_configured(context, id) {
        return Err(Problem::read_only("This webhook"));
    }
    let text = context.view.additions.webhook(id);
    text.map(Into::into).ok_or_else(|| Problem::new(404, "There is no webhook with this id."))
}

/// A webhook, and what it is in the configuration.
fn kept<H: Host>(
    context: &Context<'_, H>,
    webhook: &Webhook,
    text: &str,
    secret: Option<&str>,
) -> Answer {
    let mut json = Builder::new();
    json.open(b'{');
    if let Some(secret) = secret {
        json.name("secret").text(secret);
    }
    write(json.name("webhook"), context, webhook);
    let additions = &context.view.additions;
    keep::write(&mut json, additions, "webhooks", text, context.store.is_shared());
    json.close(b'}');
    Answer::json(json)
}

/// Reads the settings that a body has. What of secrets and header values it does not say is
/// taken from the webhook that they are for. The webhook, and its text.
fn checked<H: Host>(
    context: &Context<'_, H>,
    body: Value<'_>,
    old: Option<(&str, &str)>,
) -> Result<(Webhook, Box<str>), Problem> {
    let old_document = old.and_then(|(_, text)| Document::parse(text.as_bytes()).ok());
    let text = completed(body, old_document.as_ref().map(|document| document.root()));
    let env = |name: &str| context.host.env(name);
    let webhook = parse_webhook(text.as_bytes(), &env).map_err(Problem::faults)?;
    if let Some((id, _)) = old
        && *webhook.id != *id
    {
        return Err(Problem::fault("id", format!("an id cannot be changed; it is \"{id}\"")));
    }
    let cluster = webhook.target.cluster();
    if !webhook.target.is_by_egress() && !context.clusters.iter().any(|known| known == cluster) {
        let known = context.clusters.join(", ");
        let message =
            format!("\"{cluster}\": must be one of the `clusters` of the admin's filter: {known}");
        return Err(Problem::fault("cluster", message));
    }
    let origin = Origin::of(&webhook.target);
    let mut faults = Vec::new();
    if let Some(old) = &old_document {
        kept_for_another(&origin, body, old.root(), &mut faults);
    }
    variables_of_another(context, &origin, body, &mut faults);
    match faults.is_empty() {
        true => Ok((webhook, text.into())),
        false => Err(Problem::faults(faults)),
    }
}

/// What a body keeps of a webhook that had another origin: that is never sent to the new one.
fn kept_for_another(origin: &Origin<'_>, body: Value<'_>, old: Value<'_>, faults: &mut Vec<Fault>) {
    let text = |name| old.get(name).and_then(|value| value.as_str());
    let old_target =
        text("url").and_then(|url| Target::parse(&url, text("cluster").as_deref()).ok());
    let before = match old_target.as_ref().map(Origin::of) {
        Some(before) if before == *origin => return,
        // As this is kept it was good once; if it is not now, nothing is known of where it led.
        before => before.map_or_else(|| "elsewhere".to_owned(), |before| before.to_string()),
    };
    let mut refuse = |path: String, what: &str, otherwise: &str| {
        let message = format!(
            "{what} was given for {before} and is not sent to {origin}: give it anew, or {otherwise}"
        );
        faults.push(Fault { path, message });
    };
    let headers = body.get("headers");
    for (name, value) in headers.iter().flat_map(|headers| headers.members()) {
        if value.kind() == Kind::Null {
            let name = name.decode().unwrap_or_default();
            refuse(format!("headers.{name}"), "this header's value", "leave the header out");
        }
    }
    for [plain, variable] in SECRETS {
        let is_named = [plain, variable].iter().any(|name| body.get(name).is_some());
        if !is_named && [plain, variable].iter().any(|name| old.get(name).is_some()) {
            let otherwise = format!("drop it by \"{plain}\": null");
            refuse(plain.to_owned(), "the secret", &otherwise);
        }
    }
}

/// Environment variables by which a body would have this origin signed for with a secret that a
/// webhook in force has for another one. Who names a variable need not know what is in it.
fn variables_of_another<H: Host>(
    context: &Context<'_, H>,
    origin: &Origin<'_>,
    body: Value<'_>,
    faults: &mut Vec<Fault>,
) {
    for [_, member] in SECRETS {
        let Some(name) = body.get(member).and_then(|name| name.as_str()) else { continue };
        let Some(secret) = context.host.env(&name).and_then(|it| Secret::parse(&it).ok()) else {
            continue;
        };
        let has_it = |webhook: &&Rc<Webhook>| webhook.secrets.iter().any(|own| own.is(&secret));
        let is_elsewhere = |webhook: &&Rc<Webhook>| Origin::of(&webhook.target) != *origin;
        if let Some(other) = all(context).filter(has_it).find(is_elsewhere) {
            let (id, before) = (&other.id, Origin::of(&other.target));
            let message = format!(
                "\"{name}\": holds the secret by which the webhook {id} signs for {before}; for {origin} name another variable, or give the secret itself"
            );
            faults.push(Fault { path: member.to_owned(), message });
        }
    }
}

/// The text of a webhook: of the body, and of what it has kept.
fn completed(body: Value<'_>, old: Option<Value<'_>>) -> String {
    let mut members: Vec<(String, String)> = Vec::new();
    let is_secret = |name: &str| SECRETS.iter().flatten().any(|secret| *secret == name);
    for (name, value) in body.members() {
        let name = name.decode().unwrap_or_default().into_owned();
        match value.kind() {
            Kind::Null if is_secret(&name) => {}
            Kind::Object if name == "headers" => {
                let kept = old.and_then(|old| old.get("headers"));
                members.push((name, headers(value, kept)));
            }
            _ => members.push((name, value.raw().to_owned())),
        }
    }
    for pair in SECRETS.iter().filter(|pair| pair.iter().all(|name| body.get(name).is_none())) {
        let kept = pair.iter().filter_map(|name| Some((*name, old?.get(name)?)));
        members.extend(kept.map(|(name, value)| (name.to_owned(), value.raw().to_owned())));
    }
    object(&members)
}

/// Header values; those that are `null` are the old ones.
fn headers(new: Value<'_>, old: Option<Value<'_>>) -> String {
    let members: Vec<_> = (new.members())
        .map(|(name, value)| {
            let name = name.decode().unwrap_or_default().into_owned();
            let is_it = |known: &str| known.eq_ignore_ascii_case(&name);
            let kept = || {
                let mut members = old?.members();
                members.find(|(known, _)| is_it(known.raw())).map(|(_, value)| value)
            };
            let value = match value.kind() {
                Kind::Null => kept().unwrap_or(value),
                _ => value,
            };
            (name, value.raw().to_owned())
        })
        .collect();
    object(&members)
}

fn object(members: &[(String, String)]) -> String {
    let mut json = Builder::new();
    json.open(b'{');
    for (name, value) in members {
        json.name(name).raw(value);
    }
    json.close(b'}');
    json.into_text()
}

/// The settings of a webhook that need not exist, to be tested.
pub(super) fn test_settings<H: Host>(context: &Context<'_, H>) -> Result<Rc<Webhook>, Problem> {
    context.request.with_object(|body| {
        let id = body.get("id").and_then(|id| id.as_str());
        let old = id.as_ref().and_then(|id| context.view.additions.webhook(id));
        let old = id.as_ref().zip(old).map(|(id, text)| (&**id, text));
        checked(context, body, old).map(|(webhook, _)| Rc::new(webhook))
    })
}

pub(super) fn tested(probed: &Probed) -> Answer {
    let record = &probed.record;
    let mut json = Builder::new();
    json.open(b'{').name("delivered").flag(record.outcome == Outcome::Success);
    json.name("id").text(&record.id).name("sent").text(&probed.sent.to_string());
    json.name("duration_ms").number(duration::millis(probed.duration));
    json.name("status").maybe_number(record.status.map(u64::from));
    json.name("cause").text(&record.cause).name("answer").text(&record.answer).close(b'}');
    Answer::json(json)
}

pub(super) fn restart<H: Host>(context: &mut Context<'_, H>, id: &str) -> Result<Answer, Problem> {
    let webhook = find(context, id)?;
    let was_disabled = context.store.restart_webhook(context.host, id)?;
    context.metrics.webhook(context.host, context.store, id);
    let mut json = Builder::new();
    json.open(b'{').name("was_disabled").flag(was_disabled);
    write(json.name("webhook"), context, &webhook);
    json.close(b'}');
    Ok(Answer::json(json))
}

pub(super) fn secret<H: Host>(context: &Context<'_, H>) -> Answer {
    let mut json = Builder::new();
    json.open(b'{').name("secret").text(&new_secret(context.host)).close(b'}');
    Answer::json(json)
}

fn new_secret(host: &impl Host) -> String {
    let mut key = [0; 24];
    host.random(&mut key);
    Secret::encoded(&key)
}

pub(super) fn rotate<H: Host>(context: &mut Context<'_, H>, id: &str) -> Result<Answer, Problem> {
    if !is_configured(context, id) && find(context, id)?.secrets.len() > 1 {
        return Err(is_rotating(id));
    }
    let secret = new_secret(context.host);
    let mut json = Builder::new();
    json.text(&secret);
    let quoted = json.into_text();
    let (webhook, text) = changed(context, id, rotated, Some(("secret", &quoted)))?;
    Ok(kept(context, &webhook, &text, Some(&secret)))
}

pub(super) fn end_rotation<H: Host>(
    context: &mut Context<'_, H>,
    id: &str,
) -> Result<Answer, Problem> {
    let (webhook, text) = changed(context, id, not_rotating, None)?;
    Ok(kept(context, &webhook, &text, None))
}

/// What a member becomes when there is a new secret: the one before signs on.
fn rotated(name: &str) -> Option<&str> {
    match name {
        "secret" => Some("previous_secret"),
        "secret_env" => Some("previous_secret_env"),
        "previous_secret" | "previous_secret_env" => None,
        other => Some(other),
    }
}

fn not_rotating(name: &str) -> Option<&str> {
    (!name.starts_with("previous_secret")).then_some(name)
}

/// Renames members of a webhook's text or drops them, adds one, and saves it.
fn changed<H: Host>(
    context: &mut Context<'_, H>,
    id: &str,
    rename: fn(&str) -> Option<&str>,
    more: Option<(&str, &str)>,
) -> Result<(Webhook, String), Problem> {
    let old = own(context, id)?;
    let document = Document::parse(old.as_bytes()).ok();
    let mut members = Vec::new();
    for (name, value) in document.iter().flat_map(|document| document.root().members()) {
        let name = name.decode().unwrap_or_default();
        members.extend(rename(&name).map(|name| (name.to_owned(), value.raw().to_owned())));
    }
    members.extend(more.map(|(name, value)| (name.to_owned(), value.to_owned())));
    let text = object(&members);
    let env = |name: &str| context.host.env(name);
    let webhook = parse_webhook(text.as_bytes(), &env).map_err(Problem::faults)?;
    context.store.set(context.host, &mut |additions| match additions.webhook(id) {
        Some(now) if *now == *old => {
            additions.set_webhook(id, text.as_str().into());
            Ok(())
        }
        Some(_) => Err(Problem::new(409, "The webhook was changed meanwhile; look at it again.")),
        None => Err(Problem::new(404, "The webhook was deleted meanwhile.")),
    })?;
    Ok((webhook, text))
}
