//! Path templates, such as `/apps/{app}/rows/{*rest}`.

use crate::request_line::{NormalPath, decoded, normal_segment, resolved, without_parameters};

/// A path template. A capture is a whole segment's end; `{*rest}` captures all that is left.
#[derive(Debug)]
pub(super) struct Template {
    text: Box<str>,
    segments: Vec<Segment>,
    /// All that stands before the first capture, in small letters: most templates are told from a path by that.
    beginning: Box<str>,
    has_captures: bool,
}

/// A text that stands at the beginning of a segment, and what is captured after it; without a capture the text
/// is the whole segment.
#[derive(Debug)]
struct Segment {
    /// In normal form.
    text: Box<str>,
    /// The text has `;parameters` of its own, so those of a path are compared and captured.
    has_parameters: bool,
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
        let mut segments: Vec<Segment> = Vec::new();
        for segment in resolved(template.as_bytes()) {
            let segment = Segment::parse(std::str::from_utf8(segment).ok()?)?;
            let is_behind_rest = segments.last().is_some_and(Segment::is_rest);
            let name = segment.capture.as_ref().map(|capture| &capture.name);
            let is_known = name.is_some_and(|name| segments.iter().any(|s| s.captures_as(name)));
            if is_behind_rest || is_known {
                return None;
            }
            segments.push(segment);
        }
        let mut beginning = String::new();
        for segment in &segments {
            beginning.push('/');
            beginning.push_str(&segment.text);
            if segment.capture.is_some() {
                break;
            }
        }
        let has_captures = segments.iter().any(|segment| segment.capture.is_some());
        let beginning = beginning.to_ascii_lowercase().into();
        Some(Template { text: template.into(), segments, beginning, has_captures })
    }

    /// The template as it was given.
    pub(super) fn text(&self) -> &str {
        &self.text
    }

    /// Whether both match the same paths.
    pub(super) fn is_like(&self, other: &Self) -> bool {
        let mut pairs = self.segments.iter().zip(&other.segments);
        self.rank().eq(other.rank())
            && pairs.all(|(own, other)| own.text.eq_ignore_ascii_case(&other.text))
    }

    /// Whether it is closer to a path that both match: where they part, the longer text is, and
    /// after that the narrower capture.
    pub(super) fn is_closer_than(&self, other: &Self) -> bool {
        self.rank().gt(other.rank())
    }

    fn rank(&self) -> impl Iterator<Item = (usize, u8)> {
        self.segments.iter().map(|segment| {
            let narrowness = match &segment.capture {
                None => 2,
                Some(capture) if !capture.is_rest => 1,
                Some(_) => 0,
            };
            (segment.text.len(), narrowness)
        })
    }

    /// Whether it matches a path, in whichever case its letters are.
    pub(super) fn matches(&self, path: &NormalPath<'_>) -> bool {
        if path.has_parameters() {
            return self.walk(path, |_, _| {});
        }
        let text = path.as_str();
        let has_room = match self.has_captures {
            true => text.len() > self.beginning.len(),
            false => text.len() == self.beginning.len(),
        };
        has_room
            && path.begins_with(&self.beginning)
            && (!self.has_captures || self.walk(path, |_, _| {}))
    }

    /// The captures of a path that it matches, decoded. What is no UTF-8 is left out.
    pub(super) fn captures(&self, path: &NormalPath<'_>) -> Vec<(Box<str>, Box<str>)> {
        let mut captures = Vec::new();
        if !self.has_captures {
            return captures;
        }
        self.walk(path, |name, value| {
            if let Some(value) = decoded(value) {
                captures.push((name.into(), value.into()));
            }
        });
        captures
    }

    /// Whether it matches a path. Hands over the captures that it comes by, none of them empty.
    fn walk(&self, path: &NormalPath<'_>, mut captured: impl FnMut(&str, &str)) -> bool {
        let mut left = path.as_str();
        for segment in &self.segments {
            let Some(path) = left.strip_prefix('/') else { return false };
            let (whole, after) = path.split_at(path.find('/').unwrap_or(path.len()));
            let plain = if segment.has_parameters { whole } else { without_parameters(whole) };
            let Some((text, value)) = plain.split_at_checked(segment.text.len()) else {
                return false;
            };
            let capture = segment.capture.as_ref();
            if !text.eq_ignore_ascii_case(&segment.text) || value.is_empty() != capture.is_none() {
                return false;
            }
            left = after;
            let Some(capture) = capture else { continue };
            if !capture.is_rest {
                captured(&capture.name, value);
                continue;
            }
            let rest = after.split('/').skip(1).map(without_parameters);
            let rest: Vec<&str> = std::iter::once(value).chain(rest).collect();
            captured(&capture.name, &rest.join("/"));
            left = "";
        }
        left.is_empty()
    }
}

impl Segment {
    fn parse(segment: &str) -> Option<Self> {
        let (text, capture) = match segment.split_once('{') {
            None => (segment, None),
            Some((text, capture)) => {
                let name = capture.strip_suffix('}')?;
                let (name, is_rest) = match name.strip_prefix('*') {
                    Some(name) => (name, true),
                    None => (name, false),
                };
                (text, Some(Capture { name: name.into(), is_rest }))
            }
        };
        let name = capture.as_ref().map(|capture| &capture.name);
        let is_name = name.is_none_or(|name| !name.is_empty() && !name.contains(['{', '}', '*']));
        if text.contains('}') || !is_name {
            return None;
        }
        let text: Box<str> = normal_segment(text.as_bytes()).into();
        Some(Segment { has_parameters: text.contains(';'), text, capture })
    }

    fn is_rest(&self) -> bool {
        self.capture.as_ref().is_some_and(|capture| capture.is_rest)
    }

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
        for text in ["/", "/{a}/{b}", "/{a}/", "/x-{a}/{*rest}", "/%7Ba%7D", "/x;y={a}"] {
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
        assert!(template("/a/{b}/").is_like(&template("//A/./{c}")));
        assert!(!template("/{a}/b").is_like(&template("/{a}/c")));
        assert!(!template("/{a}").is_like(&template("/{a}/b")));
    }

    #[test]
    fn a_path_matches_with_its_captures() {
        let captures = |text: &str, path: &str| {
            let (template, path) = (template(text), NormalPath::new(path.as_bytes()));
            let captures = template.captures(&path);
            let captures = captures.iter().map(|(name, value)| format!("{name}={value} "));
            template.matches(&path).then(|| captures.collect::<String>())
        };
        for (text, path, expected) in [
            ("/a", "/a", ""),
            ("/{a}/b/{c}", "/1/b/2", "a=1 c=2 "),
            ("/x-{a}/", "/x-1/", "a=1 "),
            ("/{a}/{*rest}", "/1/2/3/", "a=1 rest=2/3 "),
            ("/{a}/x-{*rest}", "/1;k=v/X-2;k=v/3;k=v", "a=1 rest=2/3 "),
            ("/rows;id={id}/b", "/Rows;ID=Abc/b;x", "id=Abc "),
            ("/A%20b/{id}/", "/a b/%e4%b8%ad%2f%3B%25;x", "id=中/;% "),
            ("/a/../{id}", "/1", "id=1 "),
            ("/{a}/{b}", "/%ff/1", "b=1 "),
            ("/", "/", ""),
        ] {
            assert_eq!(captures(text, path).as_deref(), Some(expected), "{text} {path}");
        }
        for (text, path) in [
            ("/a", "/ab"),
            ("/a", "/a/b"),
            ("/a", ""),
            ("/", "/a"),
            ("/rows;id={id}", "/rows/1"),
            ("/a", "/%C3%A9"),
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
