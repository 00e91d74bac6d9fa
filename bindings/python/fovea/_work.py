# SPDX-License-Identifier: Apache-2.0
"""Long calls: how an interrupt, an exception in a callback, or another thread stops one.

Python runs signal handlers in the main thread, between two bytecode instructions. While the main thread is inside the library, only
callbacks execute any, and an exception that a handler raises on entering a callback is lost in ctypes. So a call from the main thread
runs on a separate thread, while the main thread waits for it in Python and runs the caller's callbacks. An exception there stops the
work, is kept until the work has ended, and is then raised by the call.
"""

from __future__ import annotations

import os
import queue
import sys
import threading
from typing import Any, Callable, Generic, Optional, TypeVar

from . import _library as c
from ._errors import UnsupportedError

T = TypeVar("T")
Progress = Callable[[int, int], Any]

#: Seconds between two checks whether stopped work has ended.
INTERVAL = 0.02


class _Question:
    """A callback for the main thread to run; its result, 1 for stop, goes to the thread of the library's call."""

    def __init__(self, function: Callable[..., Any], arguments: Any) -> None:
        self.function, self.arguments = function, arguments
        self.answer: "queue.SimpleQueue[int]" = queue.SimpleQueue()


class Work:
    """One call into the library, or several in a row, that stop together.

    cancel: cancels the library's call, in addition to the callbacks; called repeatedly until the work has ended, since a call that has
        not started yet does not notice.
    """

    def __init__(self, cancel: Optional[Callable[[], Any]] = None) -> None:
        self._cancel = cancel
        #: Checked by every callback.
        self.is_stopping = False
        #: Gets each piece of an answer's text; a true result ends the answer. None: no streaming.
        self.sink: Optional[Callable[[str], Any]] = None
        self._raised: Optional[BaseException] = None
        self._questions: "Optional[queue.SimpleQueue[Optional[_Question]]]" = None

    def callback(self, function: Optional[Callable[..., Any]], *arguments: Any) -> int:
        """Runs the caller's callback and returns the library's result: 0 to continue, 1 to stop."""
        if self.is_stopping:
            return 1
        if function is None:
            return 0
        questions = self._questions
        if questions is not None:
            return self._ask(questions, _Question(function, arguments))
        try:
            return 1 if function(*arguments) else 0
        except BaseException as error:
            self._raised = error
            self.is_stopping = True
            return 1

    def progress(self, function: Optional[Progress]) -> Any:
        """The library's progress callback for a function of (done, total), or for None, since it also stops the work."""
        return c.fovea_progress_callback(lambda _, done, total: self.callback(function, done, total))

    def run(self, body: Callable[[], T]) -> T:
        """The result of `body`, which calls the library. An exception of a callback takes the place of the body's own."""
        if threading.current_thread() is not threading.main_thread():
            return self._direct(body)
        questions: "queue.SimpleQueue[Optional[_Question]]" = queue.SimpleQueue()
        self._questions = questions
        outcome: Outcome[T] = Outcome()

        def work() -> None:
            outcome.of(body)
            questions.put(None)

        try:
            thread = threading.Thread(target=work, name="fovea-call", daemon=True)
            try:
                thread.start()
            except RuntimeError:  # no thread can be started, as during interpreter shutdown
                self._questions = None
                return self._direct(body)
            for question in iter(questions.get, None):
                answer = 1 if question.function(*question.arguments) else 0
                if outcome.is_elsewhere:  # the function forked, and this is the child
                    break
                question.answer.put(answer)
            else:
                thread.join()  # it refers to what was asked with, which the caller may now release
        except BaseException:
            self.stop(outcome)
            raise
        finally:
            self._questions = None
        return outcome.result()

    def stop(self, outcome: "Outcome[Any]") -> bool:
        """Stops the work of another thread and waits until it has ended; an interrupt meanwhile does not end the wait.

        Returns whether there was one. Work of another process counts as ended.
        """
        interrupted = False
        while True:
            try:
                self.is_stopping = True
                outcome.give_up()
                # During interpreter shutdown other Python threads no longer run.
                while not outcome.has_ended and not sys.is_finalizing():
                    self.cancel()
                    outcome.ended.wait(INTERVAL)
                return interrupted
            except KeyboardInterrupt:
                interrupted = True

    def cancel(self) -> None:
        self.is_stopping = True
        if self._cancel is not None:
            self._cancel()

    def _direct(self, body: Callable[[], T]) -> T:
        try:
            return body()
        finally:
            raised, self._raised = self._raised, None
            if raised is not None:
                raise raised from None

    def _ask(self, questions: "queue.SimpleQueue[Optional[_Question]]", question: _Question) -> int:
        questions.put(question)
        while True:
            try:
                return question.answer.get(timeout=INTERVAL)
            except queue.Empty:  # an interrupt may have taken the question with it
                if self.is_stopping:
                    return 1


class Outcome(Generic[T]):
    """The result or exception of a thread's work. An unfetched result is freed with this.

    After `os.fork` a child has a copy, but not the thread: work that had not ended never will there.
    """

    def __init__(self) -> None:
        self._process = os.getpid()
        self.ended = threading.Event()
        #: Whose work this is; None before it begins.
        self.thread: Optional[threading.Thread] = None
        self._value: Optional[T] = None
        self._error: Optional[BaseException] = None
        #: Whoever takes the one element decides whether the work begins.
        self._claim = [True]

    def of(self, body: Callable[[], T]) -> None:
        """Runs the work, unless it was given up before it began."""
        try:
            self._claim.pop()
        except IndexError:
            return
        self.thread = threading.current_thread()
        try:
            self._value = body()
        except BaseException as error:
            self._error = error
        finally:
            self.ended.set()

    @property
    def is_elsewhere(self) -> bool:
        """Whether this is a child's copy of another process's outcome."""
        return self._process != os.getpid()

    @property
    def has_ended(self) -> bool:
        """Whether no thread of this process does the work any more."""
        return self.ended.is_set() or self.is_elsewhere

    def give_up(self) -> None:
        """Work that has not begun never will, and counts as ended, since its thread may never have started."""
        if self.is_elsewhere:  # a thread that is not here may hold the event's lock
            return
        try:
            self._claim.pop()
        except IndexError:
            return
        self.ended.set()

    def result(self) -> T:
        if self.is_elsewhere and not self.ended.is_set():
            raise UnsupportedError("call: the process was forked during it, and only the parent goes on with it.")
        try:
            if self._error is not None:
                raise self._error
            return self._value  # type: ignore[return-value]
        finally:
            self._error = self._value = None  # a traceback would keep them alive
