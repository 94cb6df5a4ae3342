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

/// Places to look at, one after the other; the first that has something counts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Lookup(pub Vec<Source>);

impl Lookup {
    /// Whether there is no place to look at.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// What the first place that has something holds.
    ///
    /// # Errors
    /// Nothing was found, and a body that may have held it could not be read.
    pub fn find<'d>(&'d self, documents: &'d Documents<'_>) -> Result<Option<Found<'d>>, Miss> {
        let mut unread = None;
        for source in &self.0 {
            match source.find(documents) {
                Ok(Some(found)) => return Ok(Some(found)),
                Ok(None) => {}
                Err(miss) => unread = unread.or(Some(miss)),
            }
        }
        unread.map_or(Ok(None), Err)
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
    /// As text: a JSON string's content, or a number's digits.
    pub fn as_text(&self) -> Option<Cow<'d, str>> {
        match self {
            Found::Text(text) => Some(Cow::Borrowed(*text)),
            Found::Json(value) if value.kind() == Kind::Number => Some(Cow::Borrowed(value.raw())),
            Found::Json(value) => value.as_str(),
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
    /// When: RFC 3339 in UTC, or milliseconds since 1970. Without it, when the answer had passed.
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
    use super::*;

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
