//! How connections speak.

/// How a connection speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Manner {
    Resp2,
    Resp3,
    /// RESP2, each command as a line.
    Inline,
    /// RESP3, and hears of every event.
    Subscribed,
    /// RESP3, and hears of every key that changes.
    Tracking,
    /// RESP2, logged in as one whose rights change.
    User,
}

impl Manner {
    pub(crate) const ALL: &[Self] =
        &[Self::Resp2, Self::Resp3, Self::Inline, Self::Subscribed, Self::Tracking, Self::User];
}
