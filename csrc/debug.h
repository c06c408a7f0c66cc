/*
 * debug.h - preconditions of internal functions.
 *
 * What users can get wrong is answered by a GLET_ code. What only a mistake of the core could
 * get wrong is asserted, in builds with GLET_DEBUG (the tests in internal/sanitize); elsewhere
 * it costs nothing.
 */
#ifndef GLET_DEBUG_H
#define GLET_DEBUG_H

#ifdef GLET_DEBUG
#undef NDEBUG
#include <assert.h>
#define GLET_REQUIRE(condition) assert(condition)
#else
#define GLET_REQUIRE(condition) ((void)sizeof(condition))
#endif

#endif
