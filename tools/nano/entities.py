# SPDX-License-Identifier: Apache-2.0
"""The entities of EntityGrid-QA and how they are drawn: listed words, numbers, random strings, shapes, objects and signs."""

import functools
import math
import os
import string

from PIL import Image, ImageDraw, ImageFont

WORDS = """apple river stone bread chair music table glass horse tiger lemon paper plant snow wind gold iron milk salt
sugar door wall road ship train plane phone radio pencil banana window garden bottle summer winter cat dog bird hand
coffee""".split()
SHAPES = "circle triangle square star diamond hexagon cross heart arrow ring".split()
OBJECTS = ["teddy bear", "house", "tree", "car", "fish", "flower", "cup", "clock", "key", "cloud", "sun", "umbrella"]
SIGNS = ["traffic light", "stop sign", "yield sign", "no entry sign"]
PICTURES = SHAPES + OBJECTS + SIGNS
KINDS = WORDS + PICTURES + ["number", "string"]  # index = identity label
NO_KIND = len(KINDS)
STRING_ALPHABET = "ABCDEFGHJKLMNPQRSTUVWXYZ23456789"  # no I, O, 0, 1: they look alike in some fonts
CHARACTERS = string.ascii_lowercase + string.ascii_uppercase + string.digits + "."
NO_CHARACTER = len(CHARACTERS)
LONGEST = 8  # index labels go from 0 to LONGEST - 1

FONTS = [
    "dejavu/DejaVuSans",
    "dejavu/DejaVuSans-Bold",
    "dejavu/DejaVuSerif",
    "dejavu/DejaVuSansMono",
    "liberation/LiberationSans-Regular",
    "liberation/LiberationSans-Bold",
    "liberation/LiberationSerif-Regular",
    "liberation/LiberationMono-Regular",
]
FONT_DIRECTORY = os.environ.get("NANO_FONTS", "/usr/share/fonts/truetype")
INKS = [(0, 0, 0), (0, 0, 0), (40, 40, 40), (190, 20, 20), (20, 50, 190), (0, 110, 40), (120, 20, 140), (130, 70, 10)]
FILLS = [(210, 40, 40), (40, 80, 210), (30, 150, 60), (240, 180, 30), (140, 60, 170), (240, 120, 30), (60, 60, 60), (30, 170, 180)]
PAPERS = [(255, 255, 255)] * 7 + [(250, 245, 225), (230, 240, 250), (235, 235, 235)]


@functools.lru_cache(maxsize=None)
def font(index, size):
    return ImageFont.truetype(os.path.join(FONT_DIRECTORY, FONTS[index] + ".ttf"), size, layout_engine=ImageFont.Layout.BASIC)


@functools.lru_cache(maxsize=None)
def _advance(index, size, character):
    return font(index, size).getlength(character)


def text_extent(text, index, size):
    """Pen positions before each character (and after the last), and the ink's top and bottom relative to the baseline."""
    pens = [0.0]
    for c in text:
        pens.append(pens[-1] + _advance(index, size, c))
    top = bottom = None
    for c in text:
        t, b = _ink(index, size, c)
        top = t if top is None else min(top, t)
        bottom = b if bottom is None else max(bottom, b)
    return pens, top, bottom


@functools.lru_cache(maxsize=None)
def _ink(index, size, character):
    _, top, _, bottom = font(index, size).getbbox(character, anchor="ls")
    return top, bottom


def draw_text(draw, text, index, size, colour, left, baseline):
    draw.text((left, baseline), text, font=font(index, size), fill=colour, anchor="ls")


def _polygon(cx, cy, radius, corners, turn=-90.0, inner=None):
    points = []
    count = corners * (2 if inner else 1)
    for i in range(count):
        r = radius if inner is None or i % 2 == 0 else inner
        a = math.radians(turn + 360.0 * i / count)
        points.append((cx + r * math.cos(a), cy + r * math.sin(a)))
    return points


def _draw_picture(d, name, s, colour):
    """Draws `name` into a transparent s by s square; proportions are fractions of s."""

    def at(*v):
        return [x * s for x in v]

    def poly(points, fill):
        d.polygon([(x * s, y * s) for x, y in points], fill=fill)

    black, white, line = (20, 20, 20), (255, 255, 255), max(1, int(s * 0.03))
    if name == "circle":
        d.ellipse(at(0.04, 0.04, 0.96, 0.96), fill=colour)
    elif name == "ring":
        d.ellipse(at(0.04, 0.04, 0.96, 0.96), outline=colour, width=int(s * 0.16))
    elif name == "triangle":
        poly([(0.5, 0.06), (0.97, 0.93), (0.03, 0.93)], colour)
    elif name == "square":
        d.rectangle(at(0.08, 0.08, 0.92, 0.92), fill=colour)
    elif name == "diamond":
        poly([(0.5, 0.02), (0.9, 0.5), (0.5, 0.98), (0.1, 0.5)], colour)
    elif name == "hexagon":
        d.polygon(_polygon(s / 2, s / 2, s * 0.49, 6, 0), fill=colour)
    elif name == "star":
        d.polygon(_polygon(s / 2, s * 0.53, s * 0.5, 5, -90, s * 0.2), fill=colour)
    elif name == "cross":
        d.rectangle(at(0.36, 0.05, 0.64, 0.95), fill=colour)
        d.rectangle(at(0.05, 0.36, 0.95, 0.64), fill=colour)
    elif name == "heart":
        d.ellipse(at(0.04, 0.1, 0.53, 0.58), fill=colour)
        d.ellipse(at(0.47, 0.1, 0.96, 0.58), fill=colour)
        poly([(0.08, 0.46), (0.92, 0.46), (0.5, 0.96)], colour)
    elif name == "arrow":
        d.rectangle(at(0.03, 0.38, 0.6, 0.62), fill=colour)
        poly([(0.55, 0.12), (0.98, 0.5), (0.55, 0.88)], colour)
    elif name == "teddy bear":
        fur, light = (150, 95, 50), (215, 175, 125)
        for x in (0.22, 0.58):
            d.ellipse(at(x, 0.02, x + 0.2, 0.22), fill=fur)
        d.ellipse(at(0.22, 0.42, 0.78, 0.95), fill=fur)
        d.ellipse(at(0.24, 0.06, 0.76, 0.52), fill=fur)
        for x, y in ((0.06, 0.46), (0.7, 0.46), (0.12, 0.76), (0.64, 0.76)):
            d.ellipse(at(x, y, x + 0.24, y + 0.22), fill=fur)
        d.ellipse(at(0.36, 0.54, 0.64, 0.86), fill=light)
        d.ellipse(at(0.4, 0.28, 0.6, 0.46), fill=light)
        for x in (0.36, 0.56):
            d.ellipse(at(x, 0.2, x + 0.08, 0.28), fill=black)
        d.ellipse(at(0.46, 0.3, 0.54, 0.37), fill=black)
    elif name == "house":
        poly([(0.5, 0.04), (0.98, 0.46), (0.02, 0.46)], (150, 50, 40))
        d.rectangle(at(0.12, 0.46, 0.88, 0.95), fill=(235, 205, 150))
        d.rectangle(at(0.42, 0.62, 0.6, 0.95), fill=(100, 60, 30))
        d.rectangle(at(0.2, 0.56, 0.34, 0.72), fill=(90, 160, 220))
        d.rectangle(at(0.68, 0.56, 0.82, 0.72), fill=(90, 160, 220))
    elif name == "tree":
        d.rectangle(at(0.43, 0.6, 0.57, 0.97), fill=(110, 70, 30))
        for x, y in ((0.14, 0.3), (0.46, 0.3), (0.3, 0.04)):
            d.ellipse(at(x, y, x + 0.4, y + 0.4), fill=(40, 140, 50))
    elif name == "car":
        poly([(0.24, 0.5), (0.36, 0.26), (0.68, 0.26), (0.82, 0.5)], colour)
        d.rectangle(at(0.03, 0.48, 0.97, 0.72), fill=colour)
        poly([(0.32, 0.48), (0.4, 0.32), (0.5, 0.32), (0.5, 0.48)], (200, 230, 250))
        poly([(0.54, 0.48), (0.54, 0.32), (0.65, 0.32), (0.73, 0.48)], (200, 230, 250))
        for x in (0.14, 0.64):
            d.ellipse(at(x, 0.6, x + 0.22, 0.82), fill=black)
            d.ellipse(at(x + 0.07, 0.67, x + 0.15, 0.75), fill=(200, 200, 200))
    elif name == "fish":
        d.ellipse(at(0.03, 0.24, 0.74, 0.76), fill=colour)
        poly([(0.64, 0.5), (0.97, 0.22), (0.97, 0.78)], colour)
        d.ellipse(at(0.16, 0.38, 0.26, 0.48), fill=white)
        d.ellipse(at(0.19, 0.41, 0.24, 0.46), fill=black)
    elif name == "flower":
        d.rectangle(at(0.47, 0.5, 0.53, 0.98), fill=(40, 130, 50))
        for i in range(6):
            a = math.radians(60 * i)
            x, y = 0.5 + 0.2 * math.cos(a), 0.34 + 0.2 * math.sin(a)
            d.ellipse(at(x - 0.14, y - 0.14, x + 0.14, y + 0.14), fill=(225, 90, 160))
        d.ellipse(at(0.38, 0.22, 0.62, 0.46), fill=(250, 210, 40))
    elif name == "cup":
        d.ellipse(at(0.6, 0.36, 0.96, 0.72), outline=colour, width=int(s * 0.08))
        poly([(0.1, 0.22), (0.74, 0.22), (0.66, 0.9), (0.18, 0.9)], colour)
        d.ellipse(at(0.1, 0.15, 0.74, 0.3), fill=(90, 60, 40))
    elif name == "clock":
        d.ellipse(at(0.04, 0.04, 0.96, 0.96), fill=white, outline=black, width=int(s * 0.07))
        for i in range(12):
            a = math.radians(30 * i)
            x, y = 0.5 + 0.36 * math.cos(a), 0.5 + 0.36 * math.sin(a)
            d.ellipse(at(x - 0.025, y - 0.025, x + 0.025, y + 0.025), fill=black)
        d.line(at(0.5, 0.5, 0.5, 0.2), fill=black, width=int(s * 0.05))
        d.line(at(0.5, 0.5, 0.7, 0.6), fill=black, width=int(s * 0.05))
    elif name == "key":
        gold = (200, 150, 30)
        d.ellipse(at(0.03, 0.3, 0.43, 0.7), outline=gold, width=int(s * 0.1))
        d.rectangle(at(0.4, 0.45, 0.97, 0.55), fill=gold)
        d.rectangle(at(0.72, 0.5, 0.79, 0.74), fill=gold)
        d.rectangle(at(0.88, 0.5, 0.95, 0.7), fill=gold)
    elif name == "cloud":
        grey = (150, 180, 210)
        for x0, y0, x1, y1 in ((0.02, 0.42, 0.4, 0.8), (0.22, 0.2, 0.66, 0.66), (0.52, 0.34, 0.98, 0.8)):
            d.ellipse(at(x0, y0, x1, y1), fill=grey)
        d.rectangle(at(0.2, 0.56, 0.78, 0.8), fill=grey)
    elif name == "sun":
        d.polygon(_polygon(s / 2, s / 2, s * 0.49, 12, 0, s * 0.33), fill=(250, 160, 20))
        d.ellipse(at(0.22, 0.22, 0.78, 0.78), fill=(255, 215, 50))
    elif name == "umbrella":
        d.pieslice(at(0.03, 0.06, 0.97, 0.98), 180, 360, fill=colour)
        d.rectangle(at(0.47, 0.5, 0.53, 0.9), fill=black)
        d.arc(at(0.31, 0.78, 0.53, 0.98), 0, 180, fill=black, width=int(s * 0.06))
    elif name == "traffic light":
        d.rounded_rectangle(at(0.28, 0.02, 0.72, 0.98), radius=s * 0.08, fill=(40, 40, 40))
        for y, c in ((0.07, (230, 40, 40)), (0.37, (250, 200, 40)), (0.67, (40, 190, 80))):
            d.ellipse(at(0.37, y, 0.63, y + 0.26), fill=c)
    elif name == "stop sign":
        d.polygon(_polygon(s / 2, s / 2, s * 0.5, 8, 22.5), fill=(200, 20, 30))
        d.polygon(_polygon(s / 2, s / 2, s * 0.45, 8, 22.5), outline=white, width=line)
        d.text((s / 2, s / 2), "STOP", font=font(5, max(6, int(s * 0.3))), fill=white, anchor="mm")
    elif name == "yield sign":
        poly([(0.02, 0.08), (0.98, 0.08), (0.5, 0.94)], (200, 20, 30))
        poly([(0.2, 0.19), (0.8, 0.19), (0.5, 0.72)], white)
    elif name == "no entry sign":
        d.ellipse(at(0.03, 0.03, 0.97, 0.97), fill=(205, 20, 35))
        d.rectangle(at(0.18, 0.41, 0.82, 0.59), fill=white)
    else:
        raise ValueError(name)


@functools.lru_cache(maxsize=4096)
def picture(name, size, colour):
    """RGBA sprite, `size` pixels square, drawn four times larger and reduced."""
    big = Image.new("RGBA", (size * 4, size * 4), (255, 255, 255, 0))
    _draw_picture(ImageDraw.Draw(big), name, size * 4, colour)
    return big.resize((size, size), Image.BOX)
