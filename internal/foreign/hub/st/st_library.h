#include <hub.h>

extern const hub_library st_library;
