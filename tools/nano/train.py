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
import export
import pages as P
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
                state = export.training_state(path) if os.path.isdir(path) else torch.load(
                    path, weights_only=False, map_location="cpu")
                break
        if state:
            config = {**state["config"], "use_sra": not a.no_sra}
        torch.manual_seed(a.seed)
        self.device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        self.model = HiResLlava(config)
        c = self.model.config
        self.heads = torch.nn.ModuleDict({
            "patch": PatchHeads(c["vision_hidden"]), "token": TokenHeads(c["hidden_size"]),
            "seen": TokenHeads(c["hidden_size"], cell=True), "match": torch.nn.Linear(c["hidden_size"], 2),
            "ordinal": torch.nn.Linear(c["hidden_size"], P.MOST_COUNTED + 1), "cells": torch.nn.Linear(c["hidden_size"], 9),
            "located": torch.nn.Linear(c["hidden_size"], 9)})
        self.done, self.step = 0.0, 0
        self.minutes_before = {}
        if state:
            for module, key in ((self.model, "model"), (self.heads, "heads")):
                mine = module.state_dict()
                theirs = {k: v for k, v in state[key].items() if k in mine and mine[k].shape == v.shape}
                missing = module.load_state_dict(theirs, strict=False).missing_keys
                print(f"{key}: {len(theirs)} tensors loaded, new: {len(missing)} {missing[:4]}", flush=True)
            self.minutes_before = state.get("minutes", {})
        self.model.to(self.device)
        self.heads.to(self.device)
        trainable = dict(self.model.named_parameters())
        if a.stage == "vision":
            trainable = {k: v for k, v in trainable.items() if "vision_tower" in k or "mm_projector" in k}
        if a.freeze_vision:
            trainable = {k: v for k, v in trainable.items() if "vision_tower" not in k}
        for k, p in self.model.named_parameters():
            p.requires_grad_(k in trainable)
        named = list(trainable.items()) + [("head." + k, p) for k, p in self.heads.named_parameters()]
        self.optimizer = Optimizer(named, a.muon_lr, a.adam_lr, a.weight_decay,
                                   lambda name: a.slow if "vision_tower" in name or "mm_projector" in name else 1.0)
        if state and os.path.exists(self.path) and state.get("unfinished") == self.label and "optimizer" in state:
            self.optimizer.load_state_dict(state["optimizer"])
            self.done, self.step = state["done"], state["step"]
            print(f"resumed after {self.done:.1f} minutes, {self.step} steps", flush=True)
        self.started = self.saved = time.time()

    @property
    def label(self):
        return f"{self.a.stage}:{self.a.minutes}:{self.a.steps}:{self.a.freeze_vision}"

    def tensor(self, array):
        return torch.from_numpy(array).to(self.device)

    def autocast(self):
        return torch.autocast(self.device.type, torch.bfloat16)

    def elapsed(self):
        return self.done + (time.time() - self.started) / 60

    def fraction(self):
        return self.step / self.a.steps if self.a.steps else self.elapsed() / self.a.minutes

    def rate(self):
        """Warm-up over 1 %, flat until `flat`, then a cosine to 4 %."""
        f, flat = self.fraction(), self.a.flat
        if f < 0.01:
            return max(0.05, f / 0.01)
        return 1.0 if f < flat else 0.04 + 0.96 * 0.5 * (1 + math.cos(math.pi * min(1, (f - flat) / (1 - flat))))

    def save(self, final=False):
        minutes = dict(self.minutes_before)
        minutes[self.a.stage] = minutes.get(self.a.stage, 0) + self.elapsed()
        state = {"config": self.model.config, "model": self.model.state_dict(), "heads": self.heads.state_dict(),
                 "minutes": minutes if final else self.minutes_before, "done": self.elapsed(), "step": self.step,
                 "unfinished": None if final else self.label}
        if not final:
            state["optimizer"] = self.optimizer.state_dict()
        torch.save(state, self.path + ".new")
        os.replace(self.path + ".new", self.path)
        self.saved = time.time()


def vision_loss(run, batch):
    with run.autocast():
        patches = run.model.see(run.tensor(batch["pixels"]), *batch["grid"])
        loss, seen = run.heads["patch"](patches, run.tensor(batch["patch"]))
        more, also = run.heads["token"](run.model.sample(patches), run.tensor(batch["token"]))
    return loss + more, {**seen, **also}


class Exchange:
    """Averages gradients between processes of one thread each, once a step, in shared memory.

    On a machine shared with other work this is several times faster than one process with two threads, which wait for each
    other at every operation.
    """

    def __init__(self, ranks, size):
        self.ranks = ranks
        self.buffer = torch.zeros(ranks, size).share_memory_()
        self.arrived = torch.zeros(ranks, 2, dtype=torch.int64).share_memory_()  # steps written, steps read
        self.rate = torch.zeros(2).share_memory_()  # learning-rate factor, 1 when the stage is over

    def wait(self, column, count):
        self.arrived[self.rank, column] = count
        while int(self.arrived[:, column].min()) < count:
            time.sleep(0.0005)

    def average(self, parameters, count, run):
        """Called by every rank with the same count. Returns the learning-rate factor and whether to stop."""
        if self.ranks == 1:
            for p in parameters:
                if p.grad is None:
                    p.grad = torch.zeros_like(p)
            return run.rate(), run.fraction() >= 1
        mine, at = self.buffer[self.rank], 0
        for p in parameters:
            if p.grad is None:
                p.grad = torch.zeros_like(p)
            mine[at:at + p.numel()].copy_(p.grad.view(-1))
            at += p.numel()
        if self.rank == 0:
            self.rate[0], self.rate[1] = run.rate(), float(run.fraction() >= 1)
        self.wait(0, count)
        mean, at = self.buffer[:, :at].mean(0), 0
        for p in parameters:
            p.grad.copy_(mean[at:at + p.numel()].view_as(p))
            at += p.numel()
        rate, over = self.rate.tolist()
        self.wait(1, count)
        return rate, bool(over)


def launch(a):
    torch.set_num_threads(1)
    if torch.cuda.is_available():
        a.ranks = 1
    exchange = Exchange(a.ranks, 8_000_000)
    children = [torch.multiprocessing.get_context("fork").Process(target=train, args=(a, exchange, r)) for r in range(1, a.ranks)]
    for c in children:
        c.start()
    train(a, exchange, 0)
    for c in children:
        c.join(10)
        c.kill()


def train(a, exchange, rank):
    torch.set_num_threads(1)
    exchange.rank = rank
    seed = (int(time.time()), rank)
    if a.stage == "answer":
        import answer  # needs the tokenizer
        config = {**DEFAULT, "use_sra": not a.no_sra, "vocab_size": answer.vocabulary()}
        run = Run(a, config)
        source = data.Source(answer.batch, seed, a.workers, images=a.images // a.ranks, mix=a.mix)
        loss_of = answer.loss
    else:
        run = Run(a, {**DEFAULT, "use_sra": not a.no_sra, "vocab_size": a.vocabulary})
        source = data.Source(data.vision_batch, seed, a.workers, views=a.views // a.ranks, dense=a.dense)
        loss_of = vision_loss
    if rank == 0:
        print(sum(p.numel() for p in run.model.parameters()), "parameters", flush=True)
    images, shown, totals, count = 0, time.time(), {}, 0
    while True:
        batch = source.next()
        loss, seen = loss_of(run, batch)
        loss.backward()
        count += 1
        rate, over = exchange.average(run.optimizer.parameters, count, run)
        run.optimizer.step(rate)
        run.step, images = run.step + 1, images + len(batch["pixels"]) * a.ranks
        if over:
            break
        if rank > 0:
            if os.getppid() == 1:
                break
            continue
        for k, v in {"loss": loss.item(), **seen}.items():
            if v == v:
                total = totals.setdefault(k, [0.0, 0])
                total[0], total[1] = total[0] + v, total[1] + 1
        if time.time() - shown > a.show:
            text = " ".join(f"{k} {t / n:.3f}" for k, (t, n) in totals.items())
            print(f"{run.elapsed():6.2f} min step {run.step} {images / (time.time() - shown):.0f}/s "
                  f"lr {run.rate():.2f} {text}", flush=True)
            images, shown, totals = 0, time.time(), {}
        if time.time() - run.saved > a.save:
            run.save()
    if rank == 0:
        run.save(final=True)
    source.close()


if __name__ == "__main__":
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--stage", choices=("vision", "answer"), required=True)
    p.add_argument("--state", required=True)
    p.add_argument("--init", help="start from another state file, or from a checkpoint directory, when DIR has none")
    length = p.add_mutually_exclusive_group(required=True)
    length.add_argument("--minutes", type=float)
    length.add_argument("--steps", type=int, help="instead of minutes, when runs are to be compared")
    p.add_argument("--no-sra", action="store_true", help="without SliceRestore adapters (ablation)")
    p.add_argument("--freeze-vision", action="store_true")
    p.add_argument("--muon-lr", type=float, default=0.012)
    p.add_argument("--adam-lr", type=float, default=2e-3)
    p.add_argument("--slow", type=float, default=1.0, help="factor on the learning rate of tower and sampler")
    p.add_argument("--dense-loss", type=float, default=0.15, help="weight of the dense labels in the answer stage")
    p.add_argument("--weight-decay", type=float, default=0.02)
    p.add_argument("--flat", type=float, default=0.4, help="share of the stage before the learning rate falls")
    p.add_argument("--views", type=int, default=80, help="views in a vision batch")
    p.add_argument("--dense", type=float, default=0.55, help="share of densely filled pages in the vision stage")
    p.add_argument("--images", type=int, default=32, help="images in an answer batch")
    p.add_argument("--mix", default="full", help="question mix of the answer stage")
    p.add_argument("--vocabulary", type=int, default=896)
    p.add_argument("--ranks", type=int, default=2, help="processes, one thread each; a batch is split over them")
    p.add_argument("--workers", type=int, default=1, help="data processes of each rank (a GPU wants about eight)")
    p.add_argument("--seed", type=int, default=0)
    p.add_argument("--save", type=float, default=90)
    p.add_argument("--show", type=float, default=20)
    launch(p.parse_args())
