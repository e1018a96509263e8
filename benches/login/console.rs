//! What a console does: one step of each kind that is measured.

use std::cell::{Cell, RefCell};
use std::collections::{HashMap, VecDeque};

use pawl::clock::Clock;
use pawl::mfa::time::{PERIOD_SECONDS, Step, Timestamp};

use crate::Outcome;
use crate::http::{Answer, Connection};
use crate::population::{self, Population};

/// What one caller does again and again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// The floor server: everything of `verifyCode` but the database.
    Floor,
    /// `evaluateLogin` of a user with a factor; the challenges wait for the next kinds.
    Evaluate,
    /// `verifyCode` with a right code for a challenge that waits.
    Verify,
    /// `evaluateLogin`, then `verifyCode`.
    Login,
    /// `verifyCode` with a wrong code for a challenge that waits.
    Refuse,
    /// `verifyCode` for a user who is blocked.
    Blocked,
    /// `evaluateLogin` of a user nobody knows: the challenges wait for `Enroll`.
    Arrive,
    /// `beginEnrollment`, then `confirmEnrollment`, for a challenge that waits.
    Enroll,
    /// `evaluateLogin` of always the same user.
    HotUser,
}

/// What became of one step.
pub enum Done {
    /// It answered as it must.
    Right,
    /// It answered something else.
    Wrong(String),
    /// There is nothing more to do.
    Over,
}

struct Open {
    user: usize,
    handle: String,
}

/// The consoles, all of them: what they know.
pub struct World {
    pub population: Population,
    keys: Vec<String>,
    clock: Clock,
    next: Cell<usize>,
    arrived: Cell<usize>,
    open: RefCell<VecDeque<Open>>,
    /// The last step that each user's code was taken from.
    spent: RefCell<HashMap<usize, Step>>,
    blocked: RefCell<Option<Open>>,
    floor_seed: [u8; 20],
}

impl World {
    pub fn new(population: Population) -> Self {
        Self {
            population,
            keys: (0..population.tenants).map(population::client_key).collect(),
            clock: Clock::system(),
            next: Cell::new(0),
            arrived: Cell::new(0),
            open: RefCell::default(),
            spent: RefCell::default(),
            blocked: RefCell::default(),
            floor_seed: population::seed(0),
        }
    }

    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// Forgets the challenges that wait: they belong to something else.
    pub fn clear(&self) {
        self.open.borrow_mut().clear();
    }

    fn next_user(&self) -> usize {
        let user = self.next.get();
        self.next.set((user + 1) % self.population.users);
        user
    }

    fn key(&self, user: usize) -> Outcome<&str> {
        let key = self.keys.get(self.population.tenant_of(user));
        key.map(String::as_str).ok_or_else(|| "a tenant without a key".to_owned())
    }

    /// A code of this user that was not used yet, if there is one now. A step that is about to leave
    /// the window is left alone.
    fn fresh_code(&self, user: usize) -> Option<String> {
        let now = self.now();
        let period = i64::try_from(PERIOD_SECONDS).unwrap_or(30) * 1000;
        let leaving = now.millis() % period > period - 2000;
        let first = now.step().offset(if leaving { 0 } else { -1 });
        let mut spent = self.spent.borrow_mut();
        let after = spent.get(&user).map_or(first, |last| last.offset(1));
        let step = first.max(after);
        if step > now.step().offset(1) {
            return None;
        }
        spent.insert(user, step);
        Some(population::code(&population::seed(user), step))
    }

    /// A code that is none of the window's nor of the steps beside it.
    fn wrong_code(&self, user: usize) -> String {
        let (seed, now) = (population::seed(user), self.now().step());
        let near: Vec<_> = (-2..=2).map(|by| population::code(&seed, now.offset(by))).collect();
        let mut codes = (0..).map(|number| format!("{number:06}"));
        codes.find(|code| !near.contains(code)).unwrap_or_default()
    }

    /// One step.
    pub async fn step(&self, kind: Kind, connection: &mut Connection) -> Outcome<Done> {
        match kind {
            Kind::Floor => self.floor(connection).await,
            Kind::Evaluate => {
                let user = self.next_user();
                self.evaluate(user, population::external_id(user), "challenge", connection).await
            }
            Kind::HotUser => {
                self.evaluate(0, population::external_id(0), "challenge", connection).await
            }
            Kind::Arrive => {
                let new = self.population.users + self.arrived.get();
                self.arrived.set(self.arrived.get() + 1);
                self.evaluate(new, population::external_id(new), "enroll", connection).await
            }
            Kind::Verify => match self.take() {
                Some(open) => self.verify(&open, connection).await,
                None => Ok(Done::Over),
            },
            Kind::Login => self.login(connection).await,
            Kind::Refuse => match self.take() {
                Some(open) => {
                    let code = self.wrong_code(open.user);
                    let answer = self.send_code(&open, &code, connection).await?;
                    Ok(must(&answer, 422, "code-rejected"))
                }
                None => Ok(Done::Over),
            },
            Kind::Blocked => self.ask_blocked(connection).await,
            Kind::Enroll => match self.take() {
                Some(open) => self.enroll(&open, connection).await,
                None => Ok(Done::Over),
            },
        }
    }

    fn take(&self) -> Option<Open> {
        self.open.borrow_mut().pop_front()
    }

    async fn floor(&self, connection: &mut Connection) -> Outcome<Done> {
        let code = population::code(&self.floor_seed, self.now().step());
        let key = self.key(0)?;
        let handle = "mch_0123456789012345678901234567890123456789012";
        let body = format_args!(r#"{{"challenge":"{handle}","code":"{code}"}}"#);
        Ok(must(&connection.post("/v1/challenges/verify", key, body).await?, 200, "access_token"))
    }

    async fn evaluate(
        &self,
        user: usize,
        external_id: String,
        decision: &str,
        connection: &mut Connection,
    ) -> Outcome<Done> {
        let (key, at) = (self.key(user)?, self.now());
        let body = format_args!(
            r#"{{"external_id":"{external_id}","display_name":"{external_id}","audiences":["console"],"primary_login":{{"method":"password","at":"{at}"}}}}"#
        );
        let answer = connection.post("/v1/evaluations", key, body).await?;
        let done = must(&answer, 200, decision);
        if let Done::Right = done {
            let handle = answer.text("handle")?;
            self.open.borrow_mut().push_back(Open { user, handle });
        }
        Ok(done)
    }

    async fn send_code<'c>(
        &self,
        open: &Open,
        code: &str,
        connection: &'c mut Connection,
    ) -> Outcome<Answer<'c>> {
        let body = format_args!(r#"{{"challenge":"{}","code":"{code}"}}"#, open.handle);
        connection.post("/v1/challenges/verify", self.key(open.user)?, body).await
    }

    async fn verify(&self, open: &Open, connection: &mut Connection) -> Outcome<Done> {
        // Every code of this user was used: nobody could sign in again this soon.
        let Some(code) = self.fresh_code(open.user) else { return Ok(Done::Over) };
        Ok(must(&self.send_code(open, &code, connection).await?, 200, "access_token"))
    }

    async fn login(&self, connection: &mut Connection) -> Outcome<Done> {
        let user = self.next_user();
        let evaluated =
            self.evaluate(user, population::external_id(user), "challenge", connection).await?;
        let Done::Right = evaluated else { return Ok(evaluated) };
        let open = self.open.borrow_mut().pop_back();
        match open {
            Some(open) => self.verify(&open, connection).await,
            None => Ok(Done::Over),
        }
    }

    /// Blocks one user with three wrong codes.
    pub async fn block(&self, connection: &mut Connection) -> Outcome<()> {
        let user = self.next_user();
        self.evaluate(user, population::external_id(user), "challenge", connection).await?;
        let open = self.open.borrow_mut().pop_back().ok_or("no challenge to block a user with")?;
        for _ in 0..3 {
            let code = self.wrong_code(user);
            self.send_code(&open, &code, connection).await?;
        }
        *self.blocked.borrow_mut() = Some(open);
        Ok(())
    }

    async fn ask_blocked(&self, connection: &mut Connection) -> Outcome<Done> {
        let open = self.blocked.borrow().as_ref().map(|open| (open.user, open.handle.clone()));
        let (user, handle) = open.ok_or("nobody is blocked")?;
        let answer = self.send_code(&Open { user, handle }, "000000", connection).await?;
        Ok(must(&answer, 429, "too-many-attempts"))
    }

    async fn enroll(&self, open: &Open, connection: &mut Connection) -> Outcome<Done> {
        let key = self.key(open.user)?;
        let body = format_args!(r#"{{"challenge":"{}"}}"#, open.handle);
        let answer = connection.post("/v1/enrollments", key, body).await?;
        let begun = must(&answer, 201, "otpauth_uri");
        let Done::Right = begun else { return Ok(begun) };
        let (enrollment, secret) = (answer.text("enrollment")?, answer.text("secret")?);
        let seed = data_encoding::BASE32_NOPAD.decode(secret.as_bytes());
        let code = population::code(&seed.map_err(|error| error.to_string())?, self.now().step());
        let body = format_args!(r#"{{"enrollment":"{enrollment}","code":"{code}"}}"#);
        let answer = connection.post("/v1/enrollments/confirm", key, body).await?;
        Ok(must(&answer, 200, "recovery_codes"))
    }
}

fn must(answer: &Answer<'_>, status: u16, word: &str) -> Done {
    if answer.status == status && answer.body.contains(word) {
        Done::Right
    } else {
        Done::Wrong(format!("{} {}", answer.status, answer.body))
    }
}
