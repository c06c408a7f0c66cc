/*
 * copies.c - a C program that loads one Go library several times.
 *
 *     copies LIBRARY...
 *
 * Each is loaded with dlopen, and calls Go on a greenlet that goes through C.
 */
#include <dlfcn.h>
#include <stdio.h>

typedef int lib_through(int n);

static int (*pause_here)(int n);

static int through(int n) { return pause_here(n); }

int main(int argc, char **argv)
{
    for (int i = 1; i < argc; i++) {
        void *lib = dlopen(argv[i], RTLD_NOW | RTLD_LOCAL);
        if (lib == NULL) {
            fprintf(stderr, "copy %d: %s\n", i, dlerror());
            return 1;
        }
        *(void **)&pause_here = dlsym(lib, "libPause");
        int (*interleave)(lib_through *, int, int);
        *(void **)&interleave = dlsym(lib, "libInterleave");
        if (pause_here == NULL || interleave == NULL) {
            fprintf(stderr, "copy %d: %s\n", i, dlerror());
            return 1;
        }
        if (interleave(through, 7, 0) != 3 * 28) {
            fprintf(stderr, "copy %d: a wrong sum\n", i);
            return 1;
        }
    }
    return 0;
}
