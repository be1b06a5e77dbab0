/* Preloaded into the server, so that counts repeat: its hash tables get the same seed in every run, and its clocks stand
 * still at noon of some day, so that nothing is done because a second has passed. */

#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdio.h>
#include <string.h>
#include <sys/time.h>
#include <time.h>

enum { NOON = 1800014400 };

int clock_gettime(clockid_t clock, struct timespec *now) {
    (void)clock;
    *now = (struct timespec){.tv_sec = NOON};
    return 0;
}

int gettimeofday(struct timeval *restrict now, void *restrict zone) {
    (void)zone;
    *now = (struct timeval){.tv_sec = NOON};
    return 0;
}

time_t time(time_t *now) {
    if (now) *now = NOON;
    return NOON;
}

static FILE *zeros_for(const char *symbol, const char *path, const char *mode) {
    FILE *(*real)(const char *, const char *) = (FILE * (*)(const char *, const char *)) dlsym(RTLD_NEXT, symbol);
    return real(strcmp(path, "/dev/urandom") == 0 ? "/dev/zero" : path, mode);
}

FILE *fopen(const char *path, const char *mode) { return zeros_for("fopen", path, mode); }
FILE *fopen64(const char *path, const char *mode) { return zeros_for("fopen64", path, mode); }
