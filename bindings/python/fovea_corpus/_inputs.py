# SPDX-License-Identifier: Apache-2.0
"""The inputs: names of files and rows, never pixels, so that a queue takes no memory."""

from __future__ import annotations

import os
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Iterator, List, Optional, Sequence, Tuple

IMAGES = (".png", ".jpg", ".jpeg", ".webp", ".gif", ".bmp", ".tif", ".tiff")


@dataclass(frozen=True)
class Input:
    """A file, or a row of a Parquet file. `source` is its name in records."""

    source: str
    path: str
    row: int = -1
    column: str = ""


def find_inputs(paths: Sequence[str], column: str = "image") -> List[Input]:
    """Files, folders of them, and Parquet files whose `column` holds the bytes of images or PDF files, or their paths; in a fixed order."""
    found: List[Input] = []
    for given in paths:
        top = Path(given)
        if not top.exists():
            raise FileNotFoundError(f"{given}: does not exist")
        files = sorted(p for p in top.rglob("*") if p.is_file()) if top.is_dir() else [top]
        for path in files:
            source = str(path.relative_to(top)) if top.is_dir() else path.name
            ending = path.suffix.lower()
            if ending == ".parquet":
                found += _rows(path, source, column)
            elif not top.is_dir() or ending == ".pdf" or ending in IMAGES:
                found.append(Input(source, str(path.resolve())))
    names = [i.source for i in found]
    if len(set(names)) != len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"two inputs are called {twice}: records could not be told apart")
    return found


def _rows(path: Path, source: str, column: str) -> Iterator[Input]:
    import pyarrow.parquet

    file = pyarrow.parquet.ParquetFile(path)
    if column not in file.schema_arrow.names:
        raise ValueError(f"{path}: has no column {column}")
    for row in range(file.metadata.num_rows):
        yield Input(f"{source}#{row}", str(path.resolve()), row, column)


class Bytes:
    """Reads inputs; one row group of a Parquet file is held in memory."""

    def __init__(self) -> None:
        self._held: Tuple[str, int, Optional[list], int] = ("", -1, None, 0)

    def __call__(self, item: Input) -> bytes:
        if item.row < 0:
            return Path(item.path).read_bytes()
        value = self._row(item)
        if isinstance(value, dict):  # the layout of Hugging Face's data sets
            value = value.get("bytes") or value.get("path")
        if isinstance(value, str):
            return (Path(item.path).parent / value).read_bytes()
        if value is None:
            raise ValueError("the row holds no image")
        return value

    def _row(self, item: Input):
        import pyarrow.parquet

        path, _, values, first = self._held
        if values is None or path != item.path or not first <= item.row < first + len(values):
            file = pyarrow.parquet.ParquetFile(item.path)
            first = 0
            for group in range(file.num_row_groups):
                rows = file.metadata.row_group(group).num_rows
                if item.row < first + rows:
                    values = file.read_row_group(group, columns=[item.column]).column(0).to_pylist()
                    self._held = (item.path, group, values, first)
                    break
                first += rows
        _, _, values, first = self._held
        return values[item.row - first]


def is_pdf(data: bytes) -> bool:
    return b"%PDF-" in data[:1024]


class PDF:
    """The pages of a PDF file, rendered one at a time by poppler's programs."""

    def __init__(self, data: bytes) -> None:
        self._file = tempfile.TemporaryFile()
        self._file.write(data)
        lines = self._output("pdfinfo", "-").decode("utf-8", "replace").splitlines()
        self.pages = next((int(line.split(":")[1]) for line in lines if line.startswith("Pages:")), 0)

    def page(self, number: int, dpi: int) -> bytes:
        return self._output("pdftoppm", "-png", "-r", str(dpi), "-f", str(number), "-l", str(number), "-singlefile", "-")

    def close(self) -> None:
        self._file.close()

    def _output(self, *command: str) -> bytes:
        self._file.seek(0)
        os.lseek(self._file.fileno(), 0, os.SEEK_SET)
        done = subprocess.run(command, stdin=self._file, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        if done.returncode != 0:
            raise ValueError(f"{command[0]} could not read it: {done.stderr.decode('utf-8', 'replace').strip()[:200]}")
        return done.stdout
