//go:build greenlet_foreign

/*
 * script.c - Lua's errors are longjmps: none is raised while Go frames are above. So a Go
 * function returns, and says what is wrong in s->text, and then C raises it.
 */
#include "script.h"

#include <lauxlib.h>
#include <lua.h>
#include <lualib.h>
#include <stdlib.h>
#include <string.h>

/*
 * Every so many instructions a script lets the others run, and may be told to end. It can
 * catch that (pcall), and its __close functions have to run. But when it has been told so often,
 * it is told at every instruction.
 *
 * Lua calls no hook while a hook raises an error, and while it collects garbage. So a message
 * handler is not called when a script is told to end, nor is what a coroutine would close that
 * has ended by that, and there are no __gc functions. What is written in C, as Lua's patterns
 * are, is not interrupted either.
 */
enum { TICK = 10000, PATIENCE = 10, MEMORY = 64 << 20 };

static script *script_of(lua_State *L) { return *(script **)lua_getextraspace(L); }

static void forget(script *s)
{
    free(s->text);
    s->text = NULL;
    s->size = 0;
}

static int check(lua_State *L, script *s, int code)
{
    if (code == 0)
        return 0;
    luaL_where(L, 1);
    lua_pushlstring(L, s->text == NULL ? "ended" : s->text, s->text == NULL ? 5 : s->size);
    lua_concat(L, 2);
    return lua_error(L);
}

static int fetch(lua_State *L)
{
    script *s = script_of(L);
    size_t size;
    const char *url = luaL_checklstring(L, 1, &size);
    forget(s);
    check(L, s, scriptFetch(s, (char *)url, size));
    lua_pushlstring(L, s->text, s->size);
    return 1;
}

static int rest(lua_State *L)
{
    script *s = script_of(L);
    lua_Number seconds = luaL_checknumber(L, 1);
    forget(s);
    return check(L, s, scriptSleep(s, seconds));
}

static int write_text(lua_State *L)
{
    script *s = script_of(L);
    size_t size;
    const char *text = luaL_checklstring(L, 1, &size);
    forget(s);
    return check(L, s, scriptWrite(s, (char *)text, size));
}

/* The rows come as numbers of 32 bits: rows, columns; then each value's size, or -1, and text. */
static int32_t number(const char **p)
{
    int32_t n;
    memcpy(&n, *p, sizeof n);
    *p += sizeof n;
    return n;
}

static int query(lua_State *L)
{
    script *s = script_of(L);
    size_t size;
    const char *sql = luaL_checklstring(L, 1, &size);
    forget(s);
    check(L, s, scriptQuery(s, (char *)sql, size));
    const char *p = s->text;
    int32_t rows = number(&p), columns = number(&p);
    lua_createtable(L, rows, 0);
    for (int32_t i = 1; i <= rows; i++) {
        lua_createtable(L, columns, 0);
        for (int32_t j = 1; j <= columns; j++) {
            int32_t n = number(&p);
            if (n < 0)
                continue;
            lua_pushlstring(L, p, (size_t)n);
            lua_rawseti(L, -2, j);
            p += n;
        }
        lua_rawseti(L, -2, i);
    }
    return 1;
}

static void tick(lua_State *L, lua_Debug *ar)
{
    (void)ar;
    script *s = script_of(L);
    forget(s);
    int code = scriptTick(s);
    if (code != 0 && ++s->told >= PATIENCE)
        lua_sethook(L, tick, LUA_MASKCOUNT, 1);
    if (code != 0 && lua_isyieldable(L))
        (void)lua_yield(L, 0); /* a coroutine: who has resumed it will be told, too */
    else
        check(L, s, code);
}

/* What is on the stack are a library function's arguments, and it is the upvalue. */
static int returned(lua_State *L, int status, lua_KContext ctx)
{
    (void)status, (void)ctx;
    return lua_gettop(L);
}

static int original(lua_State *L)
{
    lua_pushvalue(L, lua_upvalueindex(1));
    lua_insert(L, 1);
    lua_callk(L, lua_gettop(L) - 1, LUA_MULTRET, 0, returned);
    return lua_gettop(L);
}

static int handler(lua_State *L)
{
    lua_settop(L, 1);
    if (script_of(L)->told == 0) {
        lua_pushvalue(L, lua_upvalueindex(1));
        lua_insert(L, 1);
        lua_call(L, 1, 1);
    }
    return 1;
}

static int guarded_xpcall(lua_State *L)
{
    luaL_checktype(L, 2, LUA_TFUNCTION);
    lua_pushvalue(L, 2);
    lua_pushcclosure(L, handler, 1);
    lua_replace(L, 2);
    return original(L);
}

static int guarded_setmetatable(lua_State *L)
{
    if (lua_istable(L, 2) && (lua_pushliteral(L, "__gc"), lua_rawget(L, 2)) != LUA_TNIL)
        return luaL_error(L, "there is no __gc for scripts: nothing could stop it");
    lua_settop(L, 2);
    return original(L);
}

static int guarded_load(lua_State *L) /* of text: Lua does not check its byte code */
{
    if (lua_gettop(L) < 3)
        lua_settop(L, 3);
    lua_pushliteral(L, "t");
    lua_replace(L, 3);
    return original(L);
}

static void guard(lua_State *L, const char *name, lua_CFunction f)
{
    lua_getglobal(L, name);
    lua_pushcclosure(L, f, 1);
    lua_setglobal(L, name);
}

/* No files, no process, no hooks. */
static void open_libraries(lua_State *L)
{
    static const luaL_Reg libraries[] = {
        {LUA_GNAME, luaopen_base}, {LUA_COLIBNAME, luaopen_coroutine}, {LUA_TABLIBNAME, luaopen_table},
        {LUA_STRLIBNAME, luaopen_string}, {LUA_MATHLIBNAME, luaopen_math}, {LUA_UTF8LIBNAME, luaopen_utf8}};
    static const char coroutines[] =
        "local create, resume = coroutine.create, coroutine.resume\n"
        "local function results(ok, ...) if ok then return ... end error((...), 0) end\n"
        "function coroutine.wrap(f)\n"
        "    local c = create(f)\n"
        "    return function(...) return results(resume(c, ...)) end\n"
        "end\n"
        "coroutine.close, dofile, loadfile = nil";
    for (size_t i = 0; i < sizeof libraries / sizeof *libraries; i++) {
        luaL_requiref(L, libraries[i].name, libraries[i].func, 1);
        lua_pop(L, 1);
    }
    guard(L, "xpcall", guarded_xpcall);
    guard(L, "setmetatable", guarded_setmetatable);
    guard(L, "load", guarded_load);
    if (luaL_dostring(L, coroutines) != LUA_OK)
        (void)lua_error(L);
}

static void *allocate(void *to, void *old, size_t from, size_t size)
{
    script *s = to;
    if (old == NULL)
        from = 0; /* it was the kind of thing */
    if (size > from && size - from > MEMORY - s->used)
        return NULL;
    void *p = NULL;
    if (size == 0)
        free(old);
    else if ((p = realloc(old, size)) == NULL)
        return NULL;
    s->used += size - from;
    return p;
}

struct start {
    const char *code, *path, *query;
    size_t size;
};

static int run(lua_State *L)
{
    const struct start *a = lua_touserdata(L, 1);
    static const luaL_Reg functions[] = {
        {"fetch", fetch}, {"sleep", rest}, {"query", query}, {"write", write_text}, {NULL, NULL}};
    open_libraries(L);
    lua_pushglobaltable(L);
    luaL_setfuncs(L, functions, 0);
    lua_createtable(L, 0, 2);
    lua_pushstring(L, a->path);
    lua_setfield(L, -2, "path");
    lua_pushstring(L, a->query);
    lua_setfield(L, -2, "query");
    lua_setglobal(L, "request");
    if (luaL_loadbufferx(L, a->code, a->size, a->path, "t") != LUA_OK)
        return lua_error(L);
    lua_call(L, 0, 0);
    return 0;
}

char *script_run(const char *code, size_t size, const char *path, const char *query, uintptr_t h)
{
    script s = {.h = h};
    struct start a = {code, path, query, size};
    lua_State *L = lua_newstate(allocate, &s);
    if (L == NULL)
        return strdup("no memory");
    *(script **)lua_getextraspace(L) = &s; /* each coroutine has a copy, */
    lua_sethook(L, tick, LUA_MASKCOUNT, TICK); /* and its hook from who makes it */
    lua_pushcfunction(L, run);
    lua_pushlightuserdata(L, &a);
    char *failure = NULL;
    if (lua_pcall(L, 1, 0, 0) != LUA_OK) {
        const char *text = lua_tostring(L, -1);
        failure = strdup(text == NULL ? "an error that is no text" : text);
    }
    lua_close(L);
    forget(&s);
    return failure;
}
