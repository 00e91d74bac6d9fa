/* SPDX-License-Identifier: Apache-2.0 */
/* Asks about a part of an image, and prints the places that the answer names:
 *
 *     regions MODEL.fovea IMAGE X1 Y1 X2 Y2 QUESTION
 *
 * QUESTION has a <region> mark where it refers to the box from X1, Y1 to X2, Y2, in pixels. The model must be one that takes
 * regions (Ferret) or names places (Ferret, Monkey's family, granite-docling). */
#include <fovea.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int fail(const char *what, fovea_status status) {
  fprintf(stderr, "regions: %s: %s (%s)\n", what, fovea_last_error(NULL), fovea_status_name(status));
  return 1;
}

int main(int argc, char **argv) {
  fovea_model *model = NULL;
  fovea_image_embedding *image = NULL;
  fovea_session *session = NULL;
  char *answer = NULL;
  fovea_region box = {.struct_size = sizeof box, .kind = FOVEA_REGION_BOX};
  fovea_generate_options options = {.struct_size = sizeof options, .max_tokens = 256, .regions = &box};
  fovea_status status;
  size_t i;
  int code = 0;

  if (argc != 8) {
    fprintf(stderr, "usage: regions MODEL.fovea IMAGE X1 Y1 X2 Y2 QUESTION\n");
    return 2;
  }
  box.x1 = atof(argv[3]);
  box.y1 = atof(argv[4]);
  box.x2 = atof(argv[5]);
  box.y2 = atof(argv[6]);
  options.region_count = strstr(argv[7], "<region>") ? 1 : 0;

  if ((status = fovea_load(argv[1], NULL, &model)) != FOVEA_OK)
    code = fail("cannot load the model", status);
  else if ((status = fovea_encode_image(model, argv[2], NULL, &image)) != FOVEA_OK)
    code = fail("cannot encode the image", status);
  else if ((status = fovea_session_create(model, NULL, &session)) != FOVEA_OK)
    code = fail("cannot create a session", status);
  else if ((status = fovea_generate(session, argv[7], &image, 1, &options, NULL, &answer)) != FOVEA_OK)
    code = fail("cannot answer", status);
  else {
    puts(answer);
    for (i = 0; i < fovea_session_place_count(session); i++) {
      fovea_place place = {.struct_size = sizeof place};
      if (fovea_session_get_place(session, i, &place) != FOVEA_OK) break;
      printf("%s: %.0f %.0f %.0f %.0f\n", place.phrase, place.x1, place.y1, place.x2, place.y2);
    }
  }
  fovea_string_free(answer);
  fovea_session_free(session);
  fovea_image_embedding_release(image);
  fovea_model_free(model);
  return code;
}
