# SPDX-License-Identifier: Apache-2.0
"""How files are read: turns, transparency, damage, memory and deadlines. Pillow is the reference."""

from __future__ import annotations

import io
import subprocess
import sys
import time
import warnings

import fovea
import numpy
import pytest
import turned_pictures

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


def test_turns_are_those_of_pillow(model):
    vectors = {}
    turns = turned_pictures.recorded()
    for number, data in enumerate(turned_pictures.files()):
        if turns[number] == "0":
            continue  # what Pillow refuses is left as it is
        key = turns[number], data[:2]  # JPEG's losses are the file's
        if key not in vectors:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                picture = Image.open(io.BytesIO(data)).convert("RGB")
            vectors[key] = model.encode_image(numpy.asarray(turned_pictures.turned(picture, int(turns[number])))).numpy()
        assert numpy.array_equal(model.encode_image(data).numpy(), vectors[key]), f"file {number}"
    assert len(turns) == 1500 and turns.count("0") < 500 and len(vectors) == 16


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
