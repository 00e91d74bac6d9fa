# SPDX-License-Identifier: Apache-2.0
"""Preprocessing of LLaVA-1.5, LLaVA-NeXT and HiRes-LLaVA with Pillow and NumPy alone."""

import math

import numpy as np
from PIL import Image

MEAN = np.array([0.48145466, 0.4578275, 0.40821073])
STD = np.array([0.26862954, 0.26130258, 0.27577711])
MEAN_COLOUR = tuple(int(255 * m) for m in MEAN)


def test_image(width, height, seed):
    """Smooth colours with some hard edges and noise."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[0:height, 0:width]
    waves = [128 + 100 * np.sin(x / rng.uniform(4, 20) + rng.uniform(0, 6)) * np.cos(y / rng.uniform(4, 20)) for _ in range(3)]
    image = np.stack(waves, axis=-1) + rng.normal(0, 8, (height, width, 3))
    for _ in range(4):
        left, top = rng.integers(0, width), rng.integers(0, height)
        image[top : top + height // 4, left : left + width // 4] = rng.integers(0, 256, 3)
    return Image.fromarray(image.clip(0, 255).astype(np.uint8))


def normalise(image):
    """RGB image -> [3, h, w] float32."""
    x = np.asarray(image, dtype=np.float64) / 255
    return ((x - MEAN) / STD).transpose(2, 0, 1).astype(np.float32)


def square_pad(image, side):
    """LLaVA-1.5: pad to a square in the mean colour, then resize."""
    edge = max(image.size)
    canvas = Image.new("RGB", (edge, edge), MEAN_COLOUR)
    canvas.paste(image, ((edge - image.width) // 2, (edge - image.height) // 2))
    return canvas.resize((side, side), Image.BICUBIC)


def square_crop(image, side):
    """CLIP and llava-hf: shortest edge to `side`, then the centre."""
    w, h = image.size
    w, h = (side, int(side * h / w)) if w <= h else (int(side * w / h), side)
    image = image.resize((w, h), Image.BICUBIC)
    left, top = (w - side) // 2, (h - side) // 2
    return image.crop((left, top, left + side, top + side))


def best_resolution(size, candidates):
    """The (width, height) that shows most of the image, then wastes least; earlier ones win ties."""
    best, key = None, None
    for w, h in candidates:
        scale = min(w / size[0], h / size[1])
        shown = min(int(size[0] * scale) * int(size[1] * scale), size[0] * size[1])
        if key is None or (shown, shown - w * h) > key:
            best, key = (w, h), (shown, shown - w * h)
    return best


def anyres(image, candidates, side):
    """LLaVA-NeXT: the whole stretched to a square, then the tiles of the padded image, row by row."""
    w, h = best_resolution(image.size, candidates)
    sx, sy = w / image.width, h / image.height
    fit = (w, min(math.ceil(image.height * sx), h)) if sx < sy else (min(math.ceil(image.width * sy), w), h)
    canvas = Image.new("RGB", (w, h))
    canvas.paste(image.resize(fit, Image.BICUBIC), ((w - fit[0]) // 2, (h - fit[1]) // 2))
    tiles = [canvas.crop((x, y, x + side, y + side)) for y in range(0, h, side) for x in range(0, w, side)]
    return [image.resize((side, side), Image.BICUBIC)] + tiles


def hires_grid(w, h, side, most, quadruple=False):
    """Rows and columns of slices: as many as the image needs (twice as many each way where `quadruple` and `most` allow), or
    the most that a scaled image fits into `most` slices."""
    columns, rows = -(-w // side), -(-h // side)
    if rows * columns <= most:
        return (2 * rows, 2 * columns) if quadruple and 4 * rows * columns <= most else (rows, columns)
    candidates = [(k * side / w, k, -(-k * h // w)) for k in range(1, columns + 1)]
    candidates += [(k * side / h, -(-k * w // h), k) for k in range(1, rows + 1)]
    for _, columns, rows in sorted(candidates, reverse=True):
        if columns * rows <= most:
            return max(rows, 1), max(columns, 1)
    raise ValueError("no grid fits")


def hires_fit(image, w, h):
    """The image resized into w × h, centred on the mean colour."""
    # scale = min(w / image.width, h / image.height), compared and applied in whole numbers
    if w * image.height <= h * image.width:
        size = (w, min(-(-image.height * w // image.width), h))
    else:
        size = (min(-(-image.width * h // image.height), w), h)
    canvas = Image.new("RGB", (w, h), MEAN_COLOUR)
    canvas.paste(image.resize(size, Image.BICUBIC), ((w - size[0]) // 2, (h - size[1]) // 2))
    return canvas


def hires(image, side, most, quadruple=False, stretch=False):
    """The whole view, the slices row by row, rows, columns."""
    rows, columns = hires_grid(*image.size, side, most, quadruple)
    size = (columns * side, rows * side)
    canvas = image.resize(size, Image.BICUBIC) if stretch else hires_fit(image, *size)
    slices = [canvas.crop((c * side, r * side, (c + 1) * side, (r + 1) * side)) for r in range(rows) for c in range(columns)]
    return hires_fit(image, side, side), slices, rows, columns
