//! The response body that is recorded while the client reads it.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};

use super::response_recorder::ResponseRecorder;

/// A response body that is recorded while it is read. Every frame is passed on unchanged as it arrives.
#[derive(Debug)]
pub struct RecordedBody<B> {
    inner: Pin<Box<B>>,
    response_recorder: Option<ResponseRecorder>,
}

impl<B> RecordedBody<B> {
    pub(super) fn new(inner: B, response_recorder: Option<ResponseRecorder>) -> Self
    where
        B: Body,
    {
        let mut body = Self { inner: Box::pin(inner), response_recorder };
        // A client does not poll a body that reports its end from the start.
        if body.inner.is_end_stream() {
            body.response_recorder.iter_mut().for_each(ResponseRecorder::finish);
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
        let Some(response_recorder) = &mut self.response_recorder else { return polled };
        match &polled {
            Poll::Pending => {}
            Poll::Ready(None) => response_recorder.finish(),
            Poll::Ready(Some(Err(_))) => response_recorder.abort(),
            Poll::Ready(Some(Ok(frame))) => {
                frame.data_ref().into_iter().for_each(|bytes| response_recorder.append(bytes));
                if is_end {
                    response_recorder.finish();
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
