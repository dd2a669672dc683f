//! Aligned columns without lines, as `ps` and `kubectl` draw them.

use comfy_table::{Attribute, Cell, Color, ContentArrangement};

use super::{Screen, Tone};
use crate::failure::Failure;

/// A table in the making. Words that name a state are toned by themselves.
pub(crate) struct Table {
    inner: comfy_table::Table,
    rows: usize,
}

impl Table {
    pub fn new<T: Into<String>>(headings: impl IntoIterator<Item = T>) -> Self {
        let mut inner = comfy_table::Table::new();
        inner.load_style(comfy_table::presets::NOTHING).set_content_arrangement(ContentArrangement::Disabled);
        inner.set_header(
            headings.into_iter().map(|heading| Cell::new(heading.into()).add_attribute(Attribute::Bold)),
        );
        Self { inner, rows: 0 }
    }

    pub fn row<T: Into<String>>(&mut self, cells: impl IntoIterator<Item = T>) {
        self.rows += 1;
        self.inner.add_row(cells.into_iter().map(|text| {
            let text = one_line(&text.into());
            let first_word = text.split([',', ' ']).next().unwrap_or_default();
            match Tone::of(first_word) {
                Some(Tone::Good) => Cell::new(text).fg(Color::DarkGreen),
                Some(Tone::Warn) => Cell::new(text).fg(Color::DarkYellow),
                Some(Tone::Bad) => Cell::new(text).fg(Color::DarkRed),
                Some(Tone::Dim) => Cell::new(text).add_attribute(Attribute::Dim),
                Some(Tone::Strong) | None => Cell::new(text),
            }
        }));
    }

    pub fn is_empty(&self) -> bool {
        self.rows == 0
    }

    /// The table as text, each line indented by `indent`.
    pub fn text(&mut self, screen: &Screen, indent: &str) -> String {
        for column in self.inner.column_iter_mut() {
            column.set_padding((0, 2));
        }
        if screen.has_color() {
            self.inner.enforce_styling();
        } else {
            self.inner.force_no_tty();
        }
        let mut text = String::new();
        for line in self.inner.trim_fmt().lines() {
            text.push_str(indent);
            text.push_str(line.trim_end());
            text.push('\n');
        }
        text
    }

    pub fn print(&mut self, screen: &Screen) -> Result<(), Failure> {
        let text = self.text(screen, "");
        screen.print(&text)
    }
}

/// Untrusted text on one line, without control characters that would steer the terminal.
fn one_line(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_align_and_nothing_trails() {
        let screen = Screen { color_out: false, color_err: false, interactive: false };
        let mut table = Table::new(["NAME", "PHASE", "AGE"]);
        table.row(["shop", "running", "3s"]);
        table.row(["a-long-name", "failed", ""]);
        table.row(["宅急便", "evil\u{1b}[2J\nline", "1d"]);
        assert_eq!(
            table.text(&screen, "  "),
            "  NAME         PHASE          AGE\n  shop         running        3s\n  a-long-name  failed\n  宅急便       evil [2J line  1d\n"
        );
    }
}
