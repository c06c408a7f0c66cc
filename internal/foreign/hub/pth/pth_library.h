#include <hub.h>

extern const hub_library pth_library;
