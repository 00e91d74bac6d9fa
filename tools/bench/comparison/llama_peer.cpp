// SPDX-License-Identifier: Apache-2.0
// Runs llama.cpp for tools/bench/peers.
//
//   llama_peer quantize IN.gguf OUT.gguf q4_0|q4_k|q8_0 THREADS
//   llama_peer decoder MODEL.gguf THREADS     then lines `prefill TOKENS`, `decode TOKENS`,
//                                             `together SEQUENCES TOKENS` on standard input
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
  else if (!strcmp(type, "iq4_nl"))
    p.ftype = LLAMA_FTYPE_MOSTLY_IQ4_NL;
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

/// `tokens` steps of `sequences` sequences in one batch each, after a prompt of 16 tokens each; without the prompts' time.
static double together(llama_model *model, int threads, int sequences, int tokens) {
  llama_context_params p = llama_context_default_params();
  p.n_ctx = static_cast<uint32_t>(sequences * (tokens + 32));
  p.n_batch = p.n_ubatch = 512;
  p.n_seq_max = static_cast<uint32_t>(sequences);
  p.n_threads = p.n_threads_batch = threads;
  llama_context *context = llama_init_from_model(model, p);
  if (!context) fail("no context");
  int vocabulary = llama_vocab_n_tokens(llama_model_get_vocab(model));
  llama_batch batch = llama_batch_init(std::max(16, sequences), 0, 1);
  auto put = [&](int sequence, int position) {
    int i = batch.n_tokens++;
    batch.token[i] = rand() % vocabulary;
    batch.pos[i] = position;
    batch.n_seq_id[i] = 1;
    batch.seq_id[i][0] = sequence;
    batch.logits[i] = true;
  };
  for (int sequence = 0; sequence < sequences; sequence++) {
    batch.n_tokens = 0;
    for (int position = 0; position < 16; position++) put(sequence, position);
    if (llama_decode(context, batch) != 0) fail("llama_decode");
  }
  llama_synchronize(context);
  double start = now();
  for (int step = 0; step < tokens; step++) {
    batch.n_tokens = 0;
    for (int sequence = 0; sequence < sequences; sequence++) put(sequence, 16 + step);
    if (llama_decode(context, batch) != 0) fail("llama_decode");
    llama_synchronize(context);
  }
  double seconds = now() - start;
  llama_batch_free(batch);
  llama_free(context);
  return seconds;
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
  int tokens, sequences;
  puts("ready");
  while (fflush(stdout), fgets(line, sizeof line, stdin)) {
    if (sscanf(line, "prefill %d", &tokens) == 1 && tokens > 0 && tokens <= 2048) {
      printf("%.9f\n", evaluate(context, vocabulary, tokens, 2048));
    } else if (sscanf(line, "decode %d", &tokens) == 1 && tokens > 0 && tokens <= 2048) {
      printf("%.9f\n", evaluate(context, vocabulary, tokens, 1));
    } else if (sscanf(line, "together %d %d", &sequences, &tokens) == 2 && tokens > 0 && tokens <= 2048 && sequences > 0 && sequences <= 64) {
      printf("%.9f\n", together(model, threads, sequences, tokens));
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
