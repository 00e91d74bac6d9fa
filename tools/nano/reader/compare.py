# SPDX-License-Identifier: Apache-2.0
"""Fovea files beside Tesseract 5 and RapidOCR, on the same pictures in one run. Called by `evaluate --against`.

    evaluate --against tesseract,rapidocr [--fovea FILE ...] [--pictures real,drawn] [--drawn 12] [--beams 1,3,3+] [--threads 2] [--json OUT]

`real`: pictures that no generator drew, with typed transcripts (real/pictures.json says where each is from). `drawn`: pages of
`reader.pages` with held-out fonts, texts and seeds, so many of each kind. Rates by kind and by letter size are those of `rates.py`.
Tesseract runs in every page mode of `engines.MODES`; of each kind its best mode counts, chosen on these very pictures.
"""

import collections
import json
import os
import tempfile
from dataclasses import dataclass

from . import engines, rates

HERE = os.path.dirname(os.path.abspath(__file__))
# Letter sizes in pixels (em): up to, and not including.
SIZES = ((0, 12), (12, 16), (16, 22), (22, 100))


@dataclass
class Picture:
    file: str
    kind: str
    letters: float
    text: str

    @property
    def size(self):
        low, high = next(s for s in SIZES if self.letters < s[1])
        return f"{low} to {high - 1} px" if 0 < low and high < 100 else f"under {high} px" if not low else f"{low} px and more"


def real():
    with open(os.path.join(HERE, "real", "pictures.json")) as f:
        rows = json.load(f)
    out = []
    for r in rows:
        file = os.path.join(HERE, "real", r["file"])
        with open(os.path.splitext(file)[0] + ".txt", encoding="utf-8") as f:
            out.append(Picture(file, r["kind"], r["letters"], f.read()))
    return out


def drawn(each, seed, folder):
    from . import pages

    out = []
    for i, page in enumerate(pages.held_out(each, seed)):
        file = os.path.join(folder, f"{i:04}.png")
        page.image.save(file)
        out.append(Picture(file, page.kind, page.letters, page.text))
    return out


def summed(rows):
    return sum(rows, collections.Counter())


def best_modes(pictures, readings):
    """Tesseract's reading put together from its best mode for each kind, and those modes."""
    counted = {m: [rates.errors(t, p.text) for t, p in zip(r.texts, pictures)] for m, r in readings.items()}
    chosen = {}
    for kind in {p.kind for p in pictures}:
        chosen[kind] = min(readings, key=lambda m: sum(c["edits"] for c, p in zip(counted[m], pictures) if p.kind == kind))
    texts = [readings[chosen[p.kind]].texts[i] for i, p in enumerate(pictures)]
    seconds = [readings[chosen[p.kind]].seconds for p in pictures]
    return engines.Reading(texts, sum(seconds) / len(seconds), max(r.peak for r in readings.values()), next(iter(readings.values())).model), chosen


def read_by(name, pictures, threads):
    files = [p.file for p in pictures]
    if name != "tesseract":
        return engines.apart(name, files, threads), {}
    return best_modes(pictures, {m: engines.tesseract(files, m, threads) for m in engines.MODES})


def table(title, pictures, readings):
    """Markdown: a row for each kind, each size and all; for each reader its three rates."""
    names = list(readings)
    counts = {n: [rates.errors(t, p.text) for t, p in zip(r.texts, pictures)] for n, r in readings.items()}
    lines = [
        f"**{title}**, {len(pictures)} pictures, {sum(c['characters'] for c in counts[names[0]])} characters; per cent: characters wrong / words wrong / words found",
        "",
    ]
    lines += ["| | pictures | " + " | ".join(names) + " |", "|---|---:|" + "---:|" * len(names)]
    groups = [("all", lambda p: True)]
    groups += [(k, lambda p, k=k: p.kind == k) for k in sorted({p.kind for p in pictures})]
    groups += [
        (s, lambda p, s=s: p.size == s) for s in sorted({p.size for p in pictures}, key=lambda s: min(p.letters for p in pictures if p.size == s))
    ]
    result = {}
    for label, inside in groups:
        cells = []
        for n in names:
            found = rates.rates(summed(c for c, p in zip(counts[n], pictures) if inside(p)))
            result.setdefault(n, {})[label] = found
            cells.append(" / ".join(f"{x:.1f}" for x in found))
        lines.append(f"| {label} | {sum(map(inside, pictures))} | " + " | ".join(cells) + " |")
    cost = {n: (r.seconds, r.model, r.peak) for n, r in readings.items()}
    for i, label in enumerate(("processor seconds a picture", "MB of model", "MB at the peak")):
        lines.append(f"| {label} | | " + " | ".join(f"{cost[n][i]:.{2 - min(i, 1)}f}" for n in names) + " |")
    return "\n".join(lines), {"rates": result, "cost": cost}


def label(name):
    *beams, path = name.removeprefix("fovea:").split(":", 1)
    count, way = beams[0].rstrip("+") if beams else "1", ", as pages" if beams and beams[0].endswith("+") else ""
    return os.path.basename(path).removesuffix(".fovea") + way + (f", {count} beams" if count != "1" else "")


def run(a):
    readers = [f"fovea:{b}:{os.path.abspath(f)}" for f in a.fovea for b in a.beams.split(",")] + [r for r in a.against.split(",") if r]
    out = {}
    with tempfile.TemporaryDirectory() as folder:
        for name in a.pictures.split(","):
            pictures = real() if name == "real" else drawn(a.drawn, a.seed or 20261130, folder)
            readings, notes = {}, []
            for r in readers:
                readings[label(r)], modes = read_by(r, pictures, a.threads)
                if modes:
                    notes.append("Tesseract's page modes: " + ", ".join(f"{k} {m}" for k, m in sorted(modes.items())))
            text, out[name] = table(name, pictures, readings)
            print(text + "\n\n" + "\n".join(notes) + "\n", flush=True)
            if a.errors:
                for i, p in enumerate(pictures):
                    print(f"--- {os.path.basename(p.file)} ({p.kind}, {p.letters:g} px)\n{rates.normal(p.text)}")
                    for n, r in readings.items():
                        c = rates.errors(r.texts[i], p.text)
                        print(f"  [{n}, {c['edits']} edits] {rates.normal(r.texts[i])}")
    if a.json:
        with open(a.json, "w") as f:
            json.dump(out, f, indent=1)
