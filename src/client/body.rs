//! The body of an answer.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};

use super::tape::Tape;

/// The body of an answer, recorded while it is read. It is passed on as it comes.
#[derive(Debug)]
pub struct RecordedBody<B> {
    inner: Pin<Box<B>>,
    tape: Option<Tape>,
}

impl<B> RecordedBody<B> {
    pub(super) fn new(inner: B, tape: Option<Tape>) -> Self
    where
        B: Body,
    {
        let mut body = Self { inner: Box::pin(inner), tape };
        // Nobody asks one for its end that has said that it is empty.
        if body.inner.is_end_stream() {
            body.tape.iter_mut().for_each(Tape::finish);
        }
        body
    }
}

impl<B: Body<Data = Bytes>> Body for RecordedBody<B> {
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Self::Data>, Self::Error>>> {
        let polled = self.inner.as_mut().poll_frame(context);
        let is_end = self.inner.is_end_stream();
        let Some(tape) = &mut self.tape else { return polled };
        match &polled {
            Poll::Pending => {}
            Poll::Ready(None) => tape.finish(),
            Poll::Ready(Some(Err(_))) => tape.cut(),
            Poll::Ready(Some(Ok(frame))) => {
                frame.data_ref().into_iter().for_each(|bytes| tape.take(bytes));
                if is_end {
                    tape.finish();
                }
            }
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}
