# SPDX-License-Identifier: Apache-2.0
"""The shipped nano Ferret-v2 on the bundled scene: what is in a region, and where a thing is."""

from __future__ import annotations

import fovea
import numpy
import pytest

# As tools/nano/ferret/sample.py prints them.
THINGS = {
    "blue arrow": (15, 22, 54, 53),
    "word glass": (75, 52, 149, 75),
    "yellow ring": (167, 78, 194, 105),
    "house": (28, 85, 69, 124),
    "purple diamond": (97, 89, 124, 122),
    "green arrow": (154, 136, 177, 153),
}


@pytest.fixture(scope="module")
def ferret(root):
    return fovea.load(str(root / "tools" / "nano" / "models" / "ferret-nano" / "ferret-nano-int8.fovea"), threads=2)


@pytest.fixture(scope="module")
def scene(root, ferret):
    return ferret.encode_image(str(root / "tools" / "nano" / "samples" / "scene.png"))


def overlap(a, b) -> float:
    inside = max(0, min(a[2], b[2]) - max(a[0], b[0])) * max(0, min(a[3], b[3]) - max(a[1], b[1]))
    return inside / ((a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - inside)


def ask(ferret, scene, question: str, regions=()) -> str:
    return ferret.session().generate(question, images=[scene], regions=regions, max_tokens=120, temperature=0).strip()


@pytest.mark.parametrize("form", ["box", "point", "free form"])
def test_refers(ferret, scene, form):
    """Things with ink in the middle of their box, so that a point there is on them."""
    for name in ("blue arrow", "house", "purple diamond"):
        x1, y1, x2, y2 = THINGS[name]
        inside = numpy.zeros((170, 214), bool)
        inside[y1 + 4 : y2 - 3, x1 + 3 : x2 - 2] = True
        region = {
            "box": fovea.Box(x1, y1, x2, y2),
            "point": fovea.Point((x1 + x2) // 2, (y1 + y2) // 2),
            "free form": fovea.Mask(inside),
        }[form]
        assert ask(ferret, scene, "What is the object <region>?", [region]) == name


@pytest.mark.parametrize("name", ["blue arrow", "house", "green arrow"])
def test_grounds(ferret, scene, name):
    session = ferret.session()
    text = session.generate(f"What is the location of the {name} in the image?", images=[scene], max_tokens=20, temperature=0)
    assert text.strip().startswith(name + " [")
    [place] = session.places
    assert overlap((place.x1, place.y1, place.x2, place.y2), THINGS[name]) >= 0.5
