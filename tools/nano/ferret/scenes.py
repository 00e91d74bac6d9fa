# SPDX-License-Identifier: Apache-2.0
"""Seeded scenes of coloured shapes, icons and words on images of many aspect ratios, the any-resolution rule, and dense labels."""

import math
from dataclasses import dataclass

import entities as E
import numpy as np
from PIL import Image, ImageDraw

TILE, PATCH = 64, 8
SIDE = TILE // PATCH  # patches of a view's side
MOST_TILES = 4
GRIDS = [(c, r) for c in (1, 2, 3) for r in (1, 2, 3) if c * r <= MOST_TILES]  # columns outer, rows inner, as config.json lists them
GRID_SHARES = {(1, 1): 0.08, (1, 2): 0.15, (1, 3): 0.12, (2, 1): 0.15, (2, 2): 0.38, (3, 1): 0.12}
COLOURS = {
    "red": (210, 40, 40),
    "blue": (40, 80, 210),
    "green": (30, 150, 60),
    "yellow": (240, 200, 40),
    "purple": (140, 60, 170),
    "orange": (240, 120, 30),
}
COLOUR_NAMES = list(COLOURS)
NO_COLOUR = len(COLOURS)
ICONS = E.OBJECTS + E.SIGNS
WORDS = [w for w in E.WORDS if len(w) <= 5]
KINDS = E.SHAPES + ICONS + WORDS  # index = dense label
NO_KIND = len(KINDS)
LETTERS = "abcdefghijklmnopqrstuvwxyz"
NO_LETTER = len(LETTERS)
MOST = 6  # objects of a scene
CLASSES = [f"{c} {s}" for s in E.SHAPES for c in COLOUR_NAMES] + ICONS + [f"word {w}" for w in WORDS]


def grid_choice(width, height, grids=GRIDS):
    """The (columns, rows) on which the image, scaled to fit, shows most of its pixels; then least waste; then the first."""
    best, most, least = None, 0, math.inf
    for c, r in grids:
        w, h = c * TILE, r * TILE
        scale = min(w / width, h / height)
        shown = min(int(width * scale) * int(height * scale), width * height)
        if shown > most or (shown == most and w * h - shown < least):
            best, most, least = (c, r), shown, w * h - shown
    return best


@dataclass
class Thing:
    kind: int
    colour: int  # NO_COLOUR: none that its name tells
    box: tuple  # x0, y0, x1, y1 of its ink in image pixels; x1 and y1 are the last pixels
    sprite: np.ndarray = None  # bool [side, side]: a picture's ink, its first pixel at `corner`
    corner: tuple = (0, 0)
    letters: tuple = ()  # a word's (letter, left, right)

    @property
    def name(self):
        kind = KINDS[self.kind]
        return f"{COLOUR_NAMES[self.colour]} {kind}" if self.colour != NO_COLOUR else f"word {kind}" if self.letters else kind

    @property
    def centre(self):
        return (self.box[0] + self.box[2] + 1) / 2, (self.box[1] + self.box[3] + 1) / 2

    def mask(self, width, height):
        """Bool [height, width]: a picture's ink, a word's box."""
        m = np.zeros((height, width), bool)
        if self.sprite is None:
            m[self.box[1] : self.box[3] + 1, self.box[0] : self.box[2] + 1] = True
        else:
            s, (x, y) = self.sprite, self.corner
            m[y : y + s.shape[0], x : x + s.shape[1]] = s
        return m


@dataclass
class Scene:
    image: Image.Image
    things: list  # in raster order: by the height of their centres, then from the left
    grid: tuple  # columns, rows of tiles

    @property
    def size(self):
        return self.image.size

    def span(self, thing):
        """Size of a thing on the canvas that the tiles are cut from: the root of its box's area there, in pixels."""
        (w, h), (c, r), b = self.size, self.grid, thing.box
        return math.sqrt((b[2] - b[0] + 1) * c * TILE / w * (b[3] - b[1] + 1) * r * TILE / h)


SMALL, LARGE = 18, 28  # spans below, above


def random_name(rng, before):
    """(kind, colour, is_word); now and then of the shape or of the colour of one that is there already."""
    what = rng.choice(3, p=(0.5, 0.22, 0.28))
    if what == 0:
        shape, colour = int(rng.integers(len(E.SHAPES))), int(rng.integers(len(COLOURS)))
        shapes = [t for t in before if t.colour != NO_COLOUR]
        if shapes and rng.random() < 0.4:
            other = shapes[rng.integers(len(shapes))]
            if rng.random() < 0.6:
                shape = other.kind
            else:
                colour = other.colour
        return shape, colour, False
    if what == 1:
        return len(E.SHAPES) + int(rng.integers(len(ICONS))), NO_COLOUR, False
    return len(E.SHAPES) + len(ICONS) + int(rng.integers(len(WORDS))), NO_COLOUR, True


def free_place(rng, width, height, w, h, taken, gap=2):
    for _ in range(12):
        if w + 2 > width or h + 2 > height:
            return None
        x, y = int(rng.integers(1, width - w)), int(rng.integers(1, height - h))
        if all(x > b[2] + gap or x + w - 1 < b[0] - gap or y > b[3] + gap or y + h - 1 < b[1] - gap for b in taken):
            return x, y
    return None


def size_for(rng, grid):
    """An image size that this grid fits best: 0.75 to 1.6 times the canvas, its ratio up to a sixth off."""
    while True:
        scale = rng.uniform(0.55, 1.0) if grid == (1, 1) else rng.uniform(0.8, 1.6)
        bend = rng.uniform(-0.16, 0.16)
        width, height = (max(24, round(n * TILE * scale * math.exp(s * bend))) for n, s in zip(grid, (1, -1)))
        if grid_choice(width, height) == grid:
            return width, height


def scene(rng, grid, count=None):
    width, height = size_for(rng, grid)
    zoom = math.sqrt(width * height / (grid[0] * grid[1])) / TILE
    image = Image.new("RGB", (width, height), E.PAPERS[rng.integers(len(E.PAPERS))])
    draw = ImageDraw.Draw(image)
    tiles = grid[0] * grid[1]
    count = count or int(rng.integers(1 + tiles // 3, min(MOST, 2 + tiles) + 1))
    things, names = [], set()
    for _ in range(4 * count):
        if len(things) == count:
            break
        kind, colour, is_word = random_name(rng, things)
        if (kind, colour) in names:
            continue
        taken = [t.box for t in things]
        if is_word:
            font, size = int(rng.integers(len(E.FONTS))), round(zoom * rng.uniform(11, 19))
            pens, top, bottom = E.text_extent(KINDS[kind], font, size)
            w, h = math.ceil(pens[-1]), bottom - top
            place = free_place(rng, width, height, w, h, taken)
            if place is None:
                continue
            x, y = place
            E.draw_text(draw, KINDS[kind], font, size, E.INKS[rng.integers(len(E.INKS))], x, y - top)
            letters = tuple((LETTERS.index(c), x + a, x + b) for c, a, b in zip(KINDS[kind], pens, pens[1:]))
            things.append(Thing(kind, colour, (x, y, x + w - 1, y + h - 1), letters=letters))
        else:
            side = round(zoom * (rng.uniform(13, 18), rng.uniform(18, 28), rng.uniform(28, 46))[rng.choice(3, p=(0.42, 0.35, 0.23))])
            fill = COLOURS[COLOUR_NAMES[colour]] if colour != NO_COLOUR else E.FILLS[rng.integers(len(E.FILLS))]
            sprite = E.picture(KINDS[kind], side, fill)
            ink = np.asarray(sprite)[..., 3] > 100
            ys, xs = np.flatnonzero(ink.any(1)), np.flatnonzero(ink.any(0))
            place = free_place(rng, width, height, side, side, taken)
            if place is None:
                continue
            image.paste(sprite, place, sprite)
            x, y = place
            things.append(Thing(kind, colour, (x + int(xs[0]), y + int(ys[0]), x + int(xs[-1]), y + int(ys[-1])), ink, place))
        names.add((kind, colour))
    if not things:
        return scene(rng, grid, count)
    things.sort(key=lambda t: (t.centre[1], t.centre[0]))
    return Scene(image, things, grid)


def views(image, grid):
    """uint8: the whole view `[side, side, 3]`, tiles `[rows * columns, side, side, 3]` row by row."""
    c, r = grid
    whole = np.asarray(image.resize((TILE, TILE), Image.BICUBIC))
    canvas = np.asarray(image.resize((c * TILE, r * TILE), Image.BICUBIC))
    return whole, canvas.reshape(r, TILE, c, TILE, 3).transpose(0, 2, 1, 3, 4).reshape(r * c, TILE, TILE, 3)


def span_of(low, high, count):
    """Cells whose centres lie in [low, high), given in cells; the nearest one if none does."""
    a, b = math.ceil(low - 0.5), math.ceil(high - 0.5)
    if b <= a:
        a = int((low + high) / 2)
        b = a + 1
    return max(0, min(a, count - 1)), max(1, min(b, count))


def labels(s):
    """Which thing stands at each patch (-1: none) and which letter, in the order of the image tokens: whole view, then the map of all
    tiles row by row. Tables of the things: kind, colour, box as shares of the image's sides."""
    (width, height), (c, r) = s.size, s.grid
    things, letters = [], []
    for cols, rows in ((SIDE, SIDE), (c * SIDE, r * SIDE)):
        at, letter = np.full((rows, cols), -1, np.int8), np.full((rows, cols), NO_LETTER, np.uint8)
        for i, t in enumerate(s.things):
            x0, x1 = span_of(t.box[0] / width * cols, (t.box[2] + 1) / width * cols, cols)
            y0, y1 = span_of(t.box[1] / height * rows, (t.box[3] + 1) / height * rows, rows)
            at[y0:y1, x0:x1] = i
            for k, left, right in t.letters:
                a, b = math.ceil(left / width * cols - 0.5), math.ceil(right / width * cols - 0.5)
                letter[y0:y1, max(0, a) : max(0, b)] = k
        things.append(at.ravel())
        letters.append(letter.ravel())
    kind, colour, box = np.full(MOST, NO_KIND, np.uint8), np.full(MOST, NO_COLOUR, np.uint8), np.zeros((MOST, 4), np.float32)
    for i, t in enumerate(s.things):
        kind[i], colour[i] = t.kind, t.colour
        box[i] = t.box[0] / width, t.box[1] / height, (t.box[2] + 1) / width, (t.box[3] + 1) / height
    return np.concatenate(things), np.concatenate(letters), kind, colour, box


def pick_grid(rng):
    return GRIDS[rng.choice(len(GRIDS), p=[GRID_SHARES[g] for g in GRIDS])]


def arrays(scenes):
    """The visual part of a batch of scenes of one grid."""
    seen = [views(s.image, s.grid) for s in scenes]
    labelled = [labels(s) for s in scenes]
    names = ("at", "letter", "kind", "colour", "box")
    return {
        "grid": scenes[0].grid,
        "pixels": np.stack([v[0] for v in seen]),
        "tiles": np.stack([v[1] for v in seen]),
        **{n: np.stack([x[i] for x in labelled]) for i, n in enumerate(names)},
    }


def encoder_batch(rng, views=80, whole_only=False):
    grid = pick_grid(rng)
    count = views if whole_only else max(1, round(views / (1 + grid[0] * grid[1])))
    return arrays([scene(rng, grid) for _ in range(count)])
