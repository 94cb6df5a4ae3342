//! Forms: their fields, the aliases of the fields, and which fields are never pushed.
//!
//! It knows what a form looks like, not where that knowledge came from nor who uses it.

mod alias;
mod field_type;

pub use alias::{Alias, AliasError};
pub use field_type::FieldType;

use crate::json::Text;
use std::collections::HashMap;
use std::fmt;

/// Names a form: on the platform an entry id is only unique together with its app.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct FormKey {
    /// The app's id.
    pub app_id: Box<str>,
    /// The form's ("entry") id.
    pub entry_id: Box<str>,
}

/// A form as the operator described it.
#[derive(Debug)]
pub struct Form {
    /// Its name, pushed as `formName`.
    pub name: Option<Box<str>>,
    /// Its fields.
    pub fields: Fields,
}

/// All forms that are known.
#[derive(Debug, Default)]
pub struct Forms {
    by_key: HashMap<FormKey, Form>,
}

impl Forms {
    /// Adds a form; gives it back if one with this key is known already.
    ///
    /// # Errors
    /// The form that was to be added.
    pub fn add(&mut self, key: FormKey, form: Form) -> Result<(), Form> {
        if self.by_key.contains_key(&key) {
            return Err(form);
        }
        self.by_key.insert(key, form);
        Ok(())
    }

    /// The form with this key.
    pub fn get(&self, key: &FormKey) -> Option<&Form> {
        self.by_key.get(key)
    }
}

/// One field of a form or of a sub-form.
#[derive(Debug)]
pub struct Field {
    /// The platform's id, such as `_widget_1432728651402`.
    pub id: Box<str>,
    /// The name it is pushed under instead of its id.
    pub alias: Option<Alias>,
    /// Its type, if known.
    pub field_type: Option<FieldType>,
    /// The fields of its rows; empty unless it is a sub-form.
    pub rows: Fields,
}

impl Field {
    /// Dividers and related-query fields are shown in a form but hold no data.
    pub fn is_pushed(&self) -> bool {
        self.field_type.is_none_or(FieldType::holds_data)
    }
}

/// The fields of one form, or of the rows of one sub-form.
#[derive(Debug, Default)]
pub struct Fields {
    fields: Vec<Field>,
    /// By id and by alias: a platform that applies aliases itself sends those.
    by_name: HashMap<Box<str>, usize>,
}

/// Why a set of fields cannot be.
#[derive(Debug, PartialEq, Eq)]
pub enum FieldsError {
    /// Two fields have this id.
    DuplicateId(Box<str>),
    /// Two fields have this alias.
    DuplicateAlias(Box<str>),
    /// The alias of one field is the id of another.
    AliasIsId(Box<str>),
}

impl fmt::Display for FieldsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            FieldsError::DuplicateId(id) => {
                write!(f, "the field id \"{id}\" appears twice; give each field once")
            }
            FieldsError::DuplicateAlias(alias) => {
                write!(
                    f,
                    "the alias \"{alias}\" is given to two fields; choose another for one of them"
                )
            }
            FieldsError::AliasIsId(alias) => {
                write!(f, "the alias \"{alias}\" is the id of another field; choose another alias")
            }
        }
    }
}

impl Fields {
    /// Puts fields together; their ids and aliases are all different.
    ///
    /// # Errors
    /// Every clash among them, each once.
    pub fn new(fields: Vec<Field>) -> Result<Self, Vec<FieldsError>> {
        let mut by_name = HashMap::new();
        let mut errors = Vec::new();
        for (position, field) in fields.iter().enumerate() {
            if by_name.insert(field.id.clone(), position).is_some() {
                errors.push(FieldsError::DuplicateId(field.id.clone()));
            }
        }
        let ids = by_name.len();
        for (position, field) in fields.iter().enumerate() {
            let Some(alias) = &field.alias else { continue };
            match by_name.insert(alias.as_str().into(), position) {
                None => {}
                Some(other)
                    if fields.get(other).is_some_and(|other| *other.id == *alias.as_str()) =>
                {
                    errors.push(FieldsError::AliasIsId(alias.as_str().into()));
                }
                Some(_) => errors.push(FieldsError::DuplicateAlias(alias.as_str().into())),
            }
        }
        debug_assert!(ids <= fields.len());
        if errors.is_empty() { Ok(Fields { fields, by_name }) } else { Err(errors) }
    }

    /// The field that has this id or this alias.
    pub fn get(&self, name: Text<'_>) -> Option<&Field> {
        if self.fields.is_empty() {
            return None;
        }
        let position = self.by_name.get(name.decode()?.as_ref())?;
        self.fields.get(*position)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn field(id: &str, alias: Option<&str>) -> Field {
        Field {
            id: id.into(),
            alias: alias.map(|alias| Alias::parse(alias).unwrap()),
            field_type: None,
            rows: Fields::default(),
        }
    }

    #[test]
    fn a_field_is_found_by_its_id_and_by_its_alias() {
        let fields = Fields::new(vec![field("_widget_1", Some("customer"))]).unwrap();
        for name in ["_widget_1", "customer"] {
            assert_eq!(&*fields.get(Text::plain(name)).unwrap().id, "_widget_1");
        }
        assert!(fields.get(Text::plain("_widget_2")).is_none());
    }

    #[test]
    fn every_clash_is_named() {
        let errors = Fields::new(vec![
            field("a", Some("x")),
            field("a", None),
            field("b", Some("x")),
            field("c", Some("b")),
        ])
        .unwrap_err();
        assert_eq!(
            errors,
            [
                FieldsError::DuplicateId("a".into()),
                FieldsError::DuplicateAlias("x".into()),
                FieldsError::AliasIsId("b".into()),
            ]
        );
    }

    #[test]
    fn dividers_and_related_queries_are_not_pushed() {
        for (name, pushed) in [("divider", false), ("query", false), ("text", true)] {
            let mut field = field("a", None);
            field.field_type = FieldType::parse(name);
            assert_eq!(field.is_pushed(), pushed, "{name}");
        }
    }
}
