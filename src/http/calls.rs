//! How many calls one caller may make, in this process: a token bucket for each client and each person,
//! and one for each address from which calls without a known credential come.
//!
//! A client id is public, so the bucket of a client is charged only for a credential that was found to be
//! good: at once if this process saw that lately, after the check otherwise. What is not known is charged
//! to its address first, and given back once it was found to be good. So nobody can empty the bucket of a
//! client by its name, and what fails costs the address and not a client.

use std::collections::HashMap;
use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher as _, Hash};
use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use actix_web::dev::Payload;
use actix_web::http::header::{HeaderMap, HeaderName, HeaderValue};
use actix_web::{FromRequest, HttpMessage as _, HttpRequest, web};
use aws_lc_rs::digest::{SHA256, digest};

use super::App;
use super::problem::{Code, Problem};
use crate::mfa::ids::{ClientId, UserId};
use crate::mfa::rate::{Charged, Level, Rate};
use crate::operations::Presented;
use crate::telemetry;

const LIMIT: HeaderName = HeaderName::from_static("ratelimit");
const POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");

/// Seconds in which an empty bucket fills.
const WINDOW_SECONDS: u64 = 2;
/// Callers that are remembered, and credentials twice: the newer ones, and those before.
const MOST: usize = 16_384;
/// Buckets of addresses. Addresses with one place share a bucket; nobody can choose whose.
const PLACES: usize = 16_384;

/// Whose bucket it is.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Owner {
    Client(ClientId),
    Person(UserId),
}

/// SHA-256 of a credential.
type Digest = [u8; 32];

/// The buckets.
pub struct Calls {
    begun: Instant,
    rate: Rate,
    strangers: Rate,
    owners: Mutex<HashMap<Owner, u64>>,
    known: Mutex<[HashMap<Digest, Owner>; 2]>,
    places: Box<[AtomicU64]>,
    hasher: RandomState,
}

/// What the headers of an answer say.
#[derive(Debug, Clone, Copy)]
pub struct Standing {
    bucket: &'static str,
    level: Level,
}

/// A call that was charged and whose credential is not checked yet.
pub struct Pending<'a> {
    calls: &'a Calls,
    digest: Digest,
    /// Where it was charged, if its credential was not known.
    place: Option<usize>,
}

/// For what an address is charged: each has a bucket of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Purpose {
    Credential,
    ClientToken,
    Metadata,
}

impl Calls {
    /// Buckets of clients and persons, and of addresses, for so many calls a second.
    #[must_use]
    pub fn new(per_second: u32, of_strangers: u32) -> Self {
        Self {
            begun: Instant::now(),
            rate: Rate::per_second(per_second),
            strangers: Rate::per_second(of_strangers),
            owners: Mutex::default(),
            known: Mutex::default(),
            places: std::iter::repeat_with(AtomicU64::default).take(PLACES).collect(),
            hasher: RandomState::new(),
        }
    }

    /// Charges a call with this credential, before anything is done for it.
    ///
    /// # Errors
    /// `too-many-calls`.
    pub fn begin(&self, request: &HttpRequest, credential: &str) -> Result<Pending<'_>, Problem> {
        let mut own = [0; 32];
        own.copy_from_slice(digest(&SHA256, credential.as_bytes()).as_ref());
        let known = {
            let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
            known.iter().find_map(|half| half.get(&own)).cloned()
        };
        let place = match known {
            Some(owner) => self.charge(request, owner).map(|()| None)?,
            None => Some(self.stranger(request, Purpose::Credential)?),
        };
        Ok(Pending { calls: self, digest: own, place })
    }

    fn now(&self) -> u64 {
        u64::try_from(self.begun.elapsed().as_nanos()).unwrap_or(u64::MAX)
    }

    fn charge(&self, request: &HttpRequest, owner: Owner) -> Result<(), Problem> {
        let now = self.now();
        let mut owners = self.owners.lock().unwrap_or_else(PoisonError::into_inner);
        if owners.len() >= MOST {
            owners.retain(|_, full_at| *full_at > now);
        }
        if owners.len() >= MOST {
            owners.clear();
        }
        let bucket = if matches!(owner, Owner::Client(_)) { "client" } else { "person" };
        let full_at = owners.entry(owner).or_default();
        let charged = self.rate.charge(*full_at, now);
        if let Charged::Taken { full_at: next, .. } = charged {
            *full_at = next;
        }
        drop(owners);
        tell(request, bucket, charged)
    }

    /// Charges an address; answers where.
    fn stranger(&self, request: &HttpRequest, purpose: Purpose) -> Result<usize, Problem> {
        let index = self.hasher.hash_one((purpose, telemetry::source().map(network)));
        let index = usize::try_from(index % PLACES as u64).unwrap_or_default();
        let Some(place) = self.places.get(index) else { return Ok(index) };
        let now = self.now();
        let mut full_at = place.load(Ordering::Relaxed);
        loop {
            let charged = self.strangers.charge(full_at, now);
            let Charged::Taken { full_at: next, .. } = charged else {
                return tell(request, "address", charged).map(|()| index);
            };
            match place.compare_exchange_weak(full_at, next, Ordering::Relaxed, Ordering::Relaxed) {
                Ok(_) => return Ok(index),
                Err(other) => full_at = other,
            }
        }
    }

    fn give_back(&self, place: usize) {
        if let Some(place) = self.places.get(place) {
            let _ = place.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |full_at| {
                Some(full_at.saturating_sub(self.strangers.cost()))
            });
        }
    }
}

impl Pending<'_> {
    /// The credential was found to be good: it is the caller's bucket that is charged.
    ///
    /// # Errors
    /// `too-many-calls`.
    pub fn is_good(self, request: &HttpRequest, presented: &Presented) -> Result<(), Problem> {
        let Some(place) = self.place else { return Ok(()) };
        self.calls.give_back(place);
        let owner = match presented {
            Presented::Client { id, .. } | Presented::Signed { id, .. } => {
                Owner::Client(id.clone())
            }
            Presented::Person(holder) => Owner::Person(holder.user.clone()),
        };
        let mut known = self.calls.known.lock().unwrap_or_else(PoisonError::into_inner);
        let [newer, older] = &mut *known;
        if newer.len() >= MOST {
            *older = std::mem::take(newer);
        }
        newer.insert(self.digest, owner.clone());
        drop(known);
        self.calls.charge(request, owner)
    }

    /// The credential was refused: the next call with it is charged to its address.
    pub fn is_refused(self, request: &HttpRequest) {
        request.extensions_mut().remove::<Standing>();
        let mut known = self.calls.known.lock().unwrap_or_else(PoisonError::into_inner);
        for half in &mut *known {
            half.remove(&self.digest);
        }
    }
}

/// Whose bucket an address shares: a home has a network of 64 bits in IPv6.
fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => {
            let prefix = u128::from(address) >> 64 << 64;
            IpAddr::V6(prefix.into())
        }
        address @ IpAddr::V4(_) => address,
    }
}

/// Notes for the headers what was found, and refuses if the bucket was empty.
fn tell(request: &HttpRequest, bucket: &'static str, found: Charged) -> Result<(), Problem> {
    let (Charged::Taken { level, .. } | Charged::Empty(level)) = found;
    request.extensions_mut().insert(Standing { bucket, level });
    match found {
        Charged::Taken { .. } => Ok(()),
        Charged::Empty(_) => {
            telemetry::note(|log| log.cause = Some(format!("the {bucket}'s bucket is empty")));
            Err(Problem { retry_after_seconds: Some(1), ..Problem::new(Code::TooManyCalls) })
        }
    }
}

impl Standing {
    /// Writes the header fields of draft-ietf-httpapi-ratelimit-headers.
    pub fn write(self, headers: &mut HeaderMap) {
        let Self { bucket, level: Level { quota, remaining, full_in } } = self;
        for (name, text) in [
            (POLICY, format!("\"{bucket}\";q={quota};w={WINDOW_SECONDS}")),
            (LIMIT, format!("\"{bucket}\";r={remaining};t={full_in}")),
        ] {
            if let Ok(value) = HeaderValue::from_str(&text) {
                headers.insert(name, value);
            }
        }
    }
}

macro_rules! strangers {
    ($($(#[$about:meta])+ $name:ident: $purpose:ident;)+) => {$(
        $(#[$about])+
        pub struct $name(Option<(App, usize)>);

        impl $name {
            /// Gives the call back: it turned out to be a caller who may call.
            pub fn give_back(self) {
                if let Some((app, place)) = self.0 {
                    app.calls.give_back(place);
                }
            }
        }

        impl FromRequest for $name {
            type Error = Problem;
            type Future = std::future::Ready<Result<Self, Problem>>;

            fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
                let app = request.app_data::<web::Data<App>>().map(|app| App::clone(app));
                let charged = app.map(|app| {
                    let place = app.calls.stranger(request, Purpose::$purpose)?;
                    Ok((app, place))
                });
                std::future::ready(charged.transpose().map(Self))
            }
        }
    )+};
}

strangers! {
    /// A request for a client's token, charged to its address before its body is read.
    TokenCall: ClientToken;
    /// A request for a tenant's metadata, charged to its address.
    MetadataCall: Metadata;
}
