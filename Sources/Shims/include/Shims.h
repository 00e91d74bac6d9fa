/* SPDX-License-Identifier: Apache-2.0 */
/* What Swift cannot import directly: libc as one module, C macros as functions, argument records of the kernels.
   The library's Swift code imports libc through here, so that it also compiles in Embedded mode. */
#ifndef FOVEA_SHIMS_H
#define FOVEA_SHIMS_H

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <math.h>
#include <pthread.h>
#include <sched.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "Atomics.h"
#include "Blocks.h"
#include "ErrorText.h"
#include "Half.h"
#include "KernelArguments.h"
#include "KernelLimits.h"
#include "LibraryPath.h"
#include "Pages.h"
#include "Prefetch.h"
#include "Scratch.h"
#include "Shortage.h"
#include "SmallGroups.h"
#include "SystemFacts.h"
#include "Threads.h"
#include "Unfetched.h"

/* open() and errno, which Swift cannot see: one is variadic, the other a macro. */
static inline int shims_errno(void) { return errno; }
static inline void shims_set_errno(int code) { errno = code; }
static inline int shims_open(const char *path, int flags, mode_t mode) { return open(path, flags, mode); }

/* Each is empty on other processors. */
#include "arm.h"
#include "x86.h"

#endif
