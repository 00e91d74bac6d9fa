# SPDX-License-Identifier: Apache-2.0
"""The nano models that are not built in answer about a picture each as they were trained to."""

from __future__ import annotations

import fovea
import pytest


@pytest.fixture(scope="module")
def vary(root) -> fovea.Model:
    return fovea.load(root / "tools" / "nano" / "models" / "vary-nano" / "vary-nano-int8.fovea", threads=2)


@pytest.mark.parametrize("task, name", [("ocr", "page"), ("chart", "chart")])
def test_vary_reads(root, vary, task, name):
    folder = root / "tools" / "nano" / "samples" / "vary"
    said = vary.session().generate("", images=[vary.encode_image(str(folder / f"{name}.png"))], task=task, max_tokens=300)
    assert said == (folder / f"{name}.txt").read_text(encoding="utf-8").rstrip("\n")
