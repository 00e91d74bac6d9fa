# SPDX-License-Identifier: Apache-2.0
"""Held-out drawn pages and the real pictures: character and word error rates by kind, exact answers by task. `train_all` prints them for the
PyTorch model, this the tasks and a large page's time and memory for weight files:

    python -m reader.evaluate FILE.fovea … [--each 6] [--receipts 100]
"""

import argparse
import collections
import os
import tempfile
import time

import data
import entitygrid
import numpy as np
import torch
from PIL import Image

from . import compare, engines, rates, sheet
from . import pages as P
from . import stock as K
from .tokens import ReadingOrder


@torch.no_grad()
def answers(model, tokenizer, images, prompts, most=700):
    """One answer for each picture. Pictures of one grid and prompt go together."""
    device, groups, out = next(model.parameters()).device, {}, [None] * len(images)
    for i, (image, prompt) in enumerate(zip(images, prompts)):
        pixels, grid, _, _ = P.S.views(image, P.BASE, P.MOST, model.config["enlarge"][0])
        groups.setdefault((grid, prompt), []).append((i, pixels))
    for (grid, prompt), rows in groups.items():
        step = max(1, 400 // (1 + grid[0] * grid[1]))
        for at in range(0, len(rows), step):
            part = rows[at : at + step]
            pixels = torch.from_numpy(np.stack([p for _, p in part])).to(device)
            with torch.autocast(device.type, torch.bfloat16, enabled=device.type == "cuda"):
                order = ReadingOrder(tokenizer, len(part), device)
                ids = model.generate(pixels, grid, tokenizer.before, tokenizer.head(prompt), tokenizer.EOS, most, order)
            for (i, _), a in zip(part, ids):
                out[i] = tokenizer.decode(a).strip()
    return out


def show(title, kinds, texts, truths):
    counts = collections.defaultdict(collections.Counter)
    for kind, text, truth in zip(kinds, texts, truths):
        for key in ("all", kind):
            counts[key] += rates.errors(text, truth)
    print(f"{title}, {len(kinds)} pictures: characters wrong / words wrong / words found, per cent")
    for key in sorted(counts, key=lambda k: (k != "all", k)):
        print(f"  {key:10} " + " / ".join(f"{v:.1f}" for v in rates.rates(counts[key])), flush=True)


def overlap(a, b):
    """IoU of two boxes written as [x1, y1, x2, y2]."""
    try:
        p, q = ([float(v) for v in t.strip("[] ").split(",")] for t in (a, b))
        w, h = min(p[2], q[2]) - max(p[0], q[0]), min(p[3], q[3]) - max(p[1], q[1])
    except (ValueError, IndexError):
        return 0.0
    if w <= 0 or h <= 0:
        return 0.0
    area = lambda r: (r[2] - r[0]) * (r[3] - r[1])
    return w * h / (area(p) + area(q) - w * h)


def held_out_totals(count, seed):
    """Receipts of held-out fonts and texts: (page, question)."""
    stock, out, i = K.Stock(held=True), [], 0
    while len(out) < count:
        rng = np.random.default_rng((seed, i))
        i += 1
        width, height = int(rng.integers(240, 420)), int(rng.integers(260, 700))
        page = P.photographed(rng, P.draw(rng, stock, "receipt", width, height, P.letter_size(rng, width, height)))
        if P.TOTAL in page.facts:
            out.append((page, P.Question("key", P.TOTAL, *page.facts[P.TOTAL])))
    return out


def tasks(answer, each, receipts, seed=20261130):
    """Prints exact answers by task. answer(images, prompts) gives one answer for each."""
    rng, asked = np.random.default_rng(seed), []
    for p in P.held_out(each, seed):
        asked += [(p, P.fact(rng, p))] if p.facts else []
        asked += [(p, P.Question("table", P.TABLE, *p.table))] if p.table and len(p.table[0]) < 1200 else []
        asked += [(p, P.place(rng, p))] if p.words else []
    asked += held_out_totals(receipts, seed)
    said = answer([p.image for p, _ in asked], [q.prompt for _, q in asked])
    rows = [(q.answer, a, q.task, p.kind, q.prompt) for (p, q), a in zip(asked, said)]

    def exact(name, rows):
        if rows:
            right = [rates.normal(t) == rates.normal(a) for t, a, *_ in rows]
            print(f"  {name}, exact: {100 * np.mean(right):.1f} % of {len(rows)}", flush=True)

    exact(P.TOTAL, [r for r in rows if r[4] == P.TOTAL])
    exact("other facts", [r for r in rows if r[2] == "key" and r[4] != P.TOTAL])
    exact("tables", [r for r in rows if r[2] == "table"])
    places = [overlap(t, a) >= 0.5 for t, a, task, *_ in rows if task == "locate"]
    if places:
        print(f"  places, IoU >= 0.5: {100 * np.mean(places):.1f} % of {len(places)}", flush=True)


def alone(answer, each, seed=20260101):
    """Prints exact answers about one word, number or string on blank ground, which the model built in before could read: `word` is one of the 44
    that it knew, `other word` any of the held-out texts."""
    asked = [(s.type, s) for s in entitygrid.benchmark(1, 1, each, seed) if s.suite == "reading"]
    words = sorted({w for w in K.Stock(held=True).words if 2 < len(w) < 9 and w.isascii() and w.isalpha() and w.islower()} - set(entitygrid.E.WORDS))
    rng = np.random.default_rng(seed)
    others = [entitygrid.reading_sample(rng, grid, words) for grid in data.GRIDS for _ in range(each)]
    asked += [("other word", s) for s in others if s.type == "word"]
    said = answer([s.image for _, s in asked], [P.READ] * len(asked))
    for type in sorted({t for t, _ in asked}):
        right = [s.answer == a for (t, s), a in zip(asked, said) if t == type]
        print(f"  one {type} alone, exact: {100 * np.mean(right):.1f} % of {len(right)}", flush=True)


def large():
    """A page of 1000 x 1400 with 40 lines of 22 pixels: (image, text)."""
    stock = K.Stock(held=True)
    face = stock.face(np.random.default_rng(1), ("sans",), 22)
    s = sheet.Sheet(Image.new("RGB", (1000, 1400), "white"), (0, 0, 0))
    words = stock.running(np.random.default_rng(1), 2000)
    for i, line in enumerate(sheet.wrapped(words, face, 900, 40)[0]):
        s.text(50, 40 + 33 * i, line, face, new=True)
    return s.image, s.finished()[0]


def page(model, file, as_pages):
    """Prints how long it takes to read a large page, and what a process that does nothing else needs at its peak."""
    image, text = large()
    with tempfile.TemporaryDirectory() as folder:
        picture = os.path.join(folder, "page.png")
        image.save(picture)
        peak = engines.apart(f"fovea:1{'+' if as_pages else ''}:{os.path.abspath(file)}", [picture], 2).peak
    for _ in range(2):  # the first time the weights are read
        session, start = model.session(), time.time()
        pixels = np.asarray(image)
        said = session.read(pixels, P.READ, max_tokens=9000) if as_pages else session.generate(P.READ, pixels, max_tokens=9000)
    wrong, _, found = rates.rates(rates.errors(said, text))
    print(
        f"  1000 x 1400, {len(text.splitlines())} lines: encoded and read in {time.time() - start:.2f} s "
        f"({session.last.generated_tokens} tokens), {wrong:.1f} % of characters wrong, {found:.1f} % of words found; {peak:.0f} MB at the peak",
        flush=True,
    )


def run(model, tokenizer, each=6, seed=20261130):
    pages = P.held_out(each, seed)
    said = answers(model, tokenizer, [p.image for p in pages], [P.READ] * len(pages))
    show("Held-out drawn pages", [p.kind for p in pages], said, [p.text for p in pages])
    tasks(lambda images, prompts: answers(model, tokenizer, images, prompts), each, 5 * each)
    pictures = compare.real()
    said = answers(model, tokenizer, [Image.open(p.file).convert("RGB") for p in pictures], [P.READ] * len(pictures))
    show("Real pictures", [p.kind for p in pictures], said, [p.text for p in pictures])


def main():
    p = argparse.ArgumentParser(description=__doc__)
    p.add_argument("file", nargs="+", help="weight files")
    p.add_argument("--each", type=int, default=6, help="held-out pages of each kind")
    p.add_argument("--receipts", type=int, default=100)
    p.add_argument(
        "--each-size",
        action="store_true",
        help="ask at each of the sizes that the file names, and take the likeliest answer; read the page as `fovea read`",
    )
    a = p.parse_args()
    import fovea

    for file in a.file:
        model = fovea.load(file)
        session = model.session()
        modes = [f"{size}%" for size in model.metadata.get("hires.enlarge", ()) if a.each_size] or [None]

        def answer(images, prompts, modes=modes, session=session, model=model):
            out = []
            for image, prompt in zip(images, prompts):
                seen = [model.encode_image(np.asarray(image), mode=mode) for mode in modes]
                out.append(session.generate(prompt, images=seen, max_tokens=1500, alternatives=len(seen) > 1).strip())
            return out

        print(os.path.basename(file))
        page(model, file, a.each_size)
        tasks(answer, a.each, a.receipts)
        alone(answer, 2 * a.each)


if __name__ == "__main__":
    main()
