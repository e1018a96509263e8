//! Secrets at rest: AES-256-GCM-SIV (RFC 8452) under key-encryption keys that are files, never
//! rows; keyed hashes for recovery codes; plain hashes for 256-bit handles.
//!
//! A sealed value is `01 | key id (8) | nonce (12) | ciphertext | tag (16)`.

use aws_lc_rs::aead::{AES_256_GCM_SIV, Aad, LessSafeKey, Nonce, UnboundKey};
use aws_lc_rs::{digest, hmac};
use subtle::ConstantTimeEq as _;
use zeroize::Zeroizing;

use super::key_file::parse;
pub use super::key_file::{KeyFileError, KeyId, new_key_file};

const VERSION: u8 = 1;
const KEY_CHECK: Place<'_> =
    Place { table: "key_check", tenant: "", user: "", row: "", parameters: "" };

/// Where a sealed value belongs. It opens nowhere else.
#[derive(Debug, Clone, Copy)]
pub struct Place<'a> {
    /// The table, or another purpose.
    pub table: &'static str,
    /// The tenant's id; empty for what belongs to the installation.
    pub tenant: &'a str,
    /// The id of the user whose secret it is; empty for a secret that is no user's.
    pub user: &'a str,
    /// The row's id.
    pub row: &'a str,
    /// What else gives the secret its meaning, such as its kind, digits and period.
    pub parameters: &'a str,
}

/// A value cannot be sealed or opened. To callers all are one: refuse, never "not there".
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SealError {
    /// Sealed under a key that this ring does not hold.
    #[error(
        "sealed under the key {0}, and no key file at hand is it; name its file in \
         PAWL_OTHER_KEY_FILES"
    )]
    UnknownKey(KeyId),
    /// Damaged, cut, moved here from another place, or sealed under another key of the same id.
    #[error("a sealed value is damaged or belongs elsewhere")]
    Broken,
    /// Another key has replaced the one that seals here.
    #[error(
        "the key {own} was replaced by {by} and seals no more; name the file of {by} in \
         PAWL_KEY_FILE and start again"
    )]
    Replaced {
        /// The key that seals here.
        own: KeyId,
        /// The key check's.
        by: KeyId,
    },
    /// The library did not seal.
    #[error("a value could not be sealed")]
    NotSealed,
}

/// The key-encryption keys: one seals, all open. The library wipes them when they are dropped;
/// there is no way to read one back.
pub struct KeyRing {
    sealing: (KeyId, LessSafeKey),
    others: Vec<(KeyId, LessSafeKey)>,
}

impl KeyRing {
    /// The ring of the one key in a key file; a line end may follow.
    ///
    /// # Errors
    /// [`KeyFileError`].
    pub fn parse_file(text: &str) -> Result<Self, KeyFileError> {
        let (id, bytes) = parse(text)?;
        let key = UnboundKey::new(&AES_256_GCM_SIV, &bytes).map_err(|_| KeyFileError::Format)?;
        Ok(Self { sealing: (id, LessSafeKey::new(key)), others: Vec::new() })
    }

    /// Also opens what the keys of `other` sealed.
    ///
    /// # Errors
    /// [`KeyFileError::SameId`].
    pub fn with_other(mut self, other: Self) -> Result<Self, KeyFileError> {
        for key in std::iter::once(other.sealing).chain(other.others) {
            if self.find(key.0).is_some() {
                return Err(KeyFileError::SameId);
            }
            self.others.push(key);
        }
        Ok(self)
    }

    /// The keys that this ring opens with, the one that seals first.
    pub fn ids(&self) -> impl Iterator<Item = KeyId> {
        std::iter::once(&self.sealing).chain(&self.others).map(|(id, _)| *id)
    }

    /// The first nine bytes of whatever the key that seals has sealed.
    pub(super) fn head(&self) -> Vec<u8> {
        [&[VERSION], self.sealing.0.0.as_slice()].concat()
    }

    /// Seals a secret text for its place under the key that seals. `nonce` is random.
    ///
    /// # Errors
    /// [`SealError::NotSealed`].
    pub fn seal(&self, at: &Place<'_>, text: &[u8], nonce: [u8; 12]) -> Result<Vec<u8>, SealError> {
        let (id, ref key) = self.sealing;
        // With room for the tag: a reallocation would leave a copy of the plaintext on the heap.
        let mut body = Zeroizing::new(Vec::with_capacity(text.len().saturating_add(16)));
        body.extend_from_slice(text);
        let unique = Nonce::assume_unique_for_key(nonce);
        key.seal_in_place_append_tag(unique, associated_data(at, id), &mut *body)
            .map_err(|_| SealError::NotSealed)?;
        Ok([&[VERSION], id.0.as_slice(), &nonce, &body].concat())
    }

    /// Opens what was sealed for this very place.
    ///
    /// # Errors
    /// [`SealError::UnknownKey`] or [`SealError::Broken`].
    pub fn open(&self, place: &Place<'_>, sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, SealError> {
        let (id, rest) = split(sealed).ok_or(SealError::Broken)?;
        let (nonce, body) = rest.split_first_chunk().ok_or(SealError::Broken)?;
        let key = self.find(id).ok_or(SealError::UnknownKey(id))?;
        let nonce = Nonce::assume_unique_for_key(*nonce);
        let mut body = Zeroizing::new(body.to_vec());
        let length = key
            .open_in_place(nonce, associated_data(place, id), &mut body)
            .map_err(|_| SealError::Broken)?
            .len();
        body.truncate(length);
        Ok(body)
    }

    /// Whether the key that seals sealed this; if not, it is to be sealed again.
    #[must_use]
    pub fn is_current(&self, sealed: &[u8]) -> bool {
        key_of(sealed) == Some(self.sealing.0)
    }

    /// Seals again, for the same place, under the key that seals.
    ///
    /// # Errors
    /// Those of [`Self::open`] and [`Self::seal`].
    pub fn reseal(
        &self,
        at: &Place<'_>,
        old: &[u8],
        nonce: [u8; 12],
    ) -> Result<Vec<u8>, SealError> {
        self.seal(at, &self.open(at, old)?, nonce)
    }

    /// A key check value to keep in the database.
    ///
    /// # Errors
    /// [`SealError::NotSealed`].
    pub fn make_check(&self, nonce: [u8; 12]) -> Result<Vec<u8>, SealError> {
        self.seal(&KEY_CHECK, &[], nonce)
    }

    /// Whether this ring opens the database's check value; with a wrong key Pawl does not become
    /// ready.
    ///
    /// # Errors
    /// Those of [`Self::open`].
    pub fn verify_check(&self, check: &[u8]) -> Result<(), SealError> {
        self.open(&KEY_CHECK, check).map(|_| ())
    }

    fn find(&self, id: KeyId) -> Option<&LessSafeKey> {
        let mut keys = std::iter::once(&self.sealing).chain(&self.others);
        keys.find(|(known, _)| *known == id).map(|(_, key)| key)
    }
}

/// The key that sealed a value; its first nine bytes are enough.
#[must_use]
pub fn key_of(sealed: &[u8]) -> Option<KeyId> {
    split(sealed).map(|(id, _)| id)
}

fn split(sealed: &[u8]) -> Option<(KeyId, &[u8])> {
    let (id, rest) = sealed.strip_prefix(&[VERSION])?.split_first_chunk()?;
    Some((KeyId(*id), rest))
}

/// Each part goes behind its length, so that bytes cannot wander from one part into the next.
fn length(part: &[u8]) -> [u8; 8] {
    (part.len() as u64).to_be_bytes()
}

fn associated_data(place: &Place<'_>, id: KeyId) -> Aad<Vec<u8>> {
    let texts = [place.table, place.tenant, place.user, place.row, place.parameters];
    let [table, tenant, user, row, parameters] = texts.map(str::as_bytes);
    let parts = [table, tenant, user, row, parameters, &id.0, &[VERSION]];
    Aad::from(parts.map(|part| [&length(part), part].concat()).concat())
}

/// The installation's pepper, itself sealed in the database: a stolen copy of the rows does not
/// allow guessing what [`Self::keyed_hash`] made.
pub struct Pepper(hmac::Key);

impl Pepper {
    /// From its 32 random bytes.
    #[must_use]
    pub fn new(bytes: &[u8; 32]) -> Self {
        Self(hmac::Key::new(hmac::HMAC_SHA256, bytes))
    }

    /// HMAC-SHA-256 over the parts, under a sub-key that serves this purpose only.
    #[must_use]
    pub fn keyed_hash(&self, purpose: &str, data: &[&[u8]]) -> [u8; 32] {
        let sub_key = Zeroizing::new(mac(&self.0, &[b"pawl sub-key v1", purpose.as_bytes()]));
        mac(&hmac::Key::new(hmac::HMAC_SHA256, &*sub_key), data)
    }
}

fn mac(key: &hmac::Key, parts: &[&[u8]]) -> [u8; 32] {
    let mut context = hmac::Context::with_key(key);
    for part in parts {
        context.update(&length(part));
        context.update(part);
    }
    fixed(context.sign().as_ref())
}

/// SHA-256, for handles and client secrets: 256 random bits need no slow hash.
#[must_use]
pub fn sha256(data: &[u8]) -> [u8; 32] {
    fixed(digest::digest(&digest::SHA256, data).as_ref())
}

/// SHA-256 gives 32 bytes, always.
fn fixed(hash: &[u8]) -> [u8; 32] {
    let mut out = [0; 32];
    out.copy_from_slice(hash);
    out
}

/// Compares in a time that depends on the lengths only.
#[must_use]
pub fn constant_time_eq(a: &[u8], b: &[u8]) -> bool {
    a.ct_eq(b).into()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const PLACE: Place<'_> =
        Place { table: "factors", tenant: "ten", user: "usr", row: "fac", parameters: "6" };

    fn file(seed: u8) -> Zeroizing<String> {
        let mut random = Zeroizing::new([0; 36]);
        random[..4].fill(seed);
        random[4..].copy_from_slice(&sha256(&[seed]));
        new_key_file(&random)
    }

    fn ring(seed: u8) -> KeyRing {
        KeyRing::parse_file(&file(seed)).ok().unwrap()
    }

    fn broken(place: Place<'_>, sealed: &[u8]) {
        let opened = ring(1).open(&place, sealed);
        assert_eq!(opened, Err(SealError::Broken), "{place:?}");
    }

    proptest! {
        #[test]
        fn what_was_sealed_opens_and_shows_nothing(
            plain in prop::collection::vec(any::<u8>(), 8..80), nonce: [u8; 12]
        ) {
            let sealed = ring(1).seal(&PLACE, &plain, nonce).unwrap();
            prop_assert_eq!(sealed.len(), 1 + 8 + 12 + plain.len() + 16);
            prop_assert!(!sealed.windows(plain.len()).any(|part| part == plain));
            prop_assert_eq!(&*ring(1).open(&PLACE, &sealed).unwrap(), &plain);
        }
    }

    #[test]
    fn a_flipped_bit_or_another_length_is_an_error() {
        let sealed = ring(1).seal(&PLACE, b"secret", [7; 12]).unwrap();
        for bit in 0..sealed.len() * 8 {
            let mut bad = sealed.clone();
            bad[bit / 8] ^= 1 << (bit % 8);
            assert!(ring(1).open(&PLACE, &bad).is_err(), "bit {bit}");
        }
        for length in 0..sealed.len() {
            broken(PLACE, &sealed[..length]);
        }
        broken(PLACE, &[sealed.as_slice(), &[0]].concat());
    }

    #[test]
    fn a_moved_value_is_an_error() {
        let sealed = ring(1).seal(&PLACE, b"secret", [7; 12]).unwrap();
        let places = [
            Place { table: "clients", ..PLACE },
            Place { tenant: "ten2", ..PLACE },
            Place { user: "usr2", ..PLACE },
            Place { row: "fac2", ..PLACE },
            Place { parameters: "8", ..PLACE },
            Place { tenant: "tenu", user: "sr", ..PLACE },
            Place { user: "usrf", row: "ac", ..PLACE },
        ];
        for place in places {
            broken(place, &sealed);
        }
    }

    #[test]
    fn the_associated_data_is_framed_and_names_key_and_version() {
        let expected = b"\0\0\0\0\0\0\0\x07factors\0\0\0\0\0\0\0\x03ten\0\0\0\0\0\0\0\x03usr\
            \0\0\0\0\0\0\0\x03fac\0\0\0\0\0\0\0\x016\0\0\0\0\0\0\0\x08deadbeef\0\0\0\0\0\0\0\x01\x01";
        assert_eq!(associated_data(&PLACE, KeyId(*b"deadbeef")).as_ref(), expected);
    }

    const SECOND: KeyId = KeyId(*b"02020202");

    #[test]
    fn all_keys_open_and_one_seals() {
        let old = ring(1).seal(&PLACE, b"secret", [7; 12]).unwrap();
        let unknown = ring(2).open(&PLACE, &old);
        assert_eq!(unknown, Err(SealError::UnknownKey(KeyId(*b"01010101"))));
        let both = ring(2).with_other(ring(1)).ok().unwrap();
        assert_eq!(&**both.open(&PLACE, &old).unwrap(), b"secret");
        assert!(!both.is_current(&old));
        let new = both.seal(&PLACE, b"secret", [8; 12]).unwrap();
        assert!(both.is_current(&new) && !both.is_current(&[]));
        assert!(ring(2).open(&PLACE, &new).is_ok());
        assert!(both.ids().eq([SECOND, KeyId(*b"01010101")]));
        assert_eq!(both.with_other(ring(1)).err(), Some(KeyFileError::SameId));
    }

    #[test]
    fn what_is_sealed_again_keeps_its_place_and_length_and_changes_its_key() {
        let old = ring(1).seal(&PLACE, b"secret", [7; 12]).unwrap();
        let both = ring(2).with_other(ring(1)).ok().unwrap();
        let new = both.reseal(&PLACE, &old, [8; 12]).unwrap();
        assert_eq!(
            (new.len(), key_of(&new), key_of(&new[..9])),
            (old.len(), Some(SECOND), Some(SECOND))
        );
        assert_eq!(&**ring(2).open(&PLACE, &new).unwrap(), b"secret");
        let elsewhere = Place { row: "fac2", ..PLACE };
        assert_eq!(both.reseal(&elsewhere, &old, [8; 12]), Err(SealError::Broken));
        assert!(ring(2).reseal(&PLACE, &old, [8; 12]).is_err());
    }

    #[test]
    fn a_wrong_key_is_recognized_at_the_start() {
        let check = ring(1).make_check([7; 12]).unwrap();
        assert_eq!(ring(1).verify_check(&check), Ok(()));
        let unknown = Err(SealError::UnknownKey(KeyId(*b"01010101")));
        assert_eq!(ring(2).verify_check(&check), unknown);
        let same_id = file(2).replace("02020202", "01010101");
        let wrong = KeyRing::parse_file(&same_id).ok().unwrap();
        assert_eq!(wrong.verify_check(&check), Err(SealError::Broken));
        let other = ring(1).seal(&PLACE, &[], [7; 12]).unwrap();
        assert_eq!(ring(1).verify_check(&other), Err(SealError::Broken));
    }

    #[test]
    fn a_keyed_hash_depends_on_pepper_purpose_and_framed_parts() {
        let pepper = Pepper::new(&[1; 32]);
        let hash = pepper.keyed_hash("recovery", &[b"ab", b"c"]);
        assert_eq!(hash, pepper.keyed_hash("recovery", &[b"ab", b"c"]));
        assert_ne!(hash, pepper.keyed_hash("recovery", &[b"a", b"bc"]));
        assert_ne!(hash, pepper.keyed_hash("ticket", &[b"ab", b"c"]));
        let other = Pepper::new(&[2; 32]);
        assert_ne!(hash, other.keyed_hash("recovery", &[b"ab", b"c"]));
    }

    #[test]
    fn plain_hashes_and_comparisons_are_the_known_ones() {
        assert_eq!(sha256(b"abc")[..4], [0xba, 0x78, 0x16, 0xbf]);
        assert!(constant_time_eq(b"ab", b"ab"));
        assert!(!constant_time_eq(b"ab", b"ac") && !constant_time_eq(b"ab", b"a"));
    }
}
