#include "Shims.h"
