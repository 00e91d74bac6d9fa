# SPDX-License-Identifier: Apache-2.0
"""Regions of an image as the library reads them: their pixels, the sampler's points, anchors and neighbours, their coordinate text."""

from dataclasses import dataclass

import numpy as np
import torch

POINTS, ANCHORS, NEIGHBOURS = 512, (128, 32), 24
REACH = 5  # half the side of the square that a point stands for
FORMS = ("point", "box", "free")


@dataclass
class Region:
    form: str
    corners: tuple  # a point's x, y; else the tight box x0, y0, x1, y1, both ends inside; image pixels
    mask: np.ndarray = None  # bool [height, width] of a free form

    def text(self, size):
        return coordinates(self.corners, size)

    def pixels(self, size):
        """int [n, 2] of x, y in order of x, then y."""
        if self.mask is not None:
            return np.argwhere(self.mask.T)
        if self.form == "point":
            x, y = self.corners
            x0, y0, x1, y1 = max(0, x - REACH), max(0, y - REACH), min(size[0] - 1, x + REACH), min(size[1] - 1, y + REACH)
        else:
            x0, y0, x1, y1 = self.corners
        xs, ys = np.meshgrid(np.arange(x0, x1 + 1), np.arange(y0, y1 + 1), indexing="ij")
        return np.stack([xs.ravel(), ys.ravel()], 1)

    def places(self, size):
        """float32 [512, 2]: shares of the image's sides; evenly many of the pixels, or all of them again and again."""
        p = self.pixels(size)
        i = np.arange(POINTS)
        p = p[i * len(p) // POINTS if len(p) > POINTS else i % len(p)]
        return p.astype(np.float32) / np.array(size, np.float32)


def thousandths(value, side):
    return min(999, max(0, 1000 * int(value) // side))


def coordinates(corners, size):
    """`[x1, y1, x2, y2]`, numbers being thousandths of the image's sides, rounded down."""
    return "[" + ", ".join(str(thousandths(v, size[k % 2])) for k, v in enumerate(corners)) + "]"


def free_form(rng, scene, thing):
    """Half of the time the thing's own outline, else a crooked ellipse within its box."""
    mask = thing.mask(*scene.size)
    if rng.random() < 0.5:
        x0, y0, x1, y1 = thing.box
        ys, xs = np.mgrid[: mask.shape[0], : mask.shape[1]]
        dx = (xs - (x0 + x1) / 2) / max(1, (x1 - x0 + 1) / 2)
        dy = (ys - (y0 + y1) / 2) / max(1, (y1 - y0 + 1) / 2)
        turn = np.arctan2(dy, dx)
        edge = rng.uniform(0.75, 1) * (1 + 0.15 * np.cos(2 * turn + rng.uniform(0, 6.3)) + 0.1 * np.cos(3 * turn + rng.uniform(0, 6.3)))
        crooked = np.hypot(dx, dy) <= edge
        crooked[:y0], crooked[y1 + 1 :], crooked[:, :x0], crooked[:, x1 + 1 :] = False, False, False, False
        if crooked.any():
            mask = crooked
    ys, xs = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    return Region("free", (int(xs[0]), int(ys[0]), int(xs[-1]), int(ys[-1])), mask)


def region(rng, scene, thing, form):
    """A point on the thing in the middle half of its box; its box, edges up to a twelfth off; or a free form."""
    (width, height), (x0, y0, x1, y1) = scene.size, thing.box
    if form == "free":
        return free_form(rng, scene, thing)
    if form == "box":
        w, h = (x1 - x0 + 1) / 12, (y1 - y0 + 1) / 12
        off = rng.uniform(-1, 1, 4)
        return Region(
            "box",
            (
                max(0, round(x0 + off[0] * w)),
                max(0, round(y0 + off[1] * h)),
                min(width - 1, round(x1 + off[2] * w)),
                min(height - 1, round(y1 + off[3] * h)),
            ),
        )
    inside = np.argwhere(thing.mask(width, height).T)
    near = inside[(np.abs(inside[:, 0] - (x0 + x1) / 2) <= (x1 - x0 + 1) / 4) & (np.abs(inside[:, 1] - (y0 + y1) / 2) <= (y1 - y0 + 1) / 4)]
    x, y = (near if len(near) else inside)[rng.integers(len(near) or len(inside))]
    return Region("point", (int(x), int(y)))


def farthest(places, count):
    """Indices `[n, count]` of points of each row of `places` `[n, points, 2]`, each the farthest from those before, from index 0 on."""
    rows = np.arange(len(places))
    nearest, out = np.full(places.shape[:2], 1e10, np.float32), np.zeros((len(places), count), np.int64)
    x, y = np.ascontiguousarray(places[..., 0]), np.ascontiguousarray(places[..., 1])
    for k in range(1, count):
        last = out[:, k - 1]
        dx, dy = x - x[rows, last, None], y - y[rows, last, None]
        np.minimum(nearest, dx * dx + dy * dy, out=nearest)
        out[:, k] = nearest.argmax(1)
    return out


def neighbours(anchors, places, exact=False):
    """Indices `[n, anchors, 24]` of the nearest places; `exact`: the first of equals, as the library takes them."""
    d = -2 * anchors @ places.transpose(0, 2, 1)
    d = d + (anchors**2).sum(-1)[:, :, None] + (places**2).sum(-1)[:, None]
    if exact:
        return d.argsort(-1, kind="stable")[..., :NEIGHBOURS]
    return torch.from_numpy(d).topk(NEIGHBOURS, -1, largest=False, sorted=False).indices.numpy()


def geometry(regions, sizes, exact=False):
    """What the sampler needs of each region: places [n, 512, 2], anchors [n, 128] and [n, 32], neighbours [n, 128, 24] and [n, 32, 24]."""
    places = np.stack([r.places(s) for r, s in zip(regions, sizes)])
    first = farthest(places, ANCHORS[0])
    middle = np.take_along_axis(places, first[..., None], 1)
    last = farthest(middle, ANCHORS[1])
    near = neighbours(middle, places, exact), neighbours(np.take_along_axis(middle, last[..., None], 1), middle, exact)
    return {
        "places": places,
        "anchors0": first.astype(np.int16),
        "anchors1": last.astype(np.int16),
        "near0": near[0].astype(np.int16),
        "near1": near[1].astype(np.int16),
    }
