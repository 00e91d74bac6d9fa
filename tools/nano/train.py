# SPDX-License-Identifier: Apache-2.0
"""Staged, resumable training.

    train.py --stage vision --state DIR --minutes 10 [--no-sra]
    train.py --stage answer --state DIR --minutes 20 [--freeze-vision]

Every call goes on from DIR/state.pt (or from --init FILE), trains for the given time with its own learning-rate cycle, and
writes DIR/state.pt every --save seconds. See README.md for the recipe.
"""
import argparse
import math
import os
import time

import torch

import data
from heads import PatchHeads, TokenHeads
from model import DEFAULT, HiResLlava
from muon import Optimizer


class Run:
    """A stage in progress: model, heads, optimiser, clock, state file."""

    def __init__(self, a, config):
        self.a = a
        self.path = os.path.join(a.state, "state.pt")
        os.makedirs(a.state, exist_ok=True)
        state = None
        for path in (self.path, a.init):
            if path and os.path.exists(path):
                state = torch.load(path, weights_only=False)
                break
        if state:
            config = {**state["config"], "use_sra": not a.no_sra}
        torch.manual_seed(a.seed)
        self.model = HiResLlava(config)
        c = self.model.config
        self.heads = torch.nn.ModuleDict({
            "patch": PatchHeads(c["vision_hidden"]), "token": TokenHeads(c["hidden_size"]),
            "seen": TokenHeads(c["hidden_size"], cell=True), "match": torch.nn.Linear(c["hidden_size"], 2)})
        self.done = 0.0
        self.minutes_before = {}
        if state:
            for module, key in ((self.model, "model"), (self.heads, "heads")):
                mine = module.state_dict()
                theirs = {k: v for k, v in state[key].items() if k in mine and mine[k].shape == v.shape}
                missing = module.load_state_dict(theirs, strict=False).missing_keys
                print(f"{key}: {len(theirs)} tensors loaded, new: {len(missing)} {missing[:4]}", flush=True)
            self.minutes_before = state.get("minutes", {})
        trainable = dict(self.model.named_parameters())
        if a.stage == "vision":
            trainable = {k: v for k, v in trainable.items() if "vision_tower" in k or "mm_projector" in k}
        if a.freeze_vision:
            trainable = {k: v for k, v in trainable.items() if "vision_tower" not in k}
        for k, p in self.model.named_parameters():
            p.requires_grad_(k in trainable)
        named = list(trainable.items()) + [("head." + k, p) for k, p in self.heads.named_parameters()]
        self.optimizer = Optimizer(named, a.muon_lr, a.adam_lr, a.weight_decay)
        if state and os.path.exists(self.path) and state.get("unfinished") == self.label and "optimizer" in state:
            self.optimizer.load_state_dict(state["optimizer"])
            self.done = state["done"]
            print(f"resumed after {self.done:.1f} minutes", flush=True)
        self.started = self.saved = time.time()

    @property
    def label(self):
        return f"{self.a.stage}:{self.a.minutes}:{self.a.freeze_vision}"

    def fraction(self):
        return (self.done + (time.time() - self.started) / 60) / self.a.minutes

    def rate(self):
        """Warm-up over 1 %, flat until `flat`, then a cosine to 4 %."""
        f, flat = self.fraction(), self.a.flat
        if f < 0.01:
            return max(0.05, f / 0.01)
        return 1.0 if f < flat else 0.04 + 0.96 * 0.5 * (1 + math.cos(math.pi * min(1, (f - flat) / (1 - flat))))

    def save(self, final=False):
        elapsed = self.done + (time.time() - self.started) / 60
        minutes = dict(self.minutes_before)
        minutes[self.a.stage] = minutes.get(self.a.stage, 0) + elapsed
        state = {"config": self.model.config, "model": self.model.state_dict(), "heads": self.heads.state_dict(),
                 "minutes": minutes if final else self.minutes_before, "done": elapsed,
                 "unfinished": None if final else self.label}
        if not final:
            state["optimizer"] = self.optimizer.state_dict()
        torch.save(state, self.path + ".new")
        os.replace(self.path + ".new", self.path)
        self.saved = time.time()


def vision_loss(run, batch):
    with torch.autocast("cpu", torch.bfloat16):
        patches = run.model.see(torch.from_numpy(batch["pixels"]), *batch["grid"])
        loss, seen = run.heads["patch"](patches, torch.from_numpy(batch["patch"]))
        more, also = run.heads["token"](run.model.sample(patches), torch.from_numpy(batch["token"]))
    return loss + more, {**seen, **also}


def train(a):
    torch.set_num_threads(a.threads)
    if a.stage == "answer":
        import answer  # needs the tokenizer
        config = {**DEFAULT, "use_sra": not a.no_sra, "vocab_size": answer.vocabulary()}
        run = Run(a, config)
        source = data.Source(answer.batch, int(time.time()), a.workers, images=a.images, mix=a.mix)
        loss_of = answer.loss
    else:
        run = Run(a, {**DEFAULT, "use_sra": not a.no_sra, "vocab_size": a.vocabulary})
        source = data.Source(data.vision_batch, int(time.time()), a.workers, views=a.views, dense=a.dense)
        loss_of = vision_loss
    print(sum(p.numel() for p in run.model.parameters()), "parameters", flush=True)
    step, images, shown, totals = 0, 0, time.time(), {}
    while run.fraction() < 1:
        batch = source.next()
        loss, seen = loss_of(run, batch)
        loss.backward()
        run.optimizer.step(run.rate())
        step, images = step + 1, images + len(batch["pixels"])
        for k, v in {"loss": loss.item(), **seen}.items():
            if v == v:
                total = totals.setdefault(k, [0.0, 0])
                total[0], total[1] = total[0] + v, total[1] + 1
        if time.time() - shown > a.show:
            text = " ".join(f"{k} {t / n:.3f}" for k, (t, n) in totals.items())
            print(f"{run.fraction() * a.minutes:6.2f} min step {step} {images / (time.time() - shown):.0f}/s "
                  f"lr {run.rate():.2f} {text}", flush=True)
            images, shown, totals = 0, time.time(), {}
        if time.time() - run.saved > a.save:
            run.save()
    run.save(final=True)
    source.close()


if __name__ == "__main__":
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--stage", choices=("vision", "answer"), required=True)
    p.add_argument("--state", required=True)
    p.add_argument("--init", help="start from another state file when DIR has none")
    p.add_argument("--minutes", type=float, required=True)
    p.add_argument("--no-sra", action="store_true", help="without SliceRestore adapters (ablation)")
    p.add_argument("--freeze-vision", action="store_true")
    p.add_argument("--muon-lr", type=float, default=0.012)
    p.add_argument("--adam-lr", type=float, default=2e-3)
    p.add_argument("--weight-decay", type=float, default=0.02)
    p.add_argument("--flat", type=float, default=0.4, help="share of the stage before the learning rate falls")
    p.add_argument("--views", type=int, default=80, help="views in a vision batch")
    p.add_argument("--dense", type=float, default=0.55, help="share of densely filled pages in the vision stage")
    p.add_argument("--images", type=int, default=32, help="images in an answer batch")
    p.add_argument("--mix", default="full", help="question mix of the answer stage")
    p.add_argument("--vocabulary", type=int, default=896)
    p.add_argument("--threads", type=int, default=2)
    p.add_argument("--workers", type=int, default=1)
    p.add_argument("--seed", type=int, default=0)
    p.add_argument("--save", type=float, default=90)
    p.add_argument("--show", type=float, default=20)
    train(p.parse_args())
