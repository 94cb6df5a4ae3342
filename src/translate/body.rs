//! One body, from one language into the other.

use super::endpoint::Place;
use crate::form::{Field, Fields, Marks};
use crate::json::{Document, Text, Value, escape};

/// Into which language a body goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// From the caller to the platform.
    Ids,
    /// From the platform to the caller.
    Aliases,
}

impl Direction {
    /// The name of a field there; `None` if it has none of its own.
    fn name(self, field: &Field) -> Option<&str> {
        match self {
            Direction::Ids => Some(field.platform_name()),
            Direction::Aliases => field.alias_text(),
        }
    }
}

/// A body with other names in it; `None` if all of them stay.
pub fn translated(
    document: &Document<'_>,
    places: &[(&str, Place)],
    fields: &Fields,
    direction: Direction,
) -> Option<Vec<u8>> {
    let mut edits = Edits { text: document.text(), out: Vec::new(), done: 0, direction };
    for (name, value) in document.root().members() {
        for (_, place) in places.iter().filter(|(member, _)| name.is(member)) {
            edits.place(value, *place, fields);
        }
    }
    edits.finish()
}

/// A text that is copied with replacements, from its beginning to its end.
struct Edits<'t> {
    text: &'t str,
    out: Vec<u8>,
    /// Up to where it was copied.
    done: usize,
    direction: Direction,
}

impl Edits<'_> {
    fn place(&mut self, value: Value<'_>, place: Place, fields: &Fields) {
        match place {
            Place::Record => self.record(value, fields, false),
            Place::Values => self.record(value, fields, true),
            Place::Records => value.items().for_each(|item| self.record(item, fields, false)),
            Place::ValuesList => value.items().for_each(|item| self.record(item, fields, true)),
            Place::Names => value.items().for_each(|item| self.path(item, fields)),
            Place::Filter => {
                let conditions = value.members().filter(|(name, _)| name.is("cond"));
                for condition in conditions.flat_map(|(_, conditions)| conditions.items()) {
                    self.named(condition, "field", fields);
                }
            }
            Place::Widgets => {
                for widget in value.items() {
                    self.widget(widget, fields);
                }
            }
        }
    }

    /// The members of a record, in which each value may be in a `value` of its own.
    fn record(&mut self, record: Value<'_>, fields: &Fields, has_values: bool) {
        // Where a record has both names of a field, both stay: one of the values would be lost.
        let mut taken = Marks::default();
        for (name, _) in record.members() {
            if let Some((position, field)) = fields.find(name)
                && self.direction.name(field).is_some_and(|own| name.is(own))
            {
                taken.set(position);
            }
        }
        for (name, value) in record.members() {
            let Some((position, field)) = fields.find(name) else { continue };
            if !taken.has(position) {
                self.name(name, field);
            }
            if field.rows.iter().next().is_some() {
                let rows = if has_values { value.get("value") } else { Some(value) };
                for row in rows.iter().flat_map(Value::items) {
                    self.record(row, &field.rows, has_values);
                }
            }
        }
    }

    /// A field of the form, and those of its rows.
    fn widget(&mut self, widget: Value<'_>, fields: &Fields) {
        // Its name may stand behind its items; of several names the last counts.
        let named = widget.get("name").and_then(|name| fields.get(name.string()?));
        for (member, value) in widget.members() {
            if member.is("name") {
                self.path(value, fields);
            } else if member.is("items")
                && let Some(field) = named
            {
                value.items().for_each(|item| self.named(item, "name", &field.rows));
            }
        }
    }

    /// The member of an object that has the name of a field.
    fn named(&mut self, object: Value<'_>, member: &str, fields: &Fields) {
        for (_, value) in object.members().filter(|(name, _)| name.is(member)) {
            self.path(value, fields);
        }
    }

    /// A text that names a field, or behind a dot a field of its rows.
    fn path(&mut self, value: Value<'_>, fields: &Fields) {
        let Some(text) = value.string() else { return };
        if let Some(field) = fields.get(text) {
            return self.name(text, field);
        }
        if !text.is_escaped()
            && let Some((first, second)) = text.raw().split_once('.')
            && let Some(field) = fields.get(Text::plain(first))
        {
            self.name(Text::plain(first), field);
            if let Some(own) = field.rows.get(Text::plain(second)) {
                self.name(Text::plain(second), own);
            }
        }
    }

    /// Puts the other name of a field here.
    fn name(&mut self, old: Text<'_>, field: &Field) {
        let Some(new) = self.direction.name(field).filter(|new| !old.is(new)) else { return };
        // Where the old name begins: it is a part of the text.
        let start = (old.raw().as_ptr() as usize).wrapping_sub(self.text.as_ptr() as usize);
        let Some(before) = self.text.get(self.done..start) else { return };
        self.out.extend_from_slice(before.as_bytes());
        new.chars().for_each(|character| escape(&mut self.out, character));
        self.done = start.saturating_add(old.raw().len());
    }

    fn finish(mut self) -> Option<Vec<u8>> {
        if self.done == 0 {
            return None;
        }
        self.out.extend_from_slice(self.text.get(self.done..)?.as_bytes());
        Some(self.out)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::form::testing;
    use crate::json::testing::{ANY_NUMBER, document};
    use proptest::prelude::*;

    fn field(id: &str, alias: &str, rows: Vec<Field>) -> Field {
        Field { rows: Fields::new(rows).unwrap(), ..testing::field(id, Some(alias)) }
    }

    /// A platform that has aliases of its own speaks of its fields by these.
    #[test]
    fn the_platforms_own_alias_goes_up_and_the_operators_comes_down() {
        let learned = testing::field("_widget_1", Some("theirs"));
        let fields = Fields::new(vec![field("_widget_1", "customer", Vec::new())]).unwrap();
        let fields = fields.taught(vec![learned]);
        let spoken = r#"{"customer":{"value":"Ada"}}"#;
        let sent = r#"{"theirs":{"value":"Ada"}}"#;
        let translate = |text: &str, direction| {
            let text = format!(r#"{{"data":{text}}}"#);
            let document = Document::parse(text.as_bytes()).unwrap();
            let places = [("data", Place::Values)];
            let new = translated(&document, &places, &fields, direction).unwrap();
            String::from_utf8(new).unwrap()
        };
        assert_eq!(translate(spoken, Direction::Ids), format!(r#"{{"data":{sent}}}"#));
        assert_eq!(translate(sent, Direction::Aliases), format!(r#"{{"data":{spoken}}}"#));
    }

    /// The alias of one field may be that of a sub-form's own.
    fn fields() -> Fields {
        let rows = vec![field("_w3", "sku", vec![]), field("_w1", "amount", vec![])];
        let fields = vec![
            field("_w1", "customer", vec![]),
            field("_w2", "items", rows),
            field("_w4", "amount", vec![]),
        ];
        Fields::new(fields).unwrap()
    }

    fn translate(text: &str, place: Place, direction: Direction) -> String {
        let text = format!(r#"{{"x":{{"customer":1}},"data":{text}}}"#);
        let document = Document::parse(text.as_bytes()).unwrap();
        let places = [("data", place)];
        let new = translated(&document, &places, &fields(), direction);
        let new = new.map_or(text, |new| String::from_utf8(new).unwrap());
        let data = new.strip_prefix(r#"{"x":{"customer":1},"data":"#).unwrap();
        data.strip_suffix('}').unwrap().to_owned()
    }

    #[test]
    fn each_place_has_the_other_names_and_nothing_else_changes() {
        for (place, aliases, ids) in [
            (
                Place::Record,
                r#"{"_id":"1", "customer":{"customer":1},"items":[{"sku":1,"amount":2,"_id":3},7],"other":[{"sku":1}]}"#,
                r#"{"_id":"1", "_w1":{"customer":1},"_w2":[{"_w3":1,"_w1":2,"_id":3},7],"other":[{"sku":1}]}"#,
            ),
            (
                Place::Values,
                r#"{"customer":{"value":"customer"},"items":{"value":[{"sku":{"value":[{"sku":1}]}}]}}"#,
                r#"{"_w1":{"value":"customer"},"_w2":{"value":[{"_w3":{"value":[{"sku":1}]}}]}}"#,
            ),
            (
                Place::Records,
                r#"[{"customer":1},[{"customer":1}],{"amount":2}]"#,
                r#"[{"_w1":1},[{"customer":1}],{"_w4":2}]"#,
            ),
            (
                Place::ValuesList,
                r#"[{"customer":{"value":1}}, {}]"#,
                r#"[{"_w1":{"value":1}}, {}]"#,
            ),
            (
                Place::Names,
                r#"["customer","_id","items.sku","items.no","no.sku",["customer"]]"#,
                r#"["_w1","_id","_w2._w3","_w2.no","no.sku",["customer"]]"#,
            ),
            (
                Place::Filter,
                r#"{"rel":"and","cond":[{"field":"amount","value":["customer"]},{"field":"flowState"}],"field":"amount"}"#,
                r#"{"rel":"and","cond":[{"field":"_w4","value":["customer"]},{"field":"flowState"}],"field":"amount"}"#,
            ),
            (
                Place::Widgets,
                r#"[{"name":"customer","widgetName":"_w1"},{"items":[{"name":"sku"}],"name":"items"},{"name":"items","items":[{"name":"amount"}]}]"#,
                r#"[{"name":"_w1","widgetName":"_w1"},{"items":[{"name":"_w3"}],"name":"_w2"},{"name":"_w2","items":[{"name":"_w1"}]}]"#,
            ),
        ] {
            assert_eq!(translate(aliases, place, Direction::Ids), ids, "{place:?}");
            assert_eq!(translate(ids, place, Direction::Aliases), aliases, "{place:?}");
        }
    }

    #[test]
    fn an_alias_may_be_spelled_with_escapes() {
        let text = r#"{"\u0063ustomer":1,"b\ud800":2}"#;
        assert_eq!(translate(text, Place::Record, Direction::Ids), r#"{"_w1":1,"b\ud800":2}"#);
    }

    #[test]
    fn of_a_record_with_both_names_none_is_lost() {
        let text = r#"{"_w1":1,"customer":2,"_w4":3}"#;
        assert_eq!(translate(text, Place::Record, Direction::Ids), text);
        let other = r#"{"_w1":1,"customer":2,"amount":3}"#;
        assert_eq!(translate(text, Place::Record, Direction::Aliases), other);
    }

    #[test]
    fn a_name_that_comes_a_hundred_thousand_times_costs_no_more_each_time() {
        let record = |other: &str| {
            let both = [r#""_w1":1,"#.to_owned(), format!(r#""{other}":2,"#)];
            format!(r#"{{{}"x":3}}"#, both.map(|member| member.repeat(100_000)).concat())
        };
        assert_eq!(translate(&record("amount"), Place::Record, Direction::Ids), record("_w4"));
    }

    #[test]
    fn what_is_of_another_kind_stays() {
        for text in ["null", "7", "\"customer\"", "[7,\"x\"]", "{\"cond\":{}}", "[{\"name\":1}]"] {
            for place in PLACES {
                assert_eq!(translate(text, place, Direction::Ids), text);
            }
        }
    }

    const PLACES: [Place; 7] = [
        Place::Record,
        Place::Records,
        Place::Values,
        Place::ValuesList,
        Place::Names,
        Place::Filter,
        Place::Widgets,
    ];

    /// A document whose names are often those of fields.
    fn about_fields(names: &'static [&'static str]) -> impl Strategy<Value = String> {
        let name = prop::sample::select(names);
        let leaf =
            prop_oneof![Just("1".to_owned()), name.clone().prop_map(|name| format!("{name:?}")),];
        leaf.prop_recursive(5, 40, 6, move |inner| {
            let name = name.clone();
            let member = (name, inner.clone()).prop_map(|(name, value)| (name, value));
            prop_oneof![
                prop::collection::vec(inner, 0..5)
                    .prop_map(|items| format!("[{}]", items.join(", "))),
                prop::collection::vec(member, 0..6).prop_map(|members| {
                    let mut known = Vec::new();
                    let members = members.into_iter().filter(|(name, _)| {
                        let is_new = !known.contains(name);
                        known.push(*name);
                        is_new
                    });
                    let members: Vec<_> =
                        members.map(|(name, value)| format!("{name:?} :{value}")).collect();
                    format!("{{{}}}", members.join(","))
                }),
            ]
        })
    }

    const ALIASES: &[&str] =
        &["customer", "items", "amount", "sku", "value", "cond", "field", "name", "x", "_id"];

    proptest! {
        #[test]
        fn what_speaks_in_aliases_comes_back_as_it_was(text in about_fields(ALIASES)) {
            for place in PLACES {
                let ids = translate(&text, place, Direction::Ids);
                prop_assert_eq!(&translate(&ids, place, Direction::Aliases), &text, "{:?}", place);
            }
        }

        #[test]
        fn what_has_no_alias_stays_to_the_last_byte(text in document(ANY_NUMBER)) {
            for place in PLACES {
                prop_assert_eq!(&translate(&text, place, Direction::Ids), &text, "{:?}", place);
            }
        }
    }
}
