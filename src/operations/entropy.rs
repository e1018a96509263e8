//! Random bytes as values: drawn before a transaction, the same at its second run.

use std::sync::Arc;

use aws_lc_rs::hmac;
use zeroize::Zeroizing;

/// Random bytes for one call, drawn before its transaction: a closure that runs twice draws the same
/// ids and secrets twice. Every value is HMAC-SHA-256 of a 256-bit seed and a counter.
#[derive(Clone)]
pub struct Entropy(Arc<Zeroizing<[u8; 32]>>);

impl Entropy {
    /// From 256 random bits.
    #[must_use]
    pub fn new(seed: [u8; 32]) -> Self {
        Self(Arc::new(Zeroizing::new(seed)))
    }

    pub(super) fn draw(&self) -> Draw {
        Draw { key: hmac::Key::new(hmac::HMAC_SHA256, self.0.as_slice()), next: 0 }
    }
}

/// The random bytes of one run of a closure.
pub(super) struct Draw {
    key: hmac::Key,
    next: u64,
}

impl Draw {
    pub(super) fn bytes<const N: usize>(&mut self) -> [u8; N] {
        const { assert!(N <= 32, "one block of HMAC-SHA-256 is 32 bytes") };
        let block = hmac::sign(&self.key, &self.next.to_be_bytes());
        self.next = self.next.saturating_add(1);
        let mut bytes = [0; N];
        for (byte, random) in bytes.iter_mut().zip(block.as_ref()) {
            *byte = *random;
        }
        bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_run_draws_the_same_bytes_and_a_second_draw_other_ones() {
        let entropy = Entropy::new([9; 32]);
        let (mut first, mut second) = (entropy.draw(), entropy.draw());
        let a: [u8; 32] = first.bytes();
        assert_eq!(a, second.bytes::<32>());
        assert_ne!(a, first.bytes::<32>());
        assert_ne!(a, Entropy::new([8; 32]).draw().bytes::<32>());
    }
}
