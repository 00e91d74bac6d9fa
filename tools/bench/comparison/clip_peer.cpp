// SPDX-License-Identifier: Apache-2.0
// Runs llama.cpp's image encoder (mtmd) for tools/bench/peers.
//
//   clip_peer encoder MODEL.gguf THREADS     then lines `encode` on standard input
//
// Each line is answered with the seconds that clip_image_encode took for an image of noise that is already preprocessed.
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <vector>

#include "clip-impl.h"
#include "llama.h"

static double now() { return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count(); }

[[noreturn]] static void fail(const char *what) {
  fprintf(stderr, "clip_peer: %s\n", what);
  exit(1);
}

static void encoder(const char *path, int threads) {
  clip_context_params p = {};
  p.flash_attn_type = CLIP_FLASH_ATTN_TYPE_AUTO;
  p.image_min_tokens = p.image_max_tokens = -1;
  p.warmup = true;
  clip_ctx *clip = clip_init(path, p).ctx_v;
  if (!clip) fail("the encoder does not load");
  const int size = 336;
  std::vector<float> pixels(3 * size * size), output;
  for (float &x : pixels) x = 2 * (float)rand() / (float)RAND_MAX - 1;
  clip_image_f32 image;
  image.set_size({size, size}, false, false);
  image.cpy_buf(pixels);
  output.resize((size_t)clip_n_output_tokens(clip, &image) * clip_n_mmproj_embd(clip));
  char line[64];
  puts("ready");
  while (fflush(stdout), fgets(line, sizeof line, stdin)) {
    if (strcmp(line, "encode\n")) fail("unknown line");
    double start = now();
    if (!clip_image_encode(clip, threads, &image, output)) fail("clip_image_encode");
    printf("%.9f\n", now() - start);
  }
  clip_free(clip);
}

int main(int count, char **arguments) {
  if (count != 4 || strcmp(arguments[1], "encoder")) fail("arguments are wrong");
  int threads = atoi(arguments[3]);
  if (threads < 1) fail("threads");
  llama_backend_init();
  encoder(arguments[2], threads);
  llama_backend_free();
  return 0;
}
