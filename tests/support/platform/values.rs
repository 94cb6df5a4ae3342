//! Values: what a request may give, what is kept, and what an answer shows.
//!
//! They are kept as version 5 answers them, but with field ids for names.

use super::error::{self, ApiError};
use super::form::{Field, Form, Kind};
use super::people::{Department, Member};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// The values of a record by field id.
pub type Values = BTreeMap<String, Value>;

/// How a version of the API speaks.
#[derive(Clone, Copy, Debug)]
pub struct Dialect {
    people_have_ids: bool,
    people_have_types: bool,
    rows_have_ids: bool,
}

/// Ids as the platform's database makes them: 24 hex digits, ascending.
#[derive(Debug, Default)]
pub struct Ids {
    seconds: u64,
    count: u32,
}

/// Reads the values of one request.
#[derive(Debug)]
pub struct Reader<'a> {
    pub dialect: Dialect,
    pub ids: &'a mut Ids,
    /// Whether the request's transaction has files to bind.
    pub files: Result<(), ApiError>,
}

impl Dialect {
    /// Version 5.
    pub const NEWEST: Dialect = Dialect::writing(5);

    /// That of a call that changes data.
    pub const fn writing(version: u8) -> Dialect {
        Dialect {
            people_have_ids: version == 1,
            people_have_types: version >= 4,
            rows_have_ids: version >= 3,
        }
    }

    /// That of a call that reads data: there rows have ids from version 2 on, as it has no 3.
    pub const fn reading(version: u8) -> Dialect {
        Dialect { rows_have_ids: version >= 2, ..Dialect::writing(version) }
    }

    /// A kept value as an answer shows it.
    pub fn show(self, field: &Field, value: &Value) -> Value {
        match (&field.kind, value) {
            (Kind::Subform(items), Value::Array(rows)) => {
                rows.iter().map(|row| self.show_row(items, row)).collect()
            }
            (Kind::User | Kind::Usergroup | Kind::Dept | Kind::Deptgroup, value) => {
                self.show_people(value)
            }
            (_, value) => value.clone(),
        }
    }

    fn show_row(self, items: &[Field], row: &Value) -> Value {
        let mut shown = Map::new();
        if self.rows_have_ids {
            shown.insert("_id".to_owned(), row["_id"].clone());
        }
        for field in items.iter().filter(|field| field.kind.has_data()) {
            let value = row.get(&field.id).map(|value| self.show(field, value));
            shown.insert(field.name().to_owned(), value.unwrap_or_else(|| field.kind.empty()));
        }
        shown.into()
    }

    /// Members and departments, alone or in a list.
    pub fn show_people(self, value: &Value) -> Value {
        match value {
            Value::Array(people) => people.iter().map(|one| self.show_people(one)).collect(),
            Value::Object(one) if self.people_have_ids => {
                let member = one.get("username").and_then(Value::as_str).and_then(Member::named);
                let number = one.get("dept_no").and_then(Value::as_u64);
                let department = number.and_then(Department::numbered);
                let shown = member.map(Member::json_with_id);
                shown.or(department.map(Department::json_with_id)).unwrap_or_default()
            }
            Value::Object(one) => {
                let mut shown = one.clone();
                if !self.people_have_types {
                    shown.remove("type");
                }
                shown.into()
            }
            other => other.clone(),
        }
    }
}

impl Ids {
    pub fn next(&mut self) -> String {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |time| time.as_secs());
        self.seconds = self.seconds.max(now);
        self.count += 1;
        format!("{:08x}e09728936{:07x}", self.seconds, self.count)
    }
}

impl Reader<'_> {
    /// The values that `data` gives to a record that had those of `before`. What names no field of
    /// the form, or one that cannot be written, is passed over.
    pub fn values(
        &mut self,
        form: &Form,
        data: &Map<String, Value>,
        before: &Values,
    ) -> Result<Values, ApiError> {
        let mut values = Values::new();
        for (name, given) in data {
            let Some(field) = writable(&form.fields, name) else { continue };
            let given = unwrap(given)?;
            let value = match &field.kind {
                Kind::Subform(items) => self.rows(items, given, before.get(&field.id))?,
                kind => self.value(kind, given)?,
            };
            values.insert(field.id.clone(), value);
        }
        Ok(values)
    }

    /// The rows of a sub-form replace those that were there; one that names its id keeps it.
    fn rows(
        &mut self,
        items: &[Field],
        given: &Value,
        before: Option<&Value>,
    ) -> Result<Value, ApiError> {
        if given.is_null() {
            return Ok(json!([]));
        }
        let before = before.and_then(Value::as_array);
        let mut known: Vec<&Value> = before.into_iter().flatten().map(|row| &row["_id"]).collect();
        let mut rows = Vec::new();
        for row in given.as_array().ok_or(error::FIELD_TYPE)? {
            let row = row.as_object().ok_or(error::SUB_FIELD_TYPE)?;
            let old = row.get("_id").and_then(|id| id.get("value"));
            let old = known.iter().position(|id| self.dialect.rows_have_ids && Some(*id) == old);
            let id = match old {
                Some(at) => known.swap_remove(at).clone(),
                None => self.ids.next().into(),
            };
            let mut kept = Map::from_iter([("_id".to_owned(), id)]);
            for field in items.iter().filter(|field| field.kind.has_data()) {
                kept.insert(field.id.clone(), field.kind.empty());
            }
            for (name, given) in row {
                let Some(field) = writable(items, name) else { continue };
                let value = self.value(&field.kind, unwrap(given)?);
                let value = value.map_err(|error| match error {
                    error::FIELD_TYPE => error::SUB_FIELD_TYPE,
                    other => other,
                })?;
                kept.insert(field.id.clone(), value);
            }
            rows.push(kept.into());
        }
        Ok(Value::Array(rows))
    }

    fn value(&self, kind: &Kind, given: &Value) -> Result<Value, ApiError> {
        if given.is_null() {
            return Ok(kind.empty());
        }
        let value = match kind {
            Kind::Text | Kind::Textarea | Kind::Radiogroup | Kind::Combo | Kind::Lookup => {
                given.as_str().map(Value::from)
            }
            Kind::Number => number(given),
            Kind::Datetime => datetime(given),
            Kind::Checkboxgroup | Kind::Combocheck => {
                list(given, |item| item.as_str().map(Value::from).ok_or(error::FIELD_TYPE))?
            }
            Kind::Address => given.as_object().and_then(address),
            Kind::Location => given.as_object().and_then(location),
            Kind::Image => list(given, |item| self.file(item, "image.jpg", "image/jpeg"))?,
            Kind::Upload => list(given, |item| self.file(item, "file.pdf", "application/pdf"))?,
            Kind::User => Some(self.member(given)?),
            Kind::Usergroup => list(given, |item| self.member(item))?,
            Kind::Dept => Some(self.department(given)?),
            Kind::Deptgroup => list(given, |item| self.department(item))?,
            Kind::Phone => phone(given),
            Kind::Richtext => given.as_str().map(|html| self.rich_text(html)).transpose()?,
            Kind::Sn
            | Kind::Signature
            | Kind::Subform(_)
            | Kind::Linkdata
            | Kind::Aggregation
            | Kind::Divider
            | Kind::Query => None,
        };
        value.ok_or(error::FIELD_TYPE)
    }

    /// A member by username, in version 1 by id. That an unknown one is an error is a guess.
    fn member(&self, given: &Value) -> Result<Value, ApiError> {
        let name = given.as_str().ok_or(error::FIELD_TYPE)?;
        let by_id = self.dialect.people_have_ids;
        let member = if by_id { Member::with_id(name) } else { Member::named(name) };
        member.map(Member::json).ok_or(error::NO_MEMBER)
    }

    /// A department by number, in version 1 by id.
    fn department(&self, given: &Value) -> Result<Value, ApiError> {
        let department = if self.dialect.people_have_ids {
            Department::with_id(given.as_str().ok_or(error::FIELD_TYPE)?)
        } else {
            Department::numbered(given.as_u64().ok_or(error::FIELD_TYPE)?)
        };
        department.map(Department::json).ok_or(error::NO_DEPARTMENT)
    }

    /// A file by the key that its upload answered with, plain or as `{"key": ..}`. What was uploaded
    /// is unknown here, as uploads go to another host.
    fn file(&self, given: &Value, name: &str, mime: &str) -> Result<Value, ApiError> {
        let key = given.get("key").unwrap_or(given).as_str().ok_or(error::FIELD_TYPE)?;
        self.files?;
        let url =
            format!("https://files.example.com/{key}?attname={name}&e=1779872399&token=IAM-{key}");
        Ok(json!({"name": name, "size": 262_144, "mime": mime, "url": url}))
    }

    /// Pictures are named by `data-key`; answers have their URL instead.
    fn rich_text(&self, html: &str) -> Result<Value, ApiError> {
        let mut parts = html.split("data-key=\"");
        let mut shown = parts.next().unwrap_or_default().to_owned();
        let mut attachments = Vec::new();
        for part in parts {
            let (key, rest) = part.split_once('"').ok_or(error::FIELD_TYPE)?;
            let file = self.file(&key.into(), "image.png", "image/png")?;
            shown.push_str(&format!("src={}{rest}", file["url"]));
            attachments.push(file);
        }
        Ok(json!({"html": shown, "attachments": attachments}))
    }
}

/// A time in one of the forms that the API takes, as it is kept; the years before 1970 are missing.
pub fn datetime(given: &Value) -> Option<Value> {
    /// The last millisecond of the year 9999.
    const LAST: u64 = 253_402_300_799_999;
    let time = match given {
        Value::String(text) if text.len() == "2021-10-10".len() => {
            humantime::parse_rfc3339_weak(&format!("{text} 00:00:00")).ok()?
        }
        Value::String(text) => humantime::parse_rfc3339_weak(text).ok()?,
        other => {
            UNIX_EPOCH + Duration::from_millis(other.as_u64().filter(|millis| *millis <= LAST)?)
        }
    };
    Some(timestamp(time))
}

/// A time as the API writes it: UTC, with milliseconds.
pub fn timestamp(time: SystemTime) -> Value {
    humantime::format_rfc3339_millis(time).to_string().into()
}

/// A number as the platform, which keeps doubles, gives it back: `1.0` comes as `1`.
fn number(given: &Value) -> Option<Value> {
    let number = given.as_f64()?;
    let is_whole = number.fract() == 0.0 && number.abs() < 1e18;
    Some(if is_whole { json!(number as i64) } else { json!(number) })
}

fn list(
    given: &Value,
    item: impl Fn(&Value) -> Result<Value, ApiError>,
) -> Result<Option<Value>, ApiError> {
    let Some(items) = given.as_array() else { return Ok(None) };
    items.iter().map(item).collect::<Result<_, _>>().map(Some)
}

fn address(given: &Map<String, Value>) -> Option<Value> {
    let mut address = Map::new();
    for part in ["province", "city", "district", "detail"] {
        let text =
            given.get(part).filter(|text| !text.is_null()).map_or(Some(""), Value::as_str)?;
        address.insert(part.to_owned(), text.into());
    }
    let is_empty = address.values().all(|part| part == "");
    Some(if is_empty { json!({}) } else { address.into() })
}

fn location(given: &Map<String, Value>) -> Option<Value> {
    let mut location = address(given)?;
    if let Some(place) = given.get("lnglatXY") {
        let numbers = place.as_array().filter(|both| both.len() == 2)?;
        location["lnglatXY"] = numbers.iter().map(number).collect::<Option<_>>()?;
    }
    Some(location)
}

fn phone(given: &Value) -> Option<Value> {
    let number = given.get("phone")?.as_str()?;
    Some(if number.is_empty() { Value::Null } else { json!({"phone": number, "verified": false}) })
}

fn writable<'a>(fields: &'a [Field], name: &str) -> Option<&'a Field> {
    fields.iter().find(|field| field.is_called(name)).filter(|field| field.kind.is_writable())
}

fn unwrap(given: &Value) -> Result<&Value, ApiError> {
    given.get("value").ok_or(error::PARAMETERS)
}
