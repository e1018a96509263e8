//! One connection to the server, bounded in time and memory. actix limits the time of the first request's
//! head and of an idle connection, and nothing else: half of a second head or of a body could be held
//! for ever, and requests without end could be read from a peer who takes no answer.

use std::cell::Cell;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Duration;

use actix_web::dev::ServiceRequest;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::{Instant, Sleep, sleep_until};

use super::problem::{Code, Problem};

/// The largest head of a request. actix's own limit is 128 KiB.
const LARGEST_HEAD: usize = 16 * 1024;

/// How much of a stream is read before what was read is looked at: so many small requests at most wait
/// in one connection.
const TURN: usize = 4 * 1024;

/// How long a peer may take.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// For the head of a request.
    pub head: Duration,
    /// For its body.
    pub body: Duration,
    /// To take what was written: an answer, or 32 KiB of a larger one.
    pub answer: Duration,
}

/// What the requests of a connection tell its stream.
#[derive(Debug, Default)]
pub struct Traffic {
    begun: Cell<u64>,
    running: Cell<usize>,
}

/// A request that runs. Its body has a limit of its own.
pub struct Running(Rc<Traffic>);

impl Running {
    /// Notes that a request of this connection began.
    #[must_use]
    pub fn begin(request: &ServiceRequest) -> Option<Self> {
        let traffic = Rc::clone(request.conn_data::<Rc<Traffic>>()?);
        traffic.begun.set(traffic.begun.get().wrapping_add(1));
        traffic.running.set(traffic.running.get().saturating_add(1));
        Some(Self(traffic))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.0.running.set(self.0.running.get().saturating_sub(1));
    }
}

/// A time by which something must be done, while there is one.
#[derive(Default)]
struct Deadline {
    due: Option<Instant>,
    timer: Option<Pin<Box<Sleep>>>,
}

impl Deadline {
    fn begin(&mut self, within: Duration) {
        self.due.get_or_insert_with(|| Instant::now() + within);
    }

    fn end(&mut self) {
        self.due = None;
    }

    /// Whether it passed. If not, the task is woken when it does.
    fn has_passed(&mut self, context: &mut Context<'_>) -> bool {
        let Some(due) = self.due else { return false };
        if due <= Instant::now() {
            return true;
        }
        let timer = self.timer.get_or_insert_with(|| Box::pin(sleep_until(due)));
        // A timer of an earlier deadline is left alone until it ends: it need not be set for each request.
        if timer.deadline() > due || timer.is_elapsed() {
            timer.as_mut().reset(due);
        }
        if timer.as_mut().poll(context).is_ready() {
            context.waker().wake_by_ref();
        }
        false
    }
}

/// A stream of a peer who must send and take in time.
pub struct Bounded {
    stream: TcpStream,
    limits: Limits,
    traffic: Rc<Traffic>,
    /// How many requests had begun when the head that is being read began.
    before: u64,
    /// Bytes that were read since.
    read: usize,
    head: Deadline,
    answer: Deadline,
    /// Whether reading waits until the answer is taken.
    is_read_due: bool,
    /// Whether what was read must be looked at first.
    is_turn_over: bool,
}

impl Bounded {
    /// A new connection, whose first request must come in time.
    #[must_use]
    pub fn new(stream: TcpStream, limits: Limits) -> Self {
        let mut head = Deadline::default();
        head.begin(limits.head);
        Self {
            stream,
            limits,
            traffic: Rc::default(),
            before: 0,
            read: 0,
            head,
            answer: Deadline::default(),
            is_read_due: false,
            is_turn_over: false,
        }
    }

    /// What its requests tell it.
    #[must_use]
    pub fn traffic(&self) -> Rc<Traffic> {
        Rc::clone(&self.traffic)
    }

    /// Forgets the head whose request began.
    fn follow(&mut self) {
        let begun = self.traffic.begun.get();
        if begun != self.before || self.traffic.running.get() > 0 {
            (self.before, self.read) = (begun, 0);
            self.head.end();
        }
    }

    fn note(&mut self, count: usize, context: &mut Context<'_>) -> io::Result<()> {
        if count == 0 || self.traffic.running.get() > 0 {
            return Ok(());
        }
        self.head.begin(self.limits.head);
        self.read = self.read.saturating_add(count);
        if self.read > LARGEST_HEAD {
            self.refuse(Code::HeadTooLarge, context);
            return Err(io::ErrorKind::InvalidData.into());
        }
        Ok(())
    }

    /// Answers what never became a request. If the peer does not take it at once, it gets none.
    fn refuse(&mut self, code: Code, context: &mut Context<'_>) {
        let body = serde_json::to_string(&Problem::new(code)).unwrap_or_default();
        let answer = format!(
            "HTTP/1.1 {}\r\nconnection: close\r\ncontent-type: application/problem+json\r\n\
             x-content-type-options: nosniff\r\ncontent-length: {}\r\n\r\n{body}",
            code.status(),
            body.len()
        );
        let _ = Pin::new(&mut self.stream).poll_write(context, answer.as_bytes());
    }

    fn poll_turn(
        &mut self,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<usize>> {
        let room = buffer.remaining().min(TURN);
        let mut part = ReadBuf::new(buffer.initialize_unfilled_to(room));
        let polled = Pin::new(&mut self.stream).poll_read(context, &mut part);
        let count = part.filled().len();
        buffer.advance(count);
        self.is_turn_over = count == room;
        polled.map_ok(|()| count)
    }
}

impl AsyncRead for Bounded {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if this.answer.due.is_some() {
            this.is_read_due = true;
            return Poll::Pending;
        }
        if std::mem::take(&mut this.is_turn_over) {
            context.waker().wake_by_ref();
            return Poll::Pending;
        }
        this.follow();
        match this.poll_turn(context, buffer) {
            Poll::Ready(Ok(count)) => Poll::Ready(this.note(count, context)),
            Poll::Ready(Err(error)) => Poll::Ready(Err(error)),
            Poll::Pending if this.head.has_passed(context) => {
                if this.read > 0 {
                    this.refuse(Code::RequestTimeout, context);
                }
                Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
            }
            Poll::Pending => Poll::Pending,
        }
    }
}

impl AsyncWrite for Bounded {
    fn poll_write(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        match Pin::new(&mut this.stream).poll_write(context, bytes) {
            Poll::Ready(Ok(count)) => {
                if count == bytes.len() {
                    this.answer.end();
                    if std::mem::take(&mut this.is_read_due) {
                        context.waker().wake_by_ref();
                    }
                }
                Poll::Ready(Ok(count))
            }
            Poll::Ready(Err(error)) => Poll::Ready(Err(error)),
            Poll::Pending => {
                this.answer.begin(this.limits.answer);
                if !this.answer.has_passed(context) {
                    return Poll::Pending;
                }
                // Otherwise the system would keep what the peer does not take.
                let _ = this.stream.set_zero_linger();
                Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
            }
        }
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_flush(context)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_shutdown(context)
    }
}
