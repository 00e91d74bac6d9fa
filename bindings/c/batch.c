/* SPDX-License-Identifier: Apache-2.0 */
/* Asks one question about many images, several at the same time:
 *
 *     batch MODEL.fovea QUESTION IMAGE...
 *
 * Sessions that answer together read the model's weights once for all of them. */
#include <fovea.h>
#include <stdio.h>
#include <stdlib.h>

/* Sessions that answer at the same time. */
enum { LANES = 8 };

static int fail(const char *what, fovea_status status) {
  fprintf(stderr, "batch: %s: %s (%s)\n", what, fovea_last_error(NULL), fovea_status_name(status));
  return 1;
}

/* Asks about `count` images; prints one answer per line, or the error. */
static int ask(const fovea_model *model, const char *question, char **paths, size_t count) {
  fovea_generate_options options = {.struct_size = sizeof options, .max_tokens = 256};
  fovea_session *sessions[LANES] = {NULL};
  fovea_image_embedding **images = calloc(count, sizeof *images);
  fovea_request *requests = calloc(count, sizeof *requests);
  fovea_status status = images && requests ? FOVEA_OK : FOVEA_ERROR_MEMORY;
  int code = 0;
  size_t i;

  for (i = 0; status == FOVEA_OK && i < LANES && i < count; i++) status = fovea_session_create(model, NULL, &sessions[i]);
  if (status != FOVEA_OK) code = fail("cannot begin", status);
  for (i = 0; status == FOVEA_OK && i < count; i++) {
    if ((status = fovea_encode_image(model, paths[i], NULL, &images[i])) != FOVEA_OK) code = fail(paths[i], status);
    requests[i].struct_size = sizeof requests[i];
    requests[i].session = sessions[i % LANES];
    requests[i].prompt = question;
    requests[i].images = &images[i];
    requests[i].image_count = 1;
    requests[i].options = &options;
  }
  if (status == FOVEA_OK) {
    if ((status = fovea_batch(requests, count)) != FOVEA_OK) code = fail("not all could be answered", status);
    for (i = 0; i < count; i++) printf("%s\t%s\n", paths[i], requests[i].text ? requests[i].text : fovea_status_name(requests[i].status));
  }
  for (i = 0; i < count; i++) {
    if (requests) fovea_string_free(requests[i].text);
    if (images) fovea_image_embedding_release(images[i]);
  }
  for (i = 0; i < LANES; i++) fovea_session_free(sessions[i]);
  free(requests);
  free(images);
  return code;
}

int main(int argc, char **argv) {
  fovea_model *model = NULL;
  fovea_status status;
  int code;

  if (argc < 4) {
    fprintf(stderr, "usage: batch MODEL.fovea QUESTION IMAGE...\n");
    return 2;
  }
  if ((status = fovea_load(argv[1], NULL, &model)) != FOVEA_OK) return fail("cannot load the model", status);
  code = ask(model, argv[2], argv + 3, (size_t)argc - 3);
  fovea_model_free(model);
  return code;
}
