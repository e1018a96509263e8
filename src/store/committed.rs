//! The proof that a transaction was committed.

/// A value that a transaction returned, after that transaction was committed. Made only by
/// `Store::write`; there is no `map`, so a value from elsewhere cannot be slipped in.
///
/// ```compile_fail,E0423
/// let forged = pawl::store::Committed(7);
/// ```
/// ```compile_fail,E0308
/// use pawl::store::Committed;
/// fn smuggle(committed: Committed<()>, other: u8) -> Result<Committed<u8>, ()> {
///     committed.split(move |()| Ok(other))
/// }
/// ```
#[derive(Debug)]
#[must_use]
pub struct Committed<T>(T);

impl<T> Committed<T> {
    pub(super) fn new(value: T) -> Self {
        Self(value)
    }

    /// Splits a committed outcome. `split` is a function and no closure: it captures nothing.
    ///
    /// # Errors
    /// The other side of the split.
    pub fn split<U, V>(self, split: fn(T) -> Result<U, V>) -> Result<Committed<U>, V> {
        split(self.0).map(Committed)
    }

    /// Looks at the value. What was looked at is no proof.
    pub fn look(&self) -> &T {
        &self.0
    }

    /// The value, which is no proof any more.
    pub fn into_inner(self) -> T {
        self.0
    }
}

impl<L, R, E> Committed<Result<(L, R), E>> {
    /// Takes a committed pair apart: the left side stays a proof, the right side is data.
    ///
    /// # Errors
    /// The committed refusal.
    pub fn split_pair(self) -> Result<(Committed<L>, R), E> {
        self.0.map(|(left, right)| (Committed(left), right))
    }
}
