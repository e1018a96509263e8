//! One request on one connection: who kills servers must know what was answered, what was sent and not
//! answered, and what never arrived.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

use serde_json::Value;

/// Longer than any answer may take, whatever the database does.
const PATIENCE: Duration = Duration::from_secs(10);

/// What became of a request.
#[derive(Debug)]
pub enum Reply {
    /// A whole answer came.
    Answered(Answer),
    /// It was sent, perhaps in part, and no whole answer came.
    Unanswered,
    /// Nobody took the connection.
    Unreached,
}

/// A whole answer.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    head: String,
    pub body: Value,
}

impl Answer {
    /// A header's value.
    pub fn header(&self, name: &str) -> Option<&str> {
        let mut lines = self.head.lines().filter_map(|line| line.split_once(':'));
        let found = lines.find(|(found, _)| found.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.trim())
    }

    /// A problem's code.
    pub fn code(&self) -> &str {
        self.body["code"].as_str().unwrap_or_default()
    }
}

impl Reply {
    /// The answer, which must be there.
    #[track_caller]
    pub fn answer(self) -> Answer {
        match self {
            Self::Answered(answer) => answer,
            Self::Unanswered | Self::Unreached => panic!("no answer: {self:?}"),
        }
    }

    /// The status, if there is an answer.
    pub fn status(&self) -> Option<u16> {
        match self {
            Self::Answered(answer) => Some(answer.status),
            Self::Unanswered | Self::Unreached => None,
        }
    }

    /// The body of an answer of this status.
    #[track_caller]
    pub fn body(self, status: u16) -> Value {
        let answer = self.answer();
        assert_eq!(answer.status, status, "{}", answer.body);
        answer.body
    }
}

/// Sends a body.
pub fn post(address: &str, key: &str, path: &str, body: &Value) -> Reply {
    let body = body.to_string();
    let length = body.len();
    let head = format!(
        "POST {path} HTTP/1.1\r\nHost: {address}\r\nAuthorization: Bearer {key}\r\n\
         Content-Type: application/json\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n"
    );
    send(address, &(head + &body))
}

/// Asks without a credential.
pub fn get(address: &str, path: &str) -> Reply {
    send(address, &format!("GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n"))
}

fn send(address: &str, request: &str) -> Reply {
    let Ok(mut stream) = TcpStream::connect(address) else { return Reply::Unreached };
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut bytes = Vec::new();
    let sent = stream.write_all(request.as_bytes());
    // What was read before the connection broke may be a whole answer.
    let _ = sent.and_then(|()| stream.read_to_end(&mut bytes).map(|_| ()));
    parse(&bytes).map_or(Reply::Unanswered, Reply::Answered)
}

/// A whole answer, if it is one.
pub fn parse(bytes: &[u8]) -> Option<Answer> {
    let text = std::str::from_utf8(bytes).ok()?;
    let (head, body) = text.split_once("\r\n\r\n")?;
    let status = head.split(' ').nth(1)?.parse().ok()?;
    let mut answer = Answer { status, head: head.to_owned(), body: Value::Null };
    let length: usize = answer.header("content-length")?.parse().ok()?;
    if body.len() < length {
        return None;
    }
    answer.body = serde_json::from_str(body).unwrap_or_else(|_| Value::from(body));
    Some(answer)
}
