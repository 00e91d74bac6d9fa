# SPDX-License-Identifier: Apache-2.0
"""Draws the bundled page and chart for nano Vary into `samples/vary/`, each with the text to be read off it; of drawings that the
converted file answers right the first is kept.

    python -m vary.make_samples models/vary-nano/vary-nano-int8.fovea
"""

import os
import sys

import numpy as np

from . import base
from . import benchmark as H
from . import charts as C
from . import documents as D
from .evaluate import Fovea

SAMPLES = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "samples", "vary")


def first_right(backend, make, prompt):
    for seed in range(100):
        page = make(np.random.default_rng([seed, 11]))
        if backend([H.Sample("sample", page.image, base.AFTER.format(prompt), page.text)])[0] == page.text:
            return page
    raise SystemExit("none was answered right")


def page(rng):
    while True:
        made = D.document(rng, H.LONGEST).squashed()
        if len(made.text) > 50:
            return made


if __name__ == "__main__":
    os.makedirs(SAMPLES, exist_ok=True)
    backend = Fovea(sys.argv[1])
    for name, make, prompt in (("page", page, base.OCR), ("chart", C.chart, base.CHART)):
        kept = first_right(backend, make, prompt)
        kept.image.save(os.path.join(SAMPLES, name + ".png"))
        with open(os.path.join(SAMPLES, name + ".txt"), "w", encoding="utf-8") as f:
            f.write(kept.text + "\n")
        print(kept.text)
