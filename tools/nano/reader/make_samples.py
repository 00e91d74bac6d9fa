# SPDX-License-Identifier: Apache-2.0
"""Draws the pictures of the built-in model's questions into `../samples/` and writes `samples.json`: held-out fonts and texts, of the first
seeds whose answers are right.

python -m reader.make_samples FILE.fovea       # needs the stock and the installed library
"""

import json
import os
import sys
import tempfile

import numpy as np

from . import pages as P
from . import rates
from . import stock as K

FOLDER = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "samples")
# File, kind, width, height, letters in pixels, longest text, questions; None stands for the page's first fact.
PICTURES = [
    ("receipt.png", "receipt", 320, 420, 20, 220, [P.TOTAL, P.READ]),
    ("dialog.png", "dialog", 420, 200, 17, 120, [P.READ]),
    ("form.png", "form", 420, 300, 18, 160, [None]),
    ("sign.jpg", "sign", 420, 220, 30, 60, [P.READ]),
    ("table.png", "table", 420, 200, 18, 160, [P.TABLE]),
]


def questions(page, asked):
    """[(question, answer)], or None where the page has no answer."""
    if page.kind == "receipt" and P.TOTAL not in page.facts or None in asked and not page.facts or P.TABLE in asked and not page.table:
        return None
    known = {P.READ: page.text, **({P.TABLE: page.table[0]} if page.table else {}), **{q: text for q, (text, *_) in page.facts.items()}}
    asked = [q or sorted(page.facts)[0] for q in asked]
    return [(q, known[q]) for q in asked]


def find(answer, stock, name, kind, width, height, letters, longest, asked, seeds=400):
    """The first page with right answers to all questions, else the one with fewest errors."""
    best = None
    for seed in range(seeds):
        rng = np.random.default_rng((seed, len(name)))
        page = P.draw(rng, stock, kind, width, height, letters)
        said = questions(page, asked)
        if not page.text or len(page.text) > longest or said is None:
            continue
        with tempfile.TemporaryDirectory() as folder:
            file = os.path.join(folder, name)
            page.image.save(file, **({"quality": 92} if name.endswith("jpg") else {}))
            wrong = sum(rates.edits(answer(file, q), a) for q, a in said)
        if best is None or wrong < best[0]:
            best = wrong, page, said
        if not wrong:
            break
    return best


def main(path):
    import fovea

    model = fovea.load(path)
    session = model.session()

    def answer(file, question):
        return session.generate(question, images=[model.encode_image(file)], max_tokens=600).strip()

    stock, rows = K.Stock(held=True), []
    for name, *how in PICTURES:
        wrong, page, said = find(answer, stock, name, *how)
        print(f"{name}: {wrong} characters wrong")
        page.image.save(os.path.join(FOLDER, name), **({"quality": 92} if name.endswith("jpg") else {}))
        if not wrong:
            rows += [{"image": name, "question": q, "answer": a} for q, a in said]
    with open(os.path.join(FOLDER, "samples.json"), "w", encoding="utf-8") as f:
        json.dump(rows, f, indent=2, ensure_ascii=False)
        f.write("\n")


if __name__ == "__main__":
    main(sys.argv[1])
