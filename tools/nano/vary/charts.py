# SPDX-License-Identifier: Apache-2.0
"""Charts drawn with matplotlib; the answer is their table as a Python dict, which Vary was trained to write.

matplotlib takes about 50 ms a chart, so trainings read a store of them made once:

    python -m vary.charts --out S/charts.npz --count 6000
"""
import argparse
import ast

import numpy as np
from PIL import Image

import entities as E
from . import documents as D

COLOURS = [tuple(v / 255 for v in c) for c in E.FILLS]


def table(rng):
    """Names and values: bars, lines and pies of three to five things."""
    count = int(rng.integers(3, 6))
    names = [E.WORDS[i] for i in rng.permutation(len(E.WORDS))[:count]]
    scale = rng.choice([10, 100])
    return {n: int(v) for n, v in zip(names, rng.integers(1, scale, count))}


def draw(rng, values, title):
    """The chart as an image of D.SIDE pixels; values are written at bars and points, as in many published charts."""
    import matplotlib
    matplotlib.use("Agg")
    from matplotlib import pyplot
    kind = ("bar", "barh", "line", "pie")[rng.choice(4, p=(.35, .3, .2, .15))]
    size = float(rng.choice([8.5, 9.5, 10.5]))
    figure = pyplot.figure(figsize=(D.SIDE / 100, D.SIDE / 100), dpi=100)
    axes = figure.add_subplot()
    names, numbers = list(values), list(values.values())
    colours = [COLOURS[i] for i in rng.permutation(len(COLOURS))[:len(names)]]
    pyplot.rcParams["font.family"] = ["DejaVu Sans", "Liberation Sans", "DejaVu Serif"][rng.integers(3)]
    axes.set_title(title, fontsize=size + 1)
    if kind == "pie":
        axes.pie(numbers, labels=[f"{n} {v}" for n, v in values.items()], colors=colours, textprops={"fontsize": size})
    elif kind == "barh":
        axes.barh(names[::-1], numbers[::-1], color=colours[::-1])
        for i, v in enumerate(numbers[::-1]):
            axes.text(v, i, f" {v}", va="center", fontsize=size)
        axes.set_xlim(0, max(numbers) * 1.25)
    else:
        if kind == "bar":
            axes.bar(names, numbers, color=colours)
        else:
            axes.plot(names, numbers, color=colours[0], marker="o")
        for i, v in enumerate(numbers):
            axes.text(i, v, str(v), ha="center", va="bottom", fontsize=size)
        axes.set_ylim(0, max(numbers) * 1.2)
        if len(names) > 3:
            axes.tick_params(axis="x", rotation=45)
    axes.tick_params(labelsize=size)
    figure.tight_layout(pad=0.4)
    figure.canvas.draw()
    image = Image.fromarray(np.asarray(figure.canvas.buffer_rgba())[..., :3].copy())
    pyplot.close(figure)
    return image


def chart(rng):
    values, title = table(rng), E.WORDS[rng.integers(len(E.WORDS))].capitalize()
    answer = {"title": title, **values}
    text = "{" + ", ".join(f'"{k}": "{v}"' if k == "title" else f'"{k}": {v}' for k, v in answer.items()) + "}"
    return D.Page("chart", draw(rng, values, title), text, [None] * len(text)).squashed()


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
        self.images, self.texts = data["images"], data["texts"]

    def pick(self, rng):
        i = int(rng.integers(len(self.texts)))
        text = str(self.texts[i])
        return D.Page("chart", Image.fromarray(self.images[i]), text, [None] * len(text))


if __name__ == "__main__":
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--out", required=True)
    p.add_argument("--count", type=int, default=6000)
    p.add_argument("--seed", type=int, default=1)
    a = p.parse_args()
    rng = np.random.default_rng([a.seed, 5])
    made = [chart(rng) for _ in range(a.count)]
    np.savez_compressed(a.out, images=np.stack([np.asarray(m.image) for m in made]), texts=np.array([m.text for m in made]))
