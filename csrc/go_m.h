/*
 * go_m.h - the extra Ms that coroutines get from the Go runtime; in go_m.c.
 *
 * When C calls an exported Go function and the thread-local g is nil, the runtime takes the
 * caller for a thread that it has never seen: needm (proc.go) gives it an extra M, with a
 * goroutine and with the stack that it finds itself on as the M's g0. Since g travels with
 * the coroutine (tls_slot.h), each coroutine of the portable engine, and each fiber there,
 * has an M and a goroutine of its own. Nothing is known here of the runtime's structs but
 * the beginning of g, which runtime/cgo and the linker know, too.
 */
#ifndef GLET_GO_M_H
#define GLET_GO_M_H

#include <signal.h>

/*
 * Called once, before the first coroutine calls Go, with runtime/cgo's two hooks, to which
 * ours pass on the calls that are not about coroutines; and with greenletReady, so that the
 * functions of go_calls.h are linked.
 */
void glet_go_m_init(void *getstackbound, void *bindm, int (*ready)(void));

/* Our hooks, for runtime._cgo_getstackbound and _cgo_bindm. */
void *glet_go_m_getstackbound(void);
void *glet_go_m_bindm(void);

/* Makes sure that Go can be called, and fibers be made: GLET_OK or GLET_EWORD. */
int glet_go_m_ready(void);

/*
 * Whoever is about to get an extra M holds this lock. Each of them takes one M and makes one
 * for the next (needextram in cgocallbackg, cgocall.go); unordered, many at once would use
 * them up, and then all would spin in lockextra (proc.go) until somebody has made another.
 */
void glet_go_m_lock(void);
void glet_go_m_unlock(void);

/*
 * The next coroutine of this thread that gets an M is to have that signal mask afterwards.
 * needm installs the one that Go wants (minitSignalMask).
 */
void glet_go_m_keep_mask(const sigset_t *mask);

/* Has the runtime bound an M to the thread itself, as one that C made? */
int glet_go_m_is_bound(void);

/* Gives the M with that g0, which is the one in the TLS slot, back to the runtime (dropm). */
void glet_go_m_drop(void *g0);

/*
 * The same for an M whose g0 is in no slot, that of a fiber that will not run again: GLET_OK,
 * or GLET_EFRAMES if its goroutine has frames.
 */
int glet_go_m_drop_parked(void *g0);

#endif
