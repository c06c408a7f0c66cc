/*
 * suite.c - the suites of internal/capitest as a C program: all threads are C's, and
 * there is no Go in any greenlet.
 *
 *     suite            runs them, and prints a line for each
 *     suite MISTAKE    makes one, in a greenlet, for a tool to find
 */
#include <capitest.h>

#include <limits.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct {
    const char *name;
    const char *(*run)(void);
} suites[] = {
    {"manual", capitest_manual},     {"misuse", capitest_misuse},   {"rules", capitest_rules},
    {"sections", capitest_sections}, {"threads", capitest_thread},
};

static void *run(void *thread)
{
    for (size_t i = 0; i < sizeof suites / sizeof *suites; i++) {
        const char *trouble = suites[i].run();
        if (trouble != NULL) {
            fprintf(stderr, "%s on %s: %s\n", suites[i].name, (const char *)thread, trouble);
            return thread;
        }
        printf("%s on %s\n", suites[i].name, (const char *)thread);
    }
    return NULL;
}

static int mistaken(void *mistake, void *value, void **result)
{
    volatile char *block = NULL;
    volatile int large = INT_MAX;

    (void)value;
    *result = NULL;
    for (int i = 0; i < 10; i++) {
        if (strcmp(mistake, "leak") != 0)
            free((void *)block);
        if ((block = malloc(8)) == NULL)
            return 1;
    }
    if (strcmp(mistake, "overflow") == 0)
        block[large % 2 + 7] = 1; /* the one past the end */
    else if (strcmp(mistake, "undefined") == 0)
        *result = (void *)(size_t)(large + 1 == 0);
    free((void *)block);
    return GREENLET_OK;
}

int main(int argc, char **argv)
{
    if (argc > 1) {
        greenlet *g;
        int code = greenlet_new(&g, mistaken, argv[1], NULL, 0);
        if (code == GREENLET_OK)
            code = greenlet_switch(g, NULL, NULL);
        if (code == GREENLET_OK)
            code = greenlet_free(g);
        return code != GREENLET_OK;
    }
    pthread_t other;
    void *failed;
    if (run("the first thread") != NULL)
        return 1;
    if (pthread_create(&other, NULL, run, "another thread") != 0 || pthread_join(other, &failed) != 0)
        return 2;
    return failed != NULL;
}
