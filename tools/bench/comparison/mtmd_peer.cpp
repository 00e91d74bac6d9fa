// SPDX-License-Identifier: Apache-2.0
// Runs a whole vision-language model in llama.cpp (mtmd) for tools/bench/peers.
//
//   mtmd_peer system MODEL.gguf MMPROJ.gguf SIDE THREADS     then lines `encode`, `prefill TOKENS`, `decode TOKENS`,
//                                                            `answer TOKENS`, `peak` on standard input
//
// Each line is answered with the seconds that one run took. `encode`: an image of noise, SIDE × SIDE, from its pixels to all of its vectors, in batches as
// llama-mtmd-cli makes them. `prefill` and `decode` are those of llama_peer. `answer`: the image, then that many tokens. `peak`: the most resident memory
// so far, in bytes.
#include <sys/resource.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <vector>

#include "llama.h"
#include "mtmd-helper.h"
#include "mtmd.h"

static double now() { return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count(); }

[[noreturn]] static void fail(const char *what) {
  fprintf(stderr, "mtmd_peer: %s\n", what);
  exit(1);
}

struct Peer {
  llama_context *context;
  mtmd_context *vision;
  mtmd_bitmap *image;
  int vocabulary;
  std::vector<llama_token> ids;

  /// From pixels to vectors; with `prompt` also the decoder's pass over them. Returns the next position.
  llama_pos look(bool prompt) {
    mtmd_input_chunks *chunks = mtmd_input_chunks_init();
    const char *marker = mtmd_get_marker(vision);
    mtmd_input_text text = {marker, strlen(marker), true, true};
    const mtmd_bitmap *images[] = {image};
    if (mtmd_tokenize(vision, chunks, &text, images, 1) != 0) fail("mtmd_tokenize");
    if (prompt) llama_memory_clear(llama_get_memory(context), true);
    auto is_text = [&](size_t i) { return mtmd_input_chunk_get_type(mtmd_input_chunks_get(chunks, i)) == MTMD_INPUT_CHUNK_TYPE_TEXT; };
    llama_pos at = 0;
    size_t count = mtmd_input_chunks_size(chunks), vectors = 0;
    for (size_t i = 0; i < count;) {
      if (is_text(i)) {
        // As many tokens by chance: the random checkpoint's tokenizer has none for some texts.
        size_t tokens = 0;
        mtmd_input_chunk_get_tokens_text(mtmd_input_chunks_get(chunks, i++), &tokens);
        if (prompt && tokens) evaluate((int)tokens, 2048);
        if (prompt) at += (llama_pos)tokens;
        continue;
      }
      mtmd_batch *batch = mtmd_batch_init(vision);
      size_t first = i;
      while (i < count && !is_text(i) && mtmd_batch_add_chunk(batch, mtmd_input_chunks_get(chunks, i)) == 0) i++;
      if (i == first || mtmd_batch_encode(batch) != 0) fail("mtmd_batch_encode");
      for (size_t k = first; k < i; k++) {
        const mtmd_input_chunk *chunk = mtmd_input_chunks_get(chunks, k);
        vectors += mtmd_input_chunk_get_n_tokens(chunk);
        float *embedding = mtmd_batch_get_output_embd(batch, chunk);
        if (!embedding) fail("mtmd_batch_get_output_embd");
        if (prompt && mtmd_helper_decode_image_chunk(vision, context, chunk, embedding, at, 0, 2048, &at, nullptr, nullptr) != 0) fail("image");
      }
      mtmd_batch_free(batch);
    }
    fprintf(stderr, "mtmd_peer: %zu vectors\n", vectors);
    mtmd_input_chunks_free(chunks);
    return at;
  }

  /// Tokens in pieces of `batch` from position `at`, until the last one's logits are there.
  void evaluate(int tokens, int batch) {
    ids.resize(tokens);
    for (llama_token &id : ids) id = rand() % vocabulary;
    for (int done = 0; done < tokens; done += batch) {
      if (llama_decode(context, llama_batch_get_one(ids.data() + done, std::min(batch, tokens - done))) != 0) fail("llama_decode");
      llama_synchronize(context);
    }
  }

  double timed(int tokens, int batch) {
    llama_memory_clear(llama_get_memory(context), true);
    double start = now();
    evaluate(tokens, batch);
    return now() - start;
  }
};

int main(int count, char **arguments) {
  if (count != 6 || strcmp(arguments[1], "system")) fail("arguments are wrong");
  int side = atoi(arguments[4]), threads = atoi(arguments[5]);
  if (side < 1 || threads < 1) fail("arguments are wrong");
  llama_backend_init();
  llama_model *model = llama_model_load_from_file(arguments[2], llama_model_default_params());
  if (!model) fail("the model does not load");
  llama_context_params p = llama_context_default_params();
  p.n_ctx = 4096;
  p.n_batch = 2048;
  p.n_threads = p.n_threads_batch = threads;
  mtmd_context_params v = mtmd_context_params_default();
  v.use_gpu = v.print_timings = false;
  v.n_threads = threads;
  Peer peer = {llama_init_from_model(model, p), mtmd_init_from_file(arguments[3], model, v), nullptr, 0, {}};
  if (!peer.context || !peer.vision) fail("no context");
  peer.vocabulary = llama_vocab_n_tokens(llama_model_get_vocab(model));
  std::vector<unsigned char> pixels(3 * (size_t)side * side);
  for (unsigned char &x : pixels) x = (unsigned char)(rand() >> 8);
  peer.image = mtmd_bitmap_init(side, side, pixels.data());
  peer.timed(16, 16);
  char line[64];
  int tokens;
  puts("ready");
  while (fflush(stdout), fgets(line, sizeof line, stdin)) {
    double start = now();
    if (!strcmp(line, "encode\n")) {
      peer.look(false);
      printf("%.9f\n", now() - start);
    } else if (sscanf(line, "prefill %d", &tokens) == 1 && tokens > 0 && tokens <= 2048) {
      printf("%.9f\n", peer.timed(tokens, 2048));
    } else if (sscanf(line, "decode %d", &tokens) == 1 && tokens > 0 && tokens <= 2048) {
      printf("%.9f\n", peer.timed(tokens, 1));
    } else if (sscanf(line, "answer %d", &tokens) == 1 && tokens > 0 && tokens <= 2048) {
      peer.look(true);
      peer.evaluate(tokens, 1);
      printf("%.9f\n", now() - start);
    } else if (!strcmp(line, "peak\n")) {
      rusage use;
      getrusage(RUSAGE_SELF, &use);
      printf("%ld\n", use.ru_maxrss * 1024);
    } else {
      fail("unknown line");
    }
  }
  mtmd_bitmap_free(peer.image);
  mtmd_free(peer.vision);
  llama_free(peer.context);
  llama_model_free(model);
  llama_backend_free();
  return 0;
}
