# SPDX-License-Identifier: Apache-2.0
"""Images of many Python types, as what the library takes: a path, the bytes of a PNG or JPEG file, or RGB pixels.

Arrays are [height, width] (grey) or [height, width, 1 to 4] (grey, grey and alpha, RGB, RGBA), channels last:

uint8: as it is.   bool: black and white.   uint16: its high byte.   Other integers: 0 to 255.
float: fractions of 255 where all values are within 0 to 1, else 0 to 255, rounded.

Alpha of arrays and PIL images, and the orientation of PIL images, are applied as the library does for files.
"""

from __future__ import annotations

import base64
import binascii
import ctypes
import io
import os
import re
import struct
import urllib.parse
from typing import IO, TYPE_CHECKING, Any, NamedTuple, Optional, Tuple, Union

from ._errors import ArgumentError

if TYPE_CHECKING:
    import numpy
    import PIL.Image

    Image = Union[str, "os.PathLike[str]", bytes, bytearray, memoryview, IO[bytes], "PIL.Image.Image", "numpy.ndarray[Any, Any]"]


class Pixels(NamedTuple):
    """RGB rows without gaps at `address`, in the memory of `owner`."""

    address: int
    owner: Any
    width: int
    height: int


class Reading(NamedTuple):
    """How pictures are decoded."""

    #: Whether their EXIF orientation is applied.
    upright: bool
    #: The colour behind transparent pixels; None: alpha is ignored.
    background: Optional[Tuple[int, int, int]]


def picture(image: Any, reading: Reading) -> Any:
    """`image`, an Image, as a path (str or PathLike), the bytes of a file, or Pixels.

    reading: for arrays and what Pillow decodes; the library does the same for the files that it decodes.
    """
    if isinstance(image, str) and image[:5].lower() == "data:":
        return _file(_data_url(image), reading)
    if isinstance(image, str) and re.match(r"https?://", image, re.I):
        raise ArgumentError("image: is a web address; nothing is fetched, give the picture's bytes.")
    if isinstance(image, (str, os.PathLike)):
        return _path(image, reading)
    if isinstance(image, (bytes, bytearray)) or (isinstance(image, memoryview) and image.ndim == 1):
        return _file(bytes(image), reading)
    if callable(getattr(image, "read", None)):
        return _file(_read(image), reading)
    if callable(getattr(image, "convert", None)) and hasattr(image, "mode"):
        return _pillow(image, reading)
    if hasattr(image, "shape"):
        return _array(image, reading)
    raise TypeError(f"image: a path, bytes, an open file, a PIL image or an array is needed, not {type(image).__name__}")


def _is_native(start: bytes) -> bool:
    """Whether a file with this start is PNG or JPEG, which the library decodes."""
    return start.startswith((b"\x89PNG", b"\xff\xd8"))


def _path(path: Any, reading: Reading) -> Any:
    try:
        with open(path, "rb") as file:
            native = _is_native(file.read(4))
    except (OSError, ValueError):
        return path  # the library raises the error
    return path if native else _by_pillow(path, reading) or path


def _file(data: bytes, reading: Reading) -> Union[bytes, Pixels]:
    if _is_native(data) or not data:
        return data
    return _by_pillow(io.BytesIO(data), reading) or data


def _by_pillow(source: Any, reading: Reading) -> Optional[Pixels]:
    """The first picture of a file of another kind; None without Pillow, or where Pillow does not know the file either."""
    try:
        import PIL
        import PIL.Image
    except ImportError:
        return None
    try:
        with PIL.Image.open(source) as opened:
            opened.load()
            return _pillow(opened, reading)
    except PIL.UnidentifiedImageError:
        return None
    except (OSError, SyntaxError, ValueError, PIL.Image.DecompressionBombError) as error:
        raise _image_error(f"image: Pillow cannot read it: {error}") from error


def _image_error(message: str) -> Exception:
    from ._errors import ImageError

    return ImageError(message)


def _check_size(width: int, height: int) -> None:
    """What the library takes, before anything is copied: a view may stand for far more than its memory."""
    if not width or not height:
        raise ArgumentError(f"image: is empty, {width} × {height} pixels.")
    if max(width, height) > 1 << 20:
        raise _image_error(f"image: has {width} × {height} pixels; a side may have {1 << 20}.")
    if width * height > 1 << 28:
        raise _image_error(f"image: has {width} × {height} pixels; {1 << 28} in all are allowed.")


def _data_url(url: str) -> bytes:
    head, comma, body = url[5:].partition(",")
    if not comma:
        raise ArgumentError("image: the data URL has no comma.")
    data = urllib.parse.unquote_to_bytes(body)
    if not head.lower().endswith(";base64"):
        return data
    try:
        data = re.sub(rb"\s", b"", data)
        return base64.b64decode(data + b"=" * (-len(data) % 4), validate=True)  # URLs are often without padding
    except (binascii.Error, ValueError) as error:
        raise ArgumentError(f"image: the data URL is damaged: {error}.") from None


def _read(file: Any) -> bytes:
    """The contents of an open file from its position on; all of it where the position is at its end, as after writing."""
    data = file.read()
    if not data and callable(getattr(file, "seek", None)):
        try:
            file.seek(0)
        except (OSError, ValueError):
            return b""
        data = file.read()
    if not isinstance(data, (bytes, bytearray, memoryview)):
        raise TypeError("image: the file is open as text; open it with mode 'rb'")
    return bytes(data)


def _pillow(image: Any, reading: Reading) -> Pixels:
    import PIL.Image
    import PIL.ImageOps

    _check_size(*image.size)
    if reading.upright:
        try:
            if image.getexif().get(0x0112, 1) in range(2, 9):  # checked first: exif_transpose copies even what it does not turn
                image = PIL.ImageOps.exif_transpose(image)
        except (SyntaxError, ValueError, struct.error):
            pass  # damaged EXIF is ignored, as in files
    if image.mode.startswith("I"):  # 16 bits per pixel: the high byte, as for 16-bit RGB
        wide = image.convert("I")
        low, high = wide.getextrema()
        if low < 0 or high > 65535:
            raise ArgumentError(f"image: grey values from {low} to {high}, must be of 16 bits.")
        image = (wide.point(lambda v: v * (1 / 256) + 0) if image.mode != "I" or high > 255 else wide).convert("L")
    elif image.mode == "F":
        return _array(image, reading)
    is_painted = reading.background is not None and _has_alpha(image)
    # A few rows at a time, so that only the RGB pixels for the library are a full copy.
    width, height = image.size
    data = bytearray(3 * width * height)
    step = max(1, (1 << 20) // (3 * width or 1))
    for top in range(0, height, step):
        rows = image.crop((0, top, width, min(top + step, height)))
        if is_painted:
            rgba = (rows.convert("LA") if rows.mode == "La" else rows).convert("RGBA")
            rows = PIL.Image.new("RGB", rgba.size, reading.background)
            rows.paste(rgba, mask=rgba.getchannel("A"))
        part = rows.convert("RGB").tobytes()
        data[3 * width * top : 3 * width * top + len(part)] = part
    return Pixels(ctypes.addressof(ctypes.c_char.from_buffer(data)), data, width, height)


def _has_alpha(image: Any) -> bool:
    if "transparency" in image.info or image.mode in ("RGBA", "LA", "PA", "RGBa", "La"):
        return True
    return image.mode == "P" and getattr(image.palette, "mode", "") in ("RGBA", "RGBa")


def _array(image: Any, reading: Reading) -> Pixels:
    try:
        import numpy
    except ImportError:
        raise ImportError("image: an array needs NumPy: pip install numpy") from None
    a = numpy.asarray(image)
    shape = list(a.shape)
    if len(shape) == 2:
        a = a[:, :, None]
    if a.ndim != 3 or not 1 <= a.shape[2] <= 4:
        turn = "; its channels come first, give it transposed (1, 2, 0)" if len(shape) == 3 and 1 <= shape[0] <= 4 else ""
        raise ArgumentError(f"image: the array must be [height, width] or [height, width, 1 to 4], not {shape}{turn}.")
    _check_size(shape[1], shape[0])
    a = _bytes(a, numpy)
    if a.shape[2] in (2, 4):
        colours, alpha = a[:, :, :-1], a[:, :, -1:].astype(numpy.uint32)
        a = numpy.repeat(colours, 3, axis=2) if colours.shape[2] == 1 else colours
        if reading.background is not None:
            a = ((a * alpha + numpy.array(reading.background, numpy.uint32) * (255 - alpha) + 127) // 255).astype(numpy.uint8)
    if a.shape[2] == 1:
        a = numpy.repeat(a, 3, axis=2)
    a = numpy.ascontiguousarray(a)  # no copy where it is contiguous already
    return Pixels(a.ctypes.data, a, a.shape[1], a.shape[0])


def _bytes(a: Any, numpy: Any) -> Any:
    """uint8 values, scaled by the array's type."""
    if a.dtype == numpy.uint8:
        return a
    if a.dtype.kind == "b":
        return a.astype(numpy.uint8) * numpy.uint8(255)
    if a.dtype.kind == "u" and a.dtype.itemsize == 2:  # uint16 of either byte order
        return (a >> 8).astype(numpy.uint8)
    if a.dtype.kind not in "iuf":
        raise ArgumentError(f"image: an array of {a.dtype} is no picture.")
    low, high = a.min(), a.max()
    if not (low >= 0 and high <= 255):  # also for NaN
        raise ArgumentError(f"image: the array has values from {low} to {high}, must be 0 to 1 or 0 to 255.")
    if a.dtype.kind == "f":
        a = numpy.rint(a.astype(numpy.float64) * (255 if high <= 1 else 1))
    return a.astype(numpy.uint8)
