//! What a reader sees of a text. A character that cannot be seen can make one name look like another, or
//! turn a line around, before an administrator who approves.

use unicode_normalization::UnicodeNormalization as _;

/// The longest name, in characters.
const LONGEST_NAME: usize = 200;

/// A kind of character that a reader does not see.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hidden {
    /// A control character, such as a line break.
    Control,
    /// A character without a picture of its own, such as a bidirectional override or a zero-width space.
    Invisible,
}

/// The first kind of character in a text that a reader does not see.
#[must_use]
pub fn hidden(text: &str) -> Option<Hidden> {
    let characters: Vec<char> = text.chars().collect();
    let kind = |at: usize, c: char| match c {
        _ if c.is_control() => Some(Hidden::Control),
        _ if is_joiner(c) && joins(&characters, at) => None,
        _ => is_invisible(c).then_some(Hidden::Invisible),
    };
    characters.iter().enumerate().find_map(|(at, c)| kind(at, *c))
}

/// A name without what cannot be seen, and no longer than a name may be; `None` if nothing is left.
/// A line break or a tab becomes a space.
#[must_use]
pub fn readable_name(text: &str) -> Option<String> {
    let spaced = text.chars().map(|c| if c.is_control() && c.is_whitespace() { ' ' } else { c });
    let seen = |c: &char| !c.is_control() && (is_joiner(*c) || !is_invisible(*c));
    let seen: Vec<char> = spaced.filter(seen).skip_while(|c| c.is_whitespace()).collect();
    let mut name: Vec<char> = seen.into_iter().take(LONGEST_NAME).collect();
    while name.last().is_some_and(|c| c.is_whitespace()) {
        name.pop();
    }
    let kept = name.iter().enumerate().filter(|(at, c)| !is_joiner(**c) || joins(&name, *at));
    let name: String = kept.map(|(_, c)| *c).collect();
    // A joiner before a blank, at either end, leaves the blank behind.
    let name = name.trim();
    (!name.is_empty()).then(|| name.to_owned())
}

/// How [`folded`] folds. Another way to fold gets another number, so that rows of both can be told apart.
const FOLDING: &str = "1:";

/// An id as a directory compares it: without regard to case, to compatibility forms (NFKC), to spaces at
/// its ends, to how many stand between two words, and to characters that cannot be seen. It does not see
/// that letters of two scripts look alike.
#[must_use]
pub fn folded(text: &str) -> String {
    // Upper case first: `ß` is `ss`, and there is one sigma.
    let cased: String = text.nfkc().collect::<String>().to_uppercase().to_lowercase();
    let seen = cased.nfkc().filter(|c| c.is_whitespace() || !is_unseen(*c));
    let words: Vec<String> =
        seen.collect::<String>().split_whitespace().map(str::to_owned).collect();
    format!("{FOLDING}{}", words.join(" "))
}

/// Whether a character has no picture of its own.
pub(super) fn is_unseen(c: char) -> bool {
    is_joiner(c) || is_invisible(c)
}

/// The joiner and the non-joiner.
fn is_joiner(c: char) -> bool {
    matches!(c, '\u{200c}' | '\u{200d}')
}

/// Whether the joiner at this place stands between two letters that it shapes. Elsewhere it would only
/// make two equal-looking names differ.
fn joins(text: &[char], at: usize) -> bool {
    let shaped = |at: Option<usize>| at.and_then(|at| text.get(at)).is_some_and(|c| is_shaped(*c));
    shaped(at.checked_sub(1)) && shaped(at.checked_add(1))
}

/// Whether a letter or mark is of a script whose letters join: Arabic, Syriac, those of India and of
/// South-East Asia, Mongolian and their like.
fn is_shaped(c: char) -> bool {
    let of_such_a_script = matches!(c, '\u{600}'..='\u{1cff}' | '\u{a800}'..='\u{abff}' | '\u{fb50}'..='\u{fdff}'
        | '\u{fe70}'..='\u{fefc}' | '\u{10a00}'..='\u{11fff}');
    let is_number_or_space = c.is_numeric() || c.is_whitespace();
    of_such_a_script && !is_number_or_space && !is_invisible(c)
}

/// What Unicode lets be ignored (`Default_Ignorable_Code_Point`), separators of lines, marks for
/// annotations, and the blank of Braille. Variation selectors are among them: the letter is shown
/// without.
fn is_invisible(c: char) -> bool {
    matches!(c, '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}'
        | '\u{180b}'..='\u{180f}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}' | '\u{2800}' | '\u{3164}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}'
        | '\u{ffa0}' | '\u{fff0}'..='\u{fffb}' | '\u{1bca0}'..='\u{1bca3}' | '\u{1d173}'..='\u{1d17a}'
        | '\u{e0000}'..='\u{e0fff}')
}

/// A text that another person wrote, inside of our own sentence: quoted, on one line, without what cannot be seen,
/// so that it cannot pose as our words.
#[must_use]
pub fn quoted(text: &str) -> String {
    let plain = text.chars().map(|c| match c {
        '"' | '\u{201c}'..='\u{201f}' | '\u{2033}' | '\u{275d}' | '\u{275e}' | '\u{ff02}' => '\'',
        c if c.is_control() || (is_invisible(c) && !is_joiner(c)) => ' ',
        c => c,
    });
    format!("\"{}\"", plain.collect::<String>())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::mfa::words::DisplayName;

    #[test]
    fn a_quoted_text_cannot_pose_as_our_words() {
        assert_eq!(quoted("Ana"), "\"Ana\"");
        assert_eq!(quoted("Bo\". Reason: \"x"), "\"Bo'. Reason: 'x\"");
        assert_eq!(quoted("a\u{ff02}b\u{201e}c"), "\"a'b'c\"");
        assert_eq!(quoted("a\nb\u{202e}c\u{7f}"), "\"a b c \"");
        assert_eq!(quoted("می\u{200c}خواهم"), "\"می\u{200c}خواهم\"");
    }

    #[test]
    fn joiners_stay_between_letters_that_they_shape_and_nowhere_else() {
        for name in ["علی\u{200c}رضا", "अक\u{94d}\u{200d}ष", "ශ\u{dca}\u{200d}රී"]
        {
            assert_eq!((hidden(name), readable_name(name).as_deref()), (None, Some(name)));
        }
        for (name, seen) in [
            ("Jo\u{200c}hn", "John"),
            ("علی\u{200c}", "علی"),
            ("\u{200d}رضا", "رضا"),
            ("ر\u{200d}\u{200d}ض", "رض"),
            ("ر\u{200d} \u{200d}ض", "ر ض"),
        ] {
            assert_eq!(hidden(name), Some(Hidden::Invisible), "{name:?}");
            assert_eq!(readable_name(name).as_deref(), Some(seen), "{name:?}");
        }
    }

    #[test]
    fn what_cannot_be_seen_is_taken_out_of_a_name() {
        for (name, seen) in [
            ("Ann\u{ad}a", Some("Anna")),
            ("辻\u{e0100}", Some("辻")),
            ("\u{202e}nimda", Some("nimda")),
            ("Ana\tBo\r\nCy\0", Some("Ana Bo  Cy")),
            ("  Ana\u{200b} ", Some("Ana")),
            (" \u{200c} a", Some("a")),
            ("\u{3164}\u{2066}\n", None),
            ("", None),
        ] {
            assert_eq!(readable_name(name).as_deref(), seen, "{name:?}");
        }
        assert_eq!(readable_name(&"ก".repeat(300)).unwrap().chars().count(), 200);
    }

    #[test]
    fn ids_that_a_directory_takes_for_one_fold_alike() {
        for (one, other) in [
            ("jdoe", "JDOE"),
            ("jdoe", " jdoe\u{a0}"),
            ("jdoe", "ｊｄｏｅ"),
            ("jdoe", "jd\u{200b}oe"),
            ("j doe", "J  Doe"),
            ("straße", "STRASSE"),
            ("σίσυφος", "ΣΊΣΥΦΟΣ"),
            ("zoe\u{308}", "ZOË"),
            ("ﬁona", "FIONA"),
        ] {
            assert_eq!(folded(one), folded(other), "{one:?} {other:?}");
        }
        // Looking alike is another thing: the first letter is Cyrillic.
        for (one, other) in [("jdoe", "jdo"), ("j doe", "jdoe"), ("аna", "ana")] {
            assert_ne!(folded(one), folded(other), "{one:?} {other:?}");
        }
        assert_eq!(folded("Ana"), "1:ana");
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn what_is_left_of_any_text_is_a_name(text in "[a\u{200c}\u{200d}ری \u{202e}\n]{0,12}|.{0,220}") {
            if let Some(name) = readable_name(&text) {
                prop_assert!(DisplayName::parse(&name).is_ok(), "{name:?}");
                prop_assert_eq!(readable_name(&name), Some(name.clone()));
            }
        }
    }
}
