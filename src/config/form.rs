//! `forms:` of the configuration.

use super::read::Field;
use crate::form::{Alias, Field as FormField, FieldType, Fields, Form, FormKey, Forms, Source};

pub(super) fn forms(list: &Field<'_>) -> Forms {
    let mut forms = Forms::default();
    for item in list.items() {
        let Some((key, form)) = form(&item, Source::Config) else {
            continue;
        };
        if forms.add(key, form).is_err() {
            item.fault("this form (app_id and entry_id) was described before; describe it once");
        }
    }
    forms
}

pub(super) fn form(field: &Field<'_>, source: Source) -> Option<(FormKey, Form)> {
    let members = field.object(&["app_id", "entry_id", "name", "aliases_in_api", "fields"])?;
    let required = |name| members.require(name, field).and_then(Field::name);
    let (app_id, entry_id) = (required("app_id"), required("entry_id"));
    let form = Form {
        aliases_in_api: members.get("aliases_in_api").and_then(Field::flag),
        name: members.get("name").and_then(Field::name).map(Into::into),
        fields: members.get("fields").map(|list| fields(list, source)).unwrap_or_default(),
        source,
    };
    let key = FormKey { app_id: app_id?.into(), entry_id: entry_id?.into() };
    Some((key, form))
}

/// Adds a fault to each form whose aliases callers of the API may use, as the API is not known.
pub(super) fn refuse_aliases(list: &Field<'_>) {
    for flag in list.items().iter().filter_map(|form| form.member("aliases_in_api")) {
        if flag.is_true() {
            flag.wrong("needs a `platform` whose API is known; give that");
        }
    }
}

/// `{app_id, entry_id}`, as a webhook names a form.
pub(super) fn key(field: &Field<'_>) -> Option<FormKey> {
    let members = field.object(&["app_id", "entry_id"])?;
    let required = |name| members.require(name, field).and_then(Field::name);
    let (app_id, entry_id) = (required("app_id"), required("entry_id"));
    Some(FormKey { app_id: app_id?.into(), entry_id: entry_id?.into() })
}

fn fields(list: &Field<'_>, source: Source) -> Fields {
    let fields = list.items().iter().filter_map(|item| one_field(item, source)).collect();
    Fields::new(fields).unwrap_or_else(|errors| {
        errors.iter().for_each(|error| list.fault(error));
        Fields::default()
    })
}

fn one_field(field: &Field<'_>, source: Source) -> Option<FormField> {
    let members = field.object(&["id", "alias", "type", "label", "items"])?;
    let id = members.require("id", field).and_then(Field::name);
    let alias = members.get("alias").and_then(|alias| alias.parsed(Alias::parse));
    // To be called as it is called already is no alias.
    let alias = alias.filter(|alias| id.as_deref() != Some(alias.as_str()));
    let field_type = members.get("type").and_then(|field_type| {
        field_type.parsed(|name| FieldType::parse(name).ok_or_else(unknown_type))
    });
    let label = members.get("label").and_then(Field::text);
    let items = members.get("items");
    if let Some(items) = items
        && !field_type.is_some_and(FieldType::has_rows)
    {
        items.fault("only a field of type subform has items");
    }
    Some(FormField {
        alias,
        field_type,
        label: label.map(Into::into),
        rows: items.map(|items| fields(items, source)).unwrap_or_default(),
        ..FormField::new(id?.into(), source)
    })
}

fn unknown_type() -> String {
    let names = FieldType::WITH_DATA.into_iter().chain(FieldType::WITHOUT_DATA);
    let names: Vec<_> = names.collect();
    format!("must be one of {}", names.join(", "))
}
