//go:build greenlet_foreign && cgo && linux

#include "query.h"

#include <stdlib.h>

static int row(void *rows, int n, char **values, char **names)
{
    (void)names;
    return sqliteRow((uintptr_t)rows, n, values);
}

int query_exec(sqlite3 *db, const char *sql, uintptr_t rows, char **error)
{
    return sqlite3_exec(db, sql, row, (void *)rows, error);
}

static void call(sqlite3_context *ctx, int n, sqlite3_value **args)
{
    (void)n;
    long long result = 0;
    char *error = sqliteCall((uintptr_t)sqlite3_user_data(ctx), (char *)sqlite3_value_text(args[0]), &result);
    if (error == NULL) {
        sqlite3_result_int64(ctx, result);
    } else {
        sqlite3_result_error(ctx, error, -1); /* makes a copy */
        free(error);
    }
}

static void forget(void *function) { sqliteForget((uintptr_t)function); }

int query_function(sqlite3 *db, const char *name, uintptr_t function)
{
    return sqlite3_create_function_v2(db, name, 1, SQLITE_UTF8, (void *)function, call, NULL, NULL, forget);
}
