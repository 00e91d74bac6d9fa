# SPDX-License-Identifier: Apache-2.0
"""include/fovea.h as ctypes. tests/test_header.py compares the two, so this file holds only what the header declares."""

from __future__ import annotations

import ctypes
import ctypes.util
import os
import threading
from ctypes import (
    CFUNCTYPE,
    POINTER,
    Structure,
    c_char,
    c_char_p,
    c_double,
    c_float,
    c_int,
    c_int32,
    c_size_t,
    c_uint8,
    c_uint32,
    c_uint64,
    c_void_p,
)
from pathlib import Path
from typing import Any, Dict, List, Optional, Tuple

VERSION_MAJOR = 1

FOVEA_OK = 0
FOVEA_ERROR_ARGUMENT = 1
FOVEA_ERROR_IO = 2
FOVEA_ERROR_FORMAT = 3
FOVEA_ERROR_MEMORY = 4
FOVEA_ERROR_UNSUPPORTED = 5
FOVEA_ERROR_BUSY = 6
FOVEA_ERROR_CANCELLED = 7
FOVEA_ERROR_DEADLINE = 8
FOVEA_ERROR_CONTEXT = 9
FOVEA_ERROR_IMAGE = 10
FOVEA_ERROR_INTERNAL = 11
FOVEA_ERROR_BUFFER = 12

FOVEA_CACHE_DEFAULT = 0
FOVEA_CACHE_F32 = 1
FOVEA_CACHE_F16 = 2
FOVEA_CACHE_INT8 = 3

FOVEA_RESIDENCY_ALL = 0
FOVEA_RESIDENCY_ON_DEMAND = 1
FOVEA_RESIDENCY_STREAMED = 2

FOVEA_LOG_DEBUG = 1
FOVEA_LOG_INFO = 2
FOVEA_LOG_WARNING = 3

FOVEA_STOP_END = 0
FOVEA_STOP_LENGTH = 1
FOVEA_STOP_TEXT = 2
FOVEA_STOP_CALLBACK = 3
FOVEA_STOP_CONTEXT = 4
FOVEA_STOP_LOOP = 5

FOVEA_DETOKENIZE_SPECIALS = 1

FOVEA_CONSTRAINT_NONE = 0
FOVEA_CONSTRAINT_JSON_SCHEMA = 1
FOVEA_CONSTRAINT_REGEX = 2
FOVEA_CONSTRAINT_GRAMMAR = 3

FOVEA_OVERFLOW_REFUSE = 0
FOVEA_OVERFLOW_DROP_OLDEST = 1

FOVEA_ROLE_USER = 0
FOVEA_ROLE_ASSISTANT = 1
FOVEA_ROLE_SYSTEM = 2

FOVEA_CAPSULE_F16 = 1

FOVEA_REGION_POINT = 0
FOVEA_REGION_BOX = 1
FOVEA_REGION_POLYGON = 2
FOVEA_REGION_SCRIBBLE = 3
FOVEA_REGION_MASK = 4

fovea_progress_callback = CFUNCTYPE(c_int, c_void_p, c_size_t, c_size_t)
fovea_token_callback = CFUNCTYPE(c_int, c_void_p, c_int32, POINTER(c_char), c_size_t)
fovea_job = CFUNCTYPE(None, c_void_p, c_size_t)
fovea_run_jobs_callback = CFUNCTYPE(None, c_void_p, c_size_t, fovea_job, c_void_p)
fovea_allocate_callback = CFUNCTYPE(c_void_p, c_void_p, c_size_t)
fovea_deallocate_callback = CFUNCTYPE(None, c_void_p, c_void_p, c_size_t)
fovea_log_callback = CFUNCTYPE(None, c_void_p, c_int32, c_char_p)


class _Sized(Structure):
    """A structure whose `struct_size` is set."""

    def __init__(self, **fields: Any) -> None:
        super().__init__(struct_size=ctypes.sizeof(type(self)), **fields)


class fovea_load_options(_Sized):
    _fields_ = [
        ("struct_size", c_size_t),
        ("threads", c_int32),
        ("context_length", c_int32),
        ("memory_budget", c_uint64),
        ("verify", c_int32),
        ("cache_type", c_int32),
        ("progress", fovea_progress_callback),
        ("progress_user", c_void_p),
        ("no_mapping", c_int32),
        ("sessions", c_int32),
        ("image_width", c_int32),
        ("image_height", c_int32),
        ("run_jobs", fovea_run_jobs_callback),
        ("run_jobs_user", c_void_p),
        ("log", fovea_log_callback),
        ("log_user", c_void_p),
        ("allocate", fovea_allocate_callback),
        ("deallocate", fovea_deallocate_callback),
        ("allocator_user", c_void_p),
    ]


class fovea_memory_plan(_Sized):
    _fields_ = [
        ("struct_size", c_size_t),
        ("file_bytes", c_uint64),
        ("mapped_bytes", c_uint64),
        ("weight_bytes", c_uint64),
        ("session_bytes", c_uint64),
        ("scratch_bytes", c_uint64),
        ("total_bytes", c_uint64),
        ("table_bytes", c_uint64),
        ("least_bytes", c_uint64),
        ("residency", c_int32),
        ("reserved", c_int32),
    ]


class fovea_model_info(_Sized):
    _fields_ = [
        ("struct_size", c_size_t),
        ("system", c_char_p),
        ("name", c_char_p),
        ("weight_type", c_char_p),
        ("instruction_set", c_char_p),
        ("weight_bytes", c_uint64),
        ("resident_bytes", c_uint64),
        ("bytes_per_token", c_uint64),
        ("context_length", c_int32),
        ("image_tokens", c_int32),
        ("hidden_size", c_int32),
        ("vocab_size", c_int32),
        ("threads", c_int32),
        ("residency", c_int32),
    ]


class fovea_memory_use(_Sized):
    _fields_ = [
        ("struct_size", c_size_t),
        ("weight_bytes", c_uint64),
        ("mapped_bytes", c_uint64),
        ("session_bytes", c_uint64),
        ("scratch_bytes", c_uint64),
        ("image_bytes", c_uint64),
        ("table_bytes", c_uint64),
        ("total_bytes", c_uint64),
        ("budget_bytes", c_uint64),
        ("left_bytes", c_uint64),
    ]


class fovea_encode_options(_Sized):
    _fields_ = [
        ("struct_size", c_size_t),
        ("orientation", c_int32),
        ("tiles", c_int32),
        ("deadline_seconds", c_double),
        ("progress", fovea_progress_callback),
        ("progress_user", c_void_p),
        ("alpha", c_int32),
        ("background", c_uint32),
        ("crop_x", c_int32),
        ("crop_y", c_int32),
        ("crop_width", c_int32),
        ("crop_height", c_int32),
        ("mode", c_char_p),
    ]


class fovea_image_info(_Sized):
    _fields_ = [
        ("struct_size", c_size_t),
        ("width", c_int32),
        ("height", c_int32),
        ("tokens", c_int32),
        ("hidden_size", c_int32),
        ("views", c_int32),
        ("reserved", c_int32),
    ]


class fovea_image_view(_Sized):
    _fields_ = [
        ("struct_size", c_size_t),
        ("x", c_double),
        ("y", c_double),
        ("width", c_double),
        ("height", c_double),
        ("row", c_int32),
        ("column", c_int32),
        ("first_token", c_int32),
        ("tokens", c_int32),
    ]


class fovea_session_options(_Sized):
    _fields_ = [
        ("struct_size", c_size_t),
        ("context_length", c_int32),
        ("reserved", c_int32),
    ]


class fovea_region(_Sized):
    _fields_ = [
        ("struct_size", c_size_t),
        ("kind", c_int32),
        ("image", c_int32),
        ("x1", c_double),
        ("y1", c_double),
        ("x2", c_double),
        ("y2", c_double),
        ("vertices", POINTER(c_double)),
        ("vertex_count", c_size_t),
        ("radius", c_double),
        ("mask", POINTER(c_uint8)),
        ("mask_stride", c_size_t),
        ("mask_width", c_int32),
        ("mask_height", c_int32),
        ("seed", c_uint64),
        ("points", POINTER(c_int32)),
        ("point_count", c_size_t),
        ("start1", c_int32),
        ("start2", c_int32),
    ]


class fovea_logit_bias(Structure):
    _fields_ = [
        ("id", c_int32),
        ("bias", c_float),
    ]


class fovea_generate_options(_Sized):
    _fields_ = [
        ("struct_size", c_size_t),
        ("max_tokens", c_int32),
        ("temperature", c_float),
        ("top_k", c_int32),
        ("top_p", c_float),
        ("repetition_penalty", c_float),
        ("ignore_eos", c_int32),
        ("raw", c_int32),
        ("reserved", c_int32),
        ("seed", c_uint64),
        ("stop_texts", POINTER(c_char_p)),
        ("stop_text_count", c_size_t),
        ("deadline_seconds", c_double),
        ("on_token", fovea_token_callback),
        ("on_token_user", c_void_p),
        ("progress", fovea_progress_callback),
        ("progress_user", c_void_p),
        ("regions", POINTER(fovea_region)),
        ("region_count", c_size_t),
        ("task", c_char_p),
        ("min_tokens", c_int32),
        ("ngram_ban", c_int32),
        ("ngram_window", c_int32),
        ("loop_tokens", c_int32),
        ("draft_tokens", c_int32),
        ("overflow", c_int32),
        ("min_p", c_float),
        ("typical_p", c_float),
        ("frequency_penalty", c_float),
        ("presence_penalty", c_float),
        ("penalty_last_n", c_int32),
        ("logprobs", c_int32),
        ("answers", c_int32),
        ("echo", c_int32),
        ("constraint", c_int32),
        ("logit_biases", POINTER(fovea_logit_bias)),
        ("logit_bias_count", c_size_t),
        ("allowed_tokens", POINTER(c_int32)),
        ("allowed_token_count", c_size_t),
        ("forbidden_tokens", POINTER(c_int32)),
        ("forbidden_token_count", c_size_t),
        ("stop_ids", POINTER(c_int32)),
        ("stop_id_count", c_size_t),
        ("constraint_text", c_char_p),
        ("beams", c_int32),
        ("length_penalty", c_float),
        ("alternatives", c_int32),
        ("reserved2", c_int32),
    ]


class fovea_generate_result(_Sized):
    _fields_ = [
        ("struct_size", c_size_t),
        ("stop_reason", c_int32),
        ("prompt_tokens", c_int32),
        ("reused_tokens", c_int32),
        ("generated_tokens", c_int32),
        ("prefill_seconds", c_double),
        ("decode_seconds", c_double),
        ("text_length", c_size_t),
        ("drafted_tokens", c_int32),
        ("accepted_tokens", c_int32),
        ("dropped_messages", c_int32),
        ("image", c_int32),
    ]


class fovea_message(_Sized):
    _fields_ = [
        ("struct_size", c_size_t),
        ("role", c_int32),
        ("reserved", c_int32),
        ("text", c_char_p),
        ("images", POINTER(c_void_p)),
        ("image_count", c_size_t),
        ("regions", POINTER(fovea_region)),
        ("region_count", c_size_t),
    ]


class fovea_request(_Sized):
    _fields_ = [
        ("struct_size", c_size_t),
        ("session", c_void_p),
        ("prompt", c_char_p),
        ("images", POINTER(c_void_p)),
        ("image_count", c_size_t),
        ("messages", POINTER(fovea_message)),
        ("message_count", c_size_t),
        ("options", POINTER(fovea_generate_options)),
        ("result", POINTER(fovea_generate_result)),
        ("text", c_void_p),
        ("status", c_int32),
        ("reserved", c_int32),
    ]


class fovea_answer(_Sized):
    _fields_ = [
        ("struct_size", c_size_t),
        ("text", POINTER(c_char)),
        ("text_length", c_size_t),
        ("ids", POINTER(c_int32)),
        ("id_count", c_size_t),
        ("log_probabilities", POINTER(c_float)),
        ("top_ids", POINTER(c_int32)),
        ("top_log_probabilities", POINTER(c_float)),
        ("top_count", c_int32),
        ("stop_reason", c_int32),
        ("score", c_double),
        ("image", c_int32),
        ("reserved", c_int32),
    ]


class fovea_place(_Sized):
    _fields_ = [
        ("struct_size", c_size_t),
        ("x1", c_double),
        ("y1", c_double),
        ("x2", c_double),
        ("y2", c_double),
        ("is_point", c_int32),
        ("first_token", c_int32),
        ("tokens", c_int32),
        ("reserved", c_int32),
        ("log_probability", c_double),
        ("phrase", c_char_p),
    ]


#: What reads a page takes behind the picture.
_PAGE: List[Any] = [
    c_char_p,
    POINTER(fovea_encode_options),
    POINTER(fovea_generate_options),
    POINTER(fovea_generate_result),
    POINTER(c_void_p),
]

#: Name → (result, arguments). Handles are void pointers; so are texts that must be released by the library.
PROTOTYPES: Dict[str, Tuple[Any, List[Any]]] = {
    "fovea_status_name": (c_char_p, [c_int32]),
    "fovea_last_error": (c_char_p, [c_void_p]),
    "fovea_version": (c_char_p, []),
    "fovea_version_number": (c_int32, []),
    "fovea_load": (c_int32, [c_char_p, POINTER(fovea_load_options), POINTER(c_void_p)]),
    "fovea_load_memory": (c_int32, [c_void_p, c_size_t, POINTER(fovea_load_options), POINTER(c_void_p)]),
    "fovea_model_free": (None, [c_void_p]),
    "fovea_builtin_model": (c_int32, [POINTER(c_char), c_size_t, POINTER(c_size_t)]),
    "fovea_plan": (c_int32, [c_char_p, POINTER(fovea_load_options), POINTER(fovea_memory_plan)]),
    "fovea_model_get_info": (c_int32, [c_void_p, POINTER(fovea_model_info)]),
    "fovea_model_memory": (c_int32, [c_void_p, POINTER(fovea_memory_use)]),
    "fovea_model_trim": (c_int32, [c_void_p]),
    "fovea_model_metadata_count": (c_size_t, [c_void_p]),
    "fovea_model_metadata_key": (c_char_p, [c_void_p, c_size_t]),
    "fovea_model_metadata_json": (c_int32, [c_void_p, c_char_p, POINTER(c_char), c_size_t, POINTER(c_size_t)]),
    "fovea_tokenize": (c_int32, [c_void_p, c_char_p, c_size_t, POINTER(c_int32), c_size_t, POINTER(c_size_t)]),
    "fovea_detokenize": (
        c_int32,
        [c_void_p, POINTER(c_int32), c_size_t, c_int32, POINTER(c_char), c_size_t, POINTER(c_size_t)],
    ),
    "fovea_encode_image": (c_int32, [c_void_p, c_char_p, POINTER(fovea_encode_options), POINTER(c_void_p)]),
    "fovea_encode_image_bytes": (
        c_int32,
        [c_void_p, c_void_p, c_size_t, POINTER(fovea_encode_options), POINTER(c_void_p)],
    ),
    "fovea_encode_image_pixels": (
        c_int32,
        [c_void_p, POINTER(c_uint8), c_int32, c_int32, c_size_t, POINTER(fovea_encode_options), POINTER(c_void_p)],
    ),
    "fovea_image_embedding_retain": (c_void_p, [c_void_p]),
    "fovea_image_embedding_release": (None, [c_void_p]),
    "fovea_image_embedding_get_info": (c_int32, [c_void_p, POINTER(fovea_image_info)]),
    "fovea_image_embedding_get_view": (c_int32, [c_void_p, c_size_t, POINTER(fovea_image_view)]),
    "fovea_image_embedding_data": (POINTER(c_float), [c_void_p]),
    "fovea_image_embedding_serialize": (c_int32, [c_void_p, c_void_p, c_size_t, POINTER(c_size_t)]),
    "fovea_image_embedding_deserialize": (c_int32, [c_void_p, c_void_p, c_size_t, POINTER(c_void_p)]),
    "fovea_image_embedding_save": (c_int32, [c_void_p, c_char_p, c_int32]),
    "fovea_image_embedding_load": (c_int32, [c_void_p, c_char_p, POINTER(c_void_p)]),
    "fovea_session_create": (c_int32, [c_void_p, POINTER(fovea_session_options), POINTER(c_void_p)]),
    "fovea_session_free": (None, [c_void_p]),
    "fovea_session_cancel": (None, [c_void_p]),
    "fovea_session_reset": (c_int32, [c_void_p]),
    "fovea_session_length": (c_size_t, [c_void_p]),
    "fovea_session_fork": (c_int32, [c_void_p, POINTER(c_void_p)]),
    "fovea_session_rewind": (c_int32, [c_void_p, c_size_t]),
    "fovea_session_save": (c_int32, [c_void_p, c_void_p, c_size_t, POINTER(c_size_t)]),
    "fovea_session_save_file": (c_int32, [c_void_p, c_char_p]),
    "fovea_session_load": (c_int32, [c_void_p, c_void_p, c_size_t, POINTER(fovea_session_options), POINTER(c_void_p)]),
    "fovea_session_load_file": (c_int32, [c_void_p, c_char_p, POINTER(fovea_session_options), POINTER(c_void_p)]),
    "fovea_session_answer_count": (c_size_t, [c_void_p]),
    "fovea_session_get_answer": (c_int32, [c_void_p, c_size_t, POINTER(fovea_answer)]),
    "fovea_session_place_count": (c_size_t, [c_void_p]),
    "fovea_session_get_place": (c_int32, [c_void_p, c_size_t, POINTER(fovea_place)]),
    "fovea_session_log_probabilities": (c_int32, [c_void_p, POINTER(c_float), c_size_t, POINTER(c_size_t)]),
    "fovea_generate": (
        c_int32,
        [
            c_void_p,
            c_char_p,
            POINTER(c_void_p),
            c_size_t,
            POINTER(fovea_generate_options),
            POINTER(fovea_generate_result),
            POINTER(c_void_p),
        ],
    ),
    "fovea_generate_ids": (
        c_int32,
        [
            c_void_p,
            c_char_p,
            POINTER(c_void_p),
            c_size_t,
            POINTER(fovea_generate_options),
            POINTER(fovea_generate_result),
            POINTER(c_int32),
            c_size_t,
            POINTER(c_size_t),
        ],
    ),
    "fovea_chat": (
        c_int32,
        [
            c_void_p,
            POINTER(fovea_message),
            c_size_t,
            POINTER(fovea_generate_options),
            POINTER(fovea_generate_result),
            POINTER(c_void_p),
        ],
    ),
    "fovea_read_image": (c_int32, [c_void_p, c_char_p, *_PAGE]),
    "fovea_read_image_bytes": (c_int32, [c_void_p, c_void_p, c_size_t, *_PAGE]),
    "fovea_read_image_pixels": (c_int32, [c_void_p, POINTER(c_uint8), c_int32, c_int32, c_size_t, *_PAGE]),
    "fovea_batch": (c_int32, [POINTER(fovea_request), c_size_t]),
    "fovea_logits": (
        c_int32,
        [
            c_void_p,
            c_char_p,
            POINTER(c_void_p),
            c_size_t,
            POINTER(fovea_generate_options),
            POINTER(POINTER(c_float)),
            POINTER(c_size_t),
            POINTER(c_size_t),
        ],
    ),
    "fovea_score": (
        c_int32,
        [
            c_void_p,
            c_char_p,
            POINTER(c_void_p),
            c_size_t,
            POINTER(fovea_generate_options),
            POINTER(c_char_p),
            c_size_t,
            POINTER(c_double),
        ],
    ),
    "fovea_choose": (
        c_int32,
        [
            c_void_p,
            c_char_p,
            POINTER(c_void_p),
            c_size_t,
            POINTER(fovea_generate_options),
            POINTER(c_char_p),
            c_size_t,
            POINTER(c_double),
            POINTER(c_size_t),
        ],
    ),
    "fovea_string_free": (None, [c_void_p]),
}

_loaded: Optional[ctypes.CDLL] = None
_loading = threading.Lock()


def library() -> ctypes.CDLL:
    """The shared library, loaded at the first call."""
    global _loaded
    if _loaded is None:
        with _loading:
            if _loaded is None:
                _loaded = _load()
    return _loaded


def version() -> str:
    """The version of the shared library."""
    text: bytes = library().fovea_version()
    return text.decode()


def _load() -> ctypes.CDLL:
    tried: List[str] = []
    for candidate in _candidates():
        try:
            found = ctypes.CDLL(candidate)
        except OSError as error:
            tried.append(f"{candidate}: {error}")
            continue
        for name, (result, arguments) in PROTOTYPES.items():
            function = getattr(found, name, None)
            if function is None:
                raise ImportError(f"{candidate} has no {name}: it is older than this package.")
            function.restype = result
            function.argtypes = arguments
        if found.fovea_version_number() // 10000 != VERSION_MAJOR:
            raise ImportError(f"{candidate} is version {found.fovea_version().decode()}; this package needs {VERSION_MAJOR}.x.")
        return found
    raise ImportError("libfovea.so was not found. Build it with tools/install, or set FOVEA_LIBRARY to its path.\n" + "\n".join(tried))


def _candidates() -> List[str]:
    """Where the library may be: only at FOVEA_LIBRARY, if set; else in this package, the checkout's `build`, or the system's
    path."""
    named = os.environ.get("FOVEA_LIBRARY")
    if named:
        return [named]
    package = Path(__file__).resolve().parent
    found = [package / "libfovea.so.1"]
    if package.parent.name == "python" and package.parent.parent.name == "bindings":
        found.append(package.parents[2] / "build" / "lib" / "libfovea.so.1")
    candidates = [str(path) for path in found if path.exists()]
    return candidates + ["libfovea.so.1"] + [name for name in [ctypes.util.find_library("fovea")] if name]
