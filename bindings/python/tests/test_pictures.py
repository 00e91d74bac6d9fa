# SPDX-License-Identifier: Apache-2.0
"""How files are read: turns, transparency, damage, memory and deadlines. Pillow is the reference."""

from __future__ import annotations

import io
import random
import struct
import subprocess
import sys
import time
import warnings
import zlib

import fovea
import numpy
import pytest

PIL = pytest.importorskip("PIL")
from PIL import Image, ImageOps  # noqa: E402


def same(model, a, b, **options) -> bool:
    return numpy.array_equal(model.encode_image(a, **options).numpy(), model.encode_image(b, **options).numpy())


def saved(image, kind="PNG", **options) -> bytes:
    out = io.BytesIO()
    image.save(out, kind, **options)
    return out.getvalue()


# ---- Transparency and depth


@pytest.mark.parametrize("mode", ["RGBA", "LA", "P"])
def test_transparent_pixels_are_painted(model, mode):
    rng = numpy.random.default_rng(1)
    image = Image.fromarray(rng.integers(0, 256, (30, 40, 4), numpy.uint8), "RGBA")
    if mode != "RGBA":
        image = image.convert("LA") if mode == "LA" else image.quantize(40)
    data = saved(image)
    layers = Image.open(io.BytesIO(data)).convert("RGBA")
    for colour in ((255, 255, 255), (10, 200, 30)):
        ground = Image.new("RGB", image.size, colour)
        ground.paste(layers, mask=layers.getchannel("A"))
        assert same(model, data, ground, background=colour)
        assert same(model, image, ground, background=colour)
    assert numpy.array_equal(model.encode_image(data).numpy(), model.encode_image(data, background=(255, 255, 255)).numpy())
    assert same(model, data, Image.open(io.BytesIO(data)).convert("RGB"), background=None)


def test_a_background_is_a_colour(model, picture):
    for wrong in ((1, 2), (1, 2, 256), (-1, 0, 0)):
        with pytest.raises(fovea.ArgumentError, match="background"):
            model.encode_image(picture, background=wrong)


def test_grey_of_16_bits_keeps_its_high_byte(model):
    values = numpy.arange(64 * 48, dtype=numpy.uint32).reshape(48, 64) * 20
    deep = Image.fromarray(values.astype(numpy.uint16))
    shallow = Image.fromarray((values >> 8).astype(numpy.uint8))
    assert same(model, saved(deep), shallow)
    assert same(model, deep, shallow)


# ---- Turns


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


def with_metadata(rng: random.Random, picture, chunk) -> bytes:
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


def test_turns_are_those_of_pillow(model, hostile):
    rng, pixels = random.Random(11), numpy.random.default_rng(3).integers(0, 256, (3, 5, 3), numpy.uint8)
    picture = Image.fromarray(numpy.kron(pixels, numpy.ones((4, 4, 1), numpy.uint8)))
    # Shapes and corners tell the eight turns apart without comparing vectors each time.
    vectors = {}
    turned = compared = 0
    for number in range(1500):
        data = with_metadata(rng, picture, hostile.chunk)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                expected = ImageOps.exif_transpose(Image.open(io.BytesIO(data))).convert("RGB")
            except Exception:
                continue  # what Pillow refuses is left as it is
        key = (expected.size, expected.tobytes())
        if key not in vectors:
            vectors[key] = model.encode_image(numpy.asarray(expected)).numpy()
        assert numpy.array_equal(model.encode_image(data).numpy(), vectors[key]), f"file {number} of seed 11"
        compared += 1
        turned += expected.size != picture.size
    assert compared > 1000 and turned > 50


def test_a_turned_image_is_the_image_turned(model, picture):
    image = Image.fromarray(picture)
    for orientation in range(1, 9):
        exif = image.getexif()
        exif[0x0112] = orientation
        data = saved(image, exif=exif)
        upright = ImageOps.exif_transpose(Image.open(io.BytesIO(data)))
        assert same(model, data, numpy.asarray(upright))
        assert same(model, Image.open(io.BytesIO(data)), numpy.asarray(upright))
        assert numpy.array_equal(model.encode_image(data, apply_orientation=False).numpy(), model.encode_image(picture).numpy())
        pil = Image.open(io.BytesIO(data))
        assert numpy.array_equal(model.encode_image(pil, apply_orientation=False).numpy(), model.encode_image(picture).numpy())


# ---- Files without an end


def test_files_that_lack_only_their_end_are_read(model, picture):
    image = Image.fromarray(picture)
    png, jpeg = saved(image), saved(image, "JPEG")
    for data in (png[:-12], png[:-12] + b"\0\0\0\5IENDxx", png[:-4]):
        assert same(model, data, png)
    for data in (jpeg[:-2], jpeg[:-2] + b"behind", jpeg[:-1]):
        assert same(model, data, jpeg)
    for data in (png[: len(png) // 2], jpeg[: len(jpeg) // 2]):
        with pytest.raises(fovea.ImageError, match="truncated"):
            model.encode_image(data)


# ---- Memory and time

PEAK = """
import sys
sys.path.insert(0, {package!r})
import fovea
model = fovea.load(threads=1)
try:
    model.encode_image(sys.argv[1])
except fovea.OutOfMemory as error:
    print(error, file=sys.stderr)
print(next(int(line.split()[1]) for line in open("/proc/self/status") if line.startswith("VmHWM:")))
"""


def peak(root, path) -> float:
    """Megabytes that a process had at most that encoded one picture."""
    code = PEAK.format(package=str(root / "bindings" / "python"))
    result = subprocess.run([sys.executable, "-c", code, str(path)], capture_output=True, text=True, check=True)
    return int(result.stdout) / 1024


def test_a_large_photo_takes_little_more_than_a_small_one(root, tmp_path):
    rng = numpy.random.default_rng(5)
    for name, width, height in (("small", 1155, 866), ("large", 4000, 3000)):
        tile = Image.fromarray(rng.integers(0, 256, (height // 16, width // 16, 3), numpy.uint8))
        tile.resize((width, height), Image.Resampling.BILINEAR).save(tmp_path / f"{name}.jpg", quality=92)
    assert peak(root, tmp_path / "large.jpg") < peak(root, tmp_path / "small.jpg") + 15


def test_small_files_of_large_pictures_stay_small(root, tmp_path, hostile):
    for name, data in hostile.all_pictures().items():
        if "400 scans" in name:  # minutes of work, see the deadlines
            continue
        (tmp_path / "picture").write_bytes(data)
        if name == "PNG 268435456 x 1":
            with pytest.raises(fovea.ImageError, match="picture: has 268435456 × 1 pixels"):
                fovea.load(threads=1).encode_image(tmp_path / "picture")
        else:
            assert peak(root, tmp_path / "picture") < 200, name


def test_what_has_to_be_held_whole_is_asked_of_the_budget(hostile):
    plan = fovea.plan()
    # Twice and four times as many bytes as there is room for.
    side = int((plan["scratch_bytes"] + plan["session_bytes"]) ** 0.5) + 64
    model = fovea.load(threads=1, memory_budget=plan["total_bytes"])
    model.encode_image(hostile.png(side, side))
    for data in (hostile.png(side, side, interlaced=True), hostile.jpeg(side, side, progressive=True)):
        with pytest.raises(fovea.OutOfMemory, match=rf"{side} × {side} pixels of this kind takes \d+ bytes"):
            model.encode_image(data)
        fovea.load(threads=1).encode_image(data)


def test_a_deadline_holds_for_every_picture(model, hostile):
    # Lenient, for machines that do other things: tools/check-deadlines asks for 50 ms.
    for name, data in hostile.all_pictures().items():
        start = time.monotonic()
        try:
            model.encode_image(data, deadline=0.01)
        except (fovea.DeadlineExceeded, fovea.ImageError, fovea.OutOfMemory):
            pass
        assert time.monotonic() - start < 1, name


def test_a_callback_is_asked_while_rows_are_read(model, hostile):
    start = time.monotonic()
    with pytest.raises(fovea.Cancelled):
        model.encode_image(hostile.png(16000, 16000, colour=0), progress=lambda done, total: time.monotonic() - start > 0.1)
    assert time.monotonic() - start < 2
