#ifndef CAPITEST_H
#define CAPITEST_H

#include "greenlet.h"

/* Each returns NULL, or what was not as it should be. */
const char *capitest_manual(void);
const char *capitest_misuse(void);
const char *capitest_rules(void);
const char *capitest_sections(void);
const char *capitest_thread(void);
const char *capitest_mask(void);

/* Calls capitestCall(f) in a section. */
void capitest_section(uintptr_t f);
extern void capitestCall(uintptr_t f);

int capitest_echo(void *arg, void *value, void **result); /* a body */
int capitest_pass_on(void *arg, void *value, void **result);
int capitest_start(void *arg, void *value, void **result);
int capitest_cleans_up(void *arg, void *value, void **result);
int capitest_refused(void *arg, void *value, void **result);
int capitest_code(void *arg, void *value, void **result); /* returns arg */

/* Echo, whose own reference is known to the others: they ask for its state, and make it a parent. */
int capitest_named(void *arg, void *value, void **result);
int capitest_ask(void);
int capitest_adopt(void);

/* Calls capitestCall(f) while the complement of secret is in a local variable or register, and nowhere else. */
void capitest_hold(uintptr_t secret, uintptr_t f);
int capitest_holds(void *secret, void *value, void **result); /* the same, in a greenlet that switches to its parent */

/* On how many stacks of the thread the complement of secret is found; or a code below 0. */
int capitest_find(uintptr_t secret);

/* As capitest_start, on a thread of its own. message is greenlet_message. */
int capitest_start_thread(void *func, char message[256]);

/* greenlet_current, and free, on a new thread. */
int capitest_current_thread(void);

/* How often greenlet_switch has returned in capitest_start, on any thread. */
int capitest_returns(void);

#endif
