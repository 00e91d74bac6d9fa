// SPDX-License-Identifier: Apache-2.0
// Logits of llama.cpp's quantised decoders, for tools/bench/quality.
//
//   logits_peer quantize IN.gguf OUT.gguf TYPE THREADS [IMPORTANCE]
//   logits_peer logits MODEL.gguf SEQUENCES OUT THREADS
//
// IMPORTANCE: for each tensor i32 length, its name, i32 count, f32 [count] the mean squares of its inputs, as llama.cpp's imatrix has them.
// SEQUENCES: i32 number, then for each i32 first, i32 parts; a part is i32 kind, i32 count and the data: ids i32 (kind 0) or vectors
// f32 [count, width] (kind 1). OUT: f32 [vocabulary] for every position from `first` on, one sequence after another.
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <vector>

#include "llama.h"

[[noreturn]] static void fail(const char *what) {
  fprintf(stderr, "logits_peer: %s\n", what);
  exit(1);
}

template <class T> static bool get(FILE *file, T *values, size_t count) { return fread(values, sizeof(T), count, file) == count; }

static int32_t number(FILE *file) {
  int32_t n;
  if (!get(file, &n, 1) || n < 0) fail("a number is missing");
  return n;
}

static FILE *opened(const char *path, const char *mode) {
  FILE *file = fopen(path, mode);
  if (!file) fail(path);
  return file;
}

static int quantize(const char *in, const char *out, const char *type, int threads, const char *importance) {
  llama_model_quantize_params p = llama_model_quantize_default_params();
  p.nthread = threads;
  static const struct {
    const char *name;
    llama_ftype type;
  } types[] = {{"f32", LLAMA_FTYPE_ALL_F32},        {"q4_0", LLAMA_FTYPE_MOSTLY_Q4_0},     {"iq4_nl", LLAMA_FTYPE_MOSTLY_IQ4_NL},
               {"q4_k", LLAMA_FTYPE_MOSTLY_Q4_K_M}, {"q4_k_s", LLAMA_FTYPE_MOSTLY_Q4_K_S}, {"q5_0", LLAMA_FTYPE_MOSTLY_Q5_0},
               {"q6_k", LLAMA_FTYPE_MOSTLY_Q6_K},   {"q8_0", LLAMA_FTYPE_MOSTLY_Q8_0}};
  bool isKnown = false;
  for (auto &t : types) {
    if (strcmp(type, t.name)) continue;
    p.ftype = t.type;
    isKnown = true;
  }
  if (!isKnown) fail("unknown type");
  std::vector<std::string> names;
  std::vector<std::vector<float>> values;
  std::vector<llama_model_imatrix_data> entries;
  if (importance) {
    FILE *file = opened(importance, "rb");
    int32_t length;
    while (get(file, &length, 1)) {
      names.emplace_back(length, ' ');
      if (!get(file, &names.back()[0], length)) fail("the importance is cut");
      values.emplace_back(number(file));
      if (!get(file, values.back().data(), values.back().size())) fail("the importance is cut");
    }
    fclose(file);
    for (size_t i = 0; i < names.size(); i++) entries.push_back({names[i].c_str(), values[i].data(), values[i].size()});
    entries.push_back({nullptr, nullptr, 0});
    p.imatrix = entries.data();
  }
  return llama_model_quantize(in, out, &p) == 0 ? 0 : 1;
}

/// Appends a part to the sequence in `context` and writes the logits of its positions from `first` on.
static void evaluate(llama_context *context, llama_batch batch, int count, int done, int first, int vocabulary, FILE *out) {
  batch.n_tokens = count;
  for (int i = 0; i < count; i++) {
    batch.pos[i] = done + i;
    batch.n_seq_id[i] = 1;
    batch.seq_id[i][0] = 0;
    batch.logits[i] = done + i >= first;
  }
  if (llama_decode(context, batch) != 0) fail("llama_decode");
  for (int i = 0; i < count; i++) {
    if (done + i >= first && fwrite(llama_get_logits_ith(context, i), sizeof(float), vocabulary, out) != (size_t)vocabulary) fail("writing");
  }
}

static void logits(const char *path, const char *sequences, const char *target, int threads) {
  llama_model_params m = llama_model_default_params();
  m.use_extra_bufts = false; // weights as in the file: repacked for AMX, widths that are no multiple of its tiles crash
  llama_model *model = llama_model_load_from_file(path, m);
  if (!model) fail("the model does not load");
  llama_context_params p = llama_context_default_params();
  p.n_ctx = p.n_batch = 2048;
  p.n_threads = p.n_threads_batch = threads;
  llama_context *context = llama_init_from_model(model, p);
  if (!context) fail("no context");
  const int vocabulary = llama_vocab_n_tokens(llama_model_get_vocab(model)), width = llama_model_n_embd(model);
  llama_batch ids = llama_batch_init(2048, 0, 1), vectors = llama_batch_init(2048, width, 1);
  FILE *in = opened(sequences, "rb"), *out = opened(target, "wb");
  for (int n = number(in); n > 0; n--) {
    llama_memory_clear(llama_get_memory(context), true);
    const int first = number(in);
    int done = 0;
    for (int parts = number(in); parts > 0; parts--) {
      const int kind = number(in), count = number(in);
      if (kind > 1 || done + count > 2048) fail("a part is wrong");
      if (kind == 0 ? !get(in, ids.token, count) : !get(in, vectors.embd, (size_t)count * width)) fail("the sequences are cut");
      evaluate(context, kind == 0 ? ids : vectors, count, done, first, vocabulary, out);
      done += count;
    }
  }
  fclose(in);
  if (fclose(out) != 0) fail("writing");
  llama_batch_free(ids);
  llama_batch_free(vectors);
  llama_free(context);
  llama_model_free(model);
}

int main(int count, char **arguments) {
  if (count < 6) fail("arguments missing");
  llama_backend_init();
  int status = 0;
  if (!strcmp(arguments[1], "quantize"))
    status = quantize(arguments[2], arguments[3], arguments[4], atoi(arguments[5]), count > 6 ? arguments[6] : nullptr);
  else if (!strcmp(arguments[1], "logits"))
    logits(arguments[2], arguments[3], arguments[4], atoi(arguments[5]));
  else
    fail("unknown command");
  llama_backend_free();
  return status;
}
