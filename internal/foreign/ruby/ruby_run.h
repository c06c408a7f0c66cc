/* ruby_run.h - Ruby whose fibers call Go; in ruby.c. */
#ifndef FOREIGN_RUBY_H
#define FOREIGN_RUBY_H

#include <stdint.h>

/* Starts Ruby on the calling thread, where it stays. 0, or it failed. */
int ruby_begin(void);

/*
 * Runs a script. In it `go(n) { ... }` calls Go (rubyGo), with the block to call. NULL, or why it has
 * failed, to be freed. adopt 0: Go is told nothing.
 */
char *ruby_run(const char *script, uintptr_t h, int adopt);

/* For Go, in rubyGo: calls the block of the call, with n. *failed: it has raised, and Ruby goes on
 * with that when Go has returned. */
long long ruby_block(long long n, int *failed);

extern long long rubyGo(uintptr_t h, long long n, int *failed); /* in Go */

#endif
