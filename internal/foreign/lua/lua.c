//go:build greenlet_foreign && cgo && linux

#include "lua_run.h"

#include <lauxlib.h>
#include <lua.h>
#include <lualib.h>
#include <string.h>

extern long long luaAsk(uintptr_t ask, char *name, long long i);

/* Lua's errors are longjmps: none may be raised while Go is called. */
static int ask(lua_State *L)
{
    uintptr_t f = (uintptr_t)lua_touserdata(L, lua_upvalueindex(1));
    const char *name = luaL_checkstring(L, 1);
    lua_Integer i = luaL_checkinteger(L, 2);
    lua_pushinteger(L, luaAsk(f, (char *)name, i));
    return 1;
}

char *lua_run(const char *script, uintptr_t f, int *failed)
{
    lua_State *L = luaL_newstate();
    if (L == NULL)
        return NULL;
    luaL_openlibs(L);
    lua_pushlightuserdata(L, (void *)f);
    lua_pushcclosure(L, ask, 1);
    lua_setglobal(L, "ask");
    *failed = luaL_dostring(L, script) != LUA_OK;
    const char *s = lua_tostring(L, -1);
    char *out = strdup(s == NULL ? "" : s);
    lua_close(L);
    return out;
}
