# SPDX-License-Identifier: Apache-2.0
"""Records as Parquet files: one file per batch, written atomically."""

from __future__ import annotations

import hashlib
import os
import uuid
from pathlib import Path
from typing import Any, Dict, Iterator, List, Sequence, Set

Record = Dict[str, Any]


def schema():
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
        """Identities of the existing records."""
        import pyarrow.parquet

        found: Set[str] = set()
        for path in self._files():
            found.update(pyarrow.parquet.read_table(path, columns=["record_id"], partitioning=None).column(0).to_pylist())
        return found

    def write(self, records: Sequence[Record]) -> None:
        """The file name depends on the records only: a batch that is repeated replaces its file."""
        if records:
            name = hashlib.sha256("".join(r["record_id"] for r in records).encode()).hexdigest()[:32]
            self._put(f"part-{name}.parquet", records)

    def compact(self, rows: int = 50_000) -> int:
        """Merges parts into files of `rows` records, in the order of sources and pages, each record once. Returns how many there are.
        If it is interrupted, some records exist twice until the next time; `read_records` yields them once."""
        import pyarrow.parquet

        seen: Set[str] = set()
        parts = [p for p in self._files() if p.name.startswith("part-")]
        for path in self._files():
            if path not in parts:
                seen.update(pyarrow.parquet.read_table(path, columns=["record_id"], partitioning=None).column(0).to_pylist())
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
            for record in pyarrow.parquet.read_table(path, schema=schema(), partitioning=None).to_pylist():
                if record["record_id"] not in seen:
                    seen.add(record["record_id"])
                    held.append(record)
            gone.append(path)
            if len(held) >= rows:
                flush()
        flush()
        return len(seen)

    def _files(self) -> List[Path]:
        return sorted(self.folder.glob("*.parquet"))

    def _put(self, name: str, records: Sequence[Record]) -> None:
        import pyarrow as pa
        import pyarrow.parquet

        # Begins with a dot, so that readers of the folder ignore it.
        temporary = self.folder / f".{name}.{uuid.uuid4().hex}"
        try:
            pyarrow.parquet.write_table(pa.Table.from_pylist(list(records), schema=schema()), temporary)
            os.replace(temporary, self.folder / name)
        finally:
            temporary.unlink(missing_ok=True)


def read_records(folder: "os.PathLike[str] | str") -> Iterator[Record]:
    """All records of a folder, each once."""
    import pyarrow.parquet

    seen: Set[str] = set()
    for path in sorted(Path(folder).glob("*.parquet")):
        for record in pyarrow.parquet.read_table(path, partitioning=None).to_pylist():
            if record["record_id"] not in seen:
                seen.add(record["record_id"])
                yield record
