# SPDX-License-Identifier: Apache-2.0
"""Staged, resumable training of nano Monkey. Run in tools/nano:

    python -m monkey.train --stage trunk --state DIR --minutes 10      trunk and resampler, dense labels on tiles
    python -m monkey.train --stage answer --state DIR --minutes 40     frozen trunk; adapters, resampler, decoder

Every call goes on from DIR/state.pt (or from --init FILE), trains for the given time with its own learning-rate cycle, and
writes DIR/state.pt every --save seconds. See README.md for the recipe.
"""

import data
import torch
import training
from heads import PatchHeads

from . import pages as M
from .heads import VectorHeads
from .model import DEFAULT, Monkey


def views_inside(x):
    """`[views, images, ...]` -> `[images, views, ...]`."""
    return x.transpose(0, 1)


def trunk_loss(run, batch):
    with run.autocast():
        patches = run.model.see(run.tensor(batch["pixels"]), *batch["grid"])
        inside = views_inside(patches)
        # PatchHeads takes the global view first.
        loss, seen = run.heads["patch"](inside.roll(1, 1), run.tensor(batch["patch"]).roll(1, 1))
        more, also = run.heads["vector"](views_inside(run.model.sample(patches)), run.tensor(batch["vector"]))
    return loss + more, {**seen, **also}


def prepare(a, seed):
    config = {**DEFAULT, "vocab_size": a.vocabulary, "adapters": a.adapters, "whole": a.seen == (0, 0)}
    if a.stage == "trunk":
        source = data.Source(M.trunk_batch, seed, a.workers, views=a.views // a.ranks)
        loss_of = trunk_loss
    else:
        from . import answer  # needs the vocabulary

        config.update(vocab_size=answer.vocabulary_size(), image_start=answer.image_start())
        source = data.Source(answer.batch, seed, a.workers, images=a.images // a.ranks, **answer.options(a))
        loss_of = answer.loss
    state = training.start_state(a)
    if state:
        config = {**state["config"], **{k: config[k] for k in ("vocab_size", "image_start", "adapters", "whole")}}
    torch.manual_seed(a.seed)
    model = Monkey(config)
    d, h = config["width"], config["hidden_size"]
    heads = torch.nn.ModuleDict({"patch": PatchHeads(d), "vector": VectorHeads(h), "seen": VectorHeads(h, order=True)})

    def trainable(name):
        visual = "transformer.visual." in name
        trunk = visual and "attn_pool" not in name and ".ln_post" not in name and not name.endswith("visual.proj")
        if a.stage == "trunk":
            return visual and "lora" not in name
        return not trunk or "lora" in name

    # Muon gives every matrix a step of one size; an adapter's two factors move their product much faster than that.
    run = training.Run(
        a,
        model,
        heads,
        state,
        trainable,
        lambda name: a.slow_adapters if "lora" in name else a.slow if "visual." in name else 1.0,
        f"{a.stage}:{a.minutes}:{a.steps}:{a.adapters}",
    )
    return run, source, loss_of


if __name__ == "__main__":
    p = training.parser(__doc__, ("trunk", "answer"))
    p.add_argument("--adapters", type=int, default=0, help="adapter sets; 1 is shared by all tiles, 0 trains without")
    p.add_argument("--slow", type=float, default=1.0, help="factor on the learning rate of the visual part")
    p.add_argument("--slow-adapters", type=float, default=0.3, help="the same for the adapters")
    p.add_argument("--dense-loss", type=float, default=0.15, help="weight of the dense labels in the answer stage")
    p.add_argument("--views", type=int, default=80, help="views in a trunk batch")
    p.add_argument("--images", type=int, default=20, help="images in an answer batch")
    p.add_argument("--scenes", type=float, default=0.35, help="share of batches of scenes; the others are pages of text")
    p.add_argument("--wide", type=float, default=0.0, help="share of batches with 2 x 3 tiles")
    p.add_argument("--lines", type=int, default=9, help="most lines of a page")
    p.add_argument("--short-captions", action="store_true", help="train with short captions instead of detailed ones (ablation)")
    p.add_argument("--look-loss", type=float, default=0.15, help="weight of where to look")
    p.add_argument(
        "--seen",
        type=lambda s: tuple(int(n) for n in s.split("x")),
        help="ablation: pages are drawn for 2 x 2 tiles and stretched to this grid; 0x0 sees them whole, without tiles",
    )
    p.add_argument("--vocabulary", type=int, default=768)
    training.launch(p.parse_args(), prepare)
