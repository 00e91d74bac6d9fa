# SPDX-License-Identifier: Apache-2.0
"""The bytes of a weight file: its settings, and its checksums recomputed after a change (FORMAT.md)."""

from __future__ import annotations

import struct
from typing import List, Tuple

# Primes of XXH64, https://github.com/Cyan4973/xxHash/blob/dev/doc/xxhash_spec.md
P1, P2, P3, P4, P5 = 0x9E3779B185EBCA87, 0xC2B2AE3D27D4EB4F, 0x165667B19E3779F9, 0x85EBCA77C2B2AE63, 0x27D4EB2F165667C5
MASK = (1 << 64) - 1


def rotate(x: int, n: int) -> int:
    return ((x << n) | (x >> (64 - n))) & MASK


def mix(lane: int, value: int) -> int:
    return rotate((lane + value * P2) & MASK, 31) * P1 & MASK


def xxh64(data: bytes) -> int:
    at, end = 0, len(data)
    if end >= 32:
        lanes = [(P1 + P2) & MASK, P2, 0, -P1 & MASK]
        while at + 32 <= end:
            lanes = [mix(lane, value) for lane, value in zip(lanes, struct.unpack_from("<4Q", data, at))]
            at += 32
        h = sum(rotate(lane, n) for lane, n in zip(lanes, (1, 7, 12, 18))) & MASK
        for lane in lanes:
            h = ((h ^ mix(0, lane)) * P1 + P4) & MASK
    else:
        h = P5
    h = (h + end) & MASK
    while at + 8 <= end:
        h = (rotate(h ^ mix(0, struct.unpack_from("<Q", data, at)[0]), 27) * P1 + P4) & MASK
        at += 8
    if at + 4 <= end:
        h = (rotate(h ^ (struct.unpack_from("<I", data, at)[0] * P1 & MASK), 23) * P2 + P3) & MASK
        at += 4
    for byte in data[at:]:
        h = rotate(h ^ (byte * P5 & MASK), 11) * P1 & MASK
    h = (h ^ (h >> 33)) * P2 & MASK
    h = (h ^ (h >> 29)) * P3 & MASK
    return h ^ (h >> 32)


def seal(data: bytearray) -> None:
    """Recomputes the checksums of metadata, table and header (FORMAT.md, the header)."""
    for offset in (24, 48):
        start, size = struct.unpack_from("<QQ", data, offset)
        if start + size <= len(data):
            struct.pack_into("<Q", data, offset + 16, xxh64(bytes(data[start : start + size])))
    struct.pack_into("<Q", data, 120, xxh64(bytes(data[:120])))


def entries(data: bytes) -> List[Tuple[int, int, int, int, int]]:
    """Of each metadata entry: its offset, the key's size, the type, where the value is and its size."""
    at, size = struct.unpack_from("<QQ", data, 24)
    end, found = at + size, []
    while at < end:
        key, kind, value = struct.unpack_from("<IIQ", data, at)
        found.append((at, key, kind, at + 16 + key, value))
        at += 16 + key + value
    return found
