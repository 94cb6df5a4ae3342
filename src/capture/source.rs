//! Where in an API call a piece of an event is found.

use super::{Documents, Miss};
use crate::json::{Kind, Pointer, PointerError, Value};
use crate::token::is_token;
use std::borrow::Cow;
use std::fmt;

/// One place in an API call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// A JSON pointer into the request's body.
    Request(Pointer),
    /// A JSON pointer into the response's body.
    Response(Pointer),
    /// A capture of the path template.
    Path(Box<str>),
    /// A header of the request, by its lowercase name.
    Header(Box<str>),
    /// A fixed text.
    Literal(Box<str>),
}

/// Why a text names no place in an API call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SourceError {
    /// It has none of the known beginnings.
    UnknownPrefix,
    /// What follows `request:` or `response:` is not a JSON pointer.
    Pointer(PointerError),
    /// What follows `header:` cannot be a header's name.
    HeaderName,
}

impl fmt::Display for SourceError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            SourceError::UnknownPrefix => f.write_str(
                "begin with `request:` or `response:` and a JSON pointer, `path:` and a capture of the path, `header:` and a name, or `literal:` and a text",
            ),
            SourceError::Pointer(error) => error.fmt(f),
            SourceError::HeaderName => f.write_str("this cannot be the name of an HTTP header"),
        }
    }
}

impl Source {
    /// Parses a place such as `response:/data/_id` or `path:app_id`.
    ///
    /// # Errors
    /// Says what is allowed.
    pub fn parse(text: &str) -> Result<Self, SourceError> {
        let (prefix, rest) = text.split_once(':').ok_or(SourceError::UnknownPrefix)?;
        let pointer = || Pointer::parse(rest).map_err(SourceError::Pointer);
        match prefix {
            "request" => pointer().map(Source::Request),
            "response" => pointer().map(Source::Response),
            "path" => Ok(Source::Path(rest.into())),
            "header" if is_token(rest) => Ok(Source::Header(rest.to_ascii_lowercase().into())),
            "header" => Err(SourceError::HeaderName),
            "literal" => Ok(Source::Literal(rest.into())),
            _ => Err(SourceError::UnknownPrefix),
        }
    }

    fn find<'d>(&'d self, documents: &'d Documents<'_>) -> Result<Option<Found<'d>>, Miss> {
        Ok(match self {
            Source::Request(pointer) => pointer.resolve(documents.request()?).map(Found::Json),
            Source::Response(pointer) => pointer.resolve(documents.response()?).map(Found::Json),
            Source::Path(name) => documents.call().path(name).map(Found::Text),
            Source::Header(name) => documents.call().header(name).map(Found::Text),
            Source::Literal(text) => Some(Found::Text(text)),
        })
    }
}

/// Places to look at, one after the other; the first that has something counts, which `null` is only
/// where no other has anything.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Lookup(pub Vec<Source>);

impl Lookup {
    /// What the first place that has something holds.
    ///
    /// # Errors
    /// Nothing was found, and a body that may have held it could not be read.
    pub fn find<'d>(&'d self, documents: &'d Documents<'_>) -> Result<Option<Found<'d>>, Miss> {
        let (mut unread, mut null) = (None, None);
        for source in &self.0 {
            match source.find(documents) {
                Ok(Some(found)) if found.is_null() => null = Some(found),
                Ok(Some(found)) => return Ok(Some(found)),
                Ok(None) => {}
                Err(miss) => unread = unread.or(Some(miss)),
            }
        }
        unread.map_or(Ok(null), Err)
    }
}

/// Something found in an API call.
#[derive(Clone, Copy)]
pub enum Found<'d> {
    /// A JSON value of a body.
    Json(Value<'d>),
    /// Text from elsewhere.
    Text(&'d str),
}

impl<'d> Found<'d> {
    pub(super) fn is_null(&self) -> bool {
        matches!(self, Found::Json(value) if value.kind() == Kind::Null)
    }

    /// As text: a JSON string's content, or a number's digits.
    pub fn as_text(&self) -> Option<Cow<'d, str>> {
        match self {
            Found::Text(text) => Some(Cow::Borrowed(*text)),
            Found::Json(value) if value.kind() == Kind::Number => Some(Cow::Borrowed(value.raw())),
            Found::Json(value) => value.as_str(),
        }
    }

    /// As it was sent.
    pub(super) fn raw(&self) -> &'d str {
        match self {
            Found::Text(text) => text,
            Found::Json(value) => value.raw(),
        }
    }

    /// The items of a JSON array.
    pub fn items(&self) -> impl Iterator<Item = Value<'d>> + use<'d> {
        let list = match self {
            Found::Json(value) => Some(*value),
            Found::Text(_) => None,
        };
        list.into_iter().flat_map(|list| list.items())
    }

    /// As a JSON object.
    pub fn as_object(&self) -> Option<Value<'d>> {
        match self {
            Found::Json(value) if value.kind() == Kind::Object => Some(*value),
            _ => None,
        }
    }
}

/// Where the pieces of an event are found.
#[derive(Clone, Debug, Default)]
pub struct Sources {
    /// The app's id. Required.
    pub app_id: Lookup,
    /// The form's id. Required.
    pub entry_id: Lookup,
    /// The record's id; without it, `_id` of the record.
    pub record_id: Lookup,
    /// The record after the change.
    pub record: Lookup,
    /// Who made the change: text, or a member as the platform describes one.
    pub actor: Lookup,
    /// When: RFC 3339, or milliseconds since 1970. Without it, when the answer had passed.
    pub time: Lookup,
}

impl Sources {
    /// Every place that is looked at.
    pub fn all(&self) -> impl Iterator<Item = &Source> {
        [&self.app_id, &self.entry_id, &self.record_id, &self.record, &self.actor, &self.time]
            .into_iter()
            .flat_map(|lookup| &lookup.0)
    }
}

#[cfg(test)]
mod tests {
    use super::super::event::testing::captured;
    use super::*;

    /// What is found in a call at the first of some places that has something.
    fn found(places: &[&str], response: &str) -> Result<Option<String>, Miss> {
        let places = places.iter().map(|place| Source::parse(place).unwrap());
        let lookup = Lookup(places.collect());
        let call = captured(Sources::default(), "{}", response);
        let documents = call.documents();
        let found = lookup.find(&documents)?;
        Ok(found.map(|found| match found {
            Found::Json(value) => value.raw().to_owned(),
            Found::Text(text) => text.to_owned(),
        }))
    }

    #[test]
    fn a_null_counts_only_if_no_later_place_has_something() {
        let text = |text: &str| Ok(Some(text.to_owned()));
        let places = ["response:/row/id", "path:row"];
        assert_eq!(found(&places, r#"{"row":{"id":3}}"#), text("3"));
        assert_eq!(found(&places, r#"{"row":{"id":null}}"#), text("7"));
        assert_eq!(found(&places, r#"{"row":null}"#), text("7"));
        let places = ["response:/a", "response:/b", "response:/c"];
        assert_eq!(found(&places, r#"{"a":null,"b":0}"#), text("0"));
        assert_eq!(found(&places, r#"{"b":null}"#), text("null"));
        assert_eq!(found(&places, "{}"), Ok(None));
        assert_eq!(found(&places, "{"), Err(Miss::Malformed));
    }

    #[test]
    fn every_kind_of_place_can_be_named() {
        let pointer = |text| Pointer::parse(text).unwrap();
        for (text, source) in [
            ("request:/app_id", Source::Request(pointer("/app_id"))),
            ("response:", Source::Response(pointer(""))),
            ("path:id", Source::Path("id".into())),
            ("header:X-User", Source::Header("x-user".into())),
            ("literal:a:b", Source::Literal("a:b".into())),
        ] {
            assert_eq!(Source::parse(text), Ok(source));
        }
    }

    #[test]
    fn a_typing_error_is_no_literal() {
        assert_eq!(Source::parse("reqest:/a"), Err(SourceError::UnknownPrefix));
        assert_eq!(Source::parse("data"), Err(SourceError::UnknownPrefix));
        assert_eq!(Source::parse("header:a b"), Err(SourceError::HeaderName));
        let no_slash = SourceError::Pointer(PointerError::NoSlash);
        assert_eq!(Source::parse("response:data"), Err(no_slash));
    }
}
