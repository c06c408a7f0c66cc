//go:build greenlet_foreign && cgo && linux

extern "C" {
#include "boostfiber_library.h"
}

#include <boost/fiber/all.hpp>
#include <new>

static int begin() { return 0; }

static void *spawn(void (*entry)(void *), void *arg)
{
    try {
        boost::context::fixedsize_stack stack(256 << 10);
        return new boost::fibers::fiber(boost::fibers::launch::post, std::allocator_arg, stack, [=] { entry(arg); });
    } catch (...) {
        return nullptr;
    }
}

static void pause_() { boost::this_fiber::yield(); }

static void join(void *thread)
{
    auto *f = static_cast<boost::fibers::fiber *>(thread);
    f->join();
    delete f;
}

extern "C" const hub_library boostfiber_library = {begin, spawn, pause_, join};
