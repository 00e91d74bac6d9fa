# SPDX-License-Identifier: Apache-2.0
"""Staged, resumable training of nano Vary. Run in tools/nano:

    python -m vary.charts --out S/charts.npz
    python -m vary.train --stage tiny --state S/v1 --minutes 30 --dense-only      the vocabulary network reads characters
    python -m vary.train --stage tiny --state S/v2 --init S/v1/state.pt --minutes 90 --charts S/charts.npz
"""
import torch

import data
import training
from . import tiny
from .model import DEFAULT, VaryTiny


def prepare(a, seed):
    words = tiny.tokenizer()
    config = {**DEFAULT, "vocab_size": words.vocab_size, "image_start": words.image_start}
    state = training.start_state(a)
    if state:
        config = {**state["config"]}
    shares = {"page": 0.9, "natural": 0.1} if a.dense_only else tiny.SHARES
    source = data.Source(tiny.batch, seed, a.workers, images=a.images // a.ranks, charts=a.charts, shares=shares, longest=a.longest)
    torch.manual_seed(a.seed)
    model = VaryTiny(config)
    heads = torch.nn.ModuleDict({"characters": tiny.Heads(config["width"], config["hidden_size"])})
    run = training.Run(a, model, heads, state, lambda name: not a.dense_only or "decoder" not in name,
                       lambda name: a.slow if "vision_tower" in name else 1.0, f"{a.stage}:{a.minutes}:{a.steps}:{a.dense_only}")
    return run, source, tiny.loss


if __name__ == "__main__":
    p = training.parser(__doc__, ("tiny",))
    p.add_argument("--dense-only", action="store_true", help="only the dense labels, no decoder")
    p.add_argument("--dense-loss", type=float, default=0.5)
    p.add_argument("--look-loss", type=float, default=0.2)
    p.add_argument("--slow", type=float, default=1.0, help="factor on the learning rate of the vocabulary network")
    p.add_argument("--images", type=int, default=16)
    p.add_argument("--longest", type=int, default=420, help="longest text of a page in characters")
    p.add_argument("--charts", help="store made by vary.charts; without it there are none")
    training.launch(p.parse_args(), prepare)
