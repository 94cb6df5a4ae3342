//! A form's field comparison table as files. Labels come from whoever describes a form, and the files
//! are opened elsewhere: in a spreadsheet no cell is a formula, and in Markdown all text is only text.

use crate::form::Row;
use std::borrow::Cow;

const COLUMNS: [&str; 6] = ["id", "alias", "label", "type", "json_type", "description"];

fn cells<'r>(row: &'r Row<'_>) -> [&'r str; COLUMNS.len()] {
    let (alias, label) = (row.alias.unwrap_or_default(), row.label.unwrap_or_default());
    [&row.id, alias, label, row.field_type, row.json_type, row.description]
}

/// RFC 4180, after a byte order mark: without one Excel takes UTF-8 for something else.
pub(super) fn csv(rows: &[Row<'_>]) -> String {
    let mut csv = format!("\u{feff}{}\r\n", COLUMNS.join(","));
    for row in rows {
        csv.push_str(&cells(row).map(csv_cell).join(","));
        csv.push_str("\r\n");
    }
    csv
}

/// What a spreadsheet may take for a formula gets a `'`, as OWASP's page on CSV injection has it.
fn csv_cell(text: &str) -> String {
    let is_skipped =
        |c: char| c.is_whitespace() || c.is_control() || "\u{200b}\u{feff}".contains(c);
    let begins = text.trim_start_matches(is_skipped).chars().next();
    // Also the forms of East Asian keyboards, full-width and small, which Excel reads as the same.
    let is_formula = begins.is_some_and(|c| "=+-@＝＋－＠﹦﹢﹣﹫".contains(c))
        || text.starts_with(['\t', '\r', '\n']);
    let quote = if is_formula { "'" } else { "" };
    format!("\"{quote}{}\"", text.replace('"', "\"\""))
}

/// A table of GitHub Flavored Markdown.
pub(super) fn markdown(rows: &[Row<'_>]) -> String {
    let mut markdown = format!("| {} |\n|{}\n", COLUMNS.join(" | "), "---|".repeat(COLUMNS.len()));
    for row in rows {
        markdown.push_str(&format!("| {} |\n", cells(row).map(markdown_cell).join(" | ")));
    }
    markdown
}

/// A text that shows as itself and nothing else, on one line.
fn markdown_cell(text: &str) -> String {
    let mut cell = String::with_capacity(text.len());
    let mut is_in_code = false;
    let (mut before, mut rest) = (None, text.chars());
    while let Some(this) = rest.next() {
        let after = rest.as_str();
        // Parts of an address that becomes a link by itself. No escape prevents that in all parsers,
        // so the character by which it is known stands in code, and apart from the others.
        let is_of_address = match this {
            '@' => true,
            ':' => after.starts_with("//"),
            '.' => cell.to_ascii_lowercase().ends_with("www"),
            _ => false,
        };
        if is_of_address != is_in_code {
            cell.push('`');
            is_in_code = is_of_address;
        }
        match is_of_address {
            true => cell.push(this),
            false => cell.push_str(&markdown_character(before, this, after)),
        }
        before = Some(this);
    }
    if is_in_code {
        cell.push('`');
    }
    cell
}

fn markdown_character(before: Option<char>, this: char, after: &str) -> Cow<'static, str> {
    let is_of_word = |c: Option<char>| c.is_some_and(char::is_alphanumeric);
    let next = after.chars().next();
    let is_at_edge = before.is_none() || next.is_none();
    let has_meaning = match this {
        // No parser splits cells here, whatever it makes of backslashes before `|`.
        '|' | '\\' | '\n' | '\r' => return format!("&#{};", u32::from(this)).into(),
        // A cell's own spaces are taken off.
        ' ' | '\t' if is_at_edge => return format!("&#{};", u32::from(this)).into(),
        // In a word it has none.
        '_' => !(is_of_word(before) && is_of_word(next)),
        // `:smile:` of GitHub.
        ':' => !next.is_none_or(char::is_whitespace),
        _ => "`*[]<>&~$^{}=!#".contains(this),
    };
    match has_meaning {
        true => format!("\\{this}").into(),
        false => this.to_string().into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use comrak::nodes::NodeValue;
    use proptest::prelude::*;

    fn row(label: &str) -> Row<'_> {
        Row {
            id: "_widget_1".into(),
            alias: None,
            label: Some(label),
            field_type: "text",
            json_type: "string",
            description: "UTC, \"\" or null",
        }
    }

    /// The labels of a CSV, as another reader finds them.
    fn csv_label(label: &str) -> String {
        let text = csv(&[row(label)]);
        let text = text.strip_prefix('\u{feff}').expect("a byte order mark");
        let mut reader = csv::ReaderBuilder::new().from_reader(text.as_bytes());
        let rows: Vec<csv::StringRecord> = reader.records().map(Result::unwrap).collect();
        assert_eq!((rows.len(), rows[0].len()), (1, COLUMNS.len()), "{text}");
        rows[0][2].to_owned()
    }

    #[test]
    fn no_cell_of_the_csv_is_a_formula() {
        for label in [
            "=1+1",
            "+1",
            "-1",
            "@SUM(A1)",
            "\t=1",
            "\rx",
            "\nx",
            "\tx",
            "＝1",
            "＋1",
            "－1",
            "＠A",
            " =1",
            "\u{a0}=1",
            "\u{3000}＝1",
            "\u{200b}=1",
            "\u{feff}=1",
            "\u{0}=1",
            "﹦1",
            "=HYPERLINK(\"http://evil.example\",\"x\")",
        ] {
            assert_eq!(csv_label(label), format!("'{label}"), "{label:?}");
        }
        for label in ["Customer", "客户", "a=b", "1-2", "a\tb", "x,y;z\"w\"", ""] {
            assert_eq!(csv_label(label), label);
        }
    }

    /// The cells of the only row of a Markdown table by their text, as another parser finds them.
    ///
    /// # Panics
    /// If there is anything in it but text and code.
    fn markdown_cells(text: &str) -> Vec<String> {
        let arena = comrak::Arena::new();
        let mut options = comrak::Options::default();
        options.extension.table = true;
        options.extension.autolink = true;
        options.extension.strikethrough = true;
        options.extension.footnotes = true;
        options.extension.math_dollars = true;
        options.extension.superscript = true;
        options.extension.subscript = true;
        options.extension.spoiler = true;
        options.extension.highlight = true;
        let root = comrak::parse_document(&arena, text, &options);
        let blocks: Vec<_> = root.children().collect();
        assert_eq!(blocks.len(), 1, "{text}");
        assert!(matches!(blocks[0].data.borrow().value, NodeValue::Table(_)), "{text}");
        let rows: Vec<_> = blocks[0].children().collect();
        assert_eq!(rows.len(), 2, "{text}");
        let mut cells = Vec::new();
        for cell in rows[1].children() {
            let mut found = String::new();
            for node in cell.children() {
                match &node.data.borrow().value {
                    NodeValue::Text(part) => found.push_str(part),
                    NodeValue::Code(code) => found.push_str(&code.literal),
                    other => panic!("{other:?} in {text}"),
                }
            }
            cells.push(found);
        }
        cells
    }

    fn assert_only_text(label: &str) {
        let cells = markdown_cells(&markdown(&[row(label)]));
        let expected = ["_widget_1", "", label, "text", "string", "UTC, \"\" or null"];
        assert_eq!(cells, expected);
    }

    #[test]
    fn a_label_in_markdown_is_only_text() {
        for label in [
            "Customer",
            "客户 | 名",
            "a|b",
            "a\\|b",
            "a\\\\|b",
            "\\",
            "![x](http://evil.example/x.png)",
            "[x](javascript:alert(1))",
            "[x]: http://evil.example",
            "[^1]",
            "<script>alert(1)</script>",
            "<http://evil.example>",
            "<img src=x onerror=alert(1)>",
            "http://evil.example/a_b",
            "HTTPS://evil.example",
            "www.evil.example",
            "WWW.evil.example",
            "a@evil.example",
            "mailto:a@evil.example",
            "@@a@@",
            "`code`",
            "``",
            "*a* _b_ __c__ ~~d~~ ~e~ ==f==",
            "$a$ $$b$$ x^2^",
            "&lt;b&gt; &#124; &amp;",
            "# a",
            "---",
            "a  b",
            " a ",
            "\ta\t",
            "a\nb\r\nc\rd",
            "\n",
            "+ a",
            "_widget_1_",
            "a_b_c",
        ] {
            assert_only_text(label);
        }
    }

    #[test]
    fn ids_stay_readable_in_markdown() {
        assert_eq!(markdown_cell("_widget_1432728651402"), "\\_widget_1432728651402");
        assert_eq!(markdown_cell("a_b: c"), "a_b: c");
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(3_000))]

        #[test]
        fn any_label_is_one_cell_with_its_text(
            label in r#"[\\|`*_\[\]()<>!&#;:/.@~$^=a-cwW \t\r\n-]{0,24}|\PC{0,16}|(https?://|www\.|mailto:|a@b\.c|[ -~]){0,6}"#,
        ) {
            assert_only_text(&label);
            let shown = csv_label(&label);
            prop_assert_eq!(shown.strip_prefix('\'').unwrap_or(&shown), label.strip_prefix('\'').unwrap_or(&label));
        }
    }
}
