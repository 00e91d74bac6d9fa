# SPDX-License-Identifier: Apache-2.0
"""Regions of an image, in original image pixels. Each `<region>` mark of a prompt takes the next one.

All kinds share these fields:

image: index of the call's image that the region lies in.
seed: 0: the sampler's points are spread evenly over the region; else they are drawn at random, the same for the same seed.
points: the region sampler's first points in place of chosen ones, int [512, 2], x and y of each: repeats any other implementation.
starts: with `points`: the index of the point that each of the two farthest-point samplings starts from.
"""
from __future__ import annotations

import ctypes
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, List, Optional, Sequence, Tuple, Union

from . import _library as c
from ._errors import ArgumentError

if TYPE_CHECKING:
    import numpy


@dataclass(frozen=True)
class Box:
    """The rectangle from (x1, y1) to (x2, y2)."""

    x1: float
    y1: float
    x2: float
    y2: float
    image: int = 0
    seed: int = 0
    points: "Optional[numpy.ndarray]" = field(default=None, compare=False)
    starts: Tuple[int, int] = (0, 0)


@dataclass(frozen=True)
class Point:
    """The place (x, y)."""

    x: float
    y: float
    image: int = 0
    seed: int = 0
    points: "Optional[numpy.ndarray]" = field(default=None, compare=False)
    starts: Tuple[int, int] = (0, 0)


@dataclass(frozen=True, eq=False)
class Mask:
    """The pixels where `pixels`, an array [height, width] of bool of the image's size, is true."""

    pixels: "numpy.ndarray"
    image: int = 0
    seed: int = 0
    points: "Optional[numpy.ndarray]" = None
    starts: Tuple[int, int] = (0, 0)


@dataclass(frozen=True)
class Polygon:
    """The pixels whose centres lie inside the polygon through `vertices`, by the even-odd rule."""

    vertices: Sequence[Tuple[float, float]]
    image: int = 0
    seed: int = 0
    points: "Optional[numpy.ndarray]" = field(default=None, compare=False)
    starts: Tuple[int, int] = (0, 0)


@dataclass(frozen=True)
class Scribble:
    """The pixels whose centres are within `radius` of the line through `vertices`."""

    vertices: Sequence[Tuple[float, float]]
    radius: float
    image: int = 0
    seed: int = 0
    points: "Optional[numpy.ndarray]" = field(default=None, compare=False)
    starts: Tuple[int, int] = (0, 0)


Region = Union[Box, Point, Mask, Polygon, Scribble]


class Structures:
    """Regions as the library takes them, with the memory they point to."""

    def __init__(self, regions: Sequence[Region]) -> None:
        self._kept: List[Any] = []
        self.count = len(regions)
        self.array = (c.fovea_region * self.count)(*(self._structure(region) for region in regions))

    def _structure(self, region: Region) -> c.fovea_region:
        if not isinstance(region, (Box, Point, Mask, Polygon, Scribble)):
            raise TypeError(f"regions: Box, Point, Mask, Polygon or Scribble is needed, not {type(region).__name__}")
        s = c.fovea_region(image=region.image, seed=region.seed)
        if isinstance(region, Point):
            s.kind, s.x1, s.y1 = c.FOVEA_REGION_POINT, region.x, region.y
        elif isinstance(region, Box):
            s.kind, s.x1, s.y1, s.x2, s.y2 = c.FOVEA_REGION_BOX, region.x1, region.y1, region.x2, region.y2
        elif isinstance(region, Mask):
            self._mask(region, s)
        else:
            s.kind = c.FOVEA_REGION_POLYGON if isinstance(region, Polygon) else c.FOVEA_REGION_SCRIBBLE
            s.radius = getattr(region, "radius", 0.0)
            numbers = [float(v) for vertex in region.vertices for v in _pair(vertex, "vertices")]
            s.vertices = self._keep((ctypes.c_double * len(numbers))(*numbers))
            s.vertex_count = len(numbers) // 2
        if region.points is not None:
            points = [int(v) for point in region.points for v in _pair(point, "points")]
            s.points = self._keep((ctypes.c_int32 * len(points))(*points))
            s.point_count = len(points) // 2
        s.start1, s.start2 = region.starts
        return s

    def _mask(self, region: Mask, s: c.fovea_region) -> None:
        shape = getattr(region.pixels, "shape", None)
        if shape is None or len(shape) != 2:
            raise ArgumentError("mask: an array [height, width] is needed.")
        data = (region.pixels != 0).astype("uint8").tobytes()
        s.kind, s.mask_height, s.mask_width = c.FOVEA_REGION_MASK, shape[0], shape[1]
        self._kept.append(data)
        s.mask = ctypes.cast(ctypes.c_char_p(data), ctypes.POINTER(ctypes.c_uint8))

    def _keep(self, array: Any) -> Any:
        self._kept.append(array)
        return array


def _pair(values: Any, name: str) -> Any:
    if len(values) != 2:
        raise ArgumentError(f"{name}: pairs of x and y are needed.")
    return values
