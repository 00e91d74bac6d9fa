# SPDX-License-Identifier: Apache-2.0
"""Copies share, pickles reopen or carry values, sessions refuse; process pools work."""

from __future__ import annotations

import copy
import multiprocessing
import pickle
from concurrent.futures import ProcessPoolExecutor

import fovea
import numpy
import pytest

QUESTION = "What is in the picture?"


def answer(model, image):
    return model.session().generate(QUESTION, image, max_tokens=6, ignore_eos=True)


def encode(model, picture):
    return model.encode_image(picture)


def test_models_and_embeddings_copy_as_themselves(model, image):
    for thing in (model, image):
        assert copy.copy(thing) is thing and copy.deepcopy(thing) is thing and copy.deepcopy([thing])[0] is thing


def test_a_model_pickles_as_its_path_and_options(model, image):
    assert pickle.loads(pickle.dumps(model)) is model
    other = fovea.load(threads=1, context_length=512)
    data = pickle.dumps(other)
    assert len(data) < 1000
    del other
    again = pickle.loads(data)
    assert again.info["threads"] == 1 and again.info["context_length"] == 512


def test_a_model_from_bytes_does_not_pickle():
    model = fovea.load_bytes(open(fovea.builtin_model(), "rb").read(), threads=1)
    with pytest.raises(TypeError, match="bytes"):
        pickle.dumps(model)


def test_an_embedding_pickles_by_value(model, image):
    again = pickle.loads(pickle.dumps(image))
    assert again is not image and numpy.array_equal(again.numpy(), image.numpy())
    assert again.size == image.size and again.views == image.views
    assert answer(model, again) == answer(model, image)
    assert model.embedding_from_bytes(image.to_bytes()).to_bytes() == image.to_bytes()


def test_damaged_embeddings_and_those_of_another_file_raise(root, model, image):
    data = image.to_bytes()
    for bad in (b"", data[:-1], data + b"0", data[:-9] + bytes([data[-9] ^ 1]) + data[-8:]):
        with pytest.raises((fovea.FormatError, fovea.ArgumentError)):
            model.embedding_from_bytes(bad)
    other = fovea.load(root / "tools" / "nano" / "models" / "ferret-nano" / "ferret-nano-int8.fovea", threads=1)
    with pytest.raises(fovea.ArgumentError, match="another weight file"):
        other.embedding_from_bytes(data)


def test_regions_are_read_from_an_unpickled_embedding(root):
    """The map that they are read from goes along."""
    ferret = fovea.load(root / "tools" / "nano" / "models" / "ferret-nano" / "ferret-nano-int8.fovea", threads=1)
    scene = ferret.encode_image(root / "tools" / "nano" / "samples" / "scene.png")
    for image in (scene, pickle.loads(pickle.dumps(scene))):
        said = ferret.session().generate("What is the object <region>?", image, regions=fovea.Box(28, 85, 69, 124), max_tokens=40)
        assert said.strip() == "house"


def test_sessions_neither_copy_nor_pickle(model):
    session = model.session()
    for call in (copy.copy, copy.deepcopy, pickle.dumps):
        with pytest.raises(TypeError, match="Session"):
            call(session)


@pytest.mark.parametrize("method", ["spawn", "fork"])
def test_process_pools_work(model, image, picture, method):
    expected = answer(model, image)
    with ProcessPoolExecutor(2, mp_context=multiprocessing.get_context(method)) as pool:
        assert list(pool.map(answer, [model] * 4, [image] * 4, timeout=120)) == [expected] * 4
        made = pool.submit(encode, model, picture).result(timeout=120)
    assert numpy.array_equal(made.numpy(), image.numpy())
    assert answer(model, made) == expected
