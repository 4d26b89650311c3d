//! Whether a connection does something.

use axum::body::Body;
use bytes::Bytes;
use http_body::{Body as HttpBody, Frame, SizeHint};
use parking_lot::Mutex;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::time::Instant;

/// What a connection does.
#[derive(Debug)]
pub(super) struct Activity {
    /// Requests that are not answered to the end.
    under_way: AtomicUsize,
    /// When the latest one was.
    latest: Mutex<Latest>,
}

#[derive(Clone, Copy, Debug)]
struct Latest {
    at: Instant,
    /// Whether there ever was one.
    any: bool,
}

/// A request that is under way until this is dropped.
#[derive(Debug)]
pub(super) struct UnderWay(Arc<Activity>);

/// The body of an answer: its request is under way until the end of it.
#[derive(Debug)]
pub(super) struct Watched {
    body: Body,
    _under_way: UnderWay,
}

impl Activity {
    /// That of a connection that begins now.
    pub(super) fn begin() -> Arc<Activity> {
        let latest = Latest {
            at: Instant::now(),
            any: false,
        };
        Arc::new(Activity {
            under_way: AtomicUsize::new(0),
            latest: Mutex::new(latest),
        })
    }

    /// A request begins.
    pub(super) fn request(self: &Arc<Activity>) -> UnderWay {
        self.under_way.fetch_add(1, Ordering::Relaxed);
        UnderWay(Arc::clone(self))
    }

    /// How much longer the connection may do nothing: `first` from its beginning to the first request, `idle` after one.
    pub(super) fn left(&self, first: Duration, idle: Duration) -> Duration {
        if self.under_way.load(Ordering::Relaxed) > 0 {
            return idle;
        }
        let latest = *self.latest.lock();
        let allowed = if latest.any { idle } else { first };
        allowed.saturating_sub(latest.at.elapsed())
    }
}

impl UnderWay {
    /// The answer's body, with which the request ends.
    pub(super) fn until_the_end_of(self, body: Body) -> Watched {
        Watched {
            body,
            _under_way: self,
        }
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        *self.0.latest.lock() = Latest {
            at: Instant::now(),
            any: true,
        };
        self.0.under_way.fetch_sub(1, Ordering::Relaxed);
    }
}

impl HttpBody for Watched {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
