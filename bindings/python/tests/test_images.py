# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import fovea
import numpy
import pytest


def test_path_bytes_pil_and_array_give_the_same_vectors(model, picture, tmp_path):
    from PIL import Image

    pil = Image.fromarray(picture)
    path = tmp_path / "picture.png"
    pil.save(path)
    vectors = [model.encode_image(source).numpy() for source in (picture, pil, path, str(path), path.read_bytes(), bytearray(path.read_bytes()))]
    for other in vectors[1:]:
        assert numpy.array_equal(vectors[0], other)


def test_an_array_need_not_be_contiguous(model, picture):
    wide = numpy.repeat(picture, 2, axis=1)[:, ::2]
    assert not wide.flags["C_CONTIGUOUS"]
    assert numpy.array_equal(model.encode_image(wide).numpy(), model.encode_image(picture).numpy())


def test_vectors_are_what_the_model_says(model, image):
    vectors = image.numpy()
    assert vectors.dtype == numpy.float32
    assert vectors.shape == (image.tokens, image.hidden_size)
    assert image.hidden_size == model.info["hidden_size"]
    assert 0 < image.tokens <= model.info["image_tokens"]
    assert numpy.isfinite(vectors).all() and vectors.std() > 0
    assert image.size == (500, 300)


def test_the_views_cover_the_image(image):
    views = image.views
    whole = [v for v in views if v.row < 0]
    assert len(whole) == 1
    covered = numpy.zeros((300, 500), bool)
    for v in views:
        if v.row >= 0:
            covered[max(0, int(v.y)) : int(numpy.ceil(v.y + v.height)), max(0, int(v.x)) : int(numpy.ceil(v.x + v.width))] = True
    assert len(views) == 1 or covered.mean() > 0.9
    tokens = [range(v.first_token, v.first_token + v.tokens) for v in views]
    assert sum(len(t) for t in tokens) == len(set().union(*tokens)) <= image.tokens


def test_bad_images_raise(model, tmp_path):
    with pytest.raises(fovea.FileError, match="missing.png"):
        model.encode_image(tmp_path / "missing.png")
    with pytest.raises(OSError):
        model.encode_image(tmp_path / "missing.png")
    for data in (b"", b"no image", b"\x89PNG\r\n\x1a\n" + b"\0" * 20):
        with pytest.raises((fovea.ImageError, fovea.ArgumentError)):
            model.encode_image(data)
    with pytest.raises(fovea.ArgumentError, match="NUL"):
        model.encode_image("a\0b")
    for array in (numpy.zeros(4), numpy.zeros((3, 40, 50)), numpy.full((4, 4), -1), numpy.full((4, 4), numpy.nan), numpy.full((4, 4), "a")):
        with pytest.raises(fovea.ArgumentError, match="array"):
            model.encode_image(array)
    with pytest.raises(fovea.ArgumentError):
        model.encode_image(numpy.zeros((0, 4, 3), numpy.uint8))
    with pytest.raises(TypeError):
        model.encode_image(7)


def test_progress_counts_up_and_can_stop(model, picture):
    seen = []
    model.encode_image(picture, progress=lambda done, total: seen.append((done, total)))
    assert [done for done, _ in seen] == sorted(done for done, _ in seen)
    assert len({total for _, total in seen}) == 1 and seen[-1][0] <= seen[-1][1]
    with pytest.raises(fovea.Cancelled):
        model.encode_image(picture, progress=lambda done, total: True)


def test_an_exception_in_progress_comes_out(model, picture):
    def fail(done, total):
        raise RuntimeError("from the callback")

    with pytest.raises(RuntimeError, match="from the callback"):
        model.encode_image(picture, progress=fail)


def test_a_deadline_stops_encoding(model, picture):
    with pytest.raises(fovea.DeadlineExceeded):
        model.encode_image(picture, deadline=1e-9)
