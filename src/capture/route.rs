//! Path templates, such as `/apps/{app}/rows/{*rest}`.

/// A path template. A capture is a whole segment's end; `{*rest}` captures all that is left.
#[derive(Debug)]
pub(super) struct Template {
    text: Box<str>,
    parts: Vec<Part>,
    /// No shorter path matches: with ids in them, most templates are longer than most paths.
    shortest: usize,
}

/// A text that stands in the path, and what is captured after it; only the last part may capture
/// nothing.
#[derive(Debug)]
struct Part {
    text: Box<str>,
    capture: Option<Capture>,
}

#[derive(Debug)]
struct Capture {
    name: Box<str>,
    is_rest: bool,
}

impl Template {
    /// `None` if its captures are not as they must be.
    pub(super) fn parse(template: &str) -> Option<Self> {
        let mut parts: Vec<Part> = Vec::new();
        let mut left = template;
        while let Some((text, after)) = left.split_once('{') {
            let (name, after) = after.split_once('}')?;
            let (name, is_rest) = match name.strip_prefix('*') {
                Some(name) => (name, true),
                None => (name, false),
            };
            let is_new = parts.iter().all(|part| !part.captures_as(name));
            let is_end = after.is_empty() || (after.starts_with('/') && !is_rest);
            if !is_new || !is_end || name.is_empty() || name.contains(['{', '/', '*']) {
                return None;
            }
            let capture = Some(Capture { name: name.into(), is_rest });
            parts.push(Part { text: text.into(), capture });
            left = after;
        }
        if !left.is_empty() {
            parts.push(Part { text: left.into(), capture: None });
        }
        let is_closed = parts.iter().all(|part| !part.text.contains('}'));
        let least = |part: &Part| part.text.len() + usize::from(part.capture.is_some());
        let shortest = parts.iter().map(least).sum();
        is_closed.then(|| Template { text: template.into(), parts, shortest })
    }

    /// The template as it was given.
    pub(super) fn text(&self) -> &str {
        &self.text
    }

    /// Whether both match the same paths.
    pub(super) fn is_like(&self, other: &Self) -> bool {
        self.rank().eq(other.rank())
            && self.parts.iter().zip(&other.parts).all(|(own, other)| own.text == other.text)
    }

    /// Whether it is closer to a path that both match: where they part, the longer text is, and
    /// after that the narrower capture.
    pub(super) fn is_closer_than(&self, other: &Self) -> bool {
        self.rank().gt(other.rank())
    }

    fn rank(&self) -> impl Iterator<Item = (usize, u8)> {
        self.parts.iter().map(|part| {
            let narrowness = match &part.capture {
                None => 2,
                Some(capture) if !capture.is_rest => 1,
                Some(_) => 0,
            };
            (part.text.len(), narrowness)
        })
    }

    /// Whether it matches a path. Hands over the captures that it comes by, none of them empty.
    pub(super) fn matches<'p>(
        &self,
        path: &'p str,
        mut captured: impl FnMut(&str, &'p str),
    ) -> bool {
        if path.len() < self.shortest {
            return false;
        }
        if let [Part { text, capture: None }] = self.parts.as_slice() {
            return **text == *path;
        }
        let mut left = path;
        for part in &self.parts {
            let Some(after) = left.strip_prefix(&*part.text) else {
                return false;
            };
            left = after;
            if let Some(capture) = &part.capture {
                let end = if capture.is_rest { None } else { left.find('/') };
                let (value, after) = left.split_at(end.unwrap_or(left.len()));
                if value.is_empty() {
                    return false;
                }
                captured(&capture.name, value);
                left = after;
            }
        }
        left.is_empty()
    }
}

impl Part {
    fn captures_as(&self, name: &str) -> bool {
        self.capture.as_ref().is_some_and(|capture| *capture.name == *name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn template(text: &str) -> Template {
        Template::parse(text).unwrap()
    }

    #[test]
    fn captures_have_names_of_their_own_and_end_a_segment() {
        for text in [
            "/{a}/{a}", "/{/}", "/{}", "/{*}", "/{a}{b}", "/{a}b", "/{a", "/a}", "/{*a}/b",
            "/{{a}}", "/{a*}", "/{**a}",
        ] {
            assert!(Template::parse(text).is_none(), "{text}");
        }
        for text in ["/", "/{a}/{b}", "/{a}/", "/x-{a}/{*rest}"] {
            assert_eq!(template(text).text(), text);
        }
    }

    #[test]
    fn the_closest_template_stands_before_the_others() {
        for (closer, other) in [
            ("/a", "/{x}"),
            ("/a/b", "/a/{x}"),
            ("/a/{x}", "/{x}/b"),
            ("/x-{a}", "/{a}"),
            ("/{a}", "/{*a}"),
            ("/{a}/b", "/{a}/{b}"),
            ("/x-{*a}", "/{a}"),
        ] {
            assert!(template(closer).is_closer_than(&template(other)), "{closer} {other}");
            assert!(!template(other).is_closer_than(&template(closer)), "{closer} {other}");
            assert!(!template(closer).is_like(&template(other)), "{closer} {other}");
        }
        assert!(template("/{a}/b/{*c}").is_like(&template("/{x}/b/{*y}")));
        assert!(!template("/{a}/b").is_like(&template("/{a}/c")));
        assert!(!template("/{a}").is_like(&template("/{a}/b")));
    }

    #[test]
    fn a_path_matches_with_its_captures() {
        let captures = |text: &str, path: &str| {
            let mut captures = String::new();
            let is_match = template(text).matches(path, |name, value| {
                captures += &format!("{name}={value} ");
            });
            is_match.then_some(captures)
        };
        for (text, path, expected) in [
            ("/a", "/a", ""),
            ("/{a}/b/{c}", "/1/b/2", "a=1 c=2 "),
            ("/x-{a}/", "/x-1/", "a=1 "),
            ("/{a}/{*rest}", "/1/2/3/", "a=1 rest=2/3/ "),
        ] {
            assert_eq!(captures(text, path).as_deref(), Some(expected), "{text} {path}");
        }
        for (text, path) in [
            ("/a", "/a/"),
            ("/a", "/ab"),
            ("/a", ""),
            ("/{a}", "/"),
            ("/{a}", "/1/2"),
            ("/{a}/b", "/1/c"),
            ("/{a}/{*rest}", "/1/"),
            ("/x-{a}", "/y-1"),
        ] {
            assert_eq!(captures(text, path), None, "{text} {path}");
        }
    }
}
