/* bridge.h - between Go and PHP. All of it belongs to PHP's thread. */
#ifndef EXAMPLE_PHP_H
#define EXAMPLE_PHP_H

#include <stddef.h>
#include <stdint.h>

/* What has become of a call of PHP from Go, or of Go from PHP. */
enum {
    PHP_OK,
    PHP_THROWN,  /* a PHP exception is pending, and PHP goes on with it */
    PHP_BAILOUT, /* a fatal error: back to PHP at once, which must not jump over Go frames */
    PHP_EXIT,    /* the request is to end: PHP unwinds, and no script can catch that */
    PHP_FAILED   /* an error of Go: an exception is to be made of it */
};

/* What a Go function returns to PHP. The text is from malloc. */
typedef struct {
    char *text;
    size_t size;
} php_answer;

typedef struct _zend_fiber php_fiber;
typedef struct php_callable php_callable;

/* Starts PHP. adopt 0: Go is told nothing of fibers. 0 or -1. */
int php_start(int adopt);

/* Runs a script as a request: PHP_OK or PHP_BAILOUT; -1: it could not begin. */
int php_run(const char *code);

/* The fiber that runs, to be given back with php_release; NULL: it is none. */
php_fiber *php_current(void);
void php_release(php_fiber *f);
int php_dead(const php_fiber *f);

/* From any thread: the script that runs is to end, wherever it is (phpEnded is asked). */
void php_interrupt(void);

int php_suspend(void);          /* the fiber that runs */
int php_resume(php_fiber *f);

/* A fiber that runs a file; what it and its fibers print goes to `job`. */
int php_new(php_fiber **f, uintptr_t job, const char *file, const char *request);

int php_call(php_callable *f);

/* Takes the pending exception, whose text is to be freed; NULL: an exit(). */
char *php_caught(void);

/* The Go functions that PHP calls, in functions.go and php.go: a code, and *a. */
extern int phpHTTPGet(char *url, size_t size, php_answer *a);
extern int phpSleep(long long ms, php_answer *a);
extern int phpQuery(char *sql, size_t size, php_answer *a);
extern int phpThrough(php_callable *f, php_answer *a);
extern int phpPanic(char *text, size_t size, php_answer *a);
extern int phpGive(char *text, size_t size, php_answer *a);
extern int phpFinish(php_answer *a);
extern int phpServe(php_answer *a);
extern int phpEnded(void); /* is the request to end? */
extern void phpPrint(uintptr_t job, char *text, size_t size);
extern void phpLog(char *text);

/* How many fibers are adopted, and how many could not be freed, since Go frames are on them. */
extern int php_fibers, php_kept;

#endif
