/* SPDX-License-Identifier: Apache-2.0 */
/* Memory for bulk data: pictures, vectors, buffers. */
#ifndef FOVEA_SHIMS_BLOCKS_H
#define FOVEA_SHIMS_BLOCKS_H
#include <stdlib.h>
#if defined(__GLIBC__)
#include <malloc.h>
#endif

#include "Pages.h"

#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define FOVEA_BLOCKS_IN_HEAP 1
#endif
#endif
enum { blockHeader = 64 };
#ifdef FOVEA_BLOCKS_IN_HEAP
/// AddressSanitizer finds overruns of heap blocks only.
static const size_t pagedBlock = ~(size_t)0;
#else
static const size_t pagedBlock = 32 << 10;
#endif

/// `bytes` bytes with any content, or NULL; released with block_free. Large ones are mapped from the system and unmapped: the heap may keep what is
/// freed, up to twice the largest block so far, which no memory plan could account for.
static inline void *_Nullable block_allocate(size_t bytes) {
  size_t all = bytes + blockHeader;
  char *p;
  if (all < bytes) return NULL;
  p = (char *)(all < pagedBlock ? malloc(all) : pages_map(all, false));
  if (!p) return NULL;
  *(size_t *)(void *)p = all;
  return p + blockHeader;
}

/// Gives the heap's free memory back to the system; nothing without glibc.
static inline void heap_trim(void) {
#if defined(__GLIBC__)
  (void)malloc_trim(0);
#endif
}

/// NULL is fine.
static inline void block_free(void *_Nullable block) {
  char *p = (char *)block - blockHeader;
  if (!block) return;
  if (*(size_t *)(void *)p < pagedBlock)
    free(p);
  else
    pages_unmap(p, *(size_t *)(void *)p);
}

#endif
