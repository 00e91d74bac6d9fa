# SPDX-License-Identifier: Apache-2.0
"""Published vocabularies, as probe.py takes them: those that the package mistral-common carries."""

from __future__ import annotations

import base64
import importlib.util
import json
from pathlib import Path

Tokens = list[tuple[int, bytes]]


def carried() -> Path:
    """The folder of mistral-common's files."""
    found = importlib.util.find_spec("mistral_common")
    if found is None or not found.submodule_search_locations:
        raise SystemExit("needs published vocabularies: pip install mistral-common")
    return Path(found.submodule_search_locations[0]) / "data"


def tekken(path: Path) -> Tokens:
    return [(1, base64.b64decode(token["token_bytes"])) for token in json.loads(path.read_text())["vocab"]]


def _fields(data: bytes) -> list[tuple[int, int | bytes]]:
    """Fields of a protocol buffer: varints and bytes; 32-bit numbers as bytes."""
    found: list[tuple[int, int | bytes]] = []
    at = 0

    def varint() -> int:
        nonlocal at
        value = shift = 0
        while True:
            byte = data[at]
            at += 1
            value |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                return value

    while at < len(data):
        key = varint()
        if key & 7 == 0:
            found.append((key >> 3, varint()))
            continue
        size = varint() if key & 7 == 2 else 4 if key & 7 == 5 else 8
        found.append((key >> 3, data[at : at + size]))
        at += size
    return found


def sentencepiece(path: Path) -> Tokens:
    """A blank that begins a piece is left out where an answer begins."""
    tokens: Tokens = []
    for number, value in _fields(path.read_bytes()):
        if number != 1:
            continue
        piece = dict(_fields(value))
        text, kind = piece[1].decode(), piece.get(3, 1)
        if kind == 6:
            tokens.append((1, bytes([int(text[3:5], 16)])))
        elif kind == 1:
            tokens.append((2 if text.startswith("▁") else 1, text.replace("▁", " ").encode()))
        else:
            tokens.append((0, b""))
    return tokens
