#include "foreign.h"

/* NULL: the C library has no ucontext. */
const foreign_library *ucontext_library(void);
