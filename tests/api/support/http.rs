//! One call of one operation, by its operationId, and its answer, held to the document.

use serde_json::Value;
use ureq::http::Request;

use super::document::{self, Operation};
use super::server::Server;

/// A call in the making.
#[derive(Clone)]
pub struct Call {
    server: Server,
    operation: String,
    path: Vec<(String, String)>,
    query: Vec<(String, String)>,
    headers: Vec<(String, String)>,
    body: Option<Vec<u8>>,
}

/// An answer that fits the document.
#[derive(Debug, Clone)]
pub struct Answer {
    /// The operation.
    pub operation: String,
    /// The HTTP status.
    pub status: u16,
    /// The headers, names in lower case.
    pub headers: Vec<(String, String)>,
    /// The body; `null` if there is none.
    pub body: Value,
}

impl Call {
    /// A call of an operation without a credential.
    pub fn of(server: Server, operation: &str) -> Self {
        Self {
            server,
            operation: operation.to_owned(),
            path: Vec::new(),
            query: Vec::new(),
            headers: Vec::new(),
            body: None,
        }
    }

    /// With a bearer credential.
    pub fn bearer(self, credential: &str) -> Self {
        self.header("authorization", &format!("Bearer {credential}"))
    }

    /// With a header.
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// With a value for a path parameter.
    pub fn at(mut self, name: &str, value: &str) -> Self {
        self.path.push((name.to_owned(), value.to_owned()));
        self
    }

    /// With a query parameter, which must need no escaping.
    pub fn query(mut self, name: &str, value: &str) -> Self {
        self.query.push((name.to_owned(), value.to_owned()));
        self
    }

    /// With a JSON body.
    pub fn json(self, body: &Value) -> Self {
        self.header("content-type", "application/json").bytes(serde_json::to_vec(body).unwrap())
    }

    /// With a body as it is.
    pub fn bytes(mut self, body: Vec<u8>) -> Self {
        self.body = Some(body);
        self
    }

    /// With a form.
    pub fn form(self, body: &str) -> Self {
        let call = self.header("content-type", "application/x-www-form-urlencoded");
        call.bytes(body.as_bytes().to_vec())
    }

    /// Sends the call and holds the answer to the document.
    pub fn send(self) -> Answer {
        let operation = document::operation(&self.operation);
        let mut request = Request::builder().method(operation.method).uri(self.url(operation));
        for (name, value) in &self.headers {
            request = request.header(name, value);
        }
        let agent = self.server.agent();
        let response = match self.body.clone() {
            Some(body) => agent.run(request.body(body).unwrap()),
            None => agent.run(request.body(()).unwrap()),
        };
        let answer = read(self.operation.clone(), response.unwrap());
        document::check(operation, &answer);
        let is_json = operation.request_schema().is_some();
        if let (Some(body), true) = (self.body, answer.status < 300 && is_json) {
            document::check_taken(operation, &body);
        }
        answer
    }

    /// Its operation.
    pub(super) fn operation(&self) -> &str {
        &self.operation
    }

    /// The request as it is sent.
    pub(super) fn as_text(&self, operation: &Operation) -> String {
        let url = self.url(operation);
        let path = url.splitn(4, '/').nth(3).unwrap();
        let body = String::from_utf8(self.body.clone().unwrap_or_default()).unwrap();
        let headers = self.headers.iter().map(|(name, value)| format!("{name}: {value}\r\n"));
        let (method, headers) = (operation.method, headers.collect::<String>());
        let length = body.len();
        format!(
            "{method} /{path} HTTP/1.1\r\nhost: pawl\r\n{headers}content-length: {length}\r\n\r\n{body}"
        )
    }

    fn url(&self, operation: &Operation) -> String {
        let mut path = operation.path.clone();
        for (name, value) in &self.path {
            path = path.replace(&format!("{{{name}}}"), value);
        }
        assert!(!path.contains('{'), "{path}: a parameter is missing");
        let pairs: Vec<String> = self.query.iter().map(|(n, v)| format!("{n}={v}")).collect();
        let mark = if pairs.is_empty() { "" } else { "?" };
        self.server.url(&format!("{path}{mark}{}", pairs.join("&")))
    }
}

fn read(operation: String, mut response: ureq::http::Response<ureq::Body>) -> Answer {
    let text = |value: &ureq::http::HeaderValue| value.to_str().unwrap().to_owned();
    let headers = response.headers().iter();
    let headers = headers.map(|(name, value)| (name.as_str().to_owned(), text(value))).collect();
    let status = response.status().as_u16();
    let bytes = response.body_mut().read_to_vec().unwrap();
    let body = match bytes.as_slice() {
        [] => Value::Null,
        some => serde_json::from_slice(some).expect("a body of JSON"),
    };
    Answer { operation, status, headers, body }
}

impl Answer {
    /// The body of an answer that says yes.
    #[track_caller]
    pub fn ok(self) -> Value {
        let Self { operation, status, body, .. } = self;
        assert!((200..300).contains(&status), "{operation}: {status} {body}");
        body
    }

    /// The problem of an answer that says no with this code.
    #[track_caller]
    pub fn refused(self, code: &str) -> Value {
        let Self { operation, status, body, .. } = self;
        assert_eq!(body["code"], code, "{operation}: {status} {body}");
        body
    }

    /// A header.
    pub fn header(&self, name: &str) -> Option<&str> {
        let mut headers = self.headers.iter();
        headers.find(|(given, _)| given == name).map(|(_, value)| value.as_str())
    }
}

/// The problem's code, or `-` for an answer that says yes.
pub fn code_of(answer: &Answer) -> &str {
    answer.body["code"].as_str().filter(|_| answer.status >= 400).unwrap_or("-")
}
