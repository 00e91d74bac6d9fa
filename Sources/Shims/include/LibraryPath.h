/* SPDX-License-Identifier: Apache-2.0 */
/* Where this library lies, for finding what was installed beside it. */
#ifndef FOVEA_SHIMS_LIBRARY_PATH_H
#define FOVEA_SHIMS_LIBRARY_PATH_H
#include <stdbool.h>
#include <stddef.h>

/// Writes the absolute path, free of symbolic links, of the shared object or program this code is linked into, with a NUL.
/// False when it cannot be told or does not fit.
bool library_path(char *_Nonnull buffer, size_t capacity);
/// Bytes of that object as it is mapped, code and data; 0 where it cannot be told.
size_t library_bytes(void);

#endif
