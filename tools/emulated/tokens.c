/* SPDX-License-Identifier: Apache-2.0 */
/* What a model makes of a picture and a question, to the bit, for comparing instruction sets and architectures:
 *
 *     tokens MODEL.fovea IMAGE QUESTION
 *
 * A line of hashes of the image's vectors and of the prompt's logits, a line of token ids. The instruction set goes to standard error. */
#include <fovea.h>
#include <inttypes.h>
#include <stdio.h>

enum { most = 12 };

/* FNV-1a over the bytes. */
static uint64_t hash(const void *bytes, size_t count) {
  const unsigned char *p = bytes;
  uint64_t h = 0xcbf29ce484222325u;
  while (count-- > 0) h = (h ^ *p++) * 0x100000001b3u;
  return h;
}

static int report(fovea_model *model, fovea_image_embedding *image, fovea_session *session, const char *question) {
  fovea_generate_options options = {.struct_size = sizeof options, .max_tokens = most};
  fovea_image_info info = {.struct_size = sizeof info};
  fovea_model_info facts = {.struct_size = sizeof facts};
  const float *logits;
  size_t positions, vocabulary, count;
  int32_t ids[most];
  if (fovea_model_get_info(model, &facts) != FOVEA_OK || fovea_image_embedding_get_info(image, &info) != FOVEA_OK) return 1;
  if (fovea_logits(session, question, &image, 1, NULL, &logits, &positions, &vocabulary) != FOVEA_OK) return 1;
  fprintf(stderr, "%s\n", facts.instruction_set);
  printf("%016" PRIx64 " %016" PRIx64 "\n", hash(fovea_image_embedding_data(image), (size_t)info.tokens * (size_t)info.hidden_size * sizeof(float)),
         hash(logits, positions * vocabulary * sizeof(float)));
  if (fovea_session_reset(session) != FOVEA_OK) return 1;
  if (fovea_generate_ids(session, question, &image, 1, &options, NULL, ids, most, &count) != FOVEA_OK) return 1;
  for (size_t i = 0; i < count; i++) printf("%" PRId32 "%c", ids[i], i + 1 < count ? ' ' : '\n');
  return 0;
}

int main(int argc, char **argv) {
  fovea_model *model = NULL;
  fovea_image_embedding *image = NULL;
  fovea_session *session = NULL;
  int code = 1;
  if (argc != 4) {
    fprintf(stderr, "usage: tokens MODEL.fovea IMAGE QUESTION\n");
    return 64;
  }
  if (fovea_load(argv[1], NULL, &model) == FOVEA_OK && fovea_encode_image(model, argv[2], NULL, &image) == FOVEA_OK &&
      fovea_session_create(model, NULL, &session) == FOVEA_OK)
    code = report(model, image, session, argv[3]);
  if (code) fprintf(stderr, "tokens: %s\n", fovea_last_error(NULL));
  fovea_session_free(session);
  fovea_image_embedding_release(image);
  fovea_model_free(model);
  return code;
}
