# SPDX-License-Identifier: Apache-2.0
"""Arguments of many megabytes: refused by name, or worked through where memory ends (tools/check-robustness tries that for all of them)."""

from __future__ import annotations

import os
import subprocess
import sys

import fovea
import pytest

LIMIT = 8 << 20


def test_a_text_has_at_most_8_mebibytes(model):
    session, long = model.session(), "word " * (LIMIT // 5 + 1)
    for call in (
        lambda: session.generate(long),
        lambda: session.generate(long, raw=True),
        lambda: session.generate("word", stop=[long[: LIMIT // 2 + 1]] * 2),
        lambda: session.score("word", [long]),
        lambda: session.score("word", [long[: LIMIT // 2 + 1]] * 2),
        lambda: session.chat([{"role": "user", "content": long}]),
        lambda: session.logits(long),
        lambda: model.tokenize(long),
    ):
        with pytest.raises(fovea.ArgumentError, match=r"has \d+ bytes, must have at most 8388608"):
            call()
    with pytest.raises(fovea.ContextError):
        session.generate(long[: LIMIT // 2])


def test_lists_of_tokens_are_no_longer_than_the_vocabulary(model):
    session = model.session()
    count = model.info["vocab_size"]
    assert session.generate("word", max_tokens=1, forbidden_tokens=[5] * count) is not None
    for name in ("forbidden_tokens", "allowed_tokens", "stop_ids"):
        with pytest.raises(fovea.ArgumentError, match=f"{name}: are {count + 1}, must be at most {count}"):
            session.generate("word", **{name: [5] * (count + 1)})


def test_a_schema_of_too_many_branches_is_refused_soon(model):
    with pytest.raises(fovea.ArgumentError, match="more than 512 ways to choose among branches"):
        model.session().generate("word", json_schema={"oneOf": [{"const": f"v{i}"} for i in range(20000)]}, deadline=1)


def test_maps_of_regions_take_512_mebibytes_at_most(root, hostile):
    ferret = next((root / "tools/nano/models/ferret-nano").glob("*.fovea"))
    with fovea.load(ferret, threads=2) as model:
        image, session = model.encode_image(hostile.png(16000, 12000, colour=0, depth=1)), model.session()
        corner = fovea.Polygon([(0, 0), (50, 0), (0, 50)])
        assert session.generate("<region>", image, regions=[corner], max_tokens=1) is not None
        with pytest.raises(fovea.OutOfMemory, match="bytes of regions"):
            session.generate("<region>" * 3, image, regions=[corner] * 3, max_tokens=1)
    with fovea.load(ferret, threads=2, memory_budget=fovea.plan(ferret)["total_bytes"]) as model:
        image = model.encode_image(hostile.png(16000, 12000, colour=0, depth=1))
        with pytest.raises(fovea.OutOfMemory, match="regions"):
            model.session().generate("<region>", image, regions=[corner], max_tokens=1)


def test_calls_survive_large_arguments_without_memory(root):
    environment = {**os.environ, "PYTHONPATH": str(root / "bindings" / "python")}
    for name in ("prompt, marks", "3 long messages", "detokenize"):
        done = subprocess.run(
            [sys.executable, str(root / "tools/robustness/large.py"), "5", name], env=environment, capture_output=True, text=True, timeout=300
        )
        assert done.returncode == 0, done.stdout + done.stderr
