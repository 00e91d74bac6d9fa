# SPDX-License-Identifier: Apache-2.0
"""Models."""

from __future__ import annotations

import ctypes
import json
import os
import uuid
import weakref
from typing import TYPE_CHECKING, Any, Awaitable, Dict, List, Optional, Sequence, Tuple, Union, overload

from . import _library as c
from ._batch import Batch
from ._errors import ArgumentError, check
from ._handles import Handle, Owner
from ._images import ImageEmbedding, encode, encoded_path
from ._log import to_logging
from ._numbers import at_least, filled, numbers
from ._session import Session
from ._stream import in_background
from ._work import Progress, Work

if TYPE_CHECKING:
    from typing import Literal

    import numpy
    from typing_extensions import Unpack

    from ._chat import Message
    from ._images import Images
    from ._options import Options
    from ._pictures import Image
    from ._stream import AsyncStream, Stream

    Path = Union[str, "os.PathLike[str]"]

CACHE_TYPES = {"default": c.FOVEA_CACHE_DEFAULT, "f32": c.FOVEA_CACHE_F32, "f16": c.FOVEA_CACHE_F16, "int8": c.FOVEA_CACHE_INT8}

#: Names of fovea_residency's values.
RESIDENCIES = {c.FOVEA_RESIDENCY_ALL: "all", c.FOVEA_RESIDENCY_ON_DEMAND: "on demand", c.FOVEA_RESIDENCY_STREAMED: "streamed"}


def load(
    path: "Optional[Path]" = None,
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
    threads: threads of one call; None: what cores, affinity and cgroup limits allow.
    memory_budget: bytes the library may hold resident; None: no limit. It decides which weights are in memory, see `Model.info`.
    context_length: most tokens of a session; None: the model's own length, which is also the maximum.
    cache_type: type of the KV cache: "f32", "f16", "int8" (half the memory of f16; answers may differ in rare words),
        or "default": f32 for weight files of f32, else f16.
    map: False reads the weights into memory instead of mapping the file, which may then be changed, truncated or removed once the model
        is loaded; truncating a mapped file ends the process by SIGBUS.
    verify: verify every checksum of the file first.
    progress: called with steps done and steps in all; a true result stops with `Cancelled`.
    """
    where = os.path.abspath(os.fsdecode(encoded_path(path) if path is not None else builtin_model()))
    # Pickles hold them in this order.
    settings = (threads, memory_budget, context_length, cache_type, map, verify)
    work = Work()
    options = _options(*settings, work=work, progress=progress)

    def body() -> Model:
        out = ctypes.c_void_p()
        check(c.library().fovea_load(encoded_path(where if path is None else path), options, out))
        return Model(Handle(out.value, c.library().fovea_model_free), (uuid.uuid4().hex, where, *settings))

    return work.run(body)


def load_bytes(
    data: "Union[bytes, bytearray, memoryview]",
    *,
    threads: Optional[int] = None,
    memory_budget: Optional[int] = None,
    context_length: Optional[int] = None,
    cache_type: str = "default",
    verify: bool = False,
    progress: Optional[Progress] = None,
) -> "Model":
    """The same from the contents of a weight file. Such a model cannot be pickled.

    data: bytes, or any buffer. Where its memory is 64-byte aligned and writable (a `bytearray`, an array, an `mmap` with
        `ACCESS_COPY`), uncompressed weights are used in place: the model keeps the buffer, which must not be changed. Otherwise weights
        are copied.
    """
    held: Any = data
    size = memoryview(data).nbytes
    if not isinstance(data, bytes):
        try:
            held = (ctypes.c_char * size).from_buffer(data)
        except TypeError:  # a read-only buffer
            held = bytes(data)
    work = Work()
    options = _options(threads, memory_budget, context_length, cache_type, True, verify, work=work, progress=progress)

    def body() -> Model:
        out = ctypes.c_void_p()
        check(c.library().fovea_load_memory(held, size, options, out))
        return Model(Handle(out.value, c.library().fovea_model_free, held), None)

    return work.run(body)


def builtin_model() -> str:
    """The path of the model that is loaded when none is named; `FileError` when there is none."""
    length = ctypes.c_size_t()
    check(c.library().fovea_builtin_model(None, 0, length))
    buffer = ctypes.create_string_buffer(length.value + 1)
    check(c.library().fovea_builtin_model(buffer, len(buffer), length))
    return os.fsdecode(buffer.raw[: length.value])


def plan(
    path: "Optional[Path]" = None,
    *,
    threads: Optional[int] = None,
    memory_budget: Optional[int] = None,
    context_length: Optional[int] = None,
    cache_type: str = "default",
    map: bool = True,
    sessions: int = 1,
    image_size: Optional[Tuple[int, int]] = None,
) -> Dict[str, Any]:
    """Memory for loading and using a weight file, in bytes, from its header alone: `file_bytes`, `mapped_bytes` (weights used in
    place from the file), `weight_bytes` (weights in memory), `session_bytes`, `scratch_bytes`, `table_bytes`, `total_bytes`, `least_bytes` (the
    smallest memory_budget that suffices); and `residency`, as in `Model.info`.

    memory_budget: the plan is that of the first residency that fits it, else of the smallest.
    sessions: sessions that answer at the same time.
    image_size: width and height of the image that is encoded; None: the size with the most views.
    """
    width, height = (None, None) if image_size is None else image_size
    counted = {
        "sessions": at_least(1, sessions, "sessions"),
        "image_width": at_least(1, width, "image_size"),
        "image_height": at_least(1, height, "image_size"),
    }
    options = _options(threads, memory_budget, context_length, cache_type, map, False, work=Work(), progress=None, **counted)
    out = c.fovea_memory_plan()
    check(c.library().fovea_plan(None if path is None else encoded_path(path), options, out))
    facts: Dict[str, Any] = {field[0]: getattr(out, field[0]) for field in out._fields_ if field[0] not in ("struct_size", "reserved")}
    facts["residency"] = RESIDENCIES.get(out.residency, str(out.residency))
    return facts


def _options(
    threads: Optional[int],
    memory_budget: Optional[int],
    context_length: Optional[int],
    cache_type: str,
    map: bool,
    verify: bool,
    *,
    work: Work,
    progress: Optional[Progress],
    **counted: int,
) -> Any:
    if cache_type not in CACHE_TYPES:
        raise ArgumentError(f"cache_type: is {cache_type!r}, must be one of {', '.join(CACHE_TYPES)}.")
    return filled(
        c.fovea_load_options,
        threads=at_least(1, threads, "threads"),
        memory_budget=at_least(1, memory_budget, "memory_budget"),
        context_length=at_least(1, context_length, "context_length"),
        no_mapping=not map,
        verify=bool(verify),
        cache_type=CACHE_TYPES[cache_type],
        progress=work.progress(progress),
        log=to_logging,
        **counted,
    )


#: Open models by the key in their pickles: unpickling gives the same model, and opens it once in another process.
#: Not a WeakValueDictionary, whose callback in Python would lose an interrupt.
_opened: "Dict[str, weakref.ref[Model]]" = {}


def _remember(name: str, model: "Model") -> None:
    for key, reference in list(_opened.items()):
        if reference() is None:
            _opened.pop(key, None)
    _opened[name] = weakref.ref(model)


def _reopened(*source: Any) -> "Model":
    name, path, threads, memory_budget, context_length, cache_type, map, verify = source
    reference = _opened.get(name)
    model = reference() if reference else None
    if model is None or model._owned is None:
        model = load(
            path,
            threads=threads,
            memory_budget=memory_budget,
            context_length=context_length,
            cache_type=cache_type,
            map=map,
            verify=verify,
        )
        model._source = source
        _remember(name, model)
    return model


def _info(handle: Handle) -> c.fovea_model_info:
    info = c.fovea_model_info()
    check(c.library().fovea_model_get_info(handle, info))
    return info


class Model(Owner):
    """A loaded weight file. Made by `load`. Immutable; any thread may use it, and a copy is the model itself.

    A pickle holds the path and the options. Unpickling opens the file, once per process; a model from
    `load_bytes` raises TypeError.
    """

    def __init__(self, handle: Handle, source: Optional[Tuple[Any, ...]]) -> None:
        super().__init__(handle)
        #: What a pickle holds: a key, the path, and the options in `_reopened`'s order.
        self._source = source
        self._form: Optional[Dict[str, Any]] = None
        if source is not None:
            _remember(source[0], self)

    @property
    def info(self) -> Dict[str, Any]:
        """Properties of the model: `system`, `name`, `weight_type`, `instruction_set` (texts); `weight_bytes`, `resident_bytes`,
        `bytes_per_token`, `context_length`, `image_tokens`, `hidden_size`, `vocab_size`, `threads` (numbers), and `residency`, which weights are
        in memory: "all", "on demand" (the encoder's or the decoder's, whichever runs) or "streamed" (some; the others are read at each use)."""
        handle = self._handle  # the texts belong to the model
        info = _info(handle)
        facts: Dict[str, Any] = {}
        for field in info._fields_:
            name = field[0]
            if name not in ("struct_size", "reserved"):
                value = getattr(info, name)
                facts[name] = value.decode("utf-8", "replace") if isinstance(value, bytes) else value
        facts["residency"] = RESIDENCIES.get(info.residency, str(info.residency))
        return facts

    @property
    def memory(self) -> Dict[str, int]:
        """What the model holds now, in bytes: `weight_bytes`, `mapped_bytes` (used in place from the file), `session_bytes`, `scratch_bytes`,
        `image_bytes`, `table_bytes`, `total_bytes`; `budget_bytes` and `left_bytes` of it (0 without a budget)."""
        use = c.fovea_memory_use()
        check(c.library().fovea_model_memory(self._handle, use))
        return {field[0]: getattr(use, field[0]) for field in use._fields_ if field[0] != "struct_size"}

    def trim(self) -> None:
        """Returns to the system what can be read or made again: file pages, streamed weights, memory of decompression."""
        check(c.library().fovea_model_trim(self._handle))

    @property
    def metadata(self) -> Dict[str, Any]:
        """All metadata of the weight file; bytes are hexadecimal text."""
        lib, handle = c.library(), self._handle
        keys = [lib.fovea_model_metadata_key(handle, i) for i in range(lib.fovea_model_metadata_count(handle))]
        return {key.decode(): self._metadata_value(handle, key) for key in keys}

    def _metadata_value(self, handle: Handle, key: bytes) -> Any:
        length = ctypes.c_size_t()
        check(c.library().fovea_model_metadata_json(handle, key, None, 0, length))
        buffer = ctypes.create_string_buffer(length.value + 1)
        check(c.library().fovea_model_metadata_json(handle, key, buffer, len(buffer), length))
        return json.loads(buffer.raw[: length.value].decode())

    def encode_image(
        self,
        image: "Image",
        *,
        apply_orientation: bool = True,
        background: Optional[Tuple[int, int, int]] = (255, 255, 255),
        crop: Optional[Tuple[int, int, int, int]] = None,
        tiles: int = 0,
        mode: Optional[str] = None,
        deadline: Optional[float] = None,
        progress: Optional[Progress] = None,
    ) -> ImageEmbedding:
        """Encodes an image, for any number of prompts.

        image: a path, an open file, the bytes of a file, a data URL, a PIL image, or an array [height, width] or
            [height, width, channels]: uint8, uint16 (its high byte), bool, 0 to 255 of another type, or fractions of 255 where all
            values of a float array are within 0 to 1. One channel is grey, two are grey and alpha. Files that are neither PNG nor
            JPEG are read by Pillow, where it is installed.
        apply_orientation: apply the EXIF orientation of a file or a PIL image (the reference systems do not).
        background: the colour behind transparent pixels; None ignores alpha (as PIL's convert("RGB") and the reference systems do).
        crop: left, upper, right and lower edge of the part to encode, in pixels of the upright picture; the rest is not held in memory.
        tiles: most tiles to cut the image into, for systems that cut on request (GOT-OCR2, DeepSeek-OCR 2, up to 6; DeepSeek-OCR, up
            to 9); 0: the default.
        mode: one of the system's resolution modes (DeepSeek-OCR: tiny, small, base, large, gundam; HiRes-LLaVA: 100% to 400% of the picture's
            size, as far as slices allow); None: the file's default.
        deadline: seconds until `DeadlineExceeded`; what Pillow decodes, it decodes to the end first.
        progress: called with steps done and steps in all; a true result stops the work with `Cancelled`.
        """
        return encode(
            self,
            self._handle,
            Work(),
            image,
            apply_orientation=apply_orientation,
            background=background,
            crop=crop,
            tiles=tiles,
            mode=mode,
            deadline=deadline,
            progress=progress,
        )

    def aencode_image(self, image: "Image", **options: Any) -> Awaitable[ImageEmbedding]:
        """`encode_image` for asyncio, on another thread; cancelling the task stops the work."""
        work = Work()
        return in_background(work, lambda: encode(self, self._handle, work, image, **options))

    def embedding_from_bytes(self, data: bytes) -> ImageEmbedding:
        """The embedding that `ImageEmbedding.to_bytes` wrote, for this weight file; `FormatError` where the bytes are damaged."""
        held, out, handle = bytes(data), ctypes.c_void_p(), self._handle
        check(c.library().fovea_image_embedding_deserialize(handle, held, len(held), out))
        return ImageEmbedding(Handle(out.value, c.library().fovea_image_embedding_release, handle), self)

    def load_embedding(self, path: "Path") -> ImageEmbedding:
        """The embedding of an image capsule, which `ImageEmbedding.save` wrote."""
        out, handle = ctypes.c_void_p(), self._handle
        check(c.library().fovea_image_embedding_load(handle, encoded_path(path), out))
        return ImageEmbedding(Handle(out.value, c.library().fovea_image_embedding_release, handle), self)

    def session(self, *, context_length: Optional[int] = None) -> Session:
        """A new session of at most `context_length` tokens (None: as loaded, which is also the maximum)."""
        options = filled(c.fovea_session_options, context_length=at_least(1, context_length, "context_length"))
        out, handle = ctypes.c_void_p(), self._handle
        check(c.library().fovea_session_create(handle, options, out))
        return self._session(out, handle, context_length)

    def load_session(self, source: "Union[Path, bytes, bytearray, memoryview]", *, context_length: Optional[int] = None) -> Session:
        """The session that `Session.save` or `Session.to_bytes` wrote, for this weight file. An image of its history is reused if it is
        encoded again in the same way. `FormatError` where the bytes are damaged."""
        options = filled(c.fovea_session_options, context_length=at_least(1, context_length, "context_length"))
        is_data = isinstance(source, (bytes, bytearray, memoryview))
        data: Any = bytes(source) if is_data else encoded_path(source)  # type: ignore[arg-type]
        handle = self._handle

        def body() -> Session:
            out, lib = ctypes.c_void_p(), c.library()
            if is_data:
                check(lib.fovea_session_load(handle, data, len(data), options, out))
            else:
                check(lib.fovea_session_load_file(handle, data, options, out))
            return self._session(out, handle, context_length)

        return Work().run(body)

    def _session(self, made: ctypes.c_void_p, handle: Handle, context_length: Optional[int]) -> Session:
        """What the library made, owned before anything else can fail; the model may have been closed meanwhile."""
        owned = Handle(made.value, c.library().fovea_session_free, handle)
        return Session(owned, self, context_length or _info(handle).context_length)

    @overload
    def chat(self, messages: "Sequence[Message]", *, n: int, stream: "Literal[False]" = False, **options: "Unpack[Options]") -> List[str]: ...  # type: ignore[misc]

    @overload
    def chat(self, messages: "Sequence[Message]", *, stream: "Literal[False]" = False, **options: "Unpack[Options]") -> str: ...

    @overload
    def chat(self, messages: "Sequence[Message]", *, stream: "Literal[True]", **options: "Unpack[Options]") -> "Stream": ...

    @overload
    def chat(self, messages: "Sequence[Message]", *, stream: bool, **options: "Unpack[Options]") -> "Union[str, Stream]": ...

    def chat(self, messages: "Sequence[Message]", *, stream: bool = False, **options: Any) -> "Union[str, List[str], Stream]":
        """`Session.chat` in a new session. To compute each turn only once, keep a session."""
        return self.session().chat(messages, stream=stream, **options)

    @overload
    def achat(self, messages: "Sequence[Message]", *, stream: "Literal[False]" = False, **options: "Unpack[Options]") -> Awaitable[str]: ...

    @overload
    def achat(self, messages: "Sequence[Message]", *, stream: "Literal[True]", **options: "Unpack[Options]") -> "AsyncStream": ...

    @overload
    def achat(self, messages: "Sequence[Message]", *, stream: bool, **options: "Unpack[Options]") -> "Union[Awaitable[str], AsyncStream]": ...

    def achat(self, messages: "Sequence[Message]", *, stream: bool = False, **options: Any) -> "Union[Awaitable[str], AsyncStream]":
        """`chat` for asyncio, on another thread; cancelling the task stops the work."""
        return self.session().achat(messages, stream=stream, **options)

    def _turns(self, handle: Handle) -> Dict[str, Any]:
        """How the model's conversation format combines images and text of a message."""
        if self._form is None:
            form: Dict[str, Any] = {"imagesFirst": True, "between": ""}
            for name in form:
                try:
                    form[name] = self._metadata_value(handle, f"prompt.turns.{name}".encode())
                except ArgumentError:  # the file has no such key
                    pass
            self._form = form
        return self._form

    def generate_many(
        self,
        prompts: "Sequence[Union[str, Sequence[Message]]]",
        images: "Optional[Sequence[Optional[Images]]]" = None,
        *,
        batch: int = 8,
        context_length: Optional[int] = None,
        return_exceptions: bool = False,
        **options: "Unpack[Options]",
    ) -> List[Any]:
        """The answers to many prompts, in their order, several at the same time: their decoder passes are batched, so that the weights are
        read once for all. Each answer is the one that a separate session would give.

        prompts: texts, as `Session.generate` takes them, or conversations, as `Session.chat` takes them.
        images: for each prompt its image, a list of them, or None.
        batch: sessions that answer at the same time, each with its own KV cache.
        context_length: most tokens of each; None: as loaded.
        return_exceptions: a failed request's exception takes its answer's place; False: the first failure stops the others and is raised.
        options: see `fovea.Options`, except `n`; callbacks come from several threads.
        """
        lanes = at_least(1, batch, "batch")
        return Batch(self, prompts, images, dict(options), return_exceptions).run(lanes, context_length)

    def logits(self, prompt: str, images: "Images" = (), **options: "Unpack[Options]") -> "numpy.ndarray[Any, Any]":
        """`Session.logits` in a new session."""
        with self.session() as session:
            return session.logits(prompt, images, **options)  # type: ignore[no-any-return]

    def tokenize(self, text: str) -> List[int]:
        """The ids of a text as it is: no template, no beginning-of-sequence token, no image marks."""
        if not isinstance(text, str):
            raise TypeError(f"text: a text is needed, not {type(text).__name__}")
        data = text.encode("utf-8", "surrogatepass")
        count, handle = ctypes.c_size_t(), self._handle
        ids = (ctypes.c_int32 * (len(data) + 16))()
        status = c.library().fovea_tokenize(handle, data, len(data), ids, len(ids), count)
        if status == c.FOVEA_ERROR_BUFFER:
            ids = (ctypes.c_int32 * count.value)()
            status = c.library().fovea_tokenize(handle, data, len(data), ids, len(ids), count)
        check(status)
        return list(ids[: count.value])

    def detokenize(self, ids: Sequence[int], *, specials: bool = False) -> str:
        """The text of ids. Invalid bytes, for instance of a character whose last token is missing, become U+FFFD.

        specials: write special tokens (`</s>`, `<|im_end|>`) as `tokenize` reads them, instead of leaving them out.
        """
        array = numbers(ctypes.c_int32, ids, "ids")
        length, handle = ctypes.c_size_t(), self._handle
        function = c.library().fovea_detokenize
        flags = c.FOVEA_DETOKENIZE_SPECIALS if specials else 0
        check(function(handle, array, len(array), flags, None, 0, length))
        buffer = ctypes.create_string_buffer(length.value + 1)
        check(function(handle, array, len(array), flags, buffer, len(buffer), length))
        return buffer.raw[: length.value].decode("utf-8", "replace")

    def __copy__(self) -> "Model":
        return self

    def __deepcopy__(self, memo: Any) -> "Model":
        return self

    def __reduce__(self) -> Any:
        if self._source is None:
            raise TypeError("a fovea.Model loaded from bytes cannot be pickled; load it from a path")
        self._handle  # raises where it is closed
        return _reopened, self._source

    def __repr__(self) -> str:
        if self._owned is None:
            return "<fovea.Model, closed>"
        info = self.info
        return f"<fovea.Model {info['name'] or info['system']}, {info['weight_type']}>"
