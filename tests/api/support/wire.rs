//! Requests and answers as bytes on a connection, for what no HTTP client sends.

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use super::document;
use super::http::{Answer, Call};

/// A connection to a server. A test that gets no answer fails after a minute.
pub struct Wire(TcpStream);

impl Wire {
    /// Connects.
    pub fn to(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(Duration::from_mins(1))).unwrap();
        stream.set_write_timeout(Some(Duration::from_mins(1))).unwrap();
        Self(stream)
    }

    /// Sends text as it is.
    pub fn send(&mut self, text: &str) {
        self.0.write_all(text.as_bytes()).unwrap();
    }

    /// Sends text again and again, without reading, until the peer ends the connection; how often.
    pub fn send_until_it_ends(&mut self, text: &str) -> usize {
        for count in 0.. {
            if let Err(error) = self.0.write_all(text.as_bytes()) {
                assert_ne!(error.kind(), ErrorKind::WouldBlock, "it is still there");
                return count;
            }
        }
        unreachable!()
    }

    /// Whether nothing comes for so long.
    pub fn is_silent_for(&mut self, time: Duration) -> bool {
        self.0.set_read_timeout(Some(time)).unwrap();
        let silent = self.0.peek(&mut [0]).is_err();
        self.0.set_read_timeout(Some(Duration::from_mins(1))).unwrap();
        silent
    }

    /// Whether the peer ended the connection and said nothing before.
    pub fn ends(&mut self) -> bool {
        let mut rest = Vec::new();
        self.0.read_to_end(&mut rest).is_ok() && rest.is_empty()
    }

    /// The head of the next answer.
    pub fn head(&mut self) -> String {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            assert_eq!(self.0.read(&mut byte).unwrap(), 1, "{}", String::from_utf8_lossy(&head));
            head.extend(byte);
        }
        String::from_utf8(head).unwrap()
    }

    /// The next answer.
    pub fn answer(&mut self, operation: &str) -> Answer {
        let head = self.head();
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        let lines = head.lines().skip(1).filter_map(|line| line.split_once(": "));
        let headers: Vec<_> = lines.map(|(n, v)| (n.to_lowercase(), v.to_owned())).collect();
        let length = headers.iter().find(|(name, _)| name == "content-length");
        let mut body = vec![0; length.map_or(0, |(_, length)| length.parse().unwrap())];
        self.0.read_exact(&mut body).unwrap();
        let body = serde_json::from_slice(&body).unwrap_or_default();
        Answer { operation: operation.to_owned(), status, headers, body }
    }
}

impl Call {
    /// Sends all but the last byte of the body, and holds the answer to the document.
    pub fn send_unfinished(self, address: SocketAddr) -> Answer {
        let operation = document::operation(self.operation());
        let text = self.as_text(operation);
        let mut wire = Wire::to(address);
        wire.send(&text[..text.len() - 1]);
        let answer = wire.answer(&operation.id);
        document::check(operation, &answer);
        answer
    }
}
