//! Forms: their fields, the aliases of the fields, and which fields are never pushed.
//!
//! It knows what a form looks like, not where that knowledge came from nor who uses it.

mod alias;
mod field_type;
mod fields;
mod reference;
mod schema;

pub use alias::{Alias, AliasError};
pub use field_type::FieldType;
pub use fields::{Field, Fields, FieldsError};
pub use reference::{Row, comparison, example_record};
pub use schema::{Lesson, MAX_SCHEMA_BYTES, Schema, Widget, names, widgets};

pub(crate) use fields::Marks;
use fields::from_the_end;
use std::cmp::Ordering;

/// Names a form: on the platform an entry id is only unique together with its app.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct FormKey {
    /// The app's id.
    pub app_id: Box<str>,
    /// The form's ("entry") id.
    pub entry_id: Box<str>,
}

impl FormKey {
    /// Both ids as one text.
    pub(crate) fn joined(&self) -> String {
        format!("{}\n{}", self.app_id, self.entry_id)
    }

    /// Reads what [`FormKey::joined`] wrote.
    pub(crate) fn parted(text: &str) -> Option<Self> {
        let (app_id, entry_id) = text.split_once('\n')?;
        Some(FormKey { app_id: app_id.into(), entry_id: entry_id.into() })
    }

    fn order(&self, other: &Self) -> Ordering {
        let apps = || from_the_end(&self.app_id, &other.app_id);
        from_the_end(&self.entry_id, &other.entry_id).then_with(apps)
    }
}

/// A form as it was described.
#[derive(Clone, Debug)]
pub struct Form {
    /// Its name, pushed as `formName`.
    pub name: Option<Box<str>>,
    /// Its fields.
    pub fields: Fields,
    /// Whether callers of the API may use the aliases, if anybody said so.
    pub aliases_in_api: Option<bool>,
    /// Who described it.
    pub source: Source,
}

/// Who described a form or a field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// The operator, in the gateway's configuration. What stands there counts.
    Config,
    /// An admin, while the gateway runs.
    Api,
    /// Both.
    Both,
    /// The platform itself. It counts where nobody else says anything.
    Learned,
}

impl Form {
    /// Whether callers of the API may use the aliases, and get them.
    pub fn speaks_aliases(&self) -> bool {
        self.aliases_in_api == Some(true)
    }

    /// What both descriptions say; where they differ, this one counts.
    ///
    /// # Errors
    /// Every clash among the fields that come of it.
    pub fn completed_by(&self, other: &Form) -> Result<Form, Vec<FieldsError>> {
        Ok(Form {
            name: self.name.clone().or_else(|| other.name.clone()),
            fields: self.fields.completed_by(&other.fields)?,
            aliases_in_api: self.aliases_in_api.or(other.aliases_in_api),
            source: Source::Both,
        })
    }

    /// The form with what the platform says of it, where nobody else said anything.
    #[must_use]
    pub fn taught(&self, schema: &Schema) -> Form {
        Form {
            name: self.name.clone().or_else(|| schema.name.clone()),
            fields: self.fields.taught(schema.fields()),
            ..*self
        }
    }
}

impl From<&Schema> for Form {
    fn from(schema: &Schema) -> Self {
        let nothing = Form {
            name: None,
            fields: Fields::default(),
            aliases_in_api: None,
            source: Source::Learned,
        };
        nothing.taught(schema)
    }
}

/// All forms that are known.
#[derive(Clone, Debug, Default)]
pub struct Forms {
    /// In the order of [`FormKey::order`].
    by_key: Vec<(FormKey, Form)>,
}

impl Forms {
    /// Adds a form; gives it back if one with this key is known already.
    ///
    /// # Errors
    /// The form that was to be added.
    pub fn add(&mut self, key: FormKey, form: Form) -> Result<(), Form> {
        match self.find(&key) {
            Ok(_) => Err(form),
            Err(at) => {
                self.by_key.insert(at, (key, form));
                Ok(())
            }
        }
    }

    /// Adds a form, or puts it in the place of the one with this key.
    pub fn set(&mut self, key: FormKey, form: Form) {
        match self.find(&key) {
            Ok(at) => {
                if let Some(known) = self.by_key.get_mut(at) {
                    *known = (key, form);
                }
            }
            Err(at) => self.by_key.insert(at, (key, form)),
        }
    }

    /// All of them, in no particular order.
    pub fn iter(&self) -> impl Iterator<Item = (&FormKey, &Form)> {
        self.by_key.iter().map(|(key, form)| (key, form))
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.by_key.len()
    }

    /// The form with this key.
    pub fn get(&self, key: &FormKey) -> Option<&Form> {
        self.by_key.get(self.find(key).ok()?).map(|(_, form)| form)
    }

    fn find(&self, key: &FormKey) -> Result<usize, usize> {
        self.by_key.binary_search_by(|(known, _)| known.order(key))
    }
}

/// Fields for tests.
#[cfg(test)]
pub(crate) mod testing {
    use super::*;

    /// A field that has no more than these.
    pub(crate) fn field(id: &str, alias: Option<&str>) -> Field {
        let alias = alias.map(|alias| Alias::parse(alias).unwrap());
        Field { alias, ..Field::new(id.into(), Source::Config) }
    }
}

#[cfg(test)]
mod tests {
    use super::testing::field;
    use super::*;

    fn form(source: Source, fields: Vec<Field>) -> Form {
        let fields = fields.into_iter().map(|field| Field { source, ..field }).collect();
        Form { name: None, fields: Fields::new(fields).unwrap(), aliases_in_api: None, source }
    }

    #[test]
    fn the_first_description_counts_and_the_other_completes_it() {
        let config = form(Source::Config, vec![field("a", Some("x")), field("b", None)]);
        let mut named = field("b", Some("y"));
        named.label = Some("B".into());
        let api = form(Source::Api, vec![named, field("a", Some("z")), field("c", None)]);
        let both = config.completed_by(&api).unwrap();
        let shown: Vec<_> = (both.fields.iter())
            .map(|field| (&*field.id, field.alias.as_ref().map(Alias::as_str), field.source))
            .collect();
        assert_eq!(
            shown,
            [
                ("a", Some("x"), Source::Config),
                ("b", Some("y"), Source::Api),
                ("c", None, Source::Api),
            ]
        );
        assert_eq!(both.fields.by_id("b").unwrap().label.as_deref(), Some("B"));
    }

    #[test]
    fn descriptions_that_clash_make_no_form() {
        let config = form(Source::Config, vec![field("a", Some("x"))]);
        let api = form(Source::Api, vec![field("b", Some("x"))]);
        let errors = config.completed_by(&api).unwrap_err();
        assert_eq!(errors, [FieldsError::DuplicateAlias("x".into())]);
    }
}
