/* SPDX-License-Identifier: Apache-2.0 */
/* Loads the library as a plug-in would, every symbol bound at once, uses it, unloads it, and does so again. */
#include <dlfcn.h>
#include <fovea.h>
#include <stdio.h>
#include <string.h>

typedef const char *(*version_function)(void);
typedef const char *(*last_error_function)(const struct fovea_session *);
typedef fovea_status (*load_function)(const char *, const fovea_load_options *, fovea_model **);

static int use(const char *path) {
  void *library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
  version_function version;
  last_error_function last_error;
  load_function load;
  fovea_model *model = NULL;
  if (!library) {
    fprintf(stderr, "%s\n", dlerror());
    return 1;
  }
  /* ISO C has no conversion from an object pointer to a function pointer; POSIX says how. */
  *(void **)&version = dlsym(library, "fovea_version");
  *(void **)&last_error = dlsym(library, "fovea_last_error");
  *(void **)&load = dlsym(library, "fovea_load");
  if (!version || !last_error || !load || strcmp(version(), FOVEA_VERSION) != 0) return 2;
  if (load("/nonexistent/model.fovea", NULL, &model) != FOVEA_ERROR_IO || model) return 3;
  if (!strstr(last_error(NULL), "/nonexistent/model.fovea")) return 4;
  return dlclose(library) ? 5 : 0;
}

int main(int argc, char **argv) {
  int i, code = 0;
  if (argc != 2) return 64;
  for (i = 0; i < 3 && !code; i++) code = use(argv[1]);
  printf("dlopen_test: %s\n", code ? "failed" : "passed");
  return code;
}
