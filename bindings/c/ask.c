/* SPDX-License-Identifier: Apache-2.0 */
/* Asks a question about an image and prints the answer as it is generated:
 *
 *     ask [-m MODEL.fovea] IMAGE QUESTION
 *
 * Without -m the built-in model answers. */
#include <fovea.h>
#include <stdio.h>
#include <string.h>

/* Prints each piece of the answer as it comes; 0 means continue. */
static int print_piece(void *user, int32_t id, const char *text, size_t length) {
  FILE *stream = user;
  (void)id;
  fwrite(text, 1, length, stream);
  return fflush(stream);
}

/* Prints the error; 1 is the program's exit status. */
static int fail(const char *what, fovea_status status) {
  fprintf(stderr, "ask: %s: %s (%s)\n", what, fovea_last_error(NULL), fovea_status_name(status));
  return 1;
}

int main(int argc, char **argv) {
  const char *path = NULL;
  fovea_model *model = NULL;
  fovea_image_embedding *image = NULL;
  fovea_session *session = NULL;
  fovea_generate_options options = {.struct_size = sizeof options, .on_token = print_piece};
  fovea_status status;
  int code = 0;

  if (argc > 2 && strcmp(argv[1], "-m") == 0) {
    path = argv[2];
    argc -= 2;
    argv += 2;
  }
  if (argc != 3) {
    fprintf(stderr, "usage: ask [-m MODEL.fovea] IMAGE QUESTION\n");
    return 2;
  }
  options.on_token_user = stdout;

  /* Objects may be NULL: the release functions accept it. */
  if ((status = fovea_load(path, NULL, &model)) != FOVEA_OK)
    code = fail("cannot load the model", status);
  else if ((status = fovea_encode_image(model, argv[1], NULL, &image)) != FOVEA_OK)
    code = fail("cannot encode the image", status);
  else if ((status = fovea_session_create(model, NULL, &session)) != FOVEA_OK)
    code = fail("cannot create a session", status);
  else if ((status = fovea_generate(session, argv[2], &image, 1, &options, NULL, NULL)) != FOVEA_OK)
    code = fail("cannot answer", status);
  else
    putchar('\n');

  fovea_session_free(session);
  fovea_image_embedding_release(image);
  fovea_model_free(model);
  return code;
}
