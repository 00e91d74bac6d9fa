# SPDX-License-Identifier: Apache-2.0
"""Processing of a batch, common to all runners, and the local runner."""

from __future__ import annotations

from typing import Dict, List, Optional, Sequence, Tuple

import fovea

from ._inputs import Input, find_inputs
from ._parts import Store, parquet
from ._reader import Settings, Worker

#: Of this process: Spark's functions have no state of their own to keep a model in.
_workers: Dict[Tuple[str, str, Optional[int]], Worker] = {}


def worker(folder: str, settings: Settings) -> Worker:
    """This process's worker for these settings, made at the first call."""
    key = (folder, repr(settings), settings.threads)
    if key not in _workers:
        _workers.clear()  # one model per process
        _workers[key] = Worker(settings, Store(folder).done())
    return _workers[key]


def read_batch(reader: Worker, store: Store, items: Sequence[Input]) -> Tuple[int, int]:
    """Reads a batch and writes its records as one file. Returns how many there are, and how many of them are errors."""
    records = list(reader.records(items))
    store.write(records)
    return len(records), sum(r.get("error") is not None for r in records)


def prepare(inputs: Sequence[str], output: str, batch: int, column: str) -> Tuple[Store, List[Input]]:
    """The output folder, and the inputs, none of which are in it."""
    if batch < 1:
        raise fovea.ArgumentError(f"batch: is {batch}, must be at least 1.")
    parquet()  # where it is missing, nothing is read in vain
    store = Store(output)
    return store, find_inputs(inputs, column, leaving_out=store.folder)


def run_local(inputs: Sequence[str], output: str, settings: Settings, batch: int = 8, column: str = "image", *, cores: Optional[int] = None) -> int:
    """In this process, one input after another. Returns the number of records in `output`.

    cores: threads where the settings name none; None: all of the machine.
    """
    store, items = prepare(inputs, output, batch, column)
    settings = Settings(**{**settings.__dict__, "threads": settings.threads or cores})
    reader = Worker(settings, store.done())
    for first in range(0, len(items), batch):
        read_batch(reader, store, items[first : first + batch])
    return store.compact()
