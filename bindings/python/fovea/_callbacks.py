# SPDX-License-Identifier: Apache-2.0
"""Python functions as callbacks of the library: an exception stops the work and comes out of the call that ran it."""
from __future__ import annotations

from types import TracebackType
from typing import Any, Callable, Optional, Tuple, Type

from . import _library as c

Progress = Callable[[int, int], Any]


class Guard:
    """Holds an exception raised in a callback until the library's call has returned, then raises it in place of the call's own.

    Also what makes Ctrl-C work: Python raises KeyboardInterrupt inside a callback, and that stops the work.
    """

    def __init__(self) -> None:
        self._raised: Optional[BaseException] = None

    def run(self, body: Callable[[], Any]) -> int:
        """0 to go on, 1 to stop: what the library takes."""
        try:
            return 1 if body() else 0
        except BaseException as error:
            self._raised = error
            return 1

    def __enter__(self) -> "Guard":
        return self

    def __exit__(
        self, kind: Optional[Type[BaseException]], error: Optional[BaseException], trace: Optional[TracebackType]
    ) -> None:
        if self._raised is not None:
            raise self._raised from None


def progress_callback(progress: Optional[Progress], guard: Optional[Guard] = None) -> Tuple[Any, Guard]:
    """The callback for a function of (done, total), or for none, and the guard to make the call in."""
    keeper = guard or Guard()

    def body(_: Any, done: int, total: int) -> int:
        return keeper.run(lambda: progress(done, total) if progress else False)

    return c.fovea_progress_callback(body), keeper
