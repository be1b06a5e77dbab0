/* The floor: what a limiter costs when a bare C module does no more than the work itself, to be measured beside ours.
 *
 *   BARELIMIT.ACQUIRE key LIMIT count EX seconds [LIMIT count EX seconds]...
 *
 * The same state, effects and reply as RATELIMIT.ACQUIRE has for such a call, exact in units of 1/count ns. It leaves
 * out what a product needs: other options, the bounds of numbers, changed limits, a clock that was set back, full
 * memory, counters, and all but the simplest check of what it finds in the key. Not to be used for anything else.
 *
 * The few functions that it needs are declared here, so that no header has to be found. */

#include <stddef.h>
#include <stdint.h>
#include <string.h>

typedef struct Ctx Ctx;
typedef struct String String;
typedef struct Key Key;
typedef int Command(Ctx *ctx, String **argv, int argc);
typedef unsigned __int128 Units; /* of 1/count ns */

enum { OK, ERR, READ = 1, WRITE = 2, EMPTY = 0, STRING = 1, MOST = 8, TAT = 19, NO_IMPLICIT_SIGNAL = 2 };

static int (*get_api)(const char *name, void *function);
static void (*set_attributes)(Ctx *ctx, const char *name, int version, int api_version);
static void (*set_options)(Ctx *ctx, int options);
static int (*create_command)(Ctx *, const char *name, Command *, const char *flags, int first, int last, int step);
static String *(*create_string)(Ctx *ctx, const char *bytes, size_t length);
static const char *(*text_of)(const String *string, size_t *length);
static Key *(*open_key)(Ctx *ctx, String *name, int mode);
static void (*close_key)(Key *key);
static int (*key_type)(Key *key);
static size_t (*value_length)(Key *key);
static char *(*string_dma)(Key *key, size_t *length, int mode);
static int (*string_truncate)(Key *key, size_t length);
static int (*set_expiry)(Key *key, long long unix_ms);
static int (*replicate)(Ctx *ctx, const char *command, const char *format, ...);
static int (*signal_modified)(Ctx *ctx, String *name);
static int (*reply_with_error)(Ctx *ctx, const char *text);
static int (*reply_with_array)(Ctx *ctx, long length);
static int (*reply_with_integer)(Ctx *ctx, long long value);
static long long (*cached_us)(void);

static String *pxat;

typedef struct {
    uint64_t count, period_ns, tat, rest; /* the tat in ns, and what comes on top of it */
    Units debt, wait;
    int has_rest, width;
    size_t at; /* where its state starts in the value */
} Clause;

static uint64_t number(const char *text, size_t length) {
    uint64_t n = 0;
    for (size_t i = 0; i < length; i++) n = n * 10 + (uint64_t)(text[i] - '0');
    return n;
}

static void digits(uint64_t n, char *text, int width) {
    while (width > 0) text[--width] = (char)('0' + n % 10), n /= 10;
}

static int width_of(uint64_t n) {
    int width = 1;
    while (n > 9) n /= 10, width++;
    return width;
}

static int is(const String *word, const char *keyword) {
    size_t length;
    const char *text = text_of(word, &length);
    if (length != strlen(keyword)) return 0;
    for (size_t i = 0; i < length; i++)
        if ((text[i] & ~32) != keyword[i]) return 0;
    return 1;
}

static uint64_t integer(const String *word) {
    size_t length;
    const char *text = text_of(word, &length);
    return number(text, length);
}

static Units quotient(Units a, Units b) {
    return a >> 64 || b >> 64 ? a / b : (uint64_t)a / (uint64_t)b;
}

static long long to_ms(Units units, const Clause *clause) {
    Units one = (Units)clause->count * 1000000;
    return units == 0 ? 0 : (long long)quotient(units + one - 1, one);
}

/* Where the clauses stand in the value; the length of the whole. */
static size_t lay_out(Clause *clauses, int many) {
    size_t at = 0;
    for (int i = 0; i < many; i++) {
        Clause *clause = &clauses[i];
        clause->has_rest = clause->period_ns % clause->count != 0;
        clause->width = width_of(clause->count);
        clause->at = at;
        at += TAT + 3 + 2 * (size_t)clause->width + (size_t)width_of(clause->period_ns / 1000000);
        at += clause->has_rest ? 1 + (size_t)clause->width : 0;
        at += i + 1 < many;
    }
    return at;
}

static void write_limits(char *value, const Clause *clauses, int many) {
    for (int i = 0; i < many; i++) {
        const Clause *clause = &clauses[i];
        uint64_t ms = clause->period_ns / 1000000;
        char *pen = value + clause->at + TAT;
        if (clause->has_rest) *pen = '+', pen += 1 + clause->width;
        *pen++ = ':', digits(clause->count, pen, clause->width), pen += clause->width;
        *pen++ = '/', digits(ms, pen, width_of(ms)), pen += width_of(ms);
        *pen++ = ':', digits(clause->count, pen, clause->width), pen += clause->width;
        if (i + 1 < many) *pen = ';';
    }
}

static int acquire(Ctx *ctx, String **argv, int argc) {
    Clause clauses[MOST];
    int many = (argc - 2) / 4;
    if (many < 1 || many > MOST || argc != 2 + many * 4) return reply_with_error(ctx, "ERR syntax error");
    for (int i = 0; i < many; i++) {
        String **words = argv + 2 + i * 4;
        if (!is(words[0], "LIMIT") || !is(words[2], "EX")) return reply_with_error(ctx, "ERR syntax error");
        clauses[i] = (Clause){.count = integer(words[1]), .period_ns = integer(words[3]) * 1000000000};
        if (clauses[i].count == 0 || clauses[i].period_ns == 0) return reply_with_error(ctx, "ERR out of range");
    }
    size_t length = lay_out(clauses, many), found = 0;
    uint64_t now = (uint64_t)cached_us() * 1000;

    Key *key = open_key(ctx, argv[1], READ | WRITE);
    int type = key_type(key), longest = 0;
    char *value = NULL;
    if (type != EMPTY) {
        if (type != STRING || value_length(key) != length) {
            close_key(key);
            return reply_with_error(ctx, "WRONGTYPE not a state of these limits");
        }
        value = string_dma(key, &found, READ | WRITE);
        for (int i = 0; i < many; i++) {
            const char *pen = value + clauses[i].at;
            clauses[i].tat = number(pen, TAT);
            if (clauses[i].has_rest) clauses[i].rest = number(pen + TAT + 1, (size_t)clauses[i].width);
        }
    }
    for (int i = 0; i < many; i++) {
        Clause *clause = &clauses[i];
        Units full = (Units)clause->count * clause->period_ns;
        clause->debt = clause->tat < now ? 0 : (Units)(clause->tat - now) * clause->count + clause->rest;
        Units needed = clause->debt + clause->period_ns;
        clause->wait = needed > full ? needed - full : 0;
        if (to_ms(clause->wait, clause) > to_ms(clauses[longest].wait, &clauses[longest])) longest = i;
    }

    int granted = clauses[longest].wait == 0, told = longest;
    uint64_t fewest = UINT64_MAX, left = 0, last_ms = 0;
    for (int i = 0; i < many; i++) {
        Clause *clause = &clauses[i];
        if (granted) {
            clause->debt += clause->period_ns;
            clause->tat = now + (uint64_t)quotient(clause->debt, clause->count);
            clause->rest = (uint64_t)(clause->debt % clause->count);
            uint64_t ms = (clause->tat + (clause->rest > 0) + 999999) / 1000000;
            if (ms > last_ms) last_ms = ms;
        }
        Units full = (Units)clause->count * clause->period_ns;
        left = clause->debt > full ? 0 : (uint64_t)quotient(full - clause->debt, clause->period_ns);
        if (granted ? left < fewest : i == longest) fewest = left, told = i;
    }
    if (granted) {
        if (value == NULL) {
            string_truncate(key, length);
            value = string_dma(key, &found, READ | WRITE);
            write_limits(value, clauses, many);
        }
        for (int i = 0; i < many; i++) {
            digits(clauses[i].tat, value + clauses[i].at, TAT);
            if (clauses[i].has_rest) digits(clauses[i].rest, value + clauses[i].at + TAT + 1, clauses[i].width);
        }
        char expiry[13]; /* unix ms has so many digits until the year 2286 */
        digits(last_ms, expiry, sizeof expiry);
        replicate(ctx, "SET", "sbsb", argv[1], value, length, pxat, expiry, sizeof expiry);
        set_expiry(key, (long long)last_ms);
        signal_modified(ctx, argv[1]);
    }
    close_key(key);

    reply_with_array(ctx, 6);
    reply_with_integer(ctx, granted);
    reply_with_integer(ctx, granted ? 0 : to_ms(clauses[longest].wait, &clauses[longest]));
    reply_with_integer(ctx, (long long)fewest);
    reply_with_integer(ctx, (long long)clauses[told].count);
    reply_with_integer(ctx, to_ms(clauses[told].debt, &clauses[told]));
    reply_with_integer(ctx, told);
    return OK;
}

#define NEED(function, name) \
    if (get_api("RedisModule_" name, &function) != OK) return ERR

int RedisModule_OnLoad(Ctx *ctx) {
    get_api = *(void **)ctx;
    NEED(set_attributes, "SetModuleAttribs");
    NEED(set_options, "SetModuleOptions");
    NEED(create_command, "CreateCommand");
    NEED(create_string, "CreateString");
    NEED(text_of, "StringPtrLen");
    NEED(open_key, "OpenKey");
    NEED(close_key, "CloseKey");
    NEED(key_type, "KeyType");
    NEED(value_length, "ValueLength");
    NEED(string_dma, "StringDMA");
    NEED(string_truncate, "StringTruncate");
    NEED(set_expiry, "SetAbsExpire");
    NEED(replicate, "Replicate");
    NEED(signal_modified, "SignalModifiedKey");
    NEED(reply_with_error, "ReplyWithError");
    NEED(reply_with_array, "ReplyWithArray");
    NEED(reply_with_integer, "ReplyWithLongLong");
    NEED(cached_us, "CachedMicroseconds");
    set_attributes(ctx, "barelimit", 1, 1);
    set_options(ctx, NO_IMPLICIT_SIGNAL);
    pxat = create_string(NULL, "PXAT", 4);
    return create_command(ctx, "barelimit.acquire", acquire, "write fast", 1, 1, 1);
}
