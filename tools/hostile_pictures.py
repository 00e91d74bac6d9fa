# SPDX-License-Identifier: Apache-2.0
"""Small files that ask for much: made in memory, for tools/check-deadlines and the Python tests."""

from __future__ import annotations

import struct
import zlib
from typing import Dict


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(width: int, height: int, colour: int = 2, depth: int = 8, interlaced: bool = False) -> bytes:
    """A black PNG of any size, without ever holding its pixels. Colour: 0 grey, 2 RGB, 6 RGBA."""
    bits = {0: 1, 2: 3, 6: 4}[colour] * depth
    packer = zlib.compressobj(1)
    parts = []
    passes = [(0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2)]
    for x, y, dx, dy in passes if interlaced else [(0, 0, 1, 1)]:
        columns, rows = -(-(width - x) // dx), -(-(height - y) // dy)
        if columns > 0 and rows > 0:
            row = bytes(1 + (columns * bits + 7) // 8)
            block = max(1, min(rows, (1 << 20) // len(row)))
            parts += [packer.compress(row * block) for _ in range(rows // block)]
            parts.append(packer.compress(row * (rows % block)))
    parts.append(packer.flush())
    header = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, int(interlaced))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", b"".join(parts)) + chunk(b"IEND", b"")


def bits(*fields) -> bytes:
    """Numbers with their lengths in bits, padded with ones; a zero follows each byte of ones."""
    text = "".join(format(value, f"0{length}b") for value, length in fields)
    text += "1" * (-len(text) % 8)
    return bytes(int(text[i : i + 8], 2) for i in range(0, len(text), 8)).replace(b"\xff", b"\xff\0")


def jpeg(width: int, height: int, progressive: bool = False, scans: int = 1) -> bytes:
    """A grey JPEG of one shade: two bits a block, or of a progressive one runs of blocks without coefficients."""

    def segment(mark: int, data: bytes) -> bytes:
        return struct.pack(">BBH", 0xFF, mark, len(data) + 2) + data

    def table(kind: int, symbols: bytes) -> bytes:
        return segment(0xC4, bytes([kind, 0, len(symbols)]) + bytes(14) + symbols)

    blocks = -(-width // 8) * -(-height // 8)
    out = b"\xff\xd8" + segment(0xDB, bytes([0]) + bytes([1] * 64))
    out += segment(0xC2 if progressive else 0xC0, struct.pack(">BHHB", 8, height, width, 1) + bytes([1, 0x11, 0]))
    # Two codes of two bits: 00 and 01.
    if not progressive:
        out += table(0x00, bytes([0, 1])) + table(0x10, bytes([0, 1]))
        body = bytes(-(-4 * blocks // 8))  # difference 0, end of block
        return out + segment(0xDA, bytes([1, 1, 0, 0, 63, 0])) + body + b"\xff\xd9"
    out += table(0x00, bytes([0, 1])) + segment(0xDA, bytes([1, 1, 0, 0, 0, 0])) + bytes(-(-2 * blocks // 8))
    out += table(0x10, bytes([0, 0xE0]))
    runs, rest = divmod(blocks, 1 << 14)  # 0xE0: 2^14 blocks and 14 bits more without coefficients
    fields = [(1, 2), (0, 14)] * runs + [(0, 2)] * rest
    for _ in range(scans):
        out += segment(0xDA, bytes([1, 1, 0, 1, 63, 0])) + bits(*fields)
    return out + b"\xff\xd9"


def all_pictures() -> Dict[str, bytes]:
    return {
        "PNG 16000 x 16000": png(16000, 16000),
        "PNG 16000 x 16000, interlaced": png(16000, 16000, colour=0, depth=1, interlaced=True),
        "PNG 4000 x 4000, interlaced": png(4000, 4000, interlaced=True),
        "PNG 32767 x 1": png(32767, 1),
        "PNG 1 x 1000000": png(1, 1000000),
        "PNG 1000000 x 200": png(1000000, 200, colour=6, depth=16),
        "PNG 268435456 x 1": b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", 1 << 28, 1, 8, 2, 0, 0, 0)) + png(1, 1)[33:],
        "PNG with a long text": png(64, 64)[:33] + chunk(b"zTXt", b"Raw profile type exif\0\0" + zlib.compress(bytes(1 << 26))) + png(64, 64)[33:],
        "JPEG 60000 x 4000": jpeg(60000, 4000),
        "JPEG 16384 x 16384, progressive": jpeg(16384, 16384, progressive=True),
        "JPEG 8000 x 8000, 400 scans": jpeg(8000, 8000, progressive=True, scans=400),
    }
