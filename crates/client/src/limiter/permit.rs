//! What a limiter answers: its decision, and the means to settle what was taken.

use std::fmt;
use std::ops::Deref;

use sluice_core::grammar::error::CommandError;
use sluice_core::limit::call::Why;

use super::lane::Origin;
use super::settings::Limiter;
use crate::command;
use crate::decision::Decision;
use crate::error::Result;
use crate::limit::LimitError;
use crate::limits::Limits;
use crate::link::Source;
use crate::wire::unix_us;

/// A [`Decision`], which it derefs to, and what to do when the call turns out to be another than was charged.
///
/// It owns all it needs, so it can go along with the work into a task; dropping it does nothing. What was taken is
/// settled once at most, because each of these uses the permit up:
///
/// | | when | what it does |
/// |---|---|---|
/// | [`settle`](Self::settle) | the costs were estimates | forces what is missing, refunds what was too much |
/// | [`refund`](Self::refund) | the caller vouches that the call did not count | gives the costs back, whoever stands behind |
/// | [`cancel`](Self::cancel) | the call did not happen | gives back as much as can be without anybody acting too soon |
///
/// Where nothing was taken ([`Denied`](Decision::Denied), [`Never`](Decision::Never), and
/// [`Unchecked`](Decision::Unchecked)) they do nothing, and what was taken of this process's share in an outage goes back to
/// that share, never to the server.
///
/// ```
/// use sluice_client::{Decision, Limit, Limiter, Limits, Outage};
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let client = redis::Client::open(sluice_testing::url())?;
/// const LLM: Limits = Limit::per_minute(60).and(Limit::per_minute(90_000).cost(1500));
/// let limiter = Limiter::new(client, LLM, Outage::Closed);
///
/// let permit = limiter.try_acquire("tenant:9").await?;
/// match *permit {
///     Decision::Denied { retry_after, .. } => println!("come back in {retry_after:?}"),
///     _ => {
///         let used = 1720; // as the model's answer says
///         permit.settle(&[1, used]).await?;
///     }
/// }
/// # Ok(())
/// # }
/// ```
#[must_use = "a decision that nobody looks at limits nothing"]
pub struct Permit<S: Source = redis::Client> {
    pub(super) limiter: Limiter<S>,
    pub(super) key: Box<[u8]>,
    pub(super) decision: Decision,
    pub(super) taken: Taken,
}

/// Whose tokens were taken, if it was granted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Taken {
    pub(super) of: Origin,
    /// As a turn, which has its place in a queue.
    pub(super) turn: bool,
}

impl<S: Source> Permit<S> {
    /// The decision, by value.
    pub const fn decision(&self) -> Decision {
        self.decision
    }

    /// What was asked for.
    pub fn key(&self) -> &[u8] {
        &self.key
    }

    /// The limits that were asked, with the costs that were taken.
    pub fn limits(&self) -> &Limits {
        self.limiter.limits()
    }

    /// Settles a call whose costs were estimates: `actual` are the true ones, one for each limit, in their
    /// order. What is missing is forced, what was too much is refunded.
    ///
    /// # Errors
    /// [`LimitError::Costs`] if there are not as many costs as limits; then nothing is charged or refunded. After
    /// another error [`Limiter::settle`] can try again, unless the error [is ambiguous](crate::Error::is_ambiguous): it may
    /// have been settled already.
    pub async fn settle(self, actual: &[u64]) -> Result<()> {
        if actual.len() != self.limits().as_slice().len() {
            return Err(LimitError::Costs.into());
        }
        match self.origin() {
            None => Ok(()),
            Some(Origin::Local) => self.limiter.settle_locally(&self.key, actual),
            Some(_) => self.limiter.settle(&self.key, actual).await,
        }
    }

    /// Gives the costs back, for a call that did not count after all. False if there was nothing to give back to.
    /// It trusts the caller: that many more may pass, also where others have reserved turns behind this one.
    pub async fn refund(self) -> Result<bool> {
        match self.origin() {
            None => Ok(false),
            Some(Origin::Local) => Ok(self.limiter.give_back_locally(&self.key, Why::Refund)),
            Some(_) => self.limiter.refund(&self.key).await,
        }
    }

    /// The call did not happen. True if what was taken is there again.
    ///
    /// A turn is given up by the instant of its act: it goes back while that lies ahead and nobody stands behind it.
    /// Otherwise it lapses, because those behind have been told their times already, or because time gives its tokens
    /// back. So this is for [`Limiter::reserve`]; of what [`Limiter::acquire`] answers the time has come. (To give a
    /// turn up while waiting, drop that future.) What [`Limiter::try_acquire`] took is refunded.
    pub async fn cancel(self) -> Result<bool> {
        match (self.origin(), self.taken.turn, self.decision.act_at()) {
            (None, ..) | (Some(_), true, None) => Ok(false),
            (Some(_), false, _) => self.refund().await,
            (Some(Origin::Local), true, Some(act_at)) => {
                Ok(self.limiter.give_back_locally(&self.key, Why::ActAt(unix_us(act_at))))
            }
            (Some(_), true, Some(act_at)) => {
                let command = command::ratelimit_give_up_at(&self.key, self.limits(), act_at);
                match self.limiter.give_back(&self.key, command).await {
                    // It is of more than an hour ago.
                    Err(error) if error.says(CommandError::At) => Ok(false),
                    outcome => outcome,
                }
            }
        }
    }

    /// Whose tokens there are to give back.
    const fn origin(&self) -> Option<Origin> {
        match self.decision {
            Decision::Granted { .. } => Some(self.taken.of),
            _ => None,
        }
    }
}

impl<S: Source> Deref for Permit<S> {
    type Target = Decision;

    fn deref(&self) -> &Decision {
        &self.decision
    }
}

impl<S: Source> fmt::Debug for Permit<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Permit")
            .field("key", &String::from_utf8_lossy(&self.key))
            .field("decision", &self.decision)
            .finish_non_exhaustive()
    }
}
