// SPDX-License-Identifier: Apache-2.0
// fovea.h as C++11: it stands alone, handles are distinct types, and calls link as C.
#include <fovea.h>

extern "C" int ask_in_cxx(const char *path, const char *question);

extern "C" int ask_in_cxx(const char *path, const char *question) {
  fovea_model *model = nullptr;
  fovea_image_embedding *image = nullptr;
  fovea_session *session = nullptr;
  char *answer = nullptr;
  fovea_generate_options options = fovea_generate_options();
  options.struct_size = sizeof options;
  options.max_tokens = 8;
  const bool worked = fovea_load(nullptr, nullptr, &model) == FOVEA_OK && fovea_encode_image(model, path, nullptr, &image) == FOVEA_OK &&
                      fovea_session_create(model, nullptr, &session) == FOVEA_OK &&
                      fovea_generate(session, question, &image, 1, &options, nullptr, &answer) == FOVEA_OK;
  fovea_string_free(answer);
  fovea_session_free(session);
  fovea_image_embedding_release(image);
  fovea_model_free(model);
  return worked ? 0 : 1;
}
