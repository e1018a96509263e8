//! The malicious console: it holds the keys of two clients with every scope, the codes that users
//! typed for logins that it relayed, and the tokens of those who are no administrators. It does what
//! it likes with every operation of the document, and weakens nothing.
//!
//! `WALK_SEED` repeats a walk; `tests/mutants/run.sh` shows that a broken server is found.

mod bodies;
mod literals;
mod pool;
mod random;
mod walk;
mod witness;

use random::Random;
use walk::Walk;

/// Calls of the console in one walk; what honest users and the witness do is not counted.
const CALLS: usize = 10_000;

#[test]
fn a_console_that_does_what_it_likes_weakens_nothing() {
    #[expect(clippy::disallowed_methods, reason = "a test's own switch")]
    let seed = std::env::var("WALK_SEED").map_or(0x0070_6177_6c00, |text| text.parse().unwrap());
    println!("WALK_SEED={seed}");
    let mut walk = Walk::begin(Random::new(seed));
    while walk.calls() < CALLS {
        walk.step();
    }
    println!("{}", walk.end());
}

#[test]
fn no_text_of_the_source_opens_anything() {
    let tried = literals::try_all();
    assert!(tried > 500, "only {tried} texts were found in the source");
    println!("{tried} texts of the source, each as secret, code, handle and ticket");
}
