//! Writes Markdown, and the little HTML within it that GitHub and GitLab render alike. What is opened is closed, because the
//! inside is a function; what is written is [`Inline`], because nothing else can be. Kept out: what a report says.
//!
//! Each paragraph is one line: a line end within one is a break in GitHub's comments, and a space everywhere else.

use super::inline::Inline;

/// Markdown that is being written.
#[derive(Default)]
pub(super) struct Markup(String);

impl Markup {
    /// A heading of the third level: below those of the host's own page.
    pub(super) fn heading(&mut self, text: &Inline) {
        self.block(&["### ", text.as_str()]);
    }

    /// A paragraph.
    pub(super) fn paragraph(&mut self, text: &Inline) {
        self.block(&[text.as_str()]);
    }

    /// A list.
    pub(super) fn list(&mut self, items: &[Inline]) {
        for item in items {
            self.0.push_str(&["- ", item.as_str(), "\n"].concat());
        }
        self.0.push('\n');
    }

    /// A table; numbers stand right.
    pub(super) fn table(&mut self, head: &[Inline], right: &[usize], rows: &[Vec<Inline>]) {
        self.row(head);
        let sides: Vec<&str> = (0..head.len()).map(|at| if right.contains(&at) { "---:" } else { "---" }).collect();
        self.0.push_str(&format!("|{}|\n", sides.join("|")));
        rows.iter().for_each(|row| self.row(row));
        self.0.push('\n');
    }

    /// Something that is folded until a reader asks for it.
    pub(super) fn fold(&mut self, summary: &Inline, inside: impl FnOnce(&mut Self)) {
        self.block(&["<details><summary>", summary.as_str(), "</summary>"]);
        inside(self);
        self.0.push_str("</details>\n\n");
    }

    /// Text with its own line ends; `escaped` comes from `Sink::html`.
    pub(super) fn preformatted(&mut self, escaped: &str) {
        self.block(&["<pre>", escaped, "</pre>"]);
    }

    /// Small print.
    pub(super) fn small(&mut self, text: &Inline) {
        self.block(&["<sub>", text.as_str(), "</sub>"]);
    }

    /// Whether nothing was written yet.
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// What was written, with one newline at its end.
    pub(super) fn finish(self) -> String {
        format!("{}\n", self.0.trim_end())
    }

    fn row(&mut self, cells: &[Inline]) {
        let cells: Vec<&str> = cells.iter().map(Inline::as_str).collect();
        self.0.push_str(&format!("| {} |\n", cells.join(" | ")));
    }

    fn block(&mut self, parts: &[&str]) {
        self.0.extend(parts.iter().copied());
        self.0.push_str("\n\n");
    }
}
