//! One call of one operation: who presents what, when, with which random bytes.

use std::net::IpAddr;
use std::sync::{Arc, Mutex};

use zeroize::Zeroizing;

use super::access::Access;
use super::caller;
pub(super) use super::caller::{Caller, Person};
use super::codes::Charge;
use super::credential::ClientCredential;
use super::entropy::{Draw, Entropy};
use super::recent::Good;
use super::{Done, Failure, Pawl, own_audience};
use crate::clock::Clock;
use crate::mfa::event::{Event, EventKind, RecordedEvent};
use crate::mfa::ids::{ClientId, ClientKeyId, DirectoryId, EventId, TenantId, UserId, time_first};
use crate::mfa::refusal::Refusal;
use crate::mfa::secret::SecretText;
use crate::mfa::time::Timestamp;
use crate::mfa::token_key::Kid;
use crate::mfa::words::Audience;
use crate::store::rows::{ClientRow, UserRow};
use crate::store::seal::sha256;
use crate::store::{Ahead, Committed, StoreError, Tx, Whose};

/// A person's token, after `token` has checked it. Role, state and epoch are read live.
#[derive(Debug, Clone)]
pub struct Holder {
    /// The token's `tid`.
    pub tenant: TenantId,
    /// The token's `sub`.
    pub user: UserId,
    /// The token's `client_id`.
    pub client: ClientId,
    /// The token's `epoch`.
    pub epoch: i64,
    /// The token's `kid`.
    pub key: Kid,
}

/// What the caller presented.
#[derive(Debug, Clone)]
pub enum Presented {
    /// A client's key or access token, and the client that it names.
    Client {
        /// The client that the credential says it is of.
        id: ClientId,
        /// What will be compared.
        credential: ClientCredential,
    },
    /// A client whose assertion was found to be signed by one of its keys.
    Signed {
        /// The client.
        id: ClientId,
        /// The key.
        key: ClientKeyId,
    },
    /// A checked token for Pawl's audience.
    Person(Holder),
}

/// The call.
#[derive(Clone)]
pub struct Call {
    /// Who calls.
    pub presented: Presented,
    /// Tells the time of the decision: it is read when the locks are had, for a call may have waited for them.
    pub clock: Clock,
    /// The request's id, for events and the log line.
    pub request: Arc<str>,
    /// Where it came from, for events. Nothing is decided by it.
    pub source: Option<IpAddr>,
    /// Its random bytes.
    pub entropy: Entropy,
}

impl Call {
    /// Runs a write operation under the caller's live rights.
    pub(super) async fn write<T: Send + 'static>(
        self,
        pawl: &Pawl,
        access: &'static Access,
        operation: impl Fn(&mut Work<'_, '_>) -> Done<T> + Send + 'static,
    ) -> Done<Committed<T>> {
        self.write_ahead(pawl, access, Ahead::Nothing, operation).await
    }

    /// The same, for an operation that says what it will read first.
    pub(super) async fn write_ahead<T: Send + 'static>(
        self,
        pawl: &Pawl,
        access: &'static Access,
        ahead: Ahead,
        operation: impl Fn(&mut Work<'_, '_>) -> Done<T> + Send + 'static,
    ) -> Done<Committed<T>> {
        let (again, base) = (self.clone(), Arc::clone(&pawl.base_url));
        let charge = Arc::new(Mutex::new(None));
        let (compared, owed) = (Arc::clone(&charge), Arc::clone(&charge));
        let whose = self.whose();
        let operation = move |tx: &mut Tx<'_>| {
            let mut work = self.begin(tx, access, &base)?;
            work.charge = Arc::clone(&compared);
            operation(&mut work)
        };
        let base = Arc::clone(&pawl.base_url);
        let is_owed = move || owed.lock().is_ok_and(|charge| charge.is_some());
        let charge = move |tx: &mut Tx<'_>| match charge.lock().ok().and_then(|mut c| c.take()) {
            Some(charge) => again.begin(tx, access, &base)?.charge_alone(&charge),
            None => Ok(()),
        };
        pawl.store.write_in((whose, ahead), access.name, operation, (is_owed, charge)).await
    }

    /// Runs a read operation under the caller's live rights.
    pub(super) async fn read<T: Send + 'static>(
        self,
        pawl: &Pawl,
        access: &'static Access,
        operation: impl Fn(&mut Work<'_, '_>) -> Done<T> + Send + 'static,
    ) -> Done<T> {
        let base = Arc::clone(&pawl.base_url);
        pawl.store.read(access.name, move |tx| operation(&mut self.begin(tx, access, &base)?)).await
    }

    /// Whether the credential is good for the operation, before its body is looked at.
    ///
    /// # Errors
    /// `unauthenticated` or `forbidden`.
    pub async fn authenticate(self, pawl: &Pawl, access: &'static Access) -> Done<()> {
        let now = self.clock.now();
        let good = match &self.presented {
            Presented::Client { id, credential } => Some(Good {
                client: id.clone(),
                secret_hash: *credential.hash(),
                operation: access.name,
            }),
            Presented::Person(_) | Presented::Signed { .. } => None,
        };
        if good.as_ref().is_some_and(|good| pawl.recent.has(good, now)) {
            return Ok(());
        }
        let base = Arc::clone(&pawl.base_url);
        let checked = move |tx: &mut Tx<'_>| self.begin(tx, access, &base).map(|_| ());
        pawl.store.check(access.name, checked).await?;
        if let Some(good) = good {
            pawl.recent.remember(good, now);
        }
        Ok(())
    }

    /// In whose tenant it writes.
    fn whose(&self) -> Whose {
        match &self.presented {
            Presented::Client { id, .. } | Presented::Signed { id, .. } => {
                Whose::Client(id.clone())
            }
            Presented::Person(holder) => Whose::Tenant(holder.tenant.clone()),
        }
    }

    fn begin<'t, 'a>(&self, tx: &'t mut Tx<'a>, access: &Access, base: &str) -> Done<Work<'t, 'a>> {
        let now = self.clock.now();
        let caller = match &self.presented {
            Presented::Client { id, credential: ClientCredential::Key(secret) } => {
                caller::client(tx, id, secret, access, now)?
            }
            Presented::Client { id, credential: ClientCredential::Token(token) } => {
                caller::token(tx, id, token, access, now)?
            }
            Presented::Signed { id, key } => caller::signed(tx, id, key)?,
            Presented::Person(holder) => caller::person(tx, holder, access)?,
        };
        let tenant = caller.tenant().clone();
        let now = tx.check_clock(&tenant, now)?;
        let own_audience =
            own_audience(base, &tenant).map_err(|_| StoreError::Invalid("base URL"))?;
        Ok(Work {
            tx,
            tenant,
            own_audience,
            caller,
            now,
            request: Arc::clone(&self.request),
            source: self.source,
            draw: self.entropy.draw(),
            charge: Arc::default(),
        })
    }
}

/// An operation at work: its transaction, under the rights of its caller.
pub(super) struct Work<'t, 'a> {
    pub(super) tx: &'t mut Tx<'a>,
    pub(super) tenant: TenantId,
    pub(super) own_audience: Audience,
    pub(super) caller: Caller,
    pub(super) now: Timestamp,
    request: Arc<str>,
    source: Option<IpAddr>,
    draw: Draw,
    charge: Arc<Mutex<Option<Charge>>>,
}

/// What an event says, besides who, when and where.
pub(super) struct Note {
    kind: EventKind,
    user: Option<UserId>,
    object: Option<String>,
    evaluated: Option<bool>,
    data: serde_json::Value,
}

impl Note {
    pub(super) fn new(kind: EventKind) -> Self {
        Self { kind, user: None, object: None, evaluated: None, data: serde_json::json!({}) }
    }

    pub(super) fn user(mut self, user: &UserId) -> Self {
        self.user = Some(user.clone());
        self
    }

    pub(super) fn object(mut self, object: &impl ToString) -> Self {
        self.object = Some(object.to_string());
        self
    }

    pub(super) fn evaluated(mut self) -> Self {
        self.evaluated = Some(true);
        self
    }

    pub(super) fn data(mut self, data: serde_json::Value) -> Self {
        self.data = data;
        self
    }

    /// Adds where the user comes from, as the console reported it; nothing if that is unknown.
    pub(super) fn address(mut self, address: Option<std::net::IpAddr>) -> Self {
        if let (Some(address), Some(data)) = (address, self.data.as_object_mut()) {
            data.insert("address".to_owned(), address.to_string().into());
        }
        self
    }
}

impl<'t, 'a> Work<'t, 'a> {
    /// The server at work for a tenant: first start and break-glass.
    pub(super) fn of_server(
        tx: &'t mut Tx<'a>,
        tenant: TenantId,
        base: &str,
        now: Timestamp,
        entropy: &Entropy,
    ) -> Done<Self> {
        tx.lock(&[Whose::Tenant(tenant.clone())])?;
        let now = tx.check_clock(&tenant, now)?;
        let own_audience =
            own_audience(base, &tenant).map_err(|_| StoreError::Invalid("base URL"))?;
        let caller = Caller::Server(tenant.clone());
        let request = Arc::from("command");
        Ok(Self {
            tx,
            tenant,
            own_audience,
            caller,
            now,
            request,
            source: None,
            draw: entropy.draw(),
            charge: Arc::default(),
        })
    }

    /// Notes that a code is about to be compared.
    pub(super) fn compares(&self, charge: Charge) {
        if let Ok(mut noted) = self.charge.lock() {
            *noted = Some(charge);
        }
    }

    /// The calling client, for operations that only clients may call.
    pub(super) fn client(&self) -> Done<ClientRow> {
        match &self.caller {
            Caller::Client(client) => Ok(client.row().clone()),
            Caller::Person(_) | Caller::Server(_) => {
                Err(Refusal::Forbidden("only a client may do this").into())
            }
        }
    }

    /// The calling person, for operations that only persons may call.
    pub(super) fn person(&self) -> Done<Person> {
        match &self.caller {
            Caller::Person(person) => Ok((**person).clone()),
            Caller::Client(_) | Caller::Server(_) => {
                Err(Refusal::Forbidden("only a person may do this").into())
            }
        }
    }

    /// The directory that the caller is bound to: a client's own; a person sees the tenant.
    pub(super) fn directory(&self) -> Option<DirectoryId> {
        match &self.caller {
            Caller::Client(client) => Some(client.row().directory_id.clone()),
            Caller::Person(_) | Caller::Server(_) => None,
        }
    }

    /// A user that the caller may see; any other does not exist.
    pub(super) fn user(&mut self, id: &UserId) -> Done<UserRow> {
        let directory = self.directory();
        self.tx
            .find_user(&self.tenant, directory.as_ref(), id)?
            .ok_or(Failure::Refused(Refusal::NotFound))
    }

    /// An id that the next event will have.
    pub(super) fn event_id(&mut self) -> EventId {
        EventId::from_random(self.ordered())
    }

    /// Random bytes for an id of a table that logins fill: the time first, so that rows of one
    /// moment stand together and the index grows at its end.
    pub(super) fn ordered(&mut self) -> [u8; 16] {
        time_first(self.now, self.draw.bytes())
    }

    /// Writes an event.
    pub(super) fn record(&mut self, note: Note) -> Result<RecordedEvent, StoreError> {
        let id = self.event_id();
        self.record_as(id, note)
    }

    /// Writes an event whose id is known beforehand.
    pub(super) fn record_as(
        &mut self,
        id: EventId,
        mut note: Note,
    ) -> Result<RecordedEvent, StoreError> {
        if let (Some(source), Some(data)) = (self.source, note.data.as_object_mut())
            && note.kind.has_source()
        {
            data.insert("source".to_owned(), source.to_string().into());
        }
        let event = Event {
            id,
            tenant: self.tenant.clone(),
            at: self.now,
            kind: note.kind,
            actor: self.caller.actor(),
            user: note.user,
            object: note.object,
            evaluated: note.evaluated,
            data: note.data,
        };
        self.tx.record(&event, &self.request)
    }

    /// Random bytes; at most 32.
    pub(super) fn bytes<const N: usize>(&mut self) -> [u8; N] {
        self.draw.bytes()
    }

    /// A new 256-bit secret with a prefix, and the hash to keep.
    pub(super) fn secret(&mut self, prefix: &str) -> (SecretText, Vec<u8>) {
        use base64::Engine as _;
        let bytes = Zeroizing::new(self.draw.bytes::<32>());
        let mut text = String::with_capacity(64);
        text.push_str(prefix);
        base64::engine::general_purpose::URL_SAFE_NO_PAD.encode_string(bytes.as_slice(), &mut text);
        let hash = sha256(text.as_bytes()).to_vec();
        (SecretText::new(text), hash)
    }
}
