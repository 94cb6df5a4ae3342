//! Forms: their names, fields and aliases, and what receivers are written by.

use super::answer::{Answer, Problem};
use super::request::Parameters;
use super::{Context, keep, tables};
use crate::capture::{Event, Op};
use crate::config::{Fault, parse_form};
use crate::form::{self, Field, FieldType, Fields, Form, FormKey, Row, Schema, Source};
use crate::host::Host;
use crate::json::{Builder, Document, Kind, Value};
use crate::payload::{form_update, payload};

/// How many forms can be described at run time.
const MAX_FORMS: usize = 500;

/// All that can be described at run time, in bytes.
const MAX_BYTES: usize = 4 * 1024 * 1024;

fn source(source: Source) -> &'static str {
    match source {
        Source::Config => "config",
        Source::Api => "api",
        Source::Both => "both",
        Source::Learned => "learned",
    }
}

fn find<'a, H>(context: &Context<'a, H>, key: &FormKey) -> Result<&'a Form, Problem> {
    let found = context.view.in_force.forms.get(key);
    found.ok_or_else(|| {
        Problem::new(404, "This form is not known; describe it with PUT, or in the configuration.")
    })
}

pub(super) fn list<H: Host>(context: &mut Context<'_, H>) -> Answer {
    let mut json = Builder::new();
    json.open(b'{').name("items").open(b'[');
    for (key, form) in context.view.in_force.forms.iter() {
        let (mut fields, mut aliases) = (0, 0);
        count(&form.fields, &mut fields, &mut aliases);
        json.open(b'{').name("app_id").text(&key.app_id).name("entry_id").text(&key.entry_id);
        json.name("name").maybe(form.name.as_deref()).name("source").text(source(form.source));
        json.name("fields").number(fields).name("aliases").number(aliases).close(b'}');
    }
    json.close(b']').close(b'}');
    Answer::json(json)
}

fn count(fields: &Fields, all: &mut u64, aliased: &mut u64) {
    for field in fields.iter() {
        *all = all.saturating_add(1);
        *aliased = aliased.saturating_add(field.alias.is_some().into());
        count(&field.rows, all, aliased);
    }
}

pub(super) fn get<H: Host>(context: &mut Context<'_, H>, key: &FormKey) -> Result<Answer, Problem> {
    let form = find(context, key)?;
    let mut json = Builder::new();
    write(&mut json, key, form, context.view.additions.form(key));
    Ok(Answer::json(json))
}

fn write(json: &mut Builder, key: &FormKey, form: &Form, set: Option<&str>) {
    json.open(b'{').name("app_id").text(&key.app_id).name("entry_id").text(&key.entry_id);
    json.name("name").maybe(form.name.as_deref()).name("source").text(source(form.source));
    json.name("aliases_in_api").flag(form.speaks_aliases());
    write_fields(json.name("fields"), &form.fields);
    json.name("set").raw(set.unwrap_or("null"));
    json.close(b'}');
}

fn write_fields(json: &mut Builder, fields: &Fields) {
    json.open(b'[');
    for field in fields.iter() {
        json.open(b'{').name("id").text(&field.id);
        json.name("alias").maybe(field.alias_text());
        json.name("type").maybe(field.field_type.map(FieldType::name));
        json.name("label").maybe(field.label.as_deref());
        json.name("source").text(source(field.source));
        write_fields(json.name("items"), &field.rows);
        json.close(b'}');
    }
    json.close(b']');
}

pub(super) fn set<H: Host>(context: &mut Context<'_, H>, key: FormKey) -> Result<Answer, Problem> {
    let configured = context.view.config.forms.get(&key);
    let (form, text) = context.request.with_object(|body| checked(&key, body, configured))?;
    context.store.set(context.host, &mut |additions| {
        additions.set_form(key.clone(), text.as_str().into());
        let bytes: usize = additions.forms.iter().map(|(_, text)| text.len()).sum();
        if additions.forms.len() > MAX_FORMS || bytes > MAX_BYTES {
            let detail = format!(
                "There is no room: at most {MAX_FORMS} forms and {MAX_BYTES} bytes can be described here. Reset one, or use the gateway's configuration."
            );
            return Err(Problem::new(409, detail));
        }
        Ok(())
    })?;
    let mut json = Builder::new();
    write(json.open(b'{').name("form"), &key, &form, Some(&text));
    keep::write(&mut json, &context.view.additions, "forms", &text, context.store.is_shared());
    json.close(b'}');
    Ok(Answer::json(json))
}

/// Reads a description; with what the configuration says of the form it must make sense. The form
/// that comes of both, and the description's text.
fn checked(
    key: &FormKey,
    body: Value<'_>,
    configured: Option<&Form>,
) -> Result<(Form, String), Problem> {
    let mut faults = Vec::new();
    let mut json = Builder::new();
    json.open(b'{').name("app_id").text(&key.app_id).name("entry_id").text(&key.entry_id);
    let mut has_fields = false;
    for (name, value) in body.members() {
        let name = name.decode().unwrap_or_default();
        has_fields |= name == "fields";
        if name == "app_id" || name == "entry_id" {
            faults
                .push(fault(&name, "unknown member; known here are name, aliases_in_api, fields"));
        } else if value.kind() != Kind::Null || name == "fields" {
            without_nulls(json.name(&name), value);
        }
    }
    json.close(b'}');
    if !has_fields {
        faults.push(fault("fields", "is required"));
    }
    if !faults.is_empty() {
        return Err(Problem::faults(faults));
    }
    let text = json.into_text();
    let (_, form) = parse_form(text.as_bytes()).map_err(Problem::faults)?;
    let Some(configured) = configured else {
        return Ok((form, text));
    };
    if let (Some(name), Some(known)) = (&form.name, &configured.name)
        && name != known
    {
        faults.push(fault("name", &given("name", known)));
    }
    if let (Some(new), Some(known)) = (form.aliases_in_api, configured.aliases_in_api)
        && new != known
    {
        faults.push(fault("aliases_in_api", &given("value", &known.to_string())));
    }
    differences(&form.fields, &configured.fields, "fields", &mut faults);
    if !faults.is_empty() {
        return Err(Problem::faults(faults));
    }
    let both = configured.completed_by(&form).map_err(|errors| {
        Problem::faults(errors.iter().map(|error| fault("fields", &error.to_string())).collect())
    })?;
    Ok((both, text))
}

fn fault(path: &str, message: &str) -> Fault {
    Fault { path: path.to_owned(), message: message.to_owned() }
}

fn given(what: &str, known: &str) -> String {
    format!("the gateway's configuration gives the {what} \"{known}\"; change it there")
}

/// Where a description says something else than the configuration.
fn differences(new: &Fields, configured: &Fields, path: &str, faults: &mut Vec<Fault>) {
    for (position, field) in new.iter().enumerate() {
        let Some(known) = configured.by_id(&field.id) else { continue };
        let path = format!("{path}[{position}]");
        let mut check = |what: &str, new: Option<&str>, known: Option<&str>| {
            if let (Some(new), Some(known)) = (new, known)
                && new != known
            {
                faults.push(fault(&format!("{path}.{what}"), &given(what, known)));
            }
        };
        check("alias", field.alias_text(), known.alias_text());
        let name = |field: &Field| field.field_type.map(FieldType::name);
        check("type", name(field), name(known));
        check("label", field.label.as_deref(), known.label.as_deref());
        differences(&field.rows, &known.rows, &format!("{path}.items"), faults);
    }
}

/// The value without members that are `null`: to say nothing and to say `null` is the same.
fn without_nulls(json: &mut Builder, value: Value<'_>) {
    match value.kind() {
        Kind::Object => {
            json.open(b'{');
            for (name, value) in value.members().filter(|(_, value)| value.kind() != Kind::Null) {
                without_nulls(json.name(&name.decode().unwrap_or_default()), value);
            }
            json.close(b'}');
        }
        Kind::Array => {
            json.open(b'[');
            value.items().for_each(|item| without_nulls(json, item));
            json.close(b']');
        }
        _ => {
            json.raw(value.raw());
        }
    }
}

pub(super) fn reset<H: Host>(
    context: &mut Context<'_, H>,
    key: &FormKey,
) -> Result<Answer, Problem> {
    let removed =
        context.store.set(context.host, &mut |additions| match additions.remove_form(key) {
            true => Ok(()),
            false => Err(Problem::new(404, "Nothing was set here for this form.")),
        });
    removed.map(|()| Answer::nothing())
}

#[derive(Clone, Copy)]
enum Format {
    Json,
    Csv,
    Markdown,
}

pub(super) fn comparison<H: Host>(
    context: &mut Context<'_, H>,
    key: &FormKey,
    parameters: &Parameters,
) -> Result<Answer, Problem> {
    let formats = [("json", Format::Json), ("csv", Format::Csv), ("markdown", Format::Markdown)];
    let format = parameters.choice("format", &formats)?;
    let rows = form::comparison(find(context, key)?);
    Ok(match format.unwrap_or(Format::Json) {
        Format::Json => Answer::json(json_table(&rows)),
        Format::Csv => {
            let (of, name) = ("text/csv; charset=utf-8", r#"attachment; filename="fields.csv""#);
            Answer::file(of, name, tables::csv(&rows))
        }
        Format::Markdown => {
            let (of, name) =
                ("text/markdown; charset=utf-8", r#"attachment; filename="fields.md""#);
            Answer::file(of, name, tables::markdown(&rows))
        }
    })
}

fn json_table(rows: &[Row<'_>]) -> Builder {
    let mut json = Builder::new();
    json.open(b'{').name("items").open(b'[');
    for row in rows {
        json.open(b'{').name("id").text(&row.id).name("alias").maybe(row.alias);
        json.name("label").maybe(row.label).name("type").text(row.field_type);
        json.name("json_type").text(row.json_type);
        json.name("description").text(row.description).close(b'}');
    }
    json.close(b']').close(b'}');
    json
}

pub(super) fn example<H: Host>(
    context: &mut Context<'_, H>,
    key: &FormKey,
    parameters: &Parameters,
) -> Result<Answer, Problem> {
    let ops = Op::ALL.map(|op| (op.name(), op));
    let op = parameters.choice("op", &ops)?.unwrap_or(Op::Create);
    let form = find(context, key)?;
    if op == Op::FormUpdate {
        let body = form_update(key, Some(form), &Schema::of(form), context.host.now());
        return Ok(Answer::of_type("application/json", body));
    }
    let record = form::example_record(key, form);
    let document = Document::parse(&record)
        .map_err(|error| Problem::new(503, format!("The example is not JSON: {error}.")))?;
    let event = Event {
        op,
        form: key.clone(),
        record_id: "59e9a2fe283ffa7c11b1ddbf".into(),
        record: (op != Op::Remove).then(|| document.root()),
        actor: None,
        time: context.host.now(),
    };
    Ok(Answer::of_type("application/json", payload(&event, Some(form), None)))
}
