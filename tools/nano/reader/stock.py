# SPDX-License-Identifier: Apache-2.0
"""What pages are drawn from (`collect.py` gathered it): fonts, running text, code, words, photographs. Held-out fonts and texts are
apart from the rest: a `Stock` gives one side only."""

import functools
import json
import os
import unicodedata

import numpy as np
from PIL import Image, ImageFont

FOLDER = os.environ.get("READER_STOCK", os.path.join(os.path.dirname(os.path.abspath(__file__)), ".stock"))
# Extra characters beyond ASCII that texts may hold, where the font has them.
ACCENTS = "àáâäãåçèéêëìíîïñòóôöõøùúûüýßæœÀÁÂÄÅÇÈÉÊËÍÎÏÑÓÔÖØÚÜšžčřąęłőěů"
SIGNS = "€£¥§©®°±×÷µ–—‘’“”„«»…•¼½¾²³¡¿›‹→←"
CHARACTERS = [chr(c) for c in range(33, 127)] + list(ACCENTS + SIGNS)
CLASS = {c: i for i, c in enumerate(CHARACTERS)}
NO_CHARACTER = len(CHARACTERS)


class Face:
    """A font at a size in pixels (em)."""

    def __init__(self, path, size, style):
        self.font = ImageFont.truetype(path, size, layout_engine=ImageFont.Layout.BASIC)
        self.path, self.size, self.style = path, size, style
        self.widths = {}

    def width(self, c):
        w = self.widths.get(c)
        if w is None:
            w = self.widths[c] = self.font.getlength(c)
        return w

    def length(self, text):
        return sum(map(self.width, text))

    def has(self, c):
        return c in " \n" or c in supported(self.path, c)

    def clean(self, text):
        """The text with what the font lacks replaced: an accented letter by its base, else nothing."""
        if text.isascii():
            return text
        out = []
        for c in text:
            if c.isascii() or (c in CLASS and self.has(c)):
                out.append(c)
            else:
                out += [b for b in unicodedata.normalize("NFKD", PLAIN.get(c, c)) if b.isascii() and (b.isprintable())]
        return "".join(out)


PLAIN = {"‘": "'", "’": "'", "“": '"', "”": '"', "„": '"', "–": "-", "—": "-", "…": "...", "«": '"', "»": '"', "›": ">", "‹": "<", "\u00a0": " "}


@functools.lru_cache(maxsize=20000)
def supported(path, c):
    """`c` if the font has a glyph of its own for it, else nothing."""
    font = ImageFont.truetype(path, 24, layout_engine=ImageFont.Layout.BASIC)
    return c if bytes(font.getmask(c)) not in (b"", bytes(font.getmask("\uffff"))) else ""


# Families that most screens, offices and books use.
COMMON = (
    "dejavu-core", "liberation", "freefont-ttf", "roboto-unhinted", "open-sans", "cantarell", "crosextra-carlito", "crosextra-caladea",
    "linuxlibertine", "lmodern", "texgyre", "urw-base35", "stix", "paratype", "go", "inconsolata", "firacode", "jetbrains-mono",
    "courier-prime",
)  # fmt: skip


class Stock:
    def __init__(self, held, folder=None):
        folder = folder or FOLDER
        with open(os.path.join(folder, "fonts.json")) as f:
            rows = [r for r in json.load(f) if r["held"] == held]
        self.fonts, self.common = {}, {}
        for r in rows:
            path = os.path.join(folder, "fonts", r["file"])
            self.fonts.setdefault(r["style"], []).append(path)
            if not held and r["package"].removeprefix("fonts-") in COMMON:
                self.common.setdefault(r["style"], []).append(path)
        with open(os.path.join(folder, "texts.json"), encoding="utf-8") as f:
            store = json.load(f)
        side = "held" if held else "train"
        self.prose, self.code, self.words = (store[k][side] for k in ("prose", "code", "words"))
        folder = os.path.join(folder, "photos")
        names = sorted(os.listdir(folder))
        names = names[::4] if held else [n for i, n in enumerate(names) if i % 4]
        self.photos = [Image.open(os.path.join(folder, n)).convert("RGB") for n in names]
        self.faces = {}

    def face(self, rng, styles, size):
        """A random font of one of the styles that this side of the stock has, mostly a common one."""
        styles = [s for s in styles if s in self.fonts] or list(self.fonts)
        style = styles[rng.integers(len(styles))]
        paths = self.common[style] if style in self.common and rng.random() < 0.65 else self.fonts[style]
        return self.sized(paths[rng.integers(len(paths))], style, int(size))

    def sized(self, path, style, size):
        key = (path, size)
        if key not in self.faces:
            if len(self.faces) > 3000:
                self.faces.clear()
            self.faces[key] = Face(path, size, style)
        return self.faces[key]

    def paragraph(self, rng):
        return self.prose[rng.integers(len(self.prose))]

    def running(self, rng, words):
        """So many running words, of as many paragraphs as it takes."""
        out = []
        while len(out) < words:
            more = self.paragraph(rng).split()
            start = int(rng.integers(max(1, len(more) - 6))) if rng.random() < 0.3 else 0
            out += more[start:]
        return out[:words]

    def word(self, rng):
        return self.words[rng.integers(len(self.words))]

    def photo(self, rng, width, height):
        """A piece of a photograph, stretched to the size."""
        p = self.photos[rng.integers(len(self.photos))]
        w, h = (int(rng.integers(s // 3, s + 1)) for s in p.size)
        x, y = int(rng.integers(p.width - w + 1)), int(rng.integers(p.height - h + 1))
        return p.resize((width, height), Image.BILINEAR, box=(x, y, x + w, y + h))


def pick(rng, items):
    return items[int(rng.integers(len(items)))]


def code(rng, low, high, letters="ABCDEFGHJKLMNPQRSTUVWXYZ0123456789"):
    """Any string."""
    return "".join(letters[i] for i in rng.integers(len(letters), size=rng.integers(low, high + 1)))


def digits(rng, low, high):
    return code(rng, low, high, "0123456789")


def price(rng, most=200.0):
    return f"{np.exp(rng.uniform(np.log(0.3), np.log(most))):.2f}"
