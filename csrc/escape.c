//go:build cgo && linux

/*
 * escape.c - calls a body, and stops C++ exceptions that would leave it: there is
 * nothing below but Go, where the C++ runtime finds no handler and ends the process.
 *
 * There is no C++ here, so the handler is written as the unwinder sees it: a frame
 * with a personality routine (Itanium C++ ABI, part 1: 1.5.2, 1.6), in escape_*.S.
 * What it needs of the unwinder and of the C++ runtime are weak references: a program
 * without C++ does not get a dependency on them, and never comes here.
 */
#define _GNU_SOURCE
#include "escape.h"
#include "greenlet.h"

#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unwind.h>

static char no_memory[] = "there is no memory for its description";

void glet_exception_free(char *text)
{
    if (text != no_memory)
        free(text);
}

#if defined(__x86_64__) || defined(__aarch64__) || (defined(__riscv) && __riscv_xlen == 64)

/* In assembly: calls a body; and where the unwinder goes on with a caught exception. */
int glet_guard(greenlet_body body, void *arg, void *value, void **result, char **exception);
void glet_guard_landing(void);
/* Called from there. */
_Unwind_Reason_Code glet_guard_personality(int version, _Unwind_Action actions, _Unwind_Exception_Class class,
                                           struct _Unwind_Exception *e, struct _Unwind_Context *at);
int glet_guard_caught(struct _Unwind_Exception *e, char **exception);

/* The beginning of std::type_info (2.9.5). */
struct type_info {
    void **vtable;
    const char *name;
};

/* A std::exception_ptr is one pointer; a struct of this size is returned as it is: by a hidden argument. */
struct exception_ptr {
    void *object, *unused[2];
};

#define WEAK __attribute__((weak))
extern WEAK void _Unwind_SetGR(struct _Unwind_Context *, int, _Unwind_Word);
extern WEAK void _Unwind_SetIP(struct _Unwind_Context *, _Unwind_Ptr);
extern WEAK void *__cxa_begin_catch(void *);
extern WEAK void __cxa_end_catch(void);
extern WEAK struct type_info *__cxa_current_exception_type(void);
extern WEAK char *__cxa_demangle(const char *, char *, size_t *, int *);
extern WEAK struct type_info _ZTISt9exception;                        /* typeid(std::exception) */
extern WEAK void *_ZTVN10__cxxabiv117__class_type_infoE[];            /* the vtables of classes' type_infos: */
extern WEAK void *_ZTVN10__cxxabiv120__si_class_type_infoE[];         /* without, with one, and with */
extern WEAK void *_ZTVN10__cxxabiv121__vmi_class_type_infoE[];        /* several bases */
extern WEAK struct exception_ptr _ZSt17current_exceptionv(void);      /* std::current_exception */
extern WEAK void _ZNSt15__exception_ptr13exception_ptrD1Ev(struct exception_ptr *); /* GCC's exception_ptr ends */
extern WEAK void _ZNSt13exception_ptrD1Ev(struct exception_ptr *);                  /* LLVM's */

_Unwind_Reason_Code glet_guard_personality(int version, _Unwind_Action actions, _Unwind_Exception_Class class,
                                           struct _Unwind_Exception *e, struct _Unwind_Context *at)
{
    (void)class;
    void (*set_register)(struct _Unwind_Context *, int, _Unwind_Word) = _Unwind_SetGR;
    void (*set_place)(struct _Unwind_Context *, _Unwind_Ptr) = _Unwind_SetIP;
    if (version != 1 || actions & _UA_FORCE_UNWIND || set_register == NULL || set_place == NULL)
        return _URC_CONTINUE_UNWIND; /* pthread_exit is not an exception */
    if (actions & _UA_SEARCH_PHASE)
        return _URC_HANDLER_FOUND;
    set_register(at, __builtin_eh_return_data_regno(0), (_Unwind_Word)e);
    set_place(at, (_Unwind_Ptr)glet_guard_landing);
    return _URC_INSTALL_CONTEXT;
}

/*
 * Is it a class of the C++ runtime that the program is linked with? A library can have
 * another one, of its own, whose types ours knows nothing of.
 */
static int is_class(const struct type_info *type)
{
    enum { FIRST = 2 }; /* where a vtable begins, for those who point to it (2.5.2) */
    void **classes[] = {_ZTVN10__cxxabiv117__class_type_infoE, _ZTVN10__cxxabiv120__si_class_type_infoE,
                        _ZTVN10__cxxabiv121__vmi_class_type_infoE};

    for (size_t i = 0; i < sizeof classes / sizeof *classes; i++)
        if (classes[i] != NULL && type->vtable == classes[i] + FIRST)
            return 1;
    return 0;
}

/*
 * object->what(), if that is a std::exception. The question is the one that C++'s own
 * handlers ask, of the fifth of type_info's virtual functions, in both runtimes:
 * __do_catch in GCC's, can_catch in LLVM's. what is the third of std::exception's.
 */
static const char *what(void *object, const struct type_info *type)
{
    struct type_info *wanted = &_ZTISt9exception;
    typedef int catches(const struct type_info *, const struct type_info *, void **, unsigned);
    typedef const char *method(void *);

    if (wanted == NULL || object == NULL || !is_class(type) ||
        !(((catches **)wanted->vtable)[4](wanted, type, &object, 1) & 1)) /* a bool */
        return NULL;
    return (*(method ***)object)[2](object);
}

/* The text of the exception e that is handled, to be freed with glet_exception_free. */
static char *describe(struct _Unwind_Exception *e, const struct type_info *type)
{
    char *name = NULL, *text = NULL;
    char *(*demangle)(const char *, char *, size_t *, int *) = __cxa_demangle;
    struct exception_ptr (*current)(void) = _ZSt17current_exceptionv;
    void (*end)(struct exception_ptr *) = _ZNSt15__exception_ptr13exception_ptrD1Ev;
    struct exception_ptr p = {NULL, {NULL}};

    if (end == NULL)
        end = _ZNSt13exception_ptrD1Ev;
    if (demangle != NULL)
        name = demangle(type->name + (*type->name == '*'), NULL, NULL, NULL);
    if (current != NULL && end != NULL)
        p = current();
    void *object = p.object;
    if (object == NULL && (e->exception_class & 0xff) == 0)
        object = e + 1; /* the C++ runtime is linked statically, without what nobody uses */
    const char *shown = name != NULL ? name : type->name, *why = what(object, type);
    if (asprintf(&text, "%s%s%s", shown, why != NULL ? ": " : "", why != NULL ? why : "") < 0)
        text = no_memory;
    if (p.object != NULL)
        end(&p);
    free(name);
    return text;
}

/* Of the two C++ runtimes, or of another language? (2.2.1; the last byte is 1 for std::rethrow_exception's.) */
static int is_cxx(const struct _Unwind_Exception *e)
{
    const _Unwind_Exception_Class gcc = 0x474e5543432b2b, llvm = 0x434c4e47432b2b; /* GNUCC++, CLNGC++ */
    return e->exception_class >> 8 == gcc || e->exception_class >> 8 == llvm;
}

int glet_guard_caught(struct _Unwind_Exception *e, char **exception)
{
    void *(*begin)(void *) = __cxa_begin_catch;
    void (*end)(void) = __cxa_end_catch;
    struct type_info *(*type)(void) = __cxa_current_exception_type;

    if (begin == NULL || end == NULL || type == NULL || !is_cxx(e)) {
        *exception = strdup("an exception of a language other than C++");
        if (*exception == NULL)
            *exception = no_memory;
        if (e->exception_cleanup != NULL)
            e->exception_cleanup(_URC_FOREIGN_EXCEPTION_CAUGHT, e);
        return 0;
    }
    (void)begin(e);
    const struct type_info *t = type(); /* NULL: LLVM's says nothing of GCC's */
    *exception = t != NULL ? describe(e, t) : strdup("an exception of another C++ runtime");
    if (*exception == NULL)
        *exception = no_memory;
    end(); /* its destructor may switch */
    return 0;
}

#else
/* There is no such frame for this CPU: an exception that leaves a body is std::terminate. */
static int glet_guard(greenlet_body body, void *arg, void *value, void **result, char **exception)
{
    (void)exception;
    return body(arg, value, result);
}
#endif

int glet_call_body(uintptr_t body, uintptr_t arg, uintptr_t value, uintptr_t *result, char **exception)
{
    void *r = NULL;
    char *text = NULL;

    int code = glet_guard((greenlet_body)body, (void *)arg, (void *)value, &r, &text);
    *result = (uintptr_t)r;
    *exception = text;
    return code;
}
