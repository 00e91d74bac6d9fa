# SPDX-License-Identifier: Apache-2.0
"""Sessions: prompts and their answers."""

from __future__ import annotations

import ctypes
import os
import threading
import time
import weakref
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Awaitable, Callable, Dict, Iterator, List, Optional, Sequence, Tuple, TypeVar, Union, overload

from . import _library as c
from ._answers import STOP_REASONS, Answer, answers
from ._chat import Structure as Messages
from ._errors import ArgumentError, BusyError, check
from ._handles import Handle, Owner
from ._images import embeddings, encode_options, encoded_path, entry, numpy_module, remaining
from ._numbers import at_least, listed, number
from ._options import Structure, choices, text_bytes
from ._pictures import Reading, picture
from ._places import Place, places
from ._stream import AsyncStream, Stream, in_background
from ._work import Outcome, Work

if TYPE_CHECKING:
    from typing import Literal

    import numpy
    from typing_extensions import Unpack

    from ._chat import Message
    from ._images import ImageEmbedding, Images
    from ._model import Model
    from ._options import Options
    from ._pictures import Image

AnyStream = TypeVar("AnyStream", Stream, AsyncStream)


@dataclass(frozen=True)
class GenerateResult:
    """Counts and times of one answer. `stop_reason` is "end" (the model ended it), "length", "text" (a stop text appeared), "callback" (its
    stream was closed), "context" (the context is full) or "loop" (see option `loop_tokens`). Of `drafted_tokens` draft
    tokens `accepted_tokens` were accepted. `dropped_messages` of a conversation were dropped, see option `overflow`.
    With `alternatives` the answer is about image `image`."""

    stop_reason: str
    prompt_tokens: int
    reused_tokens: int
    generated_tokens: int
    prefill_seconds: float
    decode_seconds: float
    drafted_tokens: int
    accepted_tokens: int
    dropped_messages: int = 0
    image: int = 0


class Session(Owner):
    """A sequence (a conversation, say) with its KV cache. Made by `Model.session`. One call at a time; a second one at the same moment raises
    `BusyError`. `cancel` may come from any thread. Cannot be copied or pickled; see `save`.

    Ctrl-C stops every call. `images` are an embedding, anything that `Model.encode_image` takes, or a list of these.
    """

    def __init__(self, handle: Handle, model: "Model", context_length: int) -> None:
        super().__init__(handle)
        self._model = model
        #: Most tokens of the session.
        self.context_length = context_length
        #: Probability of each of the last call's `choices`; empty before the first.
        self.probabilities: List[float] = []
        #: Counts and times of the last answer; None before the first.
        self.last: Optional[GenerateResult] = None
        self._lock = threading.Lock()
        #: The process that took the lock last, or made it.
        self._process = os.getpid()
        #: The last stream while it is referred to, and its outcome.
        self._stream: "Callable[[], Any]" = lambda: None
        self._stream_outcome: "Optional[Outcome[Any]]" = None

    @overload
    def generate(
        self, prompt: str, images: "Images" = (), *, n: int, stream: "Literal[False]" = False, **options: "Unpack[Options]"
    ) -> List[str]: ...  # type: ignore[misc]

    @overload
    def generate(self, prompt: str, images: "Images" = (), *, stream: "Literal[False]" = False, **options: "Unpack[Options]") -> str: ...

    @overload
    def generate(self, prompt: str, images: "Images" = (), *, stream: "Literal[True]", **options: "Unpack[Options]") -> Stream: ...

    @overload
    def generate(self, prompt: str, images: "Images" = (), *, stream: bool, **options: "Unpack[Options]") -> Union[str, Stream]: ...

    def generate(self, prompt: str, images: "Images" = (), *, stream: bool = False, **options: Any) -> Union[str, List[str], Stream]:
        """Answers a prompt about images.

        The prompt is put into the model's own chat template. Where it holds `<image>` marks, each takes the next image; where it
        holds none, the images stand where the template puts them. With raw=True nothing is added but a beginning-of-sequence token
        where the model needs one, and each `<image>` stands for one whole image block.

        options: see `fovea.Options`; with `n` the result is a list of that many answers.
        stream: return an iterator over the pieces of the answer as they are generated. Leaving it early ends the answer, see `Stream`.
        """
        work = Work(self.cancel)
        if stream:
            return self._streaming(Stream(work, self._prepared(work, prompt, images, options).generate))
        return work.run(self._prepared(work, prompt, images, options).answer)

    @overload
    def agenerate(
        self, prompt: str, images: "Images" = (), *, n: int, stream: "Literal[False]" = False, **options: "Unpack[Options]"
    ) -> Awaitable[List[str]]: ...  # type: ignore[misc]

    @overload
    def agenerate(self, prompt: str, images: "Images" = (), *, stream: "Literal[False]" = False, **options: "Unpack[Options]") -> Awaitable[str]: ...

    @overload
    def agenerate(self, prompt: str, images: "Images" = (), *, stream: "Literal[True]", **options: "Unpack[Options]") -> AsyncStream: ...

    @overload
    def agenerate(self, prompt: str, images: "Images" = (), *, stream: bool, **options: "Unpack[Options]") -> Union[Awaitable[str], AsyncStream]: ...

    def agenerate(
        self, prompt: str, images: "Images" = (), *, stream: bool = False, **options: Any
    ) -> Union[Awaitable[str], Awaitable[List[str]], AsyncStream]:
        """`generate` for asyncio: `await session.agenerate(…)`, or with stream=True `async for piece in session.agenerate(…)`. The call
        runs on another thread. Cancelling the task stops it; the task ends when the session is free again."""
        work = Work(self.cancel)
        if stream:
            return self._streaming(AsyncStream(work, lambda sink: self._prepared(work, prompt, images, options).generate(sink)))
        return in_background(work, lambda: self._prepared(work, prompt, images, options).answer())

    @overload
    def chat(self, messages: "Sequence[Message]", *, n: int, stream: "Literal[False]" = False, **options: "Unpack[Options]") -> List[str]: ...  # type: ignore[misc]

    @overload
    def chat(self, messages: "Sequence[Message]", *, stream: "Literal[False]" = False, **options: "Unpack[Options]") -> str: ...

    @overload
    def chat(self, messages: "Sequence[Message]", *, stream: "Literal[True]", **options: "Unpack[Options]") -> Stream: ...

    @overload
    def chat(self, messages: "Sequence[Message]", *, stream: bool, **options: "Unpack[Options]") -> Union[str, Stream]: ...

    def chat(self, messages: "Sequence[Message]", *, stream: bool = False, **options: Any) -> Union[str, List[str], Stream]:
        """Answers the last message of a conversation, which is put into the model's own chat template.

        messages: optionally a system's first, then alternately a user's and an assistant's, a user's last; see `fovea.Message`. Pass the
            whole conversation to each call, with the answers as previous calls gave them: what is in the KV cache is not computed again.

            session.chat([{"role": "user", "content": "What is this?", "images": image}])

        options: see `fovea.Options`; `raw`, `task` and `regions` do not apply, and `choices` raises `ArgumentError`.
        stream: as `generate`'s.
        """
        work = Work(self.cancel)
        if stream:
            return self._streaming(Stream(work, self._conversation(work, messages, options).generate))
        return work.run(self._conversation(work, messages, options).answer)

    @overload
    def achat(
        self, messages: "Sequence[Message]", *, n: int, stream: "Literal[False]" = False, **options: "Unpack[Options]"
    ) -> Awaitable[List[str]]: ...  # type: ignore[misc]

    @overload
    def achat(self, messages: "Sequence[Message]", *, stream: "Literal[False]" = False, **options: "Unpack[Options]") -> Awaitable[str]: ...

    @overload
    def achat(self, messages: "Sequence[Message]", *, stream: "Literal[True]", **options: "Unpack[Options]") -> AsyncStream: ...

    @overload
    def achat(self, messages: "Sequence[Message]", *, stream: bool, **options: "Unpack[Options]") -> Union[Awaitable[str], AsyncStream]: ...

    def achat(
        self, messages: "Sequence[Message]", *, stream: bool = False, **options: Any
    ) -> Union[Awaitable[str], Awaitable[List[str]], AsyncStream]:
        """`chat` for asyncio, as `agenerate` for `generate`."""
        work = Work(self.cancel)
        if stream:
            return self._streaming(AsyncStream(work, lambda sink: self._conversation(work, messages, options).generate(sink)))
        return in_background(work, lambda: self._conversation(work, messages, options).answer())

    def read(
        self,
        image: "Image",
        prompt: Optional[str] = None,
        *,
        apply_orientation: bool = True,
        background: Optional[Tuple[int, int, int]] = (255, 255, 255),
        crop: Optional[Tuple[int, int, int, int]] = None,
        tiles: int = 0,
        mode: Optional[str] = None,
        **options: "Unpack[Options]",
    ) -> str:
        """Reads a page of any size, in the way that suits the model: at the sizes that its file names, until an answer leaves little doubt; in parts, cut
        between lines of text, where what it reads is doubted or the page would have to be reduced to be seen whole. The answer is that of all
        parts, top to bottom.

        image, apply_orientation, background, crop, tiles: as `Model.encode_image` takes them.
        prompt: None: the model's own task for pages (or `task`), or a request to read all text.
        mode: the only size to look at, as `Model.encode_image` takes it.
        options: see `fovea.Options`; `max_tokens` and `deadline` are those of the whole call; `progress` gets rows of the picture that are done, which
            may fall back, and rows in all; `n`, `regions`, `echo` and `choices` raise `ArgumentError`.
        """
        work = Work(self.cancel)
        return work.run(self._reading(work, image, prompt, apply_orientation, background, crop, tiles, mode, options).generate)

    def aread(self, image: "Image", prompt: Optional[str] = None, **options: Any) -> Awaitable[str]:
        """`read` for asyncio, on another thread; cancelling the task stops the work."""
        work = Work(self.cancel)
        named = {"apply_orientation": True, "background": (255, 255, 255), "crop": None, "tiles": 0, "mode": None}
        views = [options.pop(name, default) for name, default in named.items()]
        return in_background(work, lambda: self._reading(work, image, prompt, *views, options).generate())

    def generate_ids(self, prompt: str, images: "Images" = (), *, max_tokens: int, **options: "Unpack[Options]") -> List[int]:  # type: ignore[misc]
        """The same as token ids, at most `max_tokens`. The id that ended the answer is included only with ignore_eos=True."""
        work = Work(self.cancel)
        at_least(1, max_tokens, "max_tokens")
        call = self._prepared(work, prompt, images, {**options, "max_tokens": max_tokens})
        return work.run(lambda: call.generate_ids(min(max_tokens, self.context_length)))

    def logits(self, prompt: str, images: "Images" = (), **options: "Unpack[Options]") -> "numpy.ndarray[Any, Any]":
        """float32 [positions, vocabulary]: the logits of the next token at every position of the assembled prompt. Of the options
        `raw`, `regions` and `deadline` matter. Needs NumPy."""
        work = Work(self.cancel)
        return work.run(self._prepared(work, prompt, images, options).logits)

    def score(self, prompt: str, continuations: Sequence[str], images: "Images" = (), **options: "Unpack[Options]") -> List[float]:
        """Log-probability of each text as the beginning of the answer: the sum of ln p over its tokens. Of the options
        `raw`, `task`, `regions`, `deadline` and `progress` matter."""
        texts = [text_bytes(text, "continuations") for text in listed(continuations, "continuations", "texts")]
        work = Work(self.cancel)
        call = self._prepared(work, prompt, images, options)
        return work.run(lambda: call.score(texts))

    def choose(self, prompt: str, choices: Sequence[str], images: "Images" = (), **options: "Unpack[Options]") -> Tuple[str, List[float]]:  # type: ignore[misc]
        """One of the texts as the answer, and the probability of each, given that the whole answer is one of them, without length
        normalisation. The likeliest one, or with `temperature` above 0 one drawn with `seed`. The prompt is prefilled once."""
        work = Work(self.cancel)
        call = self._prepared(work, prompt, images, {**options, "choices": choices})
        return work.run(lambda: (call.generate(), list(self.probabilities)))

    @property
    def answers(self) -> List[Answer]:
        """The answers of the last call: one, or `n`; with `logprobs` also the likeliest alternatives."""
        with self._alone():
            return answers(self._handle)

    @property
    def tokens(self) -> int:
        """Tokens in the KV cache: those of the last prompt and answer that the next call need not compute again."""
        return int(c.library().fovea_session_length(self._handle))

    def fork(self) -> "Session":
        """A second session with a copy of this one's KV cache."""
        out, handle = ctypes.c_void_p(), self._handle
        with self._alone():
            check(c.library().fovea_session_fork(handle, out))
        return Session(Handle(out.value, c.library().fovea_session_free, handle._keeps), self._model, self.context_length)

    def rewind(self, tokens: int) -> None:
        """Keeps the first `tokens` of the KV cache. Never changes an answer, only the time until it."""
        with self._alone():
            check(c.library().fovea_session_rewind(self._handle, number(ctypes.c_size_t, tokens, "tokens")))

    def save(self, path: "Union[str, os.PathLike[str]]") -> None:
        """Serialises the session to a file, for `Model.load_session` with the same weight file, also in another process."""
        encoded, handle = encoded_path(path), self._handle

        def body() -> None:
            with self._alone():
                check(c.library().fovea_session_save_file(handle, encoded))

        Work(self.cancel).run(body)

    def to_bytes(self) -> bytes:
        """The same as bytes."""
        size, handle = ctypes.c_size_t(), self._handle

        def body() -> bytes:
            with self._alone():
                check(c.library().fovea_session_save(handle, None, 0, size))
                buffer = ctypes.create_string_buffer(size.value)
                check(c.library().fovea_session_save(handle, buffer, size.value, size))
            return buffer.raw

        return Work(self.cancel).run(body)

    @property
    def places(self) -> List[Place]:
        """The places that the last answer names, for models that ground (`[x1, y1, x2, y2]`, `<box>`, `<loc_…>`), in pixels of the first image."""
        with self._alone():
            return places(self._handle)

    def find(self, what: str, image: "Images", **options: "Unpack[Options]") -> List[Place]:
        """All places where the image shows `what`, by the model's own prompt for it (task "find")."""
        return self._places_of(what, image, {"task": "find", **options})

    def detect(self, image: "Images", **options: "Unpack[Options]") -> List[Place]:
        """Everything that the model finds in the image, in raster order (task "detect")."""
        return self._places_of("", image, {"task": "detect", **options})

    def cancel(self) -> None:
        """Stops the call that is using the session, which soon raises `Cancelled`. From any thread."""
        handle = self._owned
        if handle is not None:
            c.library().fovea_session_cancel(handle)

    def close(self) -> None:
        """Stops the running call and releases the session; a second time does nothing."""
        self.cancel()
        super().close()

    def reset(self) -> None:
        """Empties the KV cache. Never changes an answer, only the time until it."""
        with self._alone():
            check(c.library().fovea_session_reset(self._handle))

    def _places_of(self, prompt: str, images: "Images", options: Any) -> List[Place]:
        if options.get("choices") is not None:
            raise ArgumentError("choices: not with find and detect, whose answers are places.")
        work = Work(self.cancel)
        return work.run(self._prepared(work, prompt, images, options).places)

    def _prepared(self, work: Work, prompt: str, images: "Images", options: Any) -> "_Call":
        """A call with its arguments checked and its images encoded."""
        handle, prompt_bytes = self._handle, text_bytes(prompt, "prompt")
        started = time.monotonic()
        found = embeddings(self._model, handle._keeps, work, images, options.get("deadline"))
        if options.get("deadline") is not None:
            options = {**options, "deadline": remaining(options["deadline"], started)}
        return _Call(self, handle, work, prompt_bytes, found, options)

    def _reading(
        self,
        work: Work,
        image: "Image",
        prompt: Optional[str],
        apply_orientation: bool,
        background: Optional[Tuple[int, int, int]],
        crop: Optional[Tuple[int, int, int, int]],
        tiles: int,
        mode: Optional[str],
        options: Any,
    ) -> "_ReadCall":
        """The same for a page."""
        handle, started = self._handle, time.monotonic()
        if options.get("choices") is not None:
            raise ArgumentError("choices: not with read; generate takes them.")
        views = encode_options(work, apply_orientation, background, crop, tiles, mode, None, None)
        source = picture(image, Reading(bool(apply_orientation), background))
        if options.get("deadline") is not None:
            options = {**options, "deadline": remaining(options["deadline"], started)}
        return _ReadCall(self, handle, work, source, None if prompt is None else text_bytes(prompt, "prompt"), views, options)

    def _conversation(self, work: Work, messages: "Sequence[Message]", options: Any) -> "_Call":
        """The same for a conversation."""
        handle, started = self._handle, time.monotonic()
        if options.get("choices") is not None:
            raise ArgumentError("choices: not in a conversation; generate takes them, for a prompt.")
        found = Messages(messages, self._model, handle._keeps, work, options.get("deadline"))
        if options.get("deadline") is not None:
            options = {**options, "deadline": remaining(options["deadline"], started)}
        return _ChatCall(self, handle, work, found, options)

    def _streaming(self, stream: AnyStream) -> AnyStream:
        self._stream, self._stream_outcome = weakref.ref(stream), stream._outcome
        return stream

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """Holds the session for one call and the copying of its results; the library releases it between the two."""
        lock = self._lock
        if not lock.acquire(blocking=False):
            if self._process != os.getpid():  # held at a fork, by a thread that is not here: whether a call was running the library knows
                lock = self._lock = threading.Lock()
                lock.acquire()
            elif not self._acquired_after_stream(lock):
                is_open = self._stream() is not None
                raise BusyError("session: in use by another call" + ("; a stream of it is open, close it first." if is_open else "."))
        self._process = os.getpid()
        try:
            yield
        finally:
            lock.release()

    def _acquired_after_stream(self, lock: threading.Lock) -> bool:
        """Waits for a stream that nothing refers to any more but that has not ended: the garbage collector does not wait for it where it
        runs on the stream's own thread. Returns whether the session is held now."""
        outcome = self._stream_outcome
        if outcome is None or self._stream() is not None or outcome.thread is threading.current_thread():
            return False
        if not outcome.has_ended:
            outcome.ended.wait()
        return lock.acquire(blocking=False)

    def __reduce__(self) -> Any:
        raise TypeError("a fovea.Session cannot be copied or pickled: it is the memory of one line of work; make one where it is needed")

    def __copy__(self) -> Any:
        return self.__reduce__()

    def __deepcopy__(self, memo: Any) -> Any:
        return self.__reduce__()


class _Call:
    """The arguments of one call, kept alive while it lasts. Its methods make the call, on any thread."""

    def __init__(
        self, session: Session, handle: Handle, work: Work, prompt: bytes, images: "Sequence[ImageEmbedding]", options: Dict[str, Any]
    ) -> None:
        self._session, self._handle, self._work, self._prompt = session, handle, work, prompt
        self._held = [image._handle for image in images]
        self._structure = Structure(options, work, images)
        self._choices = choices(options)
        self._is_list = options.get("n") is not None

    def answer(self) -> Any:
        """The answer's text, or with `n` a list of texts."""
        if not self._is_list:
            return self.generate()
        with self._session._alone():
            self._answered(self._function(), None)
            return [answer.text for answer in answers(self._handle)]

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
            result = self._answered(self._function(), text)
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

    def _function(self) -> Any:
        return c.library().fovea_generate

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
            r.dropped_messages,
            r.image,
        )
        return r


class _ChatCall(_Call):
    """The same for a conversation."""

    def __init__(self, session: Session, handle: Handle, work: Work, messages: Messages, options: Dict[str, Any]) -> None:
        super().__init__(session, handle, work, b"", (), options)
        self._messages = messages

    def _function(self) -> Any:
        return c.library().fovea_chat

    def _arguments(self) -> Any:
        return self._handle, self._messages.array, self._messages.count


class _ReadCall(_Call):
    """The same for a page."""

    def __init__(
        self,
        session: Session,
        handle: Handle,
        work: Work,
        source: Any,
        prompt: Optional[bytes],
        views: c.fovea_encode_options,
        options: Dict[str, Any],
    ) -> None:
        super().__init__(session, handle, work, b"", (), options)
        self._read, self._picture = entry("fovea_read_image", source)
        self._asked, self._views, self._source = prompt, views, source  # what pixels point into lives as long

    def _function(self) -> Any:
        return self._read

    def _arguments(self) -> Any:
        return (self._handle, *self._picture, self._asked, self._views)
