//! `docs/configuration.md`, as the schema makes it.
//!
//! `make schema` compares; `make schema WRITE=1` writes the file anew.

use crate::schema::{SCHEMA, root, text};
// A mapping of YAML keeps its order, and JSON is YAML.
use serde_yaml_ng::{Mapping, Value};

/// What stands before the sections; the schema's description comes after the first paragraph.
const HEAD: &str = "# Configuration\n\nMade from [`configuration.schema.json`](configuration.schema.json) by \
`make schema WRITE=1`.\n\n";

const EDITORS: &str = "\
An editor that knows JSON Schema completes and checks a configuration as you write it. For
[yaml-language-server](https://github.com/redhat-developer/yaml-language-server), have the filter's configuration in a
file of its own, with the path from there to the schema in its first line:

```yaml
# yaml-language-server: $schema=configuration.schema.json
platform: jodoo
webhooks: []
```

In the tables, `webhooks[].url` is the `url` of each item of the list `webhooks`.
";

struct Reference {
    schema: Mapping,
    markdown: String,
}

fn member<'m>(node: &'m Mapping, keyword: &str) -> Option<&'m Value> {
    node.get(keyword)
}

fn string<'m>(node: &'m Mapping, keyword: &str) -> Option<&'m str> {
    member(node, keyword).and_then(Value::as_str)
}

fn list<'m>(node: &'m Mapping, keyword: &str) -> impl Iterator<Item = &'m Value> {
    member(node, keyword).and_then(Value::as_sequence).into_iter().flatten()
}

/// As it is written in YAML, on one line.
fn code(value: &Value) -> String {
    let text = match value {
        Value::String(text) if text.is_empty() => "\"\"".to_owned(),
        Value::String(text) => text.clone(),
        // A list of texts in the style that people write; serde has the other.
        Value::Sequence(items) => {
            let item = |item: &Value| match item {
                // YAML would take it for a list.
                Value::String(text) if text.starts_with('[') => format!("\"{text}\""),
                item => code(item).replace('`', ""),
            };
            let items: Vec<_> = items.iter().map(item).collect();
            format!("[{}]", items.join(", "))
        }
        Value::Mapping(members) => {
            let members =
                members.iter().map(|(name, value)| format!("{}: {}", code(name), code(value)));
            format!("{{{}}}", members.collect::<Vec<_>>().join(", ").replace('`', ""))
        }
        other => serde_yaml_ng::to_string(other).unwrap().trim().to_owned(),
    };
    format!("`{}`", text.replace('|', "\\|"))
}

/// 16777216 as 16,777,216.
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let groups: Vec<_> = digits.as_bytes().rchunks(3).rev().collect();
    groups.iter().map(|group| str::from_utf8(group).unwrap()).collect::<Vec<_>>().join(",")
}

/// The bounds of a number or a duration.
fn range(node: &Mapping) -> Option<String> {
    let number = |keyword| member(node, keyword).and_then(Value::as_u64).map(grouped);
    let duration = |keyword| string(node, keyword).map(str::to_owned);
    let low = number("minimum").or_else(|| duration("x-minimum"))?;
    let high = number("maximum").or_else(|| duration("x-maximum"))?;
    Some(format!("{low} to {high}"))
}

/// How a key's description ends: an editor shows it, but neither bounds nor default.
fn ending(node: &Mapping) -> String {
    let range = range(node).map(|range| format!(" From {range}."));
    let default = member(node, "default").map(|default| format!(" Default: {}.", code(default)));
    range.unwrap_or_default() + &default.unwrap_or_default()
}

/// Sections of other pages are named as in `see "Batches" in docs/pushes.md`.
fn linked(text: &str) -> String {
    let Some((start, rest)) = text.split_once("\" in docs/") else {
        return text.to_owned();
    };
    let (before, title) = start.rsplit_once('"').unwrap();
    let (page, rest) = rest.split_once(".md").unwrap();
    format!("{before}[{title}]({page}.md#{}){}", anchor(title), linked(rest))
}

/// The anchor that GitHub makes of a heading.
fn anchor(title: &str) -> String {
    let letter = |letter: char| match letter {
        ' ' => Some('-'),
        letter => letter.is_alphanumeric().then(|| letter.to_ascii_lowercase()),
    };
    title.chars().filter_map(letter).collect()
}

impl Reference {
    fn resolved(&self, part: &Value) -> Mapping {
        let mut node = part.as_mapping().cloned().unwrap_or_default();
        while let Some(Value::String(name)) = node.shift_remove("$ref") {
            let name = name.strip_prefix("#/$defs/").expect("all parts are in $defs");
            let target = self.schema["$defs"][name].as_mapping().expect("a part is an object");
            for (keyword, value) in target {
                if !node.contains_key(keyword) {
                    node.insert(keyword.clone(), value.clone());
                }
            }
        }
        node
    }

    /// The object that a key has as its value, or as the items of its list; and what its keys begin with.
    fn object_of(&self, key: &str, part: &Value) -> Option<(String, Mapping)> {
        let node = self.resolved(part);
        if node.contains_key("properties") {
            // Its description tells more than that of the key.
            let name = part.as_mapping().and_then(|part| string(part, "$ref"));
            let part = [("$ref".into(), name.expect("an object is in $defs").into())];
            return Some((
                key.to_owned(),
                self.resolved(&Value::Mapping(part.into_iter().collect())),
            ));
        }
        if let Some(items) = member(&node, "items") {
            return self.object_of(&format!("{key}[]"), items);
        }
        list(&node, "anyOf").find_map(|part| self.object_of(key, part))
    }

    fn kind(&self, part: &Value) -> String {
        let node = self.resolved(part);
        let types = member(&node, "type");
        if let Some(title) = string(&node, "title").filter(|_| !node.contains_key("properties")) {
            return title.to_lowercase().replace("url", "URL");
        }
        if node.contains_key("enum") || node.contains_key("const") {
            return "choice".to_owned();
        }
        if let Some(items) = member(&node, "items") {
            return format!("list of {}s", self.kind(items));
        }
        match types {
            Some(Value::String(name)) => name.clone(),
            Some(Value::Sequence(names)) => {
                names.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(", ")
            }
            _ => list(&node, "anyOf").map(|part| self.kind(part)).collect::<Vec<_>>().join(", or "),
        }
    }

    fn bounds(&self, part: &Value) -> String {
        let node = self.resolved(part);
        let mut bounds: Vec<_> = range(&node).into_iter().collect();
        let number = |keyword| member(&node, keyword).and_then(Value::as_u64);
        if let Some(high) = number("maxLength") {
            let low = number("minLength").map_or("at most ".into(), |low| format!("{low} to "));
            bounds.push(format!("{low}{} characters", grouped(high)));
        }
        if let Some(low) = number("minItems") {
            bounds.push(format!("at least {low}"));
        }
        if let Some(high) = number("maxItems") {
            bounds.push(format!("at most {high}"));
        }
        if let Some(high) = number("maxProperties") {
            bounds.push(format!("at most {high}"));
        }
        if member(&node, "uniqueItems").is_some() {
            bounds.push("each once".to_owned());
        }
        let names: Vec<_> = list(&node, "enum").chain(member(&node, "const")).map(code).collect();
        bounds.extend(Some(names.join(", ")).filter(|names| !names.is_empty()));
        // What is longer is better said in words.
        let pattern = string(&node, "pattern").filter(|pattern| pattern.len() <= 26);
        bounds.extend(pattern.map(|pattern| code(&pattern.into())));
        let is_place = member(&node, "type").is_some_and(Value::is_sequence);
        if let Some(items) = member(&node, "items").filter(|_| !is_place) {
            let of_items = self.resolved(items);
            let of_items = self.bounds(items).clone() + if of_items.is_empty() { " " } else { "" };
            bounds.extend(Some(of_items).filter(|bounds| !bounds.is_empty()));
        }
        bounds.extend(
            list(&node, "anyOf").map(|part| self.bounds(part)).filter(|bounds| !bounds.is_empty()),
        );
        bounds.join("; ")
    }

    fn table(&mut self, path: &str, node: &Mapping) {
        self.markdown += "| key | type | default | bounds | meaning |\n|---|---|---|---|---|\n";
        let required: Vec<_> = list(node, "required").filter_map(Value::as_str).collect();
        let Some(Value::Mapping(properties)) = member(node, "properties") else {
            return;
        };
        for (key, part) in properties {
            let key = key.as_str().unwrap();
            let resolved = self.resolved(part);
            let default = match (required.contains(&key), member(&resolved, "default")) {
                (true, _) => "**required**".to_owned(),
                (false, Some(default)) => code(default),
                (false, None) => "none".to_owned(),
            };
            let examples: Vec<_> = list(&resolved, "examples").map(code).collect();
            let is_object = resolved.contains_key("properties");
            let examples = match examples.is_empty() || is_object {
                true => String::new(),
                false => format!(" For example {}.", examples.join(", ")),
            };
            let description = string(&resolved, "description").unwrap_or_default();
            let ending = ending(&resolved);
            // The table has columns for these.
            let meaning = description.strip_suffix(&ending).map(linked).unwrap_or_else(|| {
                panic!("{path}{key}: the description must end with {ending:?}: {description:?}")
            });
            let (kind, bounds) = (self.kind(part), self.bounds(part));
            self.markdown += &format!(
                "| `{path}{key}` | {kind} | {default} | {bounds} | {meaning}{examples} |\n"
            );
        }
    }

    /// The examples of an object, as the part of a configuration that they are.
    fn examples(&mut self, path: &str, node: &Mapping) {
        let examples: Vec<_> = list(node, "examples").cloned().collect();
        if examples.is_empty() {
            return;
        }
        let names = path.rsplit('.').filter(|name| !name.is_empty());
        let wrapped = names.fold(examples, |values, name| {
            let (name, value) = match name.strip_suffix("[]") {
                Some(name) => (name, Value::Sequence(values)),
                None => (name, values.into_iter().next().unwrap()),
            };
            let wrapped = [(name.into(), value)].into_iter().collect();
            vec![Value::Mapping(wrapped)]
        });
        for example in wrapped {
            self.markdown +=
                &format!("\n```yaml\n{}```\n", serde_yaml_ng::to_string(&example).unwrap());
        }
    }

    /// An object and, after it, those within.
    fn section(&mut self, level: usize, path: &str, node: &Mapping) {
        let title = string(node, "title").expect("an object has a title");
        let description = linked(string(node, "description").expect("an object has a description"));
        self.markdown += &format!("\n{} {title}\n\n{description}\n\n", "#".repeat(level));
        let prefix = if path.is_empty() { String::new() } else { format!("{path}.") };
        self.table(&prefix, node);
        self.examples(path, node);
        let properties = member(node, "properties").and_then(Value::as_mapping).cloned();
        for (key, part) in properties.unwrap_or_default() {
            let key = format!("{prefix}{}", key.as_str().unwrap());
            let Some((path, object)) = self.object_of(&key, &part) else {
                continue;
            };
            // What has a table already is the same again: a field of a field, say.
            let heading = format!("# {}\n", string(&object, "title").unwrap());
            if !self.markdown.contains(&heading) {
                let level = if prefix.is_empty() { 2 } else { level + 1 };
                self.section(level, &path, &object);
            }
        }
    }
}

fn reference() -> String {
    let schema: Mapping = serde_yaml_ng::from_str(&text()).unwrap();
    let mut reference = Reference { schema, markdown: HEAD.to_owned() };
    let description = string(&reference.schema, "description").unwrap().to_owned();
    reference.markdown += &format!("{description}\n\n{EDITORS}");
    for name in ["watch", "admin"] {
        let part = reference.schema["$defs"][name].clone();
        let node = reference.resolved(&part);
        reference.section(2, "", &node);
    }
    reference.markdown
}

#[test]
fn the_reference_is_what_the_schema_makes_of_it() {
    let path = root().join("docs/configuration.md");
    let made = reference();
    let kept = || std::fs::read_to_string(&path).unwrap_or_default();
    if std::env::var("WRITE").is_ok_and(|write| !write.is_empty()) && kept() != made {
        std::fs::write(&path, &made).unwrap();
    }
    let name = path.display();
    assert!(kept() == made, "{name} is not what the schema makes of it: make schema WRITE=1");
}

#[test]
fn every_section_that_is_named_is_there() {
    let reference = reference();
    let links: Vec<_> = reference.split('[').filter(|part| part.contains(".md#")).collect();
    assert!(links.len() > 5, "{links:?}");
    for link in links {
        let (title, target) = link.split_once("](").unwrap();
        let page = target.split('#').next().unwrap();
        let page = std::fs::read_to_string(root().join("docs").join(page)).unwrap();
        let is_heading = |line: &str| line.trim_start_matches('#').trim() == title;
        assert!(page.lines().any(|line| line.starts_with('#') && is_heading(line)), "{title}");
    }
}

#[test]
fn the_reference_has_every_key() {
    let reference = reference();
    for (name, definition) in SCHEMA["$defs"].as_object().unwrap() {
        for key in definition["properties"].as_object().into_iter().flat_map(|keys| keys.keys()) {
            let is_there =
                [".", "`"].iter().any(|before| reference.contains(&format!("{before}{key}` |")));
            assert!(is_there, "{name}.{key}");
        }
    }
}
