# SPDX-License-Identifier: Apache-2.0
"""`python -m fovea_corpus`: reads folders and Parquet files of images and PDF files into Parquet."""

from __future__ import annotations

import argparse
import json
import re
import sys
import time
from typing import Any, Dict, List, Optional

import fovea

from . import Settings, read_records, run_local, run_ray, run_spark


def size(text: str) -> int:
    units = {"K": 1 << 10, "M": 1 << 20, "G": 1 << 30}
    unit = units.get(text[-1:].upper(), 1)
    number = float(text[:-1] if unit > 1 else text) * unit
    if not 0 < number < 1 << 63:
        raise ValueError
    return int(number)


def positive(text: str) -> int:
    if int(text) < 1:
        raise ValueError
    return int(text)


def options(text: str) -> Dict[str, Any]:
    found = json.loads(text)
    if not isinstance(found, dict):
        raise ValueError
    return found


def parser() -> argparse.ArgumentParser:
    top = argparse.ArgumentParser(prog="python -m fovea_corpus", description=__doc__)
    top.add_argument("by", choices=["ray", "spark", "local"], help="what runs it; local: this process")
    top.add_argument("input", nargs="+", help="images, PDF files, folders, Parquet files")
    top.add_argument("-o", "--output", required=True, help="folder of Parquet files, gone on with where it is there")
    top.add_argument("-p", "--prompt", default="")
    top.add_argument("-m", "--model", help="a .fovea file; the built-in model without it")
    top.add_argument("--task", help="one of the model's own forms of a prompt")
    top.add_argument("--max-tokens", type=int)
    top.add_argument("--options", type=options, default={}, help="further options of fovea.Session.generate as JSON: '{\"loop_tokens\": 300}'")
    top.add_argument("--column", default="image", help="column of Parquet files that holds bytes or paths")
    top.add_argument("--dpi", type=positive, default=200)
    top.add_argument("--batch", type=positive, default=8, help="inputs of one part: what is read again after a worker is lost")
    top.add_argument("--workers", type=positive, help="actors of Ray; one a node without it")
    top.add_argument("--cores", type=positive, help="threads of a worker")
    top.add_argument("--memory-budget", type=size, help="bytes a worker's library may hold resident, with K, M or G")
    return top


def main(arguments: Optional[List[str]] = None) -> int:
    a = parser().parse_args(arguments)
    if not a.prompt and not a.task:
        parser().error("give a --prompt, or a --task that takes none")
    started = time.monotonic()
    try:
        settings = Settings(
            prompt=a.prompt, model=a.model, task=a.task, max_tokens=a.max_tokens, options=a.options, dpi=a.dpi, memory_budget=a.memory_budget
        )
        if a.by == "ray":
            run_ray(a.input, a.output, settings, workers=a.workers, cores=a.cores, batch=a.batch, column=a.column)
        elif a.by == "spark":
            run_spark(a.input, a.output, settings, cores=a.cores, batch=a.batch, column=a.column)
        else:
            run_local(a.input, a.output, settings, cores=a.cores, batch=a.batch, column=a.column)
        count = errors = 0
        for record in read_records(a.output):
            count += 1
            errors += record["error"] is not None
    except (fovea.Error, OSError, ValueError, ImportError) as error:
        print(f"fovea_corpus: {error}", file=sys.stderr)
        return 65
    except KeyboardInterrupt:
        return 130
    except Exception as error:
        # Ray and Spark have a worker's error with its traceback as text.
        said = re.findall(r"^fovea\._errors\.\w+: (.+)$", str(error), re.MULTILINE)
        if not said:
            raise
        print(f"fovea_corpus: {said[-1]}", file=sys.stderr)
        return 65
    print(f"{count} records, {errors} of them errors; {time.monotonic() - started:.0f} s", file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(main())
