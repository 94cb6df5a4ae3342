//! Text on a terminal: what fits into how many columns, and two texts side by side.
//!
//! It knows nothing of calls and pushes.

use std::io::{IsTerminal as _, Write as _};
use std::process::{Command, Stdio};

/// With fewer columns than this, the two texts of a step stand one below the other: beside each
/// other, nearly every line of them would be broken.
const LEAST_FOR_TWO: usize = 110;

const BETWEEN: &str = " │ ";

/// What a line is, which decides its colour.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Style {
    /// Sentences.
    Prose,
    Plain,
    Title,
    Aside,
    Good,
    Bad,
}

/// A line of any length, all in one style.
#[derive(Clone, Debug)]
pub struct Line {
    pub style: Style,
    pub text: String,
}

/// Where the demo is shown.
#[derive(Debug)]
pub struct Screen {
    width: usize,
    is_coloured: bool,
}

impl Style {
    fn code(self) -> &'static str {
        match self {
            Style::Prose | Style::Plain => "",
            Style::Title => "1",
            Style::Aside => "2",
            Style::Good => "32",
            Style::Bad => "1;31",
        }
    }

    pub fn line(self, text: impl Into<String>) -> Line {
        Line { style: self, text: text.into() }
    }
}

impl Screen {
    /// The terminal, or whatever else takes down what the demo says.
    pub fn of_stdout() -> Self {
        let is_terminal = std::io::stdout().is_terminal();
        let declined = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        let columns = std::env::var("COLUMNS").ok().and_then(|columns| columns.parse().ok());
        let columns = columns.or_else(|| if is_terminal { terminal_columns() } else { None });
        let width = columns.filter(|columns| *columns > 0).unwrap_or(120).clamp(40, 240);
        Screen { width, is_coloured: is_terminal && !declined }
    }

    /// The columns of a text that has all of them.
    pub fn width(&self) -> usize {
        self.width
    }

    /// The columns that the text on the left has, and that on the right.
    pub fn halves(&self) -> (usize, usize) {
        if self.width < LEAST_FOR_TWO {
            return (self.width, self.width);
        }
        // A push has the longer lines: its headers.
        let both = self.width - BETWEEN.chars().count();
        let left = both * 11 / 25;
        (left, both - left)
    }

    /// A line across with a title in it.
    pub fn heading(&self, title: &str) -> std::io::Result<()> {
        let rest = self.width.saturating_sub(columns_of(title) + 4);
        let line = format!("── {title} {}", "─".repeat(rest));
        self.print(&[Style::Plain.line(""), Style::Title.line(line)])
    }

    /// Lines below each other.
    pub fn print(&self, lines: &[Line]) -> std::io::Result<()> {
        let rows = lines.iter().flat_map(|line| rows(line, self.width));
        self.put(rows.map(|row| self.coloured(&row)))
    }

    /// One line as it is, for those who copy it.
    pub fn print_unwrapped(&self, text: &str) -> std::io::Result<()> {
        self.put(text.lines().map(str::to_owned))
    }

    /// Lines beside others, or where there is no room for that, above them.
    pub fn print_beside(&self, left: &[Line], right: &[Line]) -> std::io::Result<()> {
        if self.width < LEAST_FOR_TWO {
            self.print(left)?;
            self.print(&[Style::Plain.line("")])?;
            return self.print(right);
        }
        let widths = self.halves();
        let left: Vec<Line> = left.iter().flat_map(|line| rows(line, widths.0)).collect();
        let right: Vec<Line> = right.iter().flat_map(|line| rows(line, widths.1)).collect();
        let empty = Style::Plain.line("");
        self.put((0..left.len().max(right.len())).map(|at| {
            let (left, right) = (left.get(at).unwrap_or(&empty), right.get(at).unwrap_or(&empty));
            let padding = " ".repeat(widths.0.saturating_sub(columns_of(&left.text)));
            let both = format!("{}{padding}{BETWEEN}{}", self.coloured(left), self.coloured(right));
            both.trim_end().to_owned()
        }))
    }

    fn coloured(&self, row: &Line) -> String {
        match row.style.code() {
            code if self.is_coloured && !code.is_empty() => {
                format!("\x1b[{code}m{}\x1b[0m", row.text)
            }
            _ => row.text.clone(),
        }
    }

    /// A reader that goes away, such as `head`, is an error here and not a panic.
    fn put(&self, rows: impl Iterator<Item = String>) -> std::io::Result<()> {
        let mut out = std::io::stdout().lock();
        for row in rows {
            writeln!(out, "{row}")?;
        }
        out.flush()
    }
}

/// What the terminal says of itself.
fn terminal_columns() -> Option<usize> {
    let mut stty = Command::new("stty");
    let size = stty.arg("size").stdin(Stdio::inherit()).stderr(Stdio::null()).output().ok()?;
    // "24 80"
    String::from_utf8_lossy(&size.stdout).split_whitespace().nth(1)?.parse().ok()
}

/// The columns that a text takes.
pub fn columns_of(text: &str) -> usize {
    text.chars().map(columns_of_char).sum()
}

fn columns_of_char(char: char) -> usize {
    match u32::from(char) {
        // Marks that are put on the character before them.
        0x0300..=0x036f | 0x200b..=0x200f | 0xfe00..=0xfe0f => 0,
        // Hangul, Chinese and Japanese, their punctuation, full-width forms, emoji.
        0x1100..=0x115f
        | 0x2e80..=0x303e
        | 0x3041..=0xa4cf
        | 0xac00..=0xd7a3
        | 0xf900..=0xfaff
        | 0xfe30..=0xfe6f
        | 0xff00..=0xff60
        | 0xffe0..=0xffe6
        | 0x1f300..=0x1f64f
        | 0x1f680..=0x1f6ff
        | 0x1f900..=0x1f9ff
        | 0x20000..=0x3fffd => 2,
        _ => 1,
    }
}

fn rows(line: &Line, width: usize) -> Vec<Line> {
    let own = line.text.len() - line.text.trim_start_matches(' ').len();
    let indent = if line.style == Style::Prose { 0 } else { own + 2 };
    wrapped(&line.text, indent, width).into_iter().map(|text| line.style.line(text)).collect()
}

/// The rows of a text that fit. All but the first are set in.
pub fn wrapped(text: &str, indent: usize, width: usize) -> Vec<String> {
    let text = without_controls(text);
    let indent = " ".repeat(indent.min(width / 2));
    let mut rows = Vec::new();
    let (mut lead, mut rest) = ("", text.as_str());
    loop {
        let fits = bytes_that_fit(rest, width - lead.len());
        let at = if fits == rest.len() { fits } else { break_before(rest, fits) };
        rows.push(format!("{lead}{}", rest[..at].trim_end()));
        rest = rest[at..].trim_start_matches(' ');
        if rest.is_empty() {
            return rows;
        }
        lead = &indent;
    }
}

/// Where to break a text of which so many bytes fit: after a space, else after a comma or an
/// ampersand, but not so early that the row is left nearly empty.
fn break_before(text: &str, fits: usize) -> usize {
    let is_late = |at: &usize| *at > fits / 4;
    let next_is_space = text[fits..].starts_with(' ').then_some(fits);
    let after = |chars: &[char]| text[..fits].rfind(chars).map(|at| at + 1).filter(is_late);
    next_is_space.or_else(|| after(&[' '])).or_else(|| after(&[',', '&'])).unwrap_or(fits)
}

/// At least one character, so that wrapping comes to an end.
fn bytes_that_fit(text: &str, width: usize) -> usize {
    let mut columns = 0;
    let first = text.chars().next().map_or(0, char::len_utf8);
    let too_far = text.char_indices().find(|(_, char)| {
        columns += columns_of_char(*char);
        columns > width
    });
    too_far.map_or(text.len(), |(at, _)| at.max(first))
}

/// Control characters would reach the terminal and do there what they mean.
fn without_controls(text: &str) -> String {
    let shown = |char: char| if char.is_control() { '\u{fffd}' } else { char };
    text.chars().map(shown).collect()
}
