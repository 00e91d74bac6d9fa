# SPDX-License-Identifier: Apache-2.0
"""Streamed answers, and answers for asyncio: the library runs on a separate thread."""

from __future__ import annotations

import _thread
import asyncio
import queue
import threading
from typing import Any, AsyncIterator, Callable, Iterator, Optional, TypeVar

from ._work import INTERVAL, Outcome, Work

T = TypeVar("T")

#: Calls the library, and passes each piece of the answer to a function whose true result ends the answer.
Answer = Callable[[Callable[[str], Any]], Any]


def _start(name: str, work: Callable[[], None]) -> threading.Thread:
    thread = threading.Thread(target=work, name=name, daemon=True)
    thread.start()
    return thread


class _StopsWhenDropped:
    """A stream whose answer ends when the last reference to it is gone."""

    _work: Work
    _outcome: "Outcome[Any]"

    def __del__(self) -> None:
        interrupted = False
        while True:
            try:
                if hasattr(self, "_outcome"):
                    interrupted |= _stop(self._work, self._outcome, getattr(self, "_thread", None))
                if interrupted:
                    _interrupt_later()
                return
            except KeyboardInterrupt:
                interrupted = True


class Stream(_StopsWhenDropped, Iterator[str]):
    """The pieces of an answer as they are generated. Made by `Session.generate(…, stream=True)`.

    Failures are raised by `next`. `close`, leaving a `with` block, an exception in `next` (Ctrl-C), and dropping the last reference to
    the stream, as when a `for` loop over `session.generate(…, stream=True)` is left, end the answer early and wait until the session is
    free again.
    """

    def __init__(self, work: Work, answer: Answer) -> None:
        pieces: "queue.SimpleQueue[Any]" = queue.SimpleQueue()
        outcome: Outcome[Any] = Outcome()
        self._work, self._pieces, self._outcome = work, pieces, outcome
        self._is_open = True

        # Must not refer to the stream: dropping its last reference closes it.
        def sink(piece: str) -> None:
            if piece:
                pieces.put(piece)

        def body() -> None:
            outcome.of(lambda: work.run(lambda: answer(sink)))
            pieces.put(None)

        self._thread = _start("fovea-stream", body)

    def __iter__(self) -> "Stream":
        return self

    def __next__(self) -> str:
        if not self._is_open:
            raise StopIteration
        try:
            piece = self._next_piece()
            if piece is not None:
                return piece  # type: ignore[no-any-return]
            self._is_open = False
            self._outcome.result()
        except BaseException:
            self.close()
            raise
        raise StopIteration

    def _next_piece(self) -> Any:
        if not self._outcome.is_elsewhere:
            return self._pieces.get()
        try:
            return self._pieces.get(block=False)
        except queue.Empty:  # no more will come
            return None

    def close(self) -> None:
        """Ends the answer early and waits until the session is free again."""
        self._is_open = False
        if _stop(self._work, self._outcome, getattr(self, "_thread", None)):
            raise KeyboardInterrupt

    def __enter__(self) -> "Stream":
        return self

    def __exit__(self, *_: Any) -> None:
        self.close()


class AsyncStream(_StopsWhenDropped, AsyncIterator[str]):
    """The pieces of an answer, for `async for`. Made by `Session.agenerate(…, stream=True)` inside a running event loop.

    `aclose`, leaving an `async with` block, cancelling the task that waits for a piece, and dropping the last reference end the
    answer early and wait until the session is free again.
    """

    def __init__(self, work: Work, answer: Answer) -> None:
        loop = asyncio.get_running_loop()
        pieces: "asyncio.Queue[Any]" = asyncio.Queue()
        outcome: Outcome[Any] = Outcome()
        self._work, self._pieces, self._outcome = work, pieces, outcome
        self._is_open = True

        def put(piece: Any) -> None:
            try:
                loop.call_soon_threadsafe(pieces.put_nowait, piece)
            except RuntimeError:  # the loop is closed
                work.is_stopping = True

        def body() -> None:
            outcome.of(lambda: work.run(lambda: answer(lambda piece: put(piece) if piece else None)))
            put(None)

        self._thread = _start("fovea-stream", body)

    def __aiter__(self) -> "AsyncStream":
        return self

    async def __anext__(self) -> str:
        if not self._is_open:
            raise StopAsyncIteration
        try:
            piece = await self._next_piece()
        except BaseException:
            await self.aclose()
            raise
        if piece is not None:
            return piece  # type: ignore[no-any-return]
        self._is_open = False
        self._outcome.result()
        raise StopAsyncIteration

    async def _next_piece(self) -> Any:
        if not self._outcome.is_elsewhere:
            return await self._pieces.get()
        try:
            return self._pieces.get_nowait()
        except asyncio.QueueEmpty:  # no more will come
            return None

    async def aclose(self) -> None:
        """Ends the answer early and waits until the session is free again."""
        self._is_open = False
        await _stopped(self._work, self._outcome)

    async def __aenter__(self) -> "AsyncStream":
        return self

    async def __aexit__(self, *_: Any) -> None:
        await self.aclose()


def _interrupt_later() -> None:
    """Raises an interrupt again a little later: one in `__del__` would be lost with it."""
    later = threading.Timer(INTERVAL, _thread.interrupt_main)
    later.daemon = True
    later.start()


def _stop(work: Work, outcome: "Outcome[Any]", thread: Optional[threading.Thread]) -> bool:
    """Stops a stream and waits until it has ended; returns whether an interrupt came meanwhile.

    The stream's own thread, in a callback or where the garbage collector happens to run on it, ends soon after and is not waited for.
    """
    if threading.current_thread() is thread:
        work.is_stopping = True
        return False
    return work.stop(outcome)


async def in_background(work: Work, body: Callable[[], T]) -> T:
    """Runs `body` on a separate thread. Cancelling stops the work, and waits until it has ended."""
    loop = asyncio.get_running_loop()
    outcome: Outcome[T] = Outcome()
    ended = asyncio.Event()

    def run() -> None:
        outcome.of(lambda: work.run(body))
        try:
            loop.call_soon_threadsafe(ended.set)
        except RuntimeError:  # the loop is closed
            pass

    _start("fovea-call", run)
    try:
        await ended.wait()
    except BaseException:
        await _stopped(work, outcome)
        raise
    return outcome.result()


async def _stopped(work: Work, outcome: "Outcome[Any]") -> None:
    outcome.give_up()
    while not outcome.has_ended:
        work.cancel()
        await asyncio.sleep(INTERVAL)
