/* Preloaded into the server, so that counts repeat: its hash tables get the same seed in every run, and its clocks stand
 * still at noon of some day, so that nothing is done because a second has passed.
 *
 * The wall clock alone can be moved, by whoever holds the file that SLUICE_TEST_CLOCK names; clock.c says what is in it.
 * The server's own rounds go by the monotonic clock and still never come. */

#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

enum { NOON = 1800014400 };

/* Without a file the same instructions read this one, so that figures with and without can be compared. */
static const volatile int64_t noon_us[2] = {NOON * 1000000LL, ~(NOON * 1000000LL)};
static const volatile int64_t *clock_file = noon_us;

__attribute__((constructor)) static void map_clock_file(void) {
    const char *path = getenv("SLUICE_TEST_CLOCK");
    if (path == NULL) return;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    void *address = fd < 0 ? MAP_FAILED : mmap(NULL, 2 * sizeof(int64_t), PROT_READ, MAP_SHARED, fd, 0);
    if (address == MAP_FAILED) {
        perror("SLUICE_TEST_CLOCK");
        _exit(1);
    }
    close(fd);
    clock_file = address;
}

/* Divides only when the time is a new one: the clock is asked for several times a command. */
static struct timeval wall(void) {
    static int64_t seen_us;
    static struct timeval wall;
    int64_t us, complement;
    do { /* it may be in the middle of being set: half a new time must not be seen */
        us = clock_file[0];
        complement = clock_file[1];
    } while (complement != ~us);
    if (us != seen_us) {
        seen_us = us;
        wall = (struct timeval){.tv_sec = us / 1000000, .tv_usec = us % 1000000};
    }
    return wall;
}

int clock_gettime(clockid_t clock, struct timespec *now) {
    if (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE) {
        struct timeval time = wall();
        *now = (struct timespec){.tv_sec = time.tv_sec, .tv_nsec = time.tv_usec * 1000};
    } else {
        *now = (struct timespec){.tv_sec = NOON};
    }
    return 0;
}

int gettimeofday(struct timeval *restrict now, void *restrict zone) {
    (void)zone;
    *now = wall();
    return 0;
}

time_t time(time_t *now) {
    time_t seconds = wall().tv_sec;
    if (now) *now = seconds;
    return seconds;
}

static FILE *zeros_for(const char *symbol, const char *path, const char *mode) {
    FILE *(*real)(const char *, const char *) = (FILE * (*)(const char *, const char *)) dlsym(RTLD_NEXT, symbol);
    return real(strcmp(path, "/dev/urandom") == 0 ? "/dev/zero" : path, mode);
}

FILE *fopen(const char *path, const char *mode) { return zeros_for("fopen", path, mode); }
FILE *fopen64(const char *path, const char *mode) { return zeros_for("fopen64", path, mode); }
