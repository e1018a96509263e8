//! The console's own users and their passwords. Pawl never sees a password.

use std::num::NonZeroU32;

use aws_lc_rs::pbkdf2;
use data_encoding::BASE32_NOPAD;

/// Somebody who may try to sign in.
pub struct Person {
    /// The console's own id, for good: Pawl's `external_id`. The sign-in name may change hands.
    pub id: &'static str,
    /// What is typed.
    pub sign_in_name: &'static str,
    /// What people call them.
    pub name: &'static str,
    /// Whose user: an index of the console's tenants.
    pub tenant: usize,
    /// Whether they get the administrators' pages. What they may do there is Pawl's to say.
    pub is_administrator: bool,
    salt: [u8; 16],
    hash: [u8; 32],
}

/// Everybody.
pub struct People {
    everybody: Vec<Person>,
    nobody: Person,
}

// OWASP's number for PBKDF2 with HMAC-SHA-256.
const ITERATIONS: NonZeroU32 = match NonZeroU32::new(600_000) {
    Some(iterations) => iterations,
    None => NonZeroU32::MIN,
};

impl Person {
    /// A new user, and the password that was made up.
    ///
    /// # Errors
    /// The system gives no random bytes.
    pub fn new(id: &'static str, name: &'static str) -> Result<(Self, String), String> {
        let password = BASE32_NOPAD.encode(&random::<10>()?).to_lowercase();
        let (salt, mut hash) = (random()?, [0; 32]);
        let algorithm = pbkdf2::PBKDF2_HMAC_SHA256;
        pbkdf2::derive(algorithm, ITERATIONS, &salt, password.as_bytes(), &mut hash);
        let person =
            Self { id, sign_in_name: "", name, tenant: 0, is_administrator: false, salt, hash };
        Ok((person, password))
    }

    fn knows(&self, password: &str) -> bool {
        let algorithm = pbkdf2::PBKDF2_HMAC_SHA256;
        pbkdf2::verify(algorithm, ITERATIONS, &self.salt, password.as_bytes(), &self.hash).is_ok()
    }
}

impl People {
    /// Of these.
    ///
    /// # Errors
    /// The system gives no random bytes.
    pub fn new(everybody: Vec<Person>) -> Result<Self, String> {
        let (nobody, _) = Person::new("", "")?;
        Ok(Self { everybody, nobody })
    }

    /// Whose name and password these are. An unknown name takes as long as a wrong password. It is slow
    /// on purpose: call it where threads may block, and in a real console, not without a limit.
    pub fn check(&self, sign_in_name: &str, password: &str) -> Option<&Person> {
        let found = self.everybody.iter().find(|person| person.sign_in_name == sign_in_name);
        let knows = found.unwrap_or(&self.nobody).knows(password);
        found.filter(|_| knows)
    }

    /// By the console's own id.
    pub fn find(&self, id: &str) -> Option<&Person> {
        self.everybody.iter().find(|person| person.id == id)
    }
}

/// Random bytes.
///
/// # Errors
/// The system gives none.
pub fn random<const LENGTH: usize>() -> Result<[u8; LENGTH], String> {
    let mut bytes = [0; LENGTH];
    aws_lc_rs::rand::fill(&mut bytes).map_err(|_| "the system gives no random bytes".to_owned())?;
    Ok(bytes)
}
