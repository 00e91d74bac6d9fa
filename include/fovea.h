/* SPDX-License-Identifier: Apache-2.0 */
/**
 * Fovea answers questions about images on a plain CPU. This header is its manual.
 *
 *     fovea_model *model = NULL;
 *     fovea_image_embedding *image = NULL;
 *     fovea_session *session = NULL;
 *     char *answer = NULL;
 *     if (fovea_load(NULL, NULL, &model) == FOVEA_OK &&
 *         fovea_encode_image(model, "receipt.jpg", NULL, &image) == FOVEA_OK &&
 *         fovea_session_create(model, NULL, &session) == FOVEA_OK &&
 *         fovea_generate(session, "What is the total?", &image, 1, NULL, NULL, &answer) == FOVEA_OK)
 *       puts(answer);
 *     else
 *       fprintf(stderr, "%s\n", fovea_last_error(NULL));
 *     fovea_string_free(answer);
 *     fovea_session_free(session);
 *     fovea_image_embedding_release(image);
 *     fovea_model_free(model);
 *
 * Objects.  A `fovea_model` is immutable: any number of threads may use it at once. A `fovea_image_embedding` is immutable and
 * reference counted: encode an image once, use it in many prompts and sessions of its model. A `fovea_session` holds the
 * KV cache of one conversation with the model. One call at a time may use it; a second one at the same moment, even one that only
 * reads results, returns FOVEA_ERROR_BUSY. Sessions and image embeddings retain their model, so objects may be released in any order.
 * Passing an object that was already released is undefined behaviour; passing NULL never is.
 *
 * Results.  Fallible functions return a `fovea_status` and give results through pointers, which are set to NULL or 0 on failure.
 * `fovea_last_error` then gives a message that names the file, tensor, offset or argument. No input (file, image, prompt,
 * argument) ends the process, nor does running out of memory (FOVEA_ERROR_MEMORY; the call can be repeated). Nothing is printed, and
 * the only global state is each thread's last error message.
 *
 * Structures go by pointer and begin with `struct_size`, which the caller sets to `sizeof` of the structure as compiled. Zero in
 * every other field means the default, and a NULL options pointer means all defaults:
 *     fovea_generate_options options = {.struct_size = sizeof options, .max_tokens = 64};
 * so a program keeps working with a later library whose structures have grown. Fields named `reserved` must be 0.
 *
 * Texts are UTF-8; all texts of one argument together have at most 8 MiB. Paths are any bytes but NUL. Sizes are in bytes unless a comment says
 * otherwise. Callbacks run one at a time, on the thread that made the call (see Threads; `run_jobs`, `log` and `allocate` say otherwise). They must not throw through the library, and must
 * not call into the session that is running them, except for fovea_session_cancel.
 *
 * Threads.  Any thread may make any call; 64 KiB of stack are enough. Where less than 512 KiB are left, or where the stack is not the
 * thread's own (coroutines), the call runs on a thread with a 2 MiB stack while the caller waits, and callbacks run there too.
 * In a child made by fork() the model and image embeddings still work, with one thread. So does a session, unless a call was using it at
 * the moment of the fork: the child's calls on that session return FOVEA_ERROR_UNSUPPORTED.
 *
 * Environment.  FOVEA_MODEL names the weight file that is loaded when the path is NULL; FOVEA_ISA (scalar, sse41, avx2, avxvnni, avx512; neon, dotprod,
 * i8mm) picks the instruction set, which changes the speed, never an answer. With an unknown name, or one that this CPU lacks, loading fails with
 * FOVEA_ERROR_UNSUPPORTED and a message that names the value and what the CPU supports; an empty value counts as unset.
 */
#ifndef FOVEA_H
#define FOVEA_H

#include <stddef.h>
#include <stdint.h>

#define FOVEA_VERSION_MAJOR 1
#define FOVEA_VERSION_MINOR 0
#define FOVEA_VERSION_PATCH 0
#define FOVEA_VERSION "1.0.0"
#define FOVEA_VERSION_NUMBER (FOVEA_VERSION_MAJOR * 10000 + FOVEA_VERSION_MINOR * 100 + FOVEA_VERSION_PATCH)

#ifdef __cplusplus
extern "C" {
#endif

/* ---- Status ------------------------------------------------------------------------------------------------------- */

/** The outcome of a call. The numbers never change; later versions may add some, so treat an unknown one as a failure. */
typedef int32_t fovea_status;
enum {
  FOVEA_OK = 0,
  FOVEA_ERROR_ARGUMENT = 1,    /**< an argument is NULL, out of range, invalid UTF-8, or a structure that this library does not know */
  FOVEA_ERROR_IO = 2,          /**< a file cannot be opened or read */
  FOVEA_ERROR_FORMAT = 3,      /**< the weight file is damaged, or is not a weight file */
  FOVEA_ERROR_MEMORY = 4,      /**< memory ran out, or the work does not fit the memory budget */
  FOVEA_ERROR_UNSUPPORTED = 5, /**< valid, but not supported by this version or this model: a newer file, an unknown system, regions */
  FOVEA_ERROR_BUSY = 6,        /**< another call is using this session */
  FOVEA_ERROR_CANCELLED = 7,   /**< fovea_session_cancel or a progress callback stopped the work */
  FOVEA_ERROR_DEADLINE = 8,    /**< the deadline has passed */
  FOVEA_ERROR_CONTEXT = 9,     /**< prompt and images need more tokens than the context has */
  FOVEA_ERROR_IMAGE = 10,      /**< the image is damaged, of an unknown kind, or too large */
  FOVEA_ERROR_INTERNAL = 11,   /**< a bug in the library: please report it */
  FOVEA_ERROR_BUFFER = 12      /**< the caller's buffer is too small; the size needed was returned */
};

/** The constant's name, "FOVEA_ERROR_ARGUMENT" say; "FOVEA_ERROR_UNKNOWN" for a number without one. Never NULL, never freed. */
const char *fovea_status_name(fovea_status status);

struct fovea_session;

/** The message of the last failure: of this session's calls, or with NULL of any call made by the calling thread (a failed call
 *  on a session sets both; FOVEA_ERROR_BUSY sets only the thread's). "" when none failed. At most 1023 bytes; a longer message loses its
 *  middle. Control characters of quoted names are written as `\u{1b}`. Valid until the next failure of that thread or session, or the
 *  session's release. While another call uses the session, the calling thread's message is returned. */
const char *fovea_last_error(const struct fovea_session *session);

/** The library's own version, to compare with FOVEA_VERSION and FOVEA_VERSION_NUMBER of the header. */
const char *fovea_version(void);
int32_t fovea_version_number(void);

/* ---- Callbacks ---------------------------------------------------------------------------------------------------- */

/** `done` of `total` steps are finished (`total` is constant during one task). Return 0 to continue; anything else stops the
 *  work with FOVEA_ERROR_CANCELLED. */
typedef int (*fovea_progress_callback)(void *user, size_t done, size_t total);

/** One new token. `text` is what it adds to the answer: whole UTF-8 characters, NUL-terminated, `length` bytes, valid during the
 *  callback. `length` is 0 while a character is incomplete or the text may be the start of a stop text. Text held back comes with a later
 *  token, or at the answer's end with one more callback that repeats the last id. Return 0 to continue; anything else ends the answer here,
 *  with FOVEA_STOP_CALLBACK and FOVEA_OK. */
typedef int (*fovea_token_callback)(void *user, int32_t id, const char *text, size_t length);

/** Part of the work of one call, for fovea_run_jobs_callback. */
typedef void (*fovea_job)(void *context, size_t index);

/** A host's own threads: calls `job(context, i)` once for each i below `count`, on any threads and in any order, one after another too, and
 *  returns when all these calls have returned. `count` is at most the model's `threads`. Jobs that the host leaves out cost only time: the
 *  calling thread does what remains. So a host that cannot start a job at once should leave it out. A job needs 512 KiB of stack.
 *  Called many times for each token and image, and while a model is loaded, from the thread that made the call; for one model never twice at
 *  a time: of two calls that need it at the same moment, one computes alone. It must not wait for a thread that is itself in a call of the
 *  library, must not call the library except for `job`, and not let exceptions or longjmp pass. In a child made by fork() it is not called. Answers are
 *  the same to the bit. */
typedef void (*fovea_run_jobs_callback)(void *user, size_t count, fovea_job job, void *context);

/** A host's memory for a large block: at least `size` bytes at an address that is a multiple of 64, with any content; or NULL where there is none, and
 *  the call returns FOVEA_ERROR_MEMORY. From any thread that is in a call of the library, from several at once. Neither this nor
 *  fovea_deallocate_callback may call the library. */
typedef void *(*fovea_allocate_callback)(void *user, size_t size);

/** Takes back a block of fovea_allocate_callback, with the `size` that was asked for. Each block comes back once, from any thread, at the latest when
 *  the model and everything made from it are released; in a child made by fork() too. */
typedef void (*fovea_deallocate_callback)(void *user, void *block, size_t size);

/** How much a line of fovea_log_callback matters. Later versions may add some. */
typedef int32_t fovea_log_level;
enum {
  FOVEA_LOG_DEBUG = 1,  /**< each image that was encoded */
  FOVEA_LOG_INFO = 2,   /**< what was loaded, and how */
  FOVEA_LOG_WARNING = 3 /**< the work goes on, but not as it was asked for: fewer threads */
};

/** One line for a host's log: UTF-8 without a line end, valid during the call, quoted and shortened as fovea_last_error says. Failures are not among them: they are statuses. From any thread that
 *  is in a call of the library, from several at once. It must not call the library. Not called any more when the model and everything
 *  made from it are released. */
typedef void (*fovea_log_callback)(void *user, fovea_log_level level, const char *message);

/* ---- Models ------------------------------------------------------------------------------------------------------- */

/** A loaded weight file. Immutable; any thread may use it. */
typedef struct fovea_model fovea_model;

/** Type of the KV cache. int8, with a quantisation scale per token and head, halves its memory and, in long contexts, the time per token;
 *  answers may differ in rare words. */
typedef int32_t fovea_cache_type;
enum {
  FOVEA_CACHE_DEFAULT = 0, /**< f32 for weight files of f32, else f16 */
  FOVEA_CACHE_F32 = 1,
  FOVEA_CACHE_F16 = 2,
  FOVEA_CACHE_INT8 = 3
};

/** Which weights are in memory. Answers are bit-identical in all modes. */
typedef int32_t fovea_residency;
enum {
  FOVEA_RESIDENCY_ALL = 0,       /**< all */
  FOVEA_RESIDENCY_ON_DEMAND = 1, /**< the encoder's while images are encoded, the decoder's while it runs: as much as the larger of the two */
  FOVEA_RESIDENCY_STREAMED = 2   /**< some; the others are read from the file each time they are used */
};

typedef struct fovea_load_options {
  size_t struct_size;
  int32_t threads;        /**< threads of one call; 0: what cores, affinity and cgroup limits allow */
  int32_t context_length; /**< most tokens of a session; 0: the model's own length, which is also the maximum */
  uint64_t memory_budget; /**< bytes the library may hold resident; 0: no limit. It decides which weights are in memory (see fovea_residency).
                               A budget below the smallest mode's need is FOVEA_ERROR_MEMORY. So is, later and before anything is
                               allocated, whatever needs more than is left: another session, another image, another concurrent call. The
                               message names a budget that would suffice */
  int32_t verify;         /**< not 0: read the whole file and verify every checksum before returning */
  fovea_cache_type cache_type;
  fovea_progress_callback progress;  /**< NULL: none */
  void *progress_user;               /**< passed to `progress` */
  int32_t no_mapping;                /**< not 0: read the weights into memory instead of mapping the file, which may then be changed, truncated or
                           removed once fovea_load has returned; truncating a mapped file ends the process by SIGBUS */
  int32_t sessions;                  /**< sessions that the memory plan counts, all answering at the same time; 0: one */
  int32_t image_width, image_height; /**< upright pixels of the image that the memory plan counts; 0: the size with the most views */
  fovea_run_jobs_callback run_jobs;  /**< the host's threads, which compute instead of the library's own; NULL: none. The library still starts
                           threads that only wait or call: one for each batch, and one for a call with too little stack */
  void *run_jobs_user;               /**< passed to `run_jobs`; both must stay valid until the model and everything made from it are released */
  fovea_log_callback log;            /**< NULL: none */
  void *log_user;                    /**< passed to `log`; valid as long as `run_jobs_user` */
  fovea_allocate_callback allocate;  /**< the host's memory for decoded weights, image embeddings, scratch memory, and KV caches, each for its whole
                                  context at once; with `deallocate` or neither. NULL: pages from the system. Not for mapped
                                  files, weights that `memory_budget` keeps out of memory, pictures while they are decoded, and tables; fovea_plan calls
                                  it never */
  fovea_deallocate_callback deallocate;
  void *allocator_user; /**< passed to both; valid as long as `run_jobs_user` */
} fovea_load_options;

/** Maps a weight file and prepares the system in it. `path` NULL: the built-in model (see fovea_builtin_model).
 *  `*out` is released with fovea_model_free. A mapped file must not be changed while it is in use (see `no_mapping`).
 *  Returns FOVEA_OK, _ARGUMENT, _IO, _FORMAT, _UNSUPPORTED, _MEMORY or _CANCELLED. */
fovea_status fovea_load(const char *path, const fovea_load_options *options, fovea_model **out);

/** The same from `size` bytes of memory. Where they are 64-byte aligned, uncompressed weights are used in place without a copy, and the
 *  bytes must stay valid and unchanged until the model and everything made from it are released. Where they are not, or with `no_mapping`,
 *  all weights are copied, and the bytes are not read after the call has returned. */
fovea_status fovea_load_memory(const void *bytes, size_t size, const fovea_load_options *options, fovea_model **out);

/** Releases the caller's reference to the model. NULL is fine. */
void fovea_model_free(fovea_model *model);

/** Where the built-in model is: what FOVEA_MODEL names, else `builtin.fovea` beside the library, else
 *  `../share/fovea/builtin.fovea` from there. Writes the path and a NUL to `buffer` and its length without the NUL to `*length`.
 *  With `buffer` NULL only `*length` is written. Returns FOVEA_OK, _ARGUMENT, _BUFFER, or _IO when there is none. */
fovea_status fovea_builtin_model(char *buffer, size_t capacity, size_t *length);

/** Memory for loading and using a model, in bytes. */
typedef struct fovea_memory_plan {
  size_t struct_size;
  uint64_t file_bytes;       /**< size of the weight file */
  uint64_t mapped_bytes;     /**< weights used in place from the file: page cache that the system may evict and read again */
  uint64_t weight_bytes;     /**< memory for weights that are stored compressed, or converted while loading */
  uint64_t session_bytes;    /**< KV cache of one session */
  uint64_t scratch_bytes;    /**< an image's vectors, and the scratch memory of decoding and encoding the image or of all sessions' answers,
                               whichever is larger; the image's file and fovea_logits are not counted */
  uint64_t total_bytes;      /**< sum of mapped, weight, scratch and table bytes, and of session_bytes for each session of the options */
  uint64_t table_bytes;      /**< held beside the weights for the model's lifetime: the library itself, tables of file and tokenizer,
                               thread stacks, small heap objects */
  uint64_t least_bytes;      /**< the smallest memory_budget that suffices for these options */
  fovea_residency residency; /**< the first mode that fits the options' memory_budget, else the smallest; mapped_bytes and weight_bytes are
                                  for this mode */
  int32_t reserved;
} fovea_memory_plan;

/** The memory plan for a weight file (NULL: the built-in model) and options, from its header alone, before anything is loaded.
 *  Returns FOVEA_OK, _ARGUMENT, _IO, _FORMAT or _UNSUPPORTED. */
fovea_status fovea_plan(const char *path, const fovea_load_options *options, fovea_memory_plan *out);

/** Properties of a loaded model. The texts belong to the model and have its lifetime. */
typedef struct fovea_model_info {
  size_t struct_size;
  const char *system; /**< "hires_llava", "llava", "llava_next", "monkey", "text_monkey", … */
  const char *name;
  const char *weight_type;     /**< "f32", "f16", "int8", "int6", "int5", "int4" */
  const char *instruction_set; /**< "scalar", "sse41", "avx2", "avxvnni", "avx512", "neon", "dotprod", "i8mm" */
  uint64_t weight_bytes;       /**< all weights, in the form that the kernels read */
  uint64_t resident_bytes;     /**< of those, the ones in allocated memory instead of mapped */
  uint64_t bytes_per_token;    /**< weights read to generate one token */
  int32_t context_length;      /**< most tokens of a session */
  int32_t image_tokens;        /**< most tokens of one image; 0: a text-only model */
  int32_t hidden_size;         /**< floats in one vector of an image embedding */
  int32_t vocab_size;
  int32_t threads;
  fovea_residency residency; /**< which weights are in memory */
} fovea_model_info;

/** Fills `*info` up to `info->struct_size`. Returns FOVEA_OK or _ARGUMENT. */
fovea_status fovea_model_get_info(const fovea_model *model, fovea_model_info *info);

/** What a model holds now, by kind, in bytes. */
typedef struct fovea_memory_use {
  size_t struct_size;
  uint64_t weight_bytes;  /**< weights in allocated memory */
  uint64_t mapped_bytes;  /**< weights used in place from the file: an upper bound of what is resident; processes share it */
  uint64_t session_bytes; /**< KV caches of all sessions, as far as they were written */
  uint64_t scratch_bytes; /**< scratch memory of running calls, and what sessions keep of it */
  uint64_t image_bytes;   /**< image embeddings */
  uint64_t table_bytes;   /**< as in fovea_memory_plan */
  uint64_t total_bytes;   /**< sum of these */
  uint64_t budget_bytes;  /**< the memory_budget; 0: none */
  uint64_t left_bytes;    /**< the part of it that is not reserved; 0 without a budget */
} fovea_memory_use;

/** Fills `*out` up to `out->struct_size`. Any thread, also while calls run. Returns FOVEA_OK or _ARGUMENT. */
fovea_status fovea_model_memory(const fovea_model *model, fovea_memory_use *out);

/** Returns to the system what the model can read or make again: file pages, streamed weights, memory of decompression. Any thread, also while
 *  calls run; the next calls take longer. Returns FOVEA_OK or _ARGUMENT. */
fovea_status fovea_model_trim(const fovea_model *model);

/** Number of metadata entries in the weight file; 0 for NULL. */
size_t fovea_model_metadata_count(const fovea_model *model);

/** Name of entry `index`, in the file's order; NULL past the end. Belongs to the model. */
const char *fovea_model_metadata_key(const fovea_model *model, size_t index);

/** The value of an entry as JSON: `"text"`, `336`, `true`, `[0.5, 0.5, 0.5]`; bytes as text in hexadecimal. Written with a NUL to
 *  `buffer`; `*length` is the length without it. With `buffer` NULL only `*length` is written.
 *  Returns FOVEA_OK, _BUFFER, or _ARGUMENT (also when the file has no such key). */
fovea_status fovea_model_metadata_json(const fovea_model *model, const char *key, char *buffer, size_t capacity, size_t *length);

/** The token ids of a text as it is: no template, no beginning-of-sequence token, no image marks. Up to `capacity` ids are
 *  written to `ids` and their number to `*count`. With `ids` NULL only `*count` is written. `text` need not end in NUL.
 *  Returns FOVEA_OK, _ARGUMENT (also for invalid UTF-8), _MEMORY, or _BUFFER with the number needed. */
fovea_status fovea_tokenize(const fovea_model *model, const char *text, size_t length, int32_t *ids, size_t capacity, size_t *count);

/** For fovea_detokenize: writes special tokens (`</s>`, `<|im_end|>`) too, so that fovea_tokenize maps the text of its own ids back to the
 *  same ids. */
enum { FOVEA_DETOKENIZE_SPECIALS = 1 };

/** The text of token ids, written with a NUL to `buffer`; `*length` is its length without the NUL. With `buffer` NULL only
 *  `*length` is written. `flags` is 0 or FOVEA_DETOKENIZE_SPECIALS; without it special tokens are left out. The text is always UTF-8:
 *  invalid bytes, for instance of a character whose last token is missing, become U+FFFD.
 *  Returns FOVEA_OK, _ARGUMENT (also for an id outside the vocabulary), _MEMORY, or _BUFFER with the length needed. */
fovea_status fovea_detokenize(const fovea_model *model, const int32_t *ids, size_t count, int32_t flags, char *buffer, size_t capacity,
                              size_t *length);

/* ---- Images ------------------------------------------------------------------------------------------------------- */

/** The vectors that a model encodes one image as. Immutable, reference counted; any thread may use it, with that model only. */
typedef struct fovea_image_embedding fovea_image_embedding;

/** Whether a file's EXIF or XMP orientation is applied (as Pillow's exif_transpose). The reference systems ignore it. */
typedef int32_t fovea_orientation;
enum {
  FOVEA_ORIENTATION_DEFAULT = 0, /**< upright */
  FOVEA_ORIENTATION_UPRIGHT = 1,
  FOVEA_ORIENTATION_STORED = 2
};

/** How a file's transparent pixels are composited. */
typedef int32_t fovea_alpha;
enum {
  FOVEA_ALPHA_WHITE = 0,  /**< on white */
  FOVEA_ALPHA_COLOUR = 1, /**< on `background` */
  FOVEA_ALPHA_DROP = 2    /**< alpha is ignored (Pillow's convert("RGB"), as the reference systems do) */
};

typedef struct fovea_encode_options {
  size_t struct_size;
  fovea_orientation orientation;
  int32_t tiles;                    /**< most tiles to cut the image into, for systems that cut on request (GOT-OCR2 and DeepSeek-OCR 2, up to 6;
                                  DeepSeek-OCR, up to 9; for others FOVEA_ERROR_ARGUMENT); 0: the system's default */
  double deadline_seconds;          /**< time allowed, then FOVEA_ERROR_DEADLINE; 0: no limit */
  fovea_progress_callback progress; /**< NULL: none */
  void *progress_user;              /**< passed to `progress` */
  fovea_alpha alpha;
  uint32_t background; /**< 0xRRGGBB, for FOVEA_ALPHA_COLOUR */
  /** The part of the picture to encode, in pixels of the upright picture; all 0: the whole picture. The rest is not held in memory, and the
   *  embedding is that of a picture of this size. */
  int32_t crop_x, crop_y;
  int32_t crop_width, crop_height;
  const char *mode; /**< name of one of the system's resolution modes (DeepSeek-OCR: tiny, small, base, large, gundam; HiRes-LLaVA: 100% to
                       400% of the picture's size, as far as slices allow; for others FOVEA_ERROR_ARGUMENT); NULL: the default in the weight
                       file */
} fovea_encode_options;

/** Encodes a PNG or JPEG file. It is decoded row by row: beside the file's own bytes, only the rows that resizing needs are held. Interlaced
 *  PNG (4 bytes per pixel) and JPEG with several scans, such as progressive JPEG (6 bytes per pixel, 8 with four components), are held whole,
 *  if the memory budget allows it, or without a budget up to 512 MiB and half of the memory that the machine or a control group gives the
 *  process; else FOVEA_ERROR_MEMORY. 16-bit samples keep their high byte. Limits: 2^28 pixels, sides of 2^20. `*out` is released with
 *  fovea_image_embedding_release.
 *  Returns FOVEA_OK, _ARGUMENT (also for a text-only model), _UNSUPPORTED for a weight file without the encoder, _IO, _IMAGE, _MEMORY,
 *  _CANCELLED or _DEADLINE. */
fovea_status fovea_encode_image(const fovea_model *model, const char *path, const fovea_encode_options *options, fovea_image_embedding **out);

/** The same from the `size` bytes of a PNG or JPEG file. */
fovea_status fovea_encode_image_bytes(const fovea_model *model, const void *bytes, size_t size, const fovea_encode_options *options,
                                      fovea_image_embedding **out);

/** The same from 8-bit RGB pixels, which are read in place; orientation and alpha do not apply. Row y begins at `rgb + y * stride`; `stride` 0
 *  means rows without gaps, `3 * width`. */
fovea_status fovea_encode_image_pixels(const fovea_model *model, const uint8_t *rgb, int32_t width, int32_t height, size_t stride,
                                       const fovea_encode_options *options, fovea_image_embedding **out);

/** Adds a reference; returns its argument. NULL is fine. */
fovea_image_embedding *fovea_image_embedding_retain(fovea_image_embedding *embedding);

/** Releases a reference; the last one frees the embedding. NULL is fine. */
void fovea_image_embedding_release(fovea_image_embedding *embedding);

typedef struct fovea_image_info {
  size_t struct_size;
  int32_t width, height; /**< of the original image, in pixels */
  int32_t tokens;        /**< vectors, each of which takes one position of the context */
  int32_t hidden_size;   /**< floats in a vector */
  int32_t views;         /**< pictures that the model encoded: the whole image and its slices */
  int32_t reserved;
} fovea_image_info;

/** Fills `*info` up to `info->struct_size`. Returns FOVEA_OK or _ARGUMENT. */
fovea_status fovea_image_embedding_get_info(const fovea_image_embedding *embedding, fovea_image_info *info);

/** One picture that the model encoded: its rectangle in pixels of the original image (edges, not pixel centres; it extends beyond the
 *  image where the model pads). */
typedef struct fovea_image_view {
  size_t struct_size;
  double x, y, width, height;
  int32_t row, column;         /**< position in the grid of slices; -1, -1 for a view of the whole image */
  int32_t first_token, tokens; /**< its vectors in the embedding, separators not counted */
} fovea_image_view;

/** Fills `*view` for view `index`, in the model's order. Returns FOVEA_OK or _ARGUMENT. */
fovea_status fovea_image_embedding_get_view(const fovea_image_embedding *embedding, size_t index, fovea_image_view *view);

/** The vectors: float32 [tokens, hidden_size], row-major, in the order the decoder gets them. Belongs to the embedding. NULL for
 *  NULL. */
const float *fovea_image_embedding_data(const fovea_image_embedding *embedding);

/** Serialises an embedding, with the feature map that regions are encoded from, to the `capacity` bytes of `buffer`; `*size` is the size
 *  needed. With `buffer` NULL only `*size` is written. Returns FOVEA_OK, _ARGUMENT, or _BUFFER. */
fovea_status fovea_image_embedding_serialize(const fovea_image_embedding *embedding, void *buffer, size_t capacity, size_t *size);

/** The embedding from the `size` bytes that fovea_image_embedding_serialize wrote. They may be untrusted: damaged ones are
 *  FOVEA_ERROR_FORMAT, those of another weight file than `model`'s FOVEA_ERROR_ARGUMENT. `*out` is released with
 *  fovea_image_embedding_release. Returns FOVEA_OK, _ARGUMENT, _FORMAT or _MEMORY. */
fovea_status fovea_image_embedding_deserialize(const fovea_model *model, const void *bytes, size_t size, fovea_image_embedding **out);

/** For fovea_image_embedding_save: numbers as f16, half the bytes. Relative rounding error at most 1/2048; answers may differ in rare words. */
enum { FOVEA_CAPSULE_F16 = 1 };

/** Writes the same bytes to a file (an image capsule), which appears under `path`, here UTF-8, only when complete. `flags` is 0 or
 *  FOVEA_CAPSULE_F16. Another machine can answer from the capsule with the same weight file, or with one that `fovea pack`, `unpack` or
 *  `split` made of it: the part that answers needs no encoder.
 *  Returns FOVEA_OK, _ARGUMENT, _IO, _MEMORY, or _UNSUPPORTED for numbers that f16 cannot hold. */
fovea_status fovea_image_embedding_save(const fovea_image_embedding *embedding, const char *path, int32_t flags);

/** The embedding from a capsule file, as fovea_image_embedding_deserialize.
 *  Returns FOVEA_OK, _ARGUMENT (also for one of another weight file), _IO, _FORMAT or _MEMORY. */
fovea_status fovea_image_embedding_load(const fovea_model *model, const char *path, fovea_image_embedding **out);

/* ---- Sessions ----------------------------------------------------------------------------------------------------- */

/** The KV cache and scratch memory of one sequence (a conversation, say). One call at a time. */
typedef struct fovea_session fovea_session;

typedef struct fovea_session_options {
  size_t struct_size;
  int32_t context_length; /**< most tokens of this session; 0: as loaded, which is also the maximum */
  int32_t reserved;
} fovea_session_options;

/** A new session. `*out` is released with fovea_session_free. Returns FOVEA_OK, _ARGUMENT, _MEMORY, or _UNSUPPORTED for a weight file without
 *  the decoder. */
fovea_status fovea_session_create(const fovea_model *model, const fovea_session_options *options, fovea_session **out);

/** Cancels what the session is doing and releases it. NULL is fine. */
void fovea_session_free(fovea_session *session);

/** Stops the call that is using the session; it returns FOVEA_ERROR_CANCELLED soon (within one layer's work). From any thread
 *  and from signal handlers; takes no lock. Without a call in progress it does nothing. NULL is fine. */
void fovea_session_cancel(fovea_session *session);

/** Empties the session's KV cache. It never changes an answer, only the time until it.
 *  Returns FOVEA_OK, _ARGUMENT or _BUSY. */
fovea_status fovea_session_reset(fovea_session *session);

/** Tokens in the session's KV cache: the prompt and the answer of its last call, as far as the next call need not compute them again. 0 for
 *  NULL, and while another call uses the session. */
size_t fovea_session_length(const fovea_session *session);

/** A second session with a copy of this one's KV cache. Several answers to one long prompt, or two continuations of a conversation, prefill
 *  what they share once. `*out` is released with fovea_session_free.
 *  Returns FOVEA_OK, _ARGUMENT, _BUSY or _MEMORY. */
fovea_status fovea_session_fork(fovea_session *session, fovea_session **out);

/** Keeps the first `tokens` of the session's KV cache (fovea_session_length) and drops the rest. It never changes an answer, only the
 *  time until it. Returns FOVEA_OK, _ARGUMENT (also where it holds fewer) or _BUSY. */
fovea_status fovea_session_rewind(fovea_session *session, size_t tokens);

/** Serialises the session to the `capacity` bytes of `buffer`; `*size` is the size needed. With `buffer` NULL only `*size` is written.
 *  fovea_session_cancel stops it.
 *  Returns FOVEA_OK, _ARGUMENT, _BUSY, _CANCELLED, or _BUFFER. */
fovea_status fovea_session_save(fovea_session *session, void *buffer, size_t capacity, size_t *size);

/** The same to a file, which replaces an existing one when it is complete. `path` is UTF-8.
 *  Returns FOVEA_OK, _ARGUMENT, _BUSY, _CANCELLED, _MEMORY or _IO. */
fovea_status fovea_session_save_file(fovea_session *session, const char *path);

/** The session from the `size` bytes that fovea_session_save wrote, also in another process. An image of the history is reused if it is
 *  encoded again in the same way. The bytes may be untrusted: damaged ones are FOVEA_ERROR_FORMAT, those of another
 *  weight file or another cache type than `model`'s FOVEA_ERROR_ARGUMENT, more tokens than `options->context_length` or the model's
 *  FOVEA_ERROR_CONTEXT. `*out` is released with fovea_session_free.
 *  Returns FOVEA_OK, _ARGUMENT, _FORMAT, _CONTEXT or _MEMORY. */
fovea_status fovea_session_load(const fovea_model *model, const void *bytes, size_t size, const fovea_session_options *options, fovea_session **out);

/** The same from a file. Also returns FOVEA_ERROR_IO. */
fovea_status fovea_session_load_file(const fovea_model *model, const char *path, const fovea_session_options *options, fovea_session **out);

/** Shapes of a region. */
enum {
  FOVEA_REGION_POINT = 0,    /**< (x1, y1) */
  FOVEA_REGION_BOX = 1,      /**< from (x1, y1) to (x2, y2), the pixels of both corners included */
  FOVEA_REGION_POLYGON = 2,  /**< the pixels whose centres lie inside `vertices`, by the even-odd rule */
  FOVEA_REGION_SCRIBBLE = 3, /**< the pixels whose centres are within `radius` of the line through `vertices` */
  FOVEA_REGION_MASK = 4      /**< the pixels whose byte in `mask` is not 0 */
};

/** A part of an image that a prompt refers to, in pixels of the original image (0, 0 is the upper left corner of the first pixel).
 *  A box or free form that extends beyond the image is clipped; one wholly outside, an empty one and coordinates that are
 *  not finite are FOVEA_ERROR_ARGUMENT. A polygon, a scribble and a mask take a byte per pixel of their image during the call. All of a call's
 *  together must fit what the memory budget has left, or without a budget 512 MiB; else FOVEA_ERROR_MEMORY. */
typedef struct fovea_region {
  size_t struct_size;
  int32_t kind;           /**< FOVEA_REGION_... */
  int32_t image;          /**< index of its image among the call's */
  double x1, y1, x2, y2;  /**< point and box */
  const double *vertices; /**< polygon and scribble: x, y of each vertex, at most 16384 vertices, each number within ±2^24 */
  size_t vertex_count;
  double radius;       /**< scribble: half the line's width; above 0 */
  const uint8_t *mask; /**< mask: row y begins at `mask + y * mask_stride`; its size must be the image's */
  size_t mask_stride;  /**< 0: rows without gaps */
  int32_t mask_width, mask_height;
  uint64_t seed;          /**< of the region sampler: 0: points spread evenly; else drawn at random, the same for the same seed */
  const int32_t *points;  /**< the region sampler's initial points, x, y of each, instead of chosen ones; NULL: it chooses */
  size_t point_count;     /**< with `points`: 512 */
  int32_t start1, start2; /**< with `points`: index of the point that each farthest-point sampling starts from; else 0 */
} fovea_region;

/** Constraints on an answer, see `constraint` of fovea_generate_options. */
enum {
  FOVEA_CONSTRAINT_NONE = 0,
  /** JSON that is valid under a JSON Schema (2020-12). Members come in the schema's order, each once. Members that `properties` does not name
   *  are generated only where `additionalProperties` or `patternProperties` mentions them, or where the schema names no member; their keys may
   *  repeat, so that all of them together count as one towards `minProperties`. A missing `type` follows from the other keywords. Numbers have up to 15 digits before and some after the point. White space between tokens is nothing, a
   *  space, or a line end with up to 20 spaces. `oneOf` is supported where its branches provably exclude each other. An unsupported keyword
   *  that would change what is valid is FOVEA_ERROR_ARGUMENT, with its JSON pointer. `format` is enforced for the standard's names. */
  FOVEA_CONSTRAINT_JSON_SCHEMA = 1,
  /** A text that a regular expression matches as a whole: classes, `\d \w \s`, `\p{…}` of general categories, groups, `|`, `* + ? {m,n}`. No
   *  lookaround, no backreferences. `\d`, `\w`, `\s` are ASCII; their negations exclude all characters of the Unicode class. */
  FOVEA_CONSTRAINT_REGEX = 2,
  /** A text of a grammar in GBNF, the notation of llama.cpp, with start rule `root`. Rules may be recursive, but not left-recursive. */
  FOVEA_CONSTRAINT_GRAMMAR = 3
};

/** A number added to a token's logit. */
typedef struct fovea_logit_bias {
  int32_t id;
  float bias; /**< -INFINITY: never this token */
} fovea_logit_bias;

/** Token counts above the context length are clamped to it. Lists of ids have at most as many entries as the vocabulary.
 *
 *  A token is chosen in this order. Logits are changed by `min_tokens`, `ngram_ban`, the order of lines and words where a model's answers say
 *  where they read (metadata `prompt.locations`; not for a raw prompt), `logit_biases`, `forbidden_tokens`, penalties (repetition, frequency,
 *  presence), `allowed_tokens`. With a temperature above 0 they are then divided by it, and the candidates are reduced by `top_k`, then `top_p`,
 *  `min_p` and `typical_p` (the order of transformers). Where no token is left, the answer ends with FOVEA_STOP_END. */
typedef struct fovea_generate_options {
  size_t struct_size;
  int32_t max_tokens;       /**< most tokens to generate; 0: until the context is full */
  float temperature;        /**< 0: always the likeliest token */
  int32_t top_k;            /**< top-k sampling: the k likeliest tokens; 0, or more than there are: all */
  float top_p;              /**< nucleus sampling: the fewest likeliest tokens that together have this probability; 0 and 1: all */
  float repetition_penalty; /**< above 1 makes tokens that already occurred less likely, see `penalty_last_n`; 0 and 1: off */
  int32_t ignore_eos;       /**< not 0: continue past the end-of-sequence token */
  int32_t raw;              /**< not 0: the prompt is used as it is, see fovea_generate */
  int32_t reserved;
  uint64_t seed;                 /**< of sampling with temperature > 0; equal seeds give equal answers */
  const char *const *stop_texts; /**< the answer ends before the first of these that it contains */
  size_t stop_text_count;
  double deadline_seconds;          /**< time limit from the start of the call, then FOVEA_ERROR_DEADLINE; 0: no limit */
  fovea_token_callback on_token;    /**< NULL: none */
  void *on_token_user;              /**< passed to `on_token` */
  fovea_progress_callback progress; /**< progress of the prefill; NULL: none */
  void *progress_user;              /**< passed to `progress` */
  const fovea_region *regions;      /**< for the `<region>` marks of the prompt, in order; all of one `struct_size` */
  size_t region_count;
  const char *task;        /**< one of the model's own prompt templates, by its name in metadata `prompt.tasks`; NULL: the default */
  int32_t min_tokens;      /**< minimum length of the answer; 0: the model's default, none for a raw prompt */
  int32_t ngram_ban;       /**< no n-gram of this many tokens (at least 2) may occur twice in prompt and answer; 0: the model's
                           default, off for a raw prompt; -1: off */
  int32_t ngram_window;    /**< only n-grams within the last so many tokens count; 0: the model's default with its own ban, else all */
  int32_t loop_tokens;     /**< the answer ends with FOVEA_STOP_LOOP when its last so many tokens (at least 8) are one sequence repeated
                             four times or more; 0: off */
  int32_t draft_tokens;    /**< prompt-lookup decoding: most draft tokens per pass where the text repeats itself or the prompt; it saves time
                             and never changes the answer; 0: the default, negative: off */
  int32_t overflow;        /**< for a conversation that does not fit the context: FOVEA_OVERFLOW_... */
  float min_p;             /**< min-p sampling: tokens with at least this share of the likeliest one's probability; 0: all */
  float typical_p;         /**< locally typical sampling: the fewest tokens, nearest to the entropy in information, that together have this
                                probability; 0 and 1: all */
  float frequency_penalty; /**< subtracted from a token's logit for each occurrence; may be negative */
  float presence_penalty;  /**< subtracted once from the logit of a token that occurred */
  int32_t penalty_last_n;  /**< window of the penalties: the last so many tokens of prompt and answer; 0: the answer; -1: all of prompt
                                and answer */
  int32_t logprobs;        /**< likeliest tokens kept for each token of the answer, with their log-probabilities and its own, see
                                fovea_session_get_answer; 0: none */
  int32_t answers;         /**< answers to generate from one prefill, with `seed` and the seeds after it; 0: one. The call returns the first,
                                and `on_token` gets only that; see fovea_session_get_answer. `deadline_seconds` is for all */
  int32_t echo;            /**< not 0: the answer's text begins with the prompt as the template formats it */
  int32_t constraint;      /**< FOVEA_CONSTRAINT_...: tokens that cannot lead to a valid answer are banned, and the answer may end only where
                                  it is valid. An answer that ends otherwise than by FOVEA_STOP_END (max_tokens, a stop text, the template's
                                  own included) may be a prefix of a valid one. Where min_tokens, ngram_ban and the like ban every allowed
                                  token, the constraint outranks them. An invalid `constraint_text` is FOVEA_ERROR_ARGUMENT with line and
                                  column, or a JSON pointer */
  const fovea_logit_bias *logit_biases;
  size_t logit_bias_count;
  const int32_t *allowed_tokens; /**< the only tokens that may be chosen, beside those that end the answer */
  size_t allowed_token_count;    /**< 0: all may */
  const int32_t *forbidden_tokens;
  size_t forbidden_token_count;
  const int32_t *stop_ids; /**< the answer ends before the first of these, with FOVEA_STOP_TEXT, also with `ignore_eos` */
  size_t stop_id_count;
  const char *constraint_text; /**< at most 1 MiB, NUL-terminated. A session caches the last one compiled, usually some kilobytes; compiling and
                                  matching take at most 32 MiB more, with a memory budget at most
                                  8 MiB and as much as it has left, and respect the deadline */
  int32_t beams;        /**< above 1: beam search as in transformers with so many beams, at most 64, each with its own KV cache; at temperature 0.
                             The call returns the best answer, `on_token` gets it as a whole, and fovea_session_get_answer has the next
                             best ones; `logprobs` and drafting are off. Not with a constraint or `answers` above 1 */
  float length_penalty; /**< a beam's log-probability is divided by its length to this power; 0: 1 */
  int32_t alternatives; /**< not 0: the images are encodings of one picture, of several sizes or turns, and the prompt is about one image. It is
                             answered with each alone; the call returns the answer of the highest score, `on_token` gets it as a whole, and
                             fovea_session_get_answer has the others, in order of score. An answer's score is the sum of its tokens'
                             log-probabilities divided by their number to the power `length_penalty`, with beams the beam's. Takes as long as
                             all answers together; equal encodings are asked once. Not in conversations, with regions or `answers` above 1 */
  int32_t reserved2;
} fovea_generate_options;

/** What fovea_chat does where a conversation does not fit the context. */
enum {
  FOVEA_OVERFLOW_REFUSE = 0,     /**< FOVEA_ERROR_CONTEXT */
  FOVEA_OVERFLOW_DROP_OLDEST = 1 /**< the oldest questions are dropped with their answers: as few as leave room for `max_tokens` or half of the
                                      context, whichever is less (a quarter where `max_tokens` is 0); the system text and all images stay */
};

/** Why an answer ended. */
enum {
  FOVEA_STOP_END = 0,      /**< the model ended it */
  FOVEA_STOP_LENGTH = 1,   /**< max_tokens were generated */
  FOVEA_STOP_TEXT = 2,     /**< a stop text or id appeared */
  FOVEA_STOP_CALLBACK = 3, /**< the token callback stopped it */
  FOVEA_STOP_CONTEXT = 4,  /**< the context is full */
  FOVEA_STOP_LOOP = 5      /**< it repeats itself, see `loop_tokens` */
};

typedef struct fovea_generate_result {
  size_t struct_size;
  int32_t stop_reason;   /**< FOVEA_STOP_... */
  int32_t prompt_tokens; /**< text and image tokens of the prompt */
  int32_t reused_tokens; /**< of those, reused from the session's previous call */
  int32_t generated_tokens;
  double prefill_seconds;   /**< processing the prompt */
  double decode_seconds;    /**< generating the tokens after the first */
  size_t text_length;       /**< bytes of the answer; more than strlen where it contains a NUL */
  int32_t drafted_tokens;   /**< draft tokens evaluated, see `draft_tokens` */
  int32_t accepted_tokens;  /**< of those, the accepted ones */
  int32_t dropped_messages; /**< of a conversation, dropped because they did not fit, see `overflow` */
  int32_t image;            /**< index of the image that the answer is about, with `alternatives`; else 0 */
} fovea_generate_result;

/** Answers a prompt about `image_count` images.
 *
 *  `prompt` is put into the model's own chat template. Where it holds `<image>` marks, each takes the next image; where it holds
 *  none, the images stand where the template puts them. With `options->raw` nothing is added but a beginning-of-sequence token
 *  where the model needs one: each `<image>` stands for one whole image block, its start, end and separator tokens included.
 *  Marks and images that differ in number are FOVEA_ERROR_ARGUMENT.
 *
 *  Each `<region>` mark takes the next of `options->regions`. It is replaced, raw or not, by what the system was trained on: the
 *  region's coordinates as text (not repeated where they already stand before the mark) and, where the system has a region
 *  sampler, the token that stands for the region's vector; that token itself, `<region_fea>`, may be written to get the vector
 *  alone. Marks and regions that differ in number are FOVEA_ERROR_ARGUMENT, regions for a system that takes none
 *  FOVEA_ERROR_UNSUPPORTED.
 *
 *  `result` (may be NULL) receives counts and times; `*text` (`text` may be NULL) the answer, released with fovea_string_free. Both
 *  stay empty on failure.
 *  Returns FOVEA_OK, _ARGUMENT (also an image of another model), _UNSUPPORTED, _CONTEXT, _MEMORY, _BUSY, _CANCELLED or
 *  _DEADLINE. */
fovea_status fovea_generate(fovea_session *session, const char *prompt, fovea_image_embedding *const *images, size_t image_count,
                            const fovea_generate_options *options, fovea_generate_result *result, char **text);

/** The same for token ids: at most `capacity` are generated and written to `ids`, their number to `*count`. The id that ended the
 *  answer is included only with ignore_eos. */
fovea_status fovea_generate_ids(fovea_session *session, const char *prompt, fovea_image_embedding *const *images, size_t image_count,
                                const fovea_generate_options *options, fovea_generate_result *result, int32_t *ids, size_t capacity, size_t *count);

/** The role of a message. */
enum {
  FOVEA_ROLE_USER = 0,
  FOVEA_ROLE_ASSISTANT = 1, /**< an earlier answer */
  FOVEA_ROLE_SYSTEM = 2     /**< comes first, and replaces the model's own system text */
};

/** One message of a conversation. */
typedef struct fovea_message {
  size_t struct_size;
  int32_t role; /**< FOVEA_ROLE_... */
  int32_t reserved;
  const char *text;                     /**< may hold `<image>` marks for its images, else they stand where the template puts them */
  fovea_image_embedding *const *images; /**< a user's; of the same model */
  size_t image_count;
  const fovea_region *regions; /**< for the `<region>` marks of the text, in order; their `image` counts over all messages' images */
  size_t region_count;
} fovea_message;

/** Answers the last of `count` messages: optionally a system's first, then alternately a user's and an assistant's, a user's last.
 *
 *  The messages are put into the checkpoint's own chat template, reproduced to the character. The prefix that they share with the session's
 *  KV cache, earlier turns and their images, is not computed again: pass the whole conversation to each call, with the answers as previous
 *  calls gave them. A model that was trained on single questions takes one message and refuses a second,
 *  and a system text, with FOVEA_ERROR_UNSUPPORTED.
 *
 *  `messages` are all of one `struct_size`, at most 16384. Of the options, `raw`, `task` and `regions` must be unset; `min_tokens` and
 *  the `ngram_` ones have no model default. `result` and `*text` are as fovea_generate's. Returns as fovea_generate. */
fovea_status fovea_chat(fovea_session *session, const fovea_message *messages, size_t count, const fovea_generate_options *options,
                        fovea_generate_result *result, char **text);

/** Reads a page, of any size: answers a prompt about a picture in the way that suits the model.
 *
 *  A model may name several sizes at which text is best looked at (metadata `hires.enlarge`): it is asked at each, as with `alternatives`, until an
 *  answer leaves little doubt. A model may also say from when on its reading is doubted (`hires.doubt`): then the picture is cut in two between
 *  lines of text, both parts are read, and count if they are likelier, and so on. Where the picture would have to be reduced to be seen whole, it is
 *  cut first, and what is read doubted only where it is hopeless. The answer is that of all parts, top to bottom, joined by line breaks.
 *  Other models are asked once.
 *
 *  `prompt` is as for fovea_generate; NULL: the model's own task for pages, or a request to read all text. Of `encode`, which may be NULL,
 *  `deadline_seconds` must be 0, its `progress` is that of each encoding; with a `mode` only that size is looked at. Of `options`, which may be NULL,
 *  `regions`, `answers` above 1 and `echo` are refused and `alternatives` is implied; `max_tokens` and `deadline_seconds` are those of the whole
 *  call, encoding included; `progress` gets rows of the picture that are done, which may fall back, and rows in all; `on_token` gets each part's answer as
 *  a whole. In `result` and in fovea_session_get_answer tokens are those of all parts that count, seconds those of all that were asked. Places
 *  are in pixels of the picture, or of its crop.
 *
 *  The picture is decoded again for each part if it has more than 2^23 pixels or a memory budget has no room for it.
 *  Returns what fovea_encode_image and fovea_generate do. */
fovea_status fovea_read_image(fovea_session *session, const char *path, const char *prompt, const fovea_encode_options *encode,
                              const fovea_generate_options *options, fovea_generate_result *result, char **text);

/** The same from the `size` bytes of a PNG or JPEG file. */
fovea_status fovea_read_image_bytes(fovea_session *session, const void *bytes, size_t size, const char *prompt, const fovea_encode_options *encode,
                                    const fovea_generate_options *options, fovea_generate_result *result, char **text);

/** The same from 8-bit RGB pixels, see fovea_encode_image_pixels. */
fovea_status fovea_read_image_pixels(fovea_session *session, const uint8_t *rgb, int32_t width, int32_t height, size_t stride, const char *prompt,
                                     const fovea_encode_options *encode, const fovea_generate_options *options, fovea_generate_result *result,
                                     char **text);

/** One request of a batch: the arguments of fovea_generate, or with `messages` of fovea_chat, and its results. */
typedef struct fovea_request {
  size_t struct_size;
  fovea_session *session; /**< requests of the same session are answered in order */
  const char *prompt;     /**< NULL where there are messages */
  fovea_image_embedding *const *images;
  size_t image_count;
  const fovea_message *messages;
  size_t message_count;
  const fovea_generate_options *options; /**< NULL: all defaults */
  fovea_generate_result *result;         /**< may be NULL */
  char *text;                            /**< set: the answer, released with fovea_string_free; NULL on failure */
  fovea_status status;                   /**< set: its outcome; fovea_last_error(session) has the message */
  int32_t reserved;
} fovea_request;

/** Answers many requests at the same time, each in its own session, and returns when all are answered. Each answer is the one that the
 *  session would give alone.
 *
 *  Decoder passes of sessions of one model are batched (continuous batching), also those of calls from your own threads: the weights,
 *  which are most of a token's cost, are read once for all of them. A request joins and leaves at any token. While others answer, a prompt
 *  is prefilled in chunks of 96 tokens, so no request waits for more than one chunk of another's prompt. A session that is stopped leaves after the chunk that is
 *  being computed.
 *
 *  `requests` are all of one `struct_size`. Each session takes a thread while this runs, one of them the caller's; callbacks come from these threads,
 *  one at a time, so one that takes long holds up those of the other requests; calls from threads of your own do not wait for each other. A request's
 *  deadline counts from its own beginning, when the ones before it in its session are answered. fovea_session_cancel stops a request; the next ones of
 *  its session still run.
 *  Returns FOVEA_OK when all are answered, FOVEA_ERROR_ARGUMENT or _MEMORY when nothing was started (which then is every request's status), else the
 *  status of the first that failed. */
fovea_status fovea_batch(fovea_request *requests, size_t count);

/** The logits of the next token at every position of a prompt: `*logits` is float32 [`*positions`, `*vocab_size`],
 *  row-major, owned by the session and valid until its next fovea_logits or its release. Of the options `raw`, `task`, `regions`,
 *  `deadline_seconds` and `progress` matter.
 *  Returns as fovea_generate. */
fovea_status fovea_logits(fovea_session *session, const char *prompt, fovea_image_embedding *const *images, size_t image_count,
                          const fovea_generate_options *options, const float **logits, size_t *positions, size_t *vocab_size);

/** Log-probability of each of `count` texts as the beginning of the answer: `scores[i]` is the sum of ln p over the tokens of
 *  `continuations[i]`, which is tokenised by itself and must not be empty. With probabilities p and q of two texts, the first one's as a
 *  choice between the two is p / (p + q) = 1 / (1 + exp(scores[1] - scores[0])). Of the options `task`, `raw`, `regions`, `deadline_seconds` and
 *  `progress` matter.
 *  Returns as fovea_generate. */
fovea_status fovea_score(fovea_session *session, const char *prompt, fovea_image_embedding *const *images, size_t image_count,
                         const fovea_generate_options *options, const char *const *continuations, size_t count, double *scores);

/** Picks one of `count` texts as the answer. `probabilities[i]` (NULL: not wanted) is the probability that the whole answer is `choices[i]`,
 *  its end token included, given that it is one of them. There is no length normalisation: a choice that is a prefix of another is weighed by
 *  how the model would continue. They sum to 1. `*choice` is the index of the likeliest; with `temperature` above 0, one drawn with `seed`. The
 *  prompt is prefilled once. Of the options `task`, `raw`, `regions`, `temperature`, `seed`, `deadline_seconds` and `progress` matter.
 *  Returns as fovea_generate. */
fovea_status fovea_choose(fovea_session *session, const char *prompt, fovea_image_embedding *const *images, size_t image_count,
                          const fovea_generate_options *options, const char *const *choices, size_t count, double *probabilities, size_t *choice);

/** A place in an image that an answer names: `a dog [100, 150, 300, 200]` (Ferret), `<ref>a dog</ref><box>(100,150),(300,200)</box>`
 *  (Qwen-VL, Monkey), `<title><loc_50><loc_30><loc_450><loc_50>A dog` (granite-docling). */
typedef struct fovea_place {
  size_t struct_size;
  double x1, y1, x2, y2; /**< in pixels of the first image of the call; a point has the same corner twice */
  int32_t is_point;
  int32_t first_token, tokens; /**< the answer's tokens that spell the phrase and its coordinates */
  int32_t reserved;
  double log_probability; /**< sum of those tokens' log-probabilities */
  const char *phrase;     /**< the words it belongs to, empty where there are none; the session's, valid until its next
                               fovea_generate, fovea_generate_ids or fovea_chat, or its release */
} fovea_place;

/** Number of places that the session's last answer names; 0 for models that name none, for an answer without an image, for NULL, and while
 *  another call uses the session. */
size_t fovea_session_place_count(const fovea_session *session);

/** Fills `*place` for place `index`, in the answer's order. Returns FOVEA_OK, _ARGUMENT or _BUSY. */
fovea_status fovea_session_get_place(const fovea_session *session, size_t index, fovea_place *place);

/** An answer of the session's last fovea_generate, fovea_generate_ids or fovea_chat. What it points to is the session's, valid until its next
 *  such call, or its release. */
typedef struct fovea_answer {
  size_t struct_size;
  const char *text; /**< NUL-terminated */
  size_t text_length;
  const int32_t *ids;
  size_t id_count;
  const float *log_probabilities;     /**< of each id, before penalties and temperature; NULL without `logprobs`, unless the model names places */
  const int32_t *top_ids;             /**< [id_count, top_count]: the likeliest tokens at each position, in order; NULL without `logprobs` */
  const float *top_log_probabilities; /**< [id_count, top_count]: of `top_ids` */
  int32_t top_count;
  int32_t stop_reason; /**< FOVEA_STOP_... */
  double score;  /**< of a beam: its log-probability divided by its length to the power `length_penalty`; with `alternatives` see there; else 0 */
  int32_t image; /**< see fovea_generate_result */
  int32_t reserved;
} fovea_answer;

/** Number of answers of the session's last such call; 0 before the first, after a failure, for NULL, and while another call uses the
 *  session. */
size_t fovea_session_answer_count(const fovea_session *session);

/** Fills `*answer` for answer `index`; 0 is the one that the call returned. Returns FOVEA_OK, _ARGUMENT or _BUSY. */
fovea_status fovea_session_get_answer(const fovea_session *session, size_t index, fovea_answer *answer);

/** The log-probability of each token of the last answer, before penalties and temperature; without `logprobs` only for models that name places.
 *  Up to `capacity` are written to `values` and their number to `*count`. With `values` NULL only `*count` is written.
 *  Returns FOVEA_OK, _ARGUMENT, _BUFFER or _BUSY. */
fovea_status fovea_session_log_probabilities(const fovea_session *session, float *values, size_t capacity, size_t *count);

/** Frees a text returned by the library. NULL is fine. */
void fovea_string_free(char *text);

#ifdef __cplusplus
}
#endif

#endif
