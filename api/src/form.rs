//! Forms of several parts (`multipart/form-data`), whose heads are bounded.

use std::{
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Poll, ready},
};

use axum::{
    BoxError,
    body::{Body, BodyDataStream},
    extract::{
        FromRequest as _, Multipart, Request,
        multipart::{Field, MultipartError, MultipartRejection},
    },
};
use bytes::Bytes;
use futures::Stream;
use thaw_api_types::ErrorCode;

use crate::{body::cut_off, error::ApiError};

/// What may come of a form between the contents of two of its parts, in bytes: a boundary and the headers of a part.
/// The parser keeps it until it is whole. At most one piece of the body more is taken.
const MAX_HEAD_BYTES: usize = 64 << 10;

/// No head is read, but a part's content, which its reader bounds.
const CONTENT: usize = usize::MAX;

/// A form. Whoever reads it bounds its parts, and reads each to its end before the next.
#[derive(Debug)]
pub(crate) struct Form {
    parts: Multipart,
    /// How much more of a head may come, or [`CONTENT`].
    head: Arc<AtomicUsize>,
}

impl Form {
    /// # Errors
    /// When the request is none.
    pub(crate) async fn of(request: Request) -> Result<Self, MultipartRejection> {
        let head = Arc::new(AtomicUsize::new(CONTENT));
        let bounded = Arc::clone(&head);
        let request = request.map(|body| {
            Body::from_stream(Pieces {
                body: body.into_data_stream(),
                head: bounded,
                gave_one: false,
            })
        });
        let parts = Multipart::from_request(request, &()).await?;
        Ok(Self { parts, head })
    }

    /// The next part; none behind the last one.
    ///
    /// # Errors
    /// When the form breaks off, is malformed, or the part's head is longer than [`MAX_HEAD_BYTES`].
    pub(crate) async fn next_field(&mut self) -> Result<Option<Field<'_>>, FormError> {
        self.head.store(MAX_HEAD_BYTES, Ordering::Relaxed);
        let field = self.parts.next_field().await;
        let room = self.head.swap(CONTENT, Ordering::Relaxed);
        field.map_err(|error| {
            if room == 0 {
                FormError::HeadTooLong
            } else {
                FormError::Broken(error)
            }
        })
    }
}

/// Why a form's next part can't be had.
#[derive(Debug, thiserror::Error)]
pub(crate) enum FormError {
    #[error(
        "the head of a part of the form, or what stands before one, is longer than {MAX_HEAD_BYTES} bytes"
    )]
    HeadTooLong,
    #[error("{}", .0.body_text())]
    Broken(MultipartError),
}

impl From<FormError> for ApiError {
    fn from(error: FormError) -> Self {
        match error {
            FormError::HeadTooLong => Self::new(ErrorCode::InvalidRequest, error.to_string()),
            FormError::Broken(_) => cut_off(),
        }
    }
}

/// A body for the parser, which takes all there is before it looks at any of it: so there is one piece at a time.
struct Pieces {
    body: BodyDataStream,
    head: Arc<AtomicUsize>,
    gave_one: bool,
}

impl Stream for Pieces {
    type Item = Result<Bytes, BoxError>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if std::mem::take(&mut self.gave_one) {
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        let piece = ready!(Pin::new(&mut self.body).poll_next(cx));
        let room = self.head.load(Ordering::Relaxed);
        Poll::Ready(match piece {
            Some(Ok(_)) if room == 0 => {
                Some(Err("the head of a part of the form is too long".into()))
            }
            Some(Ok(piece)) => {
                if room != CONTENT {
                    let left = room.saturating_sub(piece.len());
                    self.head.store(left, Ordering::Relaxed);
                }
                self.gave_one = true;
                Some(Ok(piece))
            }
            Some(Err(error)) => Some(Err(error.into())),
            None => None,
        })
    }
}

#[cfg(test)]
mod tests {
    use futures::stream;

    use super::*;

    const PIECE_BYTES: usize = 10_000;

    fn form(pieces: impl Iterator<Item = Bytes> + Send + 'static) -> Request {
        let body = Body::from_stream(stream::iter(pieces.map(Ok::<_, BoxError>)));
        let request = Request::builder().header("content-type", "multipart/form-data; boundary=b");
        request.body(body).unwrap()
    }

    fn text(text: &'static str) -> std::iter::Once<Bytes> {
        std::iter::once(Bytes::from_static(text.as_bytes()))
    }

    fn long(count: usize) -> impl Iterator<Item = Bytes> + Send {
        std::iter::repeat_n(Bytes::from_static(&[b'x'; PIECE_BYTES]), count)
    }

    const HEAD: &str = "--b\r\nContent-Disposition: form-data; name=\"a\"\r\n";

    #[tokio::test]
    async fn a_part_may_be_longer_than_any_head() {
        let count = 3 * MAX_HEAD_BYTES / PIECE_BYTES;
        let pieces = text(HEAD)
            .chain(text("\r\n"))
            .chain(long(count))
            .chain(text("\r\n"))
            .chain(text(HEAD))
            .chain(text("\r\nsecond\r\n--b--\r\n"));
        let mut form = Form::of(form(pieces)).await.unwrap();
        let first = form.next_field().await.unwrap().unwrap();
        assert_eq!(first.bytes().await.unwrap().len(), count * PIECE_BYTES);
        let second = form.next_field().await.unwrap().unwrap();
        assert_eq!(second.text().await.unwrap(), "second");
        assert!(form.next_field().await.unwrap().is_none());
    }

    #[tokio::test]
    async fn a_head_without_an_end_is_refused_before_much_of_it_is_kept() {
        for begin in ["", "--b\r\nX-Long: ", HEAD] {
            let given = Arc::new(AtomicUsize::new(0));
            let counted = Arc::clone(&given);
            let endless = long(usize::MAX).inspect(move |piece| {
                counted.fetch_add(piece.len(), Ordering::Relaxed);
            });
            let pieces = std::iter::once(Bytes::from_static(begin.as_bytes())).chain(endless);
            let mut form = Form::of(form(pieces)).await.unwrap();
            let refused = form.next_field().await.unwrap_err();
            assert!(matches!(refused, FormError::HeadTooLong), "{refused}");
            let given = given.load(Ordering::Relaxed);
            assert!(given <= MAX_HEAD_BYTES + 2 * PIECE_BYTES, "{given}");
        }
    }
}
