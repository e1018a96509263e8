//! What the onlooker sees: sentences, requests and answers, and the countdown.

use std::io::{self, Write as _};

use serde_json::Value;
use ureq::http::StatusCode;

use super::abridge::{abridged, laid_out, shortened_path};

const BOLD: &str = "1";
const DIM: &str = "2";
const RED: &str = "31";
const GREEN: &str = "32";
const YELLOW: &str = "33";
const CYAN: &str = "36";

/// Standard output: a terminal or not, colored or not.
#[derive(Clone, Copy)]
pub(super) struct Screen {
    terminal: bool,
    colored: bool,
}

type Shown = Result<(), String>;

fn write(text: &str) -> Shown {
    let mut output = io::stdout().lock();
    let written = output.write_all(text.as_bytes()).and_then(|()| output.flush());
    written.map_err(|error| format!("cannot write: {error}"))
}

/// A line as it is.
pub(super) fn line(text: &str) -> Shown {
    write(&format!("{text}\n"))
}

/// A value, abridged.
pub(super) fn show(value: &Value) -> Shown {
    let text = laid_out(&abridged(value));
    let lines: Vec<_> = text.lines().map(|line| format!("    {line}")).collect();
    line(&lines.join("\n"))
}

impl Screen {
    /// Colors are only for terminals.
    pub(super) fn new(terminal: bool, colored: bool) -> Self {
        Self { terminal, colored }
    }

    fn paint(self, color: &str, text: &str) -> String {
        if self.colored { format!("\u{1b}[{color}m{text}\u{1b}[0m") } else { text.to_owned() }
    }

    /// The head of a step, and the sentence that says what happens and why.
    pub(super) fn step(self, number: usize, title: &str, why: &str) -> Shown {
        let head = self.paint(BOLD, &format!("{number}. {title}"));
        line(&format!("\n{head}\n{}", wrapped(why, 96)))
    }

    /// That a step answered as it should, and what that means.
    pub(super) fn held(self, so: &str) -> Shown {
        let mark = self.paint(GREEN, "  ✓");
        line(&format!("{mark} {so}"))
    }

    /// The last lines.
    pub(super) fn end(self, text: &str) -> Shown {
        line(&format!("\n{}", self.paint(GREEN, text)))
    }

    /// A sentence between requests.
    pub(super) fn remark(self, text: &str) -> Shown {
        line(&format!("  {}", self.paint(BOLD, text)))
    }

    /// A request: which operation, whose credential, what body.
    pub(super) fn request(
        self,
        operation: &str,
        method: &str,
        path: &str,
        by: &str,
        body: Option<&Value>,
    ) -> Shown {
        let request = self.paint(CYAN, &format!("→ {method} {}", shortened_path(path)));
        let about = self.paint(DIM, &format!("{operation}, by {by}"));
        line(&format!("  {request}   {about}"))?;
        match body {
            Some(body) => show(body),
            None => Ok(()),
        }
    }

    /// An answer: status and body.
    pub(super) fn answer(self, status: u16, body: &Value) -> Shown {
        let color = match status {
            200..400 => GREEN,
            400..500 => YELLOW,
            _ => RED,
        };
        let reason = StatusCode::from_u16(status).ok().and_then(|code| code.canonical_reason());
        let answer = format!("← {status} {}", reason.unwrap_or_default());
        line(&format!("  {}", self.paint(color, &answer)))?;
        show(body)
    }

    /// One second of a countdown: a line that is rewritten, or a dot.
    pub(super) fn count(self, seconds: i64, what: &str, is_first: bool) -> Shown {
        if self.terminal {
            let left = self.paint(YELLOW, &format!("{seconds:>3} s"));
            write(&format!("\r\u{1b}[2K  {left} until {what}"))
        } else if is_first {
            write(&format!("  waiting {seconds} s until {what} "))
        } else if seconds % 5 == 0 {
            write(".")
        } else {
            Ok(())
        }
    }

    /// The end of a countdown.
    pub(super) fn counted(self, what: &str) -> Shown {
        if self.terminal { write(&format!("\r\u{1b}[2K  waited until {what}\n")) } else { line("") }
    }
}

/// Breaks a sentence into lines.
fn wrapped(text: &str, width: usize) -> String {
    let mut lines = vec![String::new()];
    for word in text.split_whitespace() {
        match lines.last_mut() {
            Some(line) if line.is_empty() => line.push_str(word),
            Some(line) if line.chars().count() + word.chars().count() < width => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sentence_is_broken_between_words() {
        assert_eq!(wrapped("one two  three", 7), "one two\nthree");
        assert_eq!(wrapped("unbreakable", 3), "unbreakable");
        assert_eq!(wrapped("", 3), "");
    }

    #[test]
    fn colors_are_only_for_those_who_want_them() {
        assert_eq!(Screen::new(true, true).paint(BOLD, "a"), "\u{1b}[1ma\u{1b}[0m");
        assert_eq!(Screen::new(true, false).paint(BOLD, "a"), "a");
    }
}
