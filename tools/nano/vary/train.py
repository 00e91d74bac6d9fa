# SPDX-License-Identifier: Apache-2.0
"""Staged, resumable training of nano Vary. Run in tools/nano:

    python -m vary.charts --out S/charts.npz
    python -m vary.train --stage tiny --state S/v1 --minutes 30 --dense-only      the vocabulary network reads characters
    python -m vary.train --stage tiny --state S/v2 --init S/v1/state.pt --minutes 90 --charts S/charts.npz
    python -m vary.join --clip S/b0/state.pt --tiny S/v2/state.pt --out S/v3/start.pt
    python -m vary.train --stage base --state S/v3 --init S/v3/start.pt --minutes 60 --charts S/charts.npz
"""
import torch

import data
import training
from . import base, tiny
from .model import DEFAULT, Vary, VaryTiny


def prepare(a, seed):
    state, is_tiny = training.start_state(a), a.stage == "tiny"
    if is_tiny:
        words, suite = tiny.tokenizer(), tiny
        config = {**DEFAULT, "vocab_size": words.vocab_size, "image_start": words.image_start}
        shares = {"page": 0.9, "natural": 0.1} if a.dense_only else tiny.SHARES
    else:
        words, suite, shares = base.tokenizer(), base, base.SHARES
        config = {**DEFAULT, "ff": 512, "vocab_size": len(words), "image_start": words.image_start}
    if state:
        config = dict(state["config"])
    source = data.Source(suite.batch, seed, a.workers, images=a.images // a.ranks, charts=a.charts, shares=shares, longest=a.longest)
    torch.manual_seed(a.seed)
    model = (VaryTiny if is_tiny else Vary)(config)
    heads = torch.nn.ModuleDict({"characters": tiny.Heads(config["width"], config["hidden_size"])} if is_tiny else {})

    def trainable(name):
        if is_tiny:
            return not a.dense_only or "decoder" not in name
        return "vision_tower" not in name

    run = training.Run(a, model, heads, state, trainable, lambda name: a.slow if "vision_tower" in name else 1.0,
                       f"{a.stage}:{a.minutes}:{a.steps}:{a.dense_only}")
    return run, source, suite.loss


if __name__ == "__main__":
    p = training.parser(__doc__, ("tiny", "base"))
    p.add_argument("--dense-only", action="store_true", help="only the dense labels, no decoder")
    p.add_argument("--dense-loss", type=float, default=0.5)
    p.add_argument("--look-loss", type=float, default=0.2)
    p.add_argument("--slow", type=float, default=1.0, help="factor on the learning rate of the vocabulary network")
    p.add_argument("--images", type=int, default=16)
    p.add_argument("--longest", type=int, default=420, help="longest text of a page in characters")
    p.add_argument("--without", choices=("clip", "vocabulary"), help="stage base: leave one network's half empty (ablation)")
    p.add_argument("--charts", help="store made by vary.charts; without it there are none")
    training.launch(p.parse_args(), prepare)
