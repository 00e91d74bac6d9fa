/* SPDX-License-Identifier: Apache-2.0 */
/* Memory from the system in pages. */
#ifndef FOVEA_SHIMS_PAGES_H
#define FOVEA_SHIMS_PAGES_H
#include <stdbool.h>
#include <stddef.h>
#include <sys/mman.h>
#include <unistd.h>

/// Private zeroed memory, page-aligned, or NULL. Pages take memory when first written. `sparse`: most may never be written, so the
/// system is not asked whether it has memory for all.
static inline void *_Nullable pages_map(size_t bytes, bool sparse) {
  void *p = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | (sparse ? MAP_NORESERVE : 0), -1, 0);
  return p == MAP_FAILED ? NULL : p;
}
static inline void pages_unmap(void *_Nonnull p, size_t bytes) { (void)munmap(p, bytes); }
/// Asks for huge pages, or for none; a hint only.
static inline void pages_advise_huge(void *_Nonnull p, size_t bytes, bool wanted) {
#if defined(MADV_HUGEPAGE) && defined(MADV_NOHUGEPAGE)
  (void)madvise(p, bytes, wanted ? MADV_HUGEPAGE : MADV_NOHUGEPAGE);
#endif
}
/// In a child made by fork the pages read as zeros. False where the system cannot do that. One that agrees to advice that does not exist (QEMU's
/// emulation of processes) ignores this one, too.
static inline bool pages_wipe_on_fork(void *_Nonnull p, size_t bytes) {
#if defined(MADV_WIPEONFORK)
  return madvise(p, bytes, -1) != 0 && madvise(p, bytes, MADV_WIPEONFORK) == 0;
#else
  return false;
#endif
}
/// Gives the pages back; they read as zeros afterwards. `p` is page-aligned.
static inline void pages_forget(void *_Nonnull p, size_t bytes) { (void)madvise(p, bytes, MADV_DONTNEED); }
/// Asks the system to read the pages of a file's mapping that are not in its cache; returns before they are there.
static inline void pages_will_need(void *_Nonnull p, size_t bytes) { (void)madvise(p, bytes, MADV_WILLNEED); }
static inline size_t page_size(void) {
  long n = sysconf(_SC_PAGESIZE);
  return n > 0 ? (size_t)n : 4096;
}

/// Whether the page at `p`, which is page-aligned, is in the system's cache.
static inline bool page_is_cached(void *_Nonnull p) {
  unsigned char state = 0;
  return mincore(p, page_size(), &state) == 0 && (state & 1);
}

#endif
