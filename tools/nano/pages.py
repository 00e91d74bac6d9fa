# SPDX-License-Identifier: Apache-2.0
"""Seeded pages: an image, the entities on it with the boxes of their characters, and dense labels for patches and tokens."""

from dataclasses import dataclass, field

import entities as E
import numpy as np
from PIL import Image, ImageDraw

TEXT_KINDS = ("word", "number", "string")


@dataclass
class Item:
    type: str  # word, number, string, shape, object, sign
    text: str  # what it says, or its name
    identity: int  # index in entities.KINDS
    box: tuple  # ink box x0, y0, x1, y1 in image pixels
    characters: list = field(default_factory=list)  # (character label, left, right)
    cell: int = -1  # 0..8 row by row

    @property
    def centre(self):
        return (self.box[0] + self.box[2]) / 2, (self.box[1] + self.box[3]) / 2


@dataclass
class Page:
    image: Image.Image
    items: list


def random_number(rng):
    form = rng.integers(4)
    if form == 0:
        return f"0.{rng.integers(100, 1000)}"
    if form == 1:
        return f"{rng.integers(1, 100)}.{rng.integers(0, 10)}"
    if form == 2:
        return f"{rng.integers(1, 10)}.{rng.integers(10, 100)}"
    return str(rng.integers(10, 10 ** int(rng.integers(2, 5))))


def random_string(rng, low=3, high=5):
    return "".join(E.STRING_ALPHABET[i] for i in rng.integers(len(E.STRING_ALPHABET), size=rng.integers(low, high + 1)))


def random_entity(rng, type=None, words=E.WORDS):
    """(type, text)."""
    if type is None:
        type = ("word", "number", "string", "shape", "object", "sign")[rng.choice(6, p=(0.25, 0.2, 0.25, 0.12, 0.12, 0.06))]
    if type == "word":
        return type, words[rng.integers(len(words))]
    if type == "number":
        return type, random_number(rng)
    if type == "string":
        return type, random_string(rng)
    names = {"shape": E.SHAPES, "object": E.OBJECTS, "sign": E.SIGNS}[type]
    return type, names[rng.integers(len(names))]


def identity(type, text):
    kind = type if type in ("number", "string") else text
    return E.KINDS.index(kind) if kind in E.KINDS else E.NO_KIND


def text_style(rng, text, width, smallest=11, largest=20):
    """A font and size so that the text is at most `width` wide; ink is drawn at random among dark colours."""
    index = int(rng.integers(len(E.FONTS)))
    size = int(rng.integers(smallest + 1, largest + 1))
    while size > smallest and E.text_extent(text, index, size)[0][-1] > width:
        size -= 1
    return index, size, E.INKS[rng.integers(len(E.INKS))]


def place_text(draw, type, text, style, left, centre_y):
    """Draws with the pen starting at `left` and the ink centred on `centre_y`."""
    _, top, bottom = E.text_extent(text, style[0], style[1])
    return place_on_baseline(draw, type, text, style, left, round(centre_y - (top + bottom) / 2))


def place_on_baseline(draw, type, text, style, left, baseline):
    index, size, colour = style
    pens, top, bottom = E.text_extent(text, index, size)
    left = round(left)
    E.draw_text(draw, text, index, size, colour, left, baseline)
    characters = [(E.CHARACTERS.index(c), left + a, left + b) for c, a, b in zip(text, pens, pens[1:])]
    return Item(type, text, identity(type, text), (left, baseline + top, left + pens[-1], baseline + bottom), characters)


def place_picture(image, rng, type, name, size, left, top, fill=None):
    sprite = E.picture(name, size, fill or E.FILLS[rng.integers(len(E.FILLS))])
    image.paste(sprite, (round(left), round(top)), sprite)
    return Item(type, name, identity(type, name), (left, top, left + size, top + size))


def dense_page(rng, width, height, smallest=11):
    """Rows of entities: many labelled characters in one image, for training the vision tower."""
    image = Image.new("RGB", (width, height), E.PAPERS[rng.integers(len(E.PAPERS))])
    draw = ImageDraw.Draw(image)
    items, y = [], rng.uniform(1, 10)
    while y < height - 10:
        pictures = rng.random() < 0.22
        row = rng.integers(26, 50) if pictures else rng.integers(15, 24)
        x = rng.uniform(0, 16)
        while x < width - 16:
            if pictures and rng.random() < 0.6:
                size = int(row - rng.integers(1, 4))
                if x + size > width or y + size > height:
                    break
                type, name = random_entity(rng, ("shape", "object", "sign")[rng.choice(3, p=(0.4, 0.44, 0.16))])
                items.append(place_picture(image, rng, type, name, size, int(x), int(y)))
                x += size + rng.uniform(6, 16)
            else:
                type, text = random_entity(rng, ("word", "number", "string")[rng.choice(3, p=(0.3, 0.3, 0.4))])
                style = text_style(rng, text, 60, smallest)
                length = E.text_extent(text, style[0], style[1])[0][-1]
                if x + length > width:
                    break
                items.append(place_text(draw, type, text, style, x, y + row / 2))
                x += length + rng.uniform(9, 26)
        y += row + rng.uniform(0, 6)
    return Page(image, items)


def grid_page(rng, placed, width, height, jitter=3, background=None):
    """EntityGrid page: `placed` is a list of (type, text, cell) on the 3 x 3 layout. Text of one size never leaves its cell."""
    image = Image.new("RGB", (width, height), background or E.PAPERS[rng.integers(len(E.PAPERS))])
    draw = ImageDraw.Draw(image)
    items = []
    for type, text, cell in placed:
        side_x, side_y = width / 3, height / 3
        cx = side_x * (cell % 3 + 0.5) + rng.uniform(-jitter, jitter)
        cy = side_y * (cell // 3 + 0.5) + rng.uniform(-jitter, jitter)
        if type in TEXT_KINDS:
            style = text_style(rng, text, side_x * 0.8)
            length = E.text_extent(text, style[0], style[1])[0][-1]
            item = place_text(draw, type, text, style, cx - length / 2, cy)
        else:
            most = int(min(side_x, side_y) * 0.8)
            size = int(rng.integers(max(16, int(most * 0.55)), max(17, most + 1)))
            item = place_picture(image, rng, type, text, size, int(cx - size / 2), int(cy - size / 2))
        item.cell = cell
        items.append(item)
    return Page(image, items)


def text_page(rng, width, height, words=E.WORDS):
    """One text somewhere on a small page of any size (read-the-text samples)."""
    image = Image.new("RGB", (width, height), E.PAPERS[rng.integers(len(E.PAPERS))])
    draw = ImageDraw.Draw(image)
    type, text = random_entity(rng, ("word", "number", "string")[rng.choice(3, p=(0.4, 0.3, 0.3))], words)
    style = text_style(rng, text, min(70, width - 4))
    pens, top, bottom = E.text_extent(text, style[0], style[1])
    x = rng.uniform(1, max(2, width - pens[-1] - 1))
    y = rng.uniform((bottom - top) / 2 + 1, max((bottom - top) / 2 + 2, height - (bottom - top) / 2 - 1))
    item = place_text(draw, type, text, style, x, y)
    cx, cy = item.centre
    item.cell = min(2, int(3 * cy / height)) * 3 + min(2, int(3 * cx / width))
    return Page(image, [item])


# Columns of the label arrays.
PATCH_CHARACTER, PATCH_INDEX, PATCH_IDENTITY = range(3)
TOKEN_START, TOKEN_C0, TOKEN_C1, TOKEN_C2, TOKEN_IDENTITY, TOKEN_ANCHOR, TOKEN_CELL, TOKEN_ORDINAL = range(8)
NO_INDEX = E.LONGEST
NO_CELL = 9
MOST_COUNTED = 5


def _map_labels(items, scale, offset, width, height, base, patch, kernel):
    """Labels of one canvas: patches `[height/patch, width/patch, 3]`, tokens `[…/kernel, …/kernel, 8]`."""
    rows, cols = height // patch, width // patch
    p = np.empty((rows, cols, 3), np.int64)
    p[..., PATCH_CHARACTER], p[..., PATCH_INDEX], p[..., PATCH_IDENTITY] = E.NO_CHARACTER, NO_INDEX, E.NO_KIND
    t = np.empty((rows // kernel, cols // kernel, 8), np.int64)
    t[..., TOKEN_START], t[..., TOKEN_C0 : TOKEN_C2 + 1] = NO_INDEX, E.NO_CHARACTER
    t[..., TOKEN_IDENTITY], t[..., TOKEN_ANCHOR], t[..., TOKEN_CELL] = E.NO_KIND, 0, NO_CELL
    t[..., TOKEN_ORDINAL] = 0
    anchors = []
    cell, side = patch * kernel, base // patch // kernel
    trows, tcols = t.shape[:2]

    def span(low, high, step, count):
        """Indices of the steps whose centre lies in [low, high); the nearest one if none does."""
        a, b = int(np.ceil(low / step - 0.5)), int(np.ceil(high / step - 0.5))
        if b <= a:
            a = int((low + high) / 2 / step)
            b = a + 1
        return max(0, min(a, count - 1)), max(1, min(b, count))

    for item in items:
        x0, y0 = item.box[0] * scale[0] + offset[0], item.box[1] * scale[1] + offset[1]
        x1, y1 = item.box[2] * scale[0] + offset[0], item.box[3] * scale[1] + offset[1]
        cx, cy = (x0 + x1) / 2, (y0 + y1) / 2
        r0, r1 = span(y0, y1, patch, rows)
        c0, c1 = span(x0, x1, patch, cols)
        p[r0:r1, c0:c1, PATCH_IDENTITY] = item.identity
        tr0, tr1 = span(y0, y1, cell, trows)
        tc0, tc1 = span(x0, x1, cell, tcols)
        t[tr0:tr1, tc0:tc1, TOKEN_IDENTITY] = item.identity
        t[tr0:tr1, tc0:tc1, TOKEN_CELL] = NO_CELL if item.cell < 0 else item.cell
        ty, tx = min(trows - 1, int(cy / cell)), min(tcols - 1, int(cx / cell))
        t[ty, tx, TOKEN_IDENTITY], t[ty, tx, TOKEN_ANCHOR] = item.identity, 1
        anchors.append((ty // side, tx // side, ty, tx, item.text))
        last, slot = None, 0
        for i, (label, left, right) in enumerate(item.characters):
            a, b = left * scale[0] + offset[0], right * scale[0] + offset[0]
            k0, k1 = int(np.ceil(a / patch - 0.5)), int(np.ceil(b / patch - 0.5))
            if k1 > k0:
                p[r0:r1, max(0, k0) : max(0, k1), PATCH_CHARACTER] = label
                p[r0:r1, max(0, k0) : max(0, k1), PATCH_INDEX] = min(i, E.LONGEST - 1)
            tx = max(0, min(tcols - 1, int((a + b) / 2 / cell)))
            slot = slot + 1 if tx == last else 0
            last = tx
            if slot == 0:
                t[ty, tx, TOKEN_START] = min(i, E.LONGEST - 1)
            if slot < 3:
                t[ty, tx, TOKEN_C0 + slot] = label
    seen = {}
    for _, _, ty, tx, text in sorted(anchors):  # in the order of the decoder's sequence
        seen[text] = seen.get(text, 0) + 1
        t[ty, tx, TOKEN_ORDINAL] = min(seen[text], MOST_COUNTED)
    return p, t


def labels(items, grid, low, full, base, patch, kernel):
    """Patch labels `[views, patches, 3]` and token labels `[views, tokens, 8]` in the views' order."""
    rows, cols = grid
    out = []
    lp, lt = _map_labels(items, *low, base, base, base, patch, kernel)
    fp, ft = _map_labels(items, *full, cols * base, rows * base, base, patch, kernel)
    for small, big, side in ((lp, fp, base // patch), (lt, ft, base // patch // kernel)):
        k = small.shape[-1]
        tiles = big.reshape(rows, side, cols, side, k).transpose(0, 2, 1, 3, 4).reshape(rows * cols, side * side, k)
        out.append(np.concatenate([small.reshape(1, side * side, k), tiles]).astype(np.uint8))
    return out
