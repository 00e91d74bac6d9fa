/* SPDX-License-Identifier: Apache-2.0 */
/* What is found in place of a file that was not downloaded: an HTML page, a Git LFS pointer. */
#ifndef FOVEA_UNFETCHED_H
#define FOVEA_UNFETCHED_H

#include <stdbool.h>
#include <stddef.h>
#include <string.h>
#include <strings.h>

/* Whether the first 256 bytes begin with `tag`, in upper or lower case, after white space. */
static inline bool shims_opens_tag(const void *bytes, size_t count, const char *tag) {
  const char *p = (const char *)bytes;
  if (count > 256) count = 256;
  while (count > 0 && (*p == ' ' || (*p >= '\t' && *p <= '\r'))) p++, count--;
  size_t length = strlen(tag);
  return count >= length && strncasecmp(p, tag, length) == 0;
}

static inline bool shims_is_html(const void *bytes, size_t count) {
  return shims_opens_tag(bytes, count, "<!doctype html") || shims_opens_tag(bytes, count, "<html");
}

static inline bool shims_is_lfs_pointer(const void *bytes, size_t count) {
  static const char first[] = "version https://git-lfs.github.com/";
  return count >= sizeof first - 1 && memcmp(bytes, first, sizeof first - 1) == 0;
}

#endif
