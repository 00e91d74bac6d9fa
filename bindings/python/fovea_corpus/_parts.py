# SPDX-License-Identifier: Apache-2.0
"""Records as Parquet files: one file per batch, written atomically."""

from __future__ import annotations

import hashlib
import os
import uuid
from pathlib import Path
from typing import Any, Dict, Iterable, Iterator, List, Optional, Sequence, Set

Record = Dict[str, Any]

#: Errors that an input has, and has again the next time. Others pass: no memory, no space, a deadline, a file that went away.
LASTING = ("ContextError", "ImageError", "UnsupportedError", "ValueError")


def is_settled(error: Optional[str]) -> bool:
    """Whether a record with this `error` is one that reading again would not change."""
    return error is None or error.split(":", 1)[0] in LASTING


def parquet():
    """pyarrow.parquet, imported at its first use."""
    try:
        import pyarrow.parquet
    except ImportError:
        raise ImportError("Parquet needs pyarrow: pip install 'fovea-vlm[corpus]'") from None
    return pyarrow.parquet


def schema():
    parquet()
    import pyarrow as pa

    corners = [(n, pa.float64()) for n in ("x1", "y1", "x2", "y2", "log_probability")]
    place = pa.struct([("phrase", pa.string()), *corners, ("is_point", pa.bool_())])
    texts = ("record_id", "source", "input_hash", "model", "model_id", "options", "worker", "answer", "stop_reason", "error")
    numbers = ("page", "width", "height", "prompt_tokens", "generated_tokens")
    seconds = ("encode_seconds", "prefill_seconds", "decode_seconds")
    fields = [(n, pa.string()) for n in texts] + [(n, pa.int32()) for n in numbers] + [(n, pa.float64()) for n in seconds]
    return pa.schema([*fields, ("places", pa.list_(place))])


class Store:
    """A folder of records. It must be on a file system that all workers share, with atomic renames."""

    def __init__(self, folder: "os.PathLike[str] | str") -> None:
        self.folder = Path(folder).resolve()
        self.folder.mkdir(parents=True, exist_ok=True)

    def done(self) -> Set[str]:
        """Identities of the existing records, without errors that may pass."""
        return {record["record_id"] for path in self._files() for record in _rows(path, ["record_id", "error"]) if is_settled(record["error"])}

    def write(self, records: Sequence[Record]) -> None:
        """The file name depends on the records only: a batch that is repeated replaces its file."""
        if records:
            name = hashlib.sha256("".join(r["record_id"] for r in records).encode()).hexdigest()[:32]
            self._put(f"part-{name}.parquet", records)

    def compact(self, rows: int = 50_000) -> int:
        """Merges parts into files of `rows` records, in the order of sources and pages, each record once; errors that have passed are
        left out. Returns how many there are. If it is interrupted, some records exist twice until the next time; `read_records` yields
        them once."""
        files = self._files()
        passed = _passed(files)
        parts = [p for p in files if p.name.startswith("part-")]
        new = {record["record_id"] for path in parts for record in _rows(path, ["record_id"])}
        seen: Set[str] = set()
        for path in files:
            if path not in parts:
                merged = {r["record_id"]: is_settled(r["error"]) for r in _rows(path, ["record_id", "error"])}
                # Written again without records that others have replaced.
                if any(i in seen or (not settled and (i in passed or i in new)) for i, settled in merged.items()):
                    parts.append(path)
                else:
                    seen.update(merged)
        held: List[Record] = []
        gone: List[Path] = []

        def flush() -> None:
            held.sort(key=lambda r: (r["source"], r["page"]))
            if held:
                self._put(f"answers-{uuid.uuid4().hex}.parquet", held)
            held.clear()
            while gone:
                gone.pop().unlink()

        for path in parts:
            held += _current(_rows(path), seen, passed)
            gone.append(path)
            if len(held) >= rows:
                flush()
        flush()
        return len(seen)

    def _files(self) -> List[Path]:
        return sorted(self.folder.glob("*.parquet"))

    def _put(self, name: str, records: Sequence[Record]) -> None:
        import pyarrow as pa

        # Begins with a dot, so that readers of the folder ignore it.
        temporary = self.folder / f".{name}.{uuid.uuid4().hex}"
        try:
            parquet().write_table(pa.Table.from_pylist(list(records), schema=schema()), temporary)
            os.replace(temporary, self.folder / name)
        finally:
            temporary.unlink(missing_ok=True)


def read_records(folder: "os.PathLike[str] | str") -> Iterator[Record]:
    """All records of a folder, each once; errors that have passed are left out."""
    files = sorted(Path(folder).glob("*.parquet"))
    seen: Set[str] = set()
    passed = _passed(files)
    for path in files:
        yield from _current(_rows(path), seen, passed)


def _rows(path: Path, columns: Optional[List[str]] = None) -> List[Record]:
    return parquet().read_table(path, columns=columns, partitioning=None).to_pylist()


def _current(records: Iterable[Record], seen: Set[str], passed: Set[str]) -> Iterator[Record]:
    """Those that are not yet among `seen`, to which they are added."""
    for record in records:
        identity = record["record_id"]
        if identity not in seen and (identity not in passed or is_settled(record["error"])):
            seen.add(identity)
            yield record


def _passed(files: Sequence[Path]) -> Set[str]:
    """Identities of errors that may pass, where there are other records of the same input."""
    columns = ["record_id", "source", "input_hash", "page", "model_id", "options", "error"]
    errors = {r["record_id"]: r for path in files for r in _rows(path, columns) if not is_settled(r["error"])}
    # Those of a whole file, by what they have in common with the records of its pages. A file that could not be opened has no hash.
    whole: Dict[Any, List[str]] = {}
    for identity, r in errors.items():
        if r["page"] == 0:
            whole.setdefault((r["source"], r["input_hash"], r["model_id"], r["options"]), []).append(identity)
    found: Set[str] = set()
    for path in files if errors else ():
        for r in _rows(path, columns):
            if is_settled(r["error"]):
                if r["record_id"] in errors:
                    found.add(r["record_id"])
                for input_hash in (r["input_hash"], ""):
                    found.update(whole.get((r["source"], input_hash, r["model_id"], r["options"]), ()))
    return found
