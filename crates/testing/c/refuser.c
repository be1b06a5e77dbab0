/* Another module, which makes the server refuse our module keys that are opened to write: some servers to come answer
 * NULL then, and none of those here does.
 *
 *   REFUSER.REFUSE 1 | 0     from now on, or no more
 *
 * Our module keeps the functions of the server in pointers of its own, found by their names in its file. */

#define _GNU_SOURCE
#include <elf.h>
#include <fcntl.h>
#include <link.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

typedef struct Ctx Ctx;
typedef struct String String;
typedef struct Key Key;
typedef int Command(Ctx *ctx, String **argv, int argc);
typedef Key *OpenKey(Ctx *ctx, String *name, int mode);

enum { OK, ERR, WRITE = 2 };

static int (*get_api)(const char *name, void *function);
static void (*set_attributes)(Ctx *ctx, const char *name, int version, int api_version);
static int (*create_command)(Ctx *, const char *name, Command *, const char *flags, int first, int last, int step);
static int (*reply_with_string)(Ctx *ctx, const char *text);
static int (*reply_with_error)(Ctx *ctx, const char *text);
static const char *(*text_of)(const String *string, size_t *length);

static OpenKey *open_key; /* the server's */
static OpenKey **theirs;  /* where our module keeps it */

static Key *refuse(Ctx *ctx, String *name, int mode) {
    return mode & WRITE ? NULL : open_key(ctx, name, mode);
}

/* The address of a variable in the file, by its name. */
static uintptr_t offset_of(const char *path, const char *name) {
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    struct stat stat;
    if (fd < 0 || fstat(fd, &stat) != 0) return 0;
    const char *file = mmap(NULL, (size_t)stat.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
    close(fd);
    if (file == MAP_FAILED) return 0;
    uintptr_t found = 0;
    const Elf64_Ehdr *head = (const void *)file;
    const Elf64_Shdr *sections = (const void *)(file + head->e_shoff);
    for (int n = 0; n < head->e_shnum; n++) {
        if (sections[n].sh_type != SHT_SYMTAB) continue;
        const Elf64_Sym *symbols = (const void *)(file + sections[n].sh_offset);
        const char *names = file + sections[sections[n].sh_link].sh_offset;
        for (size_t at = 0; at < sections[n].sh_size / sizeof(*symbols); at++)
            if (strcmp(names + symbols[at].st_name, name) == 0) found = symbols[at].st_value;
    }
    munmap((void *)(uintptr_t)file, (size_t)stat.st_size);
    return found;
}

static int find(struct dl_phdr_info *info, size_t size, void *data) {
    (void)size, (void)data;
    if (strstr(info->dlpi_name, "libsluice.so") == NULL) return 0;
    uintptr_t offset = offset_of(info->dlpi_name, "RedisModule_OpenKey");
    if (offset != 0) theirs = (OpenKey **)(info->dlpi_addr + offset);
    return 1;
}

static int refuser_refuse(Ctx *ctx, String **argv, int argc) {
    if (theirs == NULL) dl_iterate_phdr(find, NULL);
    if (theirs == NULL || argc != 2) return reply_with_error(ctx, "ERR there is no such module");
    if (open_key == NULL) open_key = *theirs;
    *theirs = *text_of(argv[1], NULL) == '1' ? refuse : open_key;
    return reply_with_string(ctx, "OK");
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
        {"RedisModule_ReplyWithSimpleString", &reply_with_string},
        {"RedisModule_ReplyWithError", &reply_with_error},
        {"RedisModule_StringPtrLen", &text_of},
    };
    for (size_t n = 0; n < sizeof(wanted) / sizeof(wanted[0]); n++)
        if (get_api(wanted[n].name, wanted[n].function) != OK) return ERR;
    set_attributes(ctx, "refuser", 1, 1);
    return create_command(ctx, "refuser.refuse", refuser_refuse, "admin", 0, 0, 0);
}
