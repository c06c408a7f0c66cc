#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Bodies for greenlets; see cxx.cpp. */
int cxx_handle(void *arg, void *value, void **result);
int cxx_escape(void *arg, void *value, void **result);

int cxx_panic(void *arg, void *value, void **result);
int cxx_look(void *arg, void *value, void **result);

/* Calls the Go function behind the handle in a catch block. How many checks failed, so far? */
int cxx_in_catch(uintptr_t function);

/* How many things that cxx_escape had on its stacks were not destroyed? */
int cxx_alive(void);

/* Coroutines of the C core that end without having ended their exceptions: what is wrong, or NULL. */
const char *cxx_unfinished(void);

/* In Go. */
extern void cxxSuspend(void);
extern void cxxCall(uintptr_t function);
extern void cxxPanic(void);

#ifdef __cplusplus
}
#endif
