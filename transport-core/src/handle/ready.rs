//! Waiting for a shadow to be in step.

use alloc::sync::Arc;
use core::{
    future::Future,
    pin::Pin,
    task::{Context, Poll},
};

use shadow_proto::Document;

use super::shadow::Shadow;
use crate::{error::NotReady, hub::Readiness};

/// Waits until a shadow is in step; see [`Shadow::ready`].
#[derive(Debug)]
#[must_use = "futures do nothing unless awaited"]
pub struct Ready(pub(super) Shadow);

impl Future for Ready {
    type Output = Result<Option<Arc<Document>>, NotReady>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut state = self.0.hub().shared.lock();
        let Some(entry) = state.shadows.get_mut(&self.0.handle()) else {
            return Poll::Ready(Err(NotReady::Stopped));
        };
        match &entry.readiness {
            Readiness::Ready(document) => Poll::Ready(Ok(document.clone())),
            Readiness::Failed(reason) => Poll::Ready(Err(reason.clone())),
            Readiness::NotYet if entry.interest().is_empty() => Poll::Ready(Ok(None)),
            Readiness::NotYet => {
                let waiters = &mut entry.ready_waiters;
                if !waiters.iter().any(|known| known.will_wake(cx.waker())) {
                    waiters.push(cx.waker().clone());
                }
                Poll::Pending
            }
        }
    }
}
