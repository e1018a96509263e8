//! W3C Trace Context, level 1: who called, in which trace.

use std::num::{NonZeroU64, NonZeroU128};

/// A `traceparent` header. `tracestate` is neither read nor handed on: it holds what other vendors
/// want to know, up to 512 characters of it, and Pawl adds nothing to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TraceParent {
    /// `trace-id`.
    pub trace: NonZeroU128,
    /// `parent-id`: the caller's span.
    pub span: NonZeroU64,
    /// Whether the caller may have recorded its part.
    pub is_sampled: bool,
}

impl TraceParent {
    /// Reads the header. Nothing that is not exactly one is taken for one: the caller of this begins a
    /// trace of its own then, as the recommendation says.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let mut parts = text.splitn(5, '-');
        let version = hex(parts.next()?, 2)?;
        let (trace, span) = (hex(parts.next()?, 32)?, hex(parts.next()?, 16)?);
        let flags = hex(parts.next()?, 2)?;
        // A later version may have more parts; 255 is none.
        if version == 0xff || (version == 0 && parts.next().is_some()) {
            return None;
        }
        Some(Self {
            trace: NonZeroU128::new(trace)?,
            span: NonZeroU64::new(u64::try_from(span).ok()?)?,
            is_sampled: flags & 1 == 1,
        })
    }
}

/// Lowercase hexadecimal digits, exactly so many.
fn hex(text: &str, digits: usize) -> Option<u128> {
    let is_hex = text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
    if text.len() != digits || !is_hex {
        return None;
    }
    u128::from_str_radix(text, 16).ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The recommendation's own example (section 3.2.3).
    const EXAMPLE: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

    #[test]
    fn the_examples_of_the_recommendation_are_read() {
        let read = TraceParent::parse(EXAMPLE).unwrap();
        assert_eq!(read.trace.get(), 0x4bf9_2f35_77b3_4da6_a3ce_929d_0e0e_4736);
        assert_eq!(read.span.get(), 0x00f0_67aa_0ba9_02b7);
        assert!(read.is_sampled);
        let unsampled = EXAMPLE.replace("-01", "-00");
        assert!(!TraceParent::parse(&unsampled).unwrap().is_sampled);
        // Other flags mean nothing yet.
        assert!(!TraceParent::parse(&EXAMPLE.replace("b7-01", "b7-fe")).unwrap().is_sampled);
        assert!(TraceParent::parse(&EXAMPLE.replace("b7-01", "b7-ff")).unwrap().is_sampled);
    }

    #[test]
    fn a_later_version_may_have_more_at_its_end() {
        for later in [EXAMPLE.replace("00-4b", "cc-4b"), EXAMPLE.replace("00-4b", "01-4b") + "-a-b"]
        {
            assert_eq!(TraceParent::parse(&later), TraceParent::parse(EXAMPLE), "{later}");
        }
    }

    #[test]
    fn what_is_not_exactly_one_is_none() {
        let trace = "4bf92f3577b34da6a3ce929d0e0e4736";
        let span = "00f067aa0ba902b7";
        for wrong in [
            String::new(),
            "-".to_owned(),
            format!("ff-{trace}-{span}-01"),
            format!("0-{trace}-{span}-01"),
            format!("000-{trace}-{span}-01"),
            format!("0x-{trace}-{span}-01"),
            format!("00-{}-{span}-01", "0".repeat(32)),
            format!("00-{trace}-{}-01", "0".repeat(16)),
            format!("00-{}-{span}-01", &trace[1..]),
            format!("00-{trace}0-{span}-01"),
            format!("00-{}-{span}-01", trace.to_uppercase()),
            format!("00-{trace}-{}-01", span.to_uppercase()),
            format!("00-{trace}-{}-01", &span[1..]),
            format!("00-{trace}-{span}"),
            format!("00-{trace}-{span}-"),
            format!("00-{trace}-{span}-1"),
            format!("00-{trace}-{span}-001"),
            format!("00-{trace}-{span}-0G"),
            format!("00-{trace}-{span}-01-"),
            format!("00-{trace}-{span}-01-more"),
            format!("01-{trace}-{span}-01more"),
            format!(" 00-{trace}-{span}-01"),
            format!("00-{trace}-{span}-01 "),
            format!("00_{trace}_{span}_01"),
            format!("00-+{}-{span}-01", &trace[1..]),
            format!("00-{trace}-{span}-01, 00-{trace}-{span}-01"),
        ] {
            assert_eq!(TraceParent::parse(&wrong), None, "{wrong}");
        }
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_again(trace in 1_u128.., span in 1_u64.., is_sampled: bool) {
            let (trace, span) = (NonZeroU128::new(trace).unwrap(), NonZeroU64::new(span).unwrap());
            let parent = TraceParent { trace, span, is_sampled };
            let text = format!("00-{trace:032x}-{span:016x}-{:02x}", u8::from(parent.is_sampled));
            prop_assert_eq!(TraceParent::parse(&text), Some(parent));
        }

        #[test]
        fn no_text_is_too_much(text in ".*", near in "[0-9a-f-]{50,60}") {
            for text in [text, near] {
                if let Some(read) = TraceParent::parse(&text) {
                    let trace = format!("{:032x}", read.trace);
                    prop_assert!(text.is_ascii() && text.contains(&trace));
                }
            }
        }
    }
}
