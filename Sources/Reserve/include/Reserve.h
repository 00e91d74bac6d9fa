/* SPDX-License-Identifier: Apache-2.0 */
/* Nothing to call: the linker puts this target's functions in the place of the allocator's (see `standAlone` in Package.swift). */
#ifndef FOVEA_RESERVE_H
#define FOVEA_RESERVE_H
#endif
