# SPDX-License-Identifier: Apache-2.0
"""Fovea answers questions about images on a plain CPU.

    model = fovea.load("model.fovea")            # without a path: the built-in model
    image = model.encode_image("photo.jpg")      # encode once, ask many times
    session = model.session()
    answer = session.generate("What is in the picture?", images=image, max_tokens=64)
    answer = session.chat([{"role": "user", "content": "What is in the picture?", "images": image}], max_tokens=64)

A `Model` and an `ImageEmbedding` are immutable and may be used by any number of threads. A `Session` serves one call at a
time; a second one at the same moment raises `BusyError`. Every failure is an `Error` whose message names the file, argument or offset.
Ctrl-C stops every call. In a child made by `os.fork` models and embeddings still work, with one thread; a session that was in a
call at the moment of the fork raises `UnsupportedError` there. NumPy is needed for arrays, and Pillow for pictures that are neither PNG
nor JPEG.
"""

from ._answers import Answer
from ._chat import Message
from ._errors import (
    ArgumentError,
    BufferError,
    BusyError,
    Cancelled,
    ContextError,
    DeadlineExceeded,
    Error,
    FileError,
    FormatError,
    ImageError,
    InternalError,
    OutOfMemory,
    UnsupportedError,
)
from ._images import ImageEmbedding, View
from ._library import version
from ._model import Model, builtin_model, load, load_bytes, plan
from ._options import Options
from ._places import Place
from ._regions import Box, Mask, Point, Polygon, Scribble
from ._session import GenerateResult, Session
from ._stream import AsyncStream, Stream

__version__ = "1.0.0"

__all__ = [
    "Answer",
    "ArgumentError",
    "AsyncStream",
    "Box",
    "BufferError",
    "BusyError",
    "Cancelled",
    "ContextError",
    "DeadlineExceeded",
    "Error",
    "FileError",
    "FormatError",
    "GenerateResult",
    "ImageEmbedding",
    "ImageError",
    "InternalError",
    "Mask",
    "Message",
    "Model",
    "Options",
    "OutOfMemory",
    "Place",
    "Point",
    "Polygon",
    "Scribble",
    "Session",
    "Stream",
    "UnsupportedError",
    "View",
    "builtin_model",
    "load",
    "load_bytes",
    "plan",
    "version",
]
