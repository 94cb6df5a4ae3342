//! Reading a configuration so that every fault is found at once, each with the path of its field.

use super::Env;
use crate::delivery::Target;
use crate::duration;
use crate::json::{Decimal, Kind, Value};
use std::cell::RefCell;
use std::fmt;
use std::ops::RangeInclusive;
use std::time::Duration;

/// The longest part of a wrong value that an error repeats.
const SHOWN_CHARS: usize = 80;

/// The longest name or id, in characters.
pub const MAX_NAME_CHARS: usize = 256;

/// A fault in a configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// The field, such as `webhooks[0].url`; empty for the whole.
    pub path: String,
    /// The wrong value and what is allowed.
    pub message: String,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.path.as_str() {
            "" => f.write_str(&self.message),
            path => write!(f, "{path}: {}", self.message),
        }
    }
}

/// The beginning of a wrong value, and what is allowed.
pub(crate) fn wrong(value: &str, allowed: &str) -> String {
    [&shown(value), ": ", allowed].concat()
}

fn shown(value: &str) -> String {
    let mut shown: String = value.chars().take(SHOWN_CHARS).collect();
    if shown.len() < value.len() {
        shown.push_str("...");
    }
    shown
}

/// The faults found so far.
#[derive(Debug, Default)]
pub(super) struct Faults(RefCell<Vec<Fault>>);

impl Faults {
    fn add(&self, path: &str, message: &dyn fmt::Display) {
        let fault = Fault { path: path.to_owned(), message: message.to_string() };
        self.0.borrow_mut().push(fault);
    }

    pub(super) fn into_vec(self) -> Vec<Fault> {
        self.0.into_inner()
    }
}

/// A value of the configuration and where it stands.
#[derive(Clone)]
pub(super) struct Field<'d> {
    value: Value<'d>,
    path: String,
    faults: &'d Faults,
}

impl<'d> Field<'d> {
    pub(super) fn root(value: Value<'d>, faults: &'d Faults) -> Self {
        Field { value, path: String::new(), faults }
    }

    /// Adds a fault of this field.
    pub(super) fn fault(&self, message: impl fmt::Display) {
        self.faults.add(&self.path, &message);
    }

    /// Adds a fault that shows the wrong value. Of an object or a list it shows no content: a
    /// secret may be in there.
    pub(super) fn wrong(&self, allowed: impl fmt::Display) {
        self.wrong_value(&allowed);
    }

    fn wrong_value(&self, allowed: &dyn fmt::Display) {
        let raw = match self.value.kind() {
            Kind::Object => "{...}",
            Kind::Array => "[...]",
            _ => self.value.raw(),
        };
        self.fault(format_args!("{}: {allowed}", shown(raw)));
    }

    /// Whether it is a JSON object.
    pub(super) fn is_object(&self) -> bool {
        self.value.kind() == Kind::Object
    }

    /// Whether it is a string with this content.
    pub(super) fn is_text(&self, text: &str) -> bool {
        self.value.string().is_some_and(|string| string.is(text))
    }

    /// Whether it is `true`.
    pub(super) fn is_true(&self) -> bool {
        self.value.kind() == Kind::True
    }

    /// Whether it is a JSON array.
    pub(super) fn is_list(&self) -> bool {
        self.value.kind() == Kind::Array
    }

    /// Whether it is a JSON array with nothing in it.
    pub(super) fn is_empty_list(&self) -> bool {
        self.is_list() && self.value.items().next().is_none()
    }

    /// An object whose members all have one of these names.
    pub(super) fn object(&self, known: &'static [&'static str]) -> Option<Members<'d>> {
        if !self.is_object() {
            self.wrong("must be an object");
            return None;
        }
        let members = self.members();
        for member in &members {
            if !known.contains(&member.name.as_str()) {
                let known = known.join(", ");
                member.field.fault(format_args!("unknown key; known here are {known}"));
            }
        }
        Some(Members(members))
    }

    /// The member of an object with this name, of duplicates the last.
    pub(super) fn member(&self, name: &str) -> Option<Field<'d>> {
        let value = self.value.get(name)?;
        Some(Field { value, path: format!("{}.{name}", self.path), faults: self.faults })
    }

    /// The members of an object of any names, duplicates being faults; none for other kinds.
    pub(super) fn members(&self) -> Vec<Member<'d>> {
        let mut members: Vec<Member<'d>> = Vec::new();
        for (name, value) in self.value.members() {
            let Some(name) = name.decode() else {
                self.fault("a key has a lone surrogate in it");
                continue;
            };
            let path = match self.path.as_str() {
                "" => name.to_string(),
                path => format!("{path}.{name}"),
            };
            let field = Field { value, path, faults: self.faults };
            if members.iter().any(|member| member.name == name) {
                field.fault("given twice; give it once");
                continue;
            }
            members.push(Member { name: name.into_owned(), field });
        }
        members
    }

    /// The items of an array.
    pub(super) fn items(&self) -> Vec<Field<'d>> {
        if !self.is_list() {
            self.wrong("must be a list");
            return Vec::new();
        }
        let items = self.value.items().enumerate();
        let items = items.map(|(position, value)| Field {
            value,
            path: format!("{}[{position}]", self.path),
            faults: self.faults,
        });
        items.collect()
    }

    /// A text.
    pub(super) fn text(&self) -> Option<String> {
        let text = self.value.as_str();
        if text.is_none() {
            self.wrong(self.no_text());
        }
        text.map(Into::into)
    }

    /// A text that no fault may repeat.
    pub(super) fn secret_text(&self) -> Option<String> {
        let text = self.value.as_str();
        if text.is_none() {
            self.fault(self.no_text());
        }
        text.map(Into::into)
    }

    fn no_text(&self) -> &'static str {
        match self.value.kind() {
            Kind::String => "must not have a lone surrogate in it",
            _ => "must be a string",
        }
    }

    /// The content of a string, or a number, `true`, `false` or `null` as it is written.
    pub(super) fn scalar(&self) -> Option<String> {
        match self.value.kind() {
            Kind::String => self.text(),
            Kind::Object | Kind::Array => {
                self.wrong("must be a string, a number, true, false or null");
                None
            }
            _ => Some(self.value.raw().to_owned()),
        }
    }

    /// A text that is not empty, and not too long for a name.
    pub(super) fn name(&self) -> Option<String> {
        let text = self.text()?;
        if text.is_empty() {
            self.wrong(EMPTY);
            return None;
        }
        if text.chars().count() > MAX_NAME_CHARS {
            self.wrong(format_args!("must have at most {MAX_NAME_CHARS} characters"));
            return None;
        }
        Some(text)
    }

    /// A host name, with a port if it is not the usual one.
    pub(super) fn authority(&self) -> Option<String> {
        const ALLOWED: &str = "must be a host name, such as api.jodoo.com";
        if self.has_at() {
            self.fault(ALLOWED);
            return None;
        }
        let name = self.name()?;
        if Target::parse(&format!("https://{name}/"), None).is_err() || name.contains(['/', '?']) {
            self.wrong(ALLOWED);
            return None;
        }
        Some(name)
    }

    /// Adds a fault of an address, which it shows unless there is an `@`: before that there may be a
    /// password.
    pub(super) fn wrong_address(&self, allowed: impl fmt::Display) {
        if self.has_at() { self.fault(allowed) } else { self.wrong(allowed) }
    }

    fn has_at(&self) -> bool {
        self.value.as_str().is_some_and(|text| text.contains('@'))
    }

    /// The value of the environment variable with this name. No fault repeats it, nor what cannot be
    /// such a name: people put the secret itself there.
    pub(super) fn variable(&self, env: Env<'_>) -> Option<String> {
        let name = self.secret_text()?;
        let is_name = (1..=MAX_NAME_CHARS).contains(&name.chars().count());
        let value = if is_name { env(&name) } else { None };
        if name.is_empty() {
            self.wrong(EMPTY);
        } else if value.is_none() && !may_be_variable(&name) {
            self.fault(
                "must be the name of an environment variable, and not what the variable holds",
            );
        } else if value.is_none() {
            self.wrong(
                "this environment variable is not set; set it for Envoy and list it in the plugin's vm_config.environment_variables.host_env_keys",
            );
        }
        value
    }

    /// The same of one that goes into a header.
    pub(super) fn header_variable(&self, env: Env<'_>) -> Option<String> {
        let value = self.variable(env)?;
        if value.is_empty() || !value.bytes().all(|byte| byte.is_ascii_graphic()) {
            self.wrong(
                "this environment variable cannot be used: it must have visible ASCII characters only",
            );
            return None;
        }
        Some(value)
    }

    /// `true` or `false`.
    pub(super) fn flag(&self) -> Option<bool> {
        match self.value.kind() {
            Kind::True => Some(true),
            Kind::False => Some(false),
            _ => {
                self.wrong("must be true or false");
                None
            }
        }
    }

    /// A whole number. It may be written `5.0`, as it arrives from a protobuf `Struct`.
    pub(super) fn integer(&self, range: RangeInclusive<u32>) -> Option<u32> {
        let number = match self.value.kind() {
            Kind::Number => Some(Decimal::parse(self.value.raw()).double()),
            _ => None,
        };
        let (low, high) = (*range.start(), *range.end());
        let whole = number.filter(|number| {
            number.fract() == 0.0 && (f64::from(low)..=f64::from(high)).contains(number)
        });
        if whole.is_none() {
            self.wrong(format_args!("must be a whole number from {low} to {high}"));
        }
        // In range and whole, as was just checked.
        whole.map(|number| number as u32)
    }

    /// A duration such as `2s`, `500ms` or `1m 30s`.
    pub(super) fn duration(&self, range: RangeInclusive<Duration>) -> Option<Duration> {
        let text = self.value.as_str();
        let duration = text.and_then(|text| duration::parse(&text));
        let allowed = duration.filter(|duration| range.contains(duration));
        if allowed.is_none() {
            let (low, high) = (duration::shown(*range.start()), duration::shown(*range.end()));
            self.wrong(format_args!(
                "must be a string with a duration from {low} to {high}, such as \"2s\", \"500ms\" or \"1m 30s\""
            ));
        }
        allowed
    }

    /// One of some names.
    pub(super) fn choice<T: Copy, const N: usize>(&self, choices: [(&str, T); N]) -> Option<T> {
        let position = self.position(&choices.map(|(name, _)| name))?;
        choices.get(position).map(|(_, choice)| *choice)
    }

    /// Which of some names it is.
    fn position(&self, names: &[&str]) -> Option<usize> {
        let text = self.value.as_str();
        let found = text.and_then(|text| names.iter().position(|name| *name == text));
        if found.is_none() {
            self.wrong(format_args!("must be one of {}", names.join(", ")));
        }
        found
    }

    /// A list of some names, each of them once at most.
    pub(super) fn choices<T: Copy + PartialEq, const N: usize>(
        &self,
        choices: [(&str, T); N],
    ) -> Vec<T> {
        let mut chosen = Vec::new();
        for item in self.items() {
            match item.choice(choices) {
                Some(choice) if chosen.contains(&choice) => {
                    item.wrong("named twice; name it once");
                }
                choice => chosen.extend(choice),
            }
        }
        chosen
    }

    /// A text that `parse` understands.
    pub(super) fn parsed<T, E: fmt::Display>(
        &self,
        parse: impl FnOnce(&str) -> Result<T, E>,
    ) -> Option<T> {
        match parse(&self.text()?) {
            Ok(parsed) => Some(parsed),
            Err(error) => {
                self.wrong(error);
                None
            }
        }
    }
}

const EMPTY: &str = "must not be empty";

/// Whether a text looks like the name of an environment variable, and not like a secret.
fn may_be_variable(name: &str) -> bool {
    let allowed = |byte: u8| byte == b'_' || byte.is_ascii_alphanumeric();
    !name.starts_with(|first: char| first.is_ascii_digit())
        && !name.starts_with("whsec_")
        && name.len() <= MAX_NAME_CHARS
        && name.bytes().all(allowed)
}

/// A member of an object of the configuration.
pub(super) struct Member<'d> {
    pub(super) name: String,
    pub(super) field: Field<'d>,
}

/// The members of an object whose names are known.
pub(super) struct Members<'d>(Vec<Member<'d>>);

impl<'d> Members<'d> {
    /// The member with this name. A `null` counts as given: a `secret:` that a template left blank
    /// must not turn signing off.
    pub(super) fn get(&self, name: &str) -> Option<&Field<'d>> {
        let member = self.0.iter().find(|member| member.name == name)?;
        Some(&member.field)
    }

    /// The member with this name; its absence is a fault of `parent`.
    pub(super) fn require(&self, name: &str, parent: &Field<'d>) -> Option<&Field<'d>> {
        let found = self.get(name);
        if found.is_none() {
            let missing = match parent.path.as_str() {
                "" => name.to_owned(),
                path => format!("{path}.{name}"),
            };
            parent.faults.add(&missing, &"is required");
        }
        found
    }
}
