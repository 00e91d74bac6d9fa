# SPDX-License-Identifier: Apache-2.0
"""Staged, resumable training of nano Vary. Run in tools/nano:

    python -m vary.train --stage tiny --state DIR --minutes 10 --dense-only    the vocabulary network, dense labels
    python -m vary.train --stage tiny --state DIR --minutes 10                 the same with OPT
    python -m vary.train --stage base --state DIR --minutes 30                 both networks frozen; projectors and decoder

See README.md for the recipe.
"""

import data
import torch
import training

from . import base, tiny
from .model import BASE, DEFAULT, Vary, VaryTiny


def prepare(a, seed):
    state, is_tiny = training.start_state(a), a.stage == "tiny"
    if is_tiny:
        words, suite = tiny.tokenizer(), tiny
        config = {**DEFAULT, "vocab_size": words.vocab_size, "image_start": words.image_start}
        shares = {"page": 0.8, "natural": 0.05, "chart": 0.15} if a.dense_only else tiny.SHARES
    else:
        words, suite, shares = base.tokenizer(), base, {**base.SHARES, "scene": a.scenes}
        config = {**DEFAULT, **BASE, "vocab_size": len(words), "image_start": words.image_start}
    if state:
        config = dict(state["config"])
    source = data.Source(suite.batch, seed, a.workers, images=a.images // a.ranks, charts=a.charts, shares=shares, longest=a.longest)
    if not is_tiny:
        source = base.Replay(source, a.replay)
    torch.manual_seed(a.seed)
    model = (VaryTiny if is_tiny else Vary)(config)
    width, hidden = config["width"], config["hidden_size"]
    heads = torch.nn.ModuleDict({"characters": tiny.Heads(width, hidden)} if is_tiny else {"seen": tiny.Heads(width, hidden, order=True)})

    def trainable(name):
        if is_tiny:
            return not a.dense_only or "decoder" not in name
        return "vision_tower" not in name

    run = training.Run(
        a,
        model,
        heads,
        state,
        trainable,
        lambda name: a.slow if "vision_tower" in name or "mm_projector" in name else 1.0,
        f"{a.stage}:{a.minutes}:{a.steps}:{a.dense_only}:{a.without}",
    )
    return run, source, suite.loss


if __name__ == "__main__":
    p = training.parser(__doc__, ("tiny", "base"))
    p.add_argument("--dense-only", action="store_true", help="only the dense labels, no decoder")
    p.add_argument("--dense-loss", type=float, default=0.5)
    p.add_argument("--look-loss", type=float, default=0.2)
    p.add_argument("--slow", type=float, default=1.0, help="factor on the learning rate of the vocabulary network and the projectors")
    p.add_argument("--images", type=int, default=16)
    p.add_argument("--longest", type=int, default=220, help="longest text of a page in characters; more than 500: pages as full as they go")
    p.add_argument("--replay", type=int, default=2, help="stage base: how often each batch is used")
    p.add_argument("--scenes", type=float, default=0.3, help="stage base: share of batches of scenes; pages have 0.5, charts 0.2")
    p.add_argument("--without", choices=("clip", "vocabulary"), help="stage base: leave one network's half empty (ablation)")
    p.add_argument("--charts", help="store made by vary.charts; without it there are none")
    training.launch(p.parse_args(), prepare)
