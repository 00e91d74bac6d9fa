/* SPDX-License-Identifier: Apache-2.0 */
#include <png.h>
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>

#include "ImageCodecs.h"

static void quiet(png_structp png, png_const_charp message) { (void)png, (void)message; }
static void give_up(png_structp png, png_const_charp message) {
  (void)message;
  longjmp(png_jmpbuf(png), 1);
}

uint8_t *codecPNGEncode(const uint8_t *rgb, uint32_t width, uint32_t height, size_t *size) {
  char *bytes = NULL;
  FILE *file = open_memstream(&bytes, size);
  if (!file) return NULL;
  png_structp png = png_create_write_struct(PNG_LIBPNG_VER_STRING, NULL, give_up, quiet);
  png_infop info = png ? png_create_info_struct(png) : NULL;
  volatile int failed = 1;
  if (info && !setjmp(png_jmpbuf(png))) {
    png_init_io(png, file);
    png_set_IHDR(png, info, width, height, 8, PNG_COLOR_TYPE_RGB, PNG_INTERLACE_NONE, PNG_COMPRESSION_TYPE_DEFAULT, PNG_FILTER_TYPE_DEFAULT);
    png_write_info(png, info);
    for (uint32_t y = 0; y < height; y++) png_write_row(png, rgb + 3 * (size_t)width * y);
    png_write_end(png, NULL);
    failed = 0;
  }
  png_destroy_write_struct(&png, &info);
  if (fclose(file)) failed = 1;
  if (!failed) return (uint8_t *)bytes;
  free(bytes);
  *size = 0;
  return NULL;
}
