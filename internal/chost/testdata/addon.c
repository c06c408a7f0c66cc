/* addon.c - Go as a library of Node: an addon whose functions run greenlets. */
#define NAPI_VERSION 8
#include <node_api.h>

typedef int function(int n);
extern int libInterleave(function *through, int n, int leave); /* in Go */
extern int libPause(int n);
extern void libCollect(void);

struct work {
    napi_async_work work;
    napi_deferred deferred;
    int n, result;
};

static int interleave(int n)
{
    if (n % 3 == 0)
        libCollect();
    return libInterleave(libPause, n, 0);
}

static int number(napi_env env, napi_callback_info info)
{
    size_t argc = 1;
    napi_value arg;
    int32_t n = 0;
    napi_get_cb_info(env, info, &argc, &arg, NULL, NULL);
    napi_get_value_int32(env, arg, &n);
    return n;
}

/* On Node's own thread. */
static napi_value run(napi_env env, napi_callback_info info)
{
    napi_value result;
    napi_create_int32(env, interleave(number(env, info)), &result);
    return result;
}

static void execute(napi_env env, void *data)
{
    struct work *w = data;
    (void)env;
    w->result = interleave(w->n);
}

static void complete(napi_env env, napi_status status, void *data)
{
    struct work *w = data;
    napi_value result;
    (void)status;
    napi_create_int32(env, w->result, &result);
    napi_resolve_deferred(env, w->deferred, result);
    napi_delete_async_work(env, w->work);
}

/* On a thread of Node's pool: a promise. */
static napi_value run_later(napi_env env, napi_callback_info info)
{
    static struct work all[1000];
    static int used;
    struct work *w = &all[used++ % 1000];
    napi_value promise, name;
    w->n = number(env, info);
    napi_create_promise(env, &w->deferred, &promise);
    napi_create_string_utf8(env, "greenlets", NAPI_AUTO_LENGTH, &name);
    napi_create_async_work(env, NULL, name, execute, complete, w, &w->work);
    napi_queue_async_work(env, w->work);
    return promise;
}

NAPI_MODULE_INIT()
{
    napi_value f;
    napi_create_function(env, "run", NAPI_AUTO_LENGTH, run, NULL, &f);
    napi_set_named_property(env, exports, "run", f);
    napi_create_function(env, "runLater", NAPI_AUTO_LENGTH, run_later, NULL, &f);
    napi_set_named_property(env, exports, "runLater", f);
    return exports;
}
