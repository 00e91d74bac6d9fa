# SPDX-License-Identifier: Apache-2.0
"""Ownership of the library's objects."""

from __future__ import annotations

import ctypes
import weakref
from typing import Any, Callable, Dict, Optional

from ._errors import ArgumentError


class _Freeing(weakref.ref):
    """Frees an object of the library when its handle is collected.

    The callback is the library's own function, to which ctypes passes `_as_parameter_` in place of this object. No Python code runs, in
    which an interrupt would be raised where nobody can catch it, as in `weakref.finalize` and `__del__`.
    """

    __slots__ = ("_as_parameter_",)


#: By `id`: those of live handles, and some of collected ones, since a callback in C cannot remove itself.
_freeing: "Dict[int, _Freeing]" = {}
#: How many are kept before those of collected handles are removed.
_most = 64


def _free_with(owner: Handle, free: Callable[[int], Any]) -> None:
    global _most
    if len(_freeing) >= _most:
        for key, reference in list(_freeing.items()):
            if reference() is None:
                _freeing.pop(key, None)
        _most = 2 * len(_freeing) + 64
    reference = _Freeing(owner, free)
    reference._as_parameter_ = owner._as_parameter_
    _freeing[id(reference)] = reference


class Handle:
    """Owns one object of the library and frees it with the last reference.

    A call refers to its handles until it returns, so an object closed while another thread uses it is freed after that call.
    """

    def __init__(self, pointer: Optional[int], free: Callable[[int], Any], keeps: Any = None) -> None:
        assert pointer
        self.pointer: int = pointer
        #: What ctypes passes in place of this.
        self._as_parameter_ = ctypes.c_void_p(pointer)
        #: Must outlive the object: the handle it was made from, or the memory it reads.
        self._keeps = keeps
        _free_with(self, free)


class Owner:
    """A Python object with a handle, which can be closed early."""

    def __init__(self, handle: Handle) -> None:
        self._owned: Optional[Handle] = handle

    @property
    def _handle(self) -> Handle:
        handle = self._owned
        if handle is None:
            raise ArgumentError(f"{type(self).__name__}: is closed.")
        return handle

    def close(self) -> None:
        """Releases what this holds; a second time does nothing. What was made from it stays usable."""
        self._owned = None

    def __enter__(self) -> Any:
        return self

    def __exit__(self, *_: Any) -> None:
        self.close()
