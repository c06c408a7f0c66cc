#include "foreign.h"

extern const foreign_library boost_library;
