# SPDX-License-Identifier: Apache-2.0
"""Models."""
from __future__ import annotations

import ctypes
import json
import os
import weakref
from typing import TYPE_CHECKING, Any, Dict, List, Optional, Sequence, Union

from . import _library as c
from ._callbacks import Progress, progress_callback
from ._errors import ArgumentError, check
from ._images import ImageEmbedding, encode, encoded_path
from ._regions import Region
from ._session import Session

if TYPE_CHECKING:
    import numpy

    from ._images import Image


CACHE_TYPES = {"default": c.FOVEA_CACHE_DEFAULT, "f32": c.FOVEA_CACHE_F32, "f16": c.FOVEA_CACHE_F16, "int8": c.FOVEA_CACHE_INT8}


def load(
    path: Optional[Union[str, "os.PathLike[str]"]] = None,
    *,
    threads: Optional[int] = None,
    memory_budget: Optional[int] = None,
    context_length: Optional[int] = None,
    cache_type: str = "default",
    map: bool = True,
    verify: bool = False,
    progress: Optional[Progress] = None,
) -> "Model":
    """Loads a weight file.

    path: a `.fovea` file; None: the built-in model.
    threads: threads that share the work of one call; None: what cores, affinity and cgroup limits allow.
    memory_budget: bytes the library may hold resident; None: no limit.
    context_length: tokens a session can hold; None: the model's own length.
    cache_type: what sessions keep keys and values as: "f32", "f16", "int8" (half the memory of f16; answers may differ in rare words),
        or "default": f32 for weight files of f32, else f16.
    map: False reads the weights into memory instead of mapping the file, which may then be changed, cut or removed once the model is
        loaded; while a file is mapped, cutting it ends the process by SIGBUS.
    verify: check every checksum of the file first.
    progress: called with steps done and steps in all; a true result stops the loading with `Cancelled`.
    """
    options, guard = _load_options(threads, memory_budget, context_length, cache_type, map, verify, progress)
    handle = ctypes.c_void_p()
    with guard:
        check(c.library().fovea_load(None if path is None else encoded_path(path), options, handle))
    return Model(handle.value)


def load_bytes(
    data: Any,
    *,
    threads: Optional[int] = None,
    memory_budget: Optional[int] = None,
    context_length: Optional[int] = None,
    cache_type: str = "default",
    verify: bool = False,
    progress: Optional[Progress] = None,
) -> "Model":
    """The same from the contents of a weight file.

    data: bytes, or any writable buffer (a `bytearray`, an array, an `mmap` with `ACCESS_COPY`). Where its memory starts at a multiple of
        64, uncompressed weights are used in place: the model keeps the buffer, which must not be changed. Otherwise (`bytes` nearly
        always) weights are copied, and the model does not keep it.
    """
    options, guard = _load_options(threads, memory_budget, context_length, cache_type, True, verify, progress)
    handle = ctypes.c_void_p()
    size = memoryview(data).nbytes
    source = data if isinstance(data, bytes) else (ctypes.c_char * size).from_buffer(data)
    address = ctypes.cast(source, ctypes.c_void_p).value or 0
    with guard:
        check(c.library().fovea_load_memory(source, size, options, handle))
    return Model(handle.value, source if address % 64 == 0 else None)


def builtin_model() -> str:
    """The path of the model that is loaded when none is named; `FileError` when there is none."""
    length = ctypes.c_size_t()
    check(c.library().fovea_builtin_model(None, 0, length))
    buffer = ctypes.create_string_buffer(length.value + 1)
    check(c.library().fovea_builtin_model(buffer, len(buffer), length))
    return os.fsdecode(buffer.raw[: length.value])


def plan(
    path: Optional[Union[str, "os.PathLike[str]"]] = None,
    *,
    context_length: Optional[int] = None,
    cache_type: str = "default",
    map: bool = True,
) -> Dict[str, int]:
    """What loading and using a weight file takes, in bytes, from its header alone: `file_bytes`, `mapped_bytes` (weights used in
    place from the file), `weight_bytes` (weights in memory), `session_bytes`, `scratch_bytes`, `table_bytes`, `total_bytes`."""
    options, _ = _load_options(None, None, context_length, cache_type, map, False, None)
    out = c.fovea_memory_plan()
    check(c.library().fovea_plan(None if path is None else encoded_path(path), options, out))
    return {field[0]: getattr(out, field[0]) for field in out._fields_ if field[0] != "struct_size"}


def _load_options(
    threads: Optional[int],
    memory_budget: Optional[int],
    context_length: Optional[int],
    cache_type: str,
    map: bool,
    verify: bool,
    progress: Optional[Progress],
) -> Any:
    if threads is not None and threads < 1:
        raise ArgumentError(f"threads: is {threads}, must be at least 1.")
    if memory_budget is not None and memory_budget < 1:
        raise ArgumentError(f"memory_budget: is {memory_budget}, must be at least 1.")
    if cache_type not in CACHE_TYPES:
        raise ArgumentError(f"cache_type: is {cache_type!r}, must be one of {', '.join(CACHE_TYPES)}.")
    callback, guard = progress_callback(progress)
    options = c.fovea_load_options(
        threads=threads or 0,
        memory_budget=memory_budget or 0,
        context_length=context_length or 0,
        no_mapping=int(not map),
        verify=int(verify),
        cache_type=CACHE_TYPES[cache_type],
        progress=callback,
    )
    return options, guard


class Model:
    """A loaded weight file. Made by `load`. Immutable; any thread may use it."""

    def __init__(self, handle: Optional[int], data: Any = None) -> None:
        assert handle is not None
        self._handle = handle
        self._data = data  # memory that the library reads weights from in place
        weakref.finalize(self, c.library().fovea_model_free, handle)

    @property
    def info(self) -> Dict[str, Any]:
        """Facts of the model: `system`, `name`, `weight_type`, `instruction_set` (texts); `weight_bytes`, `resident_bytes`,
        `bytes_per_token`, `context_length`, `image_tokens`, `hidden_size`, `vocab_size`, `threads` (numbers)."""
        info = c.fovea_model_info()
        check(c.library().fovea_model_get_info(self._handle, info))
        facts: Dict[str, Any] = {}
        for field in info._fields_:
            name = field[0]
            if name not in ("struct_size", "reserved"):
                value = getattr(info, name)
                facts[name] = value.decode("utf-8", "replace") if isinstance(value, bytes) else value
        return facts

    @property
    def metadata(self) -> Dict[str, Any]:
        """All metadata of the weight file; bytes come as text in hexadecimal."""
        lib = c.library()
        keys = [lib.fovea_model_metadata_key(self._handle, i) for i in range(lib.fovea_model_metadata_count(self._handle))]
        return {key.decode(): self._metadata_value(key) for key in keys}

    def _metadata_value(self, key: bytes) -> Any:
        length = ctypes.c_size_t()
        check(c.library().fovea_model_metadata_json(self._handle, key, None, 0, length))
        buffer = ctypes.create_string_buffer(length.value + 1)
        check(c.library().fovea_model_metadata_json(self._handle, key, buffer, len(buffer), length))
        return json.loads(buffer.raw[: length.value].decode())

    def encode_image(
        self,
        image: "Image",
        *,
        apply_orientation: bool = False,
        tiles: int = 0,
        deadline: Optional[float] = None,
        progress: Optional[Progress] = None,
    ) -> ImageEmbedding:
        """Encodes an image, for any number of prompts.

        image: a path, the bytes of a PNG or JPEG file, a PIL image, or an array uint8 [height, width, 3].
        apply_orientation: turn a file's picture upright as its EXIF orientation says (the reference systems do not).
        tiles: most tiles to cut the image into, for systems that cut on request (GOT-OCR2, trained with up to 6); 0: as usual.
        deadline: seconds allowed, then `DeadlineExceeded`.
        progress: called with steps done and steps in all; a true result stops the work with `Cancelled`.
        """
        callback, guard = progress_callback(progress)
        options = c.fovea_encode_options(
            apply_orientation=int(apply_orientation), tiles=tiles, deadline_seconds=deadline or 0.0, progress=callback
        )
        with guard:
            handle = encode(self._handle, image, options)
        return ImageEmbedding(handle)

    def session(self, *, context_length: Optional[int] = None) -> Session:
        """A new session of at most `context_length` tokens (None: as loaded)."""
        options = c.fovea_session_options(context_length=context_length or 0)
        handle = ctypes.c_void_p()
        check(c.library().fovea_session_create(self._handle, options, handle))
        assert handle.value is not None
        return Session(handle.value, self._data)

    def logits(
        self,
        prompt: str,
        images: Sequence[ImageEmbedding] = (),
        *,
        raw: bool = False,
        regions: Sequence[Region] = (),
    ) -> "numpy.ndarray":
        """float32 [positions, vocabulary]: the scores for the next token at every position of the assembled prompt."""
        return self.session().logits(prompt, images, raw=raw, regions=regions)

    def tokenize(self, text: str) -> List[int]:
        """The ids of a text as it is: no template, no beginning-of-sequence token, no image marks."""
        data = text.encode("utf-8", "surrogatepass")
        count = ctypes.c_size_t()
        ids = (ctypes.c_int32 * (len(data) + 16))()
        status = c.library().fovea_tokenize(self._handle, data, len(data), ids, len(ids), count)
        if status == c.FOVEA_ERROR_BUFFER:
            ids = (ctypes.c_int32 * count.value)()
            status = c.library().fovea_tokenize(self._handle, data, len(data), ids, len(ids), count)
        check(status)
        return list(ids[: count.value])

    def detokenize(self, ids: Sequence[int]) -> str:
        """The text of ids. Bytes that are no UTF-8, as where a sequence was cut inside a character, become U+FFFD."""
        try:
            array = (ctypes.c_int32 * len(ids))(*ids)
        except TypeError as error:
            raise ArgumentError(f"ids: {error}.") from None
        length = ctypes.c_size_t()
        check(c.library().fovea_detokenize(self._handle, array, len(ids), None, 0, length))
        buffer = ctypes.create_string_buffer(length.value + 1)
        check(c.library().fovea_detokenize(self._handle, array, len(ids), buffer, len(buffer), length))
        return buffer.raw[: length.value].decode("utf-8", "replace")

    def __repr__(self) -> str:
        info = self.info
        return f"<fovea.Model {info['name'] or info['system']}, {info['weight_type']}>"
