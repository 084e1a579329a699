//! Reads the rest of a refused body, so that the client gets to read the refusal.
//!
//! A server that closes a connection with unread bytes resets it, and a client in the middle of a 10 MiB
//! part then reports a broken network instead of "403 Request has expired".

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::Body;
use bytes::{Buf as _, Bytes};
use futures_util::StreamExt as _;
use http_body::{Frame, SizeHint};

const MAX_BYTES: usize = 64 * 1024 * 1024;
const MAX_TIME: Duration = Duration::from_secs(30);

/// A body that is read to its end, within limits, even if its reader drops it early.
pub(super) struct DrainOnDrop {
    body: Option<Body>,
}

impl DrainOnDrop {
    pub(super) fn wrap(body: Body) -> Body {
        Body::new(Self { body: Some(body) })
    }
}

impl http_body::Body for DrainOnDrop {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let Some(body) = &mut self.body else { return Poll::Ready(None) };
        let frame = Pin::new(body).poll_frame(context);
        if matches!(frame, Poll::Ready(None | Some(Err(_)))) {
            self.body = None;
        }
        frame
    }

    fn is_end_stream(&self) -> bool {
        self.body.as_ref().is_none_or(Body::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.body.as_ref().map_or_else(|| SizeHint::with_exact(0), Body::size_hint)
    }
}

impl Drop for DrainOnDrop {
    fn drop(&mut self) {
        let unread = self.body.take().filter(|body| !http_body::Body::is_end_stream(body));
        if let (Some(body), Ok(runtime)) = (unread, tokio::runtime::Handle::try_current()) {
            runtime.spawn(tokio::time::timeout(MAX_TIME, drain(body)));
        }
    }
}

async fn drain(body: Body) {
    let mut stream = body.into_data_stream();
    let mut drained = 0;
    while let Some(Ok(chunk)) = stream.next().await {
        drained += chunk.remaining();
        if drained > MAX_BYTES {
            return;
        }
    }
}
