/* SPDX-License-Identifier: Apache-2.0 */
/* JPEG to rows of RGB8 with the pixels Pillow's convert("RGB") gives: libjpeg's defaults (accurate integer DCT, smooth chroma
   upsampling); four components are CMYK stored inverted, Adobe's way, whether or not the file says so. */
#include "ImageCodecs.h"

#include <limits.h>
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
  int hasEnded;  // the bytes ran out, and an EOI marker was appended
  uint8_t *inks; // one row of CMYK
  CodecStop stop;
  void *user;
  CodecStatus status;
  char message[JMSG_LENGTH_MAX > 160 ? JMSG_LENGTH_MAX : 160];
  jmp_buf escape;
};

// A file may demand any number of passes over the whole image. Real ones have about ten.
enum { MAXIMUM_SCANS = 500 };

static void failWith(CodecJPEG *self, CodecStatus status, const char *message) {
  self->status = status;
  strncpy(self->message, message, sizeof self->message - 1);
  longjmp(self->escape, 1);
}

static void failTruncated(CodecJPEG *self) { failWith(self, CODEC_TRUNCATED, "the data ends too early"); }

static void fail(j_common_ptr jpeg) {
  CodecJPEG *self = jpeg->client_data;
  if (self->hasEnded) failTruncated(self);
  int memory = jpeg->err->msg_code == JERR_OUT_OF_MEMORY;
  self->status = memory ? CODEC_MEMORY : CODEC_DAMAGED;
  jpeg->err->format_message(jpeg, self->message);
  longjmp(self->escape, 1);
}

/// Damage that libjpeg repairs is accepted, as in Pillow; an early marker is not, where the bytes have run out.
static void hear(j_common_ptr jpeg, int level) {
  CodecJPEG *self = jpeg->client_data;
  if (level < 0 && self->hasEnded && jpeg->err->msg_code == JWRN_HIT_MARKER) failTruncated(self);
}

static void ignoreMessage(j_common_ptr jpeg) { (void)jpeg; }
static void ignoreSource(j_decompress_ptr jpeg) { (void)jpeg; }

/// libjpeg reads ahead, so bytes that run out may have been enough: an EOI marker is appended once, and `hear` learns whether data was
/// missing before it.
static boolean refill(j_decompress_ptr jpeg) {
  static const JOCTET end[2] = {0xFF, JPEG_EOI};
  CodecJPEG *self = jpeg->client_data;
  if (self->hasEnded) failTruncated(self);
  self->hasEnded = 1;
  jpeg->src->next_input_byte = end;
  jpeg->src->bytes_in_buffer = sizeof end;
  return TRUE;
}

static void skip(j_decompress_ptr jpeg, long count) {
  if (count <= 0) return;
  if ((unsigned long)count > jpeg->src->bytes_in_buffer) {
    refill(jpeg);
  } else {
    jpeg->src->next_input_byte += count;
    jpeg->src->bytes_in_buffer -= (size_t)count;
  }
}

static void watch(j_common_ptr jpeg) {
  CodecJPEG *self = jpeg->client_data;
  if (((j_decompress_ptr)jpeg)->input_scan_number > MAXIMUM_SCANS) failWith(self, CODEC_DAMAGED, "more than 500 scans");
  if (self->stop && self->stop(self->user)) failWith(self, CODEC_STOPPED, "stopped");
}

CodecJPEG *codecJPEGOpen(const uint8_t *bytes, size_t count) {
  CodecJPEG *self = calloc(1, sizeof *self);
  if (!self) return NULL;
  self->bytes = bytes;
  self->count = count;
  return self;
}

/// Bytes of libjpeg's buffers: lines of samples between decoding, upsampling and colour, and of several scans all coefficients.
static uint64_t workingMemory(struct jpeg_decompress_struct *jpeg) {
  uint64_t lines = 8 * (uint64_t)jpeg->image_width, coefficients = 0;
  for (int i = 0; i < jpeg->num_components; i++) {
    const jpeg_component_info *c = &jpeg->comp_info[i];
    uint64_t h = (uint64_t)c->h_samp_factor, v = (uint64_t)c->v_samp_factor;
    uint64_t across = (c->width_in_blocks + h - 1) / h * h, down = (c->height_in_blocks + v - 1) / v * v;
    // Up to 12 groups of lines, as upsampling needs neighbours, and the upsampled lines of each component.
    lines += across * 8 * (12 * v) + (uint64_t)jpeg->max_v_samp_factor * (jpeg->image_width + 64);
    coefficients += across * down * sizeof(JBLOCK);
  }
  return (128 << 10) + lines + (jpeg_has_multiple_scans(jpeg) ? coefficients : 0);
}

CodecStatus codecJPEGHeader(CodecJPEG *self, CodecFacts *facts) {
  struct jpeg_decompress_struct *jpeg = &self->jpeg;
  if (setjmp(self->escape)) return self->status;
  jpeg->err = jpeg_std_error(&self->errors);
  self->errors.error_exit = fail;
  self->errors.emit_message = hear;
  self->errors.output_message = ignoreMessage;
  jpeg->client_data = self;
  jpeg_create_decompress(jpeg);
  // The caller knows what is needed before it is taken; with a limit here some builds write temporary files.
  jpeg->mem->max_memory_to_use = LONG_MAX;
  self->source.next_input_byte = self->bytes;
  self->source.bytes_in_buffer = self->count;
  self->source.init_source = ignoreSource;
  self->source.fill_input_buffer = refill;
  self->source.skip_input_data = skip;
  self->source.resync_to_restart = jpeg_resync_to_restart;
  self->source.term_source = ignoreSource;
  jpeg->src = &self->source;
  self->progress.progress_monitor = watch;
  jpeg->progress = &self->progress;

  jpeg_read_header(jpeg, TRUE);
  if (jpeg->num_components != 1 && jpeg->num_components != 3 && jpeg->num_components != 4) {
    snprintf(self->message, sizeof self->message, "%d colour components", jpeg->num_components);
    return self->status = CODEC_DAMAGED;
  }
  facts->width = jpeg->image_width;
  facts->height = jpeg->image_height;
  facts->passes = 1;
  facts->isBuffered = jpeg_has_multiple_scans(jpeg);
  facts->memory = workingMemory(jpeg);
  return CODEC_OK;
}

/// Whether the scans of a progressive image without an EOI marker have delivered every bit.
static int hasAllBits(struct jpeg_decompress_struct *jpeg) {
  if (!jpeg->progressive_mode || !jpeg->coef_bits) return 0;
  for (int i = 0; i < jpeg->num_components; i++) {
    for (int k = 0; k < DCTSIZE2; k++) {
      if (jpeg->coef_bits[i][k] != 0) return 0;
    }
  }
  return 1;
}

CodecStatus codecJPEGStart(CodecJPEG *self, CodecStop stop, void *user) {
  struct jpeg_decompress_struct *jpeg = &self->jpeg;
  if (setjmp(self->escape)) return self->status;
  self->stop = stop;
  self->user = user;
  int hasInks = jpeg->num_components == 4;
  jpeg->out_color_space = hasInks ? JCS_CMYK : JCS_RGB;
  if (hasInks && !(self->inks = malloc(4 * (size_t)jpeg->image_width))) return self->status = CODEC_MEMORY;
  jpeg_start_decompress(jpeg);
  if (jpeg->output_width != jpeg->image_width || jpeg->output_components != (hasInks ? 4 : 3)) {
    failWith(self, CODEC_DAMAGED, "unexpected row size");
  }
  if (self->hasEnded && jpeg_has_multiple_scans(jpeg) && !hasAllBits(jpeg)) failTruncated(self);
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

CodecStatus codecJPEGRow(CodecJPEG *self, uint8_t *rgb) {
  struct jpeg_decompress_struct *jpeg = &self->jpeg;
  if (setjmp(self->escape)) return self->status;
  JSAMPROW into = self->inks ? self->inks : rgb;
  if (jpeg_read_scanlines(jpeg, &into, 1) != 1) failWith(self, CODEC_DAMAGED, "a row is missing");
  // Arithmetic decoding reads zeros past the end by design, so missing data would go unnoticed.
  if (self->hasEnded && jpeg->arith_code) failTruncated(self);
  if (self->inks) mix(self->inks, rgb, jpeg->image_width);
  return CODEC_OK;
}

const char *codecJPEGMessage(const CodecJPEG *self) { return self->message; }

void codecJPEGClose(CodecJPEG *self) {
  if (!self) return;
  jpeg_destroy_decompress(&self->jpeg);
  free(self->inks);
  free(self);
}
