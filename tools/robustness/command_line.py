#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Runs the command line with one allocation failing, or all from one on, or in little address space, and prints a table of what became of it.
Fails when it died of a signal, hung, or failed without a message. usage: command_line.py PROGRAM FAILING.so STEP MODEL"""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Callable, Dict, List, Optional

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
import hostile_pictures  # noqa: E402

program, failing, step, model = sys.argv[1], sys.argv[2], int(sys.argv[3]), sys.argv[4]
place = tempfile.TemporaryDirectory()
folder = place.name
image = folder + "/image.png"
Path(image).write_bytes(hostile_pictures.png(640, 480))
COMMANDS = {
    "run": ["run", "-m", model, "--threads", "2", "-i", image, "-p", "What is there?", "--max-tokens", "4", "--draw", folder + "/drawn.png"],
    "describe": ["describe", "-m", model, "--threads", "2", "--max-tokens", "4", "--no-summary", "-o", folder + "/records", image],
    "inspect": ["inspect", model, "--plan", "--json"],
}


def call(arguments: List[str], environment: Dict[str, str], before: Optional[Callable[[], None]] = None) -> str:
    if os.path.exists(folder + "/records"):
        os.unlink(folder + "/records")
    try:
        done = subprocess.run([program, *arguments], env={**os.environ, **environment}, preexec_fn=before, capture_output=True, timeout=60)
    except subprocess.TimeoutExpired:
        return "hangs"
    if done.returncode < 0 or done.returncode > 127:
        return "deaths"
    if done.returncode == 0:
        return "OK"
    return "refused" if done.stderr else "silent"


def allocations(arguments: List[str], size: int) -> int:
    read, write = os.pipe()
    environment = {"LD_PRELOAD": failing, "FAIL_FROM": f"{2**62} 0 {size}", "FAIL_COUNT": str(write)}
    subprocess.run([program, *arguments], env={**os.environ, **environment}, pass_fds=[write], capture_output=True)
    os.close(write)
    with os.fdopen(read) as text:
        return int(text.read() or 0)


def least(arguments: List[str]) -> int:
    """Address space that the program needs to start at all."""
    for room in range(8 << 20, 1 << 30, 4 << 20):
        if call(["--version"], {}, lambda: resource.setrlimit(resource.RLIMIT_AS, (room, room))) == "OK":
            return room
    return 1 << 30


def row(what: str, name: str, outcomes: Dict[int, str]) -> int:
    kinds = ("refused", "OK", "deaths", "hangs", "silent")
    count = {kind: sum(o == kind for o in outcomes.values()) for kind in kinds}
    bad = [n for n, o in outcomes.items() if o in ("deaths", "hangs", "silent")]
    print(f"{what:30} {name:9} {len(outcomes):5} " + " ".join(f"{count[k]:7}" for k in kinds) + (f"   first: {bad[0]}" if bad else ""), flush=True)
    return len(bad)


def main() -> int:
    print(f"{'what fails':30} {'in':9} {'cases':>5} " + " ".join(f"{k:>7}" for k in ("refused", "OK", "deaths", "hangs", "silent")))
    bad = 0
    for name, arguments in COMMANDS.items():
        for what, later, size in (("the n-th allocation", 0, 0), ("the n-th and all later", 1, 0), ("16 KiB and more, n-th and later", 1, 16384)):
            total = allocations(arguments, size)
            if not total:
                print(f"FAILED: {name} allocates nothing: is {failing} preloaded?")
                return 1
            # There are tens of thousands, most of them alike.
            stride = max(step, total // max(400 // step, 12))
            numbers = range(1, total + 1, stride)
            bad += row(what, name, {n: call(arguments, {"LD_PRELOAD": failing, "FAIL_FROM": f"{n} {later} {size}"}) for n in numbers})
        start = least(arguments)
        rooms, room = [], 1 << 20
        while room <= 256 << 20:
            rooms.append(start + room)
            room += max(room // (2 if step > 1 else 8), 1 << 20)
        bad += row(
            "address space (RLIMIT_AS)", name, {r: call(arguments, {}, lambda r=r: resource.setrlimit(resource.RLIMIT_AS, (r, r))) for r in rooms}
        )
    return int(bad > 0)


if __name__ == "__main__":
    sys.exit(main())
