//! A collector of traces: real OTLP over real HTTP.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue, any_value::Value};
use opentelemetry_proto::tonic::trace::v1::Span;
use prost::Message as _;

/// What was received.
pub struct Collector {
    address: SocketAddr,
    bodies: Arc<Mutex<Vec<Vec<u8>>>>,
}

/// A span, as the collector reads it.
#[derive(Debug, Clone)]
pub struct Seen {
    pub name: String,
    pub trace: String,
    pub id: String,
    /// Empty: none.
    pub parent: String,
    pub facts: BTreeMap<String, String>,
    /// Trace and span.
    pub links: Vec<(String, String)>,
    pub has_failed: bool,
    pub begin: u64,
    pub end: u64,
}

impl Collector {
    /// One that takes everything.
    pub fn start() -> Self {
        Self::serving(answer)
    }

    /// One that takes connections, and answers nothing.
    pub fn silent() -> Self {
        Self::serving(|mut stream, _| {
            let _ = stream.read_to_end(&mut Vec::new());
        })
    }

    fn serving(answer: fn(TcpStream, &Mutex<Vec<Vec<u8>>>)) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let (address, bodies) = (listener.local_addr().unwrap(), Arc::default());
        let received = Arc::clone(&bodies);
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let received = Arc::clone(&received);
                thread::spawn(move || answer(stream, &received));
            }
        });
        Self { address, bodies }
    }

    /// What a server must be told.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Every byte that came.
    pub fn bodies(&self) -> Vec<u8> {
        self.bodies.lock().unwrap().concat()
    }

    /// Every span that came, and that it came from Pawl.
    pub fn spans(&self) -> Vec<Seen> {
        let mut spans = Vec::new();
        for body in self.bodies.lock().unwrap().iter() {
            let request = ExportTraceServiceRequest::decode(body.as_slice()).unwrap();
            for of_resource in request.resource_spans {
                let resource = facts(of_resource.resource.unwrap().attributes);
                assert_eq!(
                    resource.keys().collect::<Vec<_>>(),
                    ["service.name", "service.version"]
                );
                assert_eq!(resource["service.name"], "pawl");
                for of_scope in of_resource.scope_spans {
                    spans.extend(of_scope.spans.into_iter().map(seen));
                }
            }
        }
        spans
    }
}

/// One connection: requests, one after the other.
fn answer(stream: TcpStream, bodies: &Mutex<Vec<Vec<u8>>>) {
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    let mut stream = stream;
    loop {
        let (mut head, mut line) = (Vec::new(), String::new());
        while reader.read_line(&mut line).unwrap_or(0) > 2 {
            head.push(std::mem::take(&mut line).trim_end().to_lowercase());
        }
        let Some(first) = head.first() else { return };
        assert_eq!(first, "post /v1/traces http/1.1");
        assert!(head.contains(&"content-type: application/x-protobuf".to_owned()), "{head:?}");
        let length = head.iter().find_map(|line| line.strip_prefix("content-length: ")).unwrap();
        let mut body = vec![0; length.parse().unwrap()];
        reader.read_exact(&mut body).unwrap();
        bodies.lock().unwrap().push(body);
        let head = "HTTP/1.1 200 OK\r\ncontent-type: application/x-protobuf\r\n";
        stream.write_all(format!("{head}content-length: 0\r\n\r\n").as_bytes()).unwrap();
    }
}

fn seen(span: Span) -> Seen {
    let hex = |bytes: &[u8]| data_encoding::HEXLOWER.encode(bytes);
    assert!(span.events.is_empty() && span.trace_state.is_empty());
    let link = |(trace, id): (&[u8], &[u8])| (hex(trace), hex(id));
    Seen {
        name: span.name,
        trace: hex(&span.trace_id),
        id: hex(&span.span_id),
        parent: hex(&span.parent_span_id),
        facts: facts(span.attributes),
        links: span.links.iter().map(|of| link((&of.trace_id, &of.span_id))).collect(),
        has_failed: span.status.is_some_and(|status| status.code == 2),
        begin: span.start_time_unix_nano,
        end: span.end_time_unix_nano,
    }
}

fn facts(attributes: Vec<KeyValue>) -> BTreeMap<String, String> {
    let text = |value: Option<AnyValue>| match value.and_then(|value| value.value) {
        Some(Value::StringValue(text)) => text,
        Some(Value::IntValue(number)) => number.to_string(),
        other => panic!("{other:?} is neither a word nor a number"),
    };
    attributes.into_iter().map(|fact| (fact.key, text(fact.value))).collect()
}
