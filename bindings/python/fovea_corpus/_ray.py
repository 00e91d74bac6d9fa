# SPDX-License-Identifier: Apache-2.0
"""Ray Data: an actor for each node's cores, which loads the model once."""

from __future__ import annotations

import os
import sys
from typing import Any, Dict, Optional, Sequence

import fovea

from ._inputs import Input
from ._parts import Store
from ._reader import Settings, Worker
from ._run import prepare, read_batch


class Actor:
    """Restarted where its process was killed; its unfinished batches are then assigned again."""

    def __init__(self, settings: Settings, folder: str) -> None:
        self._store = Store(folder)
        self._worker = Worker(settings, self._store.done())

    def __call__(self, batch: Dict[str, Any]) -> Dict[str, Any]:
        import numpy

        items = [Input(str(s), os.fsdecode(p), int(r), str(c)) for s, p, r, c in zip(batch["source"], batch["path"], batch["row"], batch["column"])]
        records, errors = read_batch(self._worker, self._store, items)
        return {"records": numpy.array([records]), "errors": numpy.array([errors])}


def needed_memory(settings: Settings) -> int:
    """Upper bound of a worker's memory in bytes, beside Python's. Ray reserves it, so that a node gets only as many actors as fit."""
    forecast = fovea.plan(settings.model, memory_budget=settings.memory_budget, context_length=settings.context_length)
    return int(forecast["total_bytes"]) + (256 << 20)


def run_ray(
    inputs: Sequence[str],
    output: str,
    settings: Settings,
    *,
    workers: Optional[int] = None,
    cores: Optional[int] = None,
    batch: int = 8,
    column: str = "image",
) -> int:
    """Reads with Ray, in the cluster that `ray.init` finds or in a local one. Returns the number of records in `output`.

    workers: actors; None: one for each node. cores: of each; None: all of the smallest node, less one where there are four or more.
    batch: inputs per file of records. Queued inputs are names; pixels are read when they are processed.
    """
    import ray

    store, items = prepare(inputs, output, batch, column)
    if not ray.is_initialized():
        ray.init(log_to_driver=False, include_dashboard=False)
    nodes = [n["Resources"] for n in ray.nodes() if n["Alive"] and n["Resources"].get("CPU", 0) >= 1]
    least = int(min(n["CPU"] for n in nodes))
    cores = cores or (least if least < 4 else least - 1)
    workers = workers or len(nodes)
    settings = Settings(**{**settings.__dict__, "threads": settings.threads or cores})
    if items:
        rows = [{"source": i.source, "path": os.fsencode(i.path), "row": i.row, "column": i.column} for i in items]
        context = ray.data.DataContext.get_current()
        context.enable_progress_bars = sys.stderr.isatty() and "FOVEA_QUIET" not in os.environ
        # A block is a batch: a lost worker loses one batch, and the same batch is repeated.
        data = ray.data.from_items(rows, override_num_blocks=(len(rows) + batch - 1) // batch)
        data = data.map_batches(
            Actor,
            fn_constructor_kwargs={"settings": settings, "folder": str(store.folder)},
            batch_size=batch,
            compute=ray.data.ActorPoolStrategy(size=workers),
            num_cpus=cores,
            memory=needed_memory(settings),
        )
        for _ in data.iter_batches(batch_size=None):
            pass
    return store.compact()
