# Python's greenlets switch C stacks under Go frames: Python -> Go -> Python, suspended there, by the
# pattern boundary. Without it ("unadopted") Go takes the calls for those of one stack.
import ctypes
import random
import sys
import threading

import greenlet

lib = ctypes.PyDLL(sys.argv[1])
adopted = len(sys.argv) < 3
function = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_int)
lib.boundary_new.restype = ctypes.c_void_p
lib.boundary_call.argtypes = [ctypes.c_void_p, ctypes.c_int]
lib.boundary_free.argtypes = lib.boundary_collect.argtypes = [ctypes.c_void_p]
failures = []


def work(seed):
    choose = random.Random(seed)
    main = greenlet.getcurrent()

    @function
    def switch(n):
        return 0 if main.switch(n) == n + 1 else 1

    def call(fiber, n):
        return lib.boundary_call(fiber, n) if adopted else lib.libVisit(switch, n)

    def body(fiber, number):
        for n in range(number, number + 30):
            got = call(fiber, n)
            if got != 2 * n:
                failures.append((seed, number, n, got))
        return None

    if adopted and lib.boundary_begin(switch) != 0:
        failures.append("boundary_begin")
        return
    mine = lib.boundary_new() if adopted else None
    live = []
    for i in range(20):
        fiber = lib.boundary_new() if adopted else None
        g = greenlet.greenlet(body)
        live.append([g, fiber, g.switch(fiber, 10 * i)])
    while live:
        one = choose.choice(live)
        one[2] = one[0].switch(one[2] + 1)
        if one[0].dead:
            live.remove(one)
            if adopted and lib.boundary_free(one[1]) != 0:
                failures.append("boundary_free")
        if adopted and choose.random() < 0.05 and lib.boundary_collect(mine) != 0:
            failures.append("boundary_collect")
    if adopted and (lib.boundary_free(mine) != 0 or lib.boundary_end() != 0):
        failures.append("the end")


threads = [threading.Thread(target=work, args=(i,)) for i in range(3)]
for t in threads:
    t.start()
for t in threads:
    t.join()
print(failures or "well")
