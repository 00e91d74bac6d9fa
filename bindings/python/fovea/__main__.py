# SPDX-License-Identifier: Apache-2.0
"""`python -m fovea`: the program `fovea` where it is installed beside the library; else a small one with `run` and `describe`."""

from __future__ import annotations

import argparse
import json
import os
import shutil
import sys
from pathlib import Path
from typing import List, Optional

import fovea
from fovea import _library


def program() -> Optional[str]:
    """Path of the program `fovea` in the library's installation."""
    library = _library.library()._name
    if not os.path.isabs(library):  # the system's
        return shutil.which("fovea")
    beside = Path(library).resolve().parent.parent / "bin" / "fovea"
    return str(beside) if os.access(beside, os.X_OK) else None


def parser() -> argparse.ArgumentParser:
    top = argparse.ArgumentParser(prog="python -m fovea", description="Answers questions about images on a plain CPU.")
    top.add_argument("--version", action="version", version=f"fovea {fovea.version()}")
    commands = top.add_subparsers(dest="command", required=True)
    run = commands.add_parser("run", help="answer a prompt about images")
    run.add_argument("-i", "--image", action="append", default=[])
    run.add_argument("-p", "--prompt", required=True)
    run.add_argument("--raw", action="store_true")
    describe = commands.add_parser("describe", help="one line of JSON for each image")
    describe.add_argument("image", nargs="+")
    describe.add_argument("-p", "--prompt", default="What is in the picture?")
    for command in (run, describe):
        command.add_argument("-m", "--model", help="a .fovea file; the built-in model without it")
        command.add_argument("--max-tokens", type=int)
        command.add_argument("--temperature", type=float, default=0.0)
    return top


def run(a: argparse.Namespace) -> None:
    session = fovea.load(a.model).session()
    with session.generate(a.prompt, a.image, raw=a.raw, max_tokens=a.max_tokens, temperature=a.temperature, stream=True) as pieces:
        for piece in pieces:
            print(piece, end="", flush=True)
    print()


def describe(a: argparse.Namespace) -> int:
    """Continues after an image that cannot be read; the exit status is then 65."""
    session = fovea.load(a.model).session()
    status = 0
    for image in a.image:
        try:
            answer = session.generate(a.prompt, image, max_tokens=a.max_tokens, temperature=a.temperature)
        except (fovea.FileError, fovea.ImageError) as error:
            # The library names files, Pillow's errors do not.
            said = str(error)
            print("fovea:", said if said.startswith(f"{image}: ") else f"{image}: {said}", file=sys.stderr)
            status = 65
            continue
        print(json.dumps({"file": image, "text": answer}, ensure_ascii=False), flush=True)
    return status


def main(arguments: List[str]) -> int:
    try:
        found = program()
        if found is not None:
            os.execv(found, [found, *arguments])
        a = parser().parse_args(arguments)
        if a.command == "describe":
            return describe(a)
        run(a)
        return 0
    except (fovea.Error, ImportError) as error:
        print(f"fovea: {error}", file=sys.stderr)
        return 65
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
