/* SPDX-License-Identifier: Apache-2.0 */
/* libpng and libjpeg behind one small interface that Swift can call: their errors leave by longjmp, which must not cross
   Swift frames, so every call into them stays inside these functions. They never abort, never print, and a decoder
   that failed only needs to be closed. */
#ifndef FOVEA_IMAGE_CODECS_H
#define FOVEA_IMAGE_CODECS_H
#include <stddef.h>
#include <stdint.h>

typedef enum {
  CODEC_OK = 0,
  CODEC_DAMAGED,    ///< the bytes break the format's rules
  CODEC_TRUNCATED,  ///< the bytes end before the image does
  CODEC_MEMORY      ///< no memory for the decoder itself
} CodecStatus;

/// One image being decoded. Opaque; used by one thread at a time.
typedef struct CodecPNG CodecPNG;
typedef struct CodecJPEG CodecJPEG;

/// A decoder over `count` bytes, which must stay where they are until it is closed. NULL: no memory.
CodecPNG *codecPNGOpen(const uint8_t *bytes, size_t count);
CodecJPEG *codecJPEGOpen(const uint8_t *bytes, size_t count);

/// Reads everything before the pixels and gives the size. To be called once, first.
CodecStatus codecPNGHeader(CodecPNG *png, uint32_t *width, uint32_t *height);
CodecStatus codecJPEGHeader(CodecJPEG *jpeg, uint32_t *width, uint32_t *height);

/// Decodes to `height` rows of 3·`width` bytes, one after another. To be called once, after the header.
CodecStatus codecPNGRead(CodecPNG *png, uint8_t *rgb);
CodecStatus codecJPEGRead(CodecJPEG *jpeg, uint8_t *rgb);

/// What the library said when a call failed, e.g. "IDAT: CRC error"; valid until the decoder is closed.
const char *codecPNGMessage(const CodecPNG *png);
const char *codecJPEGMessage(const CodecJPEG *jpeg);

/// The RGB PNG file of `height` rows of 3·`width` bytes: `*size` bytes for free(). NULL without memory.
uint8_t *codecPNGEncode(const uint8_t *rgb, uint32_t width, uint32_t height, size_t *size);

/// Frees the decoder. NULL is fine.
void codecPNGClose(CodecPNG *png);
void codecJPEGClose(CodecJPEG *jpeg);

#endif
