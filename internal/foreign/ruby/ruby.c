//go:build greenlet_foreign && cgo && linux

#include "ruby_run.h"

#include <fiber.h>
#include <ruby.h>
#include <string.h>

static uintptr_t handle;
static glet_fiber *hub; /* what runs while Ruby does; NULL: not adopted */
static ID known;        /* the variable of a Ruby fiber that has an object with its glet_fiber */

/* A fiber is freed with the Ruby fiber that it belongs to, by Ruby's collector. */
static void forget(void *f)
{
    (void)glet_fiber_free(f); /* GLET_EFRAMES, on the portable engine: Go keeps it */
}

static const rb_data_type_t type = {
    .wrap_struct_name = "glet_fiber",
    .function = {.dfree = forget},
    .flags = RUBY_TYPED_FREE_IMMEDIATELY,
};

/* The fiber of the Ruby fiber that runs: Ruby's first one, which is the stack that Ruby was
 * called on, has one like the others, since another one waits on it: who has called Ruby. */
static glet_fiber *own_fiber(void)
{
    VALUE self = rb_fiber_current();
    VALUE object = rb_ivar_get(self, known);
    if (!NIL_P(object))
        return rb_check_typeddata(object, &type);
    glet_fiber *f = NULL;
    if (glet_fiber_new(&f, NULL, 0) != GLET_OK)
        rb_raise(rb_eNoMemError, "a fiber cannot be made known to Go");
    rb_ivar_set(self, known, TypedData_Wrap_Struct(rb_cObject, &type, f));
    return f;
}

static void check(int code)
{
    if (code != GLET_OK)
        rb_raise(rb_eRuntimeError, "a fiber: %s", glet_text(code)); /* before Go is called */
}

/* Ruby calls Go: so long it is known who runs. */
static VALUE go(VALUE self, VALUE n)
{
    (void)self;
    long long k = NUM2LL(n);
    int failed = 0;
    if (hub != NULL)
        check(glet_fiber_switch(own_fiber()));
    long long result = rubyGo(handle, k, &failed);
    if (hub != NULL)
        check(glet_fiber_switch(hub));
    if (failed)
        rb_jump_tag(failed); /* the exception that the block has raised */
    return LL2NUM(result);
}

static VALUE yield(VALUE n) { return rb_yield(n); }

/* Go calls Ruby: so long it is the hub that runs. Ruby's exceptions are longjmps, and wait. */
long long ruby_block(long long n, int *failed)
{
    glet_fiber *self = NULL;
    if (hub != NULL && glet_fiber_leave(hub, &self) != GLET_OK)
        abort();
    VALUE v = rb_protect(yield, LL2NUM(n), failed);
    if (self != NULL && glet_fiber_switch(self) != GLET_OK)
        abort();
    return *failed || !RB_INTEGER_TYPE_P(v) ? 0 : NUM2LL(v);
}

int ruby_begin(void)
{
    static char *argv[] = {"go", "--disable=gems", "-e", "", NULL};
    int argc = 4;
    char **args = argv;
    ruby_sysinit(&argc, &args);
    RUBY_INIT_STACK;
    if (ruby_setup() != 0)
        return -1;
    (void)ruby_options(argc, args); /* for what of Ruby is written in Ruby; its program is empty */
    known = rb_intern("__glet_fiber");
    rb_define_global_function("go", go, 1);
    return 0;
}

char *ruby_run(const char *script, uintptr_t h, int adopt)
{
    int failed = 0;
    glet_fiber *self = NULL;
    handle = h;
    hub = NULL;
    if (adopt && (glet_fiber_new(&hub, NULL, 0) != GLET_OK || glet_fiber_leave(hub, &self) != GLET_OK))
        return strdup("no hub");
    rb_eval_string_protect(script, &failed);
    char *text = NULL;
    if (failed) {
        VALUE e = rb_errinfo();
        rb_set_errinfo(Qnil);
        VALUE s = rb_obj_as_string(e);
        text = strdup(StringValueCStr(s));
    }
    if (self != NULL && (glet_fiber_switch(self) != GLET_OK || glet_fiber_free(hub) != GLET_OK))
        text = strdup("the hub does not end");
    hub = NULL;
    return text;
}
