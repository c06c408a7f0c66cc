/* module.h - the two halves of the PHP module: module.c and fiber.c. */
#ifndef EXAMPLE_PHP_MODULE_H
#define EXAMPLE_PHP_MODULE_H

#include "bridge.h"
#include <sapi/embed/php_embed.h>
#include <zend_fibers.h>

/* In MINIT. */
void module_adopt(void);

/* After a fatal error PHP destroys nothing: this frees what is left of a request's fibers. */
void module_fibers_end(void);

/* The job of the fiber that runs. The next one that is born has module_next_job, if that is
 * not 0, and else that of its maker. */
uintptr_t module_job(void);
extern uintptr_t module_next_job;

#endif
