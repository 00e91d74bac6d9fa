# SPDX-License-Identifier: Apache-2.0
"""Many requests at once. The library batches the decoder passes of sessions that answer at the same time; here are only threads."""

from __future__ import annotations

import queue
import threading
from typing import TYPE_CHECKING, Any, Dict, Iterator, List, Optional, Sequence, Tuple

from ._errors import ArgumentError
from ._numbers import listed
from ._work import INTERVAL

if TYPE_CHECKING:
    from ._model import Model
    from ._session import Session


class Batch:
    """Requests and their answers; made for one call of `Model.generate_many`."""

    def __init__(self, model: "Model", prompts: Sequence[Any], images: Optional[Sequence[Any]], options: Dict[str, Any], keeps_errors: bool) -> None:
        self._requests: List[Tuple[Any, Any]] = [(prompt, ()) for prompt in listed(prompts, "prompts", "texts or conversations")]
        if images is not None:
            given = list(images)
            if len(given) != len(self._requests):
                raise ArgumentError(f"images: there are {len(given)} for {len(self._requests)} prompts; one entry each is needed.")
            self._requests = [(prompt, () if image is None else image) for (prompt, _), image in zip(self._requests, given)]
        if "n" in options or "stream" in options:
            raise ArgumentError("options: n and stream are none of many requests'.")
        self._model, self._options, self._keeps_errors = model, options, keeps_errors
        self._answers: List[Any] = [None] * len(self._requests)
        self._sessions: List[Session] = []
        #: Requests not taken yet; `next` of an iterator is atomic.
        self._left: Iterator[int] = iter(range(len(self._requests)))
        self._ended: "queue.SimpleQueue[Optional[BaseException]]" = queue.SimpleQueue()
        self._is_stopping = False

    def run(self, lanes: int, context_length: Optional[int]) -> List[Any]:
        """The answers, in the order of the requests."""
        threads: List[threading.Thread] = []
        try:
            for _ in range(min(lanes, len(self._requests))):
                session = self._model.session(context_length=context_length)
                self._sessions.append(session)
                thread = threading.Thread(target=self._work, args=(session,), name="fovea-batch", daemon=True)
                thread.start()
                threads.append(thread)
            for _ in threads:
                error = self._ended.get()
                if error is not None:
                    raise error
            return self._answers
        finally:
            self._stop(threads)

    def _work(self, session: "Session") -> None:
        try:
            for i in self._left:
                if self._is_stopping:
                    break
                self._answers[i] = self._answer(session, *self._requests[i])
            self._ended.put(None)
        except BaseException as error:
            self._is_stopping = True
            self._ended.put(error)

    def _answer(self, session: "Session", prompt: Any, images: Any) -> Any:
        try:
            if isinstance(prompt, str):
                return session.generate(prompt, images, **self._options)
            if images != ():
                raise ArgumentError("images: those of a conversation stand with its messages.")
            return session.chat(prompt, **self._options)
        except Exception as error:
            if self._keeps_errors and not self._is_stopping:
                return error
            raise

    def _stop(self, threads: List[threading.Thread]) -> None:
        """Stops the requests still running; an interrupt meanwhile does not end the wait."""
        self._is_stopping, interrupted = True, False
        while True:
            try:
                for thread in threads:
                    while thread.is_alive():
                        for session in self._sessions:
                            session.cancel()
                        thread.join(INTERVAL)
                for session in self._sessions:
                    session.close()
                break
            except KeyboardInterrupt:
                interrupted = True
        if interrupted:
            raise KeyboardInterrupt
