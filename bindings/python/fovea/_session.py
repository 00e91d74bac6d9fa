# SPDX-License-Identifier: Apache-2.0
"""Sessions: prompts and their answers."""
from __future__ import annotations

import ctypes
import queue
import threading
import weakref
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Callable, Iterator, List, Optional, Sequence, Tuple, Union, overload

from . import _library as c
from ._callbacks import Guard, Progress, progress_callback
from ._errors import ArgumentError, check
from ._images import ImageEmbedding
from ._places import Place, places
from ._regions import Region, Structures

if TYPE_CHECKING:
    from typing import Literal

    import numpy

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
    """Figures of one answer. `stop_reason` is "end" (the model ended it), "length", "text" (a stop text appeared), "callback" or
    "context" (the context is full). Of `drafted_tokens` guessed ahead, `accepted_tokens` were right."""

    stop_reason: str
    prompt_tokens: int
    reused_tokens: int
    generated_tokens: int
    prefill_seconds: float
    decode_seconds: float
    drafted_tokens: int
    accepted_tokens: int


class Session:
    """One line of work with a model. Made by `Model.session`. One call at a time; `cancel` from any thread."""

    def __init__(self, handle: int, data: Any) -> None:
        self._handle = handle
        self._data = data
        #: Figures of the last answer; None before the first.
        self.last: Optional[GenerateResult] = None
        weakref.finalize(self, c.library().fovea_session_free, handle)

    @overload
    def generate(
        self,
        prompt: str,
        images: Sequence[ImageEmbedding] = (),
        *,
        regions: Sequence[Region] = (),
        raw: bool = False,
        task: Optional[str] = None,
        max_tokens: Optional[int] = None,
        min_tokens: int = 0,
        draft_tokens: int = 0,
        temperature: float = 0.0,
        top_k: int = 0,
        top_p: float = 1.0,
        repetition_penalty: float = 1.0,
        ngram_ban: Optional[int] = None,
        ngram_window: int = 0,
        loop_tokens: int = 0,
        seed: int = 0,
        stop: Sequence[str] = (),
        ignore_eos: bool = False,
        deadline: Optional[float] = None,
        progress: Optional[Progress] = None,
        stream: "Literal[False]" = False,
    ) -> str: ...

    @overload
    def generate(
        self,
        prompt: str,
        images: Sequence[ImageEmbedding] = (),
        *,
        regions: Sequence[Region] = (),
        raw: bool = False,
        task: Optional[str] = None,
        max_tokens: Optional[int] = None,
        min_tokens: int = 0,
        draft_tokens: int = 0,
        temperature: float = 0.0,
        top_k: int = 0,
        top_p: float = 1.0,
        repetition_penalty: float = 1.0,
        ngram_ban: Optional[int] = None,
        ngram_window: int = 0,
        loop_tokens: int = 0,
        seed: int = 0,
        stop: Sequence[str] = (),
        ignore_eos: bool = False,
        deadline: Optional[float] = None,
        progress: Optional[Progress] = None,
        stream: "Literal[True]",
    ) -> "Stream": ...

    def generate(
        self,
        prompt: str,
        images: Sequence[ImageEmbedding] = (),
        *,
        regions: Sequence[Region] = (),
        raw: bool = False,
        stream: bool = False,
        **options: Any,
    ) -> Union[str, "Stream"]:
        """Answers a prompt about images.

        The prompt is put into the model's own chat template. Where it holds `<image>` marks, each takes the next image; where it
        holds none, the images stand where the template puts them. With raw=True nothing is added but a beginning-of-sequence token
        where the model needs one, and each `<image>` stands for one whole image block.

        regions: one for each `<region>` mark, which becomes the region's coordinates and, where the system has a region sampler, its
            vector; see `fovea_generate` in fovea.h.
        task: one of the model's own forms of a prompt, a name of info["prompt.tasks"]; some of them take an empty prompt.
        max_tokens: most tokens to make; None: until the context is full.
        min_tokens: tokens before the answer may end; 0: as the model's template says, none with raw=True.
        draft_tokens: tokens guessed ahead at most where the text repeats itself or the prompt, which saves time and never changes the
            answer; 0: as many as pay, negative: none.
        temperature: 0: always the likeliest token; above: random choice, among the `top_k` likeliest (0: all) and those that
            together have probability `top_p`, by `seed`.
        repetition_penalty: above 1 makes tokens that already occurred less likely.
        ngram_ban: no run of this many tokens may occur twice in prompt and answer; 0: any may; None: as the model's template says, any
            may with raw=True. ngram_window: only runs within the last so many tokens count; 0: all.
        loop_tokens: end the answer, with stop reason "loop", when its last so many tokens are one piece four times or more; 0: never.
        stop: texts before which the answer ends.
        ignore_eos: go on past the end-of-answer token.
        deadline: seconds allowed, then `DeadlineExceeded`.
        progress: called with tokens of the prompt read and in all; a true result stops the work with `Cancelled`.
        stream: give an iterator over pieces of the answer as they are made. Leaving it early ends the answer.
        """
        if stream:
            return Stream(self, lambda sink: self._generate(prompt, images, regions, raw, options, sink))
        return self._generate(prompt, images, regions, raw, options, None)

    def generate_ids(
        self,
        prompt: str,
        images: Sequence[ImageEmbedding] = (),
        *,
        max_tokens: int,
        regions: Sequence[Region] = (),
        raw: bool = False,
        **options: Any,
    ) -> List[int]:
        """The same as token ids, at most `max_tokens`; takes the options of `generate`. The id that ended the answer is among them
        only with ignore_eos=True."""
        call = _Call(self, prompt, images, regions, raw, {"max_tokens": max_tokens, **options}, None)
        ids = (ctypes.c_int32 * max_tokens)()
        count = ctypes.c_size_t()
        with call.guard:
            status = c.library().fovea_generate_ids(*call.arguments, call.options, call.result, ids, max_tokens, count)
        check(status)
        self.last = call.figures()
        return list(ids[: count.value])

    def logits(
        self,
        prompt: str,
        images: Sequence[ImageEmbedding] = (),
        *,
        raw: bool = False,
        regions: Sequence[Region] = (),
    ) -> "numpy.ndarray":
        """float32 [positions, vocabulary]: the scores for the next token at every position of the assembled prompt."""
        import numpy

        call = _Call(self, prompt, images, regions, raw, {}, None)
        data = ctypes.POINTER(ctypes.c_float)()
        rows, columns = ctypes.c_size_t(), ctypes.c_size_t()
        with call.guard:
            status = c.library().fovea_logits(*call.arguments, call.options, data, rows, columns)
        check(status)
        return numpy.ctypeslib.as_array(data, (rows.value, columns.value)).copy()

    def score(
        self,
        prompt: str,
        continuations: Sequence[str],
        images: Sequence[ImageEmbedding] = (),
        *,
        raw: bool = False,
        regions: Sequence[Region] = (),
        **options: Any,
    ) -> List[float]:
        """How likely the model finds each text as the beginning of its answer: the sum of ln p over its tokens. Of the options of
        `generate`, `task`, `deadline` and `progress` matter."""
        if isinstance(continuations, str):
            raise ArgumentError("continuations: is a text, must be a list of texts.")
        call = _Call(self, prompt, images, regions, raw, options, None)
        texts = [_text(text, "continuations") for text in continuations]
        scores = (ctypes.c_double * len(texts))()
        with call.guard:
            status = c.library().fovea_score(
                *call.arguments, call.options, (ctypes.c_char_p * len(texts))(*texts), len(texts), scores
            )
        check(status)
        return list(scores)

    @property
    def places(self) -> List[Place]:
        """The places that the last answer names, for models that name any (`[x1, y1, x2, y2]`, `<box>`), in pixels of the first image."""
        return places(self._handle)

    def find(self, what: str, image: ImageEmbedding, **options: Any) -> List[Place]:
        """All places where the image shows `what`, by the model's own form of that question (task "find"); takes the options of
        `generate`."""
        self.generate(what, [image], **{"task": "find", **options})
        return self.places

    def detect(self, image: ImageEmbedding, **options: Any) -> List[Place]:
        """Everything that the model finds in the image, in raster order (task "detect"); takes the options of `generate`."""
        self.generate("", [image], **{"task": "detect", **options})
        return self.places

    def cancel(self) -> None:
        """Stops the call that is using the session, which raises `Cancelled` soon. From any thread."""
        c.library().fovea_session_cancel(self._handle)

    def reset(self) -> None:
        """Forgets what the session remembers of earlier prompts. Never changes an answer, only the time to it."""
        check(c.library().fovea_session_reset(self._handle))

    def _generate(
        self,
        prompt: str,
        images: Sequence[ImageEmbedding],
        regions: Sequence[Region],
        raw: bool,
        options: Any,
        sink: Optional[Callable[[str], bool]],
    ) -> str:
        call = _Call(self, prompt, images, regions, raw, options, sink)
        text = ctypes.c_void_p()
        with call.guard:
            status = c.library().fovea_generate(*call.arguments, call.options, call.result, text)
        check(status)
        try:
            answer = ctypes.string_at(text.value or 0, call.result.text_length).decode("utf-8", "replace")
        finally:
            c.library().fovea_string_free(text)
        self.last = call.figures()
        return answer


class _Call:
    """The arguments of one call, kept alive as long as it lasts.

    sink: gets each piece of text; true stops.
    """

    def __init__(
        self,
        session: Session,
        prompt: str,
        images: Sequence[ImageEmbedding],
        regions: Sequence[Region],
        raw: bool,
        options: Any,
        sink: Optional[Callable[[str], bool]],
    ) -> None:
        self.guard = Guard()
        self._images = list(images)
        handles = (ctypes.c_void_p * len(self._images))(*(image._handle for image in self._images))
        self.arguments: Tuple[Any, ...] = (session._handle, _text(prompt, "prompt"), handles, len(self._images))
        self.result = c.fovea_generate_result()
        self.options = _generate_options(raw=raw, guard=self.guard, sink=sink, **options)
        self._regions = Structures(regions)
        self.options.regions, self.options.region_count = self._regions.array, self._regions.count

    def figures(self) -> GenerateResult:
        r = self.result
        return GenerateResult(
            STOP_REASONS.get(r.stop_reason, str(r.stop_reason)),
            r.prompt_tokens,
            r.reused_tokens,
            r.generated_tokens,
            r.prefill_seconds,
            r.decode_seconds,
            r.drafted_tokens,
            r.accepted_tokens,
        )


def _generate_options(
    *,
    raw: bool,
    guard: Guard,
    sink: Optional[Callable[[str], bool]],
    task: Optional[str] = None,
    max_tokens: Optional[int] = None,
    min_tokens: int = 0,
    draft_tokens: int = 0,
    temperature: float = 0.0,
    top_k: int = 0,
    top_p: float = 1.0,
    repetition_penalty: float = 1.0,
    ngram_ban: Optional[int] = None,
    ngram_window: int = 0,
    loop_tokens: int = 0,
    seed: int = 0,
    stop: Sequence[str] = (),
    ignore_eos: bool = False,
    deadline: Optional[float] = None,
    progress: Optional[Progress] = None,
) -> c.fovea_generate_options:
    if max_tokens is not None and max_tokens < 1:
        raise ArgumentError(f"max_tokens: is {max_tokens}, must be at least 1.")
    if isinstance(stop, str):
        raise ArgumentError("stop: is a text, must be a list of texts.")
    stops = [_text(text, "stop") for text in stop]

    # Set even without a sink: Python looks for Ctrl-C while it runs.
    def on_token(_: Any, id: int, text: Any, length: int) -> int:
        return guard.run(lambda: sink(ctypes.string_at(text, length).decode("utf-8", "replace")) if sink else False)

    return c.fovea_generate_options(
        max_tokens=max_tokens or 0,
        temperature=temperature,
        top_k=top_k,
        top_p=top_p,
        repetition_penalty=repetition_penalty,
        ngram_ban=0 if ngram_ban is None else ngram_ban or -1,
        ngram_window=ngram_window,
        loop_tokens=loop_tokens,
        ignore_eos=int(ignore_eos),
        raw=int(raw),
        seed=seed,
        stop_texts=(ctypes.c_char_p * len(stops))(*stops),
        stop_text_count=len(stops),
        deadline_seconds=deadline or 0.0,
        on_token=c.fovea_token_callback(on_token),
        progress=progress_callback(progress, guard)[0],
        task=None if task is None else _text(task, "task"),
        min_tokens=min_tokens,
        draft_tokens=draft_tokens,
    )


def _text(text: str, name: str) -> bytes:
    """UTF-8 for the library; an embedded NUL would cut it short. Lone surrogates are passed on for the library to refuse."""
    encoded = text.encode("utf-8", "surrogatepass")
    if b"\0" in encoded:
        raise ArgumentError(f"{name}: contains a NUL character.")
    return encoded


class Stream(Iterator[str]):
    """The pieces of an answer, as they are made. Made by `Session.generate(…, stream=True)`.

    A failure is raised by `next`. `close`, leaving a `with` block, or letting the iterator go ends the answer early.
    """

    def __init__(self, session: Session, run: Callable[[Callable[[str], bool]], str]) -> None:
        self._session = session
        self._pieces: "queue.SimpleQueue[Union[str, BaseException, None]]" = queue.SimpleQueue()
        closed = self._closed = threading.Event()
        pieces = self._pieces
        self._done = False

        def sink(piece: str) -> bool:
            if piece:
                pieces.put(piece)
            return closed.is_set()

        # Must not hold the stream itself: letting it go is what closes it.
        def work() -> None:
            try:
                run(sink)
                pieces.put(None)
            except BaseException as error:
                pieces.put(error)

        self._thread = threading.Thread(target=work, name="fovea-stream", daemon=True)
        weakref.finalize(self, closed.set)
        self._thread.start()

    def __iter__(self) -> "Stream":
        return self

    def __next__(self) -> str:
        if self._done:
            raise StopIteration
        piece = self._pieces.get()
        if isinstance(piece, str):
            return piece
        self._done = True
        self._thread.join()
        if piece is not None:
            raise piece
        raise StopIteration

    def close(self) -> None:
        """Ends the answer early and waits until the session is free again."""
        self._closed.set()
        if self._thread.is_alive() and not self._done:
            self._session.cancel()
        self._done = True
        self._thread.join()

    def __enter__(self) -> "Stream":
        return self

    def __exit__(self, *_: Any) -> None:
        self.close()
