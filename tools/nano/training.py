# SPDX-License-Identifier: Apache-2.0
"""What every training here shares: a resumable run, gradients averaged between processes, the loop, common options.

Each process computes with one thread. On a machine shared with other work, two such processes are several times faster than one
with two threads, which wait for each other at every operation.
"""

import argparse
import math
import os
import time

import torch
from muon import HALF, Optimizer


def start_state(a, load_checkpoint=None):
    """The state to go on from: DIR/state.pt, else --init (a state file or, given a loader, a checkpoint directory), else None."""
    for path in (os.path.join(a.state, "state.pt"), a.init):
        if path and os.path.exists(path):
            if os.path.isdir(path):
                return load_checkpoint(path)
            return torch.load(path, weights_only=False, map_location="cpu")
    return None


class Run:
    """A stage in progress: model, heads, optimiser, clock, state file."""

    def __init__(self, a, model, heads, state, trainable, slow, label):
        """`trainable(name)` says which of the model's parameters learn, `slow(name)` the factor on their learning rate; `label`
        names the stage with all that must be equal for an unfinished one to be resumed."""
        self.a, self.model, self.heads, self.label = a, model, heads, label
        self.path = os.path.join(a.state, "state.pt")
        os.makedirs(a.state, exist_ok=True)
        self.device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
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
        for k, p in self.model.named_parameters():
            p.requires_grad_(p.requires_grad and trainable(k))
        named = [(k, p) for k, p in self.model.named_parameters() if p.requires_grad]
        named += [("head." + k, p) for k, p in self.heads.named_parameters()]
        self.optimizer = Optimizer(named, a.muon_lr, a.adam_lr, a.weight_decay, slow)
        if state and os.path.exists(self.path) and state.get("unfinished") == self.label and "optimizer" in state:
            self.optimizer.load_state_dict(state["optimizer"])
            self.done, self.step = state["done"], state["step"]
            print(f"resumed after {self.done:.1f} minutes, {self.step} steps", flush=True)
        self.started = self.saved = time.time()

    def tensor(self, array):
        return torch.from_numpy(array).to(self.device)

    def autocast(self):
        return torch.autocast(self.device.type, torch.bfloat16, enabled=HALF)

    def elapsed(self):
        return self.done + (time.time() - self.started) / 60

    def fraction(self):
        return self.step / self.a.steps if self.a.steps else self.elapsed() / self.a.minutes

    def rate(self):
        """Warm-up over 1 %, flat until `flat`, then a cosine to 4 %."""
        f, flat = self.fraction(), self.a.flat
        if f < 0.01:
            return max(0.05, f / 0.01)
        return 1.0 if f < flat else 0.04 + 0.96 * 0.5 * (1 + math.cos(math.pi * min(1, (f - flat) / max(1e-9, 1 - flat))))

    def over(self):
        return self.fraction() >= 1 or time.time() > getattr(self.a, "until", math.inf)

    def save(self, final=False):
        minutes = dict(self.minutes_before)
        minutes[self.a.stage] = minutes.get(self.a.stage, 0) + self.elapsed()
        state = {
            "config": self.model.config,
            "model": self.model.state_dict(),
            "heads": self.heads.state_dict(),
            "minutes": minutes if final else self.minutes_before,
            "done": self.elapsed(),
            "step": self.step,
            "unfinished": None if final else self.label,
        }
        if not final:
            state["optimizer"] = self.optimizer.state_dict()
        torch.save(state, self.path + ".new")
        os.replace(self.path + ".new", self.path)
        self.saved = time.time()


class Exchange:
    """Averages gradients between processes of one thread each, once a step, in shared memory."""

    def __init__(self, ranks, size):
        self.ranks = ranks
        self.buffer = torch.zeros(ranks, size).share_memory_()
        self.arrived = torch.zeros(ranks, 3, dtype=torch.int64).share_memory_()  # steps written, steps read, meetings
        self.rate = torch.zeros(2).share_memory_()  # learning-rate factor, 1 when the stage is over
        self.rank = 0

    def meet(self, column=2):
        """Waits until every rank has come here as often."""
        count = int(self.arrived[self.rank, column]) + 1
        self.arrived[self.rank, column] = count
        while int(self.arrived[:, column].min()) < count:
            if self.rank and os.getppid() == 1:
                os._exit(1)
            time.sleep(0.0005)

    def average(self, parameters, run):
        """Called by every rank after each step. Returns the learning-rate factor and whether to stop."""
        if self.ranks == 1:
            for p in parameters:
                if p.grad is None:
                    p.grad = torch.zeros_like(p)
            return run.rate(), run.over()
        mine, at = self.buffer[self.rank], 0
        for p in parameters:
            if p.grad is None:
                p.grad = torch.zeros_like(p)
            mine[at : at + p.numel()].copy_(p.grad.reshape(-1))
            at += p.numel()
        if self.rank == 0:
            self.rate[0], self.rate[1] = run.rate(), float(run.over())
        self.meet(0)
        mean, at = self.buffer[:, :at].mean(0), 0
        for p in parameters:
            p.grad.copy_(mean[at : at + p.numel()].view_as(p))
            at += p.numel()
        rate, over = self.rate.tolist()
        self.meet(1)
        return rate, bool(over)


def train(a, exchange, rank, prepare):
    torch.set_num_threads(1)
    exchange.rank = rank
    run, source, loss_of = prepare(a, (int(time.time()), rank))
    if rank == 0:
        print(sum(p.numel() for p in run.model.parameters()), "parameters", flush=True)
    images, shown, totals = 0, time.time(), {}
    while True:
        batch = source.next()
        loss, seen = loss_of(run, batch)
        loss.backward()
        rate, over = exchange.average(run.optimizer.parameters, run)
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
            print(f"{run.elapsed():6.2f} min step {run.step} {images / (time.time() - shown):.0f}/s lr {run.rate():.2f} {text}", flush=True)
            images, shown, totals = 0, time.time(), {}
        if time.time() - run.saved > a.save:
            run.save()
    if rank == 0:
        run.save(final=True)
    source.close()


def launch(a, prepare):
    """`prepare(a, seed)` returns in each process its run, its source of batches, and the loss of a batch."""
    torch.set_num_threads(1)
    if torch.cuda.is_available():
        a.ranks = 1
    exchange = Exchange(a.ranks, 8_000_000)
    children = [torch.multiprocessing.get_context("fork").Process(target=train, args=(a, exchange, r, prepare)) for r in range(1, a.ranks)]
    for c in children:
        c.start()
    train(a, exchange, 0, prepare)
    for c in children:
        c.join(10)
        c.kill()


def parser(description, stages):
    """The options every training has."""
    p = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--stage", choices=stages, required=True)
    p.add_argument("--state", required=True)
    p.add_argument("--init", help="start from another state file, or from a checkpoint directory, when DIR has none")
    length = p.add_mutually_exclusive_group(required=True)
    length.add_argument("--minutes", type=float)
    length.add_argument("--steps", type=int, help="instead of minutes, when runs are to be compared")
    p.add_argument("--muon-lr", type=float, default=0.012)
    p.add_argument("--adam-lr", type=float, default=2e-3)
    p.add_argument("--weight-decay", type=float, default=0.02)
    p.add_argument("--flat", type=float, default=0.4, help="share of the stage before the learning rate falls")
    p.add_argument("--ranks", type=int, default=2, help="processes, one thread each; a batch is split over them")
    p.add_argument("--workers", type=int, default=1, help="data processes of each rank (a GPU wants about eight)")
    p.add_argument("--seed", type=int, default=0)
    p.add_argument("--save", type=float, default=60, help="seconds between saved states")
    p.add_argument("--show", type=float, default=20)
    return p
