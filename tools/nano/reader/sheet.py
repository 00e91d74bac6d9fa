# SPDX-License-Identifier: Apache-2.0
"""A page while it is drawn: ground, spans of text in reading order, a place for every character; then how it came to the camera."""

import io
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

# A character's box, in ems above and below the base line.
ABOVE, BELOW = 0.72, 0.2


@dataclass
class Span:
    text: str
    start: int  # index of its first character among the sheet's
    row: int


class Sheet:
    def __init__(self, image, ink):
        self.image, self.ink = image, ink
        self.draw = ImageDraw.Draw(image)
        self.rows = []  # of spans
        self.edge = 0.0  # right end of the last one
        self.boxes = []  # arrays [n, 4]: left, top, right, bottom of each span's characters
        self.count = 0
        self.letters = 0.0
        self.facts = {}  # what may be asked: question -> [(caption, answer)], spans
        self.grid = None  # rows of cells, each a list of spans

    @property
    def width(self):
        return self.image.width

    @property
    def height(self):
        return self.image.height

    def row(self):
        if not self.rows or self.rows[-1]:
            self.rows.append([])

    def text(self, x, base, text, face, fill=None, new=False):
        """Draws a text with its base line at `base`; the span, or None where nothing of it fits the page."""
        text = " ".join(face.clean(text).split())
        if not text:
            return None
        advances = np.array([face.width(c) for c in text])
        ends = x + np.cumsum(advances)
        if x < 0 or ends[-1] > self.width or base - ABOVE * face.size < 0 or base + BELOW * face.size > self.height:
            return None
        if new:
            self.row()
        elif self.rows and self.rows[-1] and x < self.edge + 0.12 * face.size:
            return None  # it would touch what stands before it
        if not self.rows:
            self.rows.append([])
        whole = face.font.getlength(text)
        scale = whole / max(1e-6, ends[-1] - x)  # kerning
        left = x + (ends - advances - x) * scale
        self.draw.text((x, base), text, font=face.font, fill=fill or self.ink, anchor="ls")
        box = np.empty((len(text), 4), np.float32)
        box[:, 0], box[:, 2] = left, left + advances * scale
        box[:, 1], box[:, 3] = base - ABOVE * face.size, base + BELOW * face.size
        span = Span(text, self.count, len(self.rows) - 1)
        self.boxes.append(box)
        self.count += len(text)
        self.edge = x + whole
        self.rows[-1].append(span)
        return span

    def right(self, x, base, text, face, fill=None, new=False):
        """Ends at x."""
        return self.text(x - face.font.getlength(" ".join(face.clean(text).split())), base, text, face, fill, new)

    def centre(self, x, base, text, face, fill=None, new=False):
        return self.text(x - face.font.getlength(" ".join(face.clean(text).split())) / 2, base, text, face, fill, new)

    def fact(self, question, caption, said):
        """Notes that the span `said`, which belongs to the span `caption`, answers a question; nothing where one of them was not drawn."""
        if caption and said:
            self.facts.setdefault(question, []).append((caption, said))

    def finished(self):
        """(text, origins): the transcript, and for each of its characters the index of the drawn one, or -1."""
        parts, origins = [], []
        for row in self.rows:
            if not row:
                continue
            if parts:
                parts.append("\n")
                origins.append(-1)
            for i, span in enumerate(row):
                if i:
                    parts.append(" ")
                    origins.append(-1)
                parts.append(span.text)
                origins += range(span.start, span.start + len(span.text))
        return "".join(parts), np.array(origins, np.int32)


def wrapped(words, face, width, most=999):
    """Words in lines of at most so many pixels; the number of words used."""
    lines, line, used, at, blank = [], [], 0, 0.0, face.width(" ")
    for word in words:
        w = face.length(face.clean(word))
        if w > width:
            used += 1
            continue
        if line and at + blank + w > width:
            lines.append(" ".join(line))
            if len(lines) == most:
                return lines, used
            line, at = [], 0.0
        at += w + (blank if line else 0)
        line.append(word)
        used += 1
    if line:
        lines.append(" ".join(line))
    return lines, used


def contrast(rng, dark_ground=0.2):
    """Colours of ground and ink far enough apart in brightness."""
    while True:
        ground, ink = (rng.integers(0, 256, 3) for _ in range(2))
        if rng.random() < 0.6:
            ground = np.clip(255 - np.abs(rng.normal(0, 18, 3)) - abs(rng.normal(0, 12)), 0, 255)
        if rng.random() < 0.6:
            ink = np.clip(np.abs(rng.normal(0, 25, 3)) + abs(rng.normal(0, 25)), 0, 255)
        if rng.random() < dark_ground:
            ground, ink = ink, ground
        a, b = (float(np.dot(c, (0.3, 0.59, 0.11))) for c in (ground, ink))
        if abs(a - b) > 75:
            return tuple(int(c) for c in ground), tuple(int(c) for c in ink)


def shade(rng, colour, by=30):
    return tuple(int(np.clip(c + rng.normal(0, by), 0, 255)) for c in colour)


def ground(rng, stock, width, height, colour, photo=0.12):
    """Plain, a gradient, paper grain, or a faded photograph of about this colour."""
    kind = rng.random()
    if kind < 0.5:
        return Image.new("RGB", (width, height), colour)
    base = np.array(colour, np.float32)
    if kind < 0.68:
        other = np.array(shade(rng, colour, 22), np.float32)
        t = np.linspace(0, 1, width if rng.random() < 0.5 else height, dtype=np.float32)
        ramp = base + (other - base) * t[:, None]
        array = np.broadcast_to(ramp[None] if len(t) == width else ramp[:, None], (height, width, 3))
    elif kind < 1 - photo:
        cell = int(rng.integers(1, 9))
        small = rng.normal(0, rng.uniform(2, 12), (height // cell + 1, width // cell + 1)).astype(np.float32)
        grain = np.asarray(Image.fromarray(small).resize((width, height), Image.BILINEAR))
        array = base + grain[..., None]
    else:
        p = np.asarray(stock.photo(rng, width, height), np.float32)
        array = base + (p - p.mean((0, 1))) * rng.uniform(0.08, 0.28)
    return Image.fromarray(np.clip(array, 0, 255).astype(np.uint8))


def homography(rng, width, height):
    """A small turn, shear and perspective about the middle, as a matrix from page to picture."""
    a, k = np.deg2rad(rng.normal(0, 1.2)), rng.normal(0, 0.012)
    turn = np.array([[np.cos(a), -np.sin(a) + k, 0], [np.sin(a), np.cos(a), 0], [0, 0, 1]])
    if rng.random() < 0.5:
        turn[2, :2] = rng.normal(0, 0.03, 2) / (width, height)
    there, back = np.eye(3), np.eye(3)
    there[:2, 2], back[:2, 2] = (-width / 2, -height / 2), (width / 2, height / 2)
    turn[:2, :2] *= rng.uniform(0.95, 1.0)
    return back @ turn @ there


def warp(image, boxes, h, fill):
    """The picture and its characters' boxes [n, 4] under a homography."""
    inverse = np.linalg.inv(h)
    inverse /= inverse[2, 2]
    image = image.transform(image.size, Image.PERSPECTIVE, tuple(inverse.flatten()[:8]), Image.BICUBIC, fillcolor=fill)
    middle = np.stack([(boxes[:, 0] + boxes[:, 2]) / 2, (boxes[:, 1] + boxes[:, 3]) / 2, np.ones(len(boxes))])
    half = (boxes[:, 2:] - boxes[:, :2]) / 2
    there = h @ middle
    there = (there[:2] / there[2]).T
    return image, np.concatenate([there - half, there + half], 1).astype(np.float32)


def through_camera(rng, image, letters):
    """What scanners, cameras, screens and files do to a picture. Small letters are spared the most of it."""
    if rng.random() < 0.35:  # a screen's picture, as it was drawn
        return image
    hard = min(1.0, letters / 20)
    if letters > 14 and rng.random() < 0.1:  # ink that ran, or thin print
        spread = image.filter(ImageFilter.MinFilter(3) if rng.random() < 0.6 else ImageFilter.MaxFilter(3))
        image = Image.blend(image, spread, rng.uniform(0.3, 0.9 if letters > 20 else 0.6))
    if rng.random() < 0.3:
        image = image.filter(ImageFilter.GaussianBlur(rng.uniform(0.3, 0.9) * (0.5 + 0.7 * hard)))
    if rng.random() < 0.12:
        f = rng.uniform(0.6 if letters > 18 else 0.8, 0.95)
        small = image.resize((max(8, int(image.width * f)), max(8, int(image.height * f))), Image.BILINEAR)
        image = small.resize(image.size, Image.BICUBIC)
    if rng.random() < 0.45:
        x = np.asarray(image, np.float32)
        h, w = x.shape[:2]
        if rng.random() < 0.3:  # a shadow, or light from one side
            d = rng.normal(0, 1, 2)
            d /= np.abs(d).sum()
            plane = d[0] * np.linspace(-1, 1, w, dtype=np.float32)[None] + d[1] * np.linspace(-1, 1, h, dtype=np.float32)[:, None]
            if rng.random() < 0.3:
                plane = np.tanh(plane * 8 + rng.normal())
            x = x * (1 - rng.uniform(0.05, 0.3) * (plane[..., None] + 1) / 2)
        if rng.random() < 0.15:  # moiré of a photographed screen
            f, p = rng.uniform(0.1, 2.6, 2), rng.uniform(0, 6.3)
            x = x + rng.uniform(2, 11) * np.sin(
                f[0] * np.arange(w, dtype=np.float32)[None, :, None] + f[1] * np.arange(h, dtype=np.float32)[:, None, None] + p
            )
        if rng.random() < 0.1:  # red and blue stand beside green, on screens
            x = x.copy()
            x[:, 1:, 0], x[:, :-1, 2] = (2 * x[:, 1:, 0] + x[:, :-1, 0]) / 3, (2 * x[:, :-1, 2] + x[:, 1:, 2]) / 3
        if rng.random() < 0.08:  # specks
            at = rng.random((h, w)) < rng.uniform(0.0002, 0.003)
            x = np.where(at[..., None], rng.uniform(0, 255), x)
        if rng.random() < 0.4:  # contrast and brightness
            x = (x - 128) * rng.uniform(0.55, 1.15) + 128 + rng.normal(0, 14)
        if rng.random() < 0.5:
            x = x + rng.standard_normal((h, w, 1), np.float32) * rng.uniform(1, 4 + 8 * hard)
        if rng.random() < 0.06:
            x = 255 - x
        if rng.random() < 0.2:
            x = np.broadcast_to(x.mean(-1, keepdims=True), x.shape)
        image = Image.fromarray(np.clip(x, 0, 255).astype(np.uint8))
    if rng.random() < 0.3:
        out = io.BytesIO()
        image.save(out, "JPEG", quality=int(rng.integers(35 if letters > 14 else 55, 95)))
        image = Image.open(out).convert("RGB")
    if rng.random() < 0.06 and letters > 15:  # fax: two values
        image = image.convert("L").point(lambda v, t=int(rng.integers(110, 160)): 255 * (v > t)).convert("RGB")
    return image
