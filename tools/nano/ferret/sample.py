# SPDX-License-Identifier: Apache-2.0
"""Draws the bundled scene and says what stands where on it: python -m ferret.sample samples/scene.png"""

import sys

import numpy as np

from . import regions as R
from . import scenes as S


def draw():
    return S.scene(np.random.default_rng(13), (2, 2), 6)


if __name__ == "__main__":
    scene = draw()
    scene.image.save(sys.argv[1])
    for t in scene.things:
        print(t.name, t.box, R.coordinates(t.box, scene.size))
