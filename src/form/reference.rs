//! What receivers are written by: a table of a form's fields, and examples of their values.
//!
//! The types, and what each is in JSON, are the platform's ("Field Comparison Table", and the
//! field types of its open API).

use super::{Field, Fields, Form, FormKey};
use crate::json::Builder;

/// What the platform says of a field type.
struct Described {
    /// Its names in the API.
    types: &'static [&'static str],
    /// What its values are in JSON.
    json_type: &'static str,
    /// What a reader of values has to know.
    description: &'static str,
    /// A value, as JSON.
    example: &'static str,
}

const FILE: &str = r#"{"mime":"image/png","name":"image.png","size":262144,"url":"https://files.example.com/image.png"}"#;
const FILES: &str = r#"[{"mime":"application/pdf","name":"manual.pdf","size":524288,"url":"https://files.example.com/manual.pdf"}]"#;
const MEMBER: &str = r#"{"name":"Ada","status":1,"type":0,"username":"ada"}"#;
const DEPARTMENT: &str = r#"{"dept_no":1,"name":"Sales","type":0}"#;
const STATUS: &str = "status: -1 inactive, 0 pending, 1 active; type: 0 internal, 2 external";

const TYPES: [Described; 21] = [
    described(&["text"], "string", "Single line; may be \"\" or null", r#""Ada""#),
    described(&["textarea"], "string", "Several lines; may be \"\" or null", r#""First\nSecond""#),
    described(
        &["sn"],
        "string",
        "Serial number; \"\" in records older than the field",
        r#""00001""#,
    ),
    described(&["number"], "number", "May be null", "99.5"),
    described(
        &["datetime"],
        "string",
        "UTC, RFC 3339 with milliseconds; may be null",
        r#""2018-01-01T10:10:10.000Z""#,
    ),
    described(&["radiogroup", "combo"], "string", "One choice; may be \"\"", r#""Choice 1""#),
    described(
        &["checkboxgroup", "combocheck"],
        "array",
        "Choices, each a string; may be []",
        r#"["Choice 1","Choice 2"]"#,
    ),
    described(
        &["address"],
        "object",
        "province, city, district, detail; may be {}",
        r#"{"city":"Wuxi","detail":"138 Qingyang Road","district":"Liangxi","province":"Jiangsu"}"#,
    ),
    described(
        &["location"],
        "object",
        "An address and lnglatXY: longitude, latitude; may be {}",
        r#"{"city":"Wuxi","detail":"138 Qingyang Road","district":"Liangxi","lnglatXY":[120.31237,31.49099],"province":"Jiangsu"}"#,
    ),
    described(
        &["image", "upload"],
        "array",
        "Files: name, size, mime, url; the url expires in 15 days; may be []",
        FILES,
    ),
    described(
        &["signature"],
        "object",
        "A file: name, size, mime, url; the url expires in 15 days; may be {}",
        FILE,
    ),
    described(&["subform"], "array", "Rows, each an object with _id; may be []", "[]"),
    described(
        &["linkdata"],
        "object",
        "The id of a record of another form; may be {}",
        r#"{"id":"5b28effa49b561455dfda91e"}"#,
    ),
    described(
        &["lookup"],
        "string",
        "The id of a record of another form",
        r#""67221b4fac0a62ac8f43a1c2""#,
    ),
    described(&["user"], "object", STATUS, MEMBER),
    described(
        &["usergroup"],
        "array",
        STATUS,
        r#"[{"name":"Ada","status":1,"type":0,"username":"ada"}]"#,
    ),
    described(&["dept"], "object", "name, dept_no, type; may be null", DEPARTMENT),
    described(
        &["deptgroup"],
        "array",
        "Departments: name, dept_no, type; may be []",
        r#"[{"dept_no":1,"name":"Sales","type":0}]"#,
    ),
    described(
        &["phone"],
        "object",
        "phone, verified; may be null",
        r#"{"phone":"15852540044","verified":false}"#,
    ),
    described(&["aggregation"], "number, string", "What is computed of other records", "3"),
    described(
        &["richtext"],
        "object",
        "html, attachments",
        r#"{"attachments":[],"html":"<p>Hello</p>"}"#,
    ),
];

const fn described(
    types: &'static [&'static str],
    json_type: &'static str,
    description: &'static str,
    example: &'static str,
) -> Described {
    Described { types, json_type, description, example }
}

/// Of a field whose type is not known.
const UNKNOWN: Described = described(&[], "", "The type is not known", "null");

fn of(field: &Field) -> &'static Described {
    let name = field.field_type.map(super::FieldType::name);
    let described = TYPES.iter().find(|known| name.is_some_and(|name| known.types.contains(&name)));
    described.unwrap_or(&UNKNOWN)
}

/// The members that every record has beside its fields: name, JSON type, description, example.
const SYSTEM: [(&str, &str, &str, &str); 11] = [
    ("_id", "string", "The record's id", r#""59e9a2fe283ffa7c11b1ddbf""#),
    ("appId", "string", "The app's id", ""),
    ("entryId", "string", "The form's id", ""),
    ("formName", "string", "The form's name; null if it is not known", ""),
    ("creator", "object", STATUS, MEMBER),
    ("updater", "object", STATUS, MEMBER),
    ("deleter", "object", "Who deleted the record; null in every other push", ""),
    ("createTime", "string", "UTC, RFC 3339 with milliseconds", r#""2017-10-20T22:41:51.430Z""#),
    ("updateTime", "string", "UTC, RFC 3339 with milliseconds", r#""2017-10-20T22:41:51.430Z""#),
    ("deleteTime", "string", "UTC, RFC 3339 with milliseconds; null in every other push", ""),
    (
        "flowState",
        "number",
        "Workflow: 0 in progress, 1 done, 2 closed by hand, 3 rejected; null without one",
        "",
    ),
];

/// A row of the field comparison table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row<'f> {
    /// The field's id; of a field in a sub-form, the sub-form's id and its own, with a dot between.
    pub id: String,
    /// Its alias.
    pub alias: Option<&'f str>,
    /// What people call it.
    pub label: Option<&'f str>,
    /// The platform's name of its type, `system` for what every record has, or empty.
    pub field_type: &'static str,
    /// What its values are in JSON.
    pub json_type: &'static str,
    /// What a reader of values has to know.
    pub description: &'static str,
}

/// The field comparison table: every field that is pushed, and what every record has beside them.
pub fn comparison(form: &Form) -> Vec<Row<'_>> {
    let mut rows = Vec::new();
    add_fields(&mut rows, "", &form.fields);
    rows.extend(SYSTEM.iter().map(|(name, json_type, description, _)| Row {
        id: (*name).to_owned(),
        alias: None,
        label: None,
        field_type: "system",
        json_type,
        description,
    }));
    rows
}

fn add_fields<'f>(rows: &mut Vec<Row<'f>>, before: &str, fields: &'f Fields) {
    for field in fields.iter().filter(|field| field.is_pushed()) {
        let id = format!("{before}{}", field.id);
        let Described { json_type, description, .. } = of(field);
        rows.push(Row {
            alias: field.alias_text(),
            label: field.label.as_deref(),
            field_type: field.field_type.map_or("", super::FieldType::name),
            json_type,
            description,
            id: id.clone(),
        });
        add_fields(rows, &format!("{id}."), &field.rows);
    }
}

/// A record of the form as the platform's API answers it, with a value for each field.
pub fn example_record(key: &FormKey, form: &Form) -> Vec<u8> {
    let mut json = Builder::new();
    json.open(b'{');
    json.name("appId").text(&key.app_id).name("entryId").text(&key.entry_id);
    for (name, _, _, example) in SYSTEM.iter().filter(|(.., example)| !example.is_empty()) {
        json.name(name).raw(example);
    }
    example_fields(&mut json, &form.fields);
    json.close(b'}');
    json.finish()
}

fn example_fields(json: &mut Builder, fields: &Fields) {
    for field in fields.iter() {
        json.name(&field.id);
        if field.field_type.is_some_and(super::FieldType::has_rows) {
            json.open(b'[').open(b'{').name("_id").text("604ed0298e2ade077c7245f1");
            example_fields(json, &field.rows);
            json.close(b'}').close(b']');
        } else {
            json.raw(of(field).example);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Alias, FieldType, Source, testing};
    use super::*;
    use serde_json::Value;

    fn field(id: &str, field_type: Option<&str>, rows: Vec<Field>) -> Field {
        let field_type = field_type.map(|name| FieldType::parse(name).unwrap());
        Field { field_type, rows: Fields::new(rows).unwrap(), ..testing::field(id, None) }
    }

    fn form(fields: Vec<Field>) -> Form {
        Form {
            name: None,
            fields: Fields::new(fields).unwrap(),
            aliases_in_api: None,
            source: Source::Config,
        }
    }

    fn json_type(value: &Value) -> &'static str {
        match value {
            Value::String(_) => "string",
            Value::Number(_) => "number",
            Value::Array(_) => "array",
            Value::Object(_) => "object",
            _ => "",
        }
    }

    #[test]
    fn every_type_has_its_line_and_an_example_of_its_json_type() {
        let key = FormKey { app_id: "a".into(), entry_id: "e".into() };
        let fields = FieldType::WITH_DATA.map(|name| field(name, Some(name), Vec::new()));
        let form = form(fields.into());
        let record: Value = serde_json::from_slice(&example_record(&key, &form)).unwrap();
        for row in comparison(&form).iter().filter(|row| row.field_type != "system") {
            assert!(!row.description.is_empty() && !row.json_type.is_empty(), "{row:?}");
            let example = json_type(&record[&row.id]);
            assert!(row.json_type.split(", ").any(|one| one == example), "{row:?}");
        }
    }

    #[test]
    fn sub_forms_come_with_their_fields_and_layout_does_not_come() {
        let mut sku = field("s", Some("text"), Vec::new());
        sku.alias = Some(Alias::parse("sku").unwrap());
        sku.label = Some("SKU".into());
        let form = form(vec![
            field("d", Some("divider"), Vec::new()),
            field("i", Some("subform"), vec![sku]),
            field("u", None, Vec::new()),
        ]);
        let rows = comparison(&form);
        let shown: Vec<_> = rows.iter().map(|row| (&*row.id, row.field_type)).collect();
        assert_eq!(shown[..4], [("i", "subform"), ("i.s", "text"), ("u", ""), ("_id", "system")]);
        assert_eq!((rows[1].alias, rows[1].label), (Some("sku"), Some("SKU")));
        assert_eq!(rows.len(), 3 + SYSTEM.len());
    }
}
