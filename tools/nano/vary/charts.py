# SPDX-License-Identifier: Apache-2.0
"""Charts drawn with matplotlib; the answer is their table as a Python dict, which Vary was trained to write.

matplotlib takes about 50 ms a chart, so trainings read a store of them made once:

    python -m vary.charts --out S/charts.npz --count 4000
"""

import argparse
import ast
import json

import entities as E
import numpy as np
from PIL import Image

from . import documents as D

COLOURS = [tuple(v / 255 for v in c) for c in E.FILLS]
FAMILIES = {"DejaVu Sans": 0, "Liberation Sans": 4, "DejaVu Serif": 2}  # and the same fonts in entities.FONTS


def table(rng):
    """Names and values of three to five things."""
    count = int(rng.integers(3, 6))
    names = [E.WORDS[i] for i in rng.permutation(len(E.WORDS))[:count]]
    scale = rng.choice([10, 100])
    return {n: int(v) for n, v in zip(names, rng.integers(1, scale, count))}


def draw(rng, values, title):
    """The chart as an image of D.SIDE pixels, with the box (x0, y0, x1, y1) and text of each thing written: the title, then a name and
    a value for each entry, then the axes' numbers; and its font. Values are written at bars and points, as in many published charts."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    names, numbers = list(values), list(values.values())
    few = len(names) * max(len(n) for n in names) <= 22  # names fit beside each other
    kind = ("bar", "line", "barh", "pie")[rng.choice(4, p=(0.4, 0.3, 0.2, 0.1) if few else (0, 0, 0.7, 0.3))]
    size = float(rng.choice([9.5, 10.5]))
    family = list(FAMILIES)[rng.integers(len(FAMILIES))]
    pyplot.rcParams["font.family"] = [family]
    figure = pyplot.figure(figsize=(D.SIDE / 100, D.SIDE / 100), dpi=100)
    axes = figure.add_subplot()
    colours = [COLOURS[i] for i in rng.permutation(len(COLOURS))[: len(names)]]
    head, scale = axes.set_title(title, fontsize=size + 1), []
    if kind == "pie":
        _, labels = axes.pie(
            numbers, labels=[f"{n} {v}" for n, v in values.items()], colors=colours, radius=0.8, labeldistance=1.05, textprops={"fontsize": size}
        )
        written = labels
    else:
        if kind == "barh":
            axes.barh(names, numbers, color=colours)
            axes.invert_yaxis()
            marks = [axes.text(v, i, f" {v}", va="center", fontsize=size) for i, v in enumerate(numbers)]
            axes.set_xlim(0, max(numbers) * 1.25)
        else:
            if kind == "bar":
                axes.bar(names, numbers, color=colours)
            else:
                axes.plot(names, numbers, color=colours[0], marker="o")
                axes.margins(x=0.15)
            marks = [axes.text(i, v + max(numbers) * 0.02, str(v), ha="center", va="bottom", fontsize=size) for i, v in enumerate(numbers)]
            axes.set_ylim(0, max(numbers) * 1.2)
        axes.tick_params(labelsize=size)
    figure.tight_layout(pad=0.4)
    figure.canvas.draw()
    if kind != "pie":
        x, y = axes.get_xticklabels(), axes.get_yticklabels()
        named, scale = (y, x) if kind == "barh" else (x, y)
        low, high = axes.get_xlim() if kind == "barh" else axes.get_ylim()
        scale = [t for t in scale if low <= t.get_position()[kind != "barh"] <= high]
        written = [t for pair in zip(named, marks) for t in pair]
    boxes = []
    for t in [head, *written, *scale]:
        e = t.get_window_extent()
        boxes.append((e.x0, D.SIDE - e.y1, e.x1, D.SIDE - e.y0, t.get_text()))
    image = Image.fromarray(np.asarray(figure.canvas.buffer_rgba())[..., :3].copy())
    pyplot.close(figure)
    return image, boxes, FAMILIES[family]


def readable(boxes):
    """Nothing is cut off and nothing lies on anything else."""
    if any(x0 < 0 or y0 < 0 or x1 > D.SIDE or y1 > D.SIDE for x0, y0, x1, y1, _ in boxes):
        return False
    return not any(a[0] < b[2] and b[0] < a[2] and a[1] + 3 < b[3] and b[1] + 3 < a[3] for i, a in enumerate(boxes) for b in boxes[:i])


def glyphs(boxes, font):
    """Of each box, its characters as in documents.Page, of no line; blanks as None."""
    out, face = [], E.font(font, 100)
    for x0, y0, x1, y1, text in boxes:
        ends = np.cumsum([0.0] + [D.advance(face, c) for c in text])
        places = x0 + (x1 - x0) * (ends[:-1] + ends[1:]) / 2 / ends[-1]
        out.append(
            [
                None if c == " " else (c, float(x), (y0 + y1) / 2, 0.72 * (y1 - y0), i == 0 or text[i - 1] == " ", None)
                for i, (c, x) in enumerate(zip(text, places))
            ]
        )
    return out


def chart(rng):
    while True:
        values, title = table(rng), E.WORDS[rng.integers(len(E.WORDS))].capitalize()
        image, boxes, font = draw(rng, values, title)
        if readable(boxes):
            break
    written = glyphs(boxes, font)
    printed = [g for line in written for g in line if g]
    answer = {"title": title, **values}
    text = "{" + ", ".join(f'"{k}": "{v}"' if k == "title" else f'"{k}": {v}' for k, v in answer.items()) + "}"
    # The answer's letters and digits are the title, then names and values in their order; "title" itself stands nowhere.
    wanted = [g for line in written for g in line if g][: len(title) + sum(len(k) + len(str(v)) for k, v in values.items())]
    spots, rest, at = [None] * len(text), iter(wanted), text.index(":")
    for i in range(at, len(text)):
        if text[i].isalnum():
            spots[i] = next(rest)[1:3]
    return D.Page("chart", image, text, spots, printed)


def parsed(text):
    """The dict a model wrote, or nothing."""
    try:
        value = ast.literal_eval(text)
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}


def relaxed_accuracy(wanted, said, tolerance=0.05):
    """Share of entries with the right key and a value within 5 % (ChartQA's relaxed accuracy, per entry)."""

    def close(a, b):
        if isinstance(a, int) and isinstance(b, (int, float)):
            return abs(a - b) <= tolerance * abs(a)
        return a == b

    return sum(k in said and close(v, said[k]) for k, v in wanted.items()) / len(wanted)


class Store:
    """Charts made before."""

    def __init__(self, path):
        data = np.load(path)
        self.images, self.pages = data["images"], json.loads(str(data["pages"]))

    def pick(self, rng):
        i = int(rng.integers(len(self.pages)))
        text, spots, printed = self.pages[i]
        return D.Page("chart", Image.fromarray(self.images[i]), text, spots, [(*g[:5], None) for g in printed])


def save(path, made):
    np.savez_compressed(path, images=np.stack([np.asarray(m.image) for m in made]), pages=json.dumps([(m.text, m.spots, m.glyphs) for m in made]))


if __name__ == "__main__":
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--out", required=True)
    p.add_argument("--count", type=int, default=4000)
    p.add_argument("--seed", type=int, default=1)
    a = p.parse_args()
    rng = np.random.default_rng([a.seed, 5])
    save(a.out, [chart(rng) for _ in range(a.count)])
