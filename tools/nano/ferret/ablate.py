# SPDX-License-Identifier: Apache-2.0
"""The paper's ablations at nano size (arXiv:2404.07973, tables 5 and 6): every variant goes on with stage III for the same number of
steps and answers the same held-out questions.

    python -m ferret.ablate --final S/f8/state.pt --caption S/f2/state.pt --dense S/f3/state.pt --out S/ablation --steps 25

Resolution and encoders: all variants go on from the finished model (--final), with what they see taken away from them, and learn to do
without it. Stage II: stage III begins from the state before it (--caption) and after it (--dense). Variants that are finished are not
trained again; the table is printed from what there is.
"""

import argparse
import json
import os
import subprocess
import sys

import torch

from . import backends, export
from . import benchmark as H

VARIANTS = {  # name: state to begin with, options of the training
    "fixed resolution (whole view only)": ("final", ["--locals", "none"]),
    "+ any resolution for grounding (CLIP)": ("final", ["--locals", "clip", "--refers", "whole"]),
    "+ any resolution for referring (CLIP)": ("final", ["--locals", "clip"]),
    "+ DINOv2 for the tiles": ("final", []),
    "stage III without stage II": ("caption", []),
    "stage III after stage II": ("dense", []),
}


def slug(name):
    return "".join(c if c.isalnum() else "-" for c in name)


def table(results):
    columns = [("referring", k) for k in ("all", "point", "box", "free")] + [("referring by size", k) for k in H.SIZES]
    columns += [("grounding IoU 0.5", k) for k in ("all", *H.SIZES)]
    heads = ["refer", "point", "box", "free", "refer small", "medium", "large", "ground", "ground small", "medium", "large"]
    print("| variant | " + " | ".join(heads) + " |\n|---|" + "---|" * len(heads))
    for name, r in results.items():
        print(f"| {name} | " + " | ".join(f"{r[g][k]:.1f}" for g, k in columns) + " |")


if __name__ == "__main__":
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--final", required=True)
    p.add_argument("--caption", required=True)
    p.add_argument("--dense", required=True)
    p.add_argument("--out", required=True)
    p.add_argument("--steps", type=int, default=25)
    p.add_argument("--scenes", type=int, default=10, help="held-out scenes for each grid")
    a, rest = p.parse_known_args()  # the rest goes to the trainings
    results, samples = {}, H.benchmark(a.scenes)
    for name, (state, options) in VARIANTS.items():
        directory = os.path.join(a.out, slug(name))
        figures = os.path.join(directory, "figures.json")
        if not os.path.exists(figures):
            subprocess.run(
                [
                    sys.executable,
                    "-m",
                    "ferret.train",
                    "--stage",
                    "instruct",
                    "--state",
                    directory,
                    "--init",
                    getattr(a, state),
                    "--steps",
                    str(a.steps),
                    "--seed",
                    "7",
                    *options,
                    *rest,
                ],
                check=True,
            )
            torch.set_num_threads(2)
            result = H.score(samples, backends.Torch(export.load_state(directory))(samples))
            with open(figures, "w") as f:
                json.dump(result, f, indent=1)
        with open(figures) as f:
            results[name] = json.load(f)
    table(results)
