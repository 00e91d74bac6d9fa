/* SPDX-License-Identifier: Apache-2.0 */
/* JPEG to RGB8 with the pixels Pillow's convert("RGB") gives: libjpeg's defaults (accurate integer DCT, smooth chroma
   upsampling); four components are CMYK stored inverted, Adobe's way, whether or not the file says so. */
#include "ImageCodecs.h"

#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jpeglib.h>
#include <jerror.h>

struct CodecJPEG {
  struct jpeg_decompress_struct jpeg;
  struct jpeg_error_mgr errors;
  struct jpeg_source_mgr source;
  struct jpeg_progress_mgr progress;
  const uint8_t *bytes;
  size_t count;
  uint8_t *inks;  // one row of CMYK
  CodecStatus status;
  char message[JMSG_LENGTH_MAX > 160 ? JMSG_LENGTH_MAX : 160];
  jmp_buf escape;
};

// A file may order any number of passes over the whole image. Real ones have about ten.
enum { MAXIMUM_SCANS = 500 };

static void failWith(CodecJPEG *self, CodecStatus status, const char *message) {
  self->status = status;
  strncpy(self->message, message, sizeof self->message - 1);
  longjmp(self->escape, 1);
}

static void fail(j_common_ptr jpeg) {
  CodecJPEG *self = jpeg->client_data;
  int memory = jpeg->err->msg_code == JERR_OUT_OF_MEMORY;
  self->status = memory ? CODEC_MEMORY : CODEC_DAMAGED;
  jpeg->err->format_message(jpeg, self->message);
  longjmp(self->escape, 1);
}

static void ignoreMessage(j_common_ptr jpeg) { (void)jpeg; }
static void ignoreSource(j_decompress_ptr jpeg) { (void)jpeg; }

static boolean refill(j_decompress_ptr jpeg) {
  failWith(jpeg->client_data, CODEC_TRUNCATED, "the data ends too early");
  return FALSE;
}

static void skip(j_decompress_ptr jpeg, long count) {
  if (count <= 0) return;
  if ((unsigned long)count > jpeg->src->bytes_in_buffer) refill(jpeg);
  jpeg->src->next_input_byte += count;
  jpeg->src->bytes_in_buffer -= (size_t)count;
}

static void checkScans(j_common_ptr jpeg) {
  if (((j_decompress_ptr)jpeg)->input_scan_number > MAXIMUM_SCANS) {
    failWith(jpeg->client_data, CODEC_DAMAGED, "more than 500 scans");
  }
}

CodecJPEG *codecJPEGOpen(const uint8_t *bytes, size_t count) {
  CodecJPEG *self = calloc(1, sizeof *self);
  if (!self) return NULL;
  self->bytes = bytes;
  self->count = count;
  return self;
}

CodecStatus codecJPEGHeader(CodecJPEG *self, uint32_t *width, uint32_t *height) {
  struct jpeg_decompress_struct *jpeg = &self->jpeg;
  if (setjmp(self->escape)) return self->status;
  jpeg->err = jpeg_std_error(&self->errors);
  self->errors.error_exit = fail;
  self->errors.output_message = ignoreMessage;
  jpeg->client_data = self;
  jpeg_create_decompress(jpeg);
  self->source.next_input_byte = self->bytes;
  self->source.bytes_in_buffer = self->count;
  self->source.init_source = ignoreSource;
  self->source.fill_input_buffer = refill;
  self->source.skip_input_data = skip;
  self->source.resync_to_restart = jpeg_resync_to_restart;
  self->source.term_source = ignoreSource;
  jpeg->src = &self->source;
  self->progress.progress_monitor = checkScans;
  jpeg->progress = &self->progress;

  jpeg_read_header(jpeg, TRUE);
  if (jpeg->num_components != 1 && jpeg->num_components != 3 && jpeg->num_components != 4) {
    snprintf(self->message, sizeof self->message, "%d colour components", jpeg->num_components);
    return self->status = CODEC_DAMAGED;
  }
  *width = jpeg->image_width;
  *height = jpeg->image_height;
  return CODEC_OK;
}

/// round(a·b / 255) as Pillow computes it; exact for 8-bit a and b.
static unsigned scaled(unsigned a, unsigned b) {
  unsigned t = a * b + 128;
  return ((t >> 8) + t) >> 8;
}

/// One row of inverted CMYK to RGB. With v = 255 − ink: each colour = (255 − K) − ink·(255 − K), never below 0.
static void mix(const uint8_t *inks, uint8_t *rgb, size_t width) {
  for (size_t x = 0; x < width; x++, inks += 4, rgb += 3) {
    unsigned light = inks[3];
    for (int c = 0; c < 3; c++) rgb[c] = (uint8_t)(light - scaled(255u - inks[c], light));
  }
}

CodecStatus codecJPEGRead(CodecJPEG *self, uint8_t *rgb) {
  struct jpeg_decompress_struct *jpeg = &self->jpeg;
  if (setjmp(self->escape)) return self->status;
  size_t width = jpeg->image_width;
  int hasInks = jpeg->num_components == 4;
  jpeg->out_color_space = hasInks ? JCS_CMYK : JCS_RGB;
  if (hasInks && !(self->inks = malloc(4 * width))) return self->status = CODEC_MEMORY;
  jpeg_start_decompress(jpeg);
  if (jpeg->output_width != width || jpeg->output_components != (hasInks ? 4 : 3)) {
    failWith(self, CODEC_DAMAGED, "unexpected row size");
  }
  while (jpeg->output_scanline < jpeg->output_height) {
    uint8_t *row = rgb + 3 * width * jpeg->output_scanline;
    JSAMPROW into = hasInks ? self->inks : row;
    jpeg_read_scanlines(jpeg, &into, 1);
    if (hasInks) mix(self->inks, row, width);
  }
  jpeg_finish_decompress(jpeg);
  return CODEC_OK;
}

const char *codecJPEGMessage(const CodecJPEG *self) { return self->message; }

void codecJPEGClose(CodecJPEG *self) {
  if (!self) return;
  jpeg_destroy_decompress(&self->jpeg);
  free(self->inks);
  free(self);
}
