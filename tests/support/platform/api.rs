//! The calls of the open API: their paths in every version, their parameters and their answers.

use super::error::{self, ApiError};
use super::filter::Filter;
use super::json::Json;
use super::people::{Member, OWNER};
use super::store::{FormKey, Store, Terms};
use super::values::{Dialect, timestamp};
use super::workflow;
use serde_json::{Map, Value, json};
use std::ops::RangeInclusive;

/// A batch takes no more records, and a list gives no more.
const MOST_RECORDS: usize = 100;

/// A call that concerns one form.
#[derive(Clone, Copy, Debug)]
enum Operation {
    Create,
    BatchCreate,
    Update,
    BatchUpdate,
    Delete,
    BatchDelete,
    Get,
    List,
    Widgets,
    UploadToken,
}

/// The body of a request.
#[derive(Debug)]
pub struct Parameters<'a>(&'a Map<String, Value>);

/// Answers a call whose key was good.
pub fn answer(store: &mut Store, path: &str, body: &[u8]) -> Result<String, ApiError> {
    let path = routed(path);
    let segments: Vec<&str> = path.split('/').collect();
    let ["", "api", version, call @ ..] = segments.as_slice() else {
        return Err(error::INVALID_REQUEST);
    };
    let body: Value = match body {
        // A call without parameters may come without a body.
        [] => json!({}),
        body => serde_json::from_slice(body).map_err(|_| error::PARAMETERS)?,
    };
    let parameters = Parameters(body.as_object().ok_or(error::PARAMETERS)?);
    let answer = match (*version, call) {
        ("v5", ["app", "list"]) | ("v1", ["app", "retrieve_all"]) => apps(store, &parameters)?,
        ("v5", ["app", "entry", "list"]) => forms(store, parameters.text("app_id")?, &parameters)?,
        ("v1", ["app", app_id, "entry_retrieve"]) => forms(store, app_id, &parameters)?,
        ("v5", ["app", "entry", tail @ ..]) => {
            let operation = Operation::of_version_5(tail).ok_or(error::INVALID_REQUEST)?;
            let form = (parameters.text("app_id")?, parameters.text("entry_id")?);
            return operation.answer(store, 5, form, &parameters);
        }
        ("v1", ["app", app_id, "entry", entry_id, "data", _, "approval_comments"]) => {
            store.shelf((app_id, entry_id))?;
            json!({"approveCommentList": []})
        }
        (version, ["app", app_id, "entry", entry_id, tail @ ..]) => {
            let (version, operation) =
                Operation::of_old_version(version, tail).ok_or(error::INVALID_REQUEST)?;
            return operation.answer(store, version, (app_id, entry_id), &parameters);
        }
        (version, ["workflow", group, action]) => {
            workflow::answer(store, [version, group, action], &parameters)
                .ok_or(error::INVALID_REQUEST)??
        }
        _ => return Err(error::INVALID_REQUEST),
    };
    Ok(answer.to_string())
}

/// A path as Express compares it, on which servers for Node are built: one slash at its end and the case of
/// its letters do not matter, ids apart.
fn routed(path: &str) -> String {
    let path = path.strip_suffix('/').unwrap_or(path);
    let segments: Vec<&str> = path.split('/').collect();
    let is = |at: usize, name: &str| segments.get(at).is_some_and(|s| s.eq_ignore_ascii_case(name));
    let has_ids = is(3, "app") && is(5, "entry");
    let lower = |(at, segment): (usize, &&str)| match at {
        4 | 6 if has_ids => (*segment).to_owned(),
        _ => segment.to_ascii_lowercase(),
    };
    segments.iter().enumerate().map(lower).collect::<Vec<_>>().join("/")
}

fn apps(store: &Store, parameters: &Parameters<'_>) -> Result<Value, ApiError> {
    let mut apps: Vec<Value> = Vec::new();
    for form in store.shelves.iter().map(|shelf| &shelf.form) {
        if !apps.iter().any(|app| app["app_id"] == form.app_id.as_str()) {
            apps.push(json!({"name": form.app_name, "app_id": form.app_id}));
        }
    }
    Ok(json!({"apps": parameters.page(apps)?}))
}

fn forms(store: &Store, app_id: &str, parameters: &Parameters<'_>) -> Result<Value, ApiError> {
    let forms = store.shelves.iter().map(|shelf| &shelf.form);
    let forms: Vec<Value> = forms
        .filter(|form| form.app_id == app_id)
        .map(|form| json!({"name": form.name, "app_id": form.app_id, "entry_id": form.entry_id}))
        .collect();
    if forms.is_empty() {
        return Err(error::NO_APP);
    }
    Ok(json!({"forms": parameters.page(forms)?}))
}

impl Operation {
    /// By the path after `/api/v5/app/entry/`.
    fn of_version_5(tail: &[&str]) -> Option<Operation> {
        Some(match tail {
            ["data", "create"] => Operation::Create,
            ["data", "batch_create"] => Operation::BatchCreate,
            ["data", "update"] => Operation::Update,
            ["data", "batch_update"] => Operation::BatchUpdate,
            ["data", "delete"] => Operation::Delete,
            ["data", "batch_delete"] => Operation::BatchDelete,
            ["data", "get"] => Operation::Get,
            ["data", "list"] => Operation::List,
            ["widget", "list"] => Operation::Widgets,
            ["file", "get_upload_token"] => Operation::UploadToken,
            _ => return None,
        })
    }

    /// By the path after `/api/{version}/app/{app_id}/entry/{entry_id}/`. Not every call has every
    /// version.
    fn of_old_version(version: &str, tail: &[&str]) -> Option<(u8, Operation)> {
        let (versions, operation): (&[&str], _) = match tail {
            ["data_create"] => (&["v1", "v2", "v3", "v4"], Operation::Create),
            ["data_update"] => (&["v1", "v2", "v3", "v4"], Operation::Update),
            ["data_retrieve"] => (&["v1", "v2", "v4"], Operation::Get),
            ["data"] => (&["v1", "v2", "v4"], Operation::List),
            ["data_delete"] => (&["v1"], Operation::Delete),
            ["data_batch_create"] => (&["v1"], Operation::BatchCreate),
            ["data_batch_update"] => (&["v1"], Operation::BatchUpdate),
            ["data_batch_delete"] => (&["v1"], Operation::BatchDelete),
            ["widgets"] => (&["v1", "v2"], Operation::Widgets),
            ["file", "get_upload_token"] => (&["v1"], Operation::UploadToken),
            _ => return None,
        };
        let version = versions.iter().find(|known| **known == version)?;
        Some((version.trim_start_matches('v').parse().ok()?, operation))
    }

    fn answer(
        self,
        store: &mut Store,
        version: u8,
        form: FormKey<'_>,
        parameters: &Parameters<'_>,
    ) -> Result<String, ApiError> {
        store.shelf(form)?;
        let answer = match self {
            Operation::Create => {
                let terms = parameters.terms(version)?;
                record(store.create(form, parameters.object("data")?, terms)?)
            }
            Operation::Update => {
                let (id, data) = (parameters.text("data_id")?, parameters.object("data")?);
                record(store.update(form, id, data, parameters.terms(version)?)?)
            }
            Operation::Get => {
                let id = parameters.text("data_id")?;
                record(store.get(form, id, Dialect::reading(version))?)
            }
            Operation::List => list(store, version, form, parameters)?,
            Operation::Delete => {
                parameters.flag("is_start_trigger")?;
                match store.delete(form, &[parameters.text("data_id")?])? {
                    0 => return Err(error::NO_DATA),
                    _ => json!({"status": "success"}).into(),
                }
            }
            Operation::BatchCreate => {
                let list = parameters.batch("data_list", error::BATCH_CREATE_LIMIT)?;
                let list = list.iter().map(Value::as_object).collect::<Option<Vec<_>>>();
                let list = list.ok_or(error::PARAMETERS)?;
                let (count, ids) = store.create_batch(form, &list, parameters.terms(version)?)?;
                json!({"status": "success", "success_count": count, "success_ids": ids}).into()
            }
            Operation::BatchUpdate => {
                let ids = parameters.ids(error::BATCH_UPDATE_LIMIT)?;
                let data = parameters.object("data")?;
                let count = store.update_batch(form, &ids, data, parameters.terms(version)?)?;
                json!({"status": "success", "success_count": count}).into()
            }
            Operation::BatchDelete => {
                let ids = parameters.ids(error::BATCH_DELETE_LIMIT)?;
                let count = store.delete(form, &ids)?;
                json!({"status": "success", "success_count": count}).into()
            }
            Operation::Widgets => widgets(store, version, form)?.into(),
            Operation::UploadToken => {
                let transaction = parameters.transaction()?.ok_or(error::PARAMETERS)?;
                store.allow_files(form, transaction)?;
                upload_tokens(transaction).into()
            }
        };
        Ok(answer.text())
    }
}

fn record(record: Json) -> Json {
    Json::Object(vec![("data".to_owned(), record)])
}

fn list(
    store: &mut Store,
    version: u8,
    form: FormKey<'_>,
    parameters: &Parameters<'_>,
) -> Result<Json, ApiError> {
    let limit = parameters.count("limit", 10, 1..=MOST_RECORDS, error::PARAMETERS)?;
    let last = parameters.optional_text("data_id")?.unwrap_or_default();
    let fields = match parameters.0.get("fields") {
        None | Some(Value::Null) => None,
        Some(fields) => Some(texts(fields)?),
    };
    let shelf = store.shelf(form)?;
    let filter = match parameters.0.get("filter") {
        None | Some(Value::Null) => None,
        Some(filter) => Some(Filter::parse(filter, &shelf.form)?),
    };
    // What names the record is not said to go with the other fields; it is needed to read on.
    let is_wanted = |name: &str| {
        let field = || shelf.form.data_fields().find(|field| field.name() == name);
        fields.as_ref().is_none_or(|fields| {
            let is_asked = |asked: &&str| {
                *asked == name || field().is_some_and(|field| field.is_called(asked))
            };
            ["_id", "appId", "entryId"].contains(&name) || fields.iter().any(is_asked)
        })
    };
    let records = shelf
        .records
        .values()
        .filter(|record| record.id.as_str() > last)
        .filter(|record| filter.as_ref().is_none_or(|filter| filter.takes(record)))
        .take(limit)
        .map(|record| match record.show(&shelf.form, Dialect::reading(version)) {
            Json::Object(mut members) => {
                members.retain(|(name, _)| is_wanted(name));
                Json::Object(members)
            }
            other => other,
        });
    Ok(Json::Object(vec![("data".to_owned(), Json::List(records.collect()))]))
}

fn widgets(store: &mut Store, version: u8, form: FormKey<'_>) -> Result<Value, ApiError> {
    let shelf = store.shelf(form)?;
    let widgets: Value = shelf.form.data_fields().map(|field| field.json()).collect();
    if version == 1 {
        return Ok(json!({"widgets": widgets}));
    }
    let system = ["creator", "updater", "deleter", "createTime", "updateTime", "deleteTime"];
    let flow_state = shelf.form.has_workflow.then_some("flowState");
    let system: Value =
        flow_state.into_iter().chain(system).map(|name| json!({"name": name})).collect();
    let modified = timestamp(shelf.modified);
    Ok(json!({"widgets": widgets, "sysWidgets": system, "dataModifyTime": modified}))
}

/// The upload goes to another host, which this platform does not have.
fn upload_tokens(transaction: &str) -> Value {
    let token = |number| json!({"url": "https://upload.invalid", "token": format!("{transaction}:{number:03}")});
    json!({"token_and_url_list": (0..100).map(token).collect::<Value>()})
}

impl<'a> Parameters<'a> {
    pub fn text(&self, name: &str) -> Result<&'a str, ApiError> {
        self.optional_text(name)?.filter(|text| !text.is_empty()).ok_or(error::PARAMETERS)
    }

    fn optional_text(&self, name: &str) -> Result<Option<&'a str>, ApiError> {
        match self.0.get(name) {
            None | Some(Value::Null) => Ok(None),
            Some(value) => value.as_str().map(Some).ok_or(error::PARAMETERS),
        }
    }

    fn object(&self, name: &str) -> Result<&'a Map<String, Value>, ApiError> {
        self.0.get(name).and_then(Value::as_object).ok_or(error::PARAMETERS)
    }

    fn flag(&self, name: &str) -> Result<bool, ApiError> {
        match self.0.get(name) {
            None | Some(Value::Null) => Ok(false),
            Some(value) => value.as_bool().ok_or(error::PARAMETERS),
        }
    }

    fn count(
        &self,
        name: &str,
        default: usize,
        range: RangeInclusive<usize>,
        error: ApiError,
    ) -> Result<usize, ApiError> {
        match self.0.get(name) {
            None | Some(Value::Null) => Ok(default),
            Some(value) => value
                .as_u64()
                .and_then(|count| usize::try_from(count).ok())
                .filter(|count| range.contains(count))
                .ok_or(error),
        }
    }

    /// The part of a list of apps or forms that was asked for.
    fn page(&self, all: Vec<Value>) -> Result<Vec<Value>, ApiError> {
        let limit = self.count("limit", 100, 0..=100, error::FORM_PARAMETERS)?;
        let skip = self.count("skip", 0, 0..=usize::MAX, error::FORM_PARAMETERS)?;
        Ok(all.into_iter().skip(skip).take(limit).collect())
    }

    fn batch(&self, name: &str, too_many: ApiError) -> Result<&'a [Value], ApiError> {
        match self.0.get(name).and_then(Value::as_array).map(Vec::as_slice) {
            None | Some([]) => Err(error::PARAMETERS),
            Some(items) if items.len() > MOST_RECORDS => Err(too_many),
            Some(items) => Ok(items),
        }
    }

    fn ids(&self, too_many: ApiError) -> Result<Vec<&'a str>, ApiError> {
        let ids = self.batch("data_ids", too_many)?;
        ids.iter().map(Value::as_str).collect::<Option<_>>().ok_or(error::PARAMETERS)
    }

    /// The documents recommend a UUID, so other texts are taken as well.
    fn transaction(&self) -> Result<Option<&'a str>, ApiError> {
        match self.0.get("transaction_id") {
            None | Some(Value::Null) => Ok(None),
            Some(Value::String(id)) if !id.is_empty() => Ok(Some(id)),
            Some(_) => Err(error::TRANSACTION),
        }
    }

    fn terms(&self, version: u8) -> Result<Terms<'a>, ApiError> {
        self.flag("is_start_trigger")?;
        let creator = match (version, self.optional_text("data_creator")?) {
            (5, Some(username)) => Member::named(username).ok_or(error::NO_MEMBER)?,
            _ => &OWNER,
        };
        Ok(Terms {
            dialect: Dialect::writing(version),
            creator,
            transaction: self.transaction()?,
            starts_workflow: self.flag("is_start_workflow")?,
        })
    }
}

fn texts(list: &Value) -> Result<Vec<&str>, ApiError> {
    let list = list.as_array().ok_or(error::PARAMETERS)?;
    list.iter().map(Value::as_str).collect::<Option<_>>().ok_or(error::PARAMETERS)
}
