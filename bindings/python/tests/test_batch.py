# SPDX-License-Identifier: Apache-2.0
"""Many requests at once: answers are those alone, failures stay where they belong, an interrupt ends all."""

from __future__ import annotations

import os
import signal
import threading

import fovea
import pytest

#: A model of each kind, and each weight type.
MODELS = [
    "hires-llava-nano/hires-llava-nano-int8.fovea",
    "hires-llava-nano/hires-llava-nano-int4.fovea",
    "ferret-nano/ferret-nano-int8.fovea",
    "monkey-nano/monkey-nano-2x2-int8.fovea",
    "vary-nano/vary-nano-int8.fovea",
]


@pytest.mark.parametrize("name", MODELS)
def test_answers_are_those_alone(root, name):
    path = root / "tools" / "nano" / "models" / name
    if not path.exists():
        pytest.skip(f"{name} is not here")
    pictures = sorted((root / "tools" / "nano" / "samples").glob("*.png"))[:4]
    prompts = ["What is in the picture?", "Read the text.", "Describe the picture at length.", "What is at the top left?", "How many?"]
    with fovea.load(path, threads=2) as model:
        images = [model.encode_image(pictures[i % len(pictures)]) for i in range(len(prompts))]
        for options in ({}, {"temperature": 1.0, "seed": 3, "ignore_eos": True}, {"beams": 3}):
            alone = [model.session().generate(prompt, image, max_tokens=24, **options) for prompt, image in zip(prompts, images)]
            assert model.generate_many(prompts, images, batch=3, max_tokens=24, **options) == alone


def test_conversations_and_failures(model, picture):
    image = model.encode_image(picture)
    asked = ["What is this?", [{"role": "user", "content": "What is this?", "images": image}], "x" * 100_000, 5]
    found = model.generate_many(asked, [image, None, None, None], batch=2, max_tokens=4, return_exceptions=True)
    assert [type(answer) for answer in found[:2]] == [str, str]
    assert isinstance(found[2], fovea.Error) and isinstance(found[3], TypeError)
    with pytest.raises((fovea.Error, TypeError)):
        model.generate_many(asked, [image, None, None, None], batch=2, max_tokens=4)
    assert model.generate_many([]) == []


def test_what_is_wrong_is_named(model):
    for arguments, words in [
        ({"prompts": "one text"}, "prompts"),
        ({"prompts": ["a", "b"], "images": [None]}, "images"),
        ({"prompts": ["a"], "batch": 0}, "batch"),
        ({"prompts": ["a"], "n": 2}, "n and stream"),
    ]:
        with pytest.raises(fovea.ArgumentError, match=words):
            model.generate_many(**arguments)


def test_an_interrupt_ends_all_of_them(model):
    if threading.current_thread() is not threading.main_thread():
        pytest.skip("the tests do not run on the main thread")
    sender = threading.Timer(0.5, os.kill, (os.getpid(), signal.SIGINT))
    sender.start()
    with pytest.raises(KeyboardInterrupt):
        model.generate_many(["Describe the picture."] * 100_000, batch=3, ignore_eos=True, temperature=2.0)
    sender.join()
    assert not [thread for thread in threading.enumerate() if thread.name == "fovea-batch"]
    assert len(model.generate_many(["a", "b"], max_tokens=3)) == 2
