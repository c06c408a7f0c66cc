# Go as a library of a Python program, by ctypes: eight threads, in each of which greenlets are
# suspended in C and go on in another order; and Go calls Python back.
import ctypes
import sys
import threading

lib = ctypes.CDLL(sys.argv[1])
function = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_int)
pause = ctypes.cast(lib.libPause, function)
failures = []


def work(number):
    calls = []
    count = function(lambda n: calls.append(n) or 0)
    for i in range(30):
        n = 1 + (number + i) % 7
        got = lib.libInterleave(pause, n, 0)
        if got != 3 * n * (n + 1) // 2:
            failures.append((number, i, got))
        calls.clear()
        if lib.libVisit(count, n) != 2 * n or calls != [n]:
            failures.append((number, i, calls))
        if i % 10 == 0:
            lib.libCollect()


threads = [threading.Thread(target=work, args=(i,)) for i in range(8)]
for t in threads:
    t.start()
for t in threads:
    t.join()
print(failures or "well")
