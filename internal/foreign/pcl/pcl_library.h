#include "foreign.h"

extern const foreign_library pcl_library;
