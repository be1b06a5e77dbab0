//! The commands as methods of connections and pipelines.
//!
//! One table makes the three traits, so that none can offer what another lacks.

use std::time::{Duration, SystemTime};

use crate::command;
use crate::decision::Decision;
use crate::error::Result;
use crate::limit_info::KeyInfo;
use crate::limit_reply::LimitReply;
use crate::limits::Limits;
use crate::lock_info::LockInfo;
use crate::lock_reply::LockReply;
use crate::wire::duration;

/// Takes the table of commands: name, arguments, what is read from the wire, what becomes of it.
macro_rules! commands {
    ($(
        $(#[$doc:meta])*
        $name:ident ($($arg:ident : $type:ty),*) : $reply:ty => $out:ty = $read:expr;
    )*) => {
        /// Sluice's commands on a synchronous connection: plain, cluster, or out of a pool.
        ///
        /// ```
        /// use sluice_client::{Decision, Limit, SluiceCommands};
        /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
        /// # let client = redis::Client::open(sluice_testing::url())?;
        /// const PER_USER: Limit = Limit::per_second(10).burst(20);
        ///
        /// let mut connection = client.get_connection()?;
        /// match connection.ratelimit_acquire("user:42", PER_USER)? {
        ///     Decision::Denied { retry_after, .. } => println!("come back in {retry_after:?}"),
        ///     decision => println!("{:?} left", decision.remaining()),
        /// }
        /// # Ok(())
        /// # }
        /// ```
        pub trait SluiceCommands: redis::ConnectionLike {
            $(
                $(#[$doc])*
                fn $name(&mut self $(, $arg: $type)*) -> Result<$out>
                where
                    Self: Sized,
                {
                    let reply: $reply = command::$name($($arg),*).query(self)?;
                    Ok(($read)(reply))
                }
            )*
        }

        impl<C: redis::ConnectionLike> SluiceCommands for C {}

        /// Sluice's commands on an asynchronous connection: multiplexed, manager, cluster.
        ///
        /// They are sent as they are: nothing waits, nothing is given back when a future is dropped.
        /// That is what [`Limiter`](crate::Limiter) and [`Locks`](crate::Locks) do.
        ///
        /// ```
        /// use sluice_client::{AsyncSluiceCommands, Limit};
        /// # #[tokio::main(flavor = "current_thread")]
        /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
        /// # let client = redis::Client::open(sluice_testing::url())?;
        /// let mut connection = client.get_multiplexed_async_connection().await?;
        /// let decision = connection.ratelimit_acquire("user:42", Limit::per_second(10)).await?;
        /// assert!(decision.is_granted());
        /// # Ok(())
        /// # }
        /// ```
        #[cfg(feature = "tokio")]
        pub trait AsyncSluiceCommands: redis::aio::ConnectionLike {
            $(
                $(#[$doc])*
                fn $name(&mut self $(, $arg: $type)*) -> impl Future<Output = Result<$out>> + Send
                where
                    Self: Send + Sized,
                {
                    let command = command::$name($($arg),*);
                    async move {
                        let reply: $reply = command.query_async(self).await?;
                        Ok(($read)(reply))
                    }
                }
            )*
        }

        #[cfg(feature = "tokio")]
        impl<C: redis::aio::ConnectionLike> AsyncSluiceCommands for C {}

        /// Sluice's commands in a pipeline or transaction. Read the answers as [`LimitReply`] and
        /// [`LockReply`].
        ///
        /// ```
        /// use sluice_client::{Limit, LimitReply, SluicePipeline};
        /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
        /// # let client = redis::Client::open(sluice_testing::url())?;
        /// # let mut connection = client.get_connection()?;
        /// let (user, tenant): (LimitReply, LimitReply) = redis::pipe()
        ///     .ratelimit_acquire("user:42", Limit::per_second(10))
        ///     .ratelimit_acquire("tenant:7", Limit::per_second(100))
        ///     .query(&mut connection)?;
        /// assert!(user.decision().is_granted() && tenant.decision().is_granted());
        /// # Ok(())
        /// # }
        /// ```
        pub trait SluicePipeline {
            #[doc(hidden)]
            fn add_command(&mut self, command: redis::Cmd) -> &mut Self;

            $(
                $(#[$doc])*
                fn $name(&mut self $(, $arg: $type)*) -> &mut Self {
                    self.add_command(command::$name($($arg),*))
                }
            )*
        }
    };
}

commands! {
    /// Takes the tokens if they are all there now.
    ratelimit_acquire(key: impl AsRef<[u8]>, limits: impl Into<Limits>): LimitReply => Decision
        = |reply: LimitReply| reply.decision();

    /// Takes the tokens now if they will be there within `max_wait`; the caller goes ahead after the
    /// `wait` of the answer. The server bounds it by its setting `sluice.max-wait-ms`.
    ratelimit_reserve(key: impl AsRef<[u8]>, limits: impl Into<Limits>, max_wait: Duration): LimitReply => Decision
        = |reply: LimitReply| reply.decision();

    /// Takes as many tokens as there are, the same number of every limit, up to their cost. All costs
    /// but 0 must be equal. Answers how many it took.
    ratelimit_acquire_part(key: impl AsRef<[u8]>, limits: impl Into<Limits>): LimitReply => (u64, Decision)
        = |reply: LimitReply| (reply.granted(), reply.decision());

    /// Takes the tokens, into debt if need be: for settling what came out higher than estimated. The
    /// server forgives what goes beyond its setting `sluice.max-debt-ms`.
    ratelimit_force(key: impl AsRef<[u8]>, limits: impl Into<Limits>): LimitReply => Decision
        = |reply: LimitReply| reply.forced();

    /// What [`Self::ratelimit_acquire`] would be answered. Takes nothing; all costs may be 0.
    ratelimit_peek(key: impl AsRef<[u8]>, limits: impl Into<Limits>): LimitReply => Decision
        = |reply: LimitReply| reply.decision();

    /// Gives the costs back, for what came out lower than estimated. It trusts the caller. False if
    /// there was nothing to give back to.
    ratelimit_refund(key: impl AsRef<[u8]>, limits: impl Into<Limits>): LimitReply => bool
        = |reply: LimitReply| reply.granted() == 1;

    /// Gives up a reservation: `act_at` is what its answer said, [`Decision::act_at`]. False if somebody
    /// stands behind that turn, which then lapses, or its time is over. Never for a call whose answer is
    /// not known: if it was refused, this adds tokens that nobody had taken. The server takes an instant that was none of a turn
    /// for a mistake, and answers one of more than an hour ago, or beyond its longest wait, with an error.
    ratelimit_give_up_at(key: impl AsRef<[u8]>, limits: impl Into<Limits>, act_at: SystemTime): LimitReply => bool
        = |reply: LimitReply| reply.granted() == 1;

    /// The same for people: `due` is the wait that was answered less the time since the answer.
    /// It is late by its way to the server, so that at short intervals two may come to act together.
    ratelimit_give_up(key: impl AsRef<[u8]>, limits: impl Into<Limits>, due: Duration): LimitReply => bool
        = |reply: LimitReply| reply.granted() == 1;

    /// Holds a key: nobody acts before that time is over, and what was used stays used. Calls are
    /// refused until then, reservations queue behind it, and turns that were given move behind it:
    /// whoever's turn is due asks [`Self::ratelimit_turn`]. It only grows. Answers for how long the key
    /// is held now; in a pipeline, that in ms.
    ratelimit_hold(key: impl AsRef<[u8]>, time: Duration): i64 => Duration = duration;

    /// Ends a hold: turns that had moved behind it move forward by what was left. Answers zero.
    ratelimit_end_hold(key: impl AsRef<[u8]>): i64 => Duration = duration;

    /// A turn is due that was told so long ago: how much longer to sleep, because of a hold that was set
    /// since. Zero: go ahead. What it answers is told anew, so ask again when that time is over, with the
    /// time since this question.
    ratelimit_turn(key: impl AsRef<[u8]>, told: Duration): i64 => Duration = duration;

    /// The limits that a key knows, where each stands, and whether the key is held; nothing of it when
    /// nothing is used or held.
    ratelimit_info(key: impl AsRef<[u8]>): KeyInfo => KeyInfo = std::convert::identity;

    /// Takes the lock if fewer than `holders` hold it. `owner` is fresh for every attempt.
    lock_try(key: impl AsRef<[u8]>, owner: impl AsRef<[u8]>, lease: Duration, holders: usize): LockReply => LockReply
        = std::convert::identity;

    /// Waits for the lock in the server; a `block` of zero has no limit. The connection is blocked
    /// meanwhile and must not time its replies out (`redis` does after 500 ms unless told otherwise).
    lock_acquire(
        key: impl AsRef<[u8]>,
        owner: impl AsRef<[u8]>,
        lease: Duration,
        holders: usize,
        block: Duration
    ): LockReply => LockReply = std::convert::identity;

    /// Sets what is left of a lease, if `owner` holds the lock. Never revives one that has ended.
    lock_extend(key: impl AsRef<[u8]>, owner: impl AsRef<[u8]>, lease: Duration): LockReply => LockReply
        = std::convert::identity;

    /// Ends the lease of `owner`, or its wait. True only if it ended a lease.
    lock_release(key: impl AsRef<[u8]>, owner: impl AsRef<[u8]>): bool => bool = std::convert::identity;

    /// Who holds a lock, and how many wait for it; `None` when nobody does either.
    lock_info(key: impl AsRef<[u8]>): Option<LockInfo> => Option<LockInfo> = std::convert::identity;
}

impl SluicePipeline for redis::Pipeline {
    fn add_command(&mut self, command: redis::Cmd) -> &mut Self {
        Self::add_command(self, command)
    }
}

#[cfg(feature = "cluster")]
impl SluicePipeline for redis::cluster::ClusterPipeline {
    fn add_command(&mut self, command: redis::Cmd) -> &mut Self {
        Self::add_command(self, command)
    }
}
