#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What transformers' Pillow processor of Idefics3 makes of noise of many sizes, as a table of checksums.

    make_idefics3_slicing.py FILE [COUNT]

Tests/FamiliesTests/Fixtures/idefics3_slicing.txt holds 60 rows. The test reads the table that FOVEA_IDEFICS3_SLICING names instead,
where it is set: 2000 rows were compared so. A row: width, height, longest edge, tile, whether there are tiles, rows, columns, checksum
of all views, one after another. Needs pillow 13, numpy and transformers.
"""

import sys

import numpy as np
from make_image_fixtures import picture
from transformers.models.idefics3.image_processing_pil_idefics3 import Idefics3ImageProcessorPil


def checksum(views):
    """Σ (byte + 1) · (2654435761 · place | 1), modulo 2⁶⁴; pixels as rows of RGB."""
    data = views.transpose(0, 2, 3, 1).ravel().astype(np.uint64)
    place = np.arange(len(data), dtype=np.uint64)
    return int(((data + np.uint64(1)) * (place * np.uint64(2654435761) | np.uint64(1))).sum(dtype=np.uint64))


def sizes(count):
    """The published settings first, then small tiles, with which many grids come cheap."""
    rng = np.random.default_rng(7)
    yield from [(640, 480, 1456, 364, 1), (301, 700, 1456, 364, 1), (1, 1, 96, 32, 1), (3000, 2, 96, 32, 1), (2, 999, 96, 32, 1), (90, 90, 64, 64, 1)]
    yield from [(500, 501, 2048, 512, 1), (1100, 777, 2048, 512, 1), (97, 50, 65, 13, 1), (50, 97, 65, 13, 1), (80, 80, 65, 13, 1)]
    for i in range(count - 11):
        tile = int(rng.choice([14, 28, 32, 56, 64, 96]))
        edge = int(tile * rng.integers(1, 7) + rng.integers(-9, 10) * (i % 3 == 0))
        width, height = (int(np.exp(v)) for v in rng.uniform(0, 6.3, 2))
        yield width, height, max(edge, 1), tile, int(i % 9 != 0)


if __name__ == "__main__":
    with open(sys.argv[1], "w") as f:
        print("width height edge tile splits rows columns checksum", file=f)
        for width, height, edge, tile, splits in sizes(int(sys.argv[2]) if len(sys.argv) > 2 else 60):
            processor = Idefics3ImageProcessorPil(
                size={"longest_edge": edge},
                max_image_size={"longest_edge": tile},
                do_image_splitting=bool(splits),
                do_rescale=False,
                do_normalize=False,
            )
            out = processor(picture(width, height, "noise"), return_row_col_info=True)
            views = np.asarray(out["pixel_values"][0])
            assert views.min() >= 0 and views.max() <= 255
            rows, columns = (out[k][0][0] if splits else 0 for k in ("rows", "cols"))
            print(width, height, edge, tile, splits, rows, columns, f"{checksum(views.astype(np.uint8)):016x}", file=f)
