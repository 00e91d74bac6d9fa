# SPDX-License-Identifier: Apache-2.0
"""Stand-ins for Poppler's programs, with their output as the command line reads it. A file for them is a line `%PDF-1.4` and JSON."""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from html import escape
from pathlib import Path


def install(folder: Path) -> "dict[str, str]":
    """Writes the programs; returns the environment in which they are found first."""
    folder.mkdir()
    for name in ("pdfinfo", "pdftoppm", "pdftotext"):
        (folder / name).write_text(f'#!/bin/sh\nexec "{sys.executable}" "{Path(__file__).resolve()}" {name} "$@"\n')
        (folder / name).chmod(0o755)
    return {**os.environ, "PATH": f"{folder}:{os.environ['PATH']}"}


def write_pdf(path: Path, pages: "list[dict]", title: str = "A title") -> Path:
    path.write_text("%PDF-1.4\n" + json.dumps({"title": title, "pages": pages}))
    return path


def page(*lines, boxes=(), size=(200, 300), crop=None, turn=0, waits="") -> dict:
    """What is on a page, with places x1, y1, x2, y2 in points from its upper left corner as it is shown.

    - lines: each a place and the words there; boxes: dark places. Lines are not drawn.
    - size: of the media box as it is shown; crop: the crop box in it; turn: degrees.
    - waits: a file that is made when the page is drawn, which then takes half a minute.
    """
    return {"lines": lines, "boxes": boxes, "size": size, "crop": crop or [0, 0, *size], "turn": turn, "waits": waits}


def main(name: str, *options: str) -> None:
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    document = json.loads(sys.stdin.buffer.read().split(b"\n", 1)[1])
    if name == "pdfinfo":
        print(f"Title:           {document['title']}\nPages:           {len(document['pages'])}")
        for i, shown in enumerate(document["pages"], 1):
            width, height = turned(shown, shown["crop"])
            print(f"Page {i:4} size:  {width:g} x {height:g} pts\nPage {i:4} rot:   {shown['turn']}")
        return
    shown = document["pages"][int(options[options.index("-f") + 1]) - 1]
    window = shown["crop"] if "-cropbox" in options else [0, 0, *shown["size"]]
    (draw if name == "pdftoppm" else tell)(shown, window, options)


def turned(shown: dict, box: "list[float]") -> "tuple[float, float]":
    """The size of a box before the page is turned: Poppler tells no other."""
    width, height = box[2] - box[0], box[3] - box[1]
    return (height, width) if shown["turn"] % 180 else (width, height)


def draw(shown: dict, window: "list[float]", options: "tuple[str, ...]") -> None:
    from PIL import Image, ImageDraw

    if shown["waits"]:
        Path(shown["waits"]).touch()
        time.sleep(30)
    scale = float(options[options.index("-r") + 1]) / 72
    x, y = window[:2]
    picture = Image.new("RGB", (round((window[2] - x) * scale), round((window[3] - y) * scale)), "white")
    for box in shown["boxes"]:
        ImageDraw.Draw(picture).rectangle([(side - (x, y)[i % 2]) * scale for i, side in enumerate(box)], fill=(40, 40, 40))
    picture.save(sys.stdout.buffer, "PNG")


def tell(shown: dict, window: "list[float]", options: "tuple[str, ...]") -> None:
    width, height = turned(shown, window)
    print(f'<doc>\n  <page width="{width:f}" height="{height:f}">\n    <flow>')
    x, y = window[:2]
    for *box, words in shown["lines"]:
        place = 'xMin="{:f}" yMin="{:f}" xMax="{:f}" yMax="{:f}"'.format(*(side - (x, y)[i % 2] for i, side in enumerate(box)))
        # Poppler's entity of an apostrophe is XML's.
        written = "".join(f"<word {place}>{escape(word).replace('&#x27;', '&apos;')}</word>" for word in words.split())
        print(f"<block {place}><line {place}>{written}</line></block>")
    print("    </flow>\n  </page>\n</doc>")


if __name__ == "__main__":
    main(*sys.argv[1:])
