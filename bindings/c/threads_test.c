/* SPDX-License-Identifier: Apache-2.0 */
/* Calls from threads with little stack, in forked children, and on a host's threads. usage: threads_test [KiB of stack, by default 64]
   Prints what is wrong; ends with 0 when nothing is. */
#define _GNU_SOURCE
#include <fovea.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { width = 96, height = 64 };
static unsigned char pixels[width * height * 3];
static int failures;

static int check(int is_right, const char *what) {
  if (!is_right) {
    printf("FAILED: %s: %s\n", what, fovea_last_error(NULL));
    failures++;
  }
  return is_right;
}

static int is_told(void *user, size_t done, size_t total) {
  (void)done, (void)total;
  ++*(int *)user;
  return 0;
}

/* Every kind of call once. */
static void *every_call(void *unused) {
  fovea_model *model = NULL, *none = NULL;
  fovea_image_embedding *image = NULL, *copy = NULL;
  fovea_session *session = NULL, *fork = NULL, *opened = NULL;
  fovea_message message = {.struct_size = sizeof message, .text = "What is this?"};
  fovea_memory_plan plan = {.struct_size = sizeof plan};
  fovea_generate_options options = {.struct_size = sizeof options, .max_tokens = 8};
  fovea_load_options load = {.struct_size = sizeof load, .threads = 2};
  char *text = NULL;
  const float *logits = NULL;
  const char *answers[] = {"Yes", "No"};
  double scores[2];
  size_t positions = 0, vocab = 0, count = 0, size = 0;
  int32_t ids[64];
  char path[16], back[256];
  int told = 0;
  (void)unused;
  load.progress = options.progress = is_told;
  load.progress_user = options.progress_user = &told;
  check(fovea_plan(NULL, NULL, &plan) == FOVEA_OK, "plan");
  if (!check(fovea_load(NULL, &load, &model) == FOVEA_OK, "load")) return NULL;
  check(fovea_encode_image_pixels(model, pixels, width, height, 0, NULL, &image) == FOVEA_OK, "encode");
  check(fovea_session_create(model, NULL, &session) == FOVEA_OK, "session_create");
  check(fovea_generate(session, "What is this?", &image, 1, &options, NULL, &text) == FOVEA_OK, "generate");
  check(fovea_logits(session, "What is this?", &image, 1, NULL, &logits, &positions, &vocab) == FOVEA_OK, "logits");
  check(fovea_score(session, "What is this?", &image, 1, NULL, answers, 2, scores) == FOVEA_OK, "score");
  check(fovea_tokenize(model, "What is this?", 13, ids, 64, &count) == FOVEA_OK, "tokenize");
  check(fovea_detokenize(model, ids, count, 0, back, sizeof back, &size) == FOVEA_OK, "detokenize");
  check(fovea_image_embedding_serialize(image, NULL, 0, &size) == FOVEA_OK, "size of serialize");
  void *bytes = malloc(size);
  check(bytes && fovea_image_embedding_serialize(image, bytes, size, &size) == FOVEA_OK, "serialize");
  check(fovea_image_embedding_deserialize(model, bytes, size, &copy) == FOVEA_OK, "deserialize");
  free(bytes);
  options.answers = 2;
  options.temperature = 1;
  options.min_p = 0.1f;
  options.typical_p = 0.9f;
  options.frequency_penalty = 0.1f;
  options.logprobs = 3;
  check(fovea_chat(session, &message, 1, &options, NULL, NULL) == FOVEA_OK, "chat");
  check(fovea_session_answer_count(session) == 2, "answers");
  check(fovea_session_fork(session, &fork) == FOVEA_OK, "session_fork");
  check(fovea_session_rewind(fork, 5) == FOVEA_OK && fovea_session_length(fork) == 5, "session_rewind");
  check(fovea_session_save(fork, NULL, 0, &size) == FOVEA_OK, "size of session_save");
  bytes = malloc(size);
  check(bytes && fovea_session_save(fork, bytes, size, &size) == FOVEA_OK, "session_save");
  check(fovea_session_load(model, bytes, size, NULL, &opened) == FOVEA_OK, "session_load");
  free(bytes);
  check(told > 0, "the callbacks");
  /* The caller's last error is its own, on whichever thread the work ran. */
  check(fovea_load("/nowhere.fovea", NULL, &none) == FOVEA_ERROR_IO, "load of nothing");
  check(strstr(fovea_last_error(NULL), "/nowhere.fovea") != NULL, "last error");
  check(fovea_builtin_model(path, sizeof path, &size) == FOVEA_ERROR_BUFFER, "builtin_model");
  fovea_string_free(text);
  fovea_session_free(session);
  fovea_session_free(fork);
  fovea_session_free(opened);
  fovea_image_embedding_release(image);
  fovea_image_embedding_release(copy);
  fovea_model_free(model);
  return NULL;
}

static void on_small_stack(size_t kib) {
  pthread_attr_t attributes;
  pthread_t thread;
  /* 128 KiB on arm64. */
  long least = sysconf(_SC_THREAD_STACK_MIN);
  size_t size = kib << 10;
  if (least > 0 && size < (size_t)least) size = (size_t)least;
  pthread_attr_init(&attributes);
  if (check(!pthread_attr_setstacksize(&attributes, size) && !pthread_create(&thread, &attributes, every_call, NULL), "a thread"))
    pthread_join(thread, NULL);
  pthread_attr_destroy(&attributes);
}

static fovea_model *shared_model;
static fovea_session *busy_session;
static volatile int is_running, is_over;

static int note_running(void *user, int32_t id, const char *text, size_t length) {
  (void)user, (void)id, (void)text, (void)length;
  is_running = 1;
  return 0;
}

static void *keep_busy(void *unused) {
  fovea_generate_options options = {.struct_size = sizeof options, .ignore_eos = 1, .on_token = note_running};
  (void)unused;
  while (!is_over) fovea_generate(busy_session, "A long answer", NULL, 0, &options, NULL, NULL);
  return NULL;
}

/* The child's exit status: the result of its calls. */
static int in_child(int was_busy) {
  fovea_session *session = NULL;
  fovea_image_embedding *image = NULL;
  fovea_generate_options options = {.struct_size = sizeof options, .max_tokens = 3};
  fovea_status old;
  /* Far more than it takes: under QEMU on a busy machine that has been 20 s. */
  alarm(120);
  if (fovea_session_create(shared_model, NULL, &session) != FOVEA_OK) return 2;
  if (fovea_generate(session, "b", NULL, 0, &options, NULL, NULL) != FOVEA_OK) return 3;
  if (fovea_encode_image_pixels(shared_model, pixels, width, height, 0, NULL, &image) != FOVEA_OK) return 4;
  old = fovea_generate(busy_session, "b", NULL, 0, &options, NULL, NULL);
  /* The busy session may have been between two calls. */
  if (old != FOVEA_OK && !(was_busy && old == FOVEA_ERROR_UNSUPPORTED)) return 5;
  fovea_image_embedding_release(image);
  fovea_session_free(session);
  fovea_session_free(busy_session);
  fovea_model_free(shared_model);
  return 0;
}

static int fork_and_call(int was_busy, const char *what) {
  int status = 0;
  pid_t child = fork();
  if (!child) _exit(in_child(was_busy));
  waitpid(child, &status, 0);
  if (WIFSIGNALED(status)) printf("signal %d\n", WTERMSIG(status));
  if (WIFEXITED(status) && WEXITSTATUS(status)) printf("step %d\n", WEXITSTATUS(status));
  return check(status == 0, what);
}

static void across_fork(void) {
  fovea_load_options options = {.struct_size = sizeof options, .threads = 2};
  pthread_t thread;
  if (!check(fovea_load(NULL, &options, &shared_model) == FOVEA_OK, "load")) return;
  if (!check(fovea_session_create(shared_model, NULL, &busy_session) == FOVEA_OK, "session_create")) return;
  fork_and_call(0, "fork while idle");
  if (!check(!pthread_create(&thread, NULL, keep_busy, NULL), "a thread")) return;
  while (!is_running) usleep(1000);
  for (int i = 0; i < 20; i++) {
    usleep(1000 + 377 * i);
    if (!fork_and_call(1, "fork during a call")) break;
  }
  is_over = 1;
  fovea_session_cancel(busy_session);
  pthread_join(thread, NULL);
  fork_and_call(0, "fork after a call");
  fovea_session_free(busy_session);
  fovea_model_free(shared_model);
}

/* A host that starts threads for each call; it leaves out the last job, and runs one of them itself. */
struct one_job {
  fovea_job job;
  void *context;
  size_t index;
};
static size_t host_calls;

static void *run_one(void *argument) {
  struct one_job *one = argument;
  one->job(one->context, one->index);
  return NULL;
}

static void run_jobs(void *user, size_t count, fovea_job job, void *context) {
  struct one_job jobs[4];
  pthread_t threads[4];
  int started[4] = {0};
  check(user == &host_calls && count <= 4, "the host's arguments");
  ++host_calls;
  for (size_t i = 1; i + 1 < count && i < 4; i++) {
    jobs[i] = (struct one_job){job, context, i};
    started[i] = !pthread_create(&threads[i], NULL, run_one, &jobs[i]);
  }
  if (count > 0) job(context, 0);
  for (size_t i = 1; i < 4; i++)
    if (started[i]) pthread_join(threads[i], NULL);
}

static int log_lines;
static void count_lines(void *user, fovea_log_level level, const char *message) {
  check(user == &log_lines && level >= FOVEA_LOG_DEBUG && level <= FOVEA_LOG_WARNING && !strchr(message, '\n'), "a log line");
  ++log_lines;
}

/* The logits of a picture and a prompt, by the library's threads and by a host's. */
static void on_host_threads(void) {
  float *first = NULL;
  size_t floats = 0;
  for (int round = 0; round < 2; round++) {
    fovea_model *model = NULL;
    fovea_image_embedding *image = NULL;
    fovea_session *session = NULL;
    const float *logits = NULL;
    size_t positions = 0, vocab = 0;
    fovea_load_options load = {.struct_size = sizeof load, .threads = 4, .log = count_lines, .log_user = &log_lines};
    if (round == 1) {
      load.run_jobs = run_jobs;
      load.run_jobs_user = &host_calls;
    }
    check(fovea_load(NULL, &load, &model) == FOVEA_OK, "load");
    check(fovea_encode_image_pixels(model, pixels, width, height, 0, NULL, &image) == FOVEA_OK, "encode");
    check(fovea_session_create(model, NULL, &session) == FOVEA_OK, "session_create");
    if (check(fovea_logits(session, "What is this?", &image, 1, NULL, &logits, &positions, &vocab) == FOVEA_OK, "logits")) {
      if (round == 0) {
        floats = positions * vocab;
        first = malloc(floats * sizeof *first);
        if (first) memcpy(first, logits, floats * sizeof *first);
      } else {
        check(first && floats == positions * vocab && !memcmp(first, logits, floats * sizeof *first), "logits on the host's threads");
      }
    }
    fovea_session_free(session);
    fovea_image_embedding_release(image);
    fovea_model_free(model);
  }
  check(host_calls > 0, "the host's threads");
  check(log_lines == 4, "a line for each model and each image");
  free(first);
}

int main(int count, char **arguments) {
  size_t kib = count > 1 ? strtoul(arguments[1], NULL, 10) : 64;
  fovea_memory_plan plan = {.struct_size = sizeof plan};
  for (size_t i = 0; i < sizeof pixels; i++) pixels[i] = (unsigned char)(i * 37 + i / 97);
  if (fovea_plan(NULL, NULL, &plan) == FOVEA_ERROR_IO) return 0; /* installed without a built-in model */
  on_small_stack(kib);
  across_fork();
  on_host_threads();
  return failures != 0;
}
