/* SPDX-License-Identifier: Apache-2.0 */
/* PNG to RGB8 with the pixels Pillow's convert("RGB") gives: alpha and tRNS are dropped, never blended; no gamma, no
   colour profile; 16-bit colour keeps its high byte; 16-bit grey (Pillow's mode I;16) saturates at 255. */
#include "ImageCodecs.h"

#include <png.h>
#include <setjmp.h>
#include <stdlib.h>
#include <string.h>

struct CodecPNG {
  png_structp png;
  png_infop info;
  const uint8_t *bytes;
  size_t count, offset;
  uint32_t width, height;
  CodecStatus status;
  char message[160];
  jmp_buf escape;
};

static void fail(png_structp png, png_const_charp message) {
  CodecPNG *self = png_get_error_ptr(png);
  if (self->status == CODEC_OK) self->status = CODEC_DAMAGED;
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

CodecStatus codecPNGHeader(CodecPNG *self, uint32_t *width, uint32_t *height) {
  if (setjmp(self->escape)) return self->status;
  self->png = png_create_read_struct(PNG_LIBPNG_VER_STRING, self, fail, ignore);
  if (!self->png || !(self->info = png_create_info_struct(self->png))) return self->status = CODEC_MEMORY;
  png_set_read_fn(self->png, self, supply);
  // The caller has its own limit and a better message for it.
  png_set_user_limits(self->png, PNG_UINT_31_MAX, PNG_UINT_31_MAX);
  // Text, profiles and the like are skipped unread; nothing that can expand is decompressed but the pixels.
  png_set_keep_unknown_chunks(self->png, PNG_HANDLE_CHUNK_NEVER, NULL, -1);
  // An index past the palette is black, as in Pillow, not an error.
  png_set_check_for_invalid_index(self->png, 0);
  png_read_info(self->png, self->info);
  *width = self->width = png_get_image_width(self->png, self->info);
  *height = self->height = png_get_image_height(self->png, self->info);
  return CODEC_OK;
}

/// What libpng leaves in a row after its transformations, at most 3 bytes a pixel.
typedef enum { COLOUR, GREY, GREY16, INDEX } Layout;

/// Widens one row of `width` pixels to RGB in place, last pixel first.
static void widen(uint8_t *row, size_t width, Layout layout, const uint8_t palette[256][3]) {
  for (size_t x = width; x-- > 0;) {
    uint8_t *rgb = row + 3 * x;
    if (layout == INDEX) {
      memcpy(rgb, palette[row[x]], 3);
    } else {
      uint8_t grey = layout == GREY ? row[x] : row[2 * x] ? 255 : row[2 * x + 1];
      rgb[0] = rgb[1] = rgb[2] = grey;
    }
  }
}

CodecStatus codecPNGRead(CodecPNG *self, uint8_t *rgb) {
  if (setjmp(self->escape)) return self->status;
  png_structp png = self->png;
  png_infop info = self->info;
  int depth = png_get_bit_depth(png, info), colour = png_get_color_type(png, info);
  Layout layout = COLOUR;
  uint8_t palette[256][3] = {{0}};
  size_t pixelBytes = 3;

  if (colour == PNG_COLOR_TYPE_PALETTE) {
    layout = INDEX;
    pixelBytes = 1;
    png_set_packing(png);
    png_colorp entries = NULL;
    int count = 0;
    png_get_PLTE(png, info, &entries, &count);
    for (int i = 0; i < count && i < 256; i++) {
      palette[i][0] = entries[i].red, palette[i][1] = entries[i].green, palette[i][2] = entries[i].blue;
    }
  } else if (colour == PNG_COLOR_TYPE_GRAY && depth == 16) {
    layout = GREY16;
    pixelBytes = 2;
  } else {
    if (!(colour & PNG_COLOR_MASK_COLOR)) layout = GREY, pixelBytes = 1;
    if (depth < 8) png_set_expand_gray_1_2_4_to_8(png);
    if (depth == 16) png_set_strip_16(png);
    if (colour & PNG_COLOR_MASK_ALPHA) png_set_strip_alpha(png);
  }
  int passes = png_set_interlace_handling(png);
  png_read_update_info(png, info);
  if (png_get_rowbytes(png, info) != pixelBytes * self->width) png_error(png, "unexpected row size");

  size_t stride = 3 * (size_t)self->width;
  for (int pass = 0; pass < passes; pass++) {
    for (size_t y = 0; y < self->height; y++) png_read_row(png, rgb + y * stride, NULL);
  }
  png_read_end(png, NULL);
  if (layout != COLOUR) {
    for (size_t y = 0; y < self->height; y++) widen(rgb + y * stride, self->width, layout, palette);
  }
  return CODEC_OK;
}

const char *codecPNGMessage(const CodecPNG *self) { return self->message; }

void codecPNGClose(CodecPNG *self) {
  if (!self) return;
  if (self->png) png_destroy_read_struct(&self->png, &self->info, NULL);
  free(self);
}
