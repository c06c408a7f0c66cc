#include <hub.h>

extern const hub_library boostfiber_library;
