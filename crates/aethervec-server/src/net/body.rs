//! The body of a request, which has to arrive: a client that sends a byte now and then is not waited for.

use bytes::{Buf, Bytes};
use http_body::{Body as HttpBody, Frame, SizeHint};
use hyper::body::Incoming;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::time::{Instant, Sleep};

/// Bytes a second that a client sends at least, beyond the pause that it may make.
const RATE_MIN: u64 = 1_024;

/// How a body has to arrive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Pace {
    /// All of it, at [`RATE_MIN`] or faster.
    Steady,
    /// In messages, with pauses between them that are as long as a connection may be idle.
    Messages,
}

/// A body that fails when it pauses for too long, or is too slow on the whole.
#[derive(Debug)]
pub(super) struct Paced {
    body: Incoming,
    pace: Pace,
    pause: Duration,
    begin: Option<Instant>,
    received: u64,
    /// Made by the first wait: most bodies are there at once.
    timer: Option<Pin<Box<Sleep>>>,
}

impl Paced {
    pub(super) fn new(body: Incoming, pace: Pace, pause: Duration) -> Paced {
        Paced {
            body,
            pace,
            pause,
            begin: None,
            received: 0,
            timer: None,
        }
    }

    /// When the next piece has to be there.
    fn deadline(&mut self) -> Instant {
        let now = Instant::now();
        let begin = *self.begin.get_or_insert(now);
        let paused = now + self.pause;
        match self.pace {
            Pace::Messages => paused,
            Pace::Steady => {
                paused.min(begin + self.pause + Duration::from_secs(self.received / RATE_MIN))
            }
        }
    }
}

impl HttpBody for Paced {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        let this = &mut *self;
        match Pin::new(&mut this.body).poll_frame(context) {
            Poll::Ready(Some(Ok(frame))) => {
                let bytes = frame.data_ref().map_or(0, Buf::remaining);
                this.received += bytes as u64;
                this.timer = None;
                Poll::Ready(Some(Ok(frame)))
            }
            Poll::Ready(Some(Err(error))) => Poll::Ready(Some(Err(io::Error::other(error)))),
            Poll::Ready(None) => Poll::Ready(None),
            Poll::Pending => {
                let deadline = this.deadline();
                let timer = this
                    .timer
                    .get_or_insert_with(|| Box::pin(tokio::time::sleep_until(deadline)));
                timer.as_mut().poll(context).map(|()| {
                    Some(Err(io::Error::new(
                        io::ErrorKind::TimedOut,
                        "the rest of it did not come in time",
                    )))
                })
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
