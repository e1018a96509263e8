//! Codes as people type and paste them: with spaces, dashes and full stops between the groups, with
//! full-width letters, and with the digits of their own script. The one rule for all codes.

use super::text::is_unseen;

/// The first digits of the scripts that have ten in a row (Unicode's decimal digits, as far as keyboards
/// have them).
const ZEROS: [char; 19] = [
    '\u{660}', '\u{6f0}', '\u{7c0}', '\u{966}', '\u{9e6}', '\u{a66}', '\u{ae6}', '\u{b66}',
    '\u{be6}', '\u{c66}', '\u{ce6}', '\u{d66}', '\u{e50}', '\u{ed0}', '\u{f20}', '\u{1040}',
    '\u{17e0}', '\u{1810}', '\u{ff10}',
];

/// The characters of a code that was typed, without what only separates. `None` stands for one that no
/// code has. Nothing is copied: the caller wipes what it keeps.
pub(super) fn typed(text: &str) -> impl Iterator<Item = Option<u8>> + '_ {
    text.chars().filter(|c| !separates(*c)).map(ascii)
}

fn separates(c: char) -> bool {
    c.is_whitespace()
        || is_unseen(c)
        || matches!(
            c,
            '-' | '.' | '\u{2010}'
                ..='\u{2015}'
                    | '\u{2212}'
                    | '\u{fe58}'
                    | '\u{fe63}'
                    | '\u{ff0d}'
                    | '\u{b7}'
                    | '\u{3002}'
                    | '\u{ff0e}'
        )
}

/// The ASCII character that is meant.
fn ascii(c: char) -> Option<u8> {
    if let Ok(byte) = u8::try_from(c) {
        return byte.is_ascii().then_some(byte);
    }
    let code = u32::from(c);
    let digit = ZEROS.iter().find_map(|zero| {
        let value = u8::try_from(code.checked_sub(u32::from(*zero))?).ok()?;
        (value < 10).then_some(value)
    });
    digit.map(|value| b'0'.saturating_add(value)).or_else(|| full_width(code))
}

/// The letter that a full-width one stands for.
fn full_width(code: u32) -> Option<u8> {
    let byte = u8::try_from(code.checked_sub(0xfee0)?).ok()?;
    byte.is_ascii_alphabetic().then_some(byte)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Option<String> {
        typed(text).map(|typed| typed.map(char::from)).collect()
    }

    #[test]
    fn what_separates_is_left_out_and_digits_and_letters_are_folded() {
        for (text, meant) in [
            ("123 456", Some("123456")),
            ("123\u{a0}456", Some("123456")),
            ("\u{200e}123\u{2009}456\n", Some("123456")),
            ("１２３４５６", Some("123456")),
            ("١٢٣٤٥٦", Some("123456")),
            ("۱۲۳۴۵۶", Some("123456")),
            ("१२३४५६", Some("123456")),
            ("12–34—5.6", Some("123456")),
            ("ＡＢｃ-1", Some("ABc1")),
            ("+12345", Some("+12345")),
            ("é", None),
            ("½", None),
        ] {
            assert_eq!(read(text).as_deref(), meant, "{text:?}");
        }
    }
}
