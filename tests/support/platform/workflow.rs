//! The workflow calls: just enough of them to see records change their `flowState` without a data
//! call, and to see a failure that comes with a good status.

use super::api::Parameters;
use super::error::ApiError;
use super::store::{Record, Shelf, Store};
use super::values::{Dialect, timestamp};
use serde_json::{Value, json};
use std::time::SystemTime;

/// A failure of the workflow, which is told with HTTP 200.
#[derive(Clone, Copy, Debug)]
struct Failure(u32, &'static str);

const CLOSED: Failure = Failure(4008, "操作失败,流程已经关闭");
const NO_WORKFLOW: Failure = Failure(5056, "Can't perform workflow ops on non-workflow forms");
const NO_INSTANCE: Failure = Failure(50016, "Instance_id is invalid");
const NOT_CLOSED: Failure = Failure(50019, "Action not supported");

/// Answers `/api/{version}/workflow/{group}/{action}`; none if there is no such call.
pub fn answer(
    store: &mut Store,
    [version, group, action]: [&str; 3],
    parameters: &Parameters<'_>,
) -> Option<Result<Value, ApiError>> {
    let change: fn(&mut Record) -> Result<(), Failure> = match (version, group, action) {
        ("v6", "task", "list") => return Some(Ok(json!({"has_more": false, "tasks": []}))),
        ("v1", "cc", "list") => return Some(Ok(json!({"has_more": false, "cc_list": []}))),
        ("v1", "instance", "logs") => return Some(Ok(json!({"logs": []}))),
        ("v6", "instance", "get") => return Some(get(store, parameters)),
        ("v1", "instance", "close") => |record| finish(record, 2),
        ("v1", "instance", "activate") => activate,
        ("v1", "task", "approve") => |record| finish(record, 1),
        ("v1", "task", "reject") => |record| finish(record, 3),
        ("v1", "task", "transfer") | ("v2", "task", "rollback" | "add_sign" | "revoke") => {
            |record| {
                if record.flow_state == Some(0) { Ok(()) } else { Err(CLOSED) }
            }
        }
        _ => return None,
    };
    Some(parameters.text("instance_id").map(|id| {
        let changed = instance(store, id).and_then(|(shelf, id)| {
            let record = shelf.records.get_mut(&id).ok_or(NO_INSTANCE)?;
            change(record)?;
            record.updated = SystemTime::now();
            shelf.modified = record.updated;
            Ok(())
        });
        match changed {
            Ok(()) => json!({"status": "success"}),
            Err(failure) => failure.json(),
        }
    }))
}

fn get(store: &mut Store, parameters: &Parameters<'_>) -> Result<Value, ApiError> {
    let (shelf, id) = match instance(store, parameters.text("instance_id")?) {
        Ok(found) => found,
        Err(failure) => return Ok(failure.json()),
    };
    let record = &shelf.records[&id];
    Ok(json!({
        "instance_id": id, "app_id": shelf.form.app_id, "form_id": shelf.form.entry_id,
        "form_title": shelf.form.name, "status": record.flow_state,
        "creator": Dialect::NEWEST.show_people(&record.creator.json()),
        "create_time": timestamp(record.created), "update_time": timestamp(record.updated),
        "tasks": [],
    }))
}

/// An instance has the id of its record.
fn instance<'a>(store: &'a mut Store, id: &str) -> Result<(&'a mut Shelf, String), Failure> {
    let shelf = store.shelves.iter_mut().find(|shelf| shelf.records.contains_key(id));
    let shelf = shelf.ok_or(NO_INSTANCE)?;
    if shelf.form.has_workflow { Ok((shelf, id.to_owned())) } else { Err(NO_WORKFLOW) }
}

fn finish(record: &mut Record, state: u8) -> Result<(), Failure> {
    if record.flow_state != Some(0) {
        return Err(CLOSED);
    }
    record.flow_state = Some(state);
    Ok(())
}

fn activate(record: &mut Record) -> Result<(), Failure> {
    if record.flow_state.is_none_or(|state| state == 0) {
        return Err(NOT_CLOSED);
    }
    record.flow_state = Some(0);
    Ok(())
}

impl Failure {
    fn json(self) -> Value {
        json!({"status": "failure", "code": self.0, "message": self.1})
    }
}
