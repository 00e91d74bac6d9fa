# SPDX-License-Identifier: Apache-2.0
"""Sessions: prompts and their answers."""

from __future__ import annotations

import ctypes
import threading
import time
import weakref
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Awaitable, Callable, Dict, Iterator, List, Optional, Sequence, Tuple, Union, overload

from . import _library as c
from ._errors import ArgumentError, BusyError, check
from ._handles import Handle, Owner
from ._images import embeddings, numpy_module, remaining
from ._numbers import at_least
from ._options import Structure, choices, text_bytes
from ._places import Place, places
from ._stream import AsyncStream, Stream, in_background
from ._work import Work

if TYPE_CHECKING:
    from typing import Literal

    import numpy
    from typing_extensions import Unpack

    from ._images import ImageEmbedding, Images
    from ._model import Model
    from ._options import Options

#: Why an answer ended: the names of FOVEA_STOP_….
STOP_REASONS = {
    c.FOVEA_STOP_END: "end",
    c.FOVEA_STOP_LENGTH: "length",
    c.FOVEA_STOP_TEXT: "text",
    c.FOVEA_STOP_CALLBACK: "callback",
    c.FOVEA_STOP_CONTEXT: "context",
    c.FOVEA_STOP_LOOP: "loop",
}


@dataclass(frozen=True)
class GenerateResult:
    """Figures of one answer. `stop_reason` is "end" (the model ended it), "length", "text" (a stop text appeared), "callback" (its
    stream was closed), "context" (the context is full) or "loop" (see option `loop_tokens`). Of `drafted_tokens` guessed ahead,
    `accepted_tokens` were right."""

    stop_reason: str
    prompt_tokens: int
    reused_tokens: int
    generated_tokens: int
    prefill_seconds: float
    decode_seconds: float
    drafted_tokens: int
    accepted_tokens: int


class Session(Owner):
    """One line of work with a model. Made by `Model.session`. One call at a time, a second one at the same moment raises `BusyError`;
    `cancel` from any thread. Cannot be copied or pickled.

    Ctrl-C stops every call. Where `images` stand, an embedding, anything that `Model.encode_image` takes, or a list of these will do.
    """

    def __init__(self, handle: Handle, model: "Model", context_length: int) -> None:
        super().__init__(handle)
        self._model = model
        #: Tokens the session can hold.
        self.context_length = context_length
        #: How likely each of the last call's `choices` was; empty before the first.
        self.probabilities: List[float] = []
        #: Figures of the last answer; None before the first.
        self.last: Optional[GenerateResult] = None
        self._lock = threading.Lock()
        self._stream: "Callable[[], Any]" = lambda: None

    @overload
    def generate(self, prompt: str, images: "Images" = (), *, stream: "Literal[False]" = False, **options: "Unpack[Options]") -> str: ...

    @overload
    def generate(self, prompt: str, images: "Images" = (), *, stream: "Literal[True]", **options: "Unpack[Options]") -> Stream: ...

    @overload
    def generate(self, prompt: str, images: "Images" = (), *, stream: bool, **options: "Unpack[Options]") -> Union[str, Stream]: ...

    def generate(self, prompt: str, images: "Images" = (), *, stream: bool = False, **options: Any) -> Union[str, Stream]:
        """Answers a prompt about images.

        The prompt is put into the model's own chat template. Where it holds `<image>` marks, each takes the next image; where it
        holds none, the images stand where the template puts them. With raw=True nothing is added but a beginning-of-sequence token
        where the model needs one, and each `<image>` stands for one whole image block.

        options: see `fovea.Options`.
        stream: give an iterator over pieces of the answer as they are made. Leaving it early ends the answer, see `Stream`.
        """
        work = Work(self.cancel)
        if stream:
            made = Stream(work, self._prepared(work, prompt, images, options).generate)
            self._stream = weakref.ref(made)
            return made
        return work.run(self._prepared(work, prompt, images, options).generate)

    @overload
    def agenerate(self, prompt: str, images: "Images" = (), *, stream: "Literal[False]" = False, **options: "Unpack[Options]") -> Awaitable[str]: ...

    @overload
    def agenerate(self, prompt: str, images: "Images" = (), *, stream: "Literal[True]", **options: "Unpack[Options]") -> AsyncStream: ...

    @overload
    def agenerate(self, prompt: str, images: "Images" = (), *, stream: bool, **options: "Unpack[Options]") -> Union[Awaitable[str], AsyncStream]: ...

    def agenerate(self, prompt: str, images: "Images" = (), *, stream: bool = False, **options: Any) -> Union[Awaitable[str], AsyncStream]:
        """`generate` for asyncio: `await session.agenerate(…)`, or with stream=True `async for piece in session.agenerate(…)`. The work
        is done on another thread. Cancelling the task stops it, and the task ends when the session is free again."""
        work = Work(self.cancel)
        if stream:
            return AsyncStream(work, lambda sink: self._prepared(work, prompt, images, options).generate(sink))
        return in_background(work, lambda: self._prepared(work, prompt, images, options).generate())

    def generate_ids(self, prompt: str, images: "Images" = (), *, max_tokens: int, **options: "Unpack[Options]") -> List[int]:  # type: ignore[misc]
        """The same as token ids, at most `max_tokens`. The id that ended the answer is among them only with ignore_eos=True."""
        work = Work(self.cancel)
        at_least(1, max_tokens, "max_tokens")
        call = self._prepared(work, prompt, images, {**options, "max_tokens": max_tokens})
        return work.run(lambda: call.generate_ids(min(max_tokens, self.context_length)))

    def logits(self, prompt: str, images: "Images" = (), **options: "Unpack[Options]") -> "numpy.ndarray[Any, Any]":
        """float32 [positions, vocabulary]: the scores for the next token at every position of the assembled prompt. Of the options
        `raw`, `regions` and `deadline` matter. Needs NumPy."""
        work = Work(self.cancel)
        return work.run(self._prepared(work, prompt, images, options).logits)

    def score(self, prompt: str, continuations: Sequence[str], images: "Images" = (), **options: "Unpack[Options]") -> List[float]:
        """How likely the model finds each text as the beginning of its answer: the sum of ln p over its tokens. Of the options
        `raw`, `task`, `regions`, `deadline` and `progress` matter."""
        if isinstance(continuations, str):
            raise ArgumentError("continuations: is a text, must be a list of texts.")
        texts = [text_bytes(text, "continuations") for text in continuations]
        work = Work(self.cancel)
        call = self._prepared(work, prompt, images, options)
        return work.run(lambda: call.score(texts))

    def choose(self, prompt: str, choices: Sequence[str], images: "Images" = (), **options: "Unpack[Options]") -> Tuple[str, List[float]]:  # type: ignore[misc]
        """One of the texts as the answer, and how likely each is, given that the whole answer is one of them: no correction for length.
        The likeliest one, or with `temperature` above 0 one drawn by `seed`. The prompt is read once."""
        work = Work(self.cancel)
        call = self._prepared(work, prompt, images, {**options, "choices": choices})
        return work.run(lambda: (call.generate(), list(self.probabilities)))

    @property
    def places(self) -> List[Place]:
        """The places that the last answer names, for models that name any (`[x1, y1, x2, y2]`, `<box>`, `<loc_…>`), in pixels of the first image."""
        with self._alone():
            return places(self._handle)

    def find(self, what: str, image: "Images", **options: "Unpack[Options]") -> List[Place]:
        """All places where the image shows `what`, by the model's own form of that question (task "find")."""
        return self._places_of(what, image, {"task": "find", **options})

    def detect(self, image: "Images", **options: "Unpack[Options]") -> List[Place]:
        """Everything that the model finds in the image, in raster order (task "detect")."""
        return self._places_of("", image, {"task": "detect", **options})

    def cancel(self) -> None:
        """Stops the call that is using the session, which raises `Cancelled` soon. From any thread."""
        handle = self._owned
        if handle is not None:
            c.library().fovea_session_cancel(handle)

    def close(self) -> None:
        """Stops what the session is doing and releases it; a second time does nothing."""
        self.cancel()
        super().close()

    def reset(self) -> None:
        """Forgets what the session remembers of earlier prompts. Never changes an answer, only the time to it."""
        with self._alone():
            check(c.library().fovea_session_reset(self._handle))

    def _places_of(self, prompt: str, images: "Images", options: Any) -> List[Place]:
        work = Work(self.cancel)
        return work.run(self._prepared(work, prompt, images, options).places)

    def _prepared(self, work: Work, prompt: str, images: "Images", options: Any) -> "_Call":
        """A call with its arguments checked and its images encoded."""
        handle, prompt_bytes = self._handle, text_bytes(prompt, "prompt")
        started = time.monotonic()
        found = embeddings(self._model, work, images, options.get("deadline"))
        if options.get("deadline") is not None:
            options = {**options, "deadline": remaining(options["deadline"], started)}
        return _Call(self, handle, work, prompt_bytes, found, options)

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """Holds the session for one call and the copying of its results; the library's own gate opens between the two."""
        if not self._lock.acquire(blocking=False):
            is_open = self._stream() is not None
            raise BusyError("session: in use by another call" + ("; a stream of it is open, close it first." if is_open else "."))
        try:
            yield
        finally:
            self._lock.release()

    def __reduce__(self) -> Any:
        raise TypeError("a fovea.Session cannot be copied or pickled: it is the memory of one line of work; make one where it is needed")

    def __copy__(self) -> Any:
        return self.__reduce__()

    def __deepcopy__(self, memo: Any) -> Any:
        return self.__reduce__()


class _Call:
    """The arguments of one call, kept alive as long as it lasts. Its methods make the call, in whatever thread."""

    def __init__(
        self, session: Session, handle: Handle, work: Work, prompt: bytes, images: "Sequence[ImageEmbedding]", options: Dict[str, Any]
    ) -> None:
        self._session, self._handle, self._work, self._prompt = session, handle, work, prompt
        self._held = [image._handle for image in images]
        self._structure = Structure(options, work, images)
        self._choices = choices(options)

    def generate(self, sink: Optional[Callable[[str], Any]] = None) -> str:
        """sink: gets each piece of text; a true result ends the answer."""
        self._work.sink = sink
        if self._choices is not None:
            picked = self._choose(self._choices)
            if sink is not None:
                sink(picked)
            return picked
        text = ctypes.c_void_p()
        with self._session._alone():
            result = self._answered(c.library().fovea_generate, text)
            try:
                return ctypes.string_at(text.value or 0, result.text_length).decode("utf-8", "replace")
            finally:
                c.library().fovea_string_free(text)

    def _choose(self, texts: Sequence[bytes]) -> str:
        probabilities = (ctypes.c_double * len(texts))()
        array, index = (ctypes.c_char_p * len(texts))(*texts), ctypes.c_size_t()
        with self._session._alone():
            check(c.library().fovea_choose(*self._arguments(), self._structure.value, array, len(texts), probabilities, index))
            self._session.probabilities = list(probabilities)
        return texts[index.value].decode("utf-8")

    def generate_ids(self, capacity: int) -> List[int]:
        if self._choices is not None:
            raise ArgumentError("choices: not with generate_ids; generate gives the text.")
        ids = (ctypes.c_int32 * capacity)()
        count = ctypes.c_size_t()
        with self._session._alone():
            self._answered(c.library().fovea_generate_ids, ids, capacity, count)
        return list(ids[: count.value])

    def places(self) -> List[Place]:
        with self._session._alone():
            self._answered(c.library().fovea_generate, None)
            return places(self._handle)

    def logits(self) -> Any:
        numpy = numpy_module("logits")
        data = ctypes.POINTER(ctypes.c_float)()
        rows, columns = ctypes.c_size_t(), ctypes.c_size_t()
        with self._session._alone():
            check(c.library().fovea_logits(*self._arguments(), self._structure.value, data, rows, columns))
            return numpy.ctypeslib.as_array(data, (rows.value, columns.value)).copy()

    def score(self, texts: Sequence[bytes]) -> List[float]:
        scores = (ctypes.c_double * len(texts))()
        array = (ctypes.c_char_p * len(texts))(*texts)
        with self._session._alone():
            check(c.library().fovea_score(*self._arguments(), self._structure.value, array, len(texts), scores))
        return list(scores)

    def _arguments(self) -> Any:
        handles = (ctypes.c_void_p * len(self._held))(*(handle.pointer for handle in self._held))
        return self._handle, self._prompt, handles, len(self._held)

    def _answered(self, function: Any, *out: Any) -> c.fovea_generate_result:
        r = c.fovea_generate_result()
        check(function(*self._arguments(), self._structure.value, r, *out))
        self._session.last = GenerateResult(
            STOP_REASONS.get(r.stop_reason, str(r.stop_reason)),
            r.prompt_tokens,
            r.reused_tokens,
            r.generated_tokens,
            r.prefill_seconds,
            r.decode_seconds,
            r.drafted_tokens,
            r.accepted_tokens,
        )
        return r
