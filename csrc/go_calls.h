/*
 * go_calls.h - the functions of package greenlet, in Go, that C calls: all of them.
 *
 * Go exports them under these names, and C calls them by name. The references are weak,
 * because the core is also used without Go; there they are NULL. greenletReady is the one
 * to test: whoever calls another one has called that, or was called by Go.
 *
 * glet_go_m_init (go_m.h) is given the address of one of them. That reference is strong,
 * and makes a linker take them out of an archive.
 *
 * Where C passes a void * on to Go it is a number here, since Go must not hold an invalid
 * pointer such as (void *)5.
 *
 * Go files include this with GLET_GO_CALL defined as nothing: the compiler then compares
 * the declarations with the definitions.
 */
#ifndef GLET_GO_CALLS_H
#define GLET_GO_CALLS_H

#include "greenlet.h"

#ifndef GLET_GO_CALL
#define GLET_GO_CALL __attribute__((weak))
#endif

/* callbacks.go */

/*
 * Makes sure that an engine is chosen and that fibers can be made: GLET_OK or GLET_EWORD.
 * In a C program that has Go as a library the runtime may still be starting; every call of
 * Go waits for that (cgocallbackg1, cgocall.go).
 */
extern GLET_GO_CALL int greenletReady(void);
/* The life of a worker of the portable engine. */
extern GLET_GO_CALL void greenletEnter(uintptr_t worker);
/* The calling thread ends. */
extern GLET_GO_CALL void greenletThreadExit(uintptr_t thread);
/* Are there Go frames below the caller's, on its goroutine? */
extern GLET_GO_CALL int greenletHasFrames(void);

/* fiber.go: makes a goroutine that has not run, or returns 0; and ends it. */

extern GLET_GO_CALL uintptr_t greenletFiberNew(void);
extern GLET_GO_CALL void greenletFiberEnd(uintptr_t g);

/* capi.go: the operations of greenlet.h, with arguments that have been checked. */

extern GLET_GO_CALL int greenletMake(greenlet **out, uintptr_t body, uintptr_t arg, greenlet *parent, size_t stack_size);
extern GLET_GO_CALL int greenletMakeGo(greenlet **out, uintptr_t func, greenlet *parent, size_t stack_size);
extern GLET_GO_CALL int greenletFree(greenlet *g);
extern GLET_GO_CALL int greenletFreeValue(uintptr_t value);
extern GLET_GO_CALL int greenletCurrent(greenlet **out);
extern GLET_GO_CALL greenlet *greenletSelf(void);
extern GLET_GO_CALL int greenletPass(greenlet *g, int code, uintptr_t value, uintptr_t *result); /* result may be NULL */
extern GLET_GO_CALL int greenletKill(greenlet *g);
extern GLET_GO_CALL int greenletParent(greenlet *g, greenlet **out);
extern GLET_GO_CALL int greenletSetParent(greenlet *g, greenlet *parent);
extern GLET_GO_CALL int greenletAsk(greenlet *g, int what);
extern GLET_GO_CALL int greenletSection(int enter);
extern GLET_GO_CALL int greenletCarry(uintptr_t word, size_t size);

/* What greenletAsk is asked. */
enum { GLET_ASK_STATE, GLET_ASK_ROOT, GLET_ASK_STARTED, GLET_ASK_ACTIVE };

#endif
