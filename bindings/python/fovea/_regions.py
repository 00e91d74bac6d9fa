# SPDX-License-Identifier: Apache-2.0
"""Regions of an image, in pixels of the original image or in fractions of its width and height. Each `<region>` mark of a prompt takes
the next one.

All kinds share these fields:

image: index of the region's image among the call's.
seed: 0: the sampler's points are spread evenly over the region; else they are drawn at random, the same for the same seed.
points: the region sampler's initial points instead of chosen ones, int [512, 2], x and y of each: reproduces another implementation.
starts: with `points`: the index of the point that each of the two farthest-point samplings starts from.

Box, Point and Polygon also have:

normalised: the coordinates are fractions, 0 to 1, of the image's width and height.
"""

from __future__ import annotations

import ctypes
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Dict, List, Optional, Sequence, Tuple, Union

from . import _library as c
from ._errors import ArgumentError
from ._numbers import filled, listed, numbers

if TYPE_CHECKING:
    import numpy

    from ._images import ImageEmbedding


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
    normalised: bool = False


@dataclass(frozen=True)
class Point:
    """The point (x, y)."""

    x: float
    y: float
    image: int = 0
    seed: int = 0
    points: "Optional[numpy.ndarray]" = field(default=None, compare=False)
    starts: Tuple[int, int] = (0, 0)
    normalised: bool = False


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
    normalised: bool = False


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
    """Regions as C structures, with the memory they point to."""

    def __init__(self, regions: Union[Region, Sequence[Region]], images: "Sequence[ImageEmbedding]") -> None:
        self._images = images
        self._kept: List[Any] = []
        if isinstance(regions, (Box, Point, Mask, Polygon, Scribble)):
            regions = (regions,)
        regions = listed(regions, "regions", "regions")
        self.count = len(regions)
        self.array = (c.fovea_region * self.count)(*(self._structure(region) for region in regions))

    def _structure(self, region: Region) -> c.fovea_region:
        fields: Dict[str, Any]
        if isinstance(region, Point):
            ((x, y),) = self._pixels(region, [(region.x, region.y)])
            fields = {"kind": c.FOVEA_REGION_POINT, "x1": x, "y1": y}
        elif isinstance(region, Box):
            (x1, y1), (x2, y2) = self._pixels(region, [(region.x1, region.y1), (region.x2, region.y2)])
            fields = {"kind": c.FOVEA_REGION_BOX, "x1": x1, "y1": y1, "x2": x2, "y2": y2}
        elif isinstance(region, Mask):
            fields = self._mask(region)
        elif isinstance(region, Polygon):
            fields = {"kind": c.FOVEA_REGION_POLYGON, **self._vertices(self._pixels(region, region.vertices))}
        elif isinstance(region, Scribble):
            fields = {"kind": c.FOVEA_REGION_SCRIBBLE, "radius": region.radius, **self._vertices(region.vertices)}
        else:
            raise TypeError(f"regions: Box, Point, Mask, Polygon or Scribble is needed, not {type(region).__name__}")
        if region.points is not None:
            points = [v for point in region.points for v in _pair(point, "points")]
            fields.update(points=self._keep(numbers(ctypes.c_int32, points, "points")), point_count=len(points) // 2)
        start1, start2 = _pair(region.starts, "starts")
        return filled(c.fovea_region, image=region.image, seed=region.seed, start1=start1, start2=start2, **fields)

    def _pixels(self, region: Union[Box, Point, Polygon], vertices: Sequence[Tuple[float, float]]) -> Sequence[Tuple[float, float]]:
        if not region.normalised:
            return vertices
        if not 0 <= region.image < len(self._images):
            raise ArgumentError(f"regions: one lies in image {region.image}, but {len(self._images)} images were given.")
        width, height = self._images[region.image].size
        found = []
        for x, y in vertices:
            if not (0 <= x <= 1 and 0 <= y <= 1):
                raise ArgumentError(f"regions: ({x}, {y}) is normalised, must be from 0 to 1.")
            found.append((x * width, y * height))
        # A point at the end of a side is in its last pixel.
        return [(min(x, width - 0.5), min(y, height - 0.5)) for x, y in found] if isinstance(region, Point) else found

    def _vertices(self, vertices: Sequence[Tuple[float, float]]) -> Dict[str, Any]:
        values = [v for vertex in vertices for v in _pair(vertex, "vertices")]
        return {"vertices": self._keep(numbers(ctypes.c_double, values, "vertices")), "vertex_count": len(values) // 2}

    def _mask(self, region: Mask) -> Dict[str, Any]:
        shape = getattr(region.pixels, "shape", None)
        if shape is None or len(shape) != 2:
            raise ArgumentError("mask: an array [height, width] is needed.")
        data = self._keep((region.pixels != 0).astype("uint8").tobytes())
        mask = ctypes.cast(ctypes.c_char_p(data), ctypes.POINTER(ctypes.c_uint8))
        return {"kind": c.FOVEA_REGION_MASK, "mask_height": shape[0], "mask_width": shape[1], "mask": mask}

    def _keep(self, memory: Any) -> Any:
        self._kept.append(memory)
        return memory


def _pair(values: Any, name: str) -> Any:
    if len(values) != 2:
        raise ArgumentError(f"{name}: pairs of x and y are needed.")
    return values
