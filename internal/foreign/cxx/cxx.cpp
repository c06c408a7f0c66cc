//go:build greenlet_foreign && cgo && linux

#include "cxx.h"

#include <coro.h>
#include <greenlet.h>

#include <csetjmp>
#include <cstdlib>
#include <cstring>
#include <exception>
#include <stdexcept>
#include <string>
#include <unwind.h>

static int failures, alive;

static void expect(bool ok) { failures += !ok; }

/* Others run here, handle exceptions of their own, and suspend while they do. */
static void suspend()
{
    static int n;
    const std::exception_ptr mine = std::current_exception();
    const int uncaught = std::uncaught_exceptions();

    greenlet *parent = nullptr;
    if (n++ % 2 == 0) {
        cxxSuspend();
    } else if (greenlet_parent(greenlet_self(), &parent) == GREENLET_OK && parent != nullptr) {
        expect(greenlet_switch(parent, nullptr, nullptr) == GREENLET_OK);
        greenlet_free(parent);
    }
    expect(std::current_exception() == mine);
    expect(std::uncaught_exceptions() == uncaught);
}

struct own {
    long id;
};

struct late { /* suspends while an exception is on its way */
    ~late() { suspend(); }
};

static void handle(long id)
{
    try {
        late l;
        throw own{id};
    } catch (const own &) {
        suspend();
        try {
            late l;
            throw own{-id};
        } catch (const own &second) {
            suspend();
            expect(second.id == -id);
        }
        try {
            suspend();
            throw;
        } catch (const own &again) {
            suspend();
            expect(again.id == id);
        }
    }
    suspend();
    expect(std::current_exception() == nullptr && std::uncaught_exceptions() == 0);
}

/* From a depth of its own. */
static long down(long n, long id)
{
    if (n == 0) {
        handle(id);
        return id;
    }
    return down(n - 1, id) + 1;
}

extern "C" int cxx_handle(void *arg, void *value, void **result)
{
    (void)value;
    const long id = (long)(intptr_t)arg;
    *result = (void *)(intptr_t)down(id % 5, id);
    return GREENLET_OK;
}

extern "C" int cxx_in_catch(uintptr_t function)
{
    try {
        throw own{42};
    } catch (...) {
        cxxCall(function);
        try {
            throw;
        } catch (const own &o) {
            expect(o.id == 42);
        }
    }
    expect(std::current_exception() == nullptr);
    return failures;
}

struct living {
    living() { alive++; }
    ~living() { alive--; }
};

struct other {
    virtual ~other() = default;
    int n = 0;
};
struct both : other, std::runtime_error {
    both() : std::runtime_error("and other") {}
};
struct far : virtual std::logic_error {
    far() : std::logic_error("virtually") {}
};
struct parting { /* an exception whose end suspends */
    parting() { alive++; }
    ~parting() {
        suspend();
        alive--;
    }
};
namespace {
struct hidden {};
}
namespace shop {
struct closed : std::logic_error {
    using std::logic_error::logic_error;
};
}

/* As another language would, whose exceptions begin otherwise. */
static void raise_foreign()
{
    enum { BEFORE = 256 };
    char *block = (char *)std::malloc(BEFORE + sizeof(_Unwind_Exception));
    std::memset(block, 0xaa, BEFORE);
    auto *e = new (block + BEFORE) _Unwind_Exception();
    std::memcpy(&e->exception_class, "TSURTSUR", 8);
    e->exception_cleanup = [](_Unwind_Reason_Code, _Unwind_Exception *it) {
        alive--;
        std::free((char *)it - BEFORE);
    };
    alive++;
    _Unwind_RaiseException(e);
    std::abort();
}

/*
 * As a library would that has another C++ runtime inside: its types are not ours to
 * ask. The header is the one that both runtimes have (2.2.1).
 */
static void raise_other()
{
    struct header {
        const void *type;
        void *handlers[4];
        int counts[2];
        void *caches[4];
        _Unwind_Exception e;
    };
    typedef void function();
    static function *const vtable[] = {std::abort, std::abort, std::abort, std::abort, std::abort, std::abort};
    static const struct {
        function *const *vtable;
        const char *name;
    } type = {vtable, "3Odd"};
    enum { BEFORE = 256 };
    char *block = (char *)std::calloc(1, BEFORE + sizeof(header) + 64); /* and an object, which is no std::exception */
    auto *h = (header *)(block + BEFORE);
    h->type = &type;
#ifdef _LIBCPP_VERSION
    std::memcpy(&h->e.exception_class, "\0++CCUNG", 8);
#else
    std::memcpy(&h->e.exception_class, "\0++CGNLC", 8);
#endif
    h->e.exception_cleanup = [](_Unwind_Reason_Code, _Unwind_Exception *it) {
        alive--;
        std::free((char *)it - offsetof(header, e) - BEFORE);
    };
    alive++;
    _Unwind_RaiseException(&h->e);
    std::abort();
}

static void raise(const char *kind)
{
    living l;
    const std::string which = kind;
    if (which == "standard")
        throw std::runtime_error("no more wine");
    if (which == "derived")
        throw shop::closed("on Mondays");
    if (which == "number")
        throw 42;
    if (which == "both")
        throw both();
    if (which == "virtual")
        throw far();
    if (which == "nested") {
        try {
            throw 1;
        } catch (int) {
            std::throw_with_nested(std::runtime_error("around it"));
        }
    }
    if (which == "hidden")
        throw hidden();
    if (which == "pointer")
        throw "in the text segment";
    if (which == "counted")
        throw living();
    if (which == "parting")
        throw parting();
    if (which == "foreign")
        raise_foreign();
    if (which == "other")
        raise_other();
    if (which == "again")
        std::rethrow_exception(std::make_exception_ptr(std::runtime_error("kept")));
    if (which == "late") {
        late s;
        throw std::bad_alloc();
    }
    if (which == "rethrown") {
        try {
            throw std::out_of_range("far");
        } catch (const std::exception &) {
            suspend();
            throw;
        }
    }
}

extern "C" int cxx_escape(void *arg, void *value, void **result)
{
    (void)value;
    (void)result;
    living l;
    raise((const char *)arg);
    return GREENLET_OK;
}

static std::exception_ptr panicked_in; /* so that a search for leaks finds it */

extern "C" int cxx_panic(void *, void *, void **)
{
    try {
        late l;
        throw own{7};
    } catch (...) {
        panicked_in = std::current_exception();
        cxxPanic();
    }
    return GREENLET_OK;
}

extern "C" int cxx_look(void *arg, void *, void **result)
{
    if (std::current_exception() != nullptr || std::uncaught_exceptions() != 0)
        *result = arg;
    return GREENLET_OK;
}

extern "C" int cxx_alive(void) { return alive; }

static std::exception_ptr stayed_in, jumped_out_of; /* so that a search for leaks finds them */

static glet_coro *stay_in_catch(void *back)
{
    try {
        throw own{1};
    } catch (...) {
        stayed_in = std::current_exception();
        glet_coro_switch((glet_coro *)back);
        std::abort();
    }
}

/* As a panic of Go would: the end of the catch block is never reached. */
static glet_coro *jump_out_of_catch(void *back)
{
    static jmp_buf out;
    if (setjmp(out) == 0) {
        try {
            throw own{2};
        } catch (...) {
            jumped_out_of = std::current_exception();
            longjmp(out, 1);
        }
    }
    return (glet_coro *)back;
}

static bool clean;

static glet_coro *look(void *back)
{
    clean = std::current_exception() == nullptr;
    return (glet_coro *)back;
}

extern "C" const char *cxx_unfinished(void)
{
    glet_coro *root = glet_coro_current(), *c;

    if (glet_coro_new(&c, 0, stay_in_catch, root) != GLET_OK || glet_coro_switch(c) != GLET_OK)
        return "no coroutine";
    if (std::current_exception() != nullptr)
        return "a suspended coroutine's exception is seen where another goes on";
    if (glet_coro_restart(c, look, root) != GLET_OK || glet_coro_switch(c) != GLET_OK)
        return "no restart";
    if (!clean)
        return "a restarted coroutine has its exception still";
    if (glet_coro_restart(c, jump_out_of_catch, root) != GLET_OK || glet_coro_switch(c) != GLET_OK)
        return "no second restart";
    if (std::current_exception() != nullptr)
        return "a finished coroutine's exception is seen where another goes on";
    return glet_coro_free(c) == GLET_OK ? nullptr : "no end";
}
