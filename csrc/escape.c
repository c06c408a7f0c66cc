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
#include "interface.h"

#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unwind.h>

static __thread char *escaped __attribute__((tls_model("initial-exec")));

#if defined(__x86_64__) || defined(__aarch64__)

/* In assembly: calls a body; and where the unwinder goes on with a caught exception. */
int glet_guard(greenlet_body body, void *arg, void *value, void **result);
void glet_guard_landing(void);
/* Called from there. */
_Unwind_Reason_Code glet_guard_personality(int version, _Unwind_Action actions, _Unwind_Exception_Class class,
                                           struct _Unwind_Exception *e, struct _Unwind_Context *at);
int glet_guard_caught(struct _Unwind_Exception *e);

/* The beginning of std::type_info, and of what derives from it for a class with one base (2.9.5). */
struct type_info {
    void **vtable;
    const char *name;
    const struct type_info *base;
};

#define WEAK __attribute__((weak))
extern WEAK void _Unwind_SetGR(struct _Unwind_Context *, int, _Unwind_Word);
extern WEAK void _Unwind_SetIP(struct _Unwind_Context *, _Unwind_Ptr);
extern WEAK void *__cxa_begin_catch(void *);
extern WEAK void __cxa_end_catch(void);
extern WEAK struct type_info *__cxa_current_exception_type(void);
extern WEAK char *__cxa_demangle(const char *, char *, size_t *, int *);
extern WEAK void *_ZTVN10__cxxabiv120__si_class_type_infoE[]; /* the vtable of those with one base */

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
 * e->what(), if e is a std::exception by single inheritance: then the two are at the
 * same address, and what is the third in the vtable, after the destructors (2.5.2).
 */
static const char *what(struct _Unwind_Exception *e, const struct type_info *type)
{
    void **one_base = _ZTVN10__cxxabiv120__si_class_type_infoE;

    if ((e->exception_class & 0xff) != 0) /* std::rethrow_exception's: the object is elsewhere */
        return NULL;
    while (strcmp(type->name, "St9exception") != 0) {
        if (one_base == NULL || type->vtable != one_base + 2)
            return NULL;
        type = type->base;
    }
    void *object = e + 1;
    typedef const char *method(void *);
    return (*(method ***)object)[2](object);
}

/* The text of a caught exception, to be freed. */
static char *describe(struct _Unwind_Exception *e, const struct type_info *type)
{
    char *name = NULL, *text = NULL;
    char *(*demangle)(const char *, char *, size_t *, int *) = __cxa_demangle;

    if (type == NULL)
        return strdup("an exception of a language other than C++");
    if (demangle != NULL)
        name = demangle(type->name + (*type->name == '*'), NULL, NULL, NULL);
    const char *shown = name != NULL ? name : type->name, *why = what(e, type);
    if (asprintf(&text, "%s%s%s", shown, why != NULL ? ": " : "", why != NULL ? why : "") < 0)
        text = NULL;
    free(name);
    return text;
}

int glet_guard_caught(struct _Unwind_Exception *e)
{
    void *(*begin)(void *) = __cxa_begin_catch;
    void (*end)(void) = __cxa_end_catch;
    struct type_info *(*current)(void) = __cxa_current_exception_type;

    if (begin == NULL || end == NULL || current == NULL) {
        escaped = describe(e, NULL);
        if (e->exception_cleanup != NULL)
            e->exception_cleanup(_URC_FOREIGN_EXCEPTION_CAUGHT, e);
        return 0;
    }
    (void)begin(e);
    escaped = describe(e, current());
    end();
    return 0;
}

#else
/* There is no such frame for this CPU: an exception that leaves a body is std::terminate. */
static int glet_guard(greenlet_body body, void *arg, void *value, void **result) { return body(arg, value, result); }
#endif

int glet_call_body(uintptr_t body, uintptr_t arg, uintptr_t value, uintptr_t *result, char **exception)
{
    void *r = NULL;

    int code = glet_guard((greenlet_body)body, (void *)arg, (void *)value, &r);
    *result = (uintptr_t)r;
    *exception = escaped;
    escaped = NULL;
    return code;
}
