//go:build cgo && linux

package csrc

/*
#cgo CFLAGS: -O2 -g -Wall -Wextra
#cgo LDFLAGS: -lpthread
#include "coro.h"
*/
import "C"
