#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What the reference processing makes of noise of many sizes, as a table of checksums: transformers' Pillow processors for Idefics3 (SmolVLM,
granite-docling) and DeepSeek-OCR 2, Pillow as in deepseek_ocr.py for DeepSeek-OCR.

    make_views.py FILE [COUNT] [SEED]       COUNT sizes for each of the three (28: what Tests/FamiliesTests/Fixtures/views.txt holds)

A row: system, its settings, width, height, rows and columns of the tiles, CRC-32 of the pixels of all views, one after another. Sizes go from 1
to 4000, extreme ratios among them. tools/check-views compares such a table with the library. Needs pillow 13, numpy, torch and transformers.
"""

import multiprocessing
import sys
import zlib

import deepseek_ocr
import numpy as np
from make_image_fixtures import picture
from PIL import Image
from transformers import logging
from transformers.models.deepseek_ocr2.image_processing_pil_deepseek_ocr2 import DeepseekOcr2ImageProcessorPil
from transformers.models.idefics3.image_processing_pil_idefics3 import Idefics3ImageProcessorPil

LARGEST = 4000
# A side of 3 pixels looks like channels; an image of Pillow's leaves no doubt.
logging.set_verbosity_error()
RAW = {"do_rescale": False, "do_normalize": False}
# Longest edge, tile, whether there are tiles: SmolVLM-256M and 500M, 2.2B, Idefics3; then small ones, with which many grids come cheap.
IDEFICS3 = [(2048, 512, 1), (1536, 384, 1), (1456, 364, 1), (2048, 512, 0)]
SMALL = [(96, 32, 1), (65, 13, 1), (64, 64, 1), (331, 56, 1), (280, 28, 1), (96, 14, 1), (57, 14, 0), (1, 1, 1)]
# Mode and most tiles.
OCR = [("gundam", 9), ("tiny", 9), ("gundam", 9), ("base", 9), ("gundam", 6), ("large", 9), ("gundam", 2), ("small", 9), ("gundam", 5)]
# Side of the page, fewest and most tiles (0: not cut).
OCR2 = [(1024, 2, 6), (1024, 1, 6), (768, 2, 6), (1024, 2, 2), (1024, 2, 9), (1024, 2, 6), (768, 0, 0), (1024, 3, 5)]
SIDES = [1, 2, 27, 640, 641, 768, 769, 1024, 1025, 1280, 1536, 2048, 3000, LARGEST]


def checksum(views):
    total = 0
    for view in views:
        total = zlib.crc32(np.ascontiguousarray(view, dtype=np.uint8), total)
    return f"{total:08x}"


def whole_numbers(values):
    """[channels, height, width] of whole numbers -> [height, width, channels] of bytes."""
    values = np.asarray(values)
    assert values.min() >= 0 and values.max() <= 255 and (values == np.rint(values)).all()
    return values.transpose(1, 2, 0).astype(np.uint8)


def idefics3(image, edge, tile, splits):
    sizes = {"size": {"longest_edge": edge}, "max_image_size": {"longest_edge": tile}, "do_image_splitting": bool(splits)}
    out = Idefics3ImageProcessorPil(**sizes, **RAW)(image, return_row_col_info=True)
    rows, columns = (out[k][0][0] if splits else 0 for k in ("rows", "cols"))
    return rows, columns, [whole_numbers(v) for v in out["pixel_values"][0]]


def ocr(image, mode, most):
    tiles, (columns, rows), page = deepseek_ocr.views(image, mode, most)
    return rows, columns, [*tiles, page]


def ocr2(image, side, least, most):
    sizes = {"size": {"height": side, "width": side}}
    limits = {"min_patches": least, "max_patches": most} if most else {"crop_to_patches": False}
    out = DeepseekOcr2ImageProcessorPil(**sizes, **limits, **RAW)(images=[image])
    tiles = [whole_numbers(v) for v in out["pixel_values_local"]] if out["num_local_patches"][0] else []
    rows, columns = 0, 0
    if tiles:
        # A picture that is brighter to the right tells how many tiles are in a row.
        ramp = np.tile(np.linspace(0, 255, image.width).astype(np.uint8)[None, :, None], (image.height, 1, 3))
        edges = [v[0, 0, 0] for v in DeepseekOcr2ImageProcessorPil(**sizes, **limits, **RAW)(images=[Image.fromarray(ramp)])["pixel_values_local"]]
        columns = next((k for k in range(1, len(tiles)) if edges[k] <= edges[0]), len(tiles))
        rows = len(tiles) // columns
    return rows, columns, [*tiles, whole_numbers(out["pixel_values"][0])]


SYSTEMS = {"idefics3": idefics3, "deepseek_ocr": ocr, "deepseek_ocr2": ocr2}


def row(case):
    system, settings, (width, height) = case
    found = SYSTEMS[system](picture(width, height, "noise"), *settings)
    return f"{system} {','.join(map(str, settings))} {width} {height} {found[0]} {found[1]} {checksum(found[2])}"


def size(chance, i):
    """Sides of all orders of magnitude, sides of any length, narrow strips, and sides at which the cuts change."""
    if i % 7 == 0:
        return tuple(int(v) for v in chance.integers(1, LARGEST + 1, 2))
    if i % 7 in (1, 2):
        strip = (int(chance.integers(1, 40)), int(chance.integers(40, LARGEST + 1)))
        return strip if chance.integers(2) else strip[::-1]
    if i % 7 == 3:
        return tuple(int(v) for v in chance.choice(SIDES, 2))
    return tuple(int(np.exp(v)) for v in chance.uniform(0, np.log(LARGEST + 1), 2))


def is_refused(system, settings, width, height):
    """Where Pillow's pad, or transformers', has no pixel left of the shorter side."""
    if system == "idefics3" or settings[0] in ("tiny", "small"):
        return False
    side = deepseek_ocr.SIDES[settings[0]] if system == "deepseek_ocr" else settings[0]
    return round(min(width, height) / max(width, height) * side) < 1


def cases(count, seed):
    chance = np.random.default_rng(seed)
    for system in SYSTEMS:
        for i in range(count):
            # The few rows of the everyday tests are small ones.
            if system == "idefics3":
                settings = IDEFICS3[i // 2 % 4] if i % 2 == 0 and count > 100 or i < 4 else SMALL[i // 2 % 8]
            else:
                settings = (OCR if system == "deepseek_ocr" else OCR2)[i % (9 if system == "deepseek_ocr" else 8)]
            chosen = size(chance, i)
            if count <= 100:
                chosen = tuple(min(v, 1300) for v in chosen)
            while is_refused(system, settings, *chosen):
                chosen = size(chance, i)
            yield system, settings, chosen


if __name__ == "__main__":
    count, seed = (int(sys.argv[i]) if len(sys.argv) > i else d for i, d in ((2, 28), (3, 7)))
    with multiprocessing.Pool() as pool, open(sys.argv[1], "w") as f:
        print("system settings width height rows columns checksum", file=f)
        for line in pool.imap(row, cases(count, seed), chunksize=4):
            print(line, file=f, flush=True)
