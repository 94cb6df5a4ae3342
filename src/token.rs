//! What RFC 9110 calls a token: the form of header names and methods.

/// Whether the text is a token (RFC 9110 section 5.6.2).
pub fn is_token(text: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    !text.is_empty() && text.bytes().all(allowed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_are_told_from_other_texts() {
        for token in ["POST", "x-user", "M-SEARCH", "x_1!"] {
            assert!(is_token(token), "{token}");
        }
        for other in ["", "a b", "a:b", "ä", "a\r\n", "(x)", "\"x\""] {
            assert!(!is_token(other), "{other}");
        }
    }
}
