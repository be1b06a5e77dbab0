//! Commands as the server calls them: registration from a [`Spec`], and the one trampoline.

use std::ffi::{CStr, CString, c_char, c_int};
use std::io;
use std::mem;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::ptr;

use redis_module::raw;
use sluice_core::grammar::error::CommandError;

use super::api::{call, optional};
use super::args::Args;
use super::context::Context;
use super::key::Access;
use super::load::{LoadError, Loading};
use super::spec::{Keys, Kind, Spec, Word};

/// A command: what it declares, and what it does.
pub(crate) trait Command {
    /// What it declares.
    const SPEC: Spec;

    /// What clients that know clusters should do with it, as the servers' documentation of command tips has it.
    const TIPS: &'static CStr = c"";

    /// Runs it: one whole reply, or an error and no reply at all.
    fn run(ctx: &Context<'_>, args: Args<'_>) -> Result<(), CommandError>;
}

/// What the server calls. Nothing unwinds into it: a panic becomes an error reply.
extern "C" fn trampoline<C: Command>(
    ctx: *mut raw::RedisModuleCtx,
    argv: *mut *mut raw::RedisModuleString,
    argc: c_int,
) -> c_int {
    // SAFETY: these are the server's own parameters for the command now running.
    let (ctx, args) = unsafe { (Context::new(ctx), Args::new(argv, argc)) };
    let outcome = catch_unwind(AssertUnwindSafe(|| C::run(&ctx, args)));
    ctx.reply_failure(outcome, C::SPEC.name);
    raw::REDISMODULE_OK as c_int
}

impl Loading<'_> {
    /// Makes an ACL category of the module's own, where the server can (7.4 and Valkey on). The
    /// commands registered afterwards are put into it.
    pub(crate) fn add_category(&mut self, name: &'static CStr) {
        // SAFETY: the table of functions is written only at load.
        if let Some(add) = unsafe { optional::RedisModule_AddACLCategory } {
            // SAFETY: the context is that of the load; the server copies the name.
            let added = unsafe { add(self.raw(), name.as_ptr()) } == raw::REDISMODULE_OK as c_int;
            // A category stays when its module goes, so that ACL rules do: then it is there (EBUSY).
            if added || io::Error::last_os_error().raw_os_error() == Some(libc::EBUSY) {
                self.categories.push(name);
            }
        }
    }

    /// Registers a command with its docs, key specs and ACL categories. The first word of one of two words has to be
    /// there: see [`add_container`](Self::add_container).
    pub(crate) fn add_command<C: Command>(&self) -> Result<(), LoadError> {
        match self.add_command_unless_taken::<C>()? {
            true => Ok(()),
            false => Err(refused(&C::SPEC)),
        }
    }

    /// The same for a name that another module may have. False if so: servers have no other reason not to take a command
    /// whose flags they know.
    pub(crate) fn add_command_unless_taken<C: Command>(&self) -> Result<bool, LoadError> {
        let spec = &C::SPEC;
        let access = match spec.access {
            Access::Read => "readonly",
            Access::Write => "write",
        };
        let flags = CString::new(format!("{access} {}", spec.flags).trim_end()).map_err(|_| refused(spec))?;
        let Some(command) = self.create(spec, Some(trampoline::<C>), &flags)? else { return Ok(false) };
        match describe(command, spec, C::TIPS) && self.categorise(command, spec) {
            true => Ok(true),
            false => Err(refused(spec)),
        }
    }

    /// Registers what stands in front of commands of two words. It does nothing by itself and is in no ACL category:
    /// whoever may call it may call all of them.
    pub(crate) fn add_container(&self, spec: &Spec) -> Result<(), LoadError> {
        let command = self.create(spec, None, c"")?.ok_or_else(|| refused(spec))?;
        match describe(command, spec, c"") {
            true => Ok(()),
            false => Err(refused(spec)),
        }
    }

    /// `None` if the server does not take it.
    fn create(
        &self,
        spec: &Spec,
        run: raw::RedisModuleCmdFunc,
        flags: &CStr,
    ) -> Result<Option<*mut raw::RedisModuleCommand>, LoadError> {
        let (first, last, step) = spec.keys.map_or((0, 0, 0), Keys::range);
        let (name, flags) = (spec.name.lower(), flags.as_ptr());
        // SAFETY: the context is that of the load; the server copies names and flags, and answers NULL for a command
        // that is not there.
        unsafe {
            let made = match spec.name.second() {
                None => {
                    call!(RedisModule_CreateCommand(self.raw(), name.as_ptr(), run, flags, first, last, step))
                }
                Some(second) => {
                    let front = name.to_bytes().split(|byte| *byte == b'|').next().unwrap_or_default();
                    let front = CString::new(front).map_err(|_| refused(spec))?;
                    let front = call!(RedisModule_GetCommand(self.raw(), front.as_ptr()));
                    if front.is_null() {
                        return Err(refused(spec));
                    }
                    call!(RedisModule_CreateSubcommand(front, second.as_ptr(), run, flags, first, last, step))
                }
            };
            let command = call!(RedisModule_GetCommand(self.raw(), name.as_ptr()));
            Ok((made == raw::REDISMODULE_OK as c_int && !command.is_null()).then_some(command))
        }
    }

    fn categorise(&self, command: *mut raw::RedisModuleCommand, spec: &Spec) -> bool {
        // SAFETY: the table of functions is written only at load.
        let Some(set) = (unsafe { optional::RedisModule_SetCommandACLCategories }) else {
            return true; // Redis 7.0: module commands are in no category there
        };
        let access = match (spec.access, spec.keys) {
            (Access::Read, _) => "read",
            (Access::Write, Some(_)) => "write",
            // `@write` is for keys: who may write them may not therefore change what is no key.
            (Access::Write, None) => "",
        };
        let mut names = format!("{access} {}", spec.acl).trim_start().to_owned();
        if let Some(category) = spec.category.filter(|category| self.categories.contains(category)) {
            names.push(' ');
            names.push_str(&category.to_string_lossy());
        }
        let Ok(names) = CString::new(names) else { return false };
        // SAFETY: the command was just created by this module; the server copies the names.
        unsafe { set(command, names.as_ptr()) == raw::REDISMODULE_OK as c_int }
    }
}

fn refused(spec: &Spec) -> LoadError {
    LoadError::new(format!("the server refused the command {}", spec.name.as_str()))
}

/// Tells the server arity, key specs, tips and docs of a command. True if it took them.
fn describe(command: *mut raw::RedisModuleCommand, spec: &Spec, tips: &'static CStr) -> bool {
    let flags = match spec.access {
        Access::Read => raw::REDISMODULE_CMD_KEY_RO | raw::REDISMODULE_CMD_KEY_ACCESS,
        Access::Write => {
            raw::REDISMODULE_CMD_KEY_RW | raw::REDISMODULE_CMD_KEY_ACCESS | raw::REDISMODULE_CMD_KEY_UPDATE
        }
    };
    // SAFETY: a plain C struct, for which zeros mean "nothing" and end a list.
    let mut keys: [raw::RedisModuleCommandKeySpec; 2] = unsafe { mem::zeroed() };
    if let (Some(place), [key, _end]) = (spec.keys, &mut keys) {
        key.flags = u64::from(flags);
        place.describe(key);
    }

    let mut lists = Vec::new();
    let args = match spec.words {
        [] => ptr::null_mut(),
        words => list_of(words, &mut lists),
    };
    // SAFETY: a plain C struct, for which zeros mean "nothing".
    let mut info: raw::RedisModuleCommandInfo = unsafe { mem::zeroed() };
    info.version = &VERSION;
    info.summary = spec.summary.as_ptr();
    info.complexity = spec.complexity.as_ptr();
    info.since = spec.since.as_ptr();
    info.arity = spec.arity;
    info.tips = tips.as_ptr();
    info.key_specs = keys.as_mut_ptr(); // none, or one, then zeros
    info.args = args;
    // SAFETY: the server copies all that `info` points at before it returns; `keys` and `lists`
    // live until then.
    unsafe { call!(RedisModule_SetCommandInfo(command, &info)) == raw::REDISMODULE_OK as c_int }
}

impl Keys {
    /// As commands declared their keys before there were key specs: the first, the last, the step.
    /// Nothing for keys that are counted, which the server then asks the key spec for.
    fn range(self) -> (c_int, c_int, c_int) {
        match self {
            Self { counted: true, .. } => (0, 0, 0),
            Self { first, last, .. } if last < 0 => (first, last, 1),
            Self { first, last, .. } => (first, first + last, 1),
        }
    }

    fn describe(self, key: &mut raw::RedisModuleCommandKeySpec) {
        let Self { first, last, counted } = self;
        key.begin_search_type = raw::RedisModuleKeySpecBeginSearchType_REDISMODULE_KSPEC_BS_INDEX;
        if counted {
            key.bs.index.pos = first - 1;
            key.find_keys_type = raw::RedisModuleKeySpecFindKeysType_REDISMODULE_KSPEC_FK_KEYNUM;
            key.fk.keynum = raw::RedisModuleCommandKeySpec__bindgen_ty_2__bindgen_ty_2 {
                keynumidx: 0,
                firstkey: 1,
                keystep: 1,
            };
        } else {
            key.bs.index.pos = first;
            key.find_keys_type = raw::RedisModuleKeySpecFindKeysType_REDISMODULE_KSPEC_FK_RANGE;
            key.fk.range = raw::RedisModuleCommandKeySpec__bindgen_ty_2__bindgen_ty_1 {
                lastkey: last,
                keystep: 1,
                limit: 0,
            };
        }
    }
}

/// The layout of the structs above, so that a newer server can read them. (The bindings declare a
/// static of this content that the C header keeps to itself.)
static VERSION: raw::RedisModuleCommandInfoVersion = raw::RedisModuleCommandInfoVersion {
    version: 1,
    sizeof_historyentry: mem::size_of::<raw::RedisModuleCommandHistoryEntry>(),
    sizeof_keyspec: mem::size_of::<raw::RedisModuleCommandKeySpec>(),
    sizeof_arg: mem::size_of::<raw::RedisModuleCommandArg>(),
};

type List = Vec<raw::RedisModuleCommandArg>;

/// The words as the server's list of arguments, ended by zeros. `lists` keeps all the lists alive;
/// moving a list within it does not move the list's elements.
fn list_of(words: &[Word], lists: &mut Vec<List>) -> *mut raw::RedisModuleCommandArg {
    let mut list: List = words.iter().map(|word| argument(word, lists)).collect();
    // SAFETY: a plain C struct; zeros end the list.
    list.push(unsafe { mem::zeroed() });
    let first = list.as_mut_ptr();
    lists.push(list);
    first
}

fn argument(word: &Word, lists: &mut Vec<List>) -> raw::RedisModuleCommandArg {
    let (kind, parts) = match word.kind {
        Kind::Key => (raw::RedisModuleCommandArgType_REDISMODULE_ARG_TYPE_KEY, None),
        Kind::Text => (raw::RedisModuleCommandArgType_REDISMODULE_ARG_TYPE_STRING, None),
        Kind::Integer => (raw::RedisModuleCommandArgType_REDISMODULE_ARG_TYPE_INTEGER, None),
        Kind::Token => (raw::RedisModuleCommandArgType_REDISMODULE_ARG_TYPE_PURE_TOKEN, None),
        Kind::OneOf(parts) => (raw::RedisModuleCommandArgType_REDISMODULE_ARG_TYPE_ONEOF, Some(parts)),
        Kind::Block(parts) => (raw::RedisModuleCommandArgType_REDISMODULE_ARG_TYPE_BLOCK, Some(parts)),
    };
    let mut flags = raw::REDISMODULE_CMD_ARG_NONE;
    if word.optional {
        flags |= raw::REDISMODULE_CMD_ARG_OPTIONAL;
    }
    if word.multiple {
        flags |= raw::REDISMODULE_CMD_ARG_MULTIPLE;
    }
    // SAFETY: a plain C struct, for which zeros mean "nothing".
    let mut arg: raw::RedisModuleCommandArg = unsafe { mem::zeroed() };
    arg.name = word.name.as_ptr();
    arg.type_ = kind;
    arg.key_spec_index = if matches!(word.kind, Kind::Key) { 0 } else { -1 };
    arg.token = word.token.map_or(ptr::null::<c_char>(), CStr::as_ptr);
    arg.flags = flags as c_int;
    arg.subargs = parts.map_or(ptr::null_mut(), |parts| list_of(parts, lists));
    arg
}
