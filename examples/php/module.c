//go:build greenlet_php

/*
 * module.c - Go functions in PHP, and calls of PHP from Go.
 *
 * PHP's fatal errors are longjmps. None may skip Go frames: so each call of PHP from Go
 * catches them and returns a code, Go returns it, and the C function that PHP has called,
 * which has no Go frames above it any more, jumps on.
 */
#define _GNU_SOURCE
#include "module.h"

#include <ext/json/php_json.h>
#include <stdlib.h>
#include <string.h>
#include <zend_exceptions.h>
#include <zend_interfaces.h>

struct php_callable {
    zend_fcall_info info;
    zend_fcall_info_cache cache;
};

/* What a Go function has returned, as PHP goes on with it; 1: there is a text. */
static int went_well(int code, php_answer *a)
{
    if (code == PHP_FAILED)
        zend_throw_exception_ex(NULL, 0, "%.*s", (int)a->size, a->text);
    if (code != PHP_OK) {
        free(a->text);
        a->text = NULL;
    }
    if (code == PHP_EXIT)
        zend_throw_unwind_exit(); /* as exit() does */
    if (code == PHP_BAILOUT)
        zend_bailout();
    return code == PHP_OK;
}

#define ARGUMENTS(spec, ...)                                                   \
    if (zend_parse_parameters(ZEND_NUM_ARGS(), spec, __VA_ARGS__) == FAILURE)  \
        return;                                                                \
    php_answer a = {0}

static ZEND_FUNCTION(http_get)
{
    char *url;
    size_t size;
    ARGUMENTS("s", &url, &size);
    if (went_well(phpHTTPGet(url, size, &a), &a)) {
        RETVAL_STRINGL(a.text, a.size);
        free(a.text);
    }
}

static ZEND_FUNCTION(sleep_ms)
{
    zend_long ms;
    ARGUMENTS("l", &ms);
    if (went_well(phpSleep(ms, &a), &a))
        free(a.text);
}

static ZEND_FUNCTION(query)
{
    char *sql;
    size_t size;
    ARGUMENTS("s", &sql, &size);
    if (went_well(phpQuery(sql, size, &a), &a)) {
        php_json_decode_ex(return_value, a.text, a.size, PHP_JSON_OBJECT_AS_ARRAY, 16);
        free(a.text);
    }
}

/* PHP -> Go -> PHP */
static ZEND_FUNCTION(through_go)
{
    struct php_callable f;
    ARGUMENTS("f", &f.info, &f.cache);
    f.info.retval = return_value;
    if (went_well(phpThrough(&f, &a), &a))
        free(a.text);
}

static ZEND_FUNCTION(go_panic)
{
    char *text;
    size_t size;
    ARGUMENTS("s", &text, &size);
    (void)went_well(phpPanic(text, size, &a), &a);
}

static ZEND_FUNCTION(give)
{
    char *text;
    size_t size;
    ARGUMENTS("s", &text, &size);
    if (went_well(phpGive(text, size, &a), &a)) {
        RETVAL_STRINGL(a.text, a.size);
        free(a.text);
    }
}

static ZEND_FUNCTION(finish)
{
    php_answer a = {0};
    ZEND_PARSE_PARAMETERS_NONE();
    if (went_well(phpFinish(&a), &a))
        free(a.text);
}

static ZEND_FUNCTION(serve)
{
    php_answer a = {0};
    ZEND_PARSE_PARAMETERS_NONE();
    if (went_well(phpServe(&a), &a))
        free(a.text);
}

ZEND_BEGIN_ARG_INFO_EX(nothing, 0, 0, 0)
ZEND_END_ARG_INFO()
ZEND_BEGIN_ARG_INFO_EX(one, 0, 0, 1)
ZEND_ARG_INFO(0, argument)
ZEND_END_ARG_INFO()

static const zend_function_entry functions[] = {
    ZEND_FE(http_get, one)
    ZEND_FE(sleep_ms, one)
    ZEND_FE(query, one)
    ZEND_FE(through_go, one)
    ZEND_FE(go_panic, one)
    ZEND_FE(give, one)
    ZEND_FE(finish, nothing)
    ZEND_FE(serve, nothing)
    ZEND_FE_END
};

static int adopt;

static PHP_MINIT_FUNCTION(greenlet)
{
    (void)type, (void)module_number;
    if (adopt)
        module_adopt();
    return SUCCESS;
}

static PHP_RSHUTDOWN_FUNCTION(greenlet)
{
    (void)type, (void)module_number;
    module_fibers_end();
    return SUCCESS;
}

static zend_module_entry module = {
    STANDARD_MODULE_HEADER, "greenlet", functions, PHP_MINIT(greenlet), NULL, NULL, PHP_RSHUTDOWN(greenlet), NULL,
    "1", STANDARD_MODULE_PROPERTIES,
};

/* Here, since php_embed_module.additional_functions is looked at before MINIT could be. */
static int startup(sapi_module_struct *m) { return php_module_startup(m, &module); }

static size_t print(const char *text, size_t size)
{
    phpPrint(module_job(), (char *)text, size);
    return size;
}

static void logged(const char *text, int type)
{
    (void)type;
    phpLog((char *)text);
}

static void (*next_interrupt)(zend_execute_data *);
static int ending; /* shutdown functions and destructors run, and are not cut short */

/* Called where a loop begins again, and where a function does, after php_interrupt. */
static void interrupted(zend_execute_data *frame)
{
    if (!ending && EG(exception) == NULL && phpEnded())
        zend_throw_unwind_exit();
    if (next_interrupt != NULL)
        next_interrupt(frame);
}

void php_interrupt(void) { zend_atomic_bool_store(&EG(vm_interrupt), true); }

int php_start(int with_fibers)
{
    adopt = with_fibers;
    php_embed_module.startup = startup;
    php_embed_module.ub_write = print;
    php_embed_module.log_message = logged;
    if (php_embed_init(0, NULL) != SUCCESS)
        return -1;
    next_interrupt = zend_interrupt_function;
    zend_interrupt_function = interrupted;
    php_request_shutdown(NULL); /* it has begun one */
    return 0;
}

int php_run(const char *code)
{
    volatile int result = PHP_OK;
    if (php_request_startup() != SUCCESS)
        return -1;
    SG(headers_sent) = 1;
    SG(request_info).no_headers = 1;
    ending = 0;
    zend_first_try {
        (void)zend_eval_string_ex((char *)code, NULL, "script", true); /* prints what is not caught */
    } zend_catch {
        result = PHP_BAILOUT;
    } zend_end_try();
    ending = 1;
    php_request_shutdown(NULL);
    return result;
}

php_fiber *php_current(void)
{
    zend_fiber_context *c = EG(current_fiber_context);
    if (c == NULL || c == EG(main_fiber_context))
        return NULL;
    zend_fiber *f = zend_fiber_from_context(c);
    GC_ADDREF(&f->std);
    return f;
}

void php_release(php_fiber *f) { OBJ_RELEASE(&f->std); }

int php_dead(const php_fiber *f) { return f->context.status == ZEND_FIBER_STATUS_DEAD; }

/* Calls a method, which may have a fatal error. */
static int method(zend_object *o, const char *name, int n, zval *args)
{
    volatile int code = PHP_OK;
    zend_try {
        zval result;
        ZVAL_UNDEF(&result);
        zend_call_method(o, zend_ce_fiber, NULL, name, strlen(name), &result, n, args, args == NULL ? NULL : args + 1);
        zval_ptr_dtor(&result);
        code = EG(exception) != NULL ? PHP_THROWN : PHP_OK;
    } zend_catch {
        code = PHP_BAILOUT;
    } zend_end_try();
    return code;
}

int php_suspend(void) { return method(NULL, "suspend", 0, NULL); }

int php_resume(php_fiber *f)
{
    GC_ADDREF(&f->std); /* it may have been the last to refer to itself */
    int code = method(&f->std, "resume", 0, NULL);
    OBJ_RELEASE(&f->std);
    return code;
}

int php_new(php_fiber **f, uintptr_t job, const char *file, const char *request)
{
    static const char body[] = "new Fiber(static function (string $file, string $request) { include $file; })";
    volatile int code = PHP_OK;
    zval o, args[2];
    ZVAL_UNDEF(&o);
    zend_try {
        if (zend_eval_string((char *)body, &o, "serve") != SUCCESS || EG(exception) != NULL)
            code = PHP_THROWN;
    } zend_catch {
        code = PHP_BAILOUT;
    } zend_end_try();
    if (code != PHP_OK)
        return code;
    *f = (php_fiber *)Z_OBJ(o);
    ZVAL_STRING(&args[0], file);
    ZVAL_STRING(&args[1], request);
    module_next_job = job;
    code = method(Z_OBJ(o), "start", 2, args);
    module_next_job = 0;
    zval_ptr_dtor(&args[0]);
    zval_ptr_dtor(&args[1]);
    return code;
}

int php_call(php_callable *f)
{
    volatile int code = PHP_OK;
    zend_try {
        if (zend_call_function(&f->info, &f->cache) != SUCCESS || EG(exception) != NULL)
            code = PHP_THROWN;
    } zend_catch {
        code = PHP_BAILOUT;
    } zend_end_try();
    return code;
}

char *php_caught(void)
{
    zend_object *e = EG(exception);
    char *text = NULL;
    if (!zend_is_unwind_exit(e) && !zend_is_graceful_exit(e)) {
        zval buffer, *message = zend_read_property(e->ce, e, "message", sizeof "message" - 1, 1, &buffer);
        zend_string *s = zval_get_string(message);
        text = strdup(ZSTR_VAL(s));
        zend_string_release(s);
    }
    zend_clear_exception();
    return text;
}
