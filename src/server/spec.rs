//! What a command declares of itself: the one source of its registration, its `COMMAND DOCS`, its
//! key specs and its ACL categories. Const data; [`super::register`] hands it to the server.

use std::ffi::CStr;

use sluice_core::grammar::names::CommandName;

use super::key::Access;

/// A command's declaration.
pub(crate) struct Spec {
    /// What it is called.
    pub(crate) name: CommandName,
    /// One sentence, for `COMMAND DOCS`.
    pub(crate) summary: &'static CStr,
    /// For `COMMAND DOCS`, such as `O(1)`.
    pub(crate) complexity: &'static CStr,
    /// The version of the module that brought the command.
    pub(crate) since: &'static CStr,
    /// Words with the command's name; negative: at least so many.
    pub(crate) arity: i32,
    /// What it does to its keys.
    pub(crate) access: Access,
    /// Where its keys stand; `None` if it has none.
    pub(crate) keys: Option<Keys>,
    /// The server's flags for it, beside `readonly` or `write`.
    pub(crate) flags: &'static str,
    /// ACL categories, without `@`, beside `read` or, for keys, `write`, and that of the family.
    pub(crate) acl: &'static str,
    /// The ACL category of its family, without `@`, if it is one of those that belong to it.
    pub(crate) category: Option<&'static CStr>,
    /// What may follow, in order.
    pub(crate) words: &'static [Word],
}

/// Where the keys of a command stand among its words, of which the name is number 0.
#[derive(Clone, Copy)]
pub(crate) struct Keys {
    /// Where the first stands.
    pub(crate) first: i32,
    /// How far behind the first the last stands: 0, it is alone; -1, it is the command's last word.
    /// No matter if they are counted.
    pub(crate) last: i32,
    /// Whether the word in front of the first says how many there are. Anything may follow them.
    pub(crate) counted: bool,
}

impl Keys {
    /// One, the first word behind the name.
    pub(crate) const ONE: Option<Self> = Some(Self { first: 1, last: 0, counted: false });
}

/// One argument, as `COMMAND DOCS` describes it.
pub(crate) struct Word {
    /// What it is called.
    pub(crate) name: &'static CStr,
    /// The keyword in front of it, or of a bare keyword.
    pub(crate) token: Option<&'static CStr>,
    /// What it is.
    pub(crate) kind: Kind,
    /// Whether it may be left out.
    pub(crate) optional: bool,
    /// Whether it may be repeated.
    pub(crate) multiple: bool,
}

/// What an argument is.
pub(crate) enum Kind {
    /// A key.
    Key,
    /// Any bytes.
    Text,
    /// A 64-bit integer.
    Integer,
    /// The keyword alone.
    Token,
    /// One of these.
    OneOf(&'static [Word]),
    /// All of these, in order.
    Block(&'static [Word]),
}

impl Word {
    /// The key.
    pub(crate) const KEY: Self = Self::new(c"key", Kind::Key);

    /// An argument that is there once.
    pub(crate) const fn new(name: &'static CStr, kind: Kind) -> Self {
        Self { name, token: None, kind, optional: false, multiple: false }
    }

    /// An integer behind a keyword.
    pub(crate) const fn option(name: &'static CStr, token: &'static CStr) -> Self {
        Self { token: Some(token), ..Self::new(name, Kind::Integer) }
    }

    /// Any bytes, as an argument that is there once.
    pub(crate) const fn text(name: &'static CStr) -> Self {
        Self::new(name, Kind::Text)
    }

    /// A keyword alone.
    pub(crate) const fn keyword(name: &'static CStr, token: &'static CStr) -> Self {
        Self { token: Some(token), ..Self::new(name, Kind::Token) }
    }

    /// The same, to be left out at will.
    pub(crate) const fn optional(self) -> Self {
        Self { optional: true, ..self }
    }

    /// The same, once or more.
    pub(crate) const fn multiple(self) -> Self {
        Self { multiple: true, ..self }
    }
}
