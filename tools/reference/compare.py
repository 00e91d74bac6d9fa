# SPDX-License-Identifier: Apache-2.0
"""What Fovea makes of the checkpoints of make_checkpoints.py and make_ferret_checkpoints.py, against what PyTorch made of them.

compare.py CHECKPOINTS FOVEA_FILES      (each NAME of one has NAME.fovea in the other; needs the Python package `fovea`)
"""

import json
import os
import sys

import fovea
import numpy as np
from PIL import Image
from safetensors.numpy import load_file


def relative(a, b):
    return float(np.linalg.norm(a - b) / np.linalg.norm(b)) if a.shape == b.shape else float("inf")


def regions(folder, recorded):
    """What `<region>` marks of the prompt stand for (make_ferret_checkpoints.py)."""
    if not os.path.exists(os.path.join(folder, "regions.json")):
        return []
    found = []
    with open(os.path.join(folder, "regions.json")) as f:
        for i, r in enumerate(json.load(f)):
            start = {"points": recorded[f"points.{i}"], "starts": tuple(int(v) for v in recorded[f"starts.{i}"])}
            if r["kind"] == "mask":
                found.append(fovea.Mask(np.asarray(Image.open(os.path.join(folder, r["file"])))[..., 0] > 0, **start))
            else:
                found.append({"box": fovea.Box, "point": fovea.Point}[r["kind"]](*r["numbers"], **start))
    return found


def compare(folder, file):
    r = load_file(os.path.join(folder, "reference.safetensors"))
    with open(os.path.join(folder, "prompt.txt")) as f:
        prompt = f.read()
    model = fovea.load(file)
    image = model.encode_image(os.path.join(folder, "image.png"))
    what = {"images": [image], "raw": True, "regions": regions(folder, r)}
    embeddings = relative(image.numpy(), r["embeddings"])
    logits = relative(np.asarray(model.logits(prompt, **what)), r["logits"])
    greedy = model.session().generate_ids(prompt, **what, max_tokens=len(r["greedy"]), temperature=0, ignore_eos=True)
    same = next((i for i, (a, b) in enumerate(zip(greedy, r["greedy"])) if a != b), len(greedy))
    return embeddings, logits, same


if __name__ == "__main__":
    worst = 0.0
    for name in sorted(os.listdir(sys.argv[1])):
        file = os.path.join(sys.argv[2], name + ".fovea")
        if os.path.exists(file):
            embeddings, logits, same = compare(os.path.join(sys.argv[1], name), file)
            print(f"{name:20} embeddings {embeddings:.1e}  logits {logits:.1e}  greedy ids alike {same} of 32", flush=True)
            worst = max(worst, embeddings, logits, 0 if same == 32 else 1)
    sys.exit(worst > 1e-4)
