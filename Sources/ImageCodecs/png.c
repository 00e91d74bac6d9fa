/* SPDX-License-Identifier: Apache-2.0 */
/* PNG to rows of RGB8. Transparent pixels are blended with a colour, or their alpha is dropped as Pillow's convert("RGB") does; no gamma, no
   colour profile; 16-bit samples keep their high byte. */
#include "ImageCodecs.h"

#include <png.h>
#include <setjmp.h>
#include <stdlib.h>
#include <string.h>

/// What libpng leaves in a row after its transformations.
typedef enum { COLOUR, COLOUR_ALPHA, GREY, GREY_ALPHA, INDEX } Layout;

struct CodecPNG {
  png_structp png;
  png_infop info;
  const uint8_t *bytes;
  size_t count, offset;
  uint32_t width, height;
  int passes;
  Layout layout;
  CodecAlpha alpha;
  uint8_t palette[256][3];
  CodecStatus status;
  int lacksMemory;
  char message[160];
  jmp_buf escape;
};

/// libpng and zlib only say in words that they got no memory, or read on without it.
static png_voidp allocate(png_structp png, png_alloc_size_t size) {
  CodecPNG *self = png_get_mem_ptr(png);
  void *memory = malloc(size);
  if (!memory) self->lacksMemory = 1;
  return memory;
}

static void release(png_structp png, png_voidp memory) {
  (void)png;
  free(memory);
}

static void fail(png_structp png, png_const_charp message) {
  CodecPNG *self = png_get_error_ptr(png);
  if (self->status == CODEC_OK) self->status = self->lacksMemory ? CODEC_MEMORY : CODEC_DAMAGED;
  size_t length = strnlen(message, sizeof self->message - 1);
  memcpy(self->message, message, length);
  self->message[length] = 0;
  longjmp(self->escape, 1);
}

static void ignore(png_structp png, png_const_charp message) { (void)png, (void)message; }

static void supply(png_structp png, png_bytep into, png_size_t count) {
  CodecPNG *self = png_get_io_ptr(png);
  if (count > self->count - self->offset) {
    self->status = CODEC_TRUNCATED;
    fail(png, "the data ends too early");
  }
  memcpy(into, self->bytes + self->offset, count);
  self->offset += count;
}

CodecPNG *codecPNGOpen(const uint8_t *bytes, size_t count) {
  CodecPNG *self = calloc(1, sizeof *self);
  if (!self) return NULL;
  self->bytes = bytes;
  self->count = count;
  return self;
}

/// Gives the decoder its libpng structures, which read `self->bytes`. False: no memory.
static int create(CodecPNG *self) {
  self->png = png_create_read_struct_2(PNG_LIBPNG_VER_STRING, self, fail, ignore, self, allocate, release);
  if (!self->png || !(self->info = png_create_info_struct(self->png))) return 0;
  png_set_read_fn(self->png, self, supply);
  // The caller has its own limit and a better message for it.
  png_set_user_limits(self->png, PNG_UINT_31_MAX, PNG_UINT_31_MAX);
  return 1;
}

CodecStatus codecPNGHeader(CodecPNG *self, CodecFacts *facts) {
  if (setjmp(self->escape)) return self->status;
  if (!create(self)) return self->status = CODEC_MEMORY;
  // Text, profiles and the like are skipped unread; nothing that can expand is decompressed but the pixels.
  png_set_keep_unknown_chunks(self->png, PNG_HANDLE_CHUNK_NEVER, NULL, -1);
  // An index past the palette is black, as in Pillow, not an error.
  png_set_check_for_invalid_index(self->png, 0);
  png_read_info(self->png, self->info);
  facts->width = self->width = png_get_image_width(self->png, self->info);
  facts->height = self->height = png_get_image_height(self->png, self->info);
  facts->passes = png_get_interlace_type(self->png, self->info) == PNG_INTERLACE_NONE ? 1 : 7;
  facts->isBuffered = 0;
  // This row and the one before, of up to 8 bytes a pixel; zlib's window and tables.
  facts->memory = 16 * (uint64_t)self->width + (128 << 10);
  return CODEC_OK;
}

/// round((colour · alpha + ground · (255 − alpha)) / 255) as Pillow's paste computes it; exact.
static uint8_t painted(unsigned colour, unsigned ground, unsigned alpha) {
  unsigned t = colour * alpha + ground * (255 - alpha) + 128;
  return (uint8_t)(((t >> 8) + t) >> 8);
}

static void readPalette(CodecPNG *self) {
  png_colorp entries = NULL;
  png_bytep alpha = NULL;
  int count = 0, alphas = 0;
  png_get_PLTE(self->png, self->info, &entries, &count);
  if (!self->alpha.drop) png_get_tRNS(self->png, self->info, &alpha, &alphas, NULL);
  for (int i = 0; i < count && i < 256; i++) {
    const uint8_t colour[3] = {entries[i].red, entries[i].green, entries[i].blue};
    for (int c = 0; c < 3; c++) {
      self->palette[i][c] = alpha && i < alphas ? painted(colour[c], self->alpha.colour[c], alpha[i]) : colour[c];
    }
  }
}

CodecStatus codecPNGStart(CodecPNG *self, CodecAlpha alpha, int *pixelBytes) {
  if (setjmp(self->escape)) return self->status;
  png_structp png = self->png;
  png_infop info = self->info;
  int depth = png_get_bit_depth(png, info), colour = png_get_color_type(png, info);
  self->alpha = alpha;

  if (colour == PNG_COLOR_TYPE_PALETTE) {
    self->layout = INDEX;
    png_set_packing(png);
    readPalette(self);
  } else {
    int hasAlpha = !alpha.drop && ((colour & PNG_COLOR_MASK_ALPHA) || png_get_valid(png, info, PNG_INFO_tRNS));
    if (depth < 8) png_set_expand_gray_1_2_4_to_8(png);
    if (depth == 16) png_set_strip_16(png);
    if (colour & PNG_COLOR_MASK_ALPHA) {
      if (alpha.drop) png_set_strip_alpha(png);
    } else if (hasAlpha) {
      png_set_tRNS_to_alpha(png);
    }
    if (colour & PNG_COLOR_MASK_COLOR) {
      self->layout = hasAlpha ? COLOUR_ALPHA : COLOUR;
    } else {
      self->layout = hasAlpha ? GREY_ALPHA : GREY;
    }
  }
  static const int bytes[] = {[COLOUR] = 3, [COLOUR_ALPHA] = 4, [GREY] = 1, [GREY_ALPHA] = 2, [INDEX] = 1};
  *pixelBytes = bytes[self->layout];
  self->passes = png_set_interlace_handling(png);
  png_read_update_info(png, info);
  if (png_get_rowbytes(png, info) != (size_t)*pixelBytes * self->width) png_error(png, "unexpected row size");
  return CODEC_OK;
}

/// Whether libpng has returned the last row of the last pass, and only fails at what follows it.
static int hasAllRows(const CodecPNG *self) {
  if (self->passes > 1) return png_get_current_pass_number(self->png) >= 7;
  return png_get_current_row_number(self->png) >= self->height;
}

CodecStatus codecPNGRow(CodecPNG *self, uint8_t *row) {
  if (setjmp(self->escape)) return hasAllRows(self) ? CODEC_OK : self->status;
  png_read_row(self->png, row, NULL);
  return CODEC_OK;
}

void codecPNGColours(const CodecPNG *self, const uint8_t *row, uint8_t *rgb) {
  const uint8_t *ground = self->alpha.colour;
  // Where pixels become wider, the last is converted first, so that none is overwritten unread.
  switch (self->layout) {
  case COLOUR:
    if (row != rgb) memcpy(rgb, row, 3 * (size_t)self->width);
    break;
  case COLOUR_ALPHA:
    for (size_t x = 0; x < self->width; x++, row += 4, rgb += 3) {
      unsigned alpha = row[3];
      for (int c = 0; c < 3; c++) rgb[c] = painted(row[c], ground[c], alpha);
    }
    break;
  case GREY:
    for (size_t x = self->width; x-- > 0;) memset(rgb + 3 * x, row[x], 3);
    break;
  case GREY_ALPHA:
    for (size_t x = self->width; x-- > 0;) {
      unsigned grey = row[2 * x], alpha = row[2 * x + 1];
      for (int c = 0; c < 3; c++) rgb[3 * x + c] = painted(grey, ground[c], alpha);
    }
    break;
  case INDEX:
    for (size_t x = self->width; x-- > 0;) memcpy(rgb + 3 * x, self->palette[row[x]], 3);
    break;
  }
}

const char *codecPNGMessage(const CodecPNG *self) { return self->message; }

void codecPNGClose(CodecPNG *self) {
  if (!self) return;
  if (self->png) png_destroy_read_struct(&self->png, &self->info, NULL);
  free(self);
}

/// Signature and header of an image of one pixel: libpng decompresses text only inside an image.
static const uint8_t onePixel[] = {0x89, 'P', 'N', 'G', '\r', '\n', 0x1A, '\n', 0, 0, 0, 13, 'I',  'H',  'D',  'R', 0,
                                   0,    0,   1,   0,   0,    0,    1,    8,    0, 0, 0, 0,  0x3A, 0x7E, 0x9B, 0x55};
enum { MAXIMUM_TEXT = 1 << 20 };

char *codecPNGText(const uint8_t *chunk, size_t count, size_t *length) {
  uint8_t *bytes = malloc(sizeof onePixel + count);
  CodecPNG *self = bytes ? codecPNGOpen(bytes, sizeof onePixel + count) : NULL;
  char *volatile text = NULL;
  if (self) {
    memcpy(bytes, onePixel, sizeof onePixel);
    memcpy(bytes + sizeof onePixel, chunk, count);
    if (!setjmp(self->escape) && create(self)) {
      png_set_chunk_malloc_max(self->png, MAXIMUM_TEXT);
      png_read_info(self->png, self->info); // ends with an error, as there are no pixels
    }
    png_textp found = NULL;
    if (self->info && png_get_text(self->png, self->info, &found, NULL) == 1) {
      *length = found->compression > 0 ? found->itxt_length : found->text_length;
      if ((text = malloc(*length + 1))) memcpy(text, found->text, *length + 1);
    }
  }
  codecPNGClose(self);
  free(bytes);
  return text;
}
