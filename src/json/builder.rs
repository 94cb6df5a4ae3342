//! Building JSON text.

use super::quote;

/// A JSON text that is being written, compact. It puts the commas; that what is opened is closed,
/// and that an object has names, is up to the caller.
#[derive(Debug, Default)]
pub struct Builder(Vec<u8>);

impl Builder {
    /// A text with nothing in it yet.
    pub fn new() -> Self {
        Builder::default()
    }

    /// The text.
    pub fn finish(self) -> Vec<u8> {
        self.0
    }

    /// How many bytes the text has so far.
    pub fn position(&self) -> usize {
        self.0.len()
    }

    /// Goes back to where the text was at this position.
    pub fn go_back(&mut self, position: usize) {
        self.0.truncate(position);
    }

    /// The same as Rust text.
    pub fn into_text(self) -> String {
        // Only whole texts were put in.
        String::from_utf8(self.0).unwrap_or_default()
    }

    fn value(&mut self) -> &mut Vec<u8> {
        // A string or a number never ends like one of these.
        if !matches!(self.0.last(), None | Some(b'{' | b'[' | b':')) {
            self.0.push(b',');
        }
        &mut self.0
    }

    /// Begins an object or, with `[`, an array.
    pub fn open(&mut self, bracket: u8) -> &mut Self {
        self.value().push(bracket);
        self
    }

    /// Ends an object or an array.
    pub fn close(&mut self, bracket: u8) -> &mut Self {
        self.0.push(bracket);
        self
    }

    /// The name of the member whose value comes next.
    pub fn name(&mut self, name: &str) -> &mut Self {
        quote(self.value(), name);
        self.0.push(b':');
        self
    }

    /// A string.
    pub fn text(&mut self, text: &str) -> &mut Self {
        quote(self.value(), text);
        self
    }

    /// A string or `null`.
    pub fn maybe(&mut self, text: Option<&str>) -> &mut Self {
        match text {
            Some(text) => self.text(text),
            None => self.raw("null"),
        }
    }

    /// An array of strings.
    pub fn texts(&mut self, texts: impl IntoIterator<Item: AsRef<str>>) -> &mut Self {
        self.open(b'[');
        for text in texts {
            self.text(text.as_ref());
        }
        self.close(b']')
    }

    /// A whole number.
    pub fn number(&mut self, number: u64) -> &mut Self {
        self.raw(&number.to_string())
    }

    /// A whole number or `null`.
    pub fn maybe_number(&mut self, number: Option<u64>) -> &mut Self {
        match number {
            Some(number) => self.number(number),
            None => self.raw("null"),
        }
    }

    /// `true` or `false`.
    pub fn flag(&mut self, flag: bool) -> &mut Self {
        self.raw(if flag { "true" } else { "false" })
    }

    /// A value that is JSON already.
    pub fn raw(&mut self, json: &str) -> &mut Self {
        self.value().extend_from_slice(json.as_bytes());
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_built_is_json_with_its_commas() {
        let mut json = Builder::new();
        json.open(b'{').name("a").text("x\"{").name("b").open(b'[').number(1).maybe(None);
        json.open(b'{').close(b'}').open(b'[').close(b']').flag(true).close(b']');
        json.name("c").raw("{}").name("d").maybe(Some("y")).close(b'}');
        let text = String::from_utf8(json.finish()).unwrap();
        assert_eq!(text, r#"{"a":"x\"{","b":[1,null,{},[],true],"c":{},"d":"y"}"#);
    }
}
