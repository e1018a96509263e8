//! What each handler gets: the visitor's session, and of a form only one that this session was shown.

use std::collections::HashMap;
use std::future::{Future, Ready, ready};
use std::net::IpAddr;
use std::pin::Pin;

use actix_web::dev::Payload;
use actix_web::http::header::{COOKIE, HeaderValue, SET_COOKIE};
use actix_web::{FromRequest, HttpRequest, HttpResponse, web};
use subtle::ConstantTimeEq as _;

use super::html::Html;
use super::people::Person;
use super::sessions::{Halfway, Session, SignedIn, Stage, Step};
use super::trouble::Trouble;
use super::{Console, Tenant, html};

/// A request of a browser.
pub struct Visit {
    /// What the console is made of.
    pub console: web::Data<Console>,
    /// Where the browser is, as a rule on networks wants to know it. Behind a proxy this is the proxy:
    /// take what the proxy says, and from nobody else.
    pub address: Option<IpAddr>,
    name: String,
    session: Option<Session>,
}

/// A form, sent by a page of this very session.
pub struct Posted {
    /// Of whom.
    pub visit: Visit,
    fields: HashMap<String, String>,
}

// Behind TLS it is `__Host-session`, with `Secure`.
const COOKIE_NAME: &str = "session";

impl Visit {
    fn read(request: &HttpRequest) -> Result<Self, Trouble> {
        let console = request.app_data::<web::Data<Console>>().ok_or(Trouble::NotFound)?.clone();
        let name = session_name(request).unwrap_or_default().to_owned();
        let session = console.sessions.find(&name);
        let address = request.peer_addr().map(|peer| peer.ip());
        Ok(Self { console, address, name, session })
    }

    /// The stage.
    pub fn stage(&self) -> &Stage {
        self.session.as_ref().map_or(&Stage::Stranger, |session| &session.stage)
    }

    /// Whoever is in, for whatever reason.
    ///
    /// # Errors
    /// [`Trouble::SignIn`].
    pub fn signed_in(&self) -> Result<&SignedIn, Trouble> {
        match self.stage() {
            Stage::SignedIn(signed_in) => Ok(signed_in),
            Stage::Stranger | Stage::Halfway(_) => Err(Trouble::SignIn),
        }
    }

    /// Whoever gave a right password and is not in.
    ///
    /// # Errors
    /// [`Trouble::SignIn`].
    pub fn halfway(&self) -> Result<&Halfway, Trouble> {
        match self.stage() {
            Stage::Halfway(halfway) => Ok(halfway),
            Stage::Stranger | Stage::SignedIn(_) => Err(Trouble::SignIn),
        }
    }

    /// A person by id, and their tenant.
    ///
    /// # Errors
    /// [`Trouble::SignIn`]: they are gone.
    pub fn whose(&self, person: &str) -> Result<(&Person, &Tenant), Trouble> {
        let person = self.console.people.find(person).ok_or(Trouble::SignIn)?;
        let tenant = self.console.tenants.get(person.tenant).ok_or(Trouble::SignIn)?;
        Ok((person, tenant))
    }

    /// Remembers something more of whoever is in.
    pub fn change(&self, change: impl FnOnce(&mut SignedIn)) {
        self.console.sessions.change(&self.name, |stage| {
            if let Stage::SignedIn(signed_in) = stage {
                change(signed_in);
            }
        });
    }

    /// Pawl wants something else of whoever is halfway.
    pub fn go_on(&self, step: Step) {
        self.console.sessions.change(&self.name, |stage| {
            if let Stage::Halfway(halfway) = stage {
                halfway.step = step;
            }
        });
    }

    /// Something to say on the next page.
    pub fn notify(&self, notice: &str) {
        self.change(|signed_in| signed_in.notice = Some(notice.to_owned()));
    }

    /// The session gets a new name with each step up, and none with the way out.
    ///
    /// # Errors
    /// The system gives no random bytes.
    pub fn renew(&self, stage: Stage, mut answer: HttpResponse) -> Result<HttpResponse, Trouble> {
        let (name, _) = self.begin(stage)?;
        answer.headers_mut().insert(SET_COOKIE, cookie(&name)?);
        Ok(answer)
    }

    /// A session for who has none, so that the first form is protected too.
    ///
    /// # Errors
    /// The system gives no random bytes.
    pub fn welcome(
        &self,
        answer: impl FnOnce(&Html) -> HttpResponse,
    ) -> Result<HttpResponse, Trouble> {
        if self.session.is_some() {
            return Ok(answer(&self.csrf()));
        }
        let (name, session) = self.begin(Stage::Stranger)?;
        let mut answer = answer(&hidden(&session.csrf));
        answer.headers_mut().insert(SET_COOKIE, cookie(&name)?);
        Ok(answer)
    }

    /// Ends the session.
    pub fn end(&self) {
        self.console.sessions.end(&self.name);
    }

    fn begin(&self, stage: Stage) -> Result<(String, Session), Trouble> {
        self.end();
        self.console.sessions.begin(stage).map_err(Trouble::Broken)
    }

    /// The hidden field of every form.
    pub fn csrf(&self) -> Html {
        hidden(self.session.as_ref().map_or("", |session| &session.csrf))
    }
}

impl Posted {
    /// A field; empty if it was left out.
    pub fn field(&self, name: &str) -> &str {
        self.fields.get(name).map_or("", |value| value.trim())
    }

    /// The code, without the gap that authenticators show in it.
    pub fn code(&self) -> String {
        self.field("code").replace(' ', "")
    }
}

impl FromRequest for Visit {
    type Error = Trouble;
    type Future = Ready<Result<Self, Trouble>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(Self::read(request))
    }
}

impl FromRequest for Posted {
    type Error = Trouble;
    type Future = Pin<Box<dyn Future<Output = Result<Self, Trouble>>>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let visit = Visit::read(request);
        let form = web::Form::<HashMap<String, String>>::from_request(request, payload);
        Box::pin(async move {
            let (visit, web::Form(fields)) = (visit?, form.await.map_err(|_| Trouble::Forged)?);
            let session = visit.session.as_ref().ok_or(Trouble::SignIn)?;
            let sent = fields.get("csrf").map_or("", String::as_str);
            let is_ours = bool::from(session.csrf.as_bytes().ct_eq(sent.as_bytes()));
            if is_ours { Ok(Self { visit, fields }) } else { Err(Trouble::Forged) }
        })
    }
}

fn hidden(csrf: &str) -> Html {
    html!(r#"<input type="hidden" name="csrf" value="{}">"#, csrf)
}

fn cookie(name: &str) -> Result<HeaderValue, Trouble> {
    let value = format!("{COOKIE_NAME}={name}; Path=/; HttpOnly; SameSite=Strict");
    HeaderValue::try_from(value).map_err(|error| Trouble::Broken(error.to_string()))
}

fn session_name(request: &HttpRequest) -> Option<&str> {
    let cookies = request.headers().get(COOKIE)?.to_str().ok()?;
    let mut pairs = cookies.split(';').filter_map(|pair| pair.trim().split_once('='));
    pairs.find(|(name, _)| *name == COOKIE_NAME).map(|(_, value)| value)
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;

    use super::super::sessions::{Because, PendingAct};
    use super::super::story;
    use super::*;

    #[test]
    fn two_tabs_do_not_undo_each_other() {
        let (console, _) = story::of_nobody("http://127.0.0.1:1/t/ten_1").unwrap();
        let stage = Stage::SignedIn(SignedIn::new("n-1", "usr_1".to_owned(), Because::NotRequired));
        let (name, _) = console.sessions.begin(stage).unwrap();
        let request = TestRequest::default()
            .insert_header((COOKIE, format!("{COOKIE_NAME}={name}")))
            .app_data(web::Data::new(console))
            .to_http_request();
        let (one, other) = (Visit::read(&request).unwrap(), Visit::read(&request).unwrap());
        let act = PendingAct {
            name: "a".to_owned(),
            path: String::new(),
            body: serde_json::Value::Null,
            challenge: String::new(),
            words: String::new(),
        };
        one.change(|signed_in| signed_in.act = Some(act));
        other.notify("Denied.");
        let now = Visit::read(&request).unwrap();
        let signed_in = now.signed_in().unwrap();
        assert_eq!(signed_in.act.as_ref().unwrap().name, "a");
        assert_eq!(signed_in.notice.as_deref(), Some("Denied."));
    }
}
