# SPDX-License-Identifier: Apache-2.0
"""What people give as an image, in all its forms, and as `images`."""

from __future__ import annotations

import base64
import io
import json
import os
import subprocess
import sys
import time

import fovea
import numpy
import pytest


@pytest.fixture(scope="module")
def vectors(model, picture):
    return model.encode_image(picture).numpy()


@pytest.fixture(scope="module")
def grey(picture):
    return picture[:, :, 0]


def same(model, a, b) -> bool:
    return numpy.array_equal(model.encode_image(a).numpy(), model.encode_image(b).numpy())


def three(grey):
    return numpy.repeat(grey[:, :, None], 3, axis=2)


def file_of(picture, kind: str, **options) -> bytes:
    from PIL import Image

    file = io.BytesIO()
    Image.fromarray(picture).save(file, kind, **options)
    return file.getvalue()


def test_open_files_memory_views_and_data_urls(model, picture, vectors, tmp_path):
    png = file_of(picture, "PNG")
    path = tmp_path / "picture.png"
    path.write_bytes(png)
    written = io.BytesIO()
    written.write(png)  # stands at its end
    with open(path, "rb") as opened:
        for source in (
            io.BytesIO(png),
            written,
            opened,
            memoryview(png),
            "data:image/png;base64," + base64.b64encode(png).decode(),
            "data:image/png;base64," + base64.b64encode(png).decode().rstrip("="),
            "data:image/png," + "".join(f"%{b:02x}" for b in png),
        ):
            assert numpy.array_equal(model.encode_image(source).numpy(), vectors)
    with open(path, encoding="latin-1") as text, pytest.raises(TypeError, match="rb"):
        model.encode_image(text)
    for url in ("data:image/png;base64", "data:image/png;base64,####", "https://example.org/a.png"):
        with pytest.raises(fovea.ArgumentError, match="image"):
            model.encode_image(url)


def test_arrays_of_other_types_and_shapes(model, picture, grey):
    assert same(model, picture.astype(numpy.float32) / 255, picture)
    assert same(model, picture.astype(numpy.float64), picture)
    assert same(model, picture.astype(numpy.int64), picture)
    assert same(model, picture.astype(numpy.uint16) * 257, picture)
    for factor in (1, 257):  # values up to 255 are of 16 bits too
        wide = picture.astype(numpy.uint16) * factor
        assert same(model, wide.astype(">u2"), wide)
    assert same(model, grey, three(grey)) and same(model, grey[:, :, None], three(grey))
    assert same(model, grey > 100, three((grey > 100).astype(numpy.uint8) * 255))
    assert same(model, memoryview(picture), picture)
    alpha = numpy.full(grey.shape, 255, numpy.uint8)
    alpha[:100] = 0
    white = picture.copy()
    white[:100] = 255
    assert same(model, numpy.dstack([picture, alpha]), white)
    assert same(model, numpy.dstack([grey, alpha]), numpy.where((alpha == 0)[:, :, None], 255, three(grey)))


def test_pictures_beyond_the_limits_are_refused_before_a_copy(model):
    Image = pytest.importorskip("PIL.Image")
    for shape in ((1 << 16, 1 << 16, 3), (1 << 21, 1), (1, 1 << 40, 3)):
        began = time.monotonic()
        with pytest.raises(fovea.ImageError, match=f"{shape[1]} × {shape[0]}"):
            model.encode_image(numpy.broadcast_to(numpy.uint8(0), shape))
        assert time.monotonic() - began < 1
    for nothing in (numpy.zeros((0, 4, 3), numpy.uint8), Image.new("RGB", (0, 5))):
        with pytest.raises(fovea.ArgumentError, match="empty"):
            model.encode_image(nothing)


@pytest.mark.parametrize("mode", ["1", "L", "P", "RGBA", "LA", "CMYK", "YCbCr", "HSV", "LAB", "I", "F", "I;16", "RGBa", "La"])
def test_pil_images_of_every_mode(model, picture, grey, mode):
    from PIL import Image

    rgb = Image.fromarray(picture)
    if mode == "I;16":
        assert same(model, Image.fromarray(grey.astype(numpy.uint16) * 257), three(grey))
    elif mode in ("I", "F"):
        assert same(model, Image.fromarray(grey).convert(mode), three(grey))
    elif mode in ("RGBa", "La"):
        assert same(model, rgb.convert("RGBA" if mode == "RGBa" else "LA").convert(mode), rgb.convert("L" if mode == "La" else "RGB"))
    else:
        assert same(model, rgb.convert(mode), rgb.convert(mode).convert("RGB"))


def test_transparent_pil_images_are_on_white(model, picture):
    from PIL import Image

    image = Image.fromarray(picture).convert("RGBA")
    image.putalpha(Image.new("L", image.size, 0))
    assert same(model, image, numpy.full_like(picture, 255))
    image = Image.fromarray(picture).convert("P")
    image.info["transparency"] = image.getpixel((0, 0))
    assert not same(model, image, numpy.asarray(image.convert("RGB")))


@pytest.mark.parametrize("kind", ["WEBP", "GIF", "BMP", "TIFF", "PPM"])
def test_other_formats_are_read_by_pillow(model, picture, tmp_path, kind):
    from PIL import Image

    data = file_of(picture, kind, **({"lossless": True} if kind == "WEBP" else {}))
    path = tmp_path / f"picture.{kind.lower()}"
    path.write_bytes(data)
    expected = Image.open(io.BytesIO(data)).convert("RGB")
    assert same(model, data, expected) and same(model, path, expected) and same(model, io.BytesIO(data), expected)


def test_a_damaged_file_of_another_format_is_an_image_error(model, picture):
    with pytest.raises(fovea.ImageError):
        model.encode_image(file_of(picture, "TIFF")[:5000])
    with pytest.raises(fovea.ImageError):
        model.encode_image(b"GIF89a no picture at all")


def test_images_may_be_one_or_many_and_of_any_kind(model, picture, image, tmp_path):
    session = model.session()
    expected = session.generate("What is it?", [image], max_tokens=6)
    path = tmp_path / "picture.png"
    path.write_bytes(file_of(picture, "PNG"))
    for images in (image, picture, path, str(path), path.read_bytes(), [path], (picture,), [image], picture[None]):
        assert session.generate("What is it?", images, max_tokens=6) == expected
    two = session.generate("Compare.", [image, image], max_tokens=6)
    assert session.generate("Compare.", [image, path], max_tokens=6) == two
    with pytest.raises(TypeError, match="image"):
        session.generate("What is it?", [7], max_tokens=6)
    with pytest.raises(fovea.DeadlineExceeded):
        session.generate("What is it?", picture, deadline=1e-9)


def test_boxes_may_be_fractions(root):
    ferret = fovea.load(root / "tools" / "nano" / "models" / "ferret-nano" / "ferret-nano-int8.fovea", threads=2)
    scene = ferret.encode_image(root / "tools" / "nano" / "samples" / "scene.png")
    width, height = scene.size
    session = ferret.session()

    def name(region):
        return session.generate("What is the object <region>?", scene, regions=region, max_tokens=40).strip()

    x1, y1, x2, y2 = 28 / width, 85 / height, 69 / width, 124 / height
    assert name(fovea.Box(x1, y1, x2, y2, normalised=True)) == name(fovea.Box(28, 85, 69, 124)) == "house"
    assert name([fovea.Point(48 / width, 104 / height, normalised=True)]) == name(fovea.Point(48, 104))
    corners = [(x1, y1), (x2, y1), (x2, y2), (x1, y2)]
    assert name(fovea.Polygon(corners, normalised=True)) == name(fovea.Polygon([(x * width, y * height) for x, y in corners]))
    with pytest.raises(fovea.ArgumentError, match="0 to 1"):
        name(fovea.Box(28, 85, 69, 124, normalised=True))
    with pytest.raises(fovea.ArgumentError, match="image 3"):
        name(fovea.Box(0, 0, 1, 1, image=3, normalised=True))


def python(root, *arguments, **environment):
    return subprocess.run(
        [sys.executable, *arguments],
        env={**os.environ, "PYTHONPATH": str(root / "bindings" / "python"), **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )


def test_numpy_and_pillow_are_optional(root, sample):
    code = """
import sys
sys.modules["numpy"] = sys.modules["PIL"] = None
import fovea
model = fovea.load(threads=1)
session = model.session()
image = model.encode_image(sys.argv[1])
assert session.generate(sys.argv[2], image) == sys.argv[3]
for call in (image.numpy, lambda: session.logits("a")):
    try:
        call()
    except ImportError as error:
        assert "pip install numpy" in str(error)
    else:
        raise SystemExit("no error")
"""
    done = python(root, "-c", code, *sample)
    assert done.returncode == 0, done.stderr.decode()


def test_python_m_fovea_runs(root, sample, tmp_path):
    path, question, answer = sample
    done = python(root, "-m", "fovea", "run", "-i", path, "-p", question)
    assert done.stdout.decode() == answer + "\n", done.stderr.decode()
    # A library without the command line beside it.
    alone = tmp_path / "libfovea.so.1"
    alone.write_bytes((root / "build" / "lib" / "libfovea.so.1").read_bytes())
    environment = {"FOVEA_LIBRARY": str(alone), "FOVEA_MODEL": fovea.builtin_model()}
    done = python(root, "-m", "fovea", "run", "-i", path, "-p", question, **environment)
    assert done.stdout.decode() == answer + "\n", done.stderr.decode()
    done = python(root, "-m", "fovea", "describe", path, str(tmp_path / "missing.png"), "-p", question, **environment)
    assert done.returncode == 65 and json.loads(done.stdout)["text"] == answer and b"missing.png" in done.stderr


def test_special_tokens_are_written_when_asked(model):
    ids = model.tokenize("</s>a")
    assert model.detokenize(ids, specials=True) in ("</s>a", "</s> a")  # the tokenizer's own blank
    assert model.detokenize(ids) == "a"


def test_results_are_copied_within_the_call(model, image):
    """Another thread's call on the session is turned away until the results are Python's own."""
    import threading

    session, failures, ends = model.session(), [], threading.Event()

    def generate():
        while not ends.is_set():
            try:
                session.generate("Describe.", image, max_tokens=4)
            except fovea.BusyError:
                pass
            except BaseException as error:
                failures.append(error)
                return

    threads = [threading.Thread(target=generate) for _ in range(2)]
    for thread in threads:
        thread.start()
    rows = set()
    for _ in range(200):
        for read in (lambda: rows.add(session.logits("abc", image).shape), lambda: session.places):
            try:
                read()
            except fovea.BusyError:
                pass
    ends.set()
    for thread in threads:
        thread.join()
    assert not failures and len(rows) <= 1


def test_no_images_may_be_none(model):
    with model.session() as session:
        assert session.generate("a", images=None, max_tokens=2, ignore_eos=True) == session.generate("a", max_tokens=2, ignore_eos=True)


@pytest.mark.parametrize("text", [b"a", 3, None, ["a"]])
def test_what_is_no_text_is_named(model, text):
    with pytest.raises(TypeError, match="text is needed, not " + type(text).__name__):
        model.tokenize(text)
    with model.session() as session, pytest.raises(TypeError, match="text is needed, not " + type(text).__name__):
        session.generate(text)


def test_stop_texts_are_a_list(model):
    for text in ("", "word", b""):
        with pytest.raises(fovea.ArgumentError, match="stop"):
            model.session().generate("Why?", stop=text, max_tokens=1)
