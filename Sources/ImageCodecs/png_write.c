/* SPDX-License-Identifier: Apache-2.0 */
#include <png.h>
#include <setjmp.h>
#include <stdlib.h>

#include "ImageCodecs.h"

struct CodecPNGWriter {
  png_structp png;
  png_infop info;
  CodecWrite write;
  void *user;
};

static void quiet(png_structp png, png_const_charp message) { (void)png, (void)message; }
static void give_up(png_structp png, png_const_charp message) {
  (void)message;
  longjmp(png_jmpbuf(png), 1);
}

static void pass_on(png_structp png, png_bytep bytes, png_size_t count) {
  const CodecPNGWriter *writer = png_get_io_ptr(png);
  if (writer->write(writer->user, bytes, count)) png_error(png, "write");
}
static void nothing(png_structp png) { (void)png; }

CodecPNGWriter *codecPNGCreate(uint32_t width, uint32_t height, CodecWrite write, void *user) {
  CodecPNGWriter *writer = calloc(1, sizeof *writer);
  if (!writer) return NULL;
  writer->write = write;
  writer->user = user;
  writer->png = png_create_write_struct(PNG_LIBPNG_VER_STRING, NULL, give_up, quiet);
  writer->info = writer->png ? png_create_info_struct(writer->png) : NULL;
  if (!writer->info || setjmp(png_jmpbuf(writer->png))) {
    codecPNGWriterClose(writer);
    return NULL;
  }
  png_set_write_fn(writer->png, writer, pass_on, nothing);
  png_set_IHDR(writer->png, writer->info, width, height, 8, PNG_COLOR_TYPE_RGB, PNG_INTERLACE_NONE, PNG_COMPRESSION_TYPE_DEFAULT,
               PNG_FILTER_TYPE_DEFAULT);
  png_write_info(writer->png, writer->info);
  return writer;
}

int codecPNGWriteRow(CodecPNGWriter *writer, const uint8_t *rgb) {
  if (setjmp(png_jmpbuf(writer->png))) return 1;
  png_write_row(writer->png, rgb);
  return 0;
}

int codecPNGFinish(CodecPNGWriter *writer) {
  if (setjmp(png_jmpbuf(writer->png))) return 1;
  png_write_end(writer->png, NULL);
  return 0;
}

void codecPNGWriterClose(CodecPNGWriter *writer) {
  if (!writer) return;
  png_destroy_write_struct(&writer->png, &writer->info);
  free(writer);
}
