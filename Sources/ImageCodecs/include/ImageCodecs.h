/* SPDX-License-Identifier: Apache-2.0 */
/* libpng and libjpeg behind one small interface that Swift can call, a row at a time: their errors leave by longjmp, which
   must not cross Swift frames, so every call into them stays inside these functions. They never abort, never print, make no
   temporary files, and a decoder that failed only needs to be closed. */
#ifndef FOVEA_IMAGE_CODECS_H
#define FOVEA_IMAGE_CODECS_H
#include <stddef.h>
#include <stdint.h>

typedef enum {
  CODEC_OK = 0,
  CODEC_DAMAGED,   ///< the bytes break the format's rules
  CODEC_TRUNCATED, ///< the bytes end before the image does
  CODEC_MEMORY,    ///< no memory for the decoder itself
  CODEC_STOPPED    ///< `CodecStop` said so
} CodecStatus;

/// What a header says.
typedef struct {
  uint32_t width, height;
  int passes;      ///< how often each row is read: 1, or 7 for an interlaced PNG
  int isBuffered;  ///< not 0: the decoder keeps the whole image (JPEG of several scans)
  uint64_t memory; ///< bytes the decoder takes for itself, at most
} CodecFacts;

/// How transparent pixels are handled: blended with a colour, or taken as opaque (`drop` not 0).
typedef struct {
  int drop;
  uint8_t colour[3];
} CodecAlpha;

/// Not 0: stop.
typedef int (*CodecStop)(void *user);

/// One image being decoded. Opaque; used by one thread at a time.
typedef struct CodecPNG CodecPNG;
typedef struct CodecJPEG CodecJPEG;

/// A decoder over `count` bytes, which must stay valid until it is closed. NULL: no memory.
CodecPNG *codecPNGOpen(const uint8_t *bytes, size_t count);
CodecJPEG *codecJPEGOpen(const uint8_t *bytes, size_t count);

/// Reads everything before the pixels. To be called once, first.
CodecStatus codecPNGHeader(CodecPNG *png, CodecFacts *facts);
CodecStatus codecJPEGHeader(CodecJPEG *jpeg, CodecFacts *facts);

/// Prepares the rows; to be called once, after the header. `*pixelBytes`: bytes a pixel has in the rows of codecPNGRow, at
/// most 4. A JPEG of several scans is read as a whole here, and asks `stop` between rows of blocks.
CodecStatus codecPNGStart(CodecPNG *png, CodecAlpha alpha, int *pixelBytes);
CodecStatus codecJPEGStart(CodecJPEG *jpeg, CodecStop stop, void *user);

/// Reads the next row. PNG: `pixelBytes` · width bytes in the file's own colours, each row once a pass, and in every pass into
/// the memory it was read into before. JPEG: 3 · width bytes of RGB.
CodecStatus codecPNGRow(CodecPNG *png, uint8_t *row);
CodecStatus codecJPEGRow(CodecJPEG *jpeg, uint8_t *rgb);

/// Makes 3 · width bytes of RGB from a row that all passes have gone through. The two may be the same memory.
void codecPNGColours(const CodecPNG *png, const uint8_t *row, uint8_t *rgb);

/// What the library said when a call failed, e.g. "IDAT: CRC error"; valid until the decoder is closed.
const char *codecPNGMessage(const CodecPNG *png);
const char *codecJPEGMessage(const CodecJPEG *jpeg);

/// Takes the next bytes of a file that is written. Not 0: it could not.
typedef int (*CodecWrite)(void *user, const uint8_t *bytes, size_t count);
/// An RGB PNG file being written row by row. Opaque; used by one thread at a time.
typedef struct CodecPNGWriter CodecPNGWriter;
/// Begins a file of `height` rows. NULL: no memory, or `write` could not.
CodecPNGWriter *codecPNGCreate(uint32_t width, uint32_t height, CodecWrite write, void *user);
/// Writes the next 3·width bytes. Not 0: no memory, or `write` could not; the writer then only needs to be closed.
int codecPNGWriteRow(CodecPNGWriter *writer, const uint8_t *rgb);
/// Writes the end, after the last row. Not 0: as above.
int codecPNGFinish(CodecPNGWriter *writer);
/// Frees the writer. NULL is fine.
void codecPNGWriterClose(CodecPNGWriter *writer);

/// Frees the decoder. NULL is fine.
void codecPNGClose(CodecPNG *png);
void codecJPEGClose(CodecJPEG *jpeg);

/// The text of a tEXt, zTXt or iTXt chunk (`count` bytes: length, type, data and checksum), decompressed where it has to be, in
/// memory to be freed; NULL when it has none, is damaged, or is longer than a megabyte.
char *codecPNGText(const uint8_t *chunk, size_t count, size_t *length);

#endif
