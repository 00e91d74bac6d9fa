# SPDX-License-Identifier: Apache-2.0
"""Encoded images."""

from __future__ import annotations

import ctypes
import os
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Dict, List, Optional, Sequence, Tuple, Union

from . import _library as c
from ._errors import ArgumentError, check
from ._handles import Handle, Owner
from ._numbers import filled, number, seconds
from ._options import text_bytes
from ._pictures import Pixels, Reading, picture
from ._work import Progress, Work

if TYPE_CHECKING:
    import numpy

    from ._model import Model
    from ._pictures import Image

    Images = Union["ImageEmbedding", Image, Sequence[Union["ImageEmbedding", Image]], None]


#: Codes of fovea_encode_options.
ORIENTATION_STORED = 2
ALPHA_COLOUR, ALPHA_DROP = 1, 2


@dataclass(frozen=True)
class View:
    """One picture that the model encoded: its rectangle in pixels of the original image (it extends beyond the image where the model
    pads), its position in the grid of slices (−1, −1 for a view of the whole image), and its vectors."""

    x: float
    y: float
    width: float
    height: float
    row: int
    column: int
    first_token: int
    tokens: int


class ImageEmbedding(Owner):
    """The vectors that a model encodes one image as. Made by `Model.encode_image`; usable in any session of that model.

    Immutable, so a copy is the object itself. A pickle holds the vectors, and what reopens the model (see `Model`).
    """

    def __init__(self, handle: Handle, model: "Model") -> None:
        super().__init__(handle)
        self._model = model
        info = c.fovea_image_info()
        check(c.library().fovea_image_embedding_get_info(handle, info))
        #: Width and height of the original image in pixels.
        self.size: Tuple[int, int] = (info.width, info.height)
        #: Number of vectors, each of which takes one position of the context.
        self.tokens: int = info.tokens
        #: Floats in a vector.
        self.hidden_size: int = info.hidden_size
        self._views: int = info.views

    @property
    def views(self) -> List[View]:
        """The pictures that the model encoded, in its order: the whole image and its slices."""
        handle = self._handle
        found = []
        for index in range(self._views):
            v = c.fovea_image_view()
            check(c.library().fovea_image_embedding_get_view(handle, index, v))
            found.append(View(v.x, v.y, v.width, v.height, v.row, v.column, v.first_token, v.tokens))
        return found

    def numpy(self) -> "numpy.ndarray[Any, Any]":
        """float32 [tokens, hidden_size]: the vectors in the decoder's order. A copy. Needs NumPy."""
        np = numpy_module("ImageEmbedding.numpy")
        handle = self._handle
        data = c.library().fovea_image_embedding_data(handle)
        return np.ctypeslib.as_array(data, (self.tokens, self.hidden_size)).copy()  # type: ignore[no-any-return]

    def to_bytes(self) -> bytes:
        """Serialises the embedding, for `Model.embedding_from_bytes` with the same weight file, also in another process."""
        handle = self._handle
        size = ctypes.c_size_t()
        check(c.library().fovea_image_embedding_serialize(handle, None, 0, size))
        buffer = ctypes.create_string_buffer(size.value)
        check(c.library().fovea_image_embedding_serialize(handle, buffer, size.value, size))
        return buffer.raw

    def save(self, path: "Union[str, os.PathLike[str]]", *, half: bool = False) -> None:
        """Serialises the embedding to a file (an image capsule), for `Model.load_embedding` with the same weight file or one packed or split from it.

        half: numbers as f16, half the bytes; answers may differ in rare words.
        """
        check(c.library().fovea_image_embedding_save(self._handle, encoded_path(path), c.FOVEA_CAPSULE_F16 if half else 0))

    def __copy__(self) -> "ImageEmbedding":
        return self

    def __deepcopy__(self, memo: Any) -> "ImageEmbedding":
        return self

    def __reduce__(self) -> Any:
        return _unpickled, (self._model, self.to_bytes())

    def __repr__(self) -> str:
        return f"<fovea.ImageEmbedding {self.size[0]}x{self.size[1]}, {self.tokens} tokens of {self.hidden_size}>"


def _unpickled(model: "Model", data: bytes) -> ImageEmbedding:
    return model.embedding_from_bytes(data)


def encode(
    model: "Model",
    handle: Handle,
    work: Work,
    image: "Image",
    *,
    apply_orientation: bool = True,
    background: Optional[Tuple[int, int, int]] = (255, 255, 255),
    crop: Optional[Tuple[int, int, int, int]] = None,
    tiles: int = 0,
    mode: Optional[str] = None,
    deadline: Optional[float] = None,
    progress: Optional[Progress] = None,
) -> ImageEmbedding:
    """Calls the entry point that fits the kind of `image`.

    handle: the model's, which a session has also after `Model.close`.
    """
    options = encode_options(work, apply_orientation, background, crop, tiles, mode, deadline, progress)
    source = picture(image, Reading(bool(apply_orientation), background))  # holds the pixels until the call is over
    function, arguments = entry("fovea_encode_image", source)

    def body() -> ImageEmbedding:
        out = ctypes.c_void_p()
        check(function(handle, *arguments, options, out))
        return ImageEmbedding(Handle(out.value, c.library().fovea_image_embedding_release, handle), model)

    return work.run(body)


def encode_options(
    work: Work,
    apply_orientation: bool,
    background: Optional[Tuple[int, int, int]],
    crop: Optional[Tuple[int, int, int, int]],
    tiles: int,
    mode: Optional[str],
    deadline: Optional[float],
    progress: Optional[Progress],
) -> c.fovea_encode_options:
    """What `Model.encode_image` takes beside the picture."""
    return filled(
        c.fovea_encode_options,
        orientation=0 if apply_orientation else ORIENTATION_STORED,
        alpha=ALPHA_DROP if background is None else ALPHA_COLOUR,
        background=0 if background is None else colour_code(background),
        **rectangle(crop),
        tiles=tiles,
        mode=None if mode is None else text_bytes(mode, "mode"),
        deadline_seconds=seconds(deadline),
        progress=work.progress(progress),
    )


def entry(name: str, source: Any) -> Tuple[Any, Tuple[Any, ...]]:
    """The entry point that fits the kind of a picture, `name` that for a path, and its arguments for the picture, which point into it."""
    lib = c.library()
    if isinstance(source, Pixels):
        width, height = number(ctypes.c_int32, source.width, "width"), number(ctypes.c_int32, source.height, "height")
        return getattr(lib, name + "_pixels"), (ctypes.cast(source.address, ctypes.POINTER(ctypes.c_uint8)), width, height, 0)
    if isinstance(source, bytes):
        return getattr(lib, name + "_bytes"), (source, len(source))
    return getattr(lib, name), (encoded_path(source),)


def embeddings(model: "Model", handle: Handle, work: Work, images: "Images", deadline: Optional[float]) -> List[ImageEmbedding]:
    """The images of a call: an embedding or what `Model.encode_image` takes, or a list of these; encoded within `deadline` seconds.
    None: no images."""
    if images is None:
        return []
    is_list = isinstance(images, (list, tuple)) or getattr(images, "ndim", 0) == 4
    items: Any = images if is_list else [images]
    started = time.monotonic()
    found = []
    for item in items:
        if not isinstance(item, ImageEmbedding):
            item = encode(model, handle, work, item, deadline=remaining(deadline, started))
        found.append(item)
    return found


def remaining(deadline: Optional[float], started: float) -> Optional[float]:
    """Remaining seconds; never 0, which means no limit to the library."""
    return None if deadline is None else max(seconds(deadline) - (time.monotonic() - started), 1e-9)


def colour_code(colour: Tuple[int, int, int]) -> int:
    """0xRRGGBB."""
    if len(colour) != 3 or not all(isinstance(part, int) and 0 <= part <= 255 for part in colour):
        raise ArgumentError(f"background: three numbers from 0 to 255 are needed, not {colour!r}.")
    return colour[0] << 16 | colour[1] << 8 | colour[2]


def rectangle(crop: Optional[Tuple[int, int, int, int]]) -> Dict[str, int]:
    """The options for a part of the picture."""
    if crop is None:
        return {}
    left, upper, right, lower = crop
    if not (0 <= left < right and 0 <= upper < lower):
        raise ArgumentError(f"crop: left, upper, right and lower are needed, not {crop!r}.")
    return {"crop_x": left, "crop_y": upper, "crop_width": right - left, "crop_height": lower - upper}


def encoded_path(path: Union[str, "os.PathLike[str]"]) -> bytes:
    """A path for the library; an embedded NUL would cut it short."""
    encoded = os.fsencode(path)
    if b"\0" in encoded:
        raise ArgumentError("path: contains a NUL.")
    return encoded


def numpy_module(what: str) -> Any:
    try:
        import numpy
    except ImportError:
        raise ImportError(f"{what} needs NumPy: pip install numpy") from None
    return numpy
