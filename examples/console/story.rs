//! Who lives here. Two organizations; of the first, somebody set up both administrators last week, as
//! the README's walk does it; its users never heard of MFA. The second was founded a minute ago.

use jiff::Timestamp;
use serde_json::{Value, json};
use totp_rs::Totp;

use super::api::{Api, Failure};
use super::embedded::{Embedded, HandedOver};
use super::people::{People, Person};
use super::sessions::Sessions;
use super::tokens::Keys;
use super::{AUDIENCE, Console, Tenant};

/// Id, sign-in name, name, tenant, whether an administrator.
const EVERYBODY: [(&str, &str, &str, usize, bool); 6] = [
    ("n-1", "ines@north.example", "Ines", NORTH, true),
    ("n-2", "otto@north.example", "Otto", NORTH, true),
    ("n-3", "ada@north.example", "Ada", NORTH, false),
    ("n-4", "ben@north.example", "Ben", NORTH, false),
    ("s-1", "mara@south.example", "Mara", SOUTH, true),
    ("s-2", "paul@south.example", "Paul", SOUTH, false),
];
const NORTH: usize = 0;
const SOUTH: usize = 1;

/// Founds both tenants, starts Pawl, and sets the first one up. Answers the console, and what to print.
///
/// # Errors
/// Whatever went wrong.
pub async fn begin(embedded: &mut Embedded) -> Result<(Console, String), String> {
    let north = embedded.found("North Shipping", "n-1")?;
    let south = embedded.found("South Clinic", "s-1")?;
    embedded.serve().await?;
    let api = Api::new(&embedded.base_url());
    let otto = last_week(&api, &north).await?;
    let (people, passwords) = everybody()?;
    let story = format!(
        "Who can sign in, and with which password:\n{passwords}\n\
         The administrators' authenticators. In an example they can be printed; else nobody sees them \
         but their owners.\n  Ines  {}\n  Otto  {otto}\n  Mara  {} (waits for its first code)\n\n\
         Pawl is process {}, at {}. Stop it, and the console closes.",
        north.authenticator,
        south.authenticator,
        embedded.process().unwrap_or_default(),
        embedded.base_url(),
    );
    let tenant = |name, given: HandedOver| Tenant {
        name,
        issuer: given.issuer,
        client_key: given.client_key,
    };
    let tenants = vec![tenant("North Shipping", north), tenant("South Clinic", south)];
    let (sessions, keys) = (Sessions::default(), Keys::new(api.clone()));
    Ok((Console { people, sessions, api, keys, tenants }, story))
}

/// A console in which nobody lives, and which believes another issuer.
///
/// # Errors
/// It is no issuer of a Pawl, or there are no random bytes.
pub fn of_nobody(issuer: &str) -> Result<(Console, String), String> {
    let (base_url, _) = issuer.split_once("/t/").ok_or("an issuer is BASE/t/TENANT")?;
    let (api, client_key) = (Api::new(base_url), String::new());
    let tenants = vec![Tenant { name: "Nobody", issuer: issuer.to_owned(), client_key }];
    let (people, sessions, keys) =
        (People::new(Vec::new())?, Sessions::default(), Keys::new(api.clone()));
    let story = format!("Nobody can sign in. /api/detections believes {issuer}.");
    Ok((Console { people, sessions, api, keys, tenants }, story))
}

fn everybody() -> Result<(People, String), String> {
    let (mut everybody, mut lines) = (Vec::new(), Vec::new());
    for (id, sign_in_name, name, tenant, is_administrator) in EVERYBODY {
        let (mut person, password) = Person::new(id, name)?;
        person.sign_in_name = sign_in_name;
        person.tenant = tenant;
        person.is_administrator = is_administrator;
        everybody.push(person);
        let kind = if is_administrator { "administrator" } else { "user" };
        lines.push(format!("  {sign_in_name:<20} {password}  {kind}\n"));
    }
    Ok((People::new(everybody)?, lines.concat()))
}

/// A phone. A code works once, so it never shows one twice.
struct Phone {
    totp: Totp,
    next: u64,
}

impl Phone {
    fn scan(line: &str) -> Result<Self, String> {
        let totp = Totp::from_url(line).map_err(|error| error.to_string())?;
        // Pawl accepts the step before the present one, and the one after: three codes without a wait.
        let step = u64::try_from(Timestamp::now().as_second()).unwrap_or_default() / 30;
        Ok(Self { totp, next: step - 1 })
    }

    fn code(&mut self) -> String {
        let code = self.totp.generate(self.next * 30).to_string();
        self.next += 1;
        code
    }
}

/// Ines confirms the authenticator that she was given, Otto enrolls, she makes him an administrator,
/// and by his policy everything that weakens takes both of them. Answers Otto's `otpauth://` line.
async fn last_week(api: &Api, north: &HandedOver) -> Result<String, String> {
    let set_up = SetUp { api, key: &north.client_key };
    let mut phone = Phone::scan(&north.authenticator)?;
    let ines = set_up.evaluate("n-1", "Ines", &[AUDIENCE, &north.issuer]).await?;
    let enrollment = text(&ines, "/enrollment/handle");
    let tokens = set_up.confirm(&enrollment, &phone.code()).await?;
    let token = text(&tokens, "/tokens/1/access_token");

    // A real organization leaves the cool-down of new authenticators where it is: a day.
    set_up.replace_policy(&token, "\"1\"", policy(0), &phone.code()).await?;

    let otto = set_up.evaluate("n-2", "Otto", &[AUDIENCE]).await?;
    let challenge = json!({ "challenge": text(&otto, "/challenge/handle") });
    let secret = set_up.post(&north.client_key, "/v1/enrollments", challenge).await?;
    let line = text(&secret, "/otpauth_uri");
    let mut his_phone = Phone::scan(&line)?;
    set_up.confirm(&text(&secret, "/enrollment"), &his_phone.code()).await?;

    let user_id = text(&otto, "/user_id");
    let body = json!({ "reason": "second administrator" });
    let act =
        json!({ "operation": "grantRole", "user_id": user_id, "role": "admin", "body": body });
    let proof = set_up.proof(&token, act, &phone.code()).await?;
    let path = format!("/v1/users/{user_id}/roles/admin/grant");
    set_up.post(&token, &path, with(body, proof)).await?;
    let token = set_up.sign_in("n-2", "Otto", &north.issuer, &his_phone.code()).await?;
    set_up.replace_policy(&token, "\"2\"", policy(1), &his_phone.code()).await?;
    Ok(line)
}

fn policy(approvals: u8) -> Value {
    json!({
        "policy": {
            "base": {
                "mfa": "required", "self_enrollment": "first_only", "window": "one_each_side",
                "digits": 6, "attempts_bucket": 10, "attempts_refill_hours": 6,
                "token_ttl_seconds": 900, "exempt_allowed": true, "override_max_hours": 72,
                "approvals": approvals, "factor_cooldown_hours": 0, "ticket_ttl_hours": 72,
            },
            "rules": [],
        },
        "reason": "the example is played within minutes",
    })
}

fn with(mut body: Value, proof: Value) -> Value {
    if let Some(fields) = body.as_object_mut() {
        fields.insert("proof".to_owned(), proof);
    }
    body
}

fn text(answer: &Value, pointer: &str) -> String {
    answer.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned()
}

/// Talking to Pawl while nobody looks.
struct SetUp<'a> {
    api: &'a Api,
    key: &'a str,
}

impl SetUp<'_> {
    async fn evaluate(&self, id: &str, name: &str, audiences: &[&str]) -> Result<Value, String> {
        let at = Timestamp::now().to_string();
        let body = json!({
            "external_id": id, "display_name": name, "audiences": audiences,
            "primary_login": { "method": "password", "at": at },
        });
        self.post(self.key, "/v1/evaluations", body).await
    }

    async fn confirm(&self, enrollment: &str, code: &str) -> Result<Value, String> {
        let body = json!({ "enrollment": enrollment, "code": code });
        self.post(self.key, "/v1/enrollments/confirm", body).await
    }

    async fn proof(&self, token: &str, act: Value, code: &str) -> Result<Value, String> {
        let step_up = self.post(token, "/v1/step-ups", act).await?;
        Ok(json!({ "challenge": text(&step_up, "/challenge/handle"), "code": code }))
    }

    /// Signs in with a code; answers the token for `audience`.
    async fn sign_in(
        &self,
        id: &str,
        name: &str,
        audience: &str,
        code: &str,
    ) -> Result<String, String> {
        let login = self.evaluate(id, name, &[audience]).await?;
        let body = json!({ "challenge": text(&login, "/challenge/handle"), "code": code });
        let verified = self.post(self.key, "/v1/challenges/verify", body).await?;
        Ok(text(&verified, "/tokens/0/access_token"))
    }

    async fn replace_policy(
        &self,
        token: &str,
        version: &str,
        policy: Value,
        code: &str,
    ) -> Result<(), String> {
        let act = json!({ "operation": "putPolicy", "if_match": version, "body": policy });
        let body = with(policy, self.proof(token, act, code).await?);
        let put = self.api.put::<Value>(token, "/v1/policy", version, body).await;
        put.map(drop).map_err(|failure| said("/v1/policy", &failure))
    }

    async fn post(&self, credential: &str, path: &str, body: Value) -> Result<Value, String> {
        self.api.post(credential, path, body).await.map_err(|failure| said(path, &failure))
    }
}

fn said(path: &str, failure: &Failure) -> String {
    match failure {
        Failure::Refused(problem) => format!("{path}: {problem:?}"),
        Failure::Unknown(why) => format!("{path}: {why}"),
    }
}
