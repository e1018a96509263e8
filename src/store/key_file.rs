//! Key-encryption keys as they lie in files: one line, an id and 32 random bytes.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use zeroize::Zeroizing;

const FILE_PREFIX: &str = "pawl-kek-v1";

/// Names a key-encryption key, and tells nothing about it. It stands in every value that the key
/// sealed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct KeyId(pub(super) [u8; 8]);

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // From the database it may be anything.
        write!(f, "{}", self.0.escape_ascii())
    }
}

/// A key cannot be used. It never echoes the key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum KeyFileError {
    /// Not the one line of a key file.
    #[error("a key file is one line: {FILE_PREFIX}:<8 hex digits>:<32 bytes in base64url>")]
    Format,
    /// A sample, a pattern, zeros: nobody drew this at random.
    #[error("the key is not random; a first start in an empty folder makes one")]
    NotRandom,
    /// Two keys of the ring bear the same id.
    #[error("two keys bear the same id")]
    SameId,
}

/// The key of a file's one line; a line end may follow.
pub(super) fn parse(text: &str) -> Result<(KeyId, Zeroizing<Vec<u8>>), KeyFileError> {
    let (id, bytes) = parse_line(text).ok_or(KeyFileError::Format)?;
    if looks_random(&bytes) { Ok((id, bytes)) } else { Err(KeyFileError::NotRandom) }
}

fn parse_line(text: &str) -> Option<(KeyId, Zeroizing<Vec<u8>>)> {
    let line = text.strip_suffix('\n').unwrap_or(text);
    let (id, key) = line.strip_prefix(FILE_PREFIX)?.strip_prefix(':')?.split_once(':')?;
    let bytes = Zeroizing::new(URL_SAFE_NO_PAD.decode(key).ok()?);
    let id: [u8; 8] = id.as_bytes().try_into().ok()?;
    let is_hex = id.iter().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
    (is_hex && bytes.len() == 32).then_some((KeyId(id), bytes))
}

/// Refuses zeros, repetitions, text and counting. 32 random bytes hold some 30 different values; 16
/// or fewer come once in 10^13 keys, and only ASCII once in 2^32.
fn looks_random(key: &[u8]) -> bool {
    let mut values = Zeroizing::new(key.to_vec());
    values.sort_unstable();
    values.dedup();
    values.len() > 16 && !key.is_ascii()
}

/// The one line of a new key file: 4 random bytes become the key's id, 32 the key.
#[must_use]
pub fn new_key_file(random: &Zeroizing<[u8; 36]>) -> Zeroizing<String> {
    let [a, b, c, d, key @ ..] = &**random;
    let id = u32::from_be_bytes([*a, *b, *c, *d]);
    let key = Zeroizing::new(URL_SAFE_NO_PAD.encode(key));
    Zeroizing::new(format!("{FILE_PREFIX}:{id:08x}:{}\n", *key))
}

#[cfg(test)]
mod tests {
    use super::super::seal::sha256;
    use super::*;

    fn file(seed: u8) -> Zeroizing<String> {
        let mut random = Zeroizing::new([0; 36]);
        random[..4].fill(seed);
        random[4..].copy_from_slice(&sha256(&[seed]));
        new_key_file(&random)
    }

    #[test]
    fn a_key_file_is_one_exact_line() {
        let good = file(1);
        assert!(good.starts_with("pawl-kek-v1:01010101:") && good.ends_with('\n'));
        assert!(parse(good.trim_end()).is_ok());
        let swap = |new: &str| good.replace("01010101", new);
        let [short, upper, no_hex] = ["0101010", "ABABABAB", "0101010g"].map(swap);
        let (version, twice) = (good.replace("v1", "v2"), good.repeat(2));
        let (longer, cut) = (good.replace('\n', "AAAA"), &good[..good.len() - 5]);
        for bad in ["", &short, &upper, &no_hex, &version, &twice, &longer, cut] {
            let refused = parse(bad).err();
            assert_eq!(refused, Some(KeyFileError::Format), "{bad}");
        }
    }

    #[test]
    fn a_key_that_nobody_drew_is_refused() {
        let counting: [u8; 32] = std::array::from_fn(|i| u8::try_from(i).unwrap());
        let twice: [u8; 32] = std::array::from_fn(|i| sha256(b"")[i % 16]);
        let text = *b"0123456789abcdefghijklmnopqrstuv";
        for key in [[0; 32], [255; 32], counting, twice, text] {
            let mut random = Zeroizing::new([1; 36]);
            random[4..].copy_from_slice(&key);
            let refused = parse(&new_key_file(&random)).err();
            assert_eq!(refused, Some(KeyFileError::NotRandom));
        }
    }

    #[test]
    fn an_id_from_the_database_is_shown_whatever_it_is() {
        assert_eq!(KeyId(*b"01ab23cd").to_string(), "01ab23cd");
        assert_eq!(KeyId(*b"01\n\x1b[2J\0").to_string(), "01\\n\\x1b[2J\\x00");
    }
}
