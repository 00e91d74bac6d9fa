/* SPDX-License-Identifier: Apache-2.0 */
/* Runs each kind of call with one allocation failing, each in a process of its own, and prints a table of what became of them. The call is then
   repeated, and all calls' results must be those of a process where nothing failed.
   usage: sweep MODEL PICTURE STEP [CALL]   (every STEP-th allocation, of all calls or of one; needs failing.so preloaded) */
#define _GNU_SOURCE
#include <fovea.h>
#include <malloc.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "failing.h"

enum { LOAD, PLAN, PIXELS, PICTURE, BYTES, SESSION, TOKENIZE, GENERATE, READ, SCORE, LOGITS, CHAT, FORK, SAVE, OPEN, BATCH, RELEASE, phases };
static const char *const phase_names[] = {"load",  "plan",   "pixels", "picture", "bytes", "session", "tokenize", "generate", "read",
                                          "score", "logits", "chat",   "fork",    "save",  "open",    "batch",    "release"};

/* How a child ended, if it was not killed. */
enum { SUCCESS = 0, WRONG_RETRY = 100, NO_MESSAGE, LEAK, WRONG_ANSWER, OTHER = 110 };

/* What is to fail: where, from which allocation on, of which size; or, with a limit, the address space. */
typedef struct {
  int phase;
  long n;
  int all_later;
  size_t bytes;
  rlim_t room; /* bytes of address space beyond what is used when the phase begins; 0: no limit */
} Fault;

static const char *model_path, *picture_path;
static unsigned char pixels[96 * 64 * 3];
static long counted;
/* For each kind of call the hash of its result, and that of a process where nothing failed. */
static uint64_t answers[phases], expected[phases];

static size_t address_space(void) {
  size_t pages = 0;
  FILE *f = fopen("/proc/self/statm", "r");
  if (!f || fscanf(f, "%zu", &pages) != 1) pages = 0;
  if (f) fclose(f);
  return pages * (size_t)sysconf(_SC_PAGESIZE);
}

static void begin(const Fault *fault, int phase) {
  if (fault->phase != phase) return;
  if (fault->room) {
    struct rlimit limit = {address_space() + fault->room, RLIM_INFINITY};
    setrlimit(RLIMIT_AS, &limit);
  } else
    fail_from(fault->n, fault->all_later, fault->bytes);
}

static void end(const Fault *fault, int phase) {
  struct rlimit none = {RLIM_INFINITY, RLIM_INFINITY};
  if (fault->phase != phase) return;
  counted = fail_no_more();
  if (fault->room) setrlimit(RLIMIT_AS, &none);
}

/* A call that may fail once where the fault is, and must succeed when repeated. */
#define CALL(here, call)                                                                                                                             \
  do {                                                                                                                                               \
    fovea_status status;                                                                                                                             \
    begin(fault, here);                                                                                                                              \
    status = (call);                                                                                                                                 \
    end(fault, here);                                                                                                                                \
    if (status != FOVEA_OK) {                                                                                                                        \
      if (fault->phase != (here)) return WRONG_RETRY;                                                                                                \
      *first = status;                                                                                                                               \
      if (!*fovea_last_error(NULL)) return NO_MESSAGE;                                                                                               \
      if ((call) != FOVEA_OK) return WRONG_RETRY;                                                                                                    \
    }                                                                                                                                                \
  } while (0)

/* Continues the FNV-1a hash `h` with some bytes. */
static uint64_t hash(uint64_t h, const void *bytes, size_t size) {
  const unsigned char *b = bytes;
  for (size_t i = 0; i < size; i++) h = (h ^ b[i]) * 0x100000001b3;
  return h;
}

static uint64_t hash_text(uint64_t h, const char *text) { return text ? hash(h, text, strlen(text) + 1) : h + 1; }

static uint64_t hash_image(const fovea_image_embedding *image) {
  fovea_image_info info = {.struct_size = sizeof info};
  fovea_image_embedding_get_info(image, &info);
  return hash(7, fovea_image_embedding_data(image), sizeof(float) * (size_t)info.tokens * (size_t)info.hidden_size);
}

/* An embedding written to bytes and read back. */
static fovea_status through_bytes(const fovea_model *model, const fovea_image_embedding *image) {
  static unsigned char bytes[8 << 20]; /* the caller's own memory, not the library's */
  size_t size = 0;
  fovea_image_embedding *copy = NULL;
  fovea_status status = fovea_image_embedding_serialize(image, bytes, sizeof bytes, &size);
  if (status == FOVEA_OK) status = fovea_image_embedding_deserialize(model, bytes, size, &copy);
  if (status == FOVEA_OK) answers[BYTES] = hash_image(copy);
  fovea_image_embedding_release(copy);
  return status;
}

/* Two sessions at the same time. */
static fovea_status many(fovea_session *one, fovea_session *other, fovea_image_embedding *const *image, const fovea_generate_options *options) {
  fovea_request requests[2] = {{.struct_size = sizeof *requests, .session = one}, {.struct_size = sizeof *requests, .session = other}};
  fovea_status status;
  int i;
  for (i = 0; i < 2; i++) {
    requests[i].prompt = i ? "What is at the top left?" : "What is there?";
    requests[i].images = image;
    requests[i].image_count = 1;
    requests[i].options = options;
  }
  status = fovea_batch(requests, 2);
  answers[BATCH] = 7;
  for (i = 0; i < 2; i++) {
    answers[BATCH] = hash_text(answers[BATCH], requests[i].text);
    fovea_string_free(requests[i].text);
  }
  return status;
}

/* Every call once. `first` becomes the status of the one that failed. */
static int all_calls(const Fault *fault, fovea_status *first) {
  fovea_model *model = NULL;
  fovea_image_embedding *image = NULL, *picture = NULL;
  fovea_memory_plan plan = {.struct_size = sizeof plan};
  fovea_session *session = NULL, *fork = NULL, *opened = NULL;
  fovea_message message = {.struct_size = sizeof message, .text = "What is there?", .images = &image, .image_count = 1};
  const float *logits;
  size_t positions, vocabulary, ids, size = 0;
  void *bytes;
  fovea_load_options load = {.struct_size = sizeof load, .threads = 2};
  fovea_generate_options options = {.struct_size = sizeof options, .max_tokens = 4, .ignore_eos = 1};
  const char *choices[] = {"Yes", "No"};
  double scores[2];
  char *text = NULL, *page = NULL, *said = NULL;
  int32_t id[32];
  *first = FOVEA_OK;
  memset(answers, 0, sizeof answers);
  CALL(LOAD, fovea_load(model_path, &load, &model));
  CALL(PLAN, fovea_plan(model_path, &load, &plan));
  answers[PLAN] = hash(7, &plan, sizeof plan);
  CALL(PIXELS, fovea_encode_image_pixels(model, pixels, 96, 64, 0, NULL, &image));
  answers[PIXELS] = hash_image(image);
  CALL(PICTURE, fovea_encode_image(model, picture_path, NULL, &picture));
  answers[PICTURE] = hash_image(picture);
  CALL(BYTES, through_bytes(model, picture));
  CALL(SESSION, fovea_session_create(model, NULL, &session));
  CALL(TOKENIZE, fovea_tokenize(model, "What is there?", 14, id, 32, &ids));
  answers[TOKENIZE] = hash(7, id, ids * sizeof *id);
  CALL(GENERATE, fovea_generate(session, "What is there?", &image, 1, &options, NULL, &text));
  answers[GENERATE] = hash_text(7, text);
  CALL(READ, fovea_read_image(session, picture_path, "What is there?", NULL, &options, NULL, &page));
  answers[READ] = hash_text(7, page);
  /* Each call takes its scratch memory anew. */
  fovea_model_trim(model);
  CALL(SCORE, fovea_score(session, "What is there?", &image, 1, NULL, choices, 2, scores));
  answers[SCORE] = hash(7, scores, sizeof scores);
  fovea_model_trim(model);
  CALL(LOGITS, fovea_logits(session, "What is there?", &picture, 1, NULL, &logits, &positions, &vocabulary));
  answers[LOGITS] = hash(7, logits, sizeof *logits * positions * vocabulary);
  fovea_model_trim(model);
  CALL(CHAT, fovea_chat(session, &message, 1, &options, NULL, &said));
  answers[CHAT] = hash_text(7, said);
  CALL(FORK, fovea_session_fork(session, &fork));
  if (fovea_session_save(fork, NULL, 0, &size) != FOVEA_OK || !(bytes = malloc(size))) return OTHER;
  CALL(SAVE, fovea_session_save(fork, bytes, size, &size));
  answers[SAVE] = hash(7, bytes, size);
  CALL(OPEN, fovea_session_load(model, bytes, size, NULL, &opened));
  memset(bytes, 0, size);
  if (fovea_session_save(opened, bytes, size, &size) != FOVEA_OK) return OTHER;
  answers[OPEN] = hash(7, bytes, size);
  free(bytes);
  fovea_model_trim(model);
  CALL(BATCH, many(session, fork, &image, &options));
  begin(fault, RELEASE);
  fovea_string_free(text);
  fovea_string_free(page);
  fovea_string_free(said);
  fovea_session_free(session);
  fovea_session_free(fork);
  fovea_session_free(opened);
  fovea_image_embedding_release(image);
  fovea_image_embedding_release(picture);
  fovea_model_free(model);
  end(fault, RELEASE);
  return SUCCESS;
}

static size_t used(void) {
  struct mallinfo2 info = mallinfo2();
  return info.uordblks + info.hblkhd;
}

/* In a child. Twice, so that what the first run left behind for good is no leak. */
static int try_fault(const Fault *fault) {
  fovea_status first, again;
  size_t before;
  int end = all_calls(fault, &first);
  if (end != SUCCESS) return end;
  if (memcmp(answers, expected, sizeof answers)) return WRONG_ANSWER;
  before = used();
  end = all_calls(fault, &again);
  if (end != SUCCESS) return end;
  if (memcmp(answers, expected, sizeof answers)) return WRONG_ANSWER;
  if (used() > before + (32 << 10)) return LEAK;
  return first;
}

typedef struct {
  long cases, successes, memory, others, deaths, hangs, wrong_retries, wrong_answers, silent, leaks, first_bad;
} Counts;

static void add(Counts *counts, const Fault *fault) {
  int status = 0;
  long bad = 0;
  pid_t child = fork();
  if (!child) {
    struct rlimit none = {0, 0};
    setrlimit(RLIMIT_CORE, &none);
    if (!freopen("/dev/null", "w", stderr)) _exit(OTHER);
    alarm(30);
    _exit(try_fault(fault));
  }
  waitpid(child, &status, 0);
  counts->cases++;
  if (WIFSIGNALED(status)) {
    bad = WTERMSIG(status) == SIGALRM ? ++counts->hangs : ++counts->deaths;
  } else
    switch (WEXITSTATUS(status)) {
    case SUCCESS:
      counts->successes++;
      break;
    case FOVEA_ERROR_MEMORY:
      counts->memory++;
      break;
    case WRONG_RETRY:
      bad = ++counts->wrong_retries;
      break;
    case WRONG_ANSWER:
      bad = ++counts->wrong_answers;
      break;
    case NO_MESSAGE:
      bad = ++counts->silent;
      break;
    case LEAK:
      bad = ++counts->leaks;
      break;
    default: /* nothing else is wrong */
      bad = ++counts->others;
    }
  if (bad && !counts->first_bad) counts->first_bad = fault->room ? (long)fault->room : fault->n;
}

/* Results where nothing fails, computed in a process of its own. */
static int find_expected(void) {
  int ends[2], status;
  ssize_t count;
  if (pipe(ends)) return 0;
  pid_t child = fork();
  if (!child) {
    Fault none = {phases, 0, 0, 0, 0};
    fovea_status first;
    if (all_calls(&none, &first) != SUCCESS) _exit(fprintf(stderr, "%s\n", fovea_last_error(NULL)) > 0);
    _exit(write(ends[1], answers, sizeof answers) != sizeof answers);
  }
  waitpid(child, &status, 0);
  count = status ? 0 : read(ends[0], expected, sizeof expected);
  close(ends[0]);
  close(ends[1]);
  return count == sizeof expected;
}

/* Allocations of at least `bytes` in a phase. */
static long total(int phase, size_t bytes) {
  int ends[2], status;
  long found = 0;
  if (pipe(ends)) return 0;
  pid_t child = fork();
  if (!child) {
    Fault none = {phase, __LONG_MAX__, 0, bytes, 0};
    fovea_status first;
    all_calls(&none, &first);
    _exit(write(ends[1], &counted, sizeof counted) != sizeof counted);
  }
  waitpid(child, &status, 0);
  if (status || read(ends[0], &found, sizeof found) != sizeof found) found = 0;
  close(ends[0]);
  close(ends[1]);
  return found;
}

static int print(const char *what, const char *phase, const Counts *c) {
  long bad = c->others + c->deaths + c->hangs + c->wrong_retries + c->wrong_answers + c->silent + c->leaks;
  printf("%-30s %-9s %5ld %6ld %6ld %6ld %7ld %6ld %9ld %10ld %7ld %6ld", what, phase, c->cases, c->memory, c->others, c->successes, c->deaths,
         c->hangs, c->wrong_retries, c->wrong_answers, c->silent, c->leaks);
  if (bad) printf("   first: %ld", c->first_bad);
  puts("");
  fflush(stdout);
  return bad != 0;
}

int main(int count, char **arguments) {
  static const struct {
    const char *name;
    int all_later;
    size_t bytes;
  } kinds[] = {
      {"the n-th allocation", 0, 0},
      {"the n-th and all later", 1, 0},
      {"16 KiB and more, n-th and later", 1, 16 << 10},
  };
  long step = count > 3 ? atol(arguments[3]) : 1;
  const char *only = count > 4 ? arguments[4] : NULL;
  int is_bad = 0, is_known = !only;
  if (count < 3 || step < 1) return fputs("usage: sweep MODEL PICTURE STEP [CALL]\n", stderr), 2;
  model_path = arguments[1];
  picture_path = arguments[2];
  for (int phase = 0; phase < phases; phase++) is_known |= only && !strcmp(only, phase_names[phase]);
  if (!is_known) return fprintf(stderr, "no call is named %s\n", only), 2;
  for (size_t i = 0; i < sizeof pixels; i++) pixels[i] = (unsigned char)(i * 37 + i / 97);
  if (!find_expected()) return puts("FAILED: the calls do not work where nothing fails"), 1;
  printf("%-30s %-9s %5s %6s %6s %6s %7s %6s %9s %10s %7s %6s\n", "what fails", "in", "cases", "MEMORY", "wrong", "OK", "deaths", "hangs",
         "bad retry", "bad answer", "silent", "leaks");
  for (size_t k = 0; k < sizeof kinds / sizeof *kinds; k++)
    for (int phase = 0; phase < phases; phase++) {
      if (only && strcmp(only, phase_names[phase])) continue;
      Counts counts = {0};
      long all = total(phase, kinds[k].bytes);
      if (!all && phase == LOAD) return puts("FAILED: load allocates nothing: is failing.so preloaded?"), 1;
      for (long n = 1; n <= all; n += step) add(&counts, &(Fault){phase, n, kinds[k].all_later, kinds[k].bytes, 0});
      is_bad |= print(kinds[k].name, phase_names[phase], &counts);
    }
  for (int phase = 0; phase < phases; phase++) {
    if (only && strcmp(only, phase_names[phase])) continue;
    Counts counts = {0};
    for (rlim_t room = 4096; room <= 64 << 20; room += step > 1 ? 3 * room : (room / 4 & ~4095ul) ?: 4096)
      add(&counts, &(Fault){phase, 0, 0, 0, room});
    is_bad |= print("address space (RLIMIT_AS)", phase_names[phase], &counts);
  }
  return is_bad;
}
