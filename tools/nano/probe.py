# SPDX-License-Identifier: Apache-2.0
"""What tower and sampler know at each position, read by the auxiliary heads of vision-stage states (no decoder involved).

    probe.py --state S/with S/without

For every position of EntityGrid images with one entity: share of patches whose character is right, of patches whose
identity is right, and of sampler tokens whose characters and first index are all right (slices only).
"""

import argparse

import data
import entities as E
import entitygrid as G
import export
import numpy as np
import pages as P
import torch
from heads import PatchHeads, TokenHeads


@torch.no_grad()
def probe(directory, images, seed):
    state = torch.load(f"{directory}/state.pt", weights_only=False)
    model = export.load_state(directory)
    heads = torch.nn.ModuleDict({"patch": PatchHeads(model.config["vision_hidden"]), "token": TokenHeads(model.config["hidden_size"])})
    heads.load_state_dict({k: v for k, v in state["heads"].items() if k.startswith(("patch.", "token."))})
    rng = np.random.default_rng([seed, 11])
    rows = {}
    for position in range(1, 10):
        made = []
        for i in range(images):
            entity = P.random_entity(rng, (G.TYPES + ("string",))[i % 6])
            made.append(data.view_arrays(P.grid_page(rng, [(*entity, position - 1)], G.SIDE, G.SIDE, background=G.WHITE)))
        pixels, patch, token = (torch.from_numpy(np.stack([m[k] for m in made])) for k in range(3))
        features = model.see(pixels, 2, 2)
        tokens = model.sample(features)[:, 1:]
        features, patch, token = features[:, 1:], patch[:, 1:].long(), token[:, 1:].long()
        character, identity = patch[..., P.PATCH_CHARACTER], patch[..., P.PATCH_IDENTITY]
        slots = token[..., P.TOKEN_C0 : P.TOKEN_C2 + 1]
        read = (heads["token"].slots(tokens).unflatten(-1, (3, -1)).argmax(-1) == slots).all(-1)
        read &= heads["token"].start(tokens).argmax(-1) == token[..., P.TOKEN_START]

        def share(hit, where):
            return 100 * hit[where].float().mean().item()

        rows[position] = (
            share(heads["patch"].character(features).argmax(-1) == character, character != E.NO_CHARACTER),
            share(heads["patch"].identity(features).argmax(-1) == identity, identity != E.NO_KIND),
            share(read, token[..., P.TOKEN_START] != P.NO_INDEX),
        )
    return rows


if __name__ == "__main__":
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--state", nargs="+", required=True)
    p.add_argument("--images", type=int, default=60, help="images per position")
    p.add_argument("--seed", type=int, default=20260101)
    a = p.parse_args()
    torch.set_num_threads(1)
    for directory in a.state:
        rows = probe(directory, a.images, a.seed)
        print(directory)
        for k, name in enumerate(("character", "identity", "token")):
            values = {q: r[k] for q, r in rows.items()}
            corner = np.mean([values[q] for q in G.CORNERS])
            gaps = "  ".join(f"D{edge} {corner - np.mean([values[q] for q in cells]):+.1f}" for edge, cells in G.EDGES.items())
            print(f"  {name:10}" + " ".join(f"{q} {v:.1f}" for q, v in values.items()) + f"  mean {np.mean(list(values.values())):.1f}  {gaps}")
