//! What comes after a call: settling it, and giving back what it took.

use sluice_core::limit::call::Why;

use super::outage::Outage;
use super::settings::{Limiter, Settings};
use crate::command;
use crate::error::Result;
use crate::limit::LimitError;
use crate::limit_reply::LimitReply;
use crate::limits::Limits;
use crate::link::Source;

impl<S: Source> Limiter<S> {
    /// Settles a call whose costs were estimates: `actual` are the true ones, one for each limit, in their
    /// order. What is missing is forced, what was too much is refunded.
    ///
    /// ```
    /// # use sluice_client::{Limit, Limits, Limiter, Outage};
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let client = redis::Client::open(sluice_testing::url())?;
    /// const LLM: Limits = Limit::per_minute(60).and(Limit::per_minute(90_000).cost(1500));
    /// let limiter = Limiter::new(client, LLM, Outage::Closed);
    /// if limiter.acquire("tenant:7").await?.is_granted() {
    ///     let used = 1720; // as the model's answer says
    ///     limiter.settle("tenant:7", &[1, used]).await?;
    /// }
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`LimitError::Costs`] if there are not as many costs as limits; then nothing is charged or refunded.
    pub async fn settle(&self, key: impl AsRef<[u8]>, actual: &[u64]) -> Result<()> {
        let Difference { missing, surplus } = Difference::of(&self.settings.limits, actual)?;
        if let Some(missing) = missing {
            let _ = self.with(missing).force(key.as_ref()).await?;
        }
        if let Some(surplus) = surplus {
            self.with(surplus).refund(key.as_ref()).await?;
        }
        Ok(())
    }

    /// Gives the costs of one call back, for one that did not happen after all. False if there was
    /// nothing to give back to. It trusts the caller: that many more may pass.
    pub async fn refund(&self, key: impl AsRef<[u8]>) -> Result<bool> {
        self.give_back(key.as_ref(), command::ratelimit_refund(key.as_ref(), self.settings.limits)).await
    }

    /// RETURN, of whatever kind.
    pub(super) async fn give_back(&self, key: &[u8], command: redis::Cmd) -> Result<bool> {
        let reply: LimitReply = self.while_forgotten(key, self.ask(command)).await?;
        Ok(reply.granted() == 1)
    }

    /// To this process's share, from which a call was granted in an outage.
    pub(super) fn give_back_locally(&self, key: &[u8], why: Why) -> bool {
        let Settings { shared, limits, outage, .. } = &*self.settings;
        match outage {
            Outage::Local { one_of } => shared.engine.give_back(key, limits, *one_of, limits, why),
            Outage::Open | Outage::Closed => false,
        }
    }

    /// As [`Self::settle`], with this process's share.
    pub(super) fn settle_locally(&self, key: &[u8], actual: &[u64]) -> Result<()> {
        let Settings { shared, limits, outage, .. } = &*self.settings;
        let Outage::Local { one_of } = outage else { return Ok(()) };
        let Difference { missing, surplus } = Difference::of(limits, actual)?;
        if let Some(missing) = missing {
            shared.engine.force(key, limits, *one_of, &missing);
        }
        if let Some(surplus) = surplus {
            shared.engine.give_back(key, limits, *one_of, &surplus, Why::Refund);
        }
        Ok(())
    }
}

/// By what the true costs of a call differ from those that were taken; `None` where they do not.
struct Difference {
    missing: Option<Limits>,
    surplus: Option<Limits>,
}

impl Difference {
    fn of(limits: &Limits, actual: &[u64]) -> Result<Self, LimitError> {
        if actual.len() != limits.as_slice().len() {
            return Err(LimitError::Costs);
        }
        let actual = limits.with_costs(actual)?;
        let costs = |difference: fn(u64, u64) -> u64| {
            let pairs = actual.as_slice().iter().zip(limits.as_slice());
            let costs: Vec<u64> = pairs.map(|(is, was)| difference(is.tokens(), was.tokens())).collect();
            if costs.iter().all(|cost| *cost == 0) { Ok(None) } else { limits.with_costs(&costs).map(Some) }
        };
        Ok(Self { missing: costs(u64::saturating_sub)?, surplus: costs(|is, was| was.saturating_sub(is))? })
    }
}
