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
 */
enum { TICK = 10000, PATIENCE = 10 };

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
    check(L, s, code);
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
    luaL_openlibs(L);
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
    lua_State *L = luaL_newstate();
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
    lua_sethook(L, NULL, 0, 0); /* what is closed may run, for as long as that takes */
    lua_close(L);
    forget(&s);
    return failure;
}
