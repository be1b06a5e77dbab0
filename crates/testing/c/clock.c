/* A wall clock that stands still, for a server under test.
 *
 * Loaded with LD_PRELOAD. The time is what the file named by SLUICE_TEST_CLOCK holds: two 64-bit integers, the
 * microseconds since 1970 and their bitwise complement. The test writes the file, the server maps it, so the very next
 * command sees the new time, to the microsecond. Monotonic clocks are left alone: timers and time-outs go on.
 *
 * With SLUICE_TEST_CLOCK_RUNS set, the file holds what is added to the true time instead: a clock that runs, and steps
 * when the test says so.
 *
 * Why not libfaketime: Redis 7.0.15 hangs under it; Valkey 9.1 stays up to a second behind (see fopen below); it reads
 * fractions of a second through a double, which is a microsecond off in 4 of 10 cases; and it leaves a shared memory
 * segment behind for each server that is killed. */

#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

static const volatile int64_t *clock_file;
static int runs;

__attribute__((constructor)) static void map_clock_file(void) {
    const char *path = getenv("SLUICE_TEST_CLOCK");
    int fd = path == NULL ? -1 : open(path, O_RDONLY | O_CLOEXEC);
    void *address = fd < 0 ? MAP_FAILED : mmap(NULL, 2 * sizeof(int64_t), PROT_READ, MAP_SHARED, fd, 0);
    if (address == MAP_FAILED) {
        perror("SLUICE_TEST_CLOCK");
        _exit(1);
    }
    close(fd);
    runs = getenv("SLUICE_TEST_CLOCK_RUNS") != NULL;
    clock_file = address;
}

static int64_t true_us(void) {
    struct timespec real;
    syscall(SYS_clock_gettime, CLOCK_REALTIME, &real);
    return real.tv_sec * 1000000LL + real.tv_nsec / 1000;
}

static int64_t now_us(void) {
    int64_t us, complement;
    if (clock_file == NULL) return true_us(); /* another library's constructor asks before ours has run */
    do { /* the test may be in the middle of writing: half a new time must not be seen */
        us = clock_file[0];
        complement = clock_file[1];
    } while (complement != ~us);
    return runs ? true_us() + us : us;
}

int gettimeofday(struct timeval *restrict time, void *restrict zone) {
    int64_t us = now_us();
    (void)zone;
    time->tv_sec = us / 1000000;
    time->tv_usec = us % 1000000;
    return 0;
}

int clock_gettime(clockid_t clock, struct timespec *time) {
    if (clock != CLOCK_REALTIME && clock != CLOCK_REALTIME_COARSE)
        return (int)syscall(SYS_clock_gettime, clock, time);
    int64_t us = now_us();
    time->tv_sec = us / 1000000;
    time->tv_nsec = us % 1000000 * 1000;
    return 0;
}

time_t time(time_t *out) {
    time_t seconds = now_us() / 1000000;
    if (out != NULL) *out = seconds;
    return seconds;
}

/* Valkey 9.1 asks for the wall clock once a millisecond and adds up processor ticks in between, if the processor has a
 * constant tick. A server that cannot read /proc/cpuinfo does not trust the ticks and asks every time. */
typedef FILE *opener(const char *, const char *);

static FILE *open_unless_cpuinfo(const char *function, const char *path, const char *mode) {
    opener *next;
    if (strcmp(path, "/proc/cpuinfo") == 0) {
        errno = ENOENT;
        return NULL;
    }
    *(void **)&next = dlsym(RTLD_NEXT, function);
    return next(path, mode);
}

FILE *fopen(const char *restrict path, const char *restrict mode) {
    return open_unless_cpuinfo("fopen", path, mode);
}

FILE *fopen64(const char *restrict path, const char *restrict mode) {
    return open_unless_cpuinfo("fopen64", path, mode);
}
