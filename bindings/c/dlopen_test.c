/* SPDX-License-Identifier: Apache-2.0 */
/* Loads the library as a plug-in would, every symbol bound at once, answers a question, unloads it, and does so again. */
#include <dlfcn.h>
#include <fovea.h>
#include <stdio.h>
#include <string.h>

static const char *(*version)(void);
static const char *(*last_error)(const struct fovea_session *);
static fovea_status (*load)(const char *, const fovea_load_options *, fovea_model **);
static void (*model_free)(fovea_model *);
static fovea_status (*session_create)(const fovea_model *, const fovea_session_options *, fovea_session **);
static void (*session_free)(fovea_session *);
static fovea_status (*generate)(fovea_session *, const char *, fovea_image_embedding *const *, size_t, const fovea_generate_options *,
                                fovea_generate_result *, char **);
static void (*string_free)(char *);

/* ISO C has no conversion from an object pointer to a function pointer; POSIX says to write it like this. */
#define FIND(name) (*(void **)&name = dlsym(library, "fovea_" #name))

static int answer(void) {
  fovea_load_options options = {.struct_size = sizeof options, .threads = 2};
  fovea_generate_options few = {.struct_size = sizeof few, .max_tokens = 4};
  fovea_model *model = NULL;
  fovea_session *session = NULL;
  char *text = NULL;
  int code = 0;
  fovea_status status = load(NULL, &options, &model);
  if (status == FOVEA_ERROR_IO) return 0; /* installed without a built-in model */
  if (status != FOVEA_OK || session_create(model, NULL, &session) != FOVEA_OK ||
      generate(session, "What is this?", NULL, 0, &few, NULL, &text) != FOVEA_OK) {
    fprintf(stderr, "%s\n", last_error(NULL));
    code = 6;
  }
  string_free(text);
  session_free(session);
  model_free(model);
  return code;
}

static int use(const char *path) {
  void *library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
  fovea_model *model = NULL;
  int code;
  if (!library) {
    fprintf(stderr, "%s\n", dlerror());
    return 1;
  }
  if (!FIND(version) || !FIND(last_error) || !FIND(load) || !FIND(model_free) || !FIND(session_create) || !FIND(session_free) || !FIND(generate) ||
      !FIND(string_free))
    return 2;
  if (strcmp(version(), FOVEA_VERSION) != 0) return 3;
  if (load("/nonexistent/model.fovea", NULL, &model) != FOVEA_ERROR_IO || model) return 4;
  if (!strstr(last_error(NULL), "/nonexistent/model.fovea")) return 5;
  code = answer();
  return dlclose(library) ? 7 : code;
}

int main(int argc, char **argv) {
  int i, code = 0;
  if (argc != 2) return 64;
  for (i = 0; i < 3 && !code; i++) code = use(argv[1]);
  printf("dlopen_test: %s\n", code ? "failed" : "passed");
  return code;
}
