//! Forms: what fields they have and what the API calls them.

use serde_json::{Value, json};

/// A form, also called entry.
#[derive(Clone, Debug)]
pub struct Form {
    pub app_id: String,
    pub app_name: String,
    pub entry_id: String,
    pub name: String,
    /// Whether its records run through a workflow and have a `flowState`.
    pub has_workflow: bool,
    pub fields: Vec<Field>,
}

/// A field of a form or of a sub-form.
#[derive(Clone, Debug, PartialEq)]
pub struct Field {
    pub id: String,
    pub label: String,
    pub kind: Kind,
    alias: Option<String>,
}

/// A field's type.
#[derive(Clone, Debug, PartialEq)]
pub enum Kind {
    Text,
    Textarea,
    Sn,
    Number,
    Datetime,
    Radiogroup,
    Combo,
    Checkboxgroup,
    Combocheck,
    Address,
    Location,
    Image,
    Upload,
    Signature,
    Subform(Vec<Field>),
    Linkdata,
    Lookup,
    User,
    Usergroup,
    Dept,
    Deptgroup,
    Phone,
    Aggregation,
    Richtext,
    Divider,
    Query,
}

impl Form {
    /// A form without fields and without a workflow.
    pub fn new(app_id: &str, entry_id: &str, name: &str) -> Form {
        Form {
            app_id: app_id.to_owned(),
            app_name: "Sales".to_owned(),
            entry_id: entry_id.to_owned(),
            name: name.to_owned(),
            has_workflow: false,
            fields: Vec::new(),
        }
    }

    /// The form with one field more.
    pub fn with(mut self, field: Field) -> Form {
        self.fields.push(field);
        self
    }

    /// The form with a workflow.
    pub fn with_workflow(mut self) -> Form {
        self.has_workflow = true;
        self
    }

    /// A form as a shop would have it, with the ids of the platform's own examples.
    pub fn orders() -> Form {
        let items = vec![
            Field::new("_widget_1528854614409", "SKU", Kind::Text),
            Field::new("_widget_1528854615499", "Quantity", Kind::Number),
        ];
        Form::new("59264073a2a60c0c08e20bfb", "59264073a2a60c0c08e20bfd", "Orders")
            .with(Field::new("_widget_1432728651402", "Customer", Kind::Text))
            .with(Field::new("_widget_1432728651403", "Amount", Kind::Number))
            .with(Field::new("_widget_1528854613291", "Items", Kind::Subform(items)))
            .with(Field::new("_widget_1432728651407", "Due", Kind::Datetime))
            .with(Field::new("_widget_1432728651405", "Status", Kind::Combo))
            .with(Field::new("_widget_1432728651406", "Tags", Kind::Checkboxgroup))
            .with(Field::new("_widget_1432728651420", "Delivery", Kind::Divider))
            .with(Field::new("_widget_1432728651412", "Address", Kind::Address))
            .with(Field::new("_widget_1432728651409", "Photo", Kind::Image))
            .with(Field::new("_widget_1432728651414", "Clerk", Kind::User))
            .with(Field::new("_widget_1432728651416", "Department", Kind::Dept))
            .with(Field::new("_widget_1652345009097", "Phone", Kind::Phone))
            .with(Field::new("_widget_1432728651421", "Earlier orders", Kind::Query))
    }

    /// The fields that have data; the others are not told by the API at all.
    pub fn data_fields(&self) -> impl Iterator<Item = &Field> {
        data_fields(&self.fields)
    }
}

fn data_fields(fields: &[Field]) -> impl Iterator<Item = &Field> {
    fields.iter().filter(|field| field.kind.has_data())
}

impl Field {
    /// A field without an alias.
    pub fn new(id: &str, label: &str, kind: Kind) -> Field {
        Field { id: id.to_owned(), label: label.to_owned(), kind, alias: None }
    }

    /// The field with an alias.
    ///
    /// # Panics
    /// If the platform would not take the alias (`^[a-z][a-z0-9_]*$`, its error 3042).
    pub fn with_alias(mut self, alias: &str) -> Field {
        let is_allowed = |char| matches!(char, 'a'..='z' | '0'..='9' | '_');
        assert!(
            alias.starts_with(|first: char| first.is_ascii_lowercase())
                && alias.chars().all(is_allowed),
            "{alias:?} is not an alias: only a-z, 0-9 and _, with a letter in front"
        );
        self.alias = Some(alias.to_owned());
        self
    }

    /// What answers call it: the alias, or without one the id.
    pub fn name(&self) -> &str {
        self.alias.as_deref().unwrap_or(&self.id)
    }

    /// Whether a request means this field. Whether an id still counts once there is an alias is
    /// not documented; it does here.
    pub fn is_called(&self, name: &str) -> bool {
        self.id == name || self.alias.as_deref() == Some(name)
    }

    /// As `widget/list` answers.
    pub fn json(&self) -> Value {
        let mut widget = json!({
            "name": self.name(), "widgetName": self.id,
            "label": self.label, "type": self.kind.name(),
        });
        if let Kind::Subform(items) = &self.kind {
            widget["items"] = data_fields(items).map(Field::json).collect();
        }
        widget
    }
}

impl Kind {
    /// The platform's name for it.
    pub fn name(&self) -> &'static str {
        match self {
            Kind::Text => "text",
            Kind::Textarea => "textarea",
            Kind::Sn => "sn",
            Kind::Number => "number",
            Kind::Datetime => "datetime",
            Kind::Radiogroup => "radiogroup",
            Kind::Combo => "combo",
            Kind::Checkboxgroup => "checkboxgroup",
            Kind::Combocheck => "combocheck",
            Kind::Address => "address",
            Kind::Location => "location",
            Kind::Image => "image",
            Kind::Upload => "upload",
            Kind::Signature => "signature",
            Kind::Subform(_) => "subform",
            Kind::Linkdata => "linkdata",
            Kind::Lookup => "lookup",
            Kind::User => "user",
            Kind::Usergroup => "usergroup",
            Kind::Dept => "dept",
            Kind::Deptgroup => "deptgroup",
            Kind::Phone => "phone",
            Kind::Aggregation => "aggregation",
            Kind::Richtext => "richtext",
            Kind::Divider => "divider",
            Kind::Query => "query",
        }
    }

    /// Whether records have a value for it.
    pub fn has_data(&self) -> bool {
        !matches!(self, Kind::Divider | Kind::Query)
    }

    /// Whether the API can set it. The documents do not speak of aggregations, but those are
    /// computed.
    pub fn is_writable(&self) -> bool {
        let is_read_only =
            matches!(self, Kind::Signature | Kind::Linkdata | Kind::Sn | Kind::Aggregation);
        self.has_data() && !is_read_only
    }

    /// What a record has when nothing was given.
    pub fn empty(&self) -> Value {
        match self {
            Kind::Text
            | Kind::Textarea
            | Kind::Sn
            | Kind::Radiogroup
            | Kind::Combo
            | Kind::Lookup => json!(""),
            Kind::Number
            | Kind::Datetime
            | Kind::User
            | Kind::Dept
            | Kind::Phone
            | Kind::Aggregation
            | Kind::Divider
            | Kind::Query => Value::Null,
            Kind::Checkboxgroup
            | Kind::Combocheck
            | Kind::Image
            | Kind::Upload
            | Kind::Subform(_)
            | Kind::Usergroup
            | Kind::Deptgroup => json!([]),
            Kind::Address | Kind::Location | Kind::Signature | Kind::Linkdata => json!({}),
            Kind::Richtext => json!({"html": "", "attachments": []}),
        }
    }
}
