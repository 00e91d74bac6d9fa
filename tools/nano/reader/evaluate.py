# SPDX-License-Identifier: Apache-2.0
"""The PyTorch model on held-out drawn pages and on the real pictures: character and word error rates by kind, exact answers by task."""

import collections

import numpy as np
import torch
from PIL import Image

from . import compare, rates
from . import pages as P


@torch.no_grad()
def answers(model, tokenizer, images, prompts, most=700):
    """One answer for each picture. Pictures of one grid and prompt go together."""
    device, groups, out = next(model.parameters()).device, {}, [None] * len(images)
    for i, (image, prompt) in enumerate(zip(images, prompts)):
        pixels, grid, _, _ = P.S.views(image, P.BASE, P.MOST)
        groups.setdefault((grid, prompt), []).append((i, pixels))
    for (grid, prompt), rows in groups.items():
        step = max(1, 400 // (1 + grid[0] * grid[1]))
        for at in range(0, len(rows), step):
            part = rows[at : at + step]
            pixels = torch.from_numpy(np.stack([p for _, p in part])).to(device)
            with torch.autocast(device.type, torch.bfloat16, enabled=device.type == "cuda"):
                ids = model.generate(pixels, grid, tokenizer.before, tokenizer.head(prompt), tokenizer.EOS, most)
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


def run(model, tokenizer, each=6, seed=20261130):
    pages = P.held_out(each, seed)
    said = answers(model, tokenizer, [p.image for p in pages], [P.READ] * len(pages))
    show("Held-out drawn pages", [p.kind for p in pages], said, [p.text for p in pages])
    rng, asked = np.random.default_rng(seed), []
    for p in pages:
        asked += [(p, P.fact(rng, p))] if p.facts else []
        asked += [(p, P.Question("table", P.TABLE, *p.table))] if p.table and len(p.table[0]) < 1200 else []
        asked += [(p, P.place(rng, p))] if p.words else []
    said = answers(model, tokenizer, [p.image for p, _ in asked], [q.prompt for _, q in asked])
    for task in ("key", "table", "locate"):
        rows = [(q.answer, a, p.kind, q.prompt) for (p, q), a in zip(asked, said) if q.task == task]
        if not rows:
            continue
        if task == "locate":
            print(f"  locate     IoU >= 0.5: {100 * np.mean([overlap(t, a) >= 0.5 for t, a, *_ in rows]):.1f} of {len(rows)}")
        else:
            exact = [rates.normal(t) == rates.normal(a) for t, a, *_ in rows]
            print(f"  {task:10} exact: {100 * np.mean(exact):.1f} of {len(rows)}")
        if task == "key":
            total = [rates.normal(t) == rates.normal(a) for t, a, k, q in rows if k == "receipt" and "total" in q]
            if total:
                print(f"  the total of receipts, exact: {100 * np.mean(total):.1f} of {len(total)}")
    pictures = compare.real()
    said = answers(model, tokenizer, [Image.open(p.file).convert("RGB") for p in pictures], [P.READ] * len(pictures))
    show("Real pictures", [p.kind for p in pictures], said, [p.text for p in pictures])
