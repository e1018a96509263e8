//! A keep-alive HTTP/1.1 connection that does what a console does and no more: the load generator
//! shares the machine with what it measures.

use std::fmt::{Arguments, Write as _};
use std::net::SocketAddr;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::Outcome;

/// One connection: one request at a time.
pub struct Connection {
    stream: TcpStream,
    body: String,
    request: String,
    received: Vec<u8>,
}

/// Status and body.
pub struct Answer<'a> {
    pub status: u16,
    pub body: &'a str,
}

impl Answer<'_> {
    /// The value of the first member of this name, if it is a string without escapes.
    pub fn text(&self, name: &str) -> Outcome<String> {
        let found = self.body.split_once(&format!("\"{name}\":\""));
        let value = found.and_then(|(_, rest)| rest.split_once('"'));
        value.map(|(value, _)| value.to_owned()).ok_or_else(|| format!("no {name}: {}", self.body))
    }
}

impl Connection {
    pub async fn open(address: SocketAddr) -> Outcome<Self> {
        let failed = |error| format!("{address}: {error}");
        let stream = TcpStream::connect(address).await.map_err(failed)?;
        stream.set_nodelay(true).map_err(failed)?;
        let (body, request, received) = (String::new(), String::new(), Vec::new());
        Ok(Self { stream, body, request, received })
    }

    /// Posts JSON under a client's key.
    pub async fn post(
        &mut self,
        path: &str,
        key: &str,
        json: Arguments<'_>,
    ) -> Outcome<Answer<'_>> {
        self.body.clear();
        self.request.clear();
        // Writing to a string cannot fail.
        let _ = self.body.write_fmt(json);
        let _ = write!(
            self.request,
            "POST {path} HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer {key}\r\n\
             content-type: application/json\r\ncontent-length: {}\r\n\r\n{}",
            self.body.len(),
            self.body
        );
        let sent = self.stream.write_all(self.request.as_bytes()).await;
        sent.map_err(|error| format!("sending: {error}"))?;
        self.receive().await
    }

    async fn receive(&mut self) -> Outcome<Answer<'_>> {
        self.received.clear();
        let (status, begin, end) = loop {
            let read = self.stream.read_buf(&mut self.received).await;
            if read.map_err(|error| format!("receiving: {error}"))? == 0 {
                return Err("the server closed the connection".to_owned());
            }
            if let Some((status, begin, length)) = head(&self.received)
                && let Some(end) = begin.checked_add(length)
                && self.received.len() >= end
            {
                break (status, begin, end);
            }
        };
        let body = self.received.get(begin..end).and_then(|body| str::from_utf8(body).ok());
        Ok(Answer { status, body: body.ok_or("an answer that is no text")? })
    }
}

/// Status, where the body begins, and its length, once the head is complete.
fn head(received: &[u8]) -> Option<(u16, usize, usize)> {
    let end = received.windows(4).position(|four| four == b"\r\n\r\n")?;
    let text = str::from_utf8(received.get(..end)?).ok()?;
    let status = text.get(9..12)?.parse().ok()?;
    let length = text.lines().filter_map(|line| line.split_once(':')).find_map(|(name, value)| {
        name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse().ok())?
    });
    Some((status, end.checked_add(4)?, length.unwrap_or(0)))
}
