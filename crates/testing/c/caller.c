/* Another module that calls our commands, as modules call each other: by RM_Call.
 *
 *   CALLER.CALL format command [arg ...]    answers what the command answers; format as RM_Call has it: "v", "!v", "Kv"
 *   CALLER.LATER                            the answer to a call that was let wait ("K"), nil as long as there is none
 *
 * The few functions that it needs are declared here, so that no header has to be found. */

#include <stddef.h>

typedef struct Ctx Ctx;
typedef struct String String;
typedef struct Reply Reply;
typedef int Command(Ctx *ctx, String **argv, int argc);
typedef void Unblocked(Ctx *ctx, Reply *reply, void *data);

enum { OK, ERR, PROMISE = 12 };

static int (*get_api)(const char *name, void *function);
static void (*set_attributes)(Ctx *ctx, const char *name, int version, int api_version);
static int (*create_command)(Ctx *, const char *name, Command *, const char *flags, int first, int last, int step);
static Reply *(*call)(Ctx *ctx, const char *command, const char *format, ...);
static int (*reply_type)(Reply *reply);
static void (*free_reply)(Reply *reply);
static int (*reply_with_reply)(Ctx *ctx, Reply *reply);
static int (*reply_with_error)(Ctx *ctx, const char *text);
static int (*reply_with_string)(Ctx *ctx, const char *text);
static int (*reply_with_null)(Ctx *ctx);
static const char *(*text_of)(const String *string, size_t *length);
static void (*on_unblocked)(Reply *promise, Unblocked *handler, void *data); /* from Redis 7.2 on */

static Reply *later;

static void keep(Ctx *ctx, Reply *reply, void *data) {
    (void)ctx, (void)data;
    later = reply;
}

static int caller_call(Ctx *ctx, String **argv, int argc) {
    if (argc < 3) return reply_with_error(ctx, "ERR too few arguments");
    const char *format = text_of(argv[1], NULL), *command = text_of(argv[2], NULL);
    Reply *reply = call(ctx, command, format, argv + 3, (size_t)argc - 3);
    if (reply == NULL) return reply_with_error(ctx, "ERR the call was refused");
    if (reply_type(reply) == PROMISE) {
        on_unblocked(reply, keep, NULL);
        reply_with_string(ctx, "waits");
    } else if (reply_with_reply(ctx, reply) != OK) { /* which has sent nothing */
        reply_with_error(ctx, "ERR the reply is in RESP3, and the client is not");
    }
    free_reply(reply);
    return OK;
}

static int caller_later(Ctx *ctx, String **argv, int argc) {
    (void)argv, (void)argc;
    if (later == NULL) return reply_with_null(ctx);
    reply_with_reply(ctx, later);
    free_reply(later);
    later = NULL;
    return OK;
}

int RedisModule_OnLoad(Ctx *ctx, String **argv, int argc) {
    (void)argv, (void)argc;
    get_api = ((int (**)(const char *, void *))ctx)[0]; /* as redismodule.h finds it */
    const struct {
        const char *name;
        void *function;
    } wanted[] = {
        {"RedisModule_SetModuleAttribs", &set_attributes},
        {"RedisModule_CreateCommand", &create_command},
        {"RedisModule_Call", &call},
        {"RedisModule_CallReplyType", &reply_type},
        {"RedisModule_FreeCallReply", &free_reply},
        {"RedisModule_ReplyWithCallReply", &reply_with_reply},
        {"RedisModule_ReplyWithError", &reply_with_error},
        {"RedisModule_ReplyWithSimpleString", &reply_with_string},
        {"RedisModule_ReplyWithNull", &reply_with_null},
        {"RedisModule_StringPtrLen", &text_of},
    };
    for (size_t n = 0; n < sizeof(wanted) / sizeof(wanted[0]); n++)
        if (get_api(wanted[n].name, wanted[n].function) != OK) return ERR;
    get_api("RedisModule_CallReplyPromiseSetUnblockHandler", &on_unblocked);
    set_attributes(ctx, "caller", 1, 1);
    if (create_command(ctx, "caller.call", caller_call, "write", 0, 0, 0) != OK) return ERR;
    return create_command(ctx, "caller.later", caller_later, "readonly", 0, 0, 0);
}
