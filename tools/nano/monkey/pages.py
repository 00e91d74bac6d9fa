# SPDX-License-Identifier: Apache-2.0
"""Pages of dense text and scenes of entities, with labels for patches, for image vectors, and for the order of reading."""

from dataclasses import dataclass, field, replace

import entities as E
import numpy as np
import pages as P
from PIL import Image, ImageDraw

TILE, PATCH, CELL = 96, 8, 16  # one image vector stands for a cell of 2 x 2 patches
SIDE = TILE // CELL
GRIDS = [(2, 2), (2, 3)]
SMALLEST, LARGEST = 15, 20  # font sizes

COLOURS = ["red", "blue", "green", "yellow", "purple", "orange", "gray", "teal"]  # of entities.FILLS
COLOURED = set(E.SHAPES) | {"car", "fish", "cup", "umbrella"}  # the others are drawn in colours of their own

# Columns of the vector labels. A slot says a character and whether a word starts with it.
SLOTS, IDENTITY, COLOUR, ANCHOR, PREVIOUS, LINE, COLUMNS = 4, 4, 5, 6, 7, 8, 9
NO_SLOT, NO_COLOUR, NO_LINE = 2 * E.NO_CHARACTER, len(COLOURS), 15


@dataclass
class Glyph:
    character: str
    x: float  # centre
    y: float  # the line's centre, the same for all of it
    starts_word: bool


@dataclass
class Scene:
    image: Image.Image
    items: list  # pages.Item
    lines: list = field(default_factory=list)  # lists of Glyph, in reading order
    texts: list = field(default_factory=list)  # the lines' texts
    colours: list = field(default_factory=list)  # of each item, None where it has none

    @property
    def grid(self):
        return self.image.size[1] // TILE, self.image.size[0] // TILE

    @property
    def cells(self):
        """Whether its items stand in the 3 x 3 layout, to be described; else it is a page to be read."""
        return self.items[0].cell >= 0

    def resized(self, rows, cols):
        """The same page for another number of tiles, stretched as Monkey stretches every image."""
        size = cols * TILE, rows * TILE
        sx, sy = size[0] / self.image.size[0], size[1] / self.image.size[1]
        items = [
            replace(i, box=(i.box[0] * sx, i.box[1] * sy, i.box[2] * sx, i.box[3] * sy), characters=[(c, a * sx, b * sx) for c, a, b in i.characters])
            for i in self.items
        ]
        lines = [[replace(g, x=g.x * sx, y=g.y * sy) for g in line] for line in self.lines]
        return Scene(self.image.resize(size, Image.BICUBIC), items, lines, self.texts, self.colours)


def random_word(rng, room=9):
    """(type, text): any string of capitals and digits, any string of small letters, a number, a listed word."""
    kind = rng.choice(4, p=(0.36, 0.32, 0.2, 0.12))
    if kind == 0:
        return "string", P.random_string(rng, 2, 6)
    if kind == 1:
        return "string", "".join(E.CHARACTERS[i] for i in rng.integers(26, size=rng.integers(2, 8)))
    if kind == 2:
        return "number", P.random_number(rng)
    return "word", E.WORDS[rng.integers(len(E.WORDS))]


def text_item(draw, type, text, style, left, baseline):
    """A word whose box is its line's: from the baseline to the capitals' height, so that all of a line lies in one row of cells."""
    item = P.place_on_baseline(draw, type, text, style, left, baseline)
    top = baseline + E.text_extent("H", style[0], style[1])[1]
    item.box = (item.box[0], top, item.box[2], baseline)
    return item


def glyphs(item):
    y = item.centre[1]
    return [Glyph(c, (a + b) / 2, y, i == 0) for i, (c, (_, a, b)) in enumerate(zip(item.text, item.characters))]


def text_page(rng, rows, cols, lines):
    """A page with at most so many lines of words at any height: some lie across the border of two tiles."""
    width, height = cols * TILE, rows * TILE
    image = Image.new("RGB", (width, height), E.PAPERS[rng.integers(len(E.PAPERS))])
    draw = ImageDraw.Draw(image)
    font, size = int(rng.integers(len(E.FONTS))), int(rng.integers(SMALLEST, LARGEST + 1))
    ink = E.INKS[rng.integers(len(E.INKS))]
    varied = rng.random() < 0.25
    pitch = max(20, size * rng.uniform(1.2, 1.7))
    lines = min(lines, int((height - 4) / pitch))
    y = rng.uniform(0, height - 2 - lines * pitch)
    margin = rng.uniform(2, 14) if rng.random() < 0.8 else rng.uniform(14, width * 0.4)
    scene = Scene(image, [])
    for _ in range(lines):
        if varied:
            font, ink = int(rng.integers(len(E.FONTS))), E.INKS[rng.integers(len(E.INKS))]
        style, y = (font, size, ink), y + pitch
        baseline = round(y - pitch * 0.28)
        x, words = margin + (rng.uniform(0, 20) if rng.random() < 0.15 else 0), []
        space = E.text_extent(" ", font, size)[0][-1] * rng.uniform(1.0, 1.6)
        while True:
            type, text = random_word(rng)
            if x + E.text_extent(text, font, size)[0][-1] > width - 2:
                break
            words.append(text_item(draw, type, text, style, x, baseline))
            x += words[-1].box[2] - words[-1].box[0] + space
            if rng.random() < 0.12:
                break
        if words:
            scene.items += words
            scene.lines.append([g for w in words for g in glyphs(w)])
            scene.texts.append(" ".join(w.text for w in words))
    scene.colours = [None] * len(scene.items)
    return scene


def scene_page(rng, rows, cols, count):
    """Entities in so many cells of a 3 x 3 layout, sorted row by row; at most one of each name."""
    width, height = cols * TILE, rows * TILE
    image = Image.new("RGB", (width, height), E.PAPERS[rng.integers(len(E.PAPERS))])
    draw = ImageDraw.Draw(image)
    scene, seen = Scene(image, []), set()
    for cell in sorted(int(c) for c in rng.permutation(9)[:count]):
        while True:
            type = ("shape", "object", "sign", "text")[rng.choice(4, p=(0.3, 0.3, 0.08, 0.32))]
            type, text = random_word(rng) if type == "text" else P.random_entity(rng, type)
            if text not in seen and len(text) <= 7:
                break
        seen.add(text)
        cx = width / 3 * (cell % 3 + 0.5) + rng.uniform(-4, 4)
        cy = height / 3 * (cell // 3 + 0.5) + rng.uniform(-4, 4)
        colour = None
        if type in P.TEXT_KINDS:
            style = P.text_style(rng, text, width / 3 * 0.92, SMALLEST, LARGEST)
            pens, top, bottom = E.text_extent(text, style[0], style[1])
            item = text_item(draw, type, text, style, cx - pens[-1] / 2, round(cy - (top + bottom) / 2))
            scene.lines.append(glyphs(item))
            scene.texts.append(text)
        else:
            most = int(min(width, height) / 3 * 0.85)
            size = int(rng.integers(int(most * 0.55), most + 1))
            fill = int(rng.integers(len(E.FILLS)))
            colour = COLOURS[fill] if text in COLOURED else None
            item = P.place_picture(image, rng, type, text, size, int(cx - size / 2), int(cy - size / 2), E.FILLS[fill])
        item.cell = cell
        scene.items.append(item)
        scene.colours.append(colour)
    return scene


def vector_index(x, y, cols):
    """The image vector, counted over tiles and their cells, whose cell holds this point of the page."""
    tile = int(y) // TILE * cols + int(x) // TILE
    return tile * SIDE * SIDE + int(y) % TILE // CELL * SIDE + int(x) % TILE // CELL


def _canvas(scene, sx, sy, rows, cols):
    """Labels `[rows * SIDE, cols * SIDE, COLUMNS]` of the page shrunk by these factors."""
    high, wide = rows * SIDE, cols * SIDE
    t = np.empty((high, wide, COLUMNS), np.uint8)
    t[..., :SLOTS], t[..., IDENTITY], t[..., COLOUR], t[..., ANCHOR] = NO_SLOT, E.NO_KIND, NO_COLOUR, 0
    t[..., PREVIOUS], t[..., LINE] = E.NO_CHARACTER, NO_LINE

    def place(x, y):
        return min(high - 1, max(0, int(y * sy / CELL))), min(wide - 1, max(0, int(x * sx / CELL)))

    for number, line in enumerate(scene.lines):
        used, before = {}, E.NO_CHARACTER
        for g in line:
            at = place(g.x, g.y)
            slot = used[at] = used.get(at, -1) + 1
            label = E.CHARACTERS.index(g.character)
            if slot == 0:
                t[at][PREVIOUS], t[at][LINE] = before, min(number, NO_LINE - 1)
            if slot < SLOTS:
                t[at][slot] = label + E.NO_CHARACTER * g.starts_word
            before = label
    for item, colour in zip(scene.items, scene.colours):
        if item.type in P.TEXT_KINDS and item.cell < 0:
            continue
        (y0, x0), (y1, x1) = place(item.box[0], item.box[1]), place(item.box[2] - 1, item.box[3] - 1)
        at = place(*item.centre)
        t[y0 : y1 + 1, x0 : x1 + 1, IDENTITY] = item.identity
        t[at][IDENTITY], t[at][ANCHOR] = item.identity, 1
        if colour:
            t[at][COLOUR] = COLOURS.index(colour)
    return t


def arrays(scene):
    """Pixels, patch labels `[views, patches, 3]`, vector labels `[views, cells, COLUMNS]`; the global view last."""
    rows, cols = scene.grid
    whole = (1 / cols, 1 / rows)
    patch = P.labels(scene.items, (rows, cols), (whole, (0, 0)), ((1, 1), (0, 0)), TILE, PATCH, CELL // PATCH)[0]
    full = _canvas(scene, 1, 1, rows, cols).reshape(rows, SIDE, cols, SIDE, COLUMNS).transpose(0, 2, 1, 3, 4)
    small = _canvas(scene, *whole, 1, 1).reshape(1, SIDE * SIDE, COLUMNS)
    vector = np.concatenate([full.reshape(rows * cols, SIDE * SIDE, COLUMNS), small])
    return np.asarray(scene.image), np.roll(patch, -1, 0), vector


def trunk_page(rng, rows, cols):
    kind = rng.random()
    if kind < 0.2:
        page = P.dense_page(rng, cols * TILE, rows * TILE, SMALLEST - 1)
        scene = Scene(page.image, page.items)
        scene.lines = [glyphs(i) for i in page.items if i.characters]
        scene.colours = [None] * len(page.items)
        return scene
    if kind < 0.75:
        return text_page(rng, rows, cols, 99)
    return scene_page(rng, rows, cols, int(rng.integers(5, 10)))


def trunk_batch(rng, views=80):
    rows, cols = GRIDS[int(rng.random() < 0.2)]
    made = [arrays(trunk_page(rng, rows, cols)) for _ in range(max(1, round(views / (rows * cols + 1))))]
    return {
        "grid": (rows, cols),
        "pixels": np.stack([m[0] for m in made]),
        "patch": np.stack([m[1] for m in made]),
        "vector": np.stack([m[2] for m in made]),
    }
