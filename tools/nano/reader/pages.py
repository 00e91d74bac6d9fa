# SPDX-License-Identifier: Apache-2.0
"""Pages, their questions and their dense labels. All of it follows from a seed."""

from dataclasses import dataclass, replace

import numpy as np
import slicing as S
from PIL import Image

from . import layouts, sheet
from . import stock as K

BASE, PATCH, KERNEL, MOST = 144, 8, 2, 30
SIDE, CELLS = BASE // PATCH, BASE // PATCH // KERNEL  # patches and tokens on a side of a slice
# A token's cell of 16 x 16 pixels has slots of 5.3 x 8: each may hold the middle of a character.
SLOTS_X, SLOTS_Y = 3, 2
# Dense labels have finer columns, of 3.2 pixels: where an i or an l shares a slot with its neighbour, one of both had no label.
FINE = 5
NO_INDEX, IGNORE = 8, 255
READ, TABLE, WHERE, TOTAL = "Read the text.", "Write the table as Markdown.", "Where is {}?", "What is the total?"
NOWHERE = -1
SCREENS = ("terminal", "editor", "dialog", "window", "web", "site")


@dataclass
class Page:
    image: Image.Image
    kind: str
    letters: float  # pixels, em
    text: str
    origins: np.ndarray  # of each character of the text: index into the drawn ones, or -1
    characters: str
    boxes: np.ndarray  # [drawn characters, 4]: left, top, right, bottom
    facts: dict  # question -> (text, origins, first drawn character of the caption)
    table: tuple  # (Markdown, origins), or None
    words: list  # (text, first drawn character), each once on the page
    enlarge: int = 100  # percent that the model sees it at


def joined(spans):
    text, origins = "", []
    for span in spans:
        if text:
            text, origins = text + " ", origins + [-1]
        text, origins = text + span.text, origins + list(range(span.start, span.start + len(span.text)))
    return text, np.array(origins, np.int32)


def facts_of(sheet):
    """Question -> (text, origins, first character of the caption); what has two answers is not asked."""
    return {q: (*joined([said]), caption.start) for q, [(caption, said), *others] in sheet.facts.items() if not others}


def markdown(grid):
    """Rows of cells as a table; the first row is its head."""
    text, origins = "", []

    def add(t, o=None):
        nonlocal text, origins
        text, origins = text + t, origins + (list(o) if o is not None else [-1] * len(t))

    for r, cells in enumerate(grid):
        if r:
            add("\n")
        add("|")
        for spans in cells:
            t, o = joined(spans)
            add(" ")
            if t:
                add(t, o)
                add(" ")
            add("|")
        if r == 0:
            add("\n|" + "---|" * len(cells))
    return text, np.array(origins, np.int32)


def draw(rng, stock, kind, width, height, letters):
    """A page before the camera."""
    dark = {"terminal": 0.75, "editor": 0.5, "sign": 0.45, "label": 0.25, "receipt": 0.03, "book": 0.06, "listing": 0.06}.get(kind, 0.15)
    colour, ink = sheet.contrast(rng, dark)
    photo = {"sign": 0.3, "label": 0.2}.get(kind, 0.06)
    s = sheet.Sheet(sheet.ground(rng, stock, width, height, colour, photo), ink)
    if kind in (*SCREENS, "table") and rng.random() < 0.08:
        s.draw.fontmode = "1"  # as screens drew letters long ago
    layouts.KINDS[kind](s, rng, stock, int(letters))
    boxes = np.concatenate(s.boxes) if s.boxes else np.zeros((0, 4), np.float32)
    image = s.image
    if rng.random() < (0.15 if kind in SCREENS else 0.45):
        h = sheet.homography(rng, width, height)
        behind = None
        if kind in ("receipt", "invoice", "book", "label", "form", "listing") and rng.random() < 0.4:
            h = h @ np.array([[0.93, 0, 0.035 * width], [0, 0.93, 0.035 * height], [0, 0, 1]])
            behind, seen = stock.photo(rng, width, height), sheet.warp(Image.new("L", image.size, 255), boxes[:0], h, 0)[0]
        image, boxes = sheet.warp(image, boxes, h, colour)
        if behind is not None:
            image = Image.composite(image, behind, seen)
    text, origins = s.finished()
    spans = [span for row in s.rows for span in row]
    parts = [(w, span.start + at) for span in spans for w, at in words_of(span.text)]
    counted = {}
    for w, _ in parts:
        counted[w] = counted.get(w, 0) + 1
    table = markdown(s.grid) if s.grid and len(s.grid) > 1 and len({len(r) for r in s.grid}) == 1 else None
    once = [(w, at) for w, at in parts if counted[w] == 1 and len(w) > 2]
    return Page(image, kind, float(letters), text, origins, "".join(span.text for span in spans), boxes, facts_of(s), table, once)


def words_of(text):
    at = 0
    for w in text.split(" "):
        if w:
            yield w, at
        at += len(w) + 1


def photographed(rng, page):
    return replace(page, image=sheet.through_camera(rng, page.image, page.letters))


def strip(rng, page, heights):
    """Some lines of a page: all that lies between two rows of it that cross no character, `heights[0]` to `heights[1]` apart. A page without
    such rows is returned with no text."""
    boxes, height = page.boxes, page.image.height
    crossed = np.zeros(height + 1, np.int32)
    for top, bottom in zip(np.clip(boxes[:, 1].astype(int), 0, height), np.clip(np.ceil(boxes[:, 3]).astype(int), 0, height)):
        crossed[top:bottom] += 1
    free = np.nonzero(crossed[:height] == 0)[0]
    pairs = [(a, b) for a in free[rng.permutation(len(free))[:40]] for b in free[(free >= a + heights[0]) & (free <= a + heights[1])][-8:]]
    if not pairs:
        return replace(page, text="")
    top, bottom = (int(v) for v in pairs[rng.integers(len(pairs))])
    middles = (boxes[:, 1] + boxes[:, 3]) / 2
    inside = (middles >= top) & (middles < bottom)

    def whole(origins):
        o = origins[origins >= 0]
        return len(o) > 0 and bool(inside[o].all())

    text, origins, at = "", [], 0
    for line in page.text.split("\n"):
        o = page.origins[at : at + len(line)]
        at += len(line) + 1
        if len(o[o >= 0]) and not whole(o) and inside[o[o >= 0]].any():  # a line that is skewed: what is seen of it is not known
            return replace(page, text="")
        if whole(o):
            text, origins = text + ("\n" if text else "") + line, origins + ([-1] if text else []) + list(o)
    facts = {q: fact for q, fact in page.facts.items() if whole(fact[1]) and inside[fact[2]]}
    words = [(w, first) for w, first in page.words if inside[first : first + len(w)].all()]
    boxes = boxes - np.array([0, top, 0, top], np.float32)
    image = page.image.crop((0, top, page.image.width, bottom))
    return replace(page, image=image, text=text, origins=np.array(origins, np.int32), boxes=boxes, facts=facts, table=None, words=words)


def letter_size(rng, width, height):
    """9 to 40 pixels, every octave alike; a small picture has no large ones."""
    most = min(40, max(14, min(width / 9, height / 3)))
    return float(9 * (most / 9) ** rng.random())


def pick_kind(rng, kinds=layouts.SHARES):
    names = list(kinds)
    p = np.array([kinds[k] for k in names])
    return names[rng.choice(len(names), p=p / p.sum())]


def held_out(each, seed):
    """Pages of the comparison: held-out fonts and texts, every kind alike, several sizes."""
    stock, out = K.Stock(held=True), []
    for k, kind in enumerate(layouts.KINDS):
        for i in range(each):
            rng = np.random.default_rng((seed, k, i))
            width, height = int(rng.integers(300, 900)), int(rng.integers(200, 800))
            if kind == "receipt":
                width = int(rng.integers(240, 420))
            letters = letter_size(rng, width, height)
            page = photographed(rng, draw(rng, stock, kind, width, height, letters))
            if page.text:
                out.append(page)
    return out


@dataclass
class Question:
    task: str
    prompt: str
    answer: str
    origins: np.ndarray
    caption: int = -1  # first drawn character of what the answer stands beside


def questions(rng, page, reading=0.7):
    """One question on a page: mostly to read it."""
    tasks = []
    if page.table:
        tasks += ["table", "table"]
    if page.facts:
        tasks += ["key"] * 4
    if page.words:
        tasks.append("locate")
    if not tasks or rng.random() < reading:
        return Question("ocr", READ, page.text, page.origins)
    task = tasks[rng.integers(len(tasks))]
    if task == "table":
        return Question(task, TABLE, *page.table)
    if task == "key":
        return fact(rng, page)
    return place(rng, page)


def fact(rng, page):
    names = sorted(page.facts)
    q = TOTAL if TOTAL in names and rng.random() < 0.4 else names[rng.integers(len(names))]
    return Question("key", q, *page.facts[q])


def place(rng, page):
    word, first = page.words[rng.integers(len(page.words))]
    b = page.boxes[first : first + len(word)]
    low, high = np.maximum(b[:, :2].min(0), 0), b[:, 2:].max(0)
    numbers = [min(999, max(0, int(1000 * v / side))) for v, side in zip((*low, *high), page.image.size * 2)]
    text = "[" + ", ".join(map(str, numbers)) + "]"
    return Question("locate", WHERE.format(f'"{word}"'), text, np.array([first] + [-1] * (len(text) - 1), np.int32))


def view(page):
    """What the model sees, and where every drawn character lies on the canvas of slices: (pixels, (rows, columns), middles [n, 2],
    boxes [n, 4])."""
    pixels, grid, _, (scale, offset) = S.views(page.image, BASE, MOST, page.enlarge)
    to = np.array([*scale, *scale], np.float32), np.array([*offset, *offset], np.float32)
    boxes = page.boxes * to[0] + to[1]
    return pixels, grid, (boxes[:, :2] + boxes[:, 2:]) / 2, boxes


def classes(characters):
    return np.array([K.CLASS.get(c, K.NO_CHARACTER) for c in characters], np.int64)


def labels(page, grid, middles, boxes):
    """Dense labels of the slices: per patch `[slices, patches, 2]` the character over its middle and its index in the word; per token
    `[slices, tokens, FINE * SLOTS_Y + 2]` the characters in its fine slots, whether a line starts and ends there."""
    rows, columns = grid
    h, w = rows * SIDE, columns * SIDE
    patch = np.full((h, w, 2), K.NO_CHARACTER, np.uint8)
    patch[..., 1] = NO_INDEX
    slots = np.full((rows * CELLS * SLOTS_Y, columns * CELLS * FINE), K.NO_CHARACTER, np.uint8)
    ends = np.zeros((rows * CELLS, columns * CELLS, 2), np.uint8)
    kinds = classes(page.characters)
    shown = np.array([c != " " for c in page.characters], bool)
    if shown.any():
        # Index in the word: characters since the last blank or since the span began.
        index, last = np.zeros(len(kinds), np.int64), NO_INDEX
        begins = np.zeros(len(kinds), bool)
        begins[page.origins[:1]] = True
        jumps = page.origins[1:][(page.origins[:-1] < 0) & (page.origins[1:] >= 0)]
        begins[jumps] = True
        for i, c in enumerate(page.characters):
            last = 0 if begins[i] else last + 1
            index[i] = min(last, NO_INDEX - 1)
            if c == " ":
                last = -1
        x, y = middles[shown].T
        inside = (x >= 0) & (y >= 0) & (x < columns * BASE) & (y < rows * BASE)
        at = np.nonzero(shown)[0][inside]
        x, y = x[inside], y[inside]
        cell = BASE // CELLS
        slots[(y / (cell / SLOTS_Y)).astype(int), (x / (cell / FINE)).astype(int)] = kinds[at]
        low = np.ceil(boxes[at, :2] / PATCH - 0.5).astype(int)
        high = np.ceil(boxes[at, 2:] / PATCH - 0.5).astype(int)
        wide, tall = (high - low).max(0, initial=0)
        for dy in range(tall):
            for dx in range(wide):
                px, py = low[:, 0] + dx, low[:, 1] + dy
                ok = (px < high[:, 0]) & (py < high[:, 1]) & (px >= 0) & (py >= 0) & (px < w) & (py < h)
                patch[py[ok], px[ok], 0] = kinds[at[ok]]
                patch[py[ok], px[ok], 1] = index[at[ok]]
        lines = np.split(page.origins, np.nonzero([c == "\n" for c in page.text])[0])
        for line in lines:
            line = line[line >= 0]
            for which, i in ((0, line[:1]), (1, line[-1:])):
                for j in i:
                    cx, cy = (int(v // cell) for v in middles[j])
                    if 0 <= cx < columns * CELLS and 0 <= cy < rows * CELLS:
                        ends[cy, cx, which] = 1

    def cut(a, side):
        """[rows * side, columns * side, k] -> [slices, side * side, k]"""
        return a.reshape(rows, side, columns, side, -1).transpose(0, 2, 1, 3, 4).reshape(rows * columns, side * side, -1)

    by_cell = slots.reshape(rows * CELLS, SLOTS_Y, columns * CELLS, FINE).transpose(0, 2, 1, 3).reshape(rows * CELLS, columns * CELLS, -1)
    return cut(patch, SIDE), cut(np.concatenate([by_cell, ends], -1), CELLS)


def slots_of(middles):
    """Column and row `[n, 2]` of the slot that each drawn character's middle lies in."""
    return np.floor(middles / (BASE / CELLS / SLOTS_X, BASE / CELLS / SLOTS_Y)).astype(int)


def within_of(middles):
    """Index `[n]` of the fine slot of its cell that each drawn character's middle lies in."""
    column, row = np.floor(middles / (BASE / CELLS / FINE, BASE / CELLS / SLOTS_Y)).astype(int).T
    return FINE * (row % SLOTS_Y) + column % FINE


def tokens_of(middles, grid):
    """Index in the image block of the vector whose cell each drawn character's middle lies in, or NOWHERE."""
    rows, columns = grid
    x, y = middles[:, 0], middles[:, 1]
    ok = (x >= 0) & (y >= 0) & (x < columns * BASE) & (y < rows * BASE)
    sx, sy = (x // BASE).astype(int), (y // BASE).astype(int)
    cell = BASE // CELLS
    within = (y % BASE // cell).astype(int) * CELLS + (x % BASE // cell).astype(int)
    return np.where(ok, (1 + sy * columns + sx) * (CELLS * CELLS + 1) + within, NOWHERE)
