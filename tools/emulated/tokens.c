/* SPDX-License-Identifier: Apache-2.0 */
/* What a model makes of a picture and a question, to the bit, for comparing instruction sets and architectures:
 *
 *     tokens [-n COUNT] [-t THREADS] [-m MODE] [-p PROMPT] [-r REGIONS] MODEL.fovea IMAGE [QUESTION]
 *
 * A line of hashes of the image's vectors and of the prompt's logits, a line of COUNT token ids at most (12). The instruction set goes to
 * standard error. -m is a resolution mode. -p is the file of a raw prompt, in place of a question; the answer then goes on past its end.
 * -r is what tools/emulated/cases.py makes of a prompt's regions, in text: of each the kind, four coordinates, a mask's width, height and
 * pixels, the sampler's two starts, the number of its points and the points. */
#define _POSIX_C_SOURCE 200809L
#include <fovea.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { most_ids = 64, most_regions = 4, most_points = 1024, most_pixels = 1 << 16, most_text = 1 << 12 };

/* FNV-1a over the bytes. */
static uint64_t hash(const void *bytes, size_t count) {
  const unsigned char *p = bytes;
  uint64_t h = 0xcbf29ce484222325u;
  while (count-- > 0) h = (h ^ *p++) * 0x100000001b3u;
  return h;
}

static int read_region(FILE *file, fovea_region *region, size_t index) {
  static int32_t points[most_regions][most_points];
  static uint8_t masks[most_regions][most_pixels];
  size_t i, count;
  unsigned bit;
  region->struct_size = sizeof *region;
  if (fscanf(file, "%lf %lf %lf %lf %" SCNd32 " %" SCNd32, &region->x1, &region->y1, &region->x2, &region->y2, &region->mask_width,
             &region->mask_height) != 6)
    return 1;
  count = (size_t)region->mask_width * (size_t)region->mask_height;
  if (count > most_pixels) return 1;
  for (i = 0; i < count; i++) {
    if (fscanf(file, "%u", &bit) != 1) return 1;
    masks[index][i] = (uint8_t)bit;
  }
  region->mask = count ? masks[index] : NULL;
  if (fscanf(file, "%" SCNd32 " %" SCNd32 " %zu", &region->start1, &region->start2, &region->point_count) != 3) return 1;
  if (region->point_count > most_points / 2) return 1;
  for (i = 0; i < 2 * region->point_count; i++)
    if (fscanf(file, "%" SCNd32, &points[index][i]) != 1) return 1;
  region->points = points[index];
  return 0;
}

static int report(fovea_model *model, fovea_image_embedding *image, const char *prompt, const fovea_generate_options *options) {
  fovea_image_info info = {.struct_size = sizeof info};
  fovea_model_info facts = {.struct_size = sizeof facts};
  fovea_session *session = NULL;
  const float *logits;
  size_t positions, vocabulary, count, i;
  int32_t ids[most_ids];
  int code = 1;
  if (fovea_model_get_info(model, &facts) == FOVEA_OK && fovea_image_embedding_get_info(image, &info) == FOVEA_OK &&
      fovea_session_create(model, NULL, &session) == FOVEA_OK &&
      fovea_logits(session, prompt, &image, 1, options, &logits, &positions, &vocabulary) == FOVEA_OK) {
    fprintf(stderr, "%s\n", facts.instruction_set);
    printf("%016" PRIx64 " %016" PRIx64 "\n", hash(fovea_image_embedding_data(image), (size_t)info.tokens * (size_t)info.hidden_size * sizeof(float)),
           hash(logits, positions * vocabulary * sizeof(float)));
    if (fovea_session_reset(session) == FOVEA_OK &&
        fovea_generate_ids(session, prompt, &image, 1, options, NULL, ids, most_ids, &count) == FOVEA_OK) {
      for (i = 0; i < count; i++) printf("%" PRId32 "%c", ids[i], i + 1 < count ? ' ' : '\n');
      code = 0;
    }
  }
  if (code) fprintf(stderr, "tokens: %s\n", fovea_last_error(NULL));
  fovea_session_free(session);
  return code;
}

int main(int argc, char **argv) {
  static char text[most_text];
  fovea_encode_options encoding = {.struct_size = sizeof encoding};
  fovea_load_options loading = {.struct_size = sizeof loading};
  fovea_region regions[most_regions] = {{0}};
  fovea_generate_options options = {.struct_size = sizeof options, .max_tokens = 12, .regions = regions};
  fovea_model *model = NULL;
  fovea_image_embedding *image = NULL;
  const char *prompt = NULL;
  int option, code = 64;
  FILE *file;
  while ((option = getopt(argc, argv, "n:t:m:p:r:")) != -1) {
    switch (option) {
    case 'n':
      options.max_tokens = atoi(optarg);
      break;
    case 't':
      loading.threads = atoi(optarg);
      break;
    case 'm':
      encoding.mode = optarg;
      break;
    case 'p':
      if ((file = fopen(optarg, "rb")) == NULL || fread(text, 1, sizeof text - 1, file) == 0) goto usage;
      fclose(file);
      prompt = text;
      options.raw = options.ignore_eos = 1;
      break;
    case 'r':
      if ((file = fopen(optarg, "r")) == NULL) goto usage;
      while (options.region_count < most_regions && fscanf(file, "%" SCNd32, &regions[options.region_count].kind) == 1) {
        if (read_region(file, &regions[options.region_count], options.region_count)) goto usage;
        options.region_count++;
      }
      fclose(file);
      break;
    default:
      goto usage;
    }
  }
  if (prompt == NULL && optind + 3 == argc) prompt = argv[optind + 2];
  if (prompt == NULL || optind + 2 > argc || options.max_tokens < 1 || options.max_tokens > most_ids) goto usage;
  code = 1;
  if (fovea_load(argv[optind], &loading, &model) == FOVEA_OK && fovea_encode_image(model, argv[optind + 1], &encoding, &image) == FOVEA_OK)
    code = report(model, image, prompt, &options);
  else
    fprintf(stderr, "tokens: %s\n", fovea_last_error(NULL));
  fovea_image_embedding_release(image);
  fovea_model_free(model);
  return code;
usage:
  fprintf(stderr, "usage: tokens [-n COUNT] [-t THREADS] [-m MODE] [-p PROMPT] [-r REGIONS] MODEL.fovea IMAGE [QUESTION]\n");
  return 64;
}
