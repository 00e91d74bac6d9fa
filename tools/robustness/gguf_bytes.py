# SPDX-License-Identifier: Apache-2.0
"""A GGUF file taken apart, changed in one place, and put together again (https://github.com/ggml-org/ggml/blob/master/docs/gguf.md)."""

from __future__ import annotations

import random
import struct
from dataclasses import dataclass, field
from typing import Any, List, Optional, Tuple

FORMS = {0: "<B", 1: "<b", 2: "<H", 3: "<h", 4: "<I", 5: "<i", 6: "<f", 7: "<B", 10: "<Q", 11: "<q", 12: "<d"}
TEXT, ARRAY = 8, 9
WILD = [0, 1, 2, 3, 5, 7, 255, 1 << 16, 1 << 31, 1 << 40, (1 << 63) - 1, 1 << 63, (1 << 64) - 1]


@dataclass
class File:
    """Settings are (key, type, value); an array's value is (type, values). Tensors are [name, extents, type, offset]."""

    settings: List[List[Any]] = field(default_factory=list)
    tensors: List[List[Any]] = field(default_factory=list)
    data: bytes = b""
    alignment: int = 32
    #: What the header says, where it is not the truth.
    counts: Optional[Tuple[int, int]] = None


def read(data: bytes) -> File:
    at = 8

    def take(form: str) -> Any:
        nonlocal at
        (value,) = struct.unpack_from(form, data, at)
        at += struct.calcsize(form)
        return value

    def text() -> bytes:
        nonlocal at
        size = take("<Q")
        at += size
        return data[at - size : at]

    def value(kind: int) -> Any:
        if kind == TEXT:
            return text()
        if kind == ARRAY:
            inner, count = take("<I"), take("<Q")
            return inner, [value(inner) for _ in range(count)]
        return take(FORMS[kind])

    file = File()
    tensors, settings = take("<Q"), take("<Q")
    for _ in range(settings):
        key, kind = text(), take("<I")
        file.settings.append([key, kind, value(kind)])
    for _ in range(tensors):
        name, rank = text(), take("<I")
        file.tensors.append([name, [take("<Q") for _ in range(rank)], take("<I"), take("<Q")])
    file.data = data[-(-at // file.alignment) * file.alignment :]
    return file


def text(value: bytes, size: Optional[int] = None) -> bytes:
    return struct.pack("<Q", len(value) if size is None else size) + value


def value(kind: int, v: Any) -> bytes:
    if isinstance(v, Raw):
        return v.data
    if kind == TEXT:
        return text(v)
    if kind == ARRAY:
        return struct.pack("<IQ", v[0], len(v[1])) + b"".join(value(v[0], x) for x in v[1])
    return struct.pack(FORMS[kind], v)


@dataclass
class Raw:
    """Bytes that stand where a value should."""

    data: bytes


def write(file: File) -> bytes:
    counts = file.counts or (len(file.tensors), len(file.settings))
    out = b"GGUF" + struct.pack("<IQQ", 3, *counts)
    for key, kind, v in file.settings:
        out += text(key) + struct.pack("<I", kind) + value(kind, v)
    for name, extents, kind, offset in file.tensors:
        out += text(name) + struct.pack(f"<I{len(extents)}QIQ", len(extents), *extents, kind, offset)
    return out + bytes(-len(out) % file.alignment) + file.data


def change(file: File, chance: random.Random) -> None:
    """One lie."""
    entry, tensor = chance.choice(file.settings), chance.choice(file.tensors)
    kind = entry[1]
    what = chance.randrange(16)
    if what == 0:
        file.counts = (chance.choice(WILD), len(file.settings)) if chance.random() < 0.5 else (len(file.tensors), chance.choice(WILD))
    elif what in (1, 2, 3):
        if kind in FORMS:
            entry[2] = Raw(struct.pack("<Q", chance.choice(WILD))[: struct.calcsize(FORMS[kind])])
        elif kind == TEXT:
            entry[2] = chance.choice([b"", b"\xff\xfe", b"x" * 70000, entry[2][1:], entry[2] + b"\0"])
        else:
            inner, values = entry[2]
            entry[2] = chance.choice(
                [(inner, []), (inner, values[:-1]), (inner, values + values[:1]), (inner, values[::-1]), (inner, values[:1] * len(values))]
            )
    elif what == 4:
        file.settings.remove(entry)
    elif what == 5:
        file.settings.append([entry[0], *chance.choice(file.settings)[1:]])
    elif what == 6:
        entry[1:] = chance.choice([[TEXT, b"llama"], [4, 3], [5, -1], [6, float("nan")], [12, 1e308], [7, 9], [10, 1 << 63], [ARRAY, (4, [1, 2])]])
    elif what == 7:
        # Arrays in arrays; an array or text that claims more than there is.
        entry[1:] = chance.choice(
            [
                [ARRAY, (ARRAY, [(ARRAY, [(ARRAY, [(ARRAY, [(ARRAY, [])])])])])],
                [ARRAY, (99, [])],
                [ARRAY, Raw(struct.pack("<IQ", chance.choice([0, 4, TEXT, ARRAY]), chance.choice(WILD)))],
                [ARRAY, Raw(struct.pack("<IQ", 0, 40000) + bytes(39999))],
                [TEXT, Raw(struct.pack("<Q", chance.choice(WILD)))],
                [chance.choice([13, 99, 1 << 31]), Raw(b"")],
            ]
        )
    elif what == 8:
        tensor[1][chance.randrange(len(tensor[1]))] = chance.choice(WILD)
    elif what == 9:
        tensor[1] = chance.choice([[], tensor[1] + [1], tensor[1][::-1], tensor[1] + [1, 1, 1, 1], [0], tensor[1][:1]])
    elif what == 10:
        tensor[2] = chance.choice(list(range(42)) + [1 << 31])
    elif what == 11:
        tensor[3] = chance.choice(WILD + [chance.choice(file.tensors)[3], tensor[3] + 1, tensor[3] + 32])
    elif what == 12:
        tensor[0] = chance.choice([b"", b"\xff", b"x" * 5000, chance.choice(file.tensors)[0], tensor[0] + b".weight", b"blk.-1.attn_q.weight"])
    elif what == 13:
        file.tensors.remove(tensor)
    elif what == 14:
        file.settings.append([b"general.alignment", 4, chance.choice([0, 1, 3, 24, 64, 1 << 20, 1 << 31, (1 << 32) - 1])])
    else:
        file.data = file.data[: chance.randrange(len(file.data))]
