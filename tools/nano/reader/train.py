# SPDX-License-Identifier: Apache-2.0
"""Stages of the reader's training on one GPU or on the cores of a CPU, resumable at any moment. `train_all` runs them."""

import argparse
import os
import time

import numpy as np
import torch
import torch.nn.functional as F
import training

from . import export
from . import feed as D
from . import pages as P
from .model import Heads, Reader
from .tokens import COLUMNS, ROWS

# One head of each group of this layer is told at every token to look at the vector that holds what the token says.
LOOK_LAYER = 2
PLACE_LAYER = 1  # after it image vectors are asked for their place on the page


class Plan:
    """A stage: what it sees (`D.Stage`), its share of the time and how it learns."""

    def __init__(self, stage, share, muon, adam, flat, dense, look=0.0, slow=1.0, repeats=0, tokens=0):
        """dense, look: weights of these losses; slow: factor on the learning rate of tower and sampler; repeats: the tower rests, and what
        it saw comes so often; tokens: of image and text, that each rank computes before a step, so that none waits long for another."""
        self.stage, self.share, self.muon, self.adam, self.flat = stage, share, muon, adam, flat
        self.dense, self.look, self.slow, self.repeats, self.tokens = dense, look, slow, repeats, tokens


STAGES = [
    # The tower and the sampler learn what stands where; the decoder waits.
    Plan(D.Stage("dense", D.MIDDLE, 9999, text=False), 0.24, 0.02, 2e-3, 0.6, 1.0),
    # The decoder learns that answers are read off the vectors, on a few lines.
    Plan(D.Stage("lines", D.SMALL, 360), 0.18, 0.02, 2e-3, 0.99, 0.5, look=0.5, slow=0.3),
    # Pages of every size.
    Plan(D.Stage("pages", D.LARGE, 2000, reading=0.9), 0.4, 0.015, 1.5e-3, 0.7, 0.5, look=0.4, slow=0.4),
    # Questions join in; the rates fall to the end.
    Plan(D.Stage("questions", D.LARGE, 2000, reading=0.6, kinds=D.ASKED, more=0.85), 0.18, 0.009, 1e-3, 0.1, 0.4, look=0.3, slow=0.4),
]
# On a CPU: smaller pictures, and the decoder begins to read while the tower rests.
SMALL = [
    Plan(D.Stage("dense", D.FEW, 9999, text=False, largest=30), 0.32, 0.014, 2e-3, 0.35, 1.0),
    Plan(D.Stage("lines", D.SMALL, 500, smallest=11, largest=30, batch=0.7), 0.12, 0.02, 2e-3, 0.9, 0.5, look=0.5, repeats=4, tokens=2600),
    Plan(
        D.Stage("pages", D.MIXED, 1100, reading=0.8, smallest=11, largest=30, batch=0.8, more=0.5, slices=0.4),
        0.4, 0.008, 8e-4, 0.1, 0.5, look=0.5, slow=0.2, tokens=1500,
    ),
    Plan(
        D.Stage("questions", D.STRIPS, 2000, reading=0.75, kinds=D.ASKED, smallest=11, batch=0.8, more=0.85, slices=0.2, enlarged=0.5, strips=0.6),
        0.16, 0.003, 3e-4, 0.0, 0.5, look=0.4, slow=0.5, tokens=2400,
    ),
]  # fmt: skip


def weighed(losses, weight):
    return (losses * weight).sum() / weight.sum()


def look_loss(watched, group, places, weight, first, last):
    """Cross-entropy of the attention of one head in each `group` on the image block [first, last) against the places of the tokens after
    `last`."""
    q, k = watched
    q, k = q[:, ::group, last:], k[:, ::group, first:last]
    where = places != P.NOWHERE
    if not where.any():
        return q.sum() * 0, torch.zeros((), device=q.device)
    scores = (q * q.shape[-1] ** -0.5) @ k.transpose(-1, -2)  # [B, heads, L, block]
    scores = scores.transpose(1, 2)[where].float()  # [tokens, heads, block]
    target = places[where][:, None].expand(-1, scores.shape[1])
    losses = F.cross_entropy(scores.flatten(0, 1), target.flatten(), reduction="none").unflatten(0, target.shape)
    return weighed(losses.mean(-1), weight[where]), (scores.argmax(-1) == target).float().mean()


class Pool:
    """Batches with what the resting tower sees in them, each given about `repeats` times."""

    def __init__(self, run, source, repeats, size=40):
        self.run, self.source, self.repeats, self.size, self.kept = run, source, repeats, size, []
        self.rng = np.random.default_rng()

    def next(self):
        if len(self.kept) < self.size // 4 or self.rng.random() < 1 / self.repeats:
            batch = self.source.next()
            with torch.no_grad(), self.run.autocast():
                pixels = torch.from_numpy(batch["pixels"]).to(self.run.device)
                batch["seen"] = self.run.model.see(pixels, *batch["grid"]).half()
            self.kept = [*self.kept[-self.size + 1 :], batch]
            return batch
        return self.kept[self.rng.integers(len(self.kept))]


def loss_of(run, batch, plan, tokenizer):
    t = {k: torch.from_numpy(v) if not torch.is_tensor(v) else v for k, v in batch.items() if k not in ("grid", "stage", "tokens")}
    t = {k: v.to(run.device, non_blocking=True) for k, v in t.items()}
    model, stem, before = run.model, run.model.model.clip.embeddings, tokenizer.before
    locations = ("column", tokenizer.first_column, COLUMNS), ("row", tokenizer.first_row, ROWS)
    with run.autocast():
        stem.learning = None
        if "ids" not in t:
            patches = model.see(t["pixels"][:, 1:], *batch["grid"])
            return run.heads(patches, model.sample(patches), t["patch"], t["token"], stem.seen.unflatten(0, patches.shape[:2]))
        if "seen" in t:
            patches = t["seen"].float()
        else:
            # Three slices of four have few letters or none and the whole view has no labels: the convolutions, which cost most, learn little there.
            written = F.pad((t["patch"][..., 0] != run.heads.none).sum(-1), (1, 0)).flatten()
            stem.learning = written > 60 * torch.rand(written.shape, device=run.device)
            patches = model.see(t["pixels"], *batch["grid"])
        vectors = model.sample(patches)
        dense, seen = run.heads(patches[:, 1:], vectors[:, 1:], t["patch"], t["token"])
        prefix = model.prefix(vectors, batch["grid"][1], before)
        x = torch.cat([prefix, model.model.embed_tokens(t["ids"]).to(prefix.dtype)], 1)
        states, watched = model.decode(x, (PLACE_LAYER, LOOK_LAYER))
        where = t["weight"] > 0
        logits = model.lm_head(states[:, prefix.shape[1] :][where]).float()
        target = t["target"][where]
        said = weighed(F.cross_entropy(logits, target, reduction="none"), t["weight"][where])
        cells = run.heads.placed(watched[PLACE_LAYER][2][:, len(before) : prefix.shape[1]], *batch["grid"])
        group = model.config["heads"] // model.config["kv_heads"]
        look, right = look_loss(watched[LOOK_LAYER][:2], group, t["places"], t["weight"], len(before), prefix.shape[1])
        at = t["within"] >= 0
        slot = F.cross_entropy(run.heads.within(watched[LOOK_LAYER][2][:, prefix.shape[1] :][at]).float(), t["within"][at])
        hit, letter = logits.argmax(-1) == target, t["within"][where] >= 0
        seen.update(said=said.detach(), cells=cells.detach(), slot=slot.detach(), look=right, letter=hit[letter].float().mean())
        seen.update(other=hit[~letter].float().mean())
        for name, first, count in locations:  # within a slot
            near = (target >= first) & (target < first + count)
            seen[name] = (((logits.argmax(-1) - target).abs() <= 1) & near).sum() / near.sum().clamp(min=1)
    return said + plan.dense * dense + plan.look * (look + 6 * cells + 0.5 * slot), seen


def run_stage(a, plan, number, source, tokenizer, config, folder, init, minutes, deadline, exchange):
    """True when the stage is over; False when the deadline came first."""
    o = argparse.Namespace(
        state=folder, init=init, stage=plan.stage.name, minutes=minutes, steps=None, muon_lr=plan.muon * a.rate, adam_lr=plan.adam * a.rate,
        weight_decay=0.02, flat=plan.flat, until=deadline,
    )  # fmt: skip
    state = training.start_state(o, export.training_state)
    if os.path.exists(os.path.join(folder, "state.pt")) and state["unfinished"] is None:
        return True
    # Norms help the convolutions to begin with; afterwards they would see other pictures than they will.
    if state and plan.stage.text and state["config"]["stem_norms"]:
        state = export.without_norms(state)
    torch.manual_seed(number)
    model = Reader({**config, "stem_norms": state["config"]["stem_norms"] if state else not plan.stage.text})
    tokenizer.arrange(model)
    parts = ("vision_tower", "mm_projector")

    def trainable(name):
        return any(p in name for p in parts) if not plan.stage.text else not plan.repeats or "vision_tower" not in name

    run = training.Run(
        o,
        model,
        Heads(model.config),
        state,
        trainable,
        lambda n: plan.slow if any(p in n for p in parts) else 1.0,
        f"{number}:{plan.stage.name}:{minutes:.3f}",
    )
    shown, totals, pictures = time.time(), {}, 0
    waited, over = 0.0, False
    pool = Pool(run, source, plan.repeats) if plan.repeats else source
    while not over:
        computed = 0
        while computed <= plan.tokens:
            start = time.time()
            batch = pool.next()
            waited += time.time() - start
            loss, seen = loss_of(run, batch, plan, tokenizer)
            loss.backward()
            pictures += exchange.ranks * len(batch["pixels"])
            computed += batch["tokens"]
            if exchange.rank:
                continue
            for k, v in {"loss": loss.detach(), **seen}.items():  # summed where they are: reading them would wait for the GPU
                totals[k] = totals.get(k, 0) + v
                totals[k + "#"] = totals.get(k + "#", 0) + 1
        rate, over = exchange.average(run.optimizer.parameters, run)
        run.optimizer.step(rate)
        run.step += 1
        if exchange.rank:
            continue
        if time.time() - shown > a.show:
            span = time.time() - shown
            text = " ".join(f"{k} {float(v) / totals[k + '#']:.3f}" for k, v in totals.items() if not k.endswith("#"))
            print(
                f"{plan.stage.name} {run.elapsed():6.2f} of {minutes:.1f} min, step {run.step}, {pictures / span:.0f} pages/s, waiting {100 * waited / span:.0f} %, lr {run.rate():.2f}: {text}",
                flush=True,
            )
            shown, totals, pictures, waited = time.time(), {}, 0, 0.0
            if not torch.isfinite(loss):
                raise RuntimeError("the loss is not finite")
        if time.time() - run.saved > a.save:
            run.save()
    over = run.fraction() >= 1
    if not exchange.rank:
        run.save(final=over)
    exchange.meet()
    # Where the clocks of two processes differ, what was saved says it.
    return torch.load(run.path, weights_only=False, map_location="cpu")["unfinished"] is None


def folders(state, plans):
    return [os.path.join(state, f"{i}-{plan.stage.name}") for i, plan in enumerate(plans)]
