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

FONTS = ["dejavu/DejaVuSans", "dejavu/DejaVuSans-Bold", "dejavu/DejaVuSerif", "dejavu/DejaVuSansMono",
         "liberation/LiberationSans-Regular", "liberation/LiberationSans-Bold", "liberation/LiberationSerif-Regular",
         "liberation/LiberationMono-Regular"]
FONT_DIRECTORY = os.environ.get("NANO_FONTS", "/usr/share/fonts/truetype")
INKS = [(0, 0, 0), (0, 0, 0), (40, 40, 40), (190, 20, 20), (20, 50, 190), (0, 110, 40), (120, 20, 140), (130, 70, 10)]
FILLS = [(210, 40, 40), (40, 80, 210), (30, 150, 60), (240, 180, 30), (140, 60, 170), (240, 120, 30), (60, 60, 60),
         (30, 170, 180)]
PAPERS = [(255, 255, 255)] * 7 + [(250, 245, 225), (230, 240, 250), (235, 235, 235)]


@functools.lru_cache(maxsize=None)
def font(index, size):
    return ImageFont.truetype(os.path.join(FONT_DIRECTORY, FONTS[index] + ".ttf"), size,
                              layout_engine=ImageFont.Layout.BASIC)


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
        d.ellipse(at(.04, .04, .96, .96), fill=colour)
    elif name == "ring":
        d.ellipse(at(.04, .04, .96, .96), outline=colour, width=int(s * .16))
    elif name == "triangle":
        poly([(.5, .06), (.97, .93), (.03, .93)], colour)
    elif name == "square":
        d.rectangle(at(.08, .08, .92, .92), fill=colour)
    elif name == "diamond":
        poly([(.5, .02), (.9, .5), (.5, .98), (.1, .5)], colour)
    elif name == "hexagon":
        d.polygon(_polygon(s / 2, s / 2, s * .49, 6, 0), fill=colour)
    elif name == "star":
        d.polygon(_polygon(s / 2, s * .53, s * .5, 5, -90, s * .2), fill=colour)
    elif name == "cross":
        d.rectangle(at(.36, .05, .64, .95), fill=colour)
        d.rectangle(at(.05, .36, .95, .64), fill=colour)
    elif name == "heart":
        d.ellipse(at(.04, .1, .53, .58), fill=colour)
        d.ellipse(at(.47, .1, .96, .58), fill=colour)
        poly([(.08, .46), (.92, .46), (.5, .96)], colour)
    elif name == "arrow":
        d.rectangle(at(.03, .38, .6, .62), fill=colour)
        poly([(.55, .12), (.98, .5), (.55, .88)], colour)
    elif name == "teddy bear":
        fur, light = (150, 95, 50), (215, 175, 125)
        for x in (.22, .58):
            d.ellipse(at(x, .02, x + .2, .22), fill=fur)
        d.ellipse(at(.22, .42, .78, .95), fill=fur)
        d.ellipse(at(.24, .06, .76, .52), fill=fur)
        for x, y in ((.06, .46), (.7, .46), (.12, .76), (.64, .76)):
            d.ellipse(at(x, y, x + .24, y + .22), fill=fur)
        d.ellipse(at(.36, .54, .64, .86), fill=light)
        d.ellipse(at(.4, .28, .6, .46), fill=light)
        for x in (.36, .56):
            d.ellipse(at(x, .2, x + .08, .28), fill=black)
        d.ellipse(at(.46, .3, .54, .37), fill=black)
    elif name == "house":
        poly([(.5, .04), (.98, .46), (.02, .46)], (150, 50, 40))
        d.rectangle(at(.12, .46, .88, .95), fill=(235, 205, 150))
        d.rectangle(at(.42, .62, .6, .95), fill=(100, 60, 30))
        d.rectangle(at(.2, .56, .34, .72), fill=(90, 160, 220))
        d.rectangle(at(.68, .56, .82, .72), fill=(90, 160, 220))
    elif name == "tree":
        d.rectangle(at(.43, .6, .57, .97), fill=(110, 70, 30))
        for x, y in ((.14, .3), (.46, .3), (.3, .04)):
            d.ellipse(at(x, y, x + .4, y + .4), fill=(40, 140, 50))
    elif name == "car":
        poly([(.24, .5), (.36, .26), (.68, .26), (.82, .5)], colour)
        d.rectangle(at(.03, .48, .97, .72), fill=colour)
        poly([(.32, .48), (.4, .32), (.5, .32), (.5, .48)], (200, 230, 250))
        poly([(.54, .48), (.54, .32), (.65, .32), (.73, .48)], (200, 230, 250))
        for x in (.14, .64):
            d.ellipse(at(x, .6, x + .22, .82), fill=black)
            d.ellipse(at(x + .07, .67, x + .15, .75), fill=(200, 200, 200))
    elif name == "fish":
        d.ellipse(at(.03, .24, .74, .76), fill=colour)
        poly([(.64, .5), (.97, .22), (.97, .78)], colour)
        d.ellipse(at(.16, .38, .26, .48), fill=white)
        d.ellipse(at(.19, .41, .24, .46), fill=black)
    elif name == "flower":
        d.rectangle(at(.47, .5, .53, .98), fill=(40, 130, 50))
        for i in range(6):
            a = math.radians(60 * i)
            x, y = .5 + .2 * math.cos(a), .34 + .2 * math.sin(a)
            d.ellipse(at(x - .14, y - .14, x + .14, y + .14), fill=(225, 90, 160))
        d.ellipse(at(.38, .22, .62, .46), fill=(250, 210, 40))
    elif name == "cup":
        d.ellipse(at(.6, .36, .96, .72), outline=colour, width=int(s * .08))
        poly([(.1, .22), (.74, .22), (.66, .9), (.18, .9)], colour)
        d.ellipse(at(.1, .15, .74, .3), fill=(90, 60, 40))
    elif name == "clock":
        d.ellipse(at(.04, .04, .96, .96), fill=white, outline=black, width=int(s * .07))
        for i in range(12):
            a = math.radians(30 * i)
            x, y = .5 + .36 * math.cos(a), .5 + .36 * math.sin(a)
            d.ellipse(at(x - .025, y - .025, x + .025, y + .025), fill=black)
        d.line(at(.5, .5, .5, .2), fill=black, width=int(s * .05))
        d.line(at(.5, .5, .7, .6), fill=black, width=int(s * .05))
    elif name == "key":
        gold = (200, 150, 30)
        d.ellipse(at(.03, .3, .43, .7), outline=gold, width=int(s * .1))
        d.rectangle(at(.4, .45, .97, .55), fill=gold)
        d.rectangle(at(.72, .5, .79, .74), fill=gold)
        d.rectangle(at(.88, .5, .95, .7), fill=gold)
    elif name == "cloud":
        grey = (150, 180, 210)
        for x0, y0, x1, y1 in ((.02, .42, .4, .8), (.22, .2, .66, .66), (.52, .34, .98, .8)):
            d.ellipse(at(x0, y0, x1, y1), fill=grey)
        d.rectangle(at(.2, .56, .78, .8), fill=grey)
    elif name == "sun":
        d.polygon(_polygon(s / 2, s / 2, s * .49, 12, 0, s * .33), fill=(250, 160, 20))
        d.ellipse(at(.22, .22, .78, .78), fill=(255, 215, 50))
    elif name == "umbrella":
        d.pieslice(at(.03, .06, .97, .98), 180, 360, fill=colour)
        d.rectangle(at(.47, .5, .53, .9), fill=black)
        d.arc(at(.31, .78, .53, .98), 0, 180, fill=black, width=int(s * .06))
    elif name == "traffic light":
        d.rounded_rectangle(at(.28, .02, .72, .98), radius=s * .08, fill=(40, 40, 40))
        for y, c in ((.07, (230, 40, 40)), (.37, (250, 200, 40)), (.67, (40, 190, 80))):
            d.ellipse(at(.37, y, .63, y + .26), fill=c)
    elif name == "stop sign":
        d.polygon(_polygon(s / 2, s / 2, s * .5, 8, 22.5), fill=(200, 20, 30))
        d.polygon(_polygon(s / 2, s / 2, s * .45, 8, 22.5), outline=white, width=line)
        d.text((s / 2, s / 2), "STOP", font=font(5, max(6, int(s * .3))), fill=white, anchor="mm")
    elif name == "yield sign":
        poly([(.02, .08), (.98, .08), (.5, .94)], (200, 20, 30))
        poly([(.2, .19), (.8, .19), (.5, .72)], white)
    elif name == "no entry sign":
        d.ellipse(at(.03, .03, .97, .97), fill=(205, 20, 35))
        d.rectangle(at(.18, .41, .82, .59), fill=white)
    else:
        raise ValueError(name)


@functools.lru_cache(maxsize=4096)
def picture(name, size, colour):
    """RGBA sprite, `size` pixels square, drawn four times larger and reduced."""
    big = Image.new("RGBA", (size * 4, size * 4), (255, 255, 255, 0))
    _draw_picture(ImageDraw.Draw(big), name, size * 4, colour)
    return big.resize((size, size), Image.BOX)
