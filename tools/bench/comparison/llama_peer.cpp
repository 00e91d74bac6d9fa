// SPDX-License-Identifier: Apache-2.0
// Runs llama.cpp for tools/bench/peers.
//
//   llama_peer quantize IN.gguf OUT.gguf q4_0|q4_k|q8_0 THREADS
//   llama_peer decoder MODEL.gguf THREADS     then lines `prefill TOKENS`, `decode TOKENS` on standard input
//
// Each line is answered with the seconds that one run took. What is timed is what llama-bench times (its pp and tg tests, with
// its defaults); but this needs nothing of llama.cpp's command lines, which are a large part of its build, and it keeps the
// model loaded while the programs take turns.
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <vector>

#include "llama.h"

static double now() { return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count(); }

[[noreturn]] static void fail(const char *what) {
  fprintf(stderr, "llama_peer: %s\n", what);
  exit(1);
}

static int quantize(const char *in, const char *out, const char *type, int threads) {
  llama_model_quantize_params p = llama_model_quantize_default_params();
  p.nthread = threads;
  if (!strcmp(type, "q4_0"))
    p.ftype = LLAMA_FTYPE_MOSTLY_Q4_0;
  else if (!strcmp(type, "q4_k"))
    p.ftype = LLAMA_FTYPE_MOSTLY_Q4_K_M;
  else if (!strcmp(type, "q8_0"))
    p.ftype = LLAMA_FTYPE_MOSTLY_Q8_0;
  else
    fail("unknown type");
  return llama_model_quantize(in, out, &p) == 0 ? 0 : 1;
}

/// Tokens in pieces of `batch`, from an empty context, until the last one's logits are there.
static double evaluate(llama_context *context, int vocabulary, int tokens, int batch) {
  std::vector<llama_token> ids(tokens);
  for (llama_token &id : ids) id = rand() % vocabulary;
  llama_memory_clear(llama_get_memory(context), true);
  double start = now();
  for (int done = 0; done < tokens; done += batch) {
    if (llama_decode(context, llama_batch_get_one(ids.data() + done, std::min(batch, tokens - done))) != 0) fail("llama_decode");
    if (batch == 1) llama_synchronize(context);
  }
  llama_synchronize(context);
  return now() - start;
}

static void decoder(const char *path, int threads) {
  llama_model *model = llama_model_load_from_file(path, llama_model_default_params());
  if (!model) fail("the model does not load");
  llama_context_params p = llama_context_default_params();
  p.n_ctx = 2048;
  p.n_batch = 2048;
  p.n_threads = p.n_threads_batch = threads;
  llama_context *context = llama_init_from_model(model, p);
  if (!context) fail("no context");
  int vocabulary = llama_vocab_n_tokens(llama_model_get_vocab(model));
  evaluate(context, vocabulary, 16, 16);
  char line[64];
  int tokens;
  puts("ready");
  while (fflush(stdout), fgets(line, sizeof line, stdin)) {
    if (sscanf(line, "prefill %d", &tokens) == 1 && tokens > 0 && tokens <= 2048) {
      printf("%.9f\n", evaluate(context, vocabulary, tokens, 2048));
    } else if (sscanf(line, "decode %d", &tokens) == 1 && tokens > 0 && tokens <= 2048) {
      printf("%.9f\n", evaluate(context, vocabulary, tokens, 1));
    } else {
      fail("unknown line");
    }
  }
  llama_free(context);
  llama_model_free(model);
}

int main(int count, char **arguments) {
  if (count < 4) fail("arguments missing");
  int threads = atoi(arguments[count - 1]);
  if (threads < 1) fail("threads");
  llama_backend_init();
  if (!strcmp(arguments[1], "quantize") && count == 6) return quantize(arguments[2], arguments[3], arguments[4], threads);
  if (!strcmp(arguments[1], "decoder"))
    decoder(arguments[2], threads);
  else
    fail("unknown command");
  llama_backend_free();
  return 0;
}
