# SPDX-License-Identifier: Apache-2.0
"""Prints the checkpoints of Tests/ConversionTests/Fixtures as cases for tokens.c: what PyTorch made of a picture and a prompt.

usage: cases.py FOLDER        (for the files that a case needs and the fixtures lack: a drawn picture, regions as text)

One line for each: name, picture, prompt's file, resolution mode, regions' file, PyTorch's greedy token ids, with `|` between. DeepSeek-OCR, whose
pictures take longest, comes last.
"""

from __future__ import annotations

import json
import struct
import sys
import zlib
from pathlib import Path

FIXTURES = Path(__file__).resolve().parents[2] / "Tests" / "ConversionTests" / "Fixtures" / "checkpoints"
# The fixture's recorded case, the picture's width and height, the resolution mode.
DRAWN = {"deepseek_ocr": ("tiny", 200, 333, "tiny"), "deepseek_ocr2": ("page", 640, 333, "")}


class Recorded:
    """A safetensors file's numbers."""

    def __init__(self, path: Path):
        self.bytes = path.read_bytes()
        self.start = 8 + struct.unpack("<Q", self.bytes[:8])[0]
        self.tensors = json.loads(self.bytes[8 : self.start])

    def __getitem__(self, name: str) -> tuple:
        first, end = self.tensors[name]["data_offsets"]
        kind = {"I32": "i", "F32": "f"}[self.tensors[name]["dtype"]]
        return struct.unpack(f"<{(end - first) // 4}{kind}", self.bytes[self.start + first : self.start + end])


def draw(path: Path, width: int, height: int) -> None:
    """`picture` of tools/reference/make_deepseek_checkpoints.py."""
    rows = bytearray()
    for y in range(height):
        rows.append(0)
        for x in range(width):
            pixel = (x * x // 61 + y * 3, y * y // 37 + x * 2 + x * y // 53, (x // 16 + y // 24) % 2 * 160 + x % 64)
            rows += bytes(value % 256 for value in pixel)

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(bytes(rows))) + chunk(b"IEND", b""))


def paeth(a: int, b: int, c: int) -> int:
    return min((abs(b - c), 0, a), (abs(a - c), 1, b), (abs(a + b - 2 * c), 2, c))[2]


def mask_of(path: Path) -> tuple[int, int, list[int]]:
    """Width, height and pixels that are not black, of a PNG in RGB."""
    data, place, packed, width, height = path.read_bytes(), 8, b"", 0, 0
    while place < len(data):
        size, kind = struct.unpack(">I4s", data[place : place + 8])
        body = data[place + 8 : place + 8 + size]
        if kind == b"IHDR":
            width, height = struct.unpack(">II", body[:8])
            assert body[8:] == b"\x08\x02\0\0\0", f"{path} is not in RGB"
        packed += body if kind == b"IDAT" else b""
        place += 12 + size
    raw, stride = zlib.decompress(packed), 3 * width
    above, bits = bytes(stride), []
    for y in range(height):
        at = y * (stride + 1)
        row = bytearray(raw[at + 1 : at + 1 + stride])
        for i in range(stride):
            a, b, c = (row[i - 3], above[i], above[i - 3]) if i > 2 else (0, above[i], 0)
            row[i] = (row[i] + (0, a, b, (a + b) // 2, paeth(a, b, c))[raw[at]]) & 255
        bits += [int(row[3 * x] > 0) for x in range(width)]
        above = bytes(row)
    return width, height, bits


def regions(folder: Path, recorded: Recorded) -> str:
    lines = []
    for i, region in enumerate(json.loads((folder / "regions.json").read_text(encoding="utf-8"))):
        kind = {"point": 0, "box": 1, "mask": 4}[region["kind"]]
        width, height, bits = mask_of(folder / region["file"]) if kind == 4 else (0, 0, [])
        points = recorded[f"points.{i}"]
        place = (region.get("numbers", []) + [0] * 4)[:4]
        numbers = [kind, *place, width, height, *bits, *recorded[f"starts.{i}"], len(points) // 2, *points]
        lines.append(" ".join(str(n) for n in numbers))
    return "\n".join(lines) + "\n"


def main() -> None:
    out = Path(sys.argv[1])
    out.mkdir(parents=True, exist_ok=True)
    for folder in sorted(FIXTURES.iterdir(), key=lambda f: (f.name in DRAWN, f.name)):
        recorded = Recorded(folder / "reference.safetensors")
        case, mode, marks, picture = "", "", "", folder / "image.png"
        if folder.name in DRAWN:
            case, width, height, mode = DRAWN[folder.name]
            case, picture = case + ".", out / f"{folder.name}.png"
            draw(picture, width, height)
        if (folder / "regions.json").exists():
            marks = out / f"{folder.name}.regions"
            marks.write_text(regions(folder, recorded), encoding="utf-8")
        ids = " ".join(str(n) for n in recorded[f"{case}greedy"])
        print(folder.name, picture, folder / "prompt.txt", mode, marks, ids, sep="|")


if __name__ == "__main__":
    main()
