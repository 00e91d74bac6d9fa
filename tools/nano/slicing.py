# SPDX-License-Identifier: Apache-2.0
"""Dynamic slicing of HiRes-LLaVA (arXiv:2407.08706 section 3.1): how an image of any size becomes views of one size.

The rules here are the ones the Fovea library implements; both must agree to the pixel.
"""

import numpy as np
from PIL import Image

PAD_COLOUR = (122, 116, 104)  # int(255 * CLIP mean), as in LLaVA's square padding
CLIP_MEAN = (0.48145466, 0.4578275, 0.40821073)
CLIP_STD = (0.26862954, 0.26130258, 0.27577711)


def ceil_div(a, b):
    return -(-a // b)


def slice_counts(width, height, base, most):
    """Rows and columns of slices: ceilings by the base size, shrunk to the largest feasible scale when over `most`."""
    cols, rows = ceil_div(width, base), ceil_div(height, base)
    if cols * rows <= most:
        return rows, cols
    # Candidate scales put one more whole column (k*base/width) or row (k*base/height) on the image.
    # Fractions (numerator, denominator) are compared exactly, largest first.
    candidates = []
    for k in range(1, cols + 1):
        candidates.append((k * base, width, max(1, ceil_div(k * height, width)), k))
    for k in range(1, rows + 1):
        candidates.append((k * base, height, k, max(1, ceil_div(k * width, height))))
    candidates.sort(key=lambda c: c[0] / c[1], reverse=True)
    for _, _, m, n in candidates:
        if m * n <= most:
            return m, n
    return (1, most) if width >= height else (most, 1)


def fitted_size(width, height, canvas_width, canvas_height):
    """Size after scaling to fit the canvas with the aspect ratio kept; each side is an exact integer ceiling."""
    if canvas_width * height <= canvas_height * width:
        return canvas_width, min(canvas_height, ceil_div(height * canvas_width, width))
    return min(canvas_width, ceil_div(width * canvas_height, height)), canvas_height


def fit(image, canvas_width, canvas_height):
    """Resizes (bicubic, enlarging allowed) and centres on a padded canvas. Returns the canvas, the scale and the offset."""
    width, height = fitted_size(*image.size, canvas_width, canvas_height)
    scale = (width / image.size[0], height / image.size[1])
    if (width, height) != image.size:
        image = image.resize((width, height), Image.BICUBIC)
    if (width, height) == (canvas_width, canvas_height):
        return image, scale, (0, 0)
    canvas = Image.new("RGB", (canvas_width, canvas_height), PAD_COLOUR)
    offset = ((canvas_width - width) // 2, (canvas_height - height) // 2)
    canvas.paste(image, offset)
    return canvas, scale, offset


def views(image, base, most, enlarge=100):
    """All views of an RGB image, sliced as one of `enlarge` percent of its size.

    Returns `(pixels, (rows, cols), low, full)`: pixels is uint8 `[1 + rows*cols, base, base, 3]`, the low-resolution view
    first and then the slices row by row; `low` and `full` are `(scale, offset)` from image to canvas coordinates.
    """
    rows, cols = slice_counts(*(ceil_div(enlarge * side, 100) for side in image.size), base, most)
    low, low_scale, low_offset = fit(image, base, base)
    full, scale, offset = fit(image, cols * base, rows * base)
    pixels = np.empty((1 + rows * cols, base, base, 3), np.uint8)
    pixels[0] = np.asarray(low)
    grid = np.asarray(full).reshape(rows, base, cols, base, 3).transpose(0, 2, 1, 3, 4)
    pixels[1:] = grid.reshape(rows * cols, base, base, 3)
    return pixels, (rows, cols), (low_scale, low_offset), (scale, offset)
