/* SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE
#include "Shims.h"

#include <dlfcn.h>
#include <link.h>
#include <sys/auxv.h>

char *threadErrorText(void) {
  static _Thread_local char text[threadErrorTextCapacity];
  return text;
}

size_t stack_left(void) {
  /* Asked once per thread: for the main thread the answer reads /proc. */
  static _Thread_local uintptr_t low, high;
  uintptr_t here = (uintptr_t)__builtin_frame_address(0);
  if (!high) {
    pthread_attr_t attributes;
    void *base;
    size_t size;
    if (pthread_getattr_np(pthread_self(), &attributes)) return 0;
    if (!pthread_attr_getstack(&attributes, &base, &size)) {
      low = (uintptr_t)base;
      high = low + size;
    }
    pthread_attr_destroy(&attributes);
  }
  return here > low && here < high ? here - low : 0;
}

bool library_path(char *buffer, size_t capacity) {
  Dl_info info;
  struct link_map *map = NULL;
  char *path;
  size_t length;
  if (!dladdr1((void *)(uintptr_t)&library_path, &info, (void **)&map, RTLD_DL_LINKMAP) || !map) return false;
  /* The program itself has an empty l_name, and argv[0] need not be a path. */
  path = realpath(map->l_name[0] ? map->l_name : "/proc/self/exe", NULL);
  /* Where /proc is not mounted: the path the program was started by, which the kernel hands over. */
  if (!path && !map->l_name[0] && getauxval(AT_EXECFN)) path = realpath((const char *)getauxval(AT_EXECFN), NULL);
  if (!path) return false;
  length = strlen(path);
  if (length < capacity) memcpy(buffer, path, length + 1);
  free(path);
  return length < capacity;
}

static int add_segments(struct dl_phdr_info *info, size_t size, void *bytes) {
  uintptr_t here = (uintptr_t)&library_bytes;
  size_t sum = 0;
  bool is_mine = false;
  (void)size;
  for (int i = 0; i < info->dlpi_phnum; i++) {
    const ElfW(Phdr) *p = &info->dlpi_phdr[i];
    if (p->p_type != PT_LOAD) continue;
    uintptr_t start = info->dlpi_addr + p->p_vaddr;
    is_mine |= here >= start && here - start < p->p_memsz;
    sum += p->p_memsz;
  }
  if (is_mine) *(size_t *)bytes = sum;
  return is_mine;
}

size_t library_bytes(void) {
  size_t bytes = 0;
  dl_iterate_phdr(add_segments, &bytes);
  return bytes;
}
