//! How an entry is called in an authenticator. Apps keep one entry for each label, and the older ones
//! overwrite an entry by another of the same label: two users of one name, and the old and the new entry of
//! one user, must differ.

use super::text::readable_name;

/// What an entry is made for.
#[derive(Debug, Clone, Copy)]
pub struct Entry<'a> {
    /// The tenant's name.
    pub issuer: &'a str,
    /// The user's display name.
    pub name: &'a str,
    /// The console's id of the user.
    pub external_id: &'a str,
    /// The factor's id.
    pub factor: &'a str,
    /// Whether the user had an entry before.
    pub is_again: bool,
}

/// The two parts of a label, percent-encoded.
pub(super) struct Label {
    pub(super) issuer: String,
    pub(super) account: String,
}

/// The longest issuer, in encoded bytes: it stands in a URI twice.
const LONGEST_ISSUER: usize = 54;
/// The longest external id, in encoded bytes; of a longer one the factor's mark stands for it.
const LONGEST_ID: usize = 24;
/// Characters at the end of a factor's id that tell it from others of the same name.
const MARK: usize = 4;

impl Entry<'_> {
    /// The label, shortened so that the account and both issuers take at most so many encoded bytes.
    pub(super) fn label(&self, room: usize) -> Label {
        let issuer = fit(self.issuer, LONGEST_ISSUER);
        let external = readable_name(self.external_id).unwrap_or_default();
        let is_short = encode(&external).len() <= LONGEST_ID;
        let mut tail = String::new();
        if is_short && !external.is_empty() && external != self.name {
            tail = format!(" ({external})");
        }
        if self.is_again || !is_short {
            let mark = self.factor.len().saturating_sub(MARK);
            tail = format!("{tail} {}", self.factor.get(mark..).unwrap_or_default());
        }
        let tail = encode(&tail);
        let rest = room.saturating_sub(issuer.len().saturating_mul(2)).saturating_sub(tail.len());
        Label { account: fit(self.name, rest) + &tail, issuer }
    }
}

/// As many characters of a name as fit, percent-encoded.
fn fit(name: &str, longest: usize) -> String {
    let mut fitting = String::new();
    for c in name.chars() {
        let encoded = encode(c.encode_utf8(&mut [0; 4]));
        if fitting.len().saturating_add(encoded.len()) > longest {
            break;
        }
        fitting.push_str(&encoded);
    }
    fitting
}

/// Every byte but RFC 3986's unreserved ones is percent-encoded. Authenticators split a label at its
/// first colon, encoded or not, so a colon in a name would move text from one part into the other: it
/// becomes a hyphen.
fn encode(name: &str) -> String {
    let mut encoded = String::with_capacity(name.len().saturating_mul(3));
    for byte in name.bytes() {
        match byte {
            b':' => encoded.push('-'),
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                encoded.push(char::from(byte));
            }
            _ => {
                encoded.push('%');
                encoded.push_str(&data_encoding::HEXUPPER.encode(&[byte]));
            }
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use super::*;

    fn account(name: &str, external_id: &str, factor: &str, is_again: bool) -> String {
        let entry = Entry { issuer: "Bank", name, external_id, factor, is_again };
        entry.label(187).account
    }

    #[test]
    fn two_users_of_one_name_and_two_entries_of_one_user_differ() {
        let john = |id: &str, factor: &str, is_again| account("John Smith", id, factor, is_again);
        assert_eq!(john("jsmith", "fac_aaaa", false), "John%20Smith%20%28jsmith%29");
        assert_eq!(john("john2", "fac_aaaa", false), "John%20Smith%20%28john2%29");
        assert_eq!(john("jsmith", "fac_3f2a", true), "John%20Smith%20%28jsmith%29%203f2a");
        let long = "0f4d2a9c-7b1e-4d3f-8a6c-5b2e1d0f9a8b";
        assert_eq!(john(long, "fac_3f2a", false), "John%20Smith%203f2a");
        assert_eq!(account("ana", "ana", "fac_3f2a", false), "ana");
        assert_eq!(account("ana", "ana", "fac_3f2a", true), "ana%203f2a");
    }

    #[test]
    fn a_long_name_is_shortened_and_what_tells_it_apart_is_not() {
        let (long, room) = ("Ж".repeat(200), 161);
        let entry = Entry {
            issuer: &long,
            name: &long,
            external_id: "jsmith",
            factor: "fac_3f2a",
            is_again: true,
        };
        let label = entry.label(room);
        assert!(label.issuer.len() * 2 + label.account.len() <= room);
        assert!(label.account.ends_with("%D0%96%20%28jsmith%29%203f2a"), "{}", label.account);
        assert_eq!(label.issuer, "%D0%96".repeat(9));
    }
}
