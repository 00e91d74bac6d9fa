# SPDX-License-Identifier: Apache-2.0
"""Spark: `mapInPandas` over the names of inputs; the model is loaded once in each Python worker."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Callable, Iterator, Optional, Sequence

from ._inputs import Input
from ._parts import Store
from ._reader import Settings
from ._run import prepare, read_batch, worker

if TYPE_CHECKING:
    import pandas


def read_frames(settings: Settings, folder: str, batch: int = 8) -> "Callable[[Iterator[pandas.DataFrame]], Iterator[pandas.DataFrame]]":
    """A function for `mapInPandas`, from columns source, path (text or binary), row, column to the numbers of records and errors of each batch."""

    def read(frames: "Iterator[pandas.DataFrame]") -> "Iterator[pandas.DataFrame]":
        import pandas

        store = Store(folder)
        for frame in frames:
            items = [
                Input(r.source, r.path if isinstance(r.path, str) else os.fsdecode(bytes(r.path)), int(r.row), r.column) for r in frame.itertuples()
            ]
            for first in range(0, len(items), batch):
                records, errors = read_batch(worker(folder, settings), store, items[first : first + batch])
                yield pandas.DataFrame({"records": [records], "errors": [errors]})

    return read


def run_spark(
    inputs: Sequence[str],
    output: str,
    settings: Settings,
    *,
    session=None,
    cores: Optional[int] = None,
    batch: int = 8,
    column: str = "image",
) -> int:
    """Reads with Spark. Returns the number of records in `output`.

    session: a SparkSession; None: a local one, where a failed task is tried again three times. On a cluster set
        `spark.task.cpus` to the threads of a worker, and keep `spark.python.worker.reuse`.
    cores: threads of a worker; None: `spark.task.cpus`.
    """
    from pyspark.sql import SparkSession

    store, items = prepare(inputs, output, batch, column)
    own = session is None
    if own:
        os.environ.setdefault("PYSPARK_PYTHON", sys.executable)  # not what `python3` happens to be
        session = SparkSession.builder.master("local[*,4]").appName("fovea").config("spark.ui.enabled", "false").getOrCreate()
        session.sparkContext.setLogLevel("ERROR")
    context = session.sparkContext
    settings = Settings(**{**settings.__dict__, "threads": settings.threads or cores or int(context.getConf().get("spark.task.cpus", "1"))})
    try:
        if items:
            # A task is a few batches: a lost worker loses little, and starting a task costs little compared with reading a page.
            slices = max(min((len(items) + batch - 1) // batch, 100_000), 1)
            rows = context.parallelize([(i.source, bytearray(os.fsencode(i.path)), i.row, i.column) for i in items], slices)
            frame = session.createDataFrame(rows, "source string, path binary, row long, column string")
            frame.mapInPandas(read_frames(settings, str(store.folder), batch), "records long, errors long").collect()
    finally:
        if own:
            session.stop()
    return store.compact()
