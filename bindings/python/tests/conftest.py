# SPDX-License-Identifier: Apache-2.0
"""The tests run against the library in build/ (tools/install --prefix build) or the one FOVEA_LIBRARY names."""

from __future__ import annotations

import json
import signal
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
sys.path.insert(0, str(ROOT / "bindings" / "python"))

import fovea  # noqa: E402

# What a shell starts in its background ignores interrupts, and so would all that tests start: they would wait for ever.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def root() -> Path:
    return ROOT


@pytest.fixture(scope="session")
def small(root: Path) -> str:
    """A model that never sees more than nine slices of 96 pixels, whatever the built-in one sees."""
    return str(root / "tools" / "nano" / "models" / "hires-llava-nano" / "hires-llava-nano-int8.fovea")


@pytest.fixture(scope="session")
def command(root: Path) -> str:
    """The installed command line."""
    path = root / "build" / "bin" / "fovea"
    if not path.exists():
        pytest.skip("build/bin/fovea was not built")
    return str(path)


@pytest.fixture(scope="session")
def model() -> fovea.Model:
    """The built-in model."""
    return fovea.load(threads=2)


@pytest.fixture(scope="session")
def sample(root: Path) -> tuple[str, str, str]:
    """A bundled picture, a question on it, and the built-in model's answer, of one line."""
    folder = root / "tools" / "nano" / "samples"
    rows = json.loads((folder / "samples.json").read_text(encoding="utf-8"))
    row = next(r for r in rows if "\n" not in r["answer"])
    return str(folder / row["image"]), row["question"], row["answer"]


@pytest.fixture(scope="session")
def picture():
    """An image that needs slices: uint8 [300, 500, 3], smooth with some edges."""
    import numpy

    y, x = numpy.mgrid[0:300, 0:500]
    channels = [x * 255 // 499, y * 255 // 299, ((x // 40 + y // 40) % 2) * 200]
    return numpy.stack(channels, axis=-1).astype(numpy.uint8)


@pytest.fixture(scope="session")
def image(model, picture) -> fovea.ImageEmbedding:
    return model.encode_image(picture)


@pytest.fixture(scope="session")
def hostile():
    """Makers of small files that ask for much."""
    sys.path.insert(0, str(ROOT / "tools"))
    import hostile_pictures

    return hostile_pictures
