/*
 * greenlet.h - package greenlet for C and C++.
 *
 * The same greenlets as in Go, by the same rules (docs/rules.md): any may switch
 * to any other of its thread, from any depth of C and Go calls; they have parents,
 * to which their results go. The functions are there in every program that has
 * package github.com/go-greenlet/greenlet in it, c-archive and c-shared included.
 *
 *     static int body(void *arg, void *value, void **result) {
 *         greenlet *parent = NULL;
 *         int e = greenlet_parent(greenlet_self(), &parent);
 *         if (e == GREENLET_OK)
 *             e = greenlet_switch(parent, "half way", &value);   // and back
 *         greenlet_free(parent);
 *         *result = value;
 *         return e;                                // 0: *result goes to the parent
 *     }
 *
 *     greenlet *g = NULL;
 *     void *v;
 *     int e = greenlet_new(&g, body, NULL, NULL, 0);
 *     if (e == GREENLET_OK) e = greenlet_switch(g, NULL, &v);        // "half way"
 *     if (e == GREENLET_OK) e = greenlet_switch(g, "the end", &v);   // "the end"
 *     if (e != GREENLET_OK) fprintf(stderr, "%s\n", greenlet_message());
 *     greenlet_free(g);
 *
 * References. A greenlet * is a reference, as a Go variable would be one. Each call
 * that hands one out makes a new one, which is to be freed with greenlet_free;
 * greenlet_self() alone needs none. Freeing does not end the greenlet, but one that
 * is suspended, and that nobody refers to any more, is killed some time.
 *
 * Values. A value is a void *. What C sends arrives in C as it is, and in Go as an
 * unsafe.Pointer; below 4096, where there are no addresses, as a uintptr. Larger numbers
 * are no values for Go, whose collector would take them for addresses. A Go value that
 * is neither arrives in C as a handle, which may be sent on, once, or must be freed
 * with greenlet_free_value. nil is NULL, and so is the value of an expected end
 * (ErrExit).
 *
 * Errors. Every call returns GREENLET_OK or a code, and then has not changed
 * anything; but greenlet_switch, greenlet_throw and greenlet_kill also return what
 * another greenlet has passed on: a code of the program's own (1 and up), GREENLET_EXIT,
 * or GREENLET_EGO, GREENLET_EPANIC and GREENLET_EGOEXIT for an error, panic or
 * runtime.Goexit of Go. A body that returns one of these passes on the last that it was
 * told of, as what it was. greenlet_message() says it in words.
 *
 * A body returns once, as any function of C: what a longjmp or setcontext does that goes
 * back into one that has returned cannot be known.
 *
 * Threads. A greenlet runs on the thread on which it was started, and only there
 * may it be used: GREENLET_ETHREAD. A thread that C made becomes a root at its first
 * greenlet_switch, as a goroutine does. When a thread that C made ends, its greenlets
 * end with it, and nothing of what is suspended on them runs any more. (Let it end on
 * its own stack: by pthread_exit in a greenlet, that one's stack is lost.) In a C program
 * that has Go as a library, the first calls wait until Go's packages are initialised;
 * these cannot start greenlets themselves, and neither can a constructor of C++ or
 * C that runs before Go's start: it would wait for ever.
 *
 * C++. Exceptions that are thrown and caught within a body stay its own, whatever is
 * switched to meanwhile. One that leaves a body becomes an error of Go, with the
 * exception's type and, if it has that, what() as its text, and goes to the parent
 * (on amd64, arm64 and riscv64; elsewhere it ends the process). None gets past a callback to Go.
 */
#ifndef GREENLET_H
#define GREENLET_H

#ifndef __linux__
#error "the C core of package greenlet is written for Linux; greenlets in Go are there everywhere"
#endif

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct greenlet greenlet;

/* A body. value is that of the switch that started it. It returns GREENLET_OK and,
 * in *result, which is NULL at first, what goes to the parent; or a code. */
typedef int (*greenlet_body)(void *arg, void *value, void **result);

enum {
    GREENLET_OK = 0,
    /* 1 and up: the program's own */
    GREENLET_EXIT = -1,     /* an expected end: what greenlet_kill throws            */
    GREENLET_EGO = -2,      /* an error of Go; a body that returns this passes it on */
    GREENLET_EPANIC = -3,   /* a panic of Go, likewise                               */
    GREENLET_EGOEXIT = -4,  /* a runtime.Goexit of Go, likewise                      */
    GREENLET_ENULL = -10,   /* an argument is NULL that must not be                  */
    GREENLET_EFREED = -11,  /* not a reference, or one that was freed                */
    GREENLET_ETHREAD = -12, /* it belongs to another thread                          */
    GREENLET_EGONE = -13,   /* its thread, or its scope, has ended                   */
    GREENLET_ECYCLE = -14,  /* a greenlet would be its own ancestor                  */
    GREENLET_EROOT = -15,   /* not on a root                                         */
    GREENLET_ENORUN = -16,  /* it has no body                                        */
    GREENLET_ECODE = -17,   /* not a code that can be thrown                         */
    GREENLET_ENOGO = -18,   /* no Go in this program, or its packages still start   */
    GREENLET_ESECTION = -19,/* in a section that must not be left; or in none        */
    GREENLET_ESTACK = -20   /* the C library does not know the thread's stack        */
};

/* States, as greenlet_state returns them. */
enum {
    GREENLET_PENDING = 0,
    GREENLET_RUNNING = 1,
    GREENLET_SUSPENDED = 2,
    GREENLET_DEAD = 3
};

/*
 * Makes a greenlet that will run body(arg, ...) at the first switch to it. parent
 * NULL: the caller. stack_size is in bytes, 0 for the default of 256 KiB; a size
 * that cannot be had is an error of the first switch.
 */
int greenlet_new(greenlet **out, greenlet_body body, void *arg, greenlet *parent, size_t stack_size);

/* The same with a greenlet.Func of Go, by the value that greenlet_switch or a
 * callback of Go's has handed over as a handle, which is used up. */
int greenlet_new_go(greenlet **out, void *func, greenlet *parent, size_t stack_size);

/* Gives a reference back. */
int greenlet_free(greenlet *g);

/* Gives a handle of a Go value back: GREENLET_EFREED if it is none; NULL is GREENLET_ENULL. */
int greenlet_free_value(void *value);

/* A new reference to the running greenlet. */
int greenlet_current(greenlet **out);

/* The running greenlet's own reference, which is not to be freed, for use as an
 * argument. On another thread it serves for questions, but not as a parent. NULL in a
 * root, where there are no greenlets, and without Go. */
greenlet *greenlet_self(void);

/*
 * Passes control to g with a value, and returns when somebody passes control back:
 * with GREENLET_OK and a value in *result (which may be NULL for one that is not
 * wanted), or with a code. A dead g stands for its parent.
 */
int greenlet_switch(greenlet *g, void *value, void **result);

/* Passes control to g with a code, 1 and up or GREENLET_EXIT: its pending switch
 * returns that. A g that was never started is dead then, and the code goes to its
 * parent. Else as greenlet_switch. */
int greenlet_throw(greenlet *g, int code, void **result);

/* Throws GREENLET_EXIT into g and comes back here: GREENLET_OK when it is dead and
 * went quietly, or what it died with, or GREENLET_EGO if it lives on. The current
 * one: GREENLET_EXIT, for the body to return. */
int greenlet_kill(greenlet *g);

/* A new reference to the parent. NULL in *out for a root, and for a greenlet that was
 * made where there are no greenlets and that nobody has used yet. */
int greenlet_parent(greenlet *g, greenlet **out);
int greenlet_set_parent(greenlet *g, greenlet *parent);

/*
 * Sections that must not be left: from enter to leave, every switch, every throw, and
 * every kill of one that lives is refused with GREENLET_ESECTION, in Go functions that
 * are called there, too. For code that calls back while it holds a lock, or while a
 * structure is not in order. Sections may be nested. A body that ends inside a section
 * has failed with GREENLET_ESECTION, and the section is over. Leaving where nothing was
 * entered is GREENLET_ESECTION, too.
 */
int greenlet_enter_section(void);
int greenlet_leave_section(void);

/*
 * For libraries that keep "the current frame" of their own in a variable of the thread:
 * from now on the calling greenlet, its root, and those that begin later on this thread
 * carry the size bytes at word. While one of them is suspended with C frames they are put
 * aside, and the others find what was there when it went on. A greenlet begins with what it
 * finds there; so let the library initialise itself on the thread, and call this while it has
 * nothing on the stack. word must be valid as long as the thread has greenlets. (errno is
 * carried always.) What is carried already stays as it is. GREENLET_ENULL: word is NULL, or
 * size is 0 or above 1 MiB. In Go: WithThreadLocal.
 */
int greenlet_carry(void *word, size_t size);

/* A state, or a code below 0. Any thread may ask; so it may the next three. */
int greenlet_state(greenlet *g);
int greenlet_is_root(greenlet *g);    /* 1, 0, or a code below 0 */
int greenlet_is_started(greenlet *g); /* it has left GREENLET_PENDING */
int greenlet_is_active(greenlet *g);  /* started, and not dead */

/*
 * For conservative garbage collectors in C: calls visit for each C stack of the calling
 * thread, with the part of it that is in use, from sp on and below end. These are the
 * stacks of greenlets that are suspended, with the registers that their functions have
 * left, and of workers that wait for the next greenlet; the thread's own; and the one
 * that runs, from this call on: what is still in registers is the collector's to look at.
 * (Registers of a suspended one that are not on its stack are visited as if they were one.)
 * Of a coroutine that was adopted by fiber.h it is the one that runs or that its greenlet
 * is suspended on; the others are for the collector to find where their library has them.
 *
 * visit must not switch, and it may not call Go. The first call of a thread asks the C
 * library where its stack ends, which can allocate; the later ones do not, and take no
 * lock. It may be called before there are greenlets, and without Go. GREENLET_ENULL;
 * GREENLET_ESTACK, and then nothing was visited.
 */
typedef void greenlet_stack(void *arg, void *sp, void *end);
int greenlet_stacks(greenlet_stack *visit, void *arg);

/* What a code means. Never NULL, not to be freed. */
const char *greenlet_text(int code);

/* What the calling thread's last call that failed has to say, in full. Never NULL;
 * valid until the thread's next call. */
const char *greenlet_message(void);

#ifdef __cplusplus
}
#endif
#endif
