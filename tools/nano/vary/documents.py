# SPDX-License-Identifier: Apache-2.0
"""Document pages, charts and natural-looking pictures with what a reader should say of them and where each character stands.

Every picture is SIDE x SIDE; pages of other shapes are drawn in their own shape and squashed, as Vary squashes all it sees.
"""

import functools
import os
from dataclasses import dataclass, field

import entities as E
import numpy as np
from PIL import Image, ImageDraw, ImageFilter, ImageFont

from . import text as X

SIDE, PATCH, TOKEN = 256, 8, 32  # pixels; a token of the vocabulary network covers TOKEN x TOKEN
CELL, SLOTS = 16, 3  # a token's labels: characters in each of its cells, from left to right
GRID, CELLS = SIDE // TOKEN, SIDE // CELL
CELLS_OF, ROWS_OF, NO_LINE = (TOKEN // CELL) ** 2, TOKEN // CELL, 19  # cells and rows of cells of a token; lines told apart
SMALLEST, LARGEST = 16, 22  # font sizes

CJK_FONTS = ["wqy/wqy-microhei.ttc", "arphic-gbsn00lp/gbsn00lp.ttf"]
NATURAL = ["It's an image of nature.", "Here's a nature picture.", "It's a nature photo.", "This is a natural image.", "That's a shot from nature."]


@dataclass
class Page:
    kind: str  # "page", "chart", "natural"
    image: Image.Image
    text: str  # what to say
    spots: list = field(default_factory=list)  # of each character of the text that is printed: (x, y), else None
    glyphs: list = field(default_factory=list)  # (character, x, y, height, starts a word, line) of all that is printed

    def squashed(self):
        if self.image.size == (SIDE, SIDE):
            return self
        sx, sy = SIDE / self.image.size[0], SIDE / self.image.size[1]
        return Page(
            self.kind,
            self.image.resize((SIDE, SIDE), Image.BICUBIC),
            self.text,
            [s and (s[0] * sx, s[1] * sy) for s in self.spots],
            [(c, x * sx, y * sy, h * sy, *more) for c, x, y, h, *more in self.glyphs],
        )


@functools.lru_cache(maxsize=None)
def cjk_font(index, size):
    return ImageFont.truetype(os.path.join(E.FONT_DIRECTORY, CJK_FONTS[index]), size, layout_engine=ImageFont.Layout.BASIC)


@functools.lru_cache(maxsize=None)
def advance(font, character):
    return font.getlength(character)


class Pen:
    """Draws lines of text and remembers where their characters are."""

    def __init__(self, image, font, size, ink):
        self.draw, self.font, self.size, self.ink = ImageDraw.Draw(image), font, size, ink
        self.text, self.spots, self.glyphs, self.lines = [], [], [], 0

    def length(self, text):
        return sum(advance(self.font, c) for c in text)

    def line(self, text, x, baseline):
        if self.text:
            self.text.append("\n")
            self.spots.append(None)
        self.draw.text((round(x), baseline), text, font=self.font, fill=self.ink, anchor="ls")
        y, at, before = baseline - 0.36 * self.size, round(x), " "
        for c in text:
            wide = advance(self.font, c)
            spot = None if c == " " else (at + wide / 2, y)
            self.text.append(c)
            self.spots.append(spot)
            if spot:
                self.glyphs.append((c, *spot, 0.72 * self.size, before == " ", self.lines))
            at, before = at + wide, c
        self.lines += 1


def fill_column(rng, pen, left, right, y, bottom, pitch, is_chinese, most):
    """Paragraphs from `y` down until the pen has written so many characters; returns nothing, the pen remembers."""
    rest = int(rng.integers(2, 7))  # lines of this paragraph
    indent = pen.size * (2 if is_chinese else rng.choice([0, 1.5]))
    first = True
    while y <= bottom:
        x = left + (indent if first else 0)
        if is_chinese:
            line = X.chinese(rng, max(1, int((right - x) / pen.size)))
        else:
            words = []
            while True:
                more = X.word(rng)
                if pen.length(" ".join(words + [more])) > right - x:
                    break
                words.append(more + (X.sentence_mark(rng) if pen.length(" ".join(words + [more])) < right - x - pen.size else ""))
            line = " ".join(words)
        rest -= 1
        if rest == 0:
            keep = rng.uniform(0.3, 1.0)
            line = line[: max(1, int(len(line) * keep))].rstrip()
        if pen.text and len(pen.text) + len(line) >= most:
            break
        if line:
            pen.line(line, x, round(y))
        y, first = y + pitch, False
        if rest == 0:
            rest, first = int(rng.integers(2, 7)), True
            y += pitch * rng.choice([0, 0, 0.4])


def document(rng, longest=999):
    """A page of one or two columns, English or Chinese, now and then with a heading; text in reading order, a line each, of at most
    about so many characters (pages are of any length up to it, if they have room)."""
    width, height = (SIDE, SIDE) if rng.random() < 0.6 else (int(SIDE * rng.uniform(0.8, 1.25)), int(SIDE * rng.uniform(0.8, 1.25)))
    image = Image.new("RGB", (width, height), E.PAPERS[rng.integers(len(E.PAPERS))])
    size, is_chinese = int(rng.integers(SMALLEST, LARGEST + 1)), rng.random() < 0.25
    if is_chinese:
        size += 2
        font = cjk_font(int(rng.integers(len(CJK_FONTS))), size)
    else:
        font = E.font(int(rng.integers(len(E.FONTS))), size)
    pen = Pen(image, font, size, E.INKS[rng.integers(len(E.INKS))])
    pitch, margin = size * rng.uniform(1.3, 1.7), rng.uniform(4, 18)
    y = margin + size + (rng.uniform(0, height * 0.6) if rng.random() < 0.4 else 0)
    if rng.random() < 0.2 and y + 3 * pitch < height:
        heading = X.chinese(rng, int(rng.integers(3, 7))) if is_chinese else X.word(rng).upper()[:10]
        pen.line(heading, max(margin, (width - pen.length(heading)) / 2), round(y))
        y += pitch * 1.5
    bottom = height - 4 if rng.random() < 0.7 else rng.uniform(y, height - 4)
    most = longest if longest > 500 else rng.uniform(12, longest)
    columns, gap = 2 if size <= 17 and rng.random() < 0.25 else 1, 14
    each = (width - 2 * margin - gap * (columns - 1)) / columns
    for k in range(columns):
        left = margin + k * (each + gap)
        fill_column(rng, pen, left, left + each, y, bottom, pitch, is_chinese, most)
    if not pen.text:
        return document(rng, longest)
    return Page("page", image, "".join(pen.text), pen.spots, pen.glyphs)


def natural(rng):
    """Smooth random colours, blobs and things: no text to read."""
    low = rng.uniform(0, 255, (int(rng.integers(3, 9)), int(rng.integers(3, 9)), 3)).astype(np.uint8)
    image = Image.fromarray(low).resize((SIDE, SIDE), Image.BICUBIC)
    if rng.random() < 0.5:
        noise = rng.normal(0, rng.uniform(4, 22), (SIDE, SIDE, 1))
        image = Image.fromarray((np.asarray(image) + noise).clip(0, 255).astype(np.uint8))
    draw = ImageDraw.Draw(image)
    for _ in range(int(rng.integers(0, 6))):
        x, y, r = rng.uniform(0, SIDE), rng.uniform(0, SIDE), rng.uniform(10, 70)
        box = (x - r, y - r * rng.uniform(0.4, 1), x + r, y + r * rng.uniform(0.4, 1))
        draw.ellipse(box, fill=tuple(int(v) for v in rng.integers(0, 256, 3)))
    for _ in range(int(rng.integers(0, 4))):
        sprite = E.picture(E.OBJECTS[rng.integers(len(E.OBJECTS))], int(rng.integers(40, 110)), E.FILLS[rng.integers(len(E.FILLS))])
        image.paste(sprite, (int(rng.integers(-10, SIDE - 60)), int(rng.integers(-10, SIDE - 60))), sprite)
    if rng.random() < 0.4:
        image = image.filter(ImageFilter.GaussianBlur(float(rng.uniform(0.5, 2))))
    text = NATURAL[rng.integers(len(NATURAL))]
    return Page("natural", image, text, [None] * len(text))


def labels(page):
    """The character of each patch `[SIDE/PATCH, SIDE/PATCH]`; and of each token: the characters of its cells `[tokens, CELLS_OF * SLOTS]`
    and whether a word starts with each; for each of its rows of cells the character before the first one there, in the order of
    reading, and the number of the line `[tokens, ROWS_OF]`."""
    n = SIDE // PATCH
    patch = np.full((n, n), X.NO_CHARACTER, np.uint8)
    cells = np.full((CELLS, CELLS, SLOTS), X.NO_CHARACTER, np.uint8)
    starts = np.zeros((CELLS, CELLS, SLOTS), np.uint8)
    before = np.full((CELLS, GRID), X.NO_CHARACTER, np.uint8)
    line = np.full((CELLS, GRID), NO_LINE, np.uint8)
    used = np.zeros((CELLS, CELLS), np.int64)
    previous = [None] + page.glyphs[:-1]
    order = sorted(zip(page.glyphs, previous), key=lambda g: g[0][1])
    for (c, x, y, high, start, number), last in order:
        label = X.INDEX[c]
        wide = high * (1.3 if c in X.CHINESE else 0.8)
        r0, r1 = int((y - high / 2) / PATCH + 0.5), int((y + high / 2) / PATCH + 0.5)
        k0, k1 = int((x - wide / 2) / PATCH + 0.5), int((x + wide / 2) / PATCH + 0.5)
        patch[max(0, r0) : max(r0 + 1, r1), max(0, k0) : max(k0 + 1, k1)] = label
        i, j = min(CELLS - 1, max(0, int(y / CELL))), min(CELLS - 1, max(0, int(x / CELL)))
        if used[i, j] < SLOTS:
            cells[i, j, used[i, j]], starts[i, j, used[i, j]] = label, start
        used[i, j] += 1
        if number is not None and line[i, j * CELL // TOKEN] == NO_LINE:
            line[i, j * CELL // TOKEN] = min(number, NO_LINE - 1)
            if last and last[5] == number:
                before[i, j * CELL // TOKEN] = X.INDEX[last[0]]
    per = TOKEN // CELL

    def of_tokens(x):
        return x.reshape(GRID, per, GRID, -1).transpose(0, 2, 1, 3).reshape(GRID * GRID, -1)

    return patch, of_tokens(cells), of_tokens(starts), of_tokens(before), of_tokens(line)


def token_of(spot):
    """The vector of the vocabulary network that covers a point."""
    return min(GRID - 1, max(0, int(spot[1] / TOKEN))) * GRID + min(GRID - 1, max(0, int(spot[0] / TOKEN)))
