//! The platform's rule for field aliases.

use std::fmt;

/// Names the platform itself puts beside the fields of a record and that an alias could spell;
/// the others hold an underscore in front or a capital letter, which no alias has.
const SYSTEM_NAMES: [&str; 7] =
    ["creator", "updater", "deleter", "ext", "wx_open_id", "wx_nickname", "wx_gender"];

/// A name that stands for a field id: `^[a-z][a-z0-9_]*$`, and no system name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Alias(Box<str>);

/// Why a text is not an alias.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AliasError {
    /// It has a character that the platform does not allow there.
    Characters,
    /// The platform uses it for something else.
    SystemName,
}

impl fmt::Display for AliasError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            AliasError::Characters => {
                "an alias begins with a lowercase letter and holds only lowercase letters, digits and `_`"
            }
            AliasError::SystemName => {
                "this name belongs to a system field of every record; choose another alias"
            }
        })
    }
}

impl Alias {
    /// Checks an alias.
    ///
    /// # Errors
    /// Says which rule it breaks.
    pub fn parse(text: &str) -> Result<Self, AliasError> {
        let allowed = |byte: u8| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'_');
        if !text.starts_with(|first: char| first.is_ascii_lowercase()) || !text.bytes().all(allowed)
        {
            return Err(AliasError::Characters);
        }
        if SYSTEM_NAMES.contains(&text) {
            return Err(AliasError::SystemName);
        }
        Ok(Alias(text.into()))
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_platforms_rule_is_kept() {
        for good in ["a", "customer", "sub_form_1", "x9"] {
            assert!(Alias::parse(good).is_ok(), "{good}");
        }
        for bad in ["", "_a", "9a", "Customer", "kunde-nr", "名", "a b", "a\""] {
            assert_eq!(Alias::parse(bad), Err(AliasError::Characters), "{bad}");
        }
        assert_eq!(Alias::parse("creator"), Err(AliasError::SystemName));
    }
}
