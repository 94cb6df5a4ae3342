//! The `filter` of `data/list`.

use super::error::{ApiError, FILTER};
use super::form::{Field, Form, Kind};
use super::store::Record;
use super::values::{datetime, timestamp};
use serde_json::{Value, json};
use std::cmp::Ordering;

/// `in` and `nin` take no more values.
const MOST_VALUES: usize = 200;

/// A filter that was checked against its form.
#[derive(Debug)]
pub struct Filter<'a> {
    takes_any: bool,
    conditions: Vec<Condition<'a>>,
}

#[derive(Debug)]
struct Condition<'a> {
    subject: Subject<'a>,
    method: Method,
    values: Vec<Value>,
}

#[derive(Debug)]
enum Subject<'a> {
    Id,
    Creator,
    Created,
    Updated,
    FlowState,
    Field(&'a Field),
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Method {
    Empty,
    NotEmpty,
    Eq,
    Ne,
    In,
    Nin,
    Like,
    Range,
    Gt,
    Lt,
    All,
}

impl<'a> Filter<'a> {
    /// Reads the filter of a request.
    pub fn parse(given: &Value, form: &'a Form) -> Result<Filter<'a>, ApiError> {
        let takes_any = match given.get("rel").and_then(Value::as_str) {
            Some("and") => false,
            Some("or") => true,
            _ => return Err(FILTER),
        };
        let conditions = given.get("cond").and_then(Value::as_array).ok_or(FILTER)?;
        let conditions =
            conditions.iter().map(|one| Condition::parse(one, form)).collect::<Result<_, _>>()?;
        Ok(Filter { takes_any, conditions })
    }

    /// Whether it lets a record through.
    pub fn takes(&self, record: &Record) -> bool {
        let mut conditions = self.conditions.iter();
        if self.takes_any && !self.conditions.is_empty() {
            conditions.any(|condition| condition.takes(record))
        } else {
            conditions.all(|condition| condition.takes(record))
        }
    }
}

impl<'a> Condition<'a> {
    fn parse(given: &Value, form: &'a Form) -> Result<Condition<'a>, ApiError> {
        let text = |name| given.get(name).and_then(Value::as_str).ok_or(FILTER);
        let subject = Subject::parse(text("field")?, form)?;
        let method = Method::parse(text("method")?)?;
        let values = match (given.get("value"), method) {
            (_, Method::Empty | Method::NotEmpty) => Vec::new(),
            (Some(Value::Array(values)), _) => values.clone(),
            _ => return Err(FILTER),
        };
        let is_enough = match method {
            Method::Empty | Method::NotEmpty => true,
            Method::Range => values.len() == 2,
            Method::In | Method::Nin | Method::All => (1..=MOST_VALUES).contains(&values.len()),
            Method::Eq | Method::Ne | Method::Like | Method::Gt | Method::Lt => values.len() == 1,
        };
        if !is_enough {
            return Err(FILTER);
        }
        let values = if subject.is_time() {
            let time = |value: &Value| match value {
                Value::Null => Some(Value::Null),
                other => datetime(other),
            };
            values.iter().map(time).collect::<Option<_>>().ok_or(FILTER)?
        } else {
            values
        };
        Ok(Condition { subject, method, values })
    }

    fn takes(&self, record: &Record) -> bool {
        let found = self.subject.of(record);
        let has = |wanted: &Value| found.iter().any(|value| is_equal(value, wanted));
        let first = self.values.first().unwrap_or(&Value::Null);
        let compared = |ordering| found.iter().any(|value| compare(value, first) == Some(ordering));
        match self.method {
            Method::Empty => found.is_empty(),
            Method::NotEmpty => !found.is_empty(),
            Method::Eq | Method::In => self.values.iter().any(has),
            Method::Ne | Method::Nin => !self.values.iter().any(has),
            Method::All => self.values.iter().all(has),
            Method::Like => {
                let wanted = first.as_str().unwrap_or_default();
                found.iter().any(|value| value.as_str().is_some_and(|text| text.contains(wanted)))
            }
            Method::Gt => compared(Ordering::Greater),
            Method::Lt => compared(Ordering::Less),
            Method::Range => found.iter().any(|value| self.is_in_range(value)),
        }
    }

    /// Both ends belong to it; null is no end.
    fn is_in_range(&self, value: &Value) -> bool {
        let within = |end: &Value, outside| {
            end.is_null() || compare(value, end).is_some_and(|ordering| ordering != outside)
        };
        within(&self.values[0], Ordering::Less) && within(&self.values[1], Ordering::Greater)
    }
}

impl<'a> Subject<'a> {
    fn parse(name: &str, form: &'a Form) -> Result<Subject<'a>, ApiError> {
        match name {
            "_id" | "data_id" => return Ok(Subject::Id),
            "creator" => return Ok(Subject::Creator),
            "createTime" => return Ok(Subject::Created),
            "updateTime" => return Ok(Subject::Updated),
            "flowState" if form.has_workflow => return Ok(Subject::FlowState),
            _ => {}
        }
        let field = form.data_fields().find(|field| field.is_called(name));
        field
            .filter(|field| !matches!(field.kind, Kind::Subform(_)))
            .map(Subject::Field)
            .ok_or(FILTER)
    }

    fn is_time(&self) -> bool {
        match self {
            Subject::Created | Subject::Updated => true,
            Subject::Field(field) => field.kind == Kind::Datetime,
            _ => false,
        }
    }

    /// What is compared: nothing if it is empty, one value or, of a list, several.
    fn of(&self, record: &Record) -> Vec<Value> {
        let value = match self {
            Subject::Id => json!(record.id),
            Subject::Creator => json!(record.creator.username),
            Subject::Created => timestamp(record.created),
            Subject::Updated => timestamp(record.updated),
            Subject::FlowState => json!(record.flow_state),
            Subject::Field(field) => {
                let value = record.values.get(&field.id);
                value.filter(|value| **value != field.kind.empty()).cloned().unwrap_or_default()
            }
        };
        match value {
            Value::Null => Vec::new(),
            Value::Array(values) => values.into_iter().map(by_key).collect(),
            value => vec![by_key(value)],
        }
    }
}

impl Method {
    fn parse(name: &str) -> Result<Method, ApiError> {
        Ok(match name {
            "empty" => Method::Empty,
            "not_empty" => Method::NotEmpty,
            "eq" => Method::Eq,
            "ne" => Method::Ne,
            "in" => Method::In,
            "nin" => Method::Nin,
            "like" => Method::Like,
            "range" => Method::Range,
            "gt" => Method::Gt,
            "lt" => Method::Lt,
            "all" => Method::All,
            _ => return Err(FILTER),
        })
    }
}

/// People are asked for by username and number, phones by their number.
fn by_key(value: Value) -> Value {
    let key = ["username", "dept_no", "phone"].into_iter().find_map(|name| value.get(name));
    key.cloned().unwrap_or(value)
}

fn is_equal(one: &Value, other: &Value) -> bool {
    compare(one, other) == Some(Ordering::Equal) || one == other
}

fn compare(one: &Value, other: &Value) -> Option<Ordering> {
    match (one, other) {
        (Value::String(one), Value::String(other)) => Some(one.cmp(other)),
        (one, other) => one.as_f64()?.partial_cmp(&other.as_f64()?),
    }
}
