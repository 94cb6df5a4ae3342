//! The fields of a form, found by id and by alias.

use super::{Alias, FieldType, Source};
use crate::json::Text;
use std::cmp::Ordering;
use std::fmt;

/// One field of a form or of a sub-form.
#[derive(Clone, Debug)]
pub struct Field {
    /// The platform's id, such as `_widget_1432728651402`.
    pub id: Box<str>,
    /// The name it is pushed under instead of its id.
    pub alias: Option<Alias>,
    /// The name it has in the platform's API, if that is not its id.
    pub platform_alias: Option<Alias>,
    /// Its type, if known.
    pub field_type: Option<FieldType>,
    /// What people call it.
    pub label: Option<Box<str>>,
    /// Who gave it its alias or, without one, named it.
    pub source: Source,
    /// The fields of its rows; empty unless it is a sub-form.
    pub rows: Fields,
}

impl Field {
    /// A field of which nothing is known but its id.
    pub(crate) fn new(id: Box<str>, source: Source) -> Self {
        Field {
            id,
            alias: None,
            platform_alias: None,
            field_type: None,
            label: None,
            source,
            rows: Fields::default(),
        }
    }

    /// The name by which the platform's API speaks of it.
    pub fn platform_name(&self) -> &str {
        self.platform_alias.as_ref().map_or(&*self.id, Alias::as_str)
    }

    /// Its alias, if it has one.
    pub fn alias_text(&self) -> Option<&str> {
        self.alias.as_ref().map(Alias::as_str)
    }

    /// Dividers and related-query fields are shown in a form but hold no data.
    pub fn is_pushed(&self) -> bool {
        self.field_type.is_none_or(FieldType::holds_data)
    }
}

/// The fields of one form, or of the rows of one sub-form.
#[derive(Clone, Debug, Default)]
pub struct Fields {
    fields: Vec<Field>,
    by_name: Names,
}

/// Positions of fields by id and by alias: a platform that applies aliases itself sends those.
///
/// They are in the order of [`from_the_end`].
#[derive(Clone, Debug, Default)]
struct Names(Vec<(Box<str>, usize)>);

impl Names {
    /// Adds a name; the position that it had before.
    fn insert(&mut self, name: &str, position: usize) -> Option<usize> {
        match self.find(name) {
            Ok(at) => self.0.get_mut(at).map(|(_, old)| std::mem::replace(old, position)),
            Err(at) => {
                self.0.insert(at, (name.into(), position));
                None
            }
        }
    }

    fn get(&self, name: &str) -> Option<usize> {
        self.0.get(self.find(name).ok()?).map(|(_, position)| *position)
    }

    fn find(&self, name: &str) -> Result<usize, usize> {
        self.0.binary_search_by(|(known, _)| from_the_end(known, name))
    }
}

/// Compares by length and by the last bytes first, as a number: the platform's ids begin alike.
pub(super) fn from_the_end(a: &str, b: &str) -> Ordering {
    let end = |text: &str| text.as_bytes().last_chunk().map_or(0, |end| u64::from_be_bytes(*end));
    a.len().cmp(&b.len()).then_with(|| end(a).cmp(&end(b))).then_with(|| a.cmp(b))
}

/// Marks on fields by their positions: a member of a record may come again and again, and a list of
/// what was met would grow with each.
#[derive(Debug, Default)]
pub(crate) struct Marks(Vec<bool>);

impl Marks {
    pub(crate) fn set(&mut self, position: usize) {
        if self.0.len() <= position {
            self.0.resize(position.saturating_add(1), false);
        }
        if let Some(mark) = self.0.get_mut(position) {
            *mark = true;
        }
    }

    pub(crate) fn has(&self, position: usize) -> bool {
        self.0.get(position) == Some(&true)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
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
        let mut by_name = Names::default();
        let mut errors = Vec::new();
        for (position, field) in fields.iter().enumerate() {
            if by_name.insert(&field.id, position).is_some() {
                errors.push(FieldsError::DuplicateId(field.id.clone()));
            }
        }
        for (position, field) in fields.iter().enumerate() {
            let Some(alias) = &field.alias else { continue };
            match by_name.insert(alias.as_str(), position) {
                None => {}
                Some(other)
                    if fields.get(other).is_some_and(|other| *other.id == *alias.as_str()) =>
                {
                    errors.push(FieldsError::AliasIsId(alias.as_str().into()));
                }
                Some(_) => errors.push(FieldsError::DuplicateAlias(alias.as_str().into())),
            }
        }
        if errors.is_empty() { Ok(Fields { fields, by_name }) } else { Err(errors) }
    }

    /// Them, in the order in which they were described.
    pub fn iter(&self) -> std::slice::Iter<'_, Field> {
        self.fields.iter()
    }

    /// The field with this id.
    pub fn by_id(&self, id: &str) -> Option<&Field> {
        let field = self.fields.get(self.by_name.get(id)?)?;
        (*field.id == *id).then_some(field)
    }

    /// The field with this id or this alias.
    pub(crate) fn by_text(&self, name: &str) -> Option<&Field> {
        self.fields.get(self.by_name.get(name)?)
    }

    /// These fields and those that only `other` has; what is not known of one is taken from there.
    pub(super) fn completed_by(&self, other: &Fields) -> Result<Fields, Vec<FieldsError>> {
        let mut fields = self.fields.clone();
        let mut errors = Vec::new();
        for field in &mut fields {
            let Some(more) = other.by_id(&field.id) else { continue };
            if field.alias.is_none() && more.alias.is_some() {
                (field.alias, field.source) = (more.alias.clone(), more.source);
            }
            field.field_type = field.field_type.or(more.field_type);
            field.label = field.label.take().or_else(|| more.label.clone());
            match field.rows.completed_by(&more.rows) {
                Ok(rows) => field.rows = rows,
                Err(mut more) => errors.append(&mut more),
            }
        }
        let is_new = |field: &&Field| self.by_id(&field.id).is_none();
        fields.extend(other.fields.iter().filter(is_new).cloned());
        match Fields::new(fields) {
            Ok(fields) if errors.is_empty() => Ok(fields),
            Ok(_) => Err(errors),
            Err(mut more) => {
                errors.append(&mut more);
                Err(errors)
            }
        }
    }

    /// These fields and those that the platform has besides, and what it knows of them all. Nothing
    /// that was said here is changed by it, and a name that is taken stays with its field.
    pub(crate) fn taught(&self, learned: Vec<Field>) -> Fields {
        let mut all = self.clone();
        for Field { id, alias, field_type, label, rows, .. } in learned {
            let position = match all.by_name.get(&id) {
                Some(position) => position,
                None => {
                    all.by_name.insert(&id, all.fields.len());
                    all.fields.push(Field::new(id.clone(), Source::Learned));
                    all.fields.len().saturating_sub(1)
                }
            };
            // Where no ids are told, the name alone may be the alias of a field that is known.
            let is_by_alias = alias.is_none();
            let is_free = |alias: &Alias| all.by_name.get(alias.as_str()).is_none();
            let alias = alias.filter(is_free);
            let field = all.fields.get_mut(position);
            let Some(field) = field.filter(|field| field.id == id || is_by_alias) else {
                continue;
            };
            field.field_type = field.field_type.or(field_type);
            field.label = field.label.take().or(label);
            field.rows = field.rows.taught(rows.fields);
            if let Some(alias) = alias {
                all.by_name.insert(alias.as_str(), position);
                if field.alias.is_none() {
                    (field.alias, field.source) = (Some(alias.clone()), Source::Learned);
                }
                field.platform_alias = Some(alias);
            }
        }
        all
    }

    /// The field that has this id or this alias.
    pub fn get(&self, name: Text<'_>) -> Option<&Field> {
        self.find(name).map(|(_, field)| field)
    }

    /// The same, and which of them it is.
    pub(crate) fn find(&self, name: Text<'_>) -> Option<(usize, &Field)> {
        if self.fields.is_empty() {
            return None;
        }
        let position = self.by_name.get(&name.decode()?)?;
        Some((position, self.fields.get(position)?))
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::field;
    use super::*;

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
