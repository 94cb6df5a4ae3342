//! What is pushed for each kind of event: the platform's own shapes, with aliases in place of
//! field ids.

use super::canonical::{self, array, object};
use crate::capture::{Actor, Event};
use crate::form::{Fields, Form};
use crate::host::UnixMillis;
use crate::json::{self, Kind, Text, Value};

/// What a member of `data` holds.
#[derive(Clone, Copy)]
enum Content<'a> {
    /// A value as the platform sent it.
    Sent(Value<'a>),
    /// The rows of a sub-form.
    Rows(Value<'a>, &'a Fields),
    Text(&'a str),
    Time(UnixMillis),
    Actor(&'a Actor<'a>),
    Null,
}

type Members<'a> = Vec<(Text<'a>, Content<'a>)>;

/// The body of the push for an event, in canonical form.
///
/// Members of the record that no rule names pass through untouched, unknown ones included.
pub fn payload(event: &Event<'_>, form: Option<&Form>) -> Vec<u8> {
    let no_fields = Fields::default();
    let fields = form.map_or(&no_fields, |form| &form.fields);
    let form_name = match form.and_then(|form| form.name.as_deref()) {
        Some(name) => Content::Text(name),
        None => Content::Null,
    };
    let data = match event.record {
        Some(record) => full_record(event, record, fields, form_name),
        None => removed_record(event, form_name),
    };

    let record_size = event.record.map_or(0, |record| record.raw().len());
    let mut out = Vec::with_capacity(record_size.saturating_add(256));
    let op_time = event.time.0.to_string();
    out.extend_from_slice(b"{\"data\":");
    object(&mut out, &data, write);
    out.extend_from_slice(b",\"op\":");
    canonical::string(&mut out, Text::plain(event.op.name()));
    out.extend_from_slice(b",\"opTime\":");
    out.extend_from_slice(op_time.as_bytes());
    out.push(b'}');
    out
}

/// A created, updated or recovered record: all of it, and what the platform's own webhook adds to
/// what its API answers.
fn full_record<'a>(
    event: &'a Event<'_>,
    record: Value<'a>,
    fields: &'a Fields,
    form_name: Content<'a>,
) -> Members<'a> {
    let mut data = aliased(record, fields);
    for (name, content) in [
        ("_id", Content::Text(&event.record_id)),
        ("appId", Content::Text(&event.form.app_id)),
        ("entryId", Content::Text(&event.form.entry_id)),
        ("formName", form_name),
        ("deleter", Content::Null),
        ("deleteTime", Content::Null),
        ("flowState", Content::Null),
    ] {
        if record.get(name).is_none() {
            data.push((Text::plain(name), content));
        }
    }
    data
}

fn removed_record<'a>(event: &'a Event<'_>, form_name: Content<'a>) -> Members<'a> {
    let deleter = match &event.actor {
        Some(actor) => Content::Actor(actor),
        None => Content::Null,
    };
    vec![
        (Text::plain("_id"), Content::Text(&event.record_id)),
        (Text::plain("appId"), Content::Text(&event.form.app_id)),
        (Text::plain("deleteTime"), Content::Time(event.time)),
        (Text::plain("deleter"), deleter),
        (Text::plain("entryId"), Content::Text(&event.form.entry_id)),
        (Text::plain("formName"), form_name),
    ]
}

/// The members of a record or of a sub-form's row, under their aliases.
fn aliased<'a>(object: Value<'a>, fields: &'a Fields) -> Members<'a> {
    // A platform may apply aliases itself. Where a record has both the id and a member that is
    // named like its alias, the id stays: one of the two values would be lost otherwise.
    let members = object.members().map(|(name, value)| (name, value, fields.get(name)));
    let members: Vec<_> = members.collect();
    let mut taken = Vec::new();
    for (name, _, field) in &members {
        if let Some(alias) = field.and_then(|field| field.alias.as_ref())
            && name.is(alias.as_str())
        {
            taken.push(alias);
        }
    }
    let members = members.into_iter().filter_map(|(name, value, field)| {
        let Some(field) = field else {
            return Some((name, Content::Sent(value)));
        };
        if !field.is_pushed() {
            return None;
        }
        let name = match &field.alias {
            Some(alias) if !taken.contains(&alias) => Text::plain(alias.as_str()),
            _ => name,
        };
        let content = match value.kind() {
            Kind::Array => Content::Rows(value, &field.rows),
            _ => Content::Sent(value),
        };
        Some((name, content))
    });
    members.collect()
}

fn write(out: &mut Vec<u8>, content: Content<'_>) {
    match content {
        Content::Sent(value) => canonical::value(out, value),
        Content::Rows(rows, fields) => array(out, rows.items(), |out, row| match row.kind() {
            Kind::Object => object(out, &aliased(row, fields), write),
            _ => canonical::value(out, row),
        }),
        Content::Text(text) => json::quote(out, text),
        Content::Time(time) => json::quote(out, &time.to_string()),
        Content::Actor(Actor::Sent(value)) => canonical::value(out, *value),
        Content::Actor(Actor::Named(name)) => {
            let member = ["name", "username"].map(|key| (Text::plain(key), Content::Text(name)));
            object(out, &member, write);
        }
        Content::Null => out.extend_from_slice(b"null"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::capture::Op;
    use crate::form::{Field, FieldType, FormKey, Source, testing};
    use crate::json::Document;
    use crate::json::testing::{ANY_NUMBER, document};
    use proptest::prelude::*;

    fn field(id: &str, alias: &str) -> Field {
        testing::field(id, Some(alias))
    }

    fn form(fields: Vec<Field>) -> Form {
        Form {
            name: Some("测试表".into()),
            fields: Fields::new(fields).unwrap(),
            aliases_in_api: None,
            source: Source::Config,
        }
    }

    fn pushed(op: Op, record: Option<&str>, actor: Option<&str>, form: Option<&Form>) -> String {
        let record = record.map(|record| Document::parse(record.as_bytes()).unwrap());
        let actor = actor.map(|actor| Document::parse(actor.as_bytes()).unwrap());
        let event = Event {
            op,
            form: FormKey { app_id: "app".into(), entry_id: "entry".into() },
            record_id: "id".into(),
            record: record.as_ref().map(Document::root),
            actor: actor.as_ref().map(|actor| match actor.root().kind() {
                Kind::Object => Actor::Sent(actor.root()),
                _ => Actor::Named(actor.root().as_str().unwrap()),
            }),
            time: UnixMillis::parse_rfc3339("2021-04-02T01:12:01.958Z").unwrap(),
        };
        String::from_utf8(payload(&event, form)).unwrap()
    }

    fn created(record: &str, fields: Vec<Field>) -> String {
        pushed(Op::Create, Some(record), None, Some(&form(fields)))
    }

    /// What the platform adds, around the members that come first in order.
    fn with_system_members(first: &str, last: &str) -> String {
        format!(
            r#"{{"data":{{"_id":"id",{first}"appId":"app",{last}"deleteTime":null,"deleter":null,"entryId":"entry","flowState":null,"formName":"测试表"}},"op":"data_create","opTime":1617325921958}}"#
        )
    }

    #[test]
    fn a_removed_record_is_pushed_as_a_captured_push_of_the_platform_has_it() {
        // Captured from the platform in 2021, but for `opTime`, which it has had since.
        let deleter = r##"{"username":"#admin","_id":"528d2ed55affdb25dd32d2b7","name":"中国石油","status":1,"type":0}"##;
        assert_eq!(
            pushed(Op::Remove, None, Some(deleter), Some(&form(vec![]))),
            r##"{"data":{"_id":"id","appId":"app","deleteTime":"2021-04-02T01:12:01.958Z","deleter":{"_id":"528d2ed55affdb25dd32d2b7","name":"中国石油","status":1,"type":0,"username":"#admin"},"entryId":"entry","formName":"测试表"},"op":"data_remove","opTime":1617325921958}"##
        );
    }

    #[test]
    fn who_deleted_may_be_a_name_or_unknown() {
        let named = pushed(Op::Remove, None, Some(r#""ada""#), None);
        assert!(named.contains(r#""deleter":{"name":"ada","username":"ada"}"#), "{named}");
        assert!(named.contains(r#""formName":null"#), "{named}");
        let unknown = pushed(Op::Remove, None, None, None);
        assert!(unknown.contains(r#""deleter":null"#), "{unknown}");
    }

    #[test]
    fn every_type_of_value_passes_as_it_is() {
        // From the platform's documentation of its API, one field of each kind.
        let values = r#""_widget_01":"简道云","_widget_02":100,"_widget_03":["选项一","选项二"],"_widget_04":"2018-01-01T10:10:10.000Z","_widget_05":{"id":"5b28effa49b561455dfda91e"},"_widget_06":[{"mime":"image/jpeg","name":"image.jpg","size":262144,"url":"https://files.jiandaoyun.com/a?x=1&e=2"}],"_widget_07":{"city":"无锡市","detail":"","district":"梁溪区","lnglatXY":[120.31237,31.49099],"province":"江苏省"},"_widget_08":{"phone":"15852540044","verified":false},"_widget_09":{},"_widget_10":[],"_widget_11":null,"_widget_12":"","#;
        let record = format!("{{{}}}", values.trim_end_matches(','));
        assert_eq!(created(&record, vec![]), with_system_members(values, ""));
    }

    #[test]
    fn aliases_stand_in_records_and_in_the_rows_of_sub_forms() {
        let mut items = field("_widget_2", "items");
        items.rows = Fields::new(vec![field("_widget_3", "sku")]).unwrap();
        let fields = vec![field("_widget_1", "zip"), items];
        let record = r#"{"_widget_1":"8000","_widget_2":[{"_widget_3":"A","_id":"r1","_widget_1":0},7,{"_widget_3":{"_widget_3":1}}]}"#;
        assert_eq!(
            created(record, fields),
            r#"{"data":{"_id":"id","appId":"app","deleteTime":null,"deleter":null,"entryId":"entry","flowState":null,"formName":"测试表","items":[{"_id":"r1","_widget_1":0,"sku":"A"},7,{"sku":{"_widget_3":1}}],"zip":"8000"},"op":"data_create","opTime":1617325921958}"#
        );
    }

    #[test]
    fn of_a_field_and_a_member_that_is_named_like_its_alias_none_is_lost() {
        let record = r#"{"_widget_1":1,"customer":2}"#;
        assert_eq!(
            created(record, vec![field("_widget_1", "customer")]),
            with_system_members(r#""_widget_1":1,"#, r#""customer":2,"#)
        );
    }

    #[test]
    fn what_holds_no_data_is_not_pushed() {
        let fields = ["divider", "query"]
            .map(|name| Field { field_type: FieldType::parse(name), ..testing::field(name, None) });
        let record = r#"{"divider":1,"query":2}"#;
        assert_eq!(created(record, fields.into()), with_system_members("", ""));
    }

    #[test]
    fn what_the_platform_says_itself_stays() {
        let record = r#"{"_id":"other","appId":"a","entryId":"e","formName":"f","deleter":1,"deleteTime":2,"flowState":0}"#;
        assert_eq!(
            created(record, vec![]),
            r#"{"data":{"_id":"other","appId":"a","deleteTime":2,"deleter":1,"entryId":"e","flowState":0,"formName":"f"},"op":"data_create","opTime":1617325921958}"#
        );
    }

    proptest! {
        #[test]
        fn a_form_without_aliases_loses_and_changes_nothing(text in document(ANY_NUMBER)) {
            let record = format!(r#"{{"_id":"id","appId":"app","deleteTime":null,"deleter":null,"entryId":"entry","flowState":null,"formName":"f","value":{text}}}"#);
            let bytes = canonical::canonical(record.as_bytes()).unwrap();
            let data = String::from_utf8(bytes).unwrap();
            let expected = format!(r#"{{"data":{data},"op":"data_create","opTime":1617325921958}}"#);
            prop_assert_eq!(created(&record, vec![]), expected);
        }
    }
}
