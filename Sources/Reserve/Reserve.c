/* SPDX-License-Identifier: Apache-2.0 */
/* Memory set aside for when the system refuses: Swift's runtime ends the process where an object has no memory.
 *
 * In the stand-alone library, `--wrap` sends each use of the allocator to these functions. They ask the system first. What it refuses comes
 * from the reserve: whatever the runtime wants for an object or an array, and small blocks; a larger block that our own code or another
 * library asks for is refused, they look at the result. `memory_fell_short` says so, and the call ends with FOVEA_ERROR_MEMORY at its next
 * check, which gives the blocks back.
 *
 * The reserve is a list of blocks that follow each other, each behind a header; the first that fits is taken. Slow, but rarely used. */
#include <malloc.h>
#include <stdalign.h>

#include "Shims.h"

enum {
  /* The largest arrays of a load are the tables of a vocabulary: 20 MB for 150 000 pieces (`Tokenizer.byteCount`). Halved while the system
     refuses that much. */
  mostReserve = 32 << 20,
  leastReserve = 256 << 10,
  smallBlock = 16 << 10,
  granule = 16,
};

typedef struct {
  alignas(16) size_t size; /* with the header; a multiple of `granule` */
  size_t isUsed;
} Block;

static char *reserve, *reserve_end; /* NULL where there is none */
static size_t blocks_used;
static uint32_t lock;

void *__real_malloc(size_t);
void *__real_calloc(size_t, size_t);
void *__real_realloc(void *, size_t);
void __real_free(void *);
size_t __real_malloc_usable_size(void *);
int __real_posix_memalign(void **, size_t, size_t);

static Block *next(Block *block) { return (Block *)((char *)block + block->size); }

static void take_lock(void) {
  while (__atomic_exchange_n(&lock, 1, __ATOMIC_ACQUIRE)) sched_yield();
}
static void leave_lock(void) { __atomic_store_n(&lock, 0, __ATOMIC_RELEASE); }

static void make_one_block(void) {
  Block *all = (Block *)reserve;
  all->size = (size_t)(reserve_end - reserve);
  all->isUsed = 0;
}

/* Runs before all other constructors, which may need memory. */
__attribute__((constructor(101))) static void set_aside(void) {
  size_t bytes = mostReserve;
  while (!(reserve = pages_map(bytes, true)) && bytes > leastReserve) bytes /= 2;
  if (!reserve) return;
  pages_advise_huge(reserve, bytes, false);
  reserve_end = reserve + bytes;
  make_one_block();
}

__attribute__((destructor)) static void give_up(void) {
  /* Blocks that the runtime never frees must stay mapped. */
  if (reserve && !blocks_used) pages_unmap(reserve, (size_t)(reserve_end - reserve));
}

static bool is_reserve(const void *p) { return (const char *)p >= reserve && (const char *)p < reserve_end; }

/* Marks the first `size` bytes of `block` used; the rest becomes a free block. */
static void *use(Block *block, size_t size) {
  if (block->size > size) {
    Block *rest = (Block *)((char *)block + size);
    rest->size = block->size - size;
    rest->isUsed = 0;
    block->size = size;
  }
  block->isUsed = 1;
  blocks_used++;
  return block + 1;
}

/* `alignment` is a power of two. */
static void *reserve_take(size_t bytes, size_t alignment) {
  void *found = NULL;
  size_t size;
  if (!reserve || bytes > (size_t)(reserve_end - reserve)) return NULL;
  size = (bytes + sizeof(Block) + granule - 1) & ~(size_t)(granule - 1);
  memory_fell_short();
  take_lock();
  for (Block *block = (Block *)reserve; (char *)block < reserve_end; block = next(block)) {
    if (block->isUsed) continue;
    for (Block *after = next(block); (char *)after < reserve_end && !after->isUsed; after = next(block)) block->size += after->size;
    uintptr_t start = (uintptr_t)(block + 1);
    size_t gap = alignment > granule ? -start & (alignment - 1) : 0;
    if (block->size < gap + size) continue;
    if (gap) {
      Block *aligned = (Block *)((char *)block + gap);
      aligned->size = block->size - gap;
      aligned->isUsed = 0;
      block->size = gap;
      block = aligned;
    }
    found = use(block, size);
    break;
  }
  leave_lock();
  return found;
}

static void reserve_give_back(void *p) {
  take_lock();
  ((Block *)p - 1)->isUsed = 0;
  if (--blocks_used == 0) {
    /* The pages go back to the system. */
    pages_forget(reserve, (size_t)(reserve_end - reserve));
    make_one_block();
  }
  leave_lock();
}

static size_t reserve_size(void *p) { return ((Block *)p - 1)->size - sizeof(Block); }

void *__wrap_malloc(size_t bytes) {
  void *p = __real_malloc(bytes);
  return p || bytes > smallBlock ? p : reserve_take(bytes, granule);
}

void *__wrap_calloc(size_t count, size_t size) {
  void *p = __real_calloc(count, size);
  size_t bytes;
  if (p || __builtin_mul_overflow(count, size, &bytes) || bytes > smallBlock) return p;
  p = reserve_take(bytes, granule);
  return p ? memset(p, 0, bytes) : NULL;
}

void __wrap_free(void *p) {
  if (is_reserve(p))
    reserve_give_back(p);
  else
    __real_free(p);
}

void *__wrap_realloc(void *p, size_t bytes) {
  size_t old;
  void *copy;
  if (!is_reserve(p)) {
    copy = __real_realloc(p, bytes);
    if (copy || !bytes || bytes > smallBlock) return copy;
    old = p ? __real_malloc_usable_size(p) : 0;
    copy = reserve_take(bytes, granule);
  } else {
    old = reserve_size(p);
    copy = __wrap_malloc(bytes);
  }
  if (!copy) return NULL;
  memcpy(copy, p, old < bytes ? old : bytes);
  __wrap_free(p);
  return copy;
}

size_t __wrap_malloc_usable_size(void *p) { return is_reserve(p) ? reserve_size(p) : __real_malloc_usable_size(p); }

char *__wrap_strdup(const char *text) {
  size_t bytes = strlen(text) + 1;
  char *copy = __wrap_malloc(bytes);
  return copy ? memcpy(copy, text, bytes) : NULL;
}

/* Embedded Swift allocates objects and arrays here; nothing else in the library asks for aligned memory. */
int __wrap_posix_memalign(void **p, size_t alignment, size_t bytes) {
  int error = __real_posix_memalign(p, alignment, bytes);
  void *block = error == ENOMEM ? reserve_take(bytes, alignment) : NULL;
  if (!block) return error;
  *p = block;
  return 0;
}

/* Swift's runtime allocates objects and arrays here. A NULL ends the process. `alignMask` is the alignment less one, all ones for the usual. */
void *__wrap_swift_slowAlloc(size_t bytes, size_t alignMask) {
  size_t alignment = alignMask == ~(size_t)0 || alignMask < granule ? granule : alignMask + 1;
  void *p = NULL;
  if (alignment == granule)
    p = __real_malloc(bytes);
  else if (__real_posix_memalign(&p, alignment, bytes))
    p = NULL;
  if (!p) p = reserve_take(bytes, alignment);
  if (!p) abort();
  return p;
}

void __wrap_swift_slowDealloc(void *p, size_t bytes, size_t alignMask) {
  (void)bytes, (void)alignMask;
  __wrap_free(p);
}

/* The runtime is compiled without exceptions: what `operator new` throws would end the process too. */
void *__wrap__Znwm(size_t bytes) {
  void *p = __real_malloc(bytes);
  if (!p) p = reserve_take(bytes, granule);
  if (!p) abort();
  return p;
}

void *__wrap__ZnwmSt11align_val_t(size_t bytes, size_t alignment) { return __wrap_swift_slowAlloc(bytes, alignment - 1); }
void __wrap__ZdlPv(void *p) { __wrap_free(p); }
void __wrap__ZdlPvm(void *p, size_t bytes) {
  (void)bytes;
  __wrap_free(p);
}
void __wrap__ZdlPvmSt11align_val_t(void *p, size_t bytes, size_t alignment) {
  (void)bytes, (void)alignment;
  __wrap_free(p);
}
