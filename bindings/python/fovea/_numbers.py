# SPDX-License-Identifier: Apache-2.0
"""Numbers for C. ctypes truncates an integer to its field's width; here one that does not fit raises `ArgumentError`."""

from __future__ import annotations

import ctypes
import math
import operator
from typing import Any, Iterable, Optional, Sequence, Type, TypeVar

from ._errors import ArgumentError

_RANGES = {
    ctypes.c_int: (-(2**31), 2**31 - 1),
    ctypes.c_int32: (-(2**31), 2**31 - 1),
    ctypes.c_uint32: (0, 2**32 - 1),
    ctypes.c_uint64: (0, 2**64 - 1),
    ctypes.c_size_t: (0, 2**64 - 1),
}
_LARGEST_FLOAT = 3.4028234663852886e38

#: Arguments whose name differs from the structure's field.
_NAMES = {"deadline_seconds": "deadline"}

S = TypeVar("S", bound=ctypes.Structure)


def number(kind: Any, value: Any, name: str) -> Any:
    """`value` as a finite number in the range of `kind`, a ctypes integer or float; else `ArgumentError`."""
    if kind in _RANGES:
        try:
            value = operator.index(value)
        except TypeError:
            raise ArgumentError(f"{name}: is {value!r}, must be an integer.") from None
        low, high = _RANGES[kind]
        if not low <= value <= high:
            raise ArgumentError(f"{name}: is {value}, must be from {low} to {high}.")
        return value
    try:
        value = float(value)
    except (TypeError, ValueError):
        raise ArgumentError(f"{name}: is {value!r}, must be a number.") from None
    except OverflowError:
        raise ArgumentError(f"{name}: is too large.") from None
    if not math.isfinite(value) or (kind is ctypes.c_float and abs(value) > _LARGEST_FLOAT):
        raise ArgumentError(f"{name}: is {value}, must be a finite number.")
    return value


def filled(structure: Type[S], **fields: Any) -> S:
    """A structure with these fields, its numbers checked."""
    kinds: Any = {field[0]: field[1] for field in structure._fields_}
    checked = {}
    for name, value in fields.items():
        is_number = issubclass(kinds[name], ctypes._SimpleCData) and kinds[name] not in (ctypes.c_char_p, ctypes.c_void_p)
        checked[name] = number(kinds[name], value, _NAMES.get(name, name)) if is_number else value
    return structure(**checked)


def value_or(default: Any, value: Any) -> Any:
    """The default for None only: whether anything else is empty, or no list at all, is not asked of its truth."""
    return default if value is None else value


def listed(values: Any, name: str, what: str) -> "Sequence[Any]":
    """`values` as a sequence; `ArgumentError` for a text, `TypeError` for what is not a list, both with the argument's name."""
    if isinstance(values, (str, bytes)):
        raise ArgumentError(f"{name}: is a text, must be a list of {what}.")
    try:
        return values if isinstance(values, Sequence) else list(values)
    except TypeError:
        raise TypeError(f"{name}: a list of {what} is needed, not {type(values).__name__}") from None


def numbers(kind: Any, values: Iterable[Any], name: str) -> Any:
    """An array of C numbers."""
    values = listed(values, name, "numbers")
    checked = [number(kind, value, f"{name}[{i}]") for i, value in enumerate(values)]
    return (kind * len(checked))(*checked)


def at_least(least: int, value: Optional[Any], name: str) -> Any:
    """0, the library's default, for None; else the value, at least `least`."""
    if value is None:
        return 0
    if number(ctypes.c_uint64 if least >= 0 else ctypes.c_int32, value, name) < least:
        raise ArgumentError(f"{name}: is {value}, must be at least {least}.")
    return value


def seconds(deadline: Optional[float]) -> float:
    """The deadline in seconds; 0, no limit, for None."""
    if deadline is None:
        return 0.0
    value: float = number(ctypes.c_double, deadline, "deadline")
    if value <= 0:
        raise ArgumentError(f"deadline: is {deadline}, must be above 0 seconds.")
    return value
