#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Damages weight files, checkpoints and GGUF files at random and prints a table of what became of them: each is refused with a message that names
the file, or works. Fails when a process died, hung, or a refusal named nothing. usage: damaged.py PROGRAM CASES [SEED]   (FOVEA_LIBRARY names the library)"""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import struct
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Callable, Dict, List

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "bindings/python"))
sys.path.insert(0, str(ROOT / "tools"))
import fovea  # noqa: E402
import gguf_bytes  # noqa: E402
import hostile_pictures  # noqa: E402
from weight_bytes import entries, seal  # noqa: E402

program, cases, seed = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]) if len(sys.argv) > 3 else 1
chance = random.Random(seed)
SECONDS = 20
PICTURE = hostile_pictures.png(40, 30)


def damage_bytes(data: bytearray) -> None:
    kind = chance.randrange(6)
    at = chance.randrange(len(data))
    if kind == 0:
        del data[at:]
    elif kind == 1:
        for _ in range(chance.randrange(1, 5)):
            data[chance.randrange(len(data))] ^= 1 << chance.randrange(8)
    elif kind == 2:
        data[chance.randrange(min(256, len(data)))] = chance.randrange(256)
    elif kind == 3:
        data[-1 - chance.randrange(min(20000, len(data)))] = chance.randrange(256)
    elif kind == 4:
        count = min(len(data) - at, chance.randrange(64))
        data[at : at + count] = bytes(count)
    else:
        data += bytes(chance.randrange(1, 100))


def damage_settings(data: bytearray) -> None:
    """A setting changed, renamed or taken away, or a field of the table changed; all checksums right."""
    at, key, kind, value, size = chance.choice(entries(data))
    what = chance.randrange(7)
    if what <= 3:
        if kind == 2:
            wild = [0, -1, 1, 2, 3, 7, 255, 1 << 20, 1 << 40, -1 << 63, chance.randrange(1 << 16)]
            struct.pack_into("<q", data, value, chance.choice(wild))
        elif kind == 3:
            struct.pack_into("<d", data, value, chance.choice([0.0, -1.0, 1e30, float("nan"), float("inf"), 0.5]))
        elif kind == 1:
            data[value] = chance.randrange(3)
        else:
            for _ in range(chance.randrange(1, 4) if size else 0):
                data[value + chance.randrange(size)] = chance.randrange(256)
    elif what == 4:
        place = at + 16 + chance.randrange(key)
        data[place] = (data[place] + 1) & 127
    elif what == 5:
        gone = value + size - at
        (metadata,), (table,) = struct.unpack_from("<Q", data, 32), struct.unpack_from("<Q", data, 48)
        count = len(entries(data))
        del data[at : at + gone]
        struct.pack_into("<Q", data, 32, metadata - gone)
        struct.pack_into("<Q", data, 48, table - gone)
        struct.pack_into("<Q", data, 16, len(data))
        struct.pack_into("<I", data, 72, count - 1)
    else:
        table, size = struct.unpack_from("<QQ", data, 48)
        data[table + chance.randrange(size)] = chance.randrange(256)
    seal(data)


def use(path: str) -> None:
    """Loads the file and asks something, in a little time."""
    fovea.plan(path)
    with fovea.load(path, threads=1, verify=chance.random() < 0.5, memory_budget=1 << 30) as model:
        images = [model.encode_image(PICTURE, deadline=3)] if model.info["image_tokens"] else []
        with model.session() as session:
            session.generate("What is there?", images=images, max_tokens=2, deadline=3)


def in_child(path: str, name: str, work: Callable[[str], None]) -> str:
    """What became of `work`, done in a process of its own."""
    child = os.fork()
    if child == 0:
        signal.alarm(SECONDS)
        end = 2
        try:
            work(path)
            end = 0
        except (fovea.DeadlineExceeded, fovea.ContextError, fovea.ImageError, fovea.ArgumentError):
            end = 1  # this picture or question does not fit: the file may be sound
        except fovea.Error as error:
            end = 1 if name in str(error) else 3
            if end == 3:
                print(f"    {error}", file=sys.stderr)
        finally:
            os._exit(end)
    _, status = os.waitpid(child, 0)
    if os.WIFSIGNALED(status):
        return "hangs" if os.WTERMSIG(status) == signal.SIGALRM else "deaths"
    return ("works", "refused", "deaths", "unnamed")[os.WEXITSTATUS(status)]


def damage_checkpoint(folder: Path) -> str:
    """Damages one file of a checkpoint; its name."""
    path = chance.choice(sorted(p for p in folder.rglob("*") if p.is_file()))
    data = bytearray(path.read_bytes())
    kind = chance.randrange(7)
    if kind == 0:
        del data[chance.randrange(len(data) or 1) :]
    elif kind == 1 and data:
        data[chance.randrange(len(data))] ^= 1 << chance.randrange(8)
    elif kind == 2:
        path.unlink()
        return path.name
    elif kind == 3 and data:
        data[chance.randrange(min(len(data), 600))] = chance.randrange(256)
    elif kind in (4, 5) and path.suffix == ".json":
        value = json.loads(bytes(data))
        if isinstance(value, dict) and value:
            key = chance.choice(sorted(value))
            if kind == 4:
                del value[key]
            else:
                value[key] = chance.choice([None, -1, 0, "x", [], {}, 1e30, True, [1, 2], 1 << 40])
        data = bytearray(json.dumps(value).encode())
    else:
        at = chance.randrange(len(data) or 1)
        del data[at : at + chance.randrange(64)]
    path.write_bytes(data)
    return path.name


def damage_gguf(folder: Path) -> str:
    """One lie in a decoder's or a tower's file; its name."""
    path = chance.choice(sorted(folder.glob("*.gguf")))
    file = gguf_bytes.read(path.read_bytes())
    gguf_bytes.change(file, chance)
    path.write_bytes(gguf_bytes.write(file))
    return path.name


def convert(folder: Path, name: str, out: str) -> str:
    kind = chance.choice(["f32", "int8", "int4"])
    command = [program, "convert", str(folder), "-o", out, "--type", kind]
    try:
        done = subprocess.run(command, capture_output=True, timeout=SECONDS * 3)
    except subprocess.TimeoutExpired:
        return "hangs"
    if done.returncode < 0 or done.returncode > 127:
        print(f"    {name}: status {done.returncode}", file=sys.stderr)
        return "deaths"
    said = done.stderr.decode(errors="replace")
    if done.returncode == 0:
        return in_child(out, Path(out).name, use)
    if name in said or folder.name in said:
        return "refused"
    print(f"    {name}: {said.strip()}", file=sys.stderr)
    return "unnamed"


def row(what: str, outcomes: List[str]) -> int:
    counts: Dict[str, int] = {kind: outcomes.count(kind) for kind in ("refused", "works", "unnamed", "hangs", "deaths")}
    print(f"{what:34} {len(outcomes):6} " + " ".join(f"{count:8}" for count in counts.values()), flush=True)
    return counts["unnamed"] + counts["hangs"] + counts["deaths"]


def main() -> int:
    checkpoints = sorted(p for p in (ROOT / "Tests/ConversionTests/Fixtures/checkpoints").glob("*/checkpoint"))
    with tempfile.TemporaryDirectory() as place:
        path = place + "/damaged.fovea"
        whole: List[bytes] = []
        for source in checkpoints:
            out = place + "/whole.fovea"
            subprocess.run([program, "convert", str(source), "-o", out, "--type", "f32"], check=True, capture_output=True)
            whole.append(Path(out).read_bytes())
        print(f"{'what is damaged':34} {'cases':>6} " + " ".join(f"{k:>8}" for k in ("refused", "works", "unnamed", "hangs", "deaths")))
        bad = 0
        for what, damage in (("weight files", damage_bytes), ("settings, checksums right", damage_settings)):
            outcomes = []
            for _ in range(cases):
                data = bytearray(chance.choice(whole))
                damage(data)
                Path(path).write_bytes(data)
                outcomes.append(in_child(path, "damaged.fovea", use))
            bad += row(what, outcomes)
        ggufs = sorted(p for p in (ROOT / "Tests/ConversionTests/Fixtures/gguf").iterdir() if len(list(p.glob("*.gguf"))) > 1)
        for what, sources, damage in (("checkpoints", checkpoints, damage_checkpoint), ("GGUF files", ggufs, damage_gguf)):
            outcomes = []
            for _ in range(cases):
                folder = Path(place) / "damaged-checkpoint"
                shutil.rmtree(folder, ignore_errors=True)
                shutil.copytree(chance.choice(sources), folder)
                outcomes.append(convert(folder, damage(folder), path))
            bad += row(what, outcomes)
    return int(bad > 0)


if __name__ == "__main__":
    sys.exit(main())
