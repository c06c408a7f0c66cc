/* script.h - a Lua script that calls Go; in script.c. */
#ifndef EXAMPLE_SCRIPT_H
#define EXAMPLE_SCRIPT_H

#include <stddef.h>
#include <stdint.h>

/* A script that runs. text is what a Go function returns, from malloc, freed by C. */
typedef struct {
    uintptr_t h;
    char *text;
    size_t size;
    int told;    /* to end, this often */
    size_t used; /* of memory, by Lua */
} script;

/*
 * Runs Lua code; what it calls is called with h. NULL, or why it has failed, to be freed.
 * All that it holds is closed when it returns (lua_close).
 */
char *script_run(const char *code, size_t size, const char *path, const char *query, uintptr_t h);

/* The Go functions, in script.go. 0, and s->text; or else s->text says what is wrong. */
extern int scriptFetch(script *s, char *url, size_t size);
extern int scriptQuery(script *s, char *sql, size_t size);
extern int scriptSleep(script *s, double seconds);
extern int scriptWrite(script *s, char *text, size_t size);
extern int scriptTick(script *s);

#endif
