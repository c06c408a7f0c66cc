/*
 * host.c - a C program with threads of its own, that uses a Go library.
 *
 *     host WAVES WIDTH LEAVE KIB
 *
 * WAVES times, WIDTH threads come and go. Each does one of three things: calls Go,
 * whose greenlets go through C functions; makes greenlets with bodies in C; or runs C
 * coroutines that call Go. With LEAVE, some end with greenlets that are suspended.
 * At the end there must be no more of anything than after the first waves; KIB more of
 * memory is no leak.
 */
#define _GNU_SOURCE
#include <fiber.h>
#include <greenlet.h>
#include <lib.h>

#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <ucontext.h>
#include <unistd.h>

static int leave;

#define MUST(cond) \
    do { \
        if (!(cond)) { \
            fprintf(stderr, "host.c:%d: %s (%s)\n", __LINE__, #cond, greenlet_message()); \
            exit(1); \
        } \
    } while (0)

/* Go, through C. */

static int through(int n)
{
    volatile char frame[1000];
    frame[n] = (char)n;
    int e = libPause(n);
    return e != 0 ? e : frame[n] != (char)n;
}

static void call_go(void)
{
    const int n = 7, all = n * (n + 1) / 2, some = (n / 2 + 1) * (n / 2 + 2) / 2;
    MUST(libInterleave(through, n, leave) == (leave ? 2 * all + some : 3 * all));
}

/* Bodies in C. */

/* What a suspended body holds is lost when its thread ends, so the root is its maker's. */
static int body(void *root, void *value, void **result)
{
    int code = GREENLET_OK;
    (void)result;
    for (int i = 1; code == GREENLET_OK && i < 6; i++) {
        int n = libVisit(through, i); /* suspends */
        code = n < 0 ? 1 : greenlet_switch(root, (void *)(intptr_t)n, &value);
    }
    return code;
}

static void use_bodies_in_c(void)
{
    greenlet *root, *g[2];
    void *v;
    MUST(greenlet_current(&root) == GREENLET_OK);
    for (int i = 0; i < 2; i++)
        MUST(greenlet_new(&g[i], body, root, NULL, 0) == GREENLET_OK);
    for (int j = 1; j < 5; j++)
        for (int i = 0; i < 2; i++) {
            MUST(greenlet_switch(g[i], NULL, &v) == GREENLET_OK); /* through's, a value of Go's */
            MUST(greenlet_free_value(v) == GREENLET_OK);
            MUST(greenlet_switch(g[i], NULL, &v) == GREENLET_OK && (intptr_t)v == 2 * j);
        }
    for (int i = 0; i < 2; i++) {
        if (!leave)
            MUST(greenlet_kill(g[i]) == GREENLET_OK && greenlet_state(g[i]) == GREENLET_DEAD);
        MUST(greenlet_free(g[i]) == GREENLET_OK);
    }
    MUST(greenlet_free(root) == GREENLET_OK);
}

/* C coroutines. */

enum { STACK = 128 << 10, VISITS = 6 };

typedef struct {
    ucontext_t self, caller;
    glet_fiber *fiber, *back;
    char *stack;
    int visits, done;
} co;

static __thread co *running;

static int suspend(int n)
{
    (void)n;
    co *c = running;
    MUST(glet_fiber_switch(c->back) == GLET_OK);
    swapcontext(&c->self, &c->caller);
    return 0;
}

static void co_main(void)
{
    co *c = running;
    for (int i = 0; i < VISITS; i++) {
        MUST(libVisit(suspend, i) == 2 * i);
        c->visits++;
    }
    c->done = 1;
    (void)suspend(0);
}

static void resume(co *c)
{
    running = c;
    c->back = glet_fiber_current();
    MUST(glet_fiber_switch(c->fiber) == GLET_OK);
    swapcontext(&c->caller, &c->self);
}

static co *make(void)
{
    co *c = calloc(1, sizeof *c);
    MUST(c != NULL);
    c->stack = mmap(NULL, STACK, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    MUST(c->stack != MAP_FAILED);
    MUST(glet_fiber_new(&c->fiber, c->stack, STACK) == GLET_OK);
    getcontext(&c->self);
    c->self.uc_stack.ss_sp = c->stack;
    c->self.uc_stack.ss_size = STACK;
    makecontext(&c->self, co_main, 0);
    return c;
}

static void run_coroutines(void)
{
    co *all[3] = {make(), make(), make()};
    for (int round = 0; round <= VISITS; round++)
        for (int k = 0; k < 3; k++)
            resume(all[(round + k) % 3]);
    for (int i = 0; i < 3; i++) {
        MUST(all[i]->done && all[i]->visits == VISITS);
        MUST(glet_fiber_free(all[i]->fiber) == GLET_OK);
        munmap(all[i]->stack, STACK);
        free(all[i]);
    }
}

static void (*const jobs[])(void) = {call_go, use_bodies_in_c, run_coroutines};
enum { JOBS = sizeof jobs / sizeof *jobs };

static void *thread(void *n)
{
    jobs[(intptr_t)n % JOBS]();
    if ((intptr_t)n % 5 == 0) /* some do more than one thing */
        jobs[((intptr_t)n + 1) % JOBS]();
    return NULL;
}

static void wave(int number, int width)
{
    pthread_t threads[256];
    for (int i = 0; i < width; i++)
        MUST(pthread_create(&threads[i], NULL, thread, (void *)(intptr_t)(number * width + i)) == 0);
    for (int i = 0; i < width; i++)
        MUST(pthread_join(threads[i], NULL) == 0);
    if (number % 4 == 0)
        libCollect();
}

/* What there is. */

static const char *const names[] = {"threads of Go", "goroutines", "handles", "stacks", "mappings", "KiB resident"};
enum { COUNTS = sizeof names / sizeof *names };

/* So many more are no leak: threads of Go come when it pleases. A leak is one a thread, at least of each third. */
static long more[COUNTS] = {20, 20, 20, 20, 100};

static void count(long counts[COUNTS])
{
    glet_usage u;
    libCollect();
    glet_stack_usage(&u);
    counts[0] = libThreads();
    counts[1] = libGoroutines();
    counts[2] = libHandles();
    counts[3] = (long)u.stacks;
    counts[4] = counts[5] = 0;
    char line[512];
    FILE *f = fopen("/proc/self/maps", "r");
    MUST(f != NULL);
    while (fgets(line, sizeof line, f) != NULL)
        counts[4]++;
    fclose(f);
    f = fopen("/proc/self/status", "r");
    MUST(f != NULL);
    while (fgets(line, sizeof line, f) != NULL)
        (void)sscanf(line, "VmRSS: %ld", &counts[5]);
    fclose(f);
}

int main(int argc, char **argv)
{
    MUST(argc == 5);
    const int waves = atoi(argv[1]), width = atoi(argv[2]), first = waves / 4;
    leave = atoi(argv[3]);
    more[COUNTS - 1] = atol(argv[4]);
    alarm(600); /* a hang is a failure: SIGALRM, with all goroutines if GOTRACEBACK says so */

    long before[COUNTS] = {0}, after[COUNTS];
    for (int i = JOBS; i-- > 0;) /* the first thread is one like any other, and Go may be starting still */
        jobs[i]();
    for (int i = 0; i < waves; i++) {
        wave(i, width);
        if (i == first)
            count(before);
    }
    for (int i = 0; i < JOBS; i++)
        jobs[i]();
    count(after);
    int leaks = 0;
    for (int i = 0; i < COUNTS; i++) {
        printf("%s: %ld, then %ld\n", names[i], before[i], after[i]);
        leaks += after[i] > before[i] + more[i];
    }
    printf("%d threads, %d leaks\n", waves * width, leaks);
    return leaks != 0;
}
