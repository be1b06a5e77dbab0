//! Policies: limits with a name, kept by the server, so that callers name them and operators change them.
//!
//! ```text
//! api LIMIT 100 EX 60 BURST 20 LIMIT 5000 EX 3600; login LIMIT 5 EX 60 STRICT SHADOW
//! ```
//!
//! A stored state does not know of them: a policy that changes is a limit that changes, and the same limits spelled out
//! are the same limits.
//!
//! | file | duty |
//! |---|---|
//! | [`definition`] | one policy, its name, and who knows which there are |
//! | [`text`] | all policies as one text, read and written |
//! | [`table`] | all policies, what came of the calls by each, and how one is found |
//! | [`shadow`] | the decision for a call by a policy that is only tried out |

pub mod definition;
pub mod shadow;
pub mod table;
pub mod text;
