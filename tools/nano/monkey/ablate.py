# SPDX-License-Identifier: Apache-2.0
"""The paper's ablations at nano size (arXiv:2311.06607 section 4.3): every variant goes on from one state for the same number of
steps on the same kinds of pages, and answers the same held-out ones.

    python -m monkey.ablate --init S/before/state.pt --out S/ablation --steps 250

--init is an answer-stage state without adapters. Variants that are finished are not trained again; the table is printed from what
there is.
"""

import argparse
import json
import os
import subprocess
import sys

import torch

from . import answer as A
from . import backends, export
from . import benchmark as H

VARIANTS = {  # name: options of the training, how held-out pages are seen
    "2 x 2 tiles, an adapter set each": (["--adapters", "4"], None),
    "2 x 2 tiles, one shared adapter set": (["--adapters", "1"], None),
    "2 x 2 tiles, no adapters": (["--adapters", "0"], None),
    "1 tile (page shrunk to it)": (["--adapters", "1", "--seen", "1x1"], (1, 1)),
    "1 x 2 tiles": (["--adapters", "2", "--seen", "1x2"], (1, 2)),
    "2 x 3 tiles (page enlarged)": (["--adapters", "6", "--seen", "2x3"], (2, 3)),
    "no tiles, positions interpolated": (["--adapters", "0", "--seen", "0x0"], (0, 0)),
    "short captions in training": (["--adapters", "4", "--short-captions"], None),
}


def slug(name):
    return "".join(c if c.isalnum() else "-" for c in name)


def figures(directory, seen, pages, scenes):
    samples = H.benchmark(pages, scenes, ((2, 2),), seen)
    answers = backends.Torch(export.load_state(directory), A.tokenizer())(samples)
    return H.score(samples, answers)


def table(results):
    columns = ("CER", "cut lines", "whole lines", "facts recalled", "where", "colour", "what", "text")
    print("| variant | " + " | ".join(columns) + " |\n|---|" + "---|" * len(columns))
    for name, r in results.items():
        values = {"CER": r["character error rate"]["all"], **r["character error rate"], **r["descriptions"], **r["answers right"]}
        print(f"| {name} | " + " | ".join(f"{values[c]:.1f}" if c in values else "–" for c in columns) + " |")


if __name__ == "__main__":
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--init", required=True)
    p.add_argument("--out", required=True)
    p.add_argument("--steps", type=int, default=250)
    p.add_argument("--pages", type=int, default=60)
    p.add_argument("--scenes", type=int, default=40)
    p.add_argument("--only", nargs="*", help="names of variants, or beginnings of them")
    a, rest = p.parse_known_args()  # the rest goes to the trainings
    torch.set_num_threads(2)
    path, results = os.path.join(a.out, "results.json"), {}
    os.makedirs(a.out, exist_ok=True)
    if os.path.exists(path):
        with open(path) as f:
            results = json.load(f)
    for name, (options, seen) in VARIANTS.items():
        if name in results or a.only and not any(name.startswith(o) for o in a.only):
            continue
        directory = os.path.join(a.out, slug(name))
        state = os.path.join(directory, "state.pt")
        if not os.path.exists(state) or torch.load(state, weights_only=False)["unfinished"]:
            subprocess.run(
                [
                    sys.executable,
                    "-m",
                    "monkey.train",
                    "--stage",
                    "answer",
                    "--state",
                    directory,
                    "--init",
                    a.init,
                    "--steps",
                    str(a.steps),
                    *options,
                    *rest,
                ],
                check=True,
            )
        results[name] = {"steps": a.steps, **figures(directory, seen, a.pages, a.scenes)}
        with open(path, "w") as f:
            json.dump(results, f, indent=1)
    table({name: results[name] for name in VARIANTS if name in results})
