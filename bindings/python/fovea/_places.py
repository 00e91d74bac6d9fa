# SPDX-License-Identifier: Apache-2.0
"""Places that answers name."""

from __future__ import annotations

import ctypes
from dataclasses import dataclass
from typing import List

from . import _library as c
from ._errors import check
from ._handles import Handle


@dataclass(frozen=True)
class Place:
    """A place in an image that an answer names, in pixels of the original image; a point has the same corner twice.

    `log_probabilities` are those of the answer's tokens that spell the phrase and its coordinates, `log_probability` is their sum.
    """

    phrase: str
    x1: float
    y1: float
    x2: float
    y2: float
    is_point: bool
    log_probability: float
    log_probabilities: List[float]


def places(session: Handle) -> List[Place]:
    """The places that the session's last answer names."""
    lib = c.library()
    count = ctypes.c_size_t()
    check(lib.fovea_session_log_probabilities(session, None, 0, count))
    values = (ctypes.c_float * count.value)()
    check(lib.fovea_session_log_probabilities(session, values, count.value, count))
    found = []
    for index in range(lib.fovea_session_place_count(session)):
        p = c.fovea_place()
        check(lib.fovea_session_get_place(session, index, p))
        found.append(
            Place(
                (p.phrase or b"").decode("utf-8", "replace"),
                p.x1,
                p.y1,
                p.x2,
                p.y2,
                bool(p.is_point),
                p.log_probability,
                list(values[p.first_token : p.first_token + p.tokens]),
            )
        )
    return found
