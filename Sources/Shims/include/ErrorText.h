/* SPDX-License-Identifier: Apache-2.0 */
/* Text of the calling thread's last error: Swift has no thread-local variables of its own. */
#ifndef FOVEA_ERROR_TEXT_H
#define FOVEA_ERROR_TEXT_H

enum { threadErrorTextCapacity = 1024 };

/// NUL-terminated text of `threadErrorTextCapacity` bytes, one per thread, empty at first; gone with the thread or the library.
char *_Nonnull threadErrorText(void);

#endif
