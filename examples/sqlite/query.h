#include <sqlite3.h>
#include <stdint.h>

/* sqlite3_exec: calls sqliteRow(rows, ...) for each row. */
int query_exec(sqlite3 *db, const char *sql, uintptr_t rows, char **error);

/* Makes an SQL function of one argument, which calls sqliteCall(function, ...). */
int query_function(sqlite3 *db, const char *name, uintptr_t function);

/* The callbacks, exported by sqlite.go. */
extern int sqliteRow(uintptr_t rows, int n, char **values);
extern char *sqliteCall(uintptr_t function, char *text, long long *result); /* an error, to be freed; or NULL */
extern void sqliteForget(uintptr_t function);
