//! What the platform itself says of a form: its name, and its fields as `widget/list` lists them.
//!
//! It tells what is new in it, and knows neither who asked the platform nor who hears of it.

use super::{Alias, Field, FieldType, Fields, Form, FormKey, Source};
use crate::json::{Builder, Document, Kind, Value};
use crate::order::in_order;
use std::cmp::Ordering;

/// The largest description that is kept, in bytes: some 4,000 fields.
pub const MAX_SCHEMA_BYTES: usize = 512 * 1024;

/// A field as the platform lists it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Widget {
    /// The platform's alias, or the id.
    pub name: Box<str>,
    /// The id. Not every version of the API says it.
    pub id: Option<Box<str>>,
    /// What people call it.
    pub label: Option<Box<str>>,
    /// Its type.
    pub kind: Option<Box<str>>,
    /// The fields of its rows, if it is a sub-form.
    pub items: Option<Vec<Widget>>,
}

/// What an answer of the platform teaches about a form.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Lesson {
    /// That there is such a form.
    Seen,
    /// Its name.
    Name(Box<str>),
    /// Its fields.
    Widgets(Vec<Widget>),
}

/// What is known of a form from the platform.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Schema {
    /// Its name.
    pub name: Option<Box<str>>,
    /// Its fields.
    pub widgets: Option<Vec<Widget>>,
}

/// Reads an answer of `widget/list`; `None` for another one.
pub fn widgets(answer: Value<'_>) -> Option<Vec<Widget>> {
    list(answer.get("widgets")?)
}

/// Reads an answer of `app/entry/list`: names of forms.
pub fn names(answer: Value<'_>) -> Vec<(FormKey, Lesson)> {
    let name_of = |form: Value<'_>| {
        let text = |name| form.get(name)?.as_str().filter(|text| !text.is_empty());
        let (app_id, entry_id) = (text("app_id")?.into(), text("entry_id")?.into());
        Some((FormKey { app_id, entry_id }, Lesson::Name(text("name")?.into())))
    };
    answer.get("forms").iter().flat_map(Value::items).filter_map(name_of).collect()
}

fn list(value: Value<'_>) -> Option<Vec<Widget>> {
    if value.kind() != Kind::Array {
        return None;
    }
    let widget = |value: Value<'_>| {
        let text = |name| Some(value.get(name)?.as_str()?.into());
        Some(Widget {
            name: text("name").or_else(|| text("widgetName"))?,
            id: text("widgetName"),
            label: text("label"),
            kind: text("type"),
            items: value.get("items").and_then(list),
        })
    };
    Some(value.items().filter_map(widget).collect())
}

impl Widget {
    /// Its id; where only an alias was told, that.
    pub fn field_id(&self) -> &str {
        self.id.as_deref().unwrap_or(&self.name)
    }

    /// Its type, if it is one of the platform's.
    pub fn field_type(&self) -> Option<FieldType> {
        self.kind.as_deref().and_then(FieldType::parse)
    }

    /// Whether nothing that both descriptions say differs.
    fn is_like(&self, other: &Widget) -> bool {
        let ids = self.id.as_ref().zip(other.id.as_ref());
        ids.is_none_or(|(a, b)| a == b)
            && (&self.name, &self.label, &self.kind) == (&other.name, &other.label, &other.kind)
            && match (&self.items, &other.items) {
                (Some(a), Some(b)) => are_alike(a, b),
                (a, b) => a.as_deref().or(b.as_deref()).is_none_or(<[Widget]>::is_empty),
            }
    }
}

/// Whether two lists have the same fields, in whichever order.
fn are_alike(a: &[Widget], b: &[Widget]) -> bool {
    let by_name = |list: &[Widget]| {
        in_order(list.len(), &|a, b| match (list.get(a), list.get(b)) {
            (Some(a), Some(b)) => a.name.cmp(&b.name),
            _ => Ordering::Equal,
        })
    };
    let mut pairs = by_name(a).into_iter().zip(by_name(b));
    a.len() == b.len()
        && pairs.all(|(at, by)| a.get(at).zip(b.get(by)).is_some_and(|(a, b)| a.is_like(b)))
}

/// Whether every field has its id.
fn have_ids(list: &[Widget]) -> bool {
    let has = |widget: &Widget| widget.id.is_some() && widget.items.as_deref().is_none_or(have_ids);
    list.iter().all(has)
}

impl Schema {
    /// What is known after a lesson; `None` if it taught nothing.
    pub fn after(&self, lesson: &Lesson) -> Option<Schema> {
        match (lesson, &self.widgets) {
            (Lesson::Seen, _) => None,
            (Lesson::Name(name), _) => {
                let name = Some(name.clone());
                (self.name != name).then(|| Schema { name, widgets: self.widgets.clone() })
            }
            // An older version of the API leaves ids out. What it says is taken for what is known,
            // if that may be.
            (Lesson::Widgets(new), Some(known))
                if are_alike(known, new) && (have_ids(known) || !have_ids(new)) =>
            {
                None
            }
            (Lesson::Widgets(new), _) => {
                Some(Schema { name: self.name.clone(), widgets: Some(new.clone()) })
            }
        }
    }

    /// Whether what a lesson is about is known already.
    pub fn knows(&self, lesson: &Lesson) -> bool {
        match lesson {
            Lesson::Seen => true,
            Lesson::Name(_) => self.name.is_some(),
            Lesson::Widgets(_) => self.widgets.is_some(),
        }
    }

    /// Whether the form's structure or its name is another one than it was, and all of it is known.
    /// What is seen for the first time is what later ones are compared with.
    pub fn differs_from(&self, before: &Schema) -> bool {
        let Some((old, new)) = before.widgets.as_ref().zip(self.widgets.as_ref()) else {
            return false;
        };
        before.name.is_some() && before.name != self.name || !are_alike(old, new)
    }

    /// A description of a form that is known, whoever described it.
    pub fn of(form: &Form) -> Self {
        Schema { name: form.name.clone(), widgets: Some(widgets_of(&form.fields)) }
    }

    /// Its fields.
    pub fn fields(&self) -> Vec<Field> {
        self.widgets.as_deref().map(fields).unwrap_or_default()
    }

    /// It as JSON text.
    pub fn encode(&self) -> String {
        let mut json = Builder::new();
        json.open(b'{').name("name").maybe(self.name.as_deref());
        if let Some(widgets) = &self.widgets {
            write(json.name("widgets"), widgets);
        }
        json.close(b'}');
        json.into_text()
    }

    /// Reads what [`Schema::encode`] wrote; `None` for what is none.
    pub fn decode(text: &str) -> Option<Self> {
        let document = Document::parse(text.as_bytes()).ok()?;
        let root = document.root();
        let name = root.get("name")?.as_str().map(Into::into);
        Some(Schema { name, widgets: root.get("widgets").and_then(list) })
    }
}

fn widgets_of(fields: &Fields) -> Vec<Widget> {
    let widget = |field: &Field| Widget {
        name: field.alias_text().unwrap_or(&field.id).into(),
        id: Some(field.id.clone()),
        label: field.label.clone(),
        kind: field.field_type.map(|kind| kind.name().into()),
        items: field.field_type.is_some_and(FieldType::has_rows).then(|| widgets_of(&field.rows)),
    };
    fields.iter().map(widget).collect()
}

fn write(json: &mut Builder, widgets: &[Widget]) {
    json.open(b'[');
    for widget in widgets {
        json.open(b'{').name("name").text(&widget.name);
        let others = [("widgetName", &widget.id), ("label", &widget.label), ("type", &widget.kind)];
        for (name, value) in others {
            if let Some(value) = value {
                json.name(name).text(value);
            }
        }
        if let Some(items) = &widget.items {
            write(json.name("items"), items);
        }
        json.close(b'}');
    }
    json.close(b']');
}

fn fields(widgets: &[Widget]) -> Vec<Field> {
    let field = |widget: &Widget| Field {
        alias: match *widget.name == *widget.field_id() {
            true => None,
            false => Alias::parse(&widget.name).ok(),
        },
        field_type: widget.field_type(),
        label: widget.label.clone(),
        rows: Fields::default().taught(widget.items.as_deref().map(fields).unwrap_or_default()),
        ..Field::new(widget.field_id().into(), Source::Learned)
    };
    widgets.iter().map(field).collect()
}

#[cfg(test)]
mod tests {
    use super::super::{FieldsError, testing};
    use super::*;
    use crate::json::Text;
    use proptest::prelude::*;

    fn read(json: &str) -> Vec<Widget> {
        let document = Document::parse(json.as_bytes()).unwrap();
        widgets(document.root()).unwrap()
    }

    fn learned(before: &Schema, json: &str) -> Option<Schema> {
        before.after(&Lesson::Widgets(read(json)))
    }

    /// The answer of the platform's documentation, abridged.
    const LIST: &str = r#"{"widgets":[
        {"name":"_widget_1","widgetName":"_widget_1","label":"Name","type":"text"},
        {"name":"items","widgetName":"_widget_2","label":"Items","type":"subform","items":[
            {"name":"_widget_3","widgetName":"_widget_3","label":"SKU","type":"text"}]}],
        "sysWidgets":[{"name":"flowState"}],"dataModifyTime":"2021-09-08T03:40:26.586Z"}"#;

    #[test]
    fn the_first_sight_is_no_difference_and_each_later_change_is_one() {
        let first = learned(&Schema::default(), LIST).unwrap();
        assert!(!first.differs_from(&Schema::default()));
        assert_eq!(learned(&first, LIST), None);
        for (old, new) in [
            (r#""label":"Name""#, r#""label":"Customer""#),
            (r#""name":"_widget_1""#, r#""name":"customer""#),
            (r#""type":"text"}]"#, r#""type":"number"}]"#),
            (r#""label":"SKU""#, r#""label":"Article""#),
            (r#""items":["#, r#""items":[{"name":"_widget_9","label":"New","type":"text"},"#),
            (r#"{"widgets":["#, r#"{"widgets":[{"name":"_widget_9","type":"text"},"#),
        ] {
            let changed = learned(&first, &LIST.replacen(old, new, 1)).unwrap();
            assert!(changed.differs_from(&first), "{new}");
            let back = learned(&changed, LIST).unwrap();
            assert!(back.differs_from(&changed), "{new}");
            assert_eq!(back, first);
        }
    }

    #[test]
    fn another_order_and_missing_ids_are_no_difference() {
        let first = learned(&Schema::default(), LIST).unwrap();
        let mut turned = read(LIST);
        turned.reverse();
        assert_eq!(first.after(&Lesson::Widgets(turned)), None);
        // As versions 1 and 2 of the API may answer.
        let mut old = read(LIST);
        for widget in &mut old {
            widget.id = None;
            widget.items.iter_mut().flatten().for_each(|item| item.id = None);
        }
        assert_eq!(first.after(&Lesson::Widgets(old.clone())), None);
        let by_old = Schema::default().after(&Lesson::Widgets(old)).unwrap();
        let completed = learned(&by_old, LIST).unwrap();
        assert!(!completed.differs_from(&by_old));
        assert_eq!(completed, first);
    }

    #[test]
    fn a_forms_name_is_learned_beside_its_fields() {
        let text = br#"{"forms":[{"name":"Orders","app_id":"a","entry_id":"e"},{"name":"x"},7]}"#;
        let document = Document::parse(text).unwrap();
        let [(key, lesson)] = names(document.root()).try_into().unwrap();
        assert_eq!((&*key.app_id, &*key.entry_id), ("a", "e"));
        let named = learned(&Schema::default(), LIST).unwrap().after(&lesson).unwrap();
        assert_eq!(named.name.as_deref(), Some("Orders"));
        assert_eq!(named.after(&lesson), None);
        assert_eq!(learned(&named, LIST), None);
    }

    #[test]
    fn a_form_that_is_renamed_is_another_one_and_its_first_name_is_none() {
        let name = |name: &str| Lesson::Name(name.into());
        let fields = learned(&Schema::default(), LIST).unwrap();
        let named = fields.after(&name("Orders")).unwrap();
        assert!(!named.differs_from(&fields));
        let renamed = named.after(&name("Sales")).unwrap();
        assert!(renamed.differs_from(&named));
        // A push tells all fields, so it waits until they are known.
        let only_named = Schema::default().after(&name("Orders")).unwrap();
        let renamed = only_named.after(&name("Sales")).unwrap();
        assert!(!renamed.differs_from(&only_named));
        let complete = learned(&renamed, LIST).unwrap();
        assert!(!complete.differs_from(&renamed));
    }

    #[test]
    fn what_the_configuration_says_counts_before_what_is_learned() {
        let schema = learned(
            &Schema::default(),
            r#"{"widgets":[
                {"name":"theirs","widgetName":"_widget_1","label":"Theirs","type":"text"},
                {"name":"ours","widgetName":"_widget_2","label":"Two","type":"number"},
                {"name":"three","widgetName":"_widget_3","type":"text"}]}"#,
        )
        .unwrap();
        let mut configured = testing::field("_widget_1", Some("ours"));
        configured.label = Some("Ours".into());
        let fields = Fields::new(vec![configured]).unwrap();
        let form = Form { fields, ..Form::from(&Schema::default()) }.taught(&schema);
        let shown: Vec<_> = form
            .fields
            .iter()
            .map(|field| (&*field.id, field.alias_text(), field.label.as_deref()))
            .collect();
        let expected = [
            ("_widget_1", Some("ours"), Some("Ours")),
            // Its alias is taken.
            ("_widget_2", None, Some("Two")),
            ("_widget_3", Some("three"), None),
        ];
        assert_eq!(shown, expected);
        // What the platform calls by its own alias is found, too.
        let found = form.fields.get(Text::plain("theirs")).unwrap();
        assert_eq!((&*found.id, found.platform_name()), ("_widget_1", "theirs"));
    }

    #[test]
    fn what_is_told_of_a_field_by_its_alias_is_learned() {
        let list = r#"{"widgets":[{"name":"items","label":"Items","type":"subform","items":[
            {"name":"_widget_3","label":"SKU","type":"text"}]}]}"#;
        let schema = learned(&Schema::default(), list).unwrap();
        let mut items = testing::field("_widget_2", Some("items"));
        items.rows = Fields::new(vec![testing::field("_widget_3", Some("sku"))]).unwrap();
        let fields = Fields::new(vec![items]).unwrap().taught(schema.fields());
        let [items] = fields.iter().collect::<Vec<_>>().try_into().unwrap();
        assert_eq!((&*items.id, items.label.as_deref()), ("_widget_2", Some("Items")));
        assert_eq!(items.field_type, FieldType::parse("subform"));
        let [sku] = items.rows.iter().collect::<Vec<_>>().try_into().unwrap();
        assert_eq!((&*sku.id, sku.alias_text()), ("_widget_3", Some("sku")));
        assert_eq!(sku.label.as_deref(), Some("SKU"));
    }

    #[test]
    fn duplicate_names_and_two_thousand_fields_make_one_form() {
        let twice = r#"{"widgets":[{"name":"a","widgetName":"_widget_1","label":"first"},
            {"name":"a","widgetName":"_widget_2"},{"name":"b","widgetName":"_widget_1"}]}"#;
        let form = Form::from(&learned(&Schema::default(), twice).unwrap());
        let ids: Vec<_> = form.fields.iter().map(|field| &*field.id).collect();
        assert_eq!(ids, ["_widget_1", "_widget_2"]);
        let again: Vec<Field> = form.fields.iter().cloned().collect();
        assert_eq!(Fields::new(again).err(), None::<Vec<FieldsError>>);
        let many: Vec<_> = (0..2000)
            .map(|n| {
                format!(r#"{{"name":"_widget_{n}","widgetName":"_widget_{n}","type":"text"}}"#)
            })
            .collect();
        let many = format!(r#"{{"widgets":[{}]}}"#, many.join(","));
        let schema = learned(&Schema::default(), &many).unwrap();
        assert!(schema.encode().len() < MAX_SCHEMA_BYTES);
        assert_eq!(Form::from(&schema).fields.iter().count(), 2000);
    }

    #[test]
    fn an_error_of_the_platform_teaches_nothing() {
        for text in [r#"{"code":8303,"msg":"x"}"#, r#"{"widgets":7}"#, "[]", "null"] {
            let document = Document::parse(text.as_bytes()).unwrap();
            assert_eq!(widgets(document.root()), None, "{text}");
            assert_eq!(names(document.root()), [], "{text}");
        }
    }

    fn widget() -> impl Strategy<Value = Widget> {
        let text = || proptest::option::of("[a-c\u{0}\u{1f600}]{1,3}".prop_map(Into::into));
        let leaf = ("[a-c_]{1,3}", text(), text(), text()).prop_map(|(name, id, label, kind)| {
            Widget { name: name.into(), id, label, kind, items: None }
        });
        (leaf.clone(), proptest::option::of(proptest::collection::vec(leaf, 0..3)))
            .prop_map(|(widget, items)| Widget { items, ..widget })
    }

    proptest! {
        #[test]
        fn what_is_kept_is_read_again(
            name in proptest::option::of("\\PC{0,5}"),
            widgets in proptest::option::of(proptest::collection::vec(widget(), 0..5)),
        ) {
            let schema = Schema { name: name.map(Into::into), widgets };
            prop_assert_eq!(Schema::decode(&schema.encode()), Some(schema));
        }

        #[test]
        fn foreign_texts_never_panic(text: String) {
            let _ = Schema::decode(&text);
        }

        #[test]
        fn whatever_the_platform_lists_makes_a_form_without_clashes(
            widgets in proptest::collection::vec(widget(), 0..8),
        ) {
            let form = Form::from(&Schema { name: None, widgets: Some(widgets) });
            let fields: Vec<Field> = form.fields.iter().cloned().collect();
            prop_assert!(Fields::new(fields).is_ok());
        }
    }
}
