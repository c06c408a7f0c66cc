/*
 * main.c - coroutines in all the states in which they can be switched to, freed and
 * begun anew, on two threads. With an argument it makes one mistake, to show that
 * the tool that watches sees into coroutines: "leak", "overflow" or "race".
 */
#include "coro.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CHECK(call)                                                                                \
    do {                                                                                           \
        int code_ = (call);                                                                        \
        if (code_ != GLET_OK) {                                                                    \
            fprintf(stderr, "main.c:%d: %s\n", __LINE__, glet_text(code_));                        \
            exit(2);                                                                               \
        }                                                                                          \
    } while (0)

static const char *mistake = "";

/* Keeps memory that only its stack knows of, and goes deep with arrays. */
static __attribute__((noinline)) unsigned deep(int depth, glet_coro *other)
{
    char a[200];
    memset(a, depth, sizeof a);
    char *heap = malloc(32);
    if (heap == NULL)
        abort();
    heap[31] = (char)depth;
    unsigned sum = depth == 0 ? 0 : deep(depth - 1, other);
    CHECK(glet_coro_switch(other));
    sum += (unsigned char)a[depth % 200] + (unsigned char)heap[31];
    free(heap);
    return sum;
}

static glet_coro *ends(void *root)
{
    deep(20, root);
    return root;
}

static glet_coro *forever(void *root)
{
    char local[64];
    volatile char *p = local;
    p[0] = 1;
    for (;;) {
        if (strcmp(mistake, "overflow") == 0)
            p[64 + p[0]] = 1;
        CHECK(glet_coro_switch(root));
        p[0] = p[0] + 0;
    }
}

static void *thread(void *unused)
{
    enum { N = 8 };
    glet_coro *c[N], *root = glet_coro_current();
    for (int round = 0; round < 3; round++) {
        for (int i = 0; i < N; i++)
            CHECK(glet_coro_new(&c[i], 0, i % 2 ? ends : forever, root));
        for (int n = 0; n < 30; n++)
            for (int i = 0; i < N; i++)
                if (!glet_coro_finished(c[i]))
                    CHECK(glet_coro_switch(c[i]));
        for (int i = 0; i < N; i += 4)
            CHECK(glet_coro_restart(c[i], forever, root));
        for (int i = 0; i < N; i += 2)
            CHECK(glet_coro_switch(c[i]));
        for (int i = 0; i < N; i++)
            CHECK(glet_coro_free(c[i])); /* suspended ones and finished ones */
    }
    return unused;
}

static glet_coro *left[4];
static pthread_key_t at_end;

static void thread_ends(void *unused)
{
    (void)unused;
    glet_coro_thread_end();
}

/* A thread that ends with suspended coroutines, which another thread frees. */
static void *leaves(void *unused)
{
    for (int i = 0; i < 4; i++) {
        CHECK(glet_coro_new(&left[i], 0, forever, glet_coro_current()));
        CHECK(glet_coro_switch(left[i]));
    }
    CHECK(pthread_setspecific(at_end, left));
    return unused;
}

static void free_left(void)
{
    for (int i = 0; i < 4; i++) {
        if (!glet_coro_finished(left[i]) || glet_coro_switch(left[i]) != GLET_EDONE)
            exit(3);
        CHECK(glet_coro_free(left[i]));
    }
}

static int shared; /* of two threads: the mistake "race" */
static pthread_barrier_t both;

static glet_coro *writes(void *root)
{
    pthread_barrier_wait(&both); /* what comes before and after orders nothing */
    shared++;
    return root;
}

static void *racer(void *unused)
{
    glet_coro *c;
    CHECK(glet_coro_new(&c, 0, writes, glet_coro_current()));
    CHECK(glet_coro_switch(c));
    CHECK(glet_coro_free(c));
    return unused;
}

static glet_coro *holds(void *root)
{
    char *volatile heap = malloc(77); /* known to this stack alone */
    for (;;) {
        CHECK(glet_coro_switch(root));
        heap[0] = 1;
    }
}

/* A suspended coroutine's stack is searched for pointers to memory; a freed one's not. */
static void keep(void)
{
    static glet_coro *c;
    CHECK(glet_coro_new(&c, 0, holds, glet_coro_current()));
    CHECK(glet_coro_switch(c));
    if (strcmp(mistake, "leak") == 0)
        CHECK(glet_coro_free(c));
}

int main(int argc, char **argv)
{
    if (argc > 1)
        mistake = argv[1];
    pthread_t t[2];
    pthread_barrier_init(&both, NULL, 2);
    int race = strcmp(mistake, "race") == 0;
    for (int i = 0; i < 2; i++)
        if (pthread_create(&t[i], NULL, race ? racer : thread, NULL) != 0)
            return 2;
    for (int i = 0; i < 2; i++)
        if (pthread_join(t[i], NULL) != 0)
            return 2;
    if (pthread_key_create(&at_end, thread_ends) != 0 || pthread_create(&t[0], NULL, leaves, NULL) != 0 ||
        pthread_join(t[0], NULL) != 0)
        return 2;
    free_left();
    thread(NULL);
    keep();
    puts("done");
    return 0;
}
