# SPDX-License-Identifier: Apache-2.0
"""Ray Data and Spark over 200 pictures, with a worker killed half way. Run by tools/check-corpus; not part of the everyday tests."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

if os.environ.get("FOVEA_CHECK_CORPUS") != "1":
    pytest.skip("tools/check-corpus runs these", allow_module_level=True)

pytest.importorskip("ray")
pytest.importorskip("pyspark")

import fovea_corpus  # noqa: E402

COUNT = 200
ARGUMENTS = ["-p", "What is in the picture?", "--max-tokens", "8", "--batch", "4"]


@pytest.fixture(scope="module")
def pictures(tmp_path_factory) -> Path:
    from PIL import Image, ImageDraw

    folder = tmp_path_factory.mktemp("pictures")
    for i in range(COUNT):
        picture = Image.new("RGB", (400 + i, 300), (i, 255 - i, 120))
        ImageDraw.Draw(picture).ellipse((20 + i, 40, 160 + i, 180), fill=(250, 240, i))
        picture.save(folder / f"{i:03}.png")
    return folder


def pids_of(output: Path):
    """Process identities of workers that have written records."""
    return [int(r["worker"].split(":")[1]) for r in fovea_corpus.read_records(output)]


def kill_half_way(output: Path, killed: list, ended: threading.Event) -> None:
    while not ended.is_set() and not killed:
        try:
            workers = pids_of(output) if output.exists() else []
        except FileNotFoundError:  # parts that were just put together
            workers = []
        if len(workers) >= COUNT // 2:
            os.kill(workers[-1], signal.SIGKILL)
            killed.append((workers[-1], len(workers)))
        time.sleep(0.02)


def read(by: str, pictures: Path, output: Path, *more: str, kill: bool = False):
    killed: list = []
    ended = threading.Event()
    thread = threading.Thread(target=kill_half_way, args=(output, killed, ended))
    if kill:
        thread.start()
    command = [sys.executable, "-m", "fovea_corpus", by, str(pictures), "-o", str(output), *ARGUMENTS, *more]
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=540)
    ended.set()
    if kill:
        thread.join()
        assert killed, done.stdout
    assert done.returncode == 0, done.stdout.decode()[-3000:]
    print(f"\n{by} {more}: {done.stdout.decode().splitlines()[-1]}; killed {killed}")
    return killed


RUNNERS = [("ray", ["--workers", "2", "--cores", "1"]), ("spark", ["--cores", "1"])]


@pytest.mark.parametrize("by, more", RUNNERS)
def test_a_killed_worker_loses_no_record_and_none_is_there_twice(by, more, pictures, tmp_path):
    if by == "spark" and shutil.which("java") is None:
        pytest.skip("Spark needs Java")
    output = tmp_path / "answers"
    ((pid, had),) = read(by, pictures, output, *more, kill=True)
    assert had < COUNT
    import pyarrow.parquet

    rows = [r for path in output.glob("*.parquet") for r in pyarrow.parquet.read_table(path).to_pylist()]
    assert len(rows) == COUNT and len({r["record_id"] for r in rows}) == COUNT
    assert sorted(r["source"] for r in rows) == [f"{i:03}.png" for i in range(COUNT)]
    assert all(r["error"] is None and r["answer"] is not None for r in rows)
    # Somebody else did what was left.
    assert len({r["worker"] for r in rows}) >= 2

    # The second run makes nothing anew, and one with other settings everything.
    before = {p: p.stat().st_mtime_ns for p in output.glob("*.parquet")}
    read(by, pictures, output, *more)
    assert {p: p.stat().st_mtime_ns for p in output.glob("*.parquet")} == before
    # Answers are those of this process.
    alone = tmp_path / "alone"
    one = tmp_path / "one"
    one.mkdir()
    shutil.copy(pictures / "007.png", one)
    fovea_corpus.run_local([str(one)], str(alone), fovea_corpus.Settings(prompt="What is in the picture?", max_tokens=8))
    (record,) = fovea_corpus.read_records(alone)
    (same,) = (r for r in rows if r["source"] == "007.png")
    assert record["answer"] == same["answer"] and record["record_id"] == same["record_id"]


def test_rows_of_parquet_files_are_inputs(pictures, tmp_path):
    import pyarrow as pa
    import pyarrow.parquet

    table = pa.table({"image": [(pictures / f"{i:03}.png").read_bytes() for i in range(10)]})
    pyarrow.parquet.write_table(table, tmp_path / "in.parquet", row_group_size=3)
    read("ray", tmp_path / "in.parquet", tmp_path / "out", "--workers", "1", "--cores", "1")
    assert [r["source"] for r in fovea_corpus.read_records(tmp_path / "out")] == [f"in.parquet#{i}" for i in range(10)]
