# SPDX-License-Identifier: Apache-2.0
"""Memory comes back: whatever is done many times leaves the process as large as a few times do."""

from __future__ import annotations

import gc
import json
import os
import subprocess
import sys

import fovea
import pytest


def resident() -> int:
    with open("/proc/self/statm") as statm:
        return int(statm.read().split()[1]) * os.sysconf("SC_PAGESIZE")


def growth(work, first: int, then: int) -> int:
    """Bytes that `then` more rounds add after `first` rounds have warmed everything up."""
    for _ in range(first):
        work()
    gc.collect()
    before = resident()
    for _ in range(then):
        work()
    gc.collect()
    return resident() - before


# A leaked model is 4 MiB, a leaked session 7, an image 0.3: thirty of the smallest would show. The allocator keeps some.
LIMIT = 6 << 20


def test_models_sessions_and_images_come_back(picture):
    def work():
        model = fovea.load(threads=2)
        image = model.encode_image(picture)
        session = model.session()
        session.generate_ids("What is it?", [image], max_tokens=4)
        session.logits("<image>abc", [image], raw=True)

    assert growth(work, first=6, then=30) < LIMIT


def test_failures_leave_nothing_behind(model, image, tmp_path):
    session = model.session()
    broken = tmp_path / "broken.fovea"
    data = bytearray(open(fovea.builtin_model(), "rb").read())
    data[len(data) // 2] ^= 4
    broken.write_bytes(data)
    png = b"\x89PNG\r\n\x1a\n" + b"\0" * 100

    def work():
        for call in (
            lambda: fovea.load(broken, verify=True),
            lambda: fovea.load(progress=lambda done, total: True),
            lambda: model.encode_image(png),
            lambda: session.generate("<image><image>", [image]),
            lambda: session.generate("word " * 5000),
            lambda: session.generate("abc", [image], progress=lambda done, total: True),
            lambda: session.generate("abc", [image], deadline=1e-9),
        ):
            with pytest.raises(fovea.Error):
                call()

    assert growth(work, first=10, then=60) < LIMIT


def test_a_failure_after_a_session_was_made_frees_it(monkeypatch):
    model = fovea.load(threads=1)
    session = model.session()
    session.generate("abc", max_tokens=2)
    data, lib, freed = session.to_bytes(), fovea._library.library(), []
    free = lib.fovea_session_free
    monkeypatch.setattr(lib, "fovea_session_free", lambda made: freed.append(free(made)))
    monkeypatch.setattr(lib, "fovea_model_get_info", lambda *_: fovea.InternalError.status)
    for make in (lambda: model.load_session(data), lambda: model.session()):
        with pytest.raises(fovea.InternalError):
            make()
        gc.collect()
        assert len(freed) == 1
        freed.clear()


@pytest.mark.parametrize("size, cache", [((500, 300), "default"), ((3000, 100), "int8")])
def test_the_plan_holds_and_is_near(root, tmp_path, hostile, size, cache):
    # tools/check-memory asks for 1.00 … 1.15 of all models; here small models on any machine.
    (tmp_path / "picture").write_bytes(hostile.png(*size))
    job = json.dumps([fovea.builtin_model(), str(tmp_path / "picture"), *size, None, cache, 1])
    run = subprocess.run([sys.executable, str(root / "tools" / "check-memory"), "--one", job], capture_output=True, text=True, check=True)
    found = json.loads(run.stdout)
    assert 0.97 <= found["plan"] / found["peak"] <= 1.25, found


def test_a_plan_counts_sessions_and_the_image():
    one = fovea.plan()
    three = fovea.plan(sessions=3)
    assert three["session_bytes"] == one["session_bytes"]
    assert three["total_bytes"] > one["total_bytes"] + one["session_bytes"]
    assert fovea.plan(image_size=(64, 64))["scratch_bytes"] < one["scratch_bytes"]
    for wrong in ({"sessions": 0}, {"image_size": (0, 3)}, {"image_size": (3, 2**31)}):
        with pytest.raises(fovea.ArgumentError):
            fovea.plan(**wrong)


def test_a_budget_counts_sessions():
    model = fovea.load(memory_budget=fovea.plan()["total_bytes"])
    session = model.session()
    with pytest.raises(fovea.OutOfMemory, match="session: takes"):
        model.session()
    del session
    gc.collect()
    model.session()
