//! `RATELIMIT.POLICY <SET | DEL | REPLACE | LIST | GET>`: what stands in front of them, and what they share.

use std::ffi::CStr;

use sluice_core::grammar::names;

use crate::server::{Access, Spec, Word};

/// The first word, which does nothing by itself.
pub(super) const SPEC: Spec = Spec {
    name: names::RATELIMIT_POLICY,
    summary: c"A container for the commands on policies, which are limits with a name.",
    complexity: c"Depends on the subcommand.",
    since: c"0.2.0",
    arity: -2,
    access: Access::Read,
    keys: None,
    flags: "",
    acl: "",
    category: None,
    words: &[],
};

/// Each node of a cluster has a table of its own: a change goes to all that have slots, and has to be taken by all.
pub(super) const EVERYWHERE: &CStr = c"request_policy:all_shards response_policy:all_succeeded";

/// Whoever changes a policy changes the limits of everybody who names it.
pub(super) const ACL: &str = "admin dangerous";

/// A policy's name.
pub(super) const NAME: Word = Word::text(c"name");
