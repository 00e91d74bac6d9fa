# SPDX-License-Identifier: Apache-2.0
"""Staged, resumable training of the HiRes-LLaVA nano model.

    train.py --stage vision --state DIR --minutes 10 [--no-sra]
    train.py --stage answer --state DIR --minutes 20 [--freeze-vision]

Every call goes on from DIR/state.pt (or from --init FILE), trains for the given time with its own learning-rate cycle, and
writes DIR/state.pt every --save seconds. See README.md for the recipe.
"""

import data
import export
import pages as P
import torch
import training
from heads import PatchHeads, TokenHeads
from model import DEFAULT, HiResLlava


def vision_loss(run, batch):
    with run.autocast():
        patches = run.model.see(run.tensor(batch["pixels"]), *batch["grid"])
        loss, seen = run.heads["patch"](patches, run.tensor(batch["patch"]))
        more, also = run.heads["token"](run.model.sample(patches), run.tensor(batch["token"]))
    return loss + more, {**seen, **also}


def prepare(a, seed):
    config = {**DEFAULT, "use_sra": not a.no_sra, "vocab_size": a.vocabulary}
    if a.stage == "answer":
        import answer  # needs the tokenizer

        config["vocab_size"] = answer.vocabulary()
        source = data.Source(answer.batch, seed, a.workers, images=a.images // a.ranks, mix=a.mix)
        loss_of = answer.loss
    else:
        source = data.Source(data.vision_batch, seed, a.workers, views=a.views // a.ranks, dense=a.dense)
        loss_of = vision_loss
    state = training.start_state(a, export.training_state)
    if state:
        config = {**state["config"], "use_sra": not a.no_sra}
    torch.manual_seed(a.seed)
    model = HiResLlava(config)
    d, h = model.config["vision_hidden"], model.config["hidden_size"]
    heads = torch.nn.ModuleDict(
        {
            "patch": PatchHeads(d),
            "token": TokenHeads(h),
            "seen": TokenHeads(h, cell=True),
            "match": torch.nn.Linear(h, 2),
            "ordinal": torch.nn.Linear(h, P.MOST_COUNTED + 1),
            "cells": torch.nn.Linear(h, 9),
            "located": torch.nn.Linear(h, 9),
        }
    )

    def trainable(name):
        if a.freeze_vision and "vision_tower" in name:
            return False
        return a.stage == "answer" or "vision_tower" in name or "mm_projector" in name

    run = training.Run(
        a,
        model,
        heads,
        state,
        trainable,
        lambda name: a.slow if "vision_tower" in name or "mm_projector" in name else 1.0,
        f"{a.stage}:{a.minutes}:{a.steps}:{a.freeze_vision}",
    )
    return run, source, loss_of


if __name__ == "__main__":
    p = training.parser(__doc__, ("vision", "answer"))
    p.add_argument("--no-sra", action="store_true", help="without SliceRestore adapters (ablation)")
    p.add_argument("--freeze-vision", action="store_true")
    p.add_argument("--slow", type=float, default=1.0, help="factor on the learning rate of tower and sampler")
    p.add_argument("--dense-loss", type=float, default=0.15, help="weight of the dense labels in the answer stage")
    p.add_argument("--views", type=int, default=80, help="views in a vision batch")
    p.add_argument("--dense", type=float, default=0.55, help="share of densely filled pages in the vision stage")
    p.add_argument("--images", type=int, default=32, help="images in an answer batch")
    p.add_argument("--mix", default="full", help="question mix of the answer stage")
    p.add_argument("--vocabulary", type=int, default=896)
    training.launch(p.parse_args(), prepare)
