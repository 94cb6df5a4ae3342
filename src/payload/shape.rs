//! What is pushed for each kind of event: the platform's own shapes, with aliases in place of
//! field ids.

use super::canonical::{self, Sorted, array, object, sorted};
use crate::capture::{Actor, Event, Op};
use crate::form::{Field, FieldType, Fields, Form, FormKey, Marks, Schema, Widget};
use crate::host::UnixMillis;
use crate::json::{self, Builder, Kind, Text, Value};

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

/// Most records have fewer members, what is added to them included.
const USUAL_MEMBERS: usize = 64;

type Members<'a> = Vec<(Text<'a>, Content<'a>)>;

/// The body of the push for an event, in canonical form.
///
/// Members of the record that no rule names pass through untouched, unknown ones included. With how the
/// record was `before`, an update also tells what differs, and a removed record comes as it was.
pub fn payload(event: &Event<'_>, form: Option<&Form>, before: Option<Value<'_>>) -> Vec<u8> {
    let no_fields = Fields::default();
    let fields = form.map_or(&no_fields, |form| &form.fields);
    let form_name = match form.and_then(|form| form.name.as_deref()) {
        Some(name) => Content::Text(name),
        None => Content::Null,
    };
    let data = match event.record {
        Some(record) => full_record(event, record, fields, form_name),
        None => removed_record(event, before, fields, form_name),
    };

    let record_size = event.record.map_or(0, |record| record.raw().len());
    let mut out = Vec::with_capacity(record_size.saturating_add(256));
    let op_time = event.time.0.to_string();
    out.push(b'{');
    if let (Op::Update, Some(record), Some(before)) = (event.op, event.record, before) {
        out.extend_from_slice(b"\"changes\":");
        changes(&mut out, before, record, fields);
        out.push(b',');
    }
    out.extend_from_slice(b"\"data\":");
    object(&mut out, &data, write);
    out.extend_from_slice(b",\"op\":");
    canonical::string(&mut out, Text::plain(event.op.name()));
    out.extend_from_slice(b",\"opTime\":");
    out.extend_from_slice(op_time.as_bytes());
    out.push(b'}');
    out
}

/// The body of the push for a form whose structure has changed, in canonical form.
///
/// When the form was created is not told by any API of the platform.
pub fn form_update(
    key: &FormKey,
    form: Option<&Form>,
    schema: &Schema,
    time: UnixMillis,
) -> Vec<u8> {
    let no_fields = Fields::default();
    let mut json = Builder::new();
    json.open(b'{').name("data").open(b'{').name("appId").text(&key.app_id);
    json.name("createTime").maybe(None).name("entryId").text(&key.entry_id);
    json.name("name").maybe(form.and_then(|form| form.name.as_deref()).or(schema.name.as_deref()));
    let fields = form.map_or(&no_fields, |form| &form.fields);
    write_widgets(json.name("widgets"), schema.widgets.as_deref().unwrap_or_default(), fields);
    json.close(b'}').name("op").text(Op::FormUpdate.name());
    json.name("opTime").number(time.0).close(b'}');
    json.finish()
}

/// Fields under their aliases, their members in canonical order. `widgetName` keeps the id.
fn write_widgets(json: &mut Builder, widgets: &[Widget], fields: &Fields) {
    json.open(b'[');
    for widget in widgets {
        // A platform that tells no ids calls a field by its alias, which somebody may have given an id.
        let field = match &widget.id {
            Some(id) => fields.by_id(id),
            None => fields.by_text(&widget.name),
        };
        let id = field.map_or(widget.field_id(), |field| &field.id);
        if !widget.field_type().is_none_or(FieldType::holds_data) {
            continue;
        }
        json.open(b'{');
        if let Some(items) = &widget.items {
            let no_fields = Fields::default();
            let rows = field.map_or(&no_fields, |field| &field.rows);
            write_widgets(json.name("items"), items, rows);
        }
        json.name("label").maybe(widget.label.as_deref());
        json.name("name").text(field.and_then(Field::alias_text).unwrap_or(&widget.name));
        json.name("type").maybe(widget.kind.as_deref());
        json.name("widgetName").text(id).close(b'}');
    }
    json.close(b']');
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
    let added = [
        ("_id", Content::Text(&event.record_id)),
        ("appId", Content::Text(&event.form.app_id)),
        ("entryId", Content::Text(&event.form.entry_id)),
        ("formName", form_name),
        ("deleter", Content::Null),
        ("deleteTime", Content::Null),
        ("flowState", Content::Null),
    ];
    let own = record.get_all(&added.map(|(name, _)| name));
    for ((name, content), own) in added.into_iter().zip(own) {
        if own.is_none() {
            data.push((Text::plain(name), content));
        }
    }
    data
}

/// What differs between two versions of a record: `fields` under the names of the push, and `since`
/// when the one before is from.
fn changes(out: &mut Vec<u8>, before: Value<'_>, after: Value<'_>, fields: &Fields) {
    let since = before.get("updateTime").map_or(Content::Null, Content::Sent);
    let (before, after) = (aliased(before, fields), aliased(after, fields));
    let text = |content: Content<'_>| {
        let mut text = Vec::new();
        write(&mut text, content);
        text
    };
    // Both sides in one order, so that versions of a member stand side by side; of the same names on
    // one side the last counts.
    let split = before.len();
    let sides: Members<'_> = before.into_iter().chain(after).collect();
    let names: Vec<_> = sides.iter().map(|(name, _)| *name).collect();
    let mut differing: Vec<(Text<'_>, [Option<Content<'_>>; 2])> = Vec::new();
    for Sorted { position, is_again } in sorted(&names) {
        let Some((name, content)) = sides.get(position) else { continue };
        if !is_again {
            differing.push((*name, [None; 2]));
        }
        if let Some((_, [old, new])) = differing.last_mut() {
            *(if position < split { old } else { new }) = Some(*content);
        }
    }
    differing.retain(|(name, [old, new])| {
        let is_told = !["updateTime", "updater"].iter().any(|other| name.is(other));
        is_told && old.map(text) != new.map(text)
    });
    out.extend_from_slice(b"{\"fields\":");
    object(out, &differing, |out, [before, after]| {
        let sides = [("after", after), ("before", before)].into_iter();
        let sides = sides.filter_map(|(name, side)| Some((Text::plain(name), side?)));
        object(out, &sides.collect::<Vec<_>>(), write);
    });
    out.extend_from_slice(b",\"since\":");
    write(out, since);
    out.push(b'}');
}

fn removed_record<'a>(
    event: &'a Event<'_>,
    before: Option<Value<'a>>,
    fields: &'a Fields,
    form_name: Content<'a>,
) -> Members<'a> {
    let deleter = match &event.actor {
        Some(actor) => Content::Actor(actor),
        None => Content::Null,
    };
    let mut data = before.map(|before| aliased(before, fields)).unwrap_or_default();
    // Of the same names the last counts.
    data.extend([
        (Text::plain("_id"), Content::Text(&event.record_id)),
        (Text::plain("appId"), Content::Text(&event.form.app_id)),
        (Text::plain("deleteTime"), Content::Time(event.time)),
        (Text::plain("deleter"), deleter),
        (Text::plain("entryId"), Content::Text(&event.form.entry_id)),
        (Text::plain("formName"), form_name),
    ]);
    data
}

/// The members of a record or of a sub-form's row, under their aliases.
fn aliased<'a>(object: Value<'a>, fields: &'a Fields) -> Members<'a> {
    // A platform may apply aliases itself. Where a record has both the id and a member that is
    // named like its alias, the id stays: one of the two values would be lost otherwise.
    let (members, taken) = renamed(object, fields, &Marks::default());
    if taken.is_empty() { members } else { renamed(object, fields, &taken).0 }
}

/// The members under their aliases, but for those of fields that are `taken`; and the fields whose
/// aliases are names of members already.
fn renamed<'a>(object: Value<'a>, fields: &'a Fields, taken: &Marks) -> (Members<'a>, Marks) {
    let mut members = Vec::with_capacity(object.most_members().min(USUAL_MEMBERS));
    let mut named = Marks::default();
    for (mut name, value) in object.members() {
        let mut content = Content::Sent(value);
        if let Some((position, field)) = fields.find(name) {
            if let Some(alias) = &field.alias {
                if name.is(alias.as_str()) {
                    named.set(position);
                } else if !taken.has(position) {
                    name = Text::plain(alias.as_str());
                }
            }
            if !field.is_pushed() {
                continue;
            }
            if value.kind() == Kind::Array {
                content = Content::Rows(value, &field.rows);
            }
        }
        members.push((name, content));
    }
    (members, named)
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
    use crate::form::{Source, testing};
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
        pushed_after(None, op, record, actor, form)
    }

    fn pushed_after(
        before: Option<&str>,
        op: Op,
        record: Option<&str>,
        actor: Option<&str>,
        form: Option<&Form>,
    ) -> String {
        let before = before.map(|before| Document::parse(before.as_bytes()).unwrap());
        let before = before.as_ref().map(Document::root);
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
        String::from_utf8(payload(&event, form, before)).unwrap()
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
    fn an_update_tells_what_it_changed_if_the_record_was_seen_before() {
        let mut items = field("_widget_2", "items");
        items.rows = Fields::new(vec![field("_widget_3", "sku")]).unwrap();
        let form = form(vec![field("_widget_1", "customer"), items]);
        let before = r#"{"_id":"id","_widget_1":"Ada","_widget_2":[{"_widget_3":"A"}],"_widget_4":1.0,
            "gone":{},"updateTime":"2021-04-01T00:00:00.000Z","updater":{"username":"ada"}}"#;
        let after = r#"{"_widget_4":1,"_widget_2":[{"_widget_3":"B"}],"_widget_1":"Ada","new":null,
            "_id":"id","updateTime":"2021-04-02T00:00:00.000Z","updater":{"username":"bob"}}"#;
        let push = pushed_after(Some(before), Op::Update, Some(after), None, Some(&form));
        let begin = r#"{"changes":{"fields":{"gone":{"before":{}},"items":{"after":[{"sku":"B"}],"before":[{"sku":"A"}]},"new":{"after":null}},"since":"2021-04-01T00:00:00.000Z"},"data":{"_id":"id","_widget_4":1,"#;
        assert!(push.starts_with(begin), "{push}");
        assert_eq!(
            push,
            crate::payload::canonical(push.as_bytes()).map(String::from_utf8).unwrap().unwrap()
        );
        // A creation has nothing before it.
        let push = pushed_after(Some(before), Op::Create, Some(after), None, Some(&form));
        assert!(push.starts_with(r#"{"data":"#), "{push}");
    }

    #[test]
    fn a_name_that_is_written_in_another_way_is_no_change() {
        let (before, after) = (r#"{"a":1,"b":3}"#, r#"{"\u0061":1,"b":2}"#);
        for (before, after) in [(before, after), (after, before)] {
            let push = pushed_after(Some(before), Op::Update, Some(after), None, None);
            assert!(push.starts_with(r#"{"changes":{"fields":{"b":{"after":"#), "{push}");
        }
    }

    #[test]
    fn of_a_name_that_comes_twice_the_last_is_compared() {
        let (before, after) = (r#"{"a":1,"b":2,"a":3}"#, r#"{"b":1,"a":3,"b":2}"#);
        let push = pushed_after(Some(before), Op::Update, Some(after), None, None);
        assert!(push.starts_with(r#"{"changes":{"fields":{},"since":null}"#), "{push}");
        let after = r#"{"a":3,"b":2,"10":1,"9":1,"\u0062":4}"#;
        let push = pushed_after(Some(before), Op::Update, Some(after), None, None);
        let fields = r#"{"9":{"after":1},"10":{"after":1},"b":{"after":4,"before":2}}"#;
        assert!(push.starts_with(&format!(r#"{{"changes":{{"fields":{fields},"#)), "{push}");
    }

    #[test]
    fn records_of_a_hundred_thousand_names_are_compared_in_no_time() {
        let record = |value: usize, names: &[&str]| {
            let mut text = "{".to_owned();
            for n in 0..100_000 {
                let name = names.get(n % names.len().max(1));
                let name = name.map_or_else(|| format!("n{n}"), |name| (*name).to_owned());
                text.push_str(&format!("\"{name}\":{value},"));
            }
            format!("{text}\"end\":{value}}}")
        };
        let push =
            pushed_after(Some(&record(1, &[])), Op::Update, Some(&record(2, &[])), None, None);
        assert_eq!(push.matches(r#"{"after":2,"before":1}"#).count(), 100_001);
        // Names that are aliases already come again and again.
        let fields = vec![field("_widget_1", "customer"), field("_widget_2", "zip")];
        let push = created(&record(1, &["customer", "zip", "_widget_1"]), fields);
        assert!(push.contains(r#""_widget_1":1"#) && push.contains(r#""customer":1"#));
    }

    #[test]
    fn a_removed_record_comes_as_it_was_seen_last() {
        let form = form(vec![field("_widget_1", "customer")]);
        let before =
            r#"{"_id":"id","appId":"app","entryId":"entry","_widget_1":"Ada","deleter":null}"#;
        assert_eq!(
            pushed_after(Some(before), Op::Remove, None, Some(r#""ada""#), Some(&form)),
            r#"{"data":{"_id":"id","appId":"app","customer":"Ada","deleteTime":"2021-04-02T01:12:01.958Z","deleter":{"name":"ada","username":"ada"},"entryId":"entry","formName":"测试表"},"op":"data_remove","opTime":1617325921958}"#
        );
    }

    #[test]
    fn a_forms_structure_is_pushed_as_a_captured_push_of_the_platform_has_it() {
        // From a push of 2021, but for `widgetName`, which it has had since, and what it is not told.
        let items = |name: &str, id: &str, label: &str, kind: &str| Widget {
            name: name.into(),
            id: Some(id.into()),
            label: Some(label.into()),
            kind: Some(kind.into()),
            items: None,
        };
        let rows = vec![items("_widget_2", "_widget_2", "单行文本", "text")];
        let widgets = vec![
            items("text1", "_widget_1", "单行文本", "text"),
            Widget { items: Some(rows), ..items("_widget_3", "_widget_3", "子表单", "subform") },
            items("_widget_4", "_widget_4", "line", "divider"),
        ];
        let mut own = testing::field("_widget_3", Some("subformname"));
        own.rows = Fields::new(vec![field("_widget_2", "subformname_text1")]).unwrap();
        let schema = Schema { name: Some("测试表".into()), widgets: Some(widgets) };
        let form = form(vec![own]);
        let key = FormKey { app_id: "5b8e".into(), entry_id: "6040".into() };
        let push = form_update(&key, Some(&form), &schema, UnixMillis(1));
        let expected = r#"{"data":{"appId":"5b8e","createTime":null,"entryId":"6040","name":"测试表","widgets":[{"label":"单行文本","name":"text1","type":"text","widgetName":"_widget_1"},{"items":[{"label":"单行文本","name":"subformname_text1","type":"text","widgetName":"_widget_2"}],"label":"子表单","name":"subformname","type":"subform","widgetName":"_widget_3"}]},"op":"form_update","opTime":1}"#;
        assert_eq!(String::from_utf8(push).unwrap(), expected);
    }

    /// As versions of the API answer that tell no `widgetName`.
    #[test]
    fn a_field_whose_id_is_not_told_is_pushed_with_the_one_that_is_configured() {
        let widget = |name: &str, kind: &str, items| Widget {
            name: name.into(),
            id: None,
            label: None,
            kind: Some(kind.into()),
            items,
        };
        let rows = vec![widget("_widget_3", "text", None)];
        let widgets = vec![widget("items", "subform", Some(rows)), widget("new", "text", None)];
        let schema = Schema { name: None, widgets: Some(widgets) };
        let mut items = field("_widget_2", "items");
        items.rows = Fields::new(vec![field("_widget_3", "sku")]).unwrap();
        let key = FormKey { app_id: "a".into(), entry_id: "e".into() };
        let form = form(vec![items]);
        for form in [form.taught(&schema), form] {
            let push = form_update(&key, Some(&form), &schema, UnixMillis(1));
            let push = String::from_utf8(push).unwrap();
            let expected = r#""widgets":[{"items":[{"label":null,"name":"sku","type":"text","widgetName":"_widget_3"}],"label":null,"name":"items","type":"subform","widgetName":"_widget_2"},{"label":null,"name":"new","type":"text","widgetName":"new"}]"#;
            assert!(push.contains(expected), "{push}");
        }
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
