#include <stdint.h>

/*
 * Runs a script in an interpreter of its own. In it, ask(name, i) calls the Go
 * function behind the handle. Returns the script's result or error, to be freed; NULL: no
 * memory.
 */
char *lua_run(const char *script, uintptr_t ask, int *failed);
