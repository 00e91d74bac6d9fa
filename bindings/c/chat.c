/* SPDX-License-Identifier: Apache-2.0 */
/* Talks about an image, one question per line of standard input:
 *
 *     chat [-m MODEL.fovea] IMAGE
 *
 * What was said before is not read again: each turn reads its own question alone. */
#include <fovea.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Most messages kept; the library drops the oldest questions where the context is full. */
enum { MOST = 512, LINE = 4096 };

static int print_piece(void *user, int32_t id, const char *text, size_t length) {
  FILE *stream = user;
  (void)id;
  fwrite(text, 1, length, stream);
  return fflush(stream);
}

static int fail(const char *what, fovea_status status) {
  fprintf(stderr, "chat: %s: %s (%s)\n", what, fovea_last_error(NULL), fovea_status_name(status));
  return 1;
}

/* A copy of a text; NULL if out of memory. */
static char *copied(const char *text) {
  char *copy = malloc(strlen(text) + 1);
  return copy ? strcpy(copy, text) : NULL;
}

static void say(fovea_message *message, int32_t role, char *text) {
  memset(message, 0, sizeof *message);
  message->struct_size = sizeof *message;
  message->role = role;
  message->text = text;
}

static int talk(fovea_session *session, fovea_image_embedding *image) {
  static fovea_message messages[MOST];
  fovea_generate_options options = {.struct_size = sizeof options, .max_tokens = 256, .on_token = print_piece};
  char line[LINE], *answer = NULL, *question;
  size_t count = 0;
  int code = 0;
  options.on_token_user = stdout;
  options.overflow = FOVEA_OVERFLOW_DROP_OLDEST;
  while (code == 0 && count + 2 <= MOST && fgets(line, sizeof line, stdin)) {
    fovea_status status;
    line[strcspn(line, "\n")] = 0;
    if (!(question = copied(line))) break;
    say(&messages[count], FOVEA_ROLE_USER, question);
    if (count == 0) {
      messages[0].images = &image;
      messages[0].image_count = 1;
    }
    status = fovea_chat(session, messages, count + 1, &options, NULL, &answer);
    if (status == FOVEA_OK) {
      putchar('\n');
      /* An answer is passed back unchanged. */
      question = copied(answer);
      fovea_string_free(answer);
      say(&messages[count + 1], FOVEA_ROLE_ASSISTANT, question);
      count += 2;
      if (!question) break;
    } else {
      free(question);
      code = fail("cannot answer", status);
    }
  }
  while (count > 0) free((void *)(uintptr_t)messages[--count].text);
  return code;
}

int main(int argc, char **argv) {
  const char *path = NULL;
  fovea_model *model = NULL;
  fovea_image_embedding *image = NULL;
  fovea_session *session = NULL;
  fovea_status status;
  int code;

  if (argc > 2 && strcmp(argv[1], "-m") == 0) {
    path = argv[2];
    argc -= 2;
    argv += 2;
  }
  if (argc != 2) {
    fprintf(stderr, "usage: chat [-m MODEL.fovea] IMAGE\n");
    return 2;
  }
  if ((status = fovea_load(path, NULL, &model)) != FOVEA_OK)
    code = fail("cannot load the model", status);
  else if ((status = fovea_encode_image(model, argv[1], NULL, &image)) != FOVEA_OK)
    code = fail("cannot encode the image", status);
  else if ((status = fovea_session_create(model, NULL, &session)) != FOVEA_OK)
    code = fail("cannot create a session", status);
  else
    code = talk(session, image);
  fovea_session_free(session);
  fovea_image_embedding_release(image);
  fovea_model_free(model);
  return code;
}
