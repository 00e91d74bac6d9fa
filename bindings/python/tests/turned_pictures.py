# SPDX-License-Identifier: Apache-2.0
"""Pictures with metadata that turn them, many of them damaged, and how Pillow 13.0.0 turns each. Versions of Pillow differ in a hundred of
them, where several blocks speak or one is damaged, so its answers are recorded. Run as a program to record those of the Pillow installed."""

from __future__ import annotations

import io
import random
import struct
import warnings
import zlib
from pathlib import Path
from typing import Iterator

import numpy
from PIL import Image, ImageOps

RECORDED = Path(__file__).with_suffix(".txt")
#: Of each EXIF orientation from 1 on, how a picture gets upright.
TURNS = (
    None,
    Image.Transpose.FLIP_LEFT_RIGHT,
    Image.Transpose.ROTATE_180,
    Image.Transpose.FLIP_TOP_BOTTOM,
    Image.Transpose.TRANSPOSE,
    Image.Transpose.ROTATE_270,
    Image.Transpose.TRANSVERSE,
    Image.Transpose.ROTATE_90,
)


def tiff(rng: random.Random) -> bytes:
    """A TIFF block of a few entries, now and then a wrong one, of all types and counts."""
    head = rng.choice([b"II*\0", b"MM\0*"]) if rng.random() < 0.85 else rng.choice([b"II\0*", b"MM*\0", b"MM\0+", b"II+\0", b"?", b""])
    e = ">" if head[:2] == b"MM" else "<"
    count = rng.randint(0, 4)
    entries, tail, base = b"", b"", 8 + 2 + 12 * count + 4
    forms = {1: "B", 2: "B", 3: "H", 4: "L", 5: "LL", 6: "B", 7: "B", 8: "h", 9: "l", 10: "ll", 11: "f", 12: "d", 13: "L", 16: "Q"}
    for _ in range(count):
        kind = rng.choice([1, 2, 3, 3, 3, 3, 4, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 16, 0, 99])
        values = rng.choice([1, 1, 1, 1, 0, 2, 3, 5, 70000, 2**31])
        form = forms.get(kind, "B")
        number = rng.choice([1, 2, 3, 4, 5, 6, 7, 8, 6, 8, 9, 0])
        parts = [number * rng.choice([1, 2]), rng.choice([0, 1, 2, 2])] if len(form) == 2 else [number]
        data = struct.pack(e + form, *parts) * min(values, 8)
        if struct.calcsize("=" + form) * values <= 4:
            field = data[:4].ljust(4, b"\0")
        else:
            field = struct.pack(e + "L", base + len(tail) if rng.random() < 0.8 else rng.choice([0, 8, 2**31, base + 5]))
            tail += data
        entries += struct.pack(e + "HHL", rng.choice([0x112, 0x112, 0x10F, 0x11A]), kind, values) + field
    block = head + struct.pack(e + "LH", 8, count + rng.choice([0, 0, 0, 1, 50])) + entries + bytes(4) + tail
    if rng.random() < 0.2:
        block = block[: rng.randint(0, len(block))]
    return rng.choice([b"", b"", b"", b"Exif\0\0"]) + block


def xmp(rng: random.Random) -> bytes:
    value = rng.choice(["1", "6", "8", "3", "9", "x", "66", ""])
    forms = [f'tiff:Orientation="{value}"', f"<tiff:Orientation>{value}</", f"tiff:Orientation='{value}'", "nothing"]
    return (rng.choice(forms) + rng.choice(["", ' tiff:Orientation="3"'])).encode()


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def saved(image, kind="PNG", **options) -> bytes:
    out = io.BytesIO()
    image.save(out, kind, **options)
    return out.getvalue()


def with_metadata(rng: random.Random, picture) -> bytes:
    if rng.random() < 0.5:
        data, segments = saved(picture, "JPEG", quality=95), b""
        for _ in range(rng.randint(1, 3)):
            body = rng.choice([b"Exif\0\0" + tiff(rng), b"Exif\0\0" + tiff(rng), b"http://ns.adobe.com/xap/1.0/\0" + xmp(rng), b"Exif\0x"])
            segments += rng.choice([b"", b"\xff"]) + b"\xff\xe1" + struct.pack(">H", len(body) + 2) + body
        return data[:2] + segments + data[2:]
    data, places = saved(picture), [b"", b""]
    for _ in range(rng.randint(1, 3)):
        block, text, kind = tiff(rng), xmp(rng), rng.randrange(5)
        profile = b"\nexif\n%8d\n%s\n" % (len(block), b"\n".join(block.hex().encode()[i : i + 72] for i in range(0, 2 * len(block), 72)))
        places[rng.randrange(2)] += [
            chunk(b"eXIf", block),
            chunk(b"zTXt", b"Raw profile type exif\0\0" + zlib.compress(profile)),
            chunk(b"tEXt", b"Raw profile type exif\0" + profile),
            chunk(b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0" + text),
            chunk(b"iTXt", b"XML:com.adobe.xmp\0\1\0\0\0" + zlib.compress(text)),
        ][kind]
    return data[:33] + places[0] + data[33:-12] + places[1] + data[-12:]


def turned(image, orientation: int):
    how = TURNS[orientation - 1]
    return image if how is None else image.transpose(how)


def files() -> Iterator[bytes]:
    """1500 PNG and JPEG files of one picture whose turns and corners all differ."""
    rng, pixels = random.Random(11), numpy.random.default_rng(3).integers(0, 256, (3, 5, 3), numpy.uint8)
    picture = Image.fromarray(numpy.kron(pixels, numpy.ones((4, 4, 1), numpy.uint8)))
    for _ in range(1500):
        yield with_metadata(rng, picture)


def by_pillow(data: bytes) -> int:
    """The orientation that Pillow reads, 0 where it refuses the file."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            found = ImageOps.exif_transpose(Image.open(io.BytesIO(data))).convert("RGB")
        except Exception:
            return 0
        stored = Image.open(io.BytesIO(data)).convert("RGB")
    return next(n for n in range(1, 9) if numpy.array_equal(turned(stored, n), found))


def recorded() -> str:
    """A digit for each file."""
    return RECORDED.read_text().replace("\n", "")


if __name__ == "__main__":
    digits = "".join(str(by_pillow(data)) for data in files())
    RECORDED.write_text("".join(digits[i : i + 100] + "\n" for i in range(0, len(digits), 100)))
