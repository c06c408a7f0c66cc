//go:build greenlet_foreign && cgo && linux

#include "throw.h"

#include <stdexcept>

int throw_body(void *, void *, void **) { throw std::runtime_error("no more wine"); }
