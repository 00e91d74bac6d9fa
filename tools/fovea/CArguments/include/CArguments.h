/* SPDX-License-Identifier: Apache-2.0 */
/* The program's arguments as the kernel gave them. Swift reads them from /proc, which need not be mounted. */
#ifndef FOVEA_CARGUMENTS_H
#define FOVEA_CARGUMENTS_H

/// The program's name and arguments, `*count` of them; NULL and 0 where the C library does not hand them to constructors.
char *_Nullable *_Nullable program_arguments(int *_Nonnull count);

#endif
