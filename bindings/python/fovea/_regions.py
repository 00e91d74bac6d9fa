# SPDX-License-Identifier: Apache-2.0
"""Regions of an image, in original image pixels. Each `<region>` mark of a prompt takes the next one."""
from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Sequence, Union

from ._errors import UnsupportedError

if TYPE_CHECKING:
    import numpy


@dataclass(frozen=True)
class Box:
    """The rectangle from (x1, y1) to (x2, y2)."""

    x1: float
    y1: float
    x2: float
    y2: float


@dataclass(frozen=True)
class Point:
    """The place (x, y)."""

    x: float
    y: float


@dataclass(frozen=True, eq=False)
class Mask:
    """The pixels where `pixels`, an array [height, width] of bool, is true."""

    pixels: "numpy.ndarray"


Region = Union[Box, Point, Mask]


def require_none(regions: Sequence[Region], system: str) -> None:
    """No system of this version takes regions; says so rather than leaving them out."""
    if len(regions) > 0:
        raise UnsupportedError(f"regions: this system takes no regions ({system}).")
