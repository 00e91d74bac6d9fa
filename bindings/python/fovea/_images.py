# SPDX-License-Identifier: Apache-2.0
"""Encoded images."""
from __future__ import annotations

import ctypes
import os
import weakref
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, List, Tuple, Union

from . import _library as c
from ._errors import ArgumentError, check

if TYPE_CHECKING:
    import numpy
    import PIL.Image

    Image = Union[str, "os.PathLike[str]", bytes, bytearray, memoryview, "PIL.Image.Image", "numpy.ndarray"]


@dataclass(frozen=True)
class View:
    """One picture the model looked at: the rectangle of the original image that it shows, in original pixels (it may reach beyond
    the image where the model pads), its place in the grid of slices (−1, −1 for a view of the whole image), and its vectors."""

    x: float
    y: float
    width: float
    height: float
    row: int
    column: int
    first_token: int
    tokens: int


class ImageEmbedding:
    """The vectors a model makes of one image. Made by `Model.encode_image`; usable in any session of that model."""

    def __init__(self, handle: int) -> None:
        self._handle = handle
        weakref.finalize(self, c.library().fovea_image_embedding_release, handle)
        info = c.fovea_image_info()
        check(c.library().fovea_image_embedding_get_info(handle, info))
        #: Width and height of the original image in pixels.
        self.size: Tuple[int, int] = (info.width, info.height)
        #: How many vectors there are, each standing for one place in the model's context.
        self.tokens: int = info.tokens
        #: Numbers in a vector.
        self.hidden_size: int = info.hidden_size
        self._views: int = info.views

    @property
    def views(self) -> List[View]:
        """What the model looked at, in its order: the whole image and its slices."""
        found = []
        for index in range(self._views):
            v = c.fovea_image_view()
            check(c.library().fovea_image_embedding_get_view(self._handle, index, v))
            found.append(View(v.x, v.y, v.width, v.height, v.row, v.column, v.first_token, v.tokens))
        return found

    def numpy(self) -> "numpy.ndarray":
        """float32 [tokens, hidden_size]: the vectors the decoder gets, in their order. A copy."""
        import numpy

        data = c.library().fovea_image_embedding_data(self._handle)
        return numpy.ctypeslib.as_array(data, (self.tokens, self.hidden_size)).copy()

    def __repr__(self) -> str:
        return f"<fovea.ImageEmbedding {self.size[0]}x{self.size[1]}, {self.tokens} tokens of {self.hidden_size}>"


def encode(model: int, image: "Image", options: c.fovea_encode_options) -> int:
    """Calls the entry point that fits the kind of `image`; returns the embedding's handle."""
    handle = ctypes.c_void_p()
    lib = c.library()
    if isinstance(image, (str, os.PathLike)):
        check(lib.fovea_encode_image(model, encoded_path(image), options, handle))
    elif isinstance(image, (bytes, bytearray, memoryview)):
        data = bytes(image)
        check(lib.fovea_encode_image_bytes(model, data, len(data), options, handle))
    else:
        pixels, width, height = _pixels(image)
        pointer = ctypes.cast(ctypes.c_char_p(pixels), ctypes.POINTER(ctypes.c_uint8))
        check(lib.fovea_encode_image_pixels(model, pointer, width, height, 0, options, handle))
    assert handle.value is not None
    return handle.value


def encoded_path(path: Union[str, "os.PathLike[str]"]) -> bytes:
    """A path for the library; an embedded NUL would cut it short."""
    encoded = os.fsencode(path)
    if b"\0" in encoded:
        raise ArgumentError("path: contains a NUL.")
    return encoded


def _pixels(image: Any) -> Tuple[bytes, int, int]:
    """RGB rows without gaps, width and height, of a PIL image or an array."""
    if hasattr(image, "convert") and hasattr(image, "tobytes") and hasattr(image, "size"):
        rgb = image.convert("RGB")
        return rgb.tobytes(), rgb.size[0], rgb.size[1]
    shape = getattr(image, "shape", None)
    if shape is None:
        raise TypeError(f"image: a path, bytes, a PIL image or an array is needed, not {type(image).__name__}")
    if len(shape) != 3 or shape[2] != 3 or str(image.dtype) != "uint8":
        raise ArgumentError(f"image: the array must be uint8 [height, width, 3], not {image.dtype} {list(shape)}.")
    return image.tobytes(), shape[1], shape[0]
