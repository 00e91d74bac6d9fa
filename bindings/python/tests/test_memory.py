# SPDX-License-Identifier: Apache-2.0
"""Memory comes back: whatever is done many times leaves the process as large as a few times do."""
from __future__ import annotations

import gc
import os

import pytest

import fovea


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
