//! Which functions of the server we need, which we merely like, and what is missing.
//!
//! The server fills a table of function pointers at load and leaves NULL where it has no such
//! function. What is listed as required here is checked once, before anything is registered, so
//! that [`call!`] can go without a test. A function that is not listed cannot be called.

/// The functions without which the module does not load.
macro_rules! required {
    ($($name:ident),* $(,)?) => {
        /// The required functions, and no others, for [`call!`].
        pub(super) mod required {
            pub(in crate::server) use redis_module::raw::{$($name),*};
        }

        /// The required functions that this server does not have.
        pub(super) fn missing() -> Vec<&'static str> {
            let mut missing = Vec::new();
            $(
                // SAFETY: the table is filled by RedisModule_Init on the server's main thread
                // before this is called, and never written again.
                if unsafe { required::$name }.is_none() {
                    missing.push(stringify!($name));
                }
            )*
            missing
        }
    };
}

required! {
    RedisModule_ACLCheckCommandPermissions,
    RedisModule_AvoidReplicaTraffic,
    RedisModule_BlockClientOnKeys,
    RedisModule_BlockedClientDisconnected,
    RedisModule_Call,
    RedisModule_CallReplyStringPtr,
    RedisModule_CallReplyType,
    RedisModule_CloseKey,
    RedisModule_CreateCommand,
    RedisModule_CreateDataType,
    RedisModule_CreateString,
    RedisModule_CreateSubcommand,
    RedisModule_CreateTimer,
    RedisModule_DefragAlloc,
    RedisModule_DeleteKey,
    RedisModule_DigestAddLongLong,
    RedisModule_DigestAddStringBuffer,
    RedisModule_DigestEndSequence,
    RedisModule_EmitAOF,
    RedisModule_Free,
    RedisModule_FreeCallReply,
    RedisModule_FreeModuleUser,
    RedisModule_FreeServerInfo,
    RedisModule_FreeString,
    RedisModule_FreeThreadSafeContext,
    RedisModule_GetAbsExpire,
    RedisModule_GetBlockedClientPrivateData,
    RedisModule_GetClientId,
    RedisModule_GetClientUserNameById,
    RedisModule_GetCommand,
    RedisModule_GetContextFlags,
    RedisModule_GetContextFromIO,
    RedisModule_GetDbIdFromOptCtx,
    RedisModule_GetDetachedThreadSafeContext,
    RedisModule_GetKeyNameFromOptCtx,
    RedisModule_GetModuleUserFromUserName,
    RedisModule_GetSelectedDb,
    RedisModule_GetServerInfo,
    RedisModule_GetUsedMemoryRatio,
    RedisModule_InfoAddFieldULongLong,
    RedisModule_InfoAddSection,
    RedisModule_InfoBeginDictField,
    RedisModule_InfoEndDictField,
    RedisModule_IsIOError,
    RedisModule_KeyType,
    RedisModule_LoadConfigs,
    RedisModule_LoadStringBuffer,
    RedisModule_LoadUnsigned,
    RedisModule_ModuleTypeGetType,
    RedisModule_ModuleTypeGetValue,
    RedisModule_ModuleTypeSetValue,
    RedisModule_NotifyKeyspaceEvent,
    RedisModule_OpenKey,
    RedisModule_RegisterBoolConfig,
    RedisModule_RegisterInfoFunc,
    RedisModule_RegisterNumericConfig,
    RedisModule_RegisterStringConfig,
    RedisModule_Replicate,
    RedisModule_ReplicateVerbatim,
    RedisModule_ReplyWithArray,
    RedisModule_ReplyWithCString,
    RedisModule_ReplyWithError,
    RedisModule_ReplyWithLongLong,
    RedisModule_ReplyWithMap,
    RedisModule_ReplyWithNull,
    RedisModule_ReplyWithSimpleString,
    RedisModule_ReplyWithStringBuffer,
    RedisModule_SaveStringBuffer,
    RedisModule_SaveUnsigned,
    RedisModule_SelectDb,
    RedisModule_ServerInfoGetFieldUnsigned,
    RedisModule_SetAbsExpire,
    RedisModule_SetCommandInfo,
    RedisModule_SetDisconnectCallback,
    RedisModule_SetModuleOptions,
    RedisModule_SignalModifiedKey,
    RedisModule_StopTimer,
    RedisModule_StringDMA,
    RedisModule_StringPtrLen,
    RedisModule_StringTruncate,
    RedisModule_SubscribeToKeyspaceEvents,
    RedisModule_SubscribeToServerEvent,
    RedisModule_UnblockClient,
    RedisModule_ValueLength,
}

/// Functions that newer servers have; each use says what is done without.
pub(super) mod optional {
    pub(in crate::server) use redis_module::raw::{
        RedisModule_AddACLCategory, RedisModule_CachedMicroseconds, RedisModule_GetModuleOptionsAll,
        RedisModule_Microseconds, RedisModule_SetCommandACLCategories,
    };
}

/// Calls a required function of the server. The caller's `unsafe` block answers for the arguments.
///
/// Not from within a closure that was lent guarded state: see [`guarded`](super::guarded).
macro_rules! call {
    ($name:ident($($arg:expr),* $(,)?)) => {{
        $crate::server::guarded::check();
        match $crate::server::api::required::$name {
            Some(function) => function($($arg),*),
            // The module does not load unless `missing()` is empty.
            None => std::hint::unreachable_unchecked(),
        }
    }};
}
pub(super) use call;
