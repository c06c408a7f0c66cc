# `make` lists the targets. Each one installs what it needs, or says what to type:
# see scripts/need.

GO ?= go
PREFIX ?= /usr/local
COUNT ?= 5
CPUS ?= 1,2,8
# Of the stress of trees without a thread, each time.
LASTS ?= 3m
# Of the suite in each of its builds: test, test-race, -pie, -static, -ucontext, -musl, -arm64, -asan, -ubsan, and of stress.
PACKAGES := ./...
TEST := $(GO) test -count=1 $(TESTFLAGS)
STATICCHECK := honnef.co/go/tools/cmd/staticcheck@v0.8.2
C_FILES := $(filter-out examples/php/% internal/foreign/ruby/%,$(wildcard csrc/*.c examples/*/*.c internal/chost/lib/*.c internal/cbench/*.c internal/capitest/*.c internal/chain/*.c internal/foreign/*.c internal/foreign/*/*.c internal/foreign/*/*/*.c))
# Where PHP's headers are only php-config knows.
PHP := CGO_CFLAGS="-O2 -g $$(php-config --includes)"
PHP_TAGS := greenlet_foreign,greenlet_php
LIBRARIES := cxx boost boost-fiber st pth ruby pcl lua expat sqlite
# What has tests with the tag greenlet_foreign.
FOREIGN := $(addprefix ./internal/foreign/,boost cxx hub/... lua pcl ruby throw) $(addprefix ./examples/,expat scripts sqlite)
ARM64 := GOARCH=arm64 CGO_ENABLED=1 CC=aarch64-linux-gnu-gcc CXX=aarch64-linux-gnu-g++ QEMU_LD_PREFIX=/usr/aarch64-linux-gnu \
	GREENLET_EMULATOR=qemu-aarch64-static
RISCV64 := GOARCH=riscv64 CGO_ENABLED=1 CC=riscv64-linux-gnu-gcc CXX=riscv64-linux-gnu-g++ QEMU_LD_PREFIX=/usr/riscv64-linux-gnu \
	GREENLET_EMULATOR=qemu-riscv64-static
# The variables for the CPU that ARCH names; none for this one.
CROSS = $(if $(filter arm64,$(ARCH)),$(ARM64))$(if $(filter riscv64,$(ARCH)),$(RISCV64))
LIBCXX := MALLOC_PERTURB_=165 CC=clang CXX=clang++ CGO_CXXFLAGS=-stdlib=libc++ CGO_LDFLAGS=-stdlib=libc++
# What is run with a move of the stack, or a preemption, at every call. That of a goroutine
# which is locked to its thread takes some 20 us, so it is without what makes thousands; and
# without the test of how much stack is needed, of which the check itself takes some.
AT_EACH_CALL := -skip 'ANewStackNeedNotGrow|Memory|LeaveNothing|Thousand|TestBenchmarkCases|TestReadingFromAny' . ./internal/capitest ./internal/cgotest \
	./internal/gort ./internal/handle
UBSAN := -g -O1 -fsanitize=undefined -fno-sanitize-recover=all
WITH_UBSAN := CGO_CFLAGS='$(UBSAN)' CGO_CXXFLAGS='$(UBSAN)' CGO_LDFLAGS=-fsanitize=undefined
C_FLAGS := -std=gnu11 -O2 -Wall -Wextra -Werror -Icsrc -Iinternal/foreign -Iinternal/foreign/hub -I/usr/include/lua5.4
SCRIPTS := .ci/run scripts/need scripts/interop scripts/docker-test scripts/bases scripts/test-anywhere scripts/test-cross scripts/wine
SYSTEMS := linux/amd64 darwin/arm64 windows/amd64 freebsd/amd64 netbsd/amd64 openbsd/amd64 dragonfly/amd64 solaris/amd64 \
	plan9/amd64 js/wasm wasip1/wasm
# The types of those, and of CPUs whose words are small, or for which nothing else is built.
TYPES := $(SYSTEMS) linux/386 linux/loong64 linux/mips linux/ppc64le

.PHONY: help build demo show test-browser test test-race test-modes test-pie test-static test-ucontext \
	test-musl test-arm64 test-riscv64 test-unknown test-nocgo test-anywhere test-cross test-asan test-ubsan test-foreign test-php php scripts interop stress stress-first stress-short install bench lint typecheck lint-anywhere docker-test deps clean

help: ## list the targets
	@echo 'make TARGET [TESTFLAGS="flags for go test"] [PACKAGES="instead of all"]'
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / { printf "  %-14s %s\n", $$1, $$2 }' Makefile

build: ## the command greenlet, in build/; ARCH=arm64 and ARCH=riscv64 are for these CPUs
	@scripts/need cc $(ARCH)
	$(CROSS) $(GO) build -buildvcs=false -o build/greenlet ./cmd/greenlet

demo: ## short scenes of what it does; DIRS="..." are walked over
	@scripts/need cc
	@$(GO) build -buildvcs=false -o build/greenlet ./cmd/greenlet
	@build/greenlet demo $(DIRS)

show: ## a small town of 2,000 greenlets on a page, with the inspector beside it
	@scripts/need cc
	@$(GO) run ./examples/town

test-browser: ## the inspector's page and the show, in a real browser
	@scripts/need cc chromium
	$(TEST) -run 'TestInABrowser|TestTheShow' ./inspect ./examples/town

test: ## the test suite
	@scripts/need cc
	$(TEST) $(PACKAGES)

test-race: ## the suite with the race detector
	@scripts/need cc
	$(TEST) -race $(PACKAGES)

test-modes: test-pie test-static ## the suite in both of the next two build modes

test-pie: ## the suite as position-independent executables
	@scripts/need cc
	$(TEST) -buildmode=pie $(PACKAGES)

test-static: ## the suite as fully static executables
	@scripts/need cc
	$(TEST) -tags netgo,osusergo -ldflags '-extldflags -static' $(PACKAGES)

test-ucontext: ## the suite with the portable stack switch
	@scripts/need cc
	$(TEST) -tags greenlet_ucontext $(PACKAGES)

test-musl: ## the suite with the C library of Alpine Linux
	@scripts/need musl
	CC=musl-gcc $(TEST) $(PACKAGES)

test-arm64: ## the short suite on an emulated arm64
	@scripts/need arm64
	$(ARM64) $(TEST) -vet=all -short -exec qemu-aarch64-static $(PACKAGES)
	$(ARM64) $(TEST) -short -exec qemu-aarch64-static -tags greenlet_foreign ./internal/foreign/cxx

test-riscv64: ## the short suite on an emulated riscv64
	@scripts/need qemu riscv64
	scripts/test-cross riscv64
	$(RISCV64) $(GO) vet ./internal/gort
	$(RISCV64) $(TEST) -short -exec qemu-riscv64-static ./internal/cgotest
	$(RISCV64) $(TEST) -short -exec qemu-riscv64-static -tags greenlet_foreign ./internal/foreign/cxx

test-unknown: ## the short suite with an empty table of layouts, as for an unknown version of Go: with C and without
	@scripts/need cc
	$(TEST) -short -tags greenlet_unknown . ./internal/gort ./internal/capitest ./tasklet
	CGO_ENABLED=0 $(TEST) -short -tags greenlet_unknown . ./internal/gort ./tasklet

test-nocgo: ## what needs no C, without cgo: on this CPU, on arm (32 bits), s390x (big-endian) and WebAssembly
	@scripts/need qemu wasm
	scripts/test-anywhere linux/amd64 js/wasm
	ENGINES=coro scripts/test-anywhere linux/arm linux/s390x

test-anywhere: ## the same on all CPUs and systems that can be had here; half an hour
	@scripts/need qemu wasm
	scripts/test-anywhere

test-cross: ## the short suite with C on riscv64, s390x, ppc64le and mips64le, emulated; an hour
	@scripts/need qemu cross
	scripts/test-cross

test-asan: ## the suite with AddressSanitizer, a look for leaks at the end, and UndefinedBehaviorSanitizer in C
	@scripts/need cc
	$(WITH_UBSAN) $(TEST) -asan $(PACKAGES)

test-ubsan: ## the suite with UndefinedBehaviorSanitizer alone, which leaves the engine of one M
	@scripts/need cc
	$(WITH_UBSAN) $(TEST) $(PACKAGES)

test-foreign: ## what needs other libraries: boost, Ruby, State Threads, Pth, PCL, Lua, expat, SQLite, C++
	@scripts/need cc $(LIBRARIES) gdb
	@scripts/need python node-api || echo 'skipped: what of these hosts is missing'
	$(TEST) -tags greenlet_foreign $(FOREIGN)
	$(TEST) -run 'Python|Node' ./internal/chost
	$(TEST) -tags greenlet_foreign,netgo,osusergo -ldflags '-extldflags -static' ./internal/foreign/throw ./internal/foreign/cxx
	@if echo '#include <new>' | clang++ -stdlib=libc++ -fsyntax-only -x c++ - 2>/dev/null; \
	then set -x; $(LIBCXX) $(TEST) -tags greenlet_foreign ./internal/foreign/throw ./internal/foreign/cxx; \
	else echo "skipped: LLVM's C++ runtime (clang, libc++-dev, libc++abi-dev)"; fi

php: ## PHP's fibers wait for Go: examples/php
	@scripts/need cc php sqlite
	@$(PHP) $(GO) run -tags $(PHP_TAGS) ./examples/php/demo

scripts: ## Lua scripts that wait, on one thread and on many: examples/scripts
	@scripts/need cc lua sqlite
	@$(GO) run -tags greenlet_foreign ./examples/scripts/demo

interop: ## other bindings of C libraries, as they are: docs/libraries.md
	@scripts/need cc
	scripts/interop -count=1 $(TESTFLAGS)

test-php: ## the tests of examples/php
	@scripts/need cc php sqlite
	$(PHP) $(TEST) -tags $(PHP_TAGS) ./examples/php/...

stress: stress-first ## the suite under all that finds mistakes in the dark corners; long
	$(TEST) -timeout 30m -cpu=$(CPUS) $(PACKAGES)
	$(TEST) -timeout 30m -gcflags=all='-N -l' $(PACKAGES)
	$(TEST) -timeout 30m -tags greenlet_ucontext -race $(PACKAGES)
	GODEBUG=gccheckmark=1,clobberfree=1 $(TEST) -timeout 30m $(PACKAGES)
	GREENLET_STRESS=$(LASTS) $(TEST) -timeout 30m -run 'TestStressOfFreeTrees|GrowMemory|LeaveNothing|TestBesideStopsOfTheWorld' . ./internal/foreign/ucontext
	GREENLET_PROGRAMS=20 $(TEST) -short -timeout 30m -gcflags=all=-d=maymorestack=runtime.mayMoreStackMove $(AT_EACH_CALL)
	GREENLET_PROGRAMS=20 $(TEST) -short -timeout 30m -gcflags=all=-d=maymorestack=runtime.mayMoreStackPreempt $(AT_EACH_CALL)

stress-first: ## the first half of it
	@scripts/need cc
	$(TEST) -timeout 30m -race -shuffle=on -count=$(COUNT) $(PACKAGES)
	GODEBUG=asyncpreemptoff=1 $(TEST) -timeout 30m -gcflags=github.com/go-greenlet/greenlet/...=-d=checkptr -skip 'TestANewStackNeedNotGrow' $(PACKAGES) # the checks take room on the stack
	GOGC=1 $(TEST) -timeout 30m $(PACKAGES)
	GREENLET_STRESS=$(LASTS) $(TEST) -timeout 30m -race -run TestStressOfFreeTrees .

stress-short: ## all of it, each with the short suite
	$(MAKE) --no-print-directory stress TESTFLAGS=-short COUNT=1 CPUS=1,8 LASTS=20s

install: ## the headers for C into $(DESTDIR)$(PREFIX)/include
	install -d $(DESTDIR)$(PREFIX)/include
	install -m 644 csrc/greenlet.h csrc/coro.h csrc/fiber.h $(DESTDIR)$(PREFIX)/include

bench: ## the benchmarks; then a table, and a plot in build/performance.svg
	@scripts/need cc boost
	$(GO) test -tags boost -run '^$$' -bench . -benchmem -cpu 1,2 $(TESTFLAGS) ./...
	@$(GO) build -buildvcs=false -tags boost -o build/greenlet ./cmd/greenlet
	build/greenlet bench -svg build/performance.svg

lint: ## what finds mistakes without running anything
	@scripts/need cc cppcheck shellcheck php $(LIBRARIES)
	@files=$$(gofmt -l .) && test -z "$$files" || { echo "not formatted (gofmt -w):" $$files; exit 1; }
	$(GO) vet ./...
	CGO_ENABLED=0 $(GO) vet ./...
	$(GO) vet -tags greenlet_foreign,boost ./...
	$(GO) run $(STATICCHECK) ./...
	$(GO) run $(STATICCHECK) -tags greenlet_foreign,boost ./...
	$(PHP) $(GO) run $(STATICCHECK) -tags $(PHP_TAGS) ./examples/php/...
	$(CC) $(C_FLAGS) $$(pkg-config --cflags ruby | sed 's/-I/-isystem /g') -S -o - internal/foreign/ruby/ruby.c >/dev/null
	for f in examples/php/*.c; do $(CC) $(C_FLAGS) $$(php-config --includes | sed 's/-I/-isystem /g') -S -o - $$f >/dev/null || exit 1; done
	printf '%s\n' $(C_FILES) | xargs -P 4 -I FILE $(CC) $(C_FLAGS) -S -o /dev/null FILE
	printf '%s\n' $(C_FILES) | xargs -P 4 -I FILE $(CC) $(C_FLAGS) -DGLET_UCONTEXT=1 -S -o /dev/null FILE
	cppcheck -j 4 --quiet --error-exitcode=1 --enable=warning,performance,portability --inline-suppr -Icsrc -Iinternal/foreign -Iinternal/foreign/hub $(C_FILES)
	shellcheck $(SCRIPTS)

typecheck: ## the types of everything on every system, from source and without cgo
	$(GO) run ./internal/typecheck $(TYPES)

lint-anywhere: ## vet for every system, without cgo; it compiles the standard library for each
	for t in $(SYSTEMS); do echo $$t; \
		GOOS=$${t%/*} GOARCH=$${t#*/} CGO_ENABLED=0 $(GO) vet ./... || exit 1; done

docker-test: ## build the Dockerfile with docker, podman or buildah, and run its demo
	scripts/docker-test

deps: ## install the Debian packages for all targets
	scripts/need cc arm64 riscv64 qemu cross wasm musl cppcheck shellcheck buildah gdb valgrind chromium python node-api php xml2-curl git2go $(LIBRARIES)

clean: ## remove what was built
	rm -rf build
