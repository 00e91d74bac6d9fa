# SPDX-License-Identifier: Apache-2.0
"""The inputs: names of files and rows, never pixels, so that a queue takes no memory."""

from __future__ import annotations

import os
import subprocess
import tempfile
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import FrozenSet, Iterator, List, Optional, Sequence, Tuple

import fovea

from ._parts import parquet

#: Endings of pictures, those that nothing here reads included: an error says so. As of the program `fovea`.
ENDINGS = (".png", ".jpg", ".jpeg", ".webp", ".gif", ".bmp", ".tif", ".tiff", ".heic", ".heif", ".avif", ".jxl", ".jp2", ".pdf", ".capsule")
#: First bytes of pictures and PDF files; see `looks_like_picture` for the others.
STARTS = (
    b"\x89PNG",
    b"\xff\xd8\xff",
    b"GIF87a",
    b"GIF89a",
    b"II*\0",
    b"MM\0*",
    b"\xff\x0a",
    b"\0\0\0\x0cJXL ",
    b"\0\0\0\x0cjP  ",
    b"\xff\x4f\xff\x51",
    b"%PDF-",
)
#: Brands of ISO base media files (ISO/IEC 14496-12 §4.3) that are AVIF or HEIC.
BRANDS = (b"avif", b"avis", b"heic", b"heix", b"hevc", b"hevx", b"heim", b"heis", b"mif1", b"msf1")


@dataclass(frozen=True)
class Input:
    """A file, or a row of a Parquet file. `source` is its name in records; bytes of a path that are not UTF-8 are escaped there (`\\xff`).
    `column` without a row: a Parquet file that cannot be read, or of a folder one that has no such column."""

    source: str
    path: str
    row: int = -1
    column: str = ""


def find_inputs(paths: Sequence[str], column: str = "image", leaving_out: "os.PathLike[str] | str | None" = None) -> List[Input]:
    """Files, folders of them, and Parquet files whose `column` holds the bytes of images or PDF files, or their paths; in a fixed order.
    In folders pictures are known by their names or contents; names that begin with a dot are passed over.

    leaving_out: a folder that is not searched where it is within those given.
    """
    found: List[Input] = []
    searched = frozenset(() if leaving_out is None else (_identity(leaving_out),))
    for given in paths:
        top = Path(given)
        if not top.exists():
            raise FileNotFoundError(f"{given}: does not exist")
        if top.is_dir() and _identity(top) in searched:
            raise ValueError(f"{given}: is the output folder")
        for path in _files(top, searched) if top.is_dir() else [top]:
            source = printable(str(path.relative_to(top)) if top.is_dir() else path.name)
            if path.suffix.lower() == ".parquet":
                found += _rows(path, source, column, is_named=not top.is_dir())
            else:
                found.append(Input(source, os.path.realpath(path)))
    names = [i.source for i in found]
    if len(set(names)) != len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"two inputs are called {twice}: records could not be told apart")
    return found


def printable(text: str) -> str:
    """The text with bytes that were not UTF-8 escaped."""
    return text.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")


def _identity(folder: "os.PathLike[str] | str") -> Tuple[int, int]:
    status = os.stat(folder)
    return status.st_dev, status.st_ino


def _files(folder: Path, searched: FrozenSet[Tuple[int, int]]) -> Iterator[Path]:
    """Pictures, PDF files and Parquet files in a folder and those below it, sorted by name.

    searched: folders that are not entered: by links one may be its own parent.
    """
    searched |= {_identity(folder)}
    for path in sorted(folder.iterdir(), key=os.fsencode):
        if path.name.startswith("."):
            continue
        if path.is_dir():
            if _identity(path) not in searched:
                yield from _files(path, searched)
        elif path.suffix.lower() == ".parquet" or path.name.lower().endswith(ENDINGS):
            # Links to nothing are in, as errors; pipes and devices are not.
            if path.is_file() or not path.exists():
                yield path
        elif path.is_file() and looks_like_picture(path):
            yield path


def looks_like_picture(path: Path) -> bool:
    """By its first bytes, as the program `fovea` tells pictures. A file that cannot be opened is taken for none."""
    try:
        with open(path, "rb") as file:
            first = file.read(32)
    except OSError:
        return False
    return (
        first.startswith(STARTS)
        or (first.startswith(b"RIFF") and first[8:12] == b"WEBP")
        or (first.startswith(b"BM") and len(first) >= 18 and first[6:10] == bytes(4))
        or (first[4:8] == b"ftyp" and first[8:12] in BRANDS)
    )


def _rows(path: Path, source: str, column: str, is_named: bool) -> Iterator[Input]:
    try:
        file = open_parquet(path)
        has_column = column in file.schema_arrow.names
    except (OSError, ValueError):
        has_column = is_named = False
    if not has_column:
        if is_named:
            raise ValueError(f"{path}: has no column {column}")
        yield Input(source, os.path.realpath(path), column=column)
        return
    for row in range(file.metadata.num_rows):
        yield Input(f"{source}#{row}", os.path.realpath(path), row, column)


def open_parquet(path: "os.PathLike[str] | str"):
    """A Parquet file; ValueError where it is none."""
    with _arrow_errors():
        return parquet().ParquetFile(path)


@contextmanager
def _arrow_errors() -> Iterator[None]:
    """pyarrow's own errors as ValueError: some of them are neither that nor OSError."""
    parquet()
    import pyarrow

    try:
        yield
    except pyarrow.ArrowException as error:
        raise ValueError(str(error)) from error


class Bytes:
    """Reads inputs; one row group of a Parquet file is held in memory."""

    def __init__(self) -> None:
        self._held: Tuple[str, int, Optional[list], int] = ("", -1, None, 0)

    def __call__(self, item: Input) -> bytes:
        if item.row < 0:
            if item.column:
                if item.column not in open_parquet(item.path).schema_arrow.names:
                    raise ValueError(f"has no column {item.column}")
                raise OSError("the Parquet file could not be read when inputs were listed")
            return Path(item.path).read_bytes()
        value = self._row(item)
        if isinstance(value, dict):  # the layout of Hugging Face's data sets
            value = value.get("bytes") or value.get("path")
        if isinstance(value, str):
            return (Path(item.path).parent / value).read_bytes()
        if value is None:
            raise ValueError("the row holds no image")
        if not isinstance(value, bytes):
            raise ValueError(f"the row holds {type(value).__name__}, neither bytes nor a path")
        return value

    def _row(self, item: Input):
        path, _, values, first = self._held
        if values is None or path != item.path or not first <= item.row < first + len(values):
            file = open_parquet(item.path)
            first = 0
            for group in range(file.num_row_groups):
                rows = file.metadata.row_group(group).num_rows
                if item.row < first + rows:
                    with _arrow_errors():
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
        if self.pages < 1:
            raise ValueError("the PDF file has no pages")

    def page(self, number: int, dpi: int) -> bytes:
        return self._output("pdftoppm", "-png", "-r", str(dpi), "-f", str(number), "-l", str(number), "-singlefile", "-")

    def close(self) -> None:
        self._file.close()

    def _output(self, *command: str) -> bytes:
        self._file.seek(0)
        os.lseek(self._file.fileno(), 0, os.SEEK_SET)
        try:
            done = subprocess.run(command, stdin=self._file, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        except FileNotFoundError:
            raise fovea.UnsupportedError(f"PDF files need {command[0]}, which is not installed; it is in the package poppler-utils.") from None
        if done.returncode != 0:
            # Poppler's 1 and 3 are a damaged or locked file. What pdfinfo has read, pdftoppm can open.
            kind = ValueError if command[0] == "pdfinfo" and done.returncode in (1, 3) else OSError
            raise kind(f"{command[0]} could not read it: {done.stderr.decode('utf-8', 'replace').strip()[:200]}")
        return done.stdout
