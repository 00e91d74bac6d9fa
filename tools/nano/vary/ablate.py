# SPDX-License-Identifier: Apache-2.0
"""The paper's question at nano size (arXiv:2312.06109): what each network is worth. Every variant goes on from one state of stage 2 for
the same number of steps with one network's half of the image vectors left empty or none, and answers the same held-out samples. With
--steps 0 it answers as it is, without having learned to do without the other half.

    python -m vary.ablate --init S/v3/state.pt --out S/ablation --steps 150 --charts S/charts.npz

Variants that are finished are not trained again; the table is printed from what there is.
"""

import argparse
import json
import os
import subprocess
import sys

import torch

from . import benchmark as H
from . import export
from .evaluate import SEED, Torch

VARIANTS = {"CLIP alone": "vocabulary", "vocabulary network alone": "clip", "both": None}  # name: what is left out
COLUMNS = {
    "edit distance, English": ("english pages", "edit distance"),
    "F1": ("english pages", "F1"),
    "edit distance, Chinese": ("chinese pages", "edit distance"),
    "charts": ("charts", "relaxed accuracy"),
    "questions": ("questions", "ANLS"),
}


def table(results):
    print("| | " + " | ".join(COLUMNS) + " |\n|---|" + "---|" * len(COLUMNS))
    for name, r in results.items():
        values = (r[suite][figure] for suite, figure in COLUMNS.values())
        print(f"| {name} | " + " | ".join(f"{v:.3f}" if "distance" in c else f"{v:.1f}" for c, v in zip(COLUMNS, values)) + " |")


if __name__ == "__main__":
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--init", required=True)
    p.add_argument("--out", required=True)
    p.add_argument("--steps", type=int, default=150)
    p.add_argument("--pages", type=int, default=60)
    p.add_argument("--others", type=int, default=40)
    a, rest = p.parse_known_args()  # the rest goes to the trainings
    torch.set_num_threads(2)
    path, results = os.path.join(a.out, "results.json"), {}
    os.makedirs(a.out, exist_ok=True)
    if os.path.exists(path):
        with open(path) as f:
            results = json.load(f)
    samples = H.benchmark("base", a.pages, a.others, a.others, SEED)
    for name, without in VARIANTS.items():
        if name in results:
            continue
        directory = os.path.join(a.out, name.replace(" ", "-")) if a.steps else os.path.dirname(a.init)
        state = os.path.join(directory, "state.pt")
        if a.steps and (not os.path.exists(state) or torch.load(state, weights_only=False)["unfinished"]):
            subprocess.run(
                [
                    sys.executable,
                    "-m",
                    "vary.train",
                    "--stage",
                    "base",
                    "--state",
                    directory,
                    "--init",
                    a.init,
                    "--steps",
                    str(a.steps),
                    *(["--without", without] if without else []),
                    *rest,
                ],
                check=True,
            )
        results[name] = H.score(samples, Torch(export.load_state(directory), without)(samples))
        with open(path, "w") as f:
            json.dump(results, f, indent=1)
    table({name: results[name] for name in VARIANTS if name in results})
