# SPDX-License-Identifier: Apache-2.0
"""One exception class per status of the library."""

from __future__ import annotations

from typing import Dict, Type

from . import _library as c


class Error(Exception):
    """A call failed. `status` is the library's status number; the message names the file, argument or offset."""

    status: int = -1


class ArgumentError(Error, ValueError):
    """An argument is invalid."""

    status = c.FOVEA_ERROR_ARGUMENT


class FileError(Error, OSError):
    """A file cannot be opened or read."""

    status = c.FOVEA_ERROR_IO


class FormatError(Error):
    """The weight file is damaged, or is not a weight file."""

    status = c.FOVEA_ERROR_FORMAT


class OutOfMemory(Error, MemoryError):
    """Memory ran out, or the work does not fit the memory budget."""

    status = c.FOVEA_ERROR_MEMORY


class UnsupportedError(Error, NotImplementedError):
    """Valid, but not supported by this version of the library or this model."""

    status = c.FOVEA_ERROR_UNSUPPORTED


class BusyError(Error):
    """Another call is using this session."""

    status = c.FOVEA_ERROR_BUSY


class Cancelled(Error):
    """`Session.cancel` or a progress callback stopped the work."""

    status = c.FOVEA_ERROR_CANCELLED


class DeadlineExceeded(Error, TimeoutError):
    """The deadline has passed."""

    status = c.FOVEA_ERROR_DEADLINE


class ContextError(Error):
    """Prompt and images need more tokens than the context has."""

    status = c.FOVEA_ERROR_CONTEXT


class ImageError(Error):
    """The image is damaged, of an unknown kind, or too large."""

    status = c.FOVEA_ERROR_IMAGE


class InternalError(Error):
    """A bug in the library."""

    status = c.FOVEA_ERROR_INTERNAL


class BufferError(Error):
    """A buffer was too small."""

    status = c.FOVEA_ERROR_BUFFER


_CLASSES: Dict[int, Type[Error]] = {kind.status: kind for kind in Error.__subclasses__()}


def check(status: int) -> None:
    """Raises the exception of a status other than FOVEA_OK, with the calling thread's error message."""
    if status != c.FOVEA_OK:
        message = (c.library().fovea_last_error(None) or b"").decode("utf-8", "replace")
        error = _CLASSES.get(status, Error)(message)
        error.status = status
        try:
            raise error
        finally:
            del error  # its traceback refers to this frame and the callers': avoids a reference cycle
