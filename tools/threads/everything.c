/* SPDX-License-Identifier: Apache-2.0 */
/* Many threads on one model, for tools/check-threads: calls of all kinds, getters of sessions that are at work, cancels, forks, saves, batches.
   usage: everything SECONDS [THREADS]. Prints the number of calls, and what is wrong; ends with 0 when nothing is. */
#define _GNU_SOURCE
#include <fovea.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { width = 96, height = 64, shared = 8 };
static unsigned char pixels[width * height * 3];
static fovea_model *model;
static fovea_image_embedding *image;
/* Sessions that all threads look at and cancel. */
static fovea_session *sessions[shared];
static char *alone;
static atomic_long calls, failures;
static double end;

static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* One of these is right, when another thread may be using or cancelling the session. */
static void expect(fovea_status status, const char *what) {
  calls++;
  if (status == FOVEA_OK || status == FOVEA_ERROR_BUSY || status == FOVEA_ERROR_CANCELLED || status == FOVEA_ERROR_DEADLINE) return;
  failures++;
  printf("FAILED: %s: %s: %s\n", what, fovea_status_name(status), fovea_last_error(NULL));
}

static int token(void *user, int32_t id, const char *text, size_t length) {
  (void)id, (void)text;
  *(size_t *)user += length;
  return 0;
}

static void answer_alone(void) {
  fovea_session *session = NULL;
  fovea_generate_options options = {.struct_size = sizeof options, .max_tokens = 8};
  char *text = NULL;
  expect(fovea_session_create(model, NULL, &session), "create");
  fovea_status status = fovea_generate(session, "What is this?", &image, 1, &options, NULL, &text);
  expect(status, "generate");
  if (status == FOVEA_OK && alone && strcmp(text, alone)) failures++, printf("FAILED: %s instead of %s\n", text, alone);
  if (status == FOVEA_OK && !alone) {
    alone = text;
    text = NULL;
  }
  fovea_string_free(text);
  fovea_session_free(session);
}

static void use_shared(unsigned *seed) {
  fovea_session *session = sessions[rand_r(seed) % shared];
  size_t told = 0, size = 0;
  fovea_generate_options options = {
      .struct_size = sizeof options, .max_tokens = 12, .temperature = 1, .seed = *seed, .on_token = token, .on_token_user = &told, .logprobs = 2};
  fovea_message message = {.struct_size = sizeof message, .text = "What is this?", .images = &image, .image_count = 1};
  fovea_answer answer = {.struct_size = sizeof answer};
  fovea_session *other = NULL;
  switch (rand_r(seed) % 10) {
  case 0:
    expect(fovea_generate(session, "Read the text.", &image, 1, &options, NULL, NULL), "generate");
    break;
  case 1:
    expect(fovea_chat(session, &message, 1, &options, NULL, NULL), "chat");
    break;
  case 2:
    fovea_session_cancel(session);
    break;
  case 3:
    for (int i = 0; i < 50; i++) {
      (void)fovea_session_length(session);
      if (fovea_session_answer_count(session)) (void)fovea_session_get_answer(session, 0, &answer);
      (void)strlen(fovea_last_error(NULL));
    }
    break;
  case 4:
    expect(fovea_session_fork(session, &other), "fork");
    if (other) expect(fovea_generate(other, "And now?", NULL, 0, &options, NULL, NULL), "generate of a fork");
    fovea_session_free(other);
    break;
  case 5: {
    fovea_status status = fovea_session_save(session, NULL, 0, &size);
    void *bytes = status == FOVEA_OK ? malloc(size) : NULL;
    if (!bytes) break;
    status = fovea_session_save(session, bytes, size, &size);
    /* It may have grown since. */
    if (status != FOVEA_ERROR_BUFFER) expect(status, "save");
    if (status == FOVEA_OK) {
      expect(fovea_session_load(model, bytes, size, NULL, &other), "load");
      if (other) expect(fovea_generate(other, "Go on.", NULL, 0, &options, NULL, NULL), "generate of a loaded one");
    }
    fovea_session_free(other);
    free(bytes);
    break;
  }
  case 6:
    expect(fovea_session_reset(session), "reset");
    break;
  case 7: {
    options.constraint = FOVEA_CONSTRAINT_REGEX;
    options.constraint_text = "[a-z]{2,9}( [a-z]+)*";
    expect(fovea_generate(session, "Name it.", NULL, 0, &options, NULL, NULL), "constraint");
    break;
  }
  case 8: {
    const char *texts[] = {"yes", "no"};
    double scores[2];
    expect(fovea_score(session, "Is it?", &image, 1, NULL, texts, 2, scores), "score");
    break;
  }
  default: {
    options.deadline_seconds = 0.02;
    expect(fovea_generate(session, "Tell all.", &image, 1, &options, NULL, NULL), "deadline");
  }
  }
}

static void batch(unsigned *seed) {
  fovea_request requests[3];
  fovea_session *own[3];
  memset(requests, 0, sizeof requests);
  fovea_generate_options options = {.struct_size = sizeof options, .max_tokens = 8};
  for (int i = 0; i < 3; i++) {
    own[i] = NULL;
    expect(fovea_session_create(model, NULL, &own[i]), "create");
    requests[i] = (fovea_request){
        .struct_size = sizeof requests[i], .session = own[i], .prompt = "What is this?", .images = &image, .image_count = 1, .options = &options};
  }
  expect(fovea_batch(requests, 1 + (size_t)rand_r(seed) % 3), "batch");
  for (int i = 0; i < 3; i++) {
    if (requests[i].text && strcmp(requests[i].text, alone)) failures++, printf("FAILED: %s of a batch instead of %s\n", requests[i].text, alone);
    fovea_string_free(requests[i].text);
    fovea_session_free(own[i]);
  }
}

static void *work(void *number) {
  unsigned seed = (unsigned)(size_t)number + 1;
  while (now() < end) {
    switch (rand_r(&seed) % 8) {
    case 0:
      answer_alone();
      break;
    case 1:
      batch(&seed);
      break;
    case 2: {
      fovea_image_embedding *other = NULL;
      expect(fovea_encode_image_pixels(model, pixels, width, height - rand_r(&seed) % 8, 0, NULL, &other), "encode");
      fovea_image_embedding_release(other);
      break;
    }
    case 3: {
      fovea_memory_use use = {.struct_size = sizeof use};
      int32_t ids[64];
      size_t count = 0;
      expect(fovea_model_memory(model, &use), "memory");
      expect(fovea_tokenize(model, "What is this?", 13, ids, 64, &count), "tokenize");
      if (rand_r(&seed) % 8 == 0) expect(fovea_model_trim(model), "trim");
      break;
    }
    default:
      use_shared(&seed);
    }
  }
  return NULL;
}

struct host_job {
  fovea_job job;
  void *context;
};

static void *run_host_job(void *argument) {
  struct host_job *one = argument;
  one->job(one->context, 1);
  return NULL;
}

/* A host's threads: one is started, one is the caller's, further jobs are left out. */
static void run_jobs(void *user, size_t count, fovea_job job, void *context) {
  struct host_job one = {job, context};
  pthread_t thread;
  int is_started = count > 1 && !pthread_create(&thread, NULL, run_host_job, &one);
  (void)user;
  if (count > 0) job(context, 0);
  if (is_started) pthread_join(thread, NULL);
}

/* A host's memory: blocks that are taken and not given back are counted. */
static long blocks;
static void *allocate(void *user, size_t size) {
  void *block = aligned_alloc(64, (size + 63) & ~(size_t)63);
  if (block) __atomic_fetch_add((long *)user, 1, __ATOMIC_RELAXED);
  return block;
}
static void deallocate(void *user, void *block, size_t size) {
  (void)size;
  free(block);
  __atomic_fetch_sub((long *)user, 1, __ATOMIC_RELAXED);
}

/* usage: everything [SECONDS [THREADS [host]]] */
int main(int count, char **arguments) {
  int threads = count > 2 ? atoi(arguments[2]) : 8;
  pthread_t all[64];
  fovea_load_options options = {.struct_size = sizeof options, .threads = 2, .context_length = 1024};
  for (size_t i = 0; i < sizeof pixels; i++) pixels[i] = (unsigned char)(i * 37 >> 3);
  if (count > 3) {
    options.run_jobs = run_jobs;
    options.allocate = allocate;
    options.deallocate = deallocate;
    options.allocator_user = &blocks;
  }
  expect(fovea_load(NULL, &options, &model), "load");
  if (!model) return 2;
  expect(fovea_encode_image_pixels(model, pixels, width, height, 0, NULL, &image), "encode");
  answer_alone();
  for (int i = 0; i < shared; i++) expect(fovea_session_create(model, NULL, &sessions[i]), "create");
  end = now() + (count > 1 ? atof(arguments[1]) : 10);
  for (int i = 0; i < threads && i < 64; i++) pthread_create(&all[i], NULL, work, (void *)(size_t)i);
  for (int i = 0; i < threads && i < 64; i++) pthread_join(all[i], NULL);
  for (int i = 0; i < shared; i++) fovea_session_free(sessions[i]);
  /* What was made of a model keeps it. */
  fovea_model_free(model);
  fovea_image_embedding_release(image);
  fovea_string_free(alone);
  expect(blocks ? FOVEA_ERROR_INTERNAL : FOVEA_OK, "every block given back");
  printf("%ld calls, %ld failures\n", (long)calls, (long)failures);
  return failures != 0;
}
