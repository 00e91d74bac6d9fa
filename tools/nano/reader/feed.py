# SPDX-License-Identifier: Apache-2.0
"""Batches from background processes. All pages of a batch have one grid of slices; each drawn page comes back a few times, through
another camera, with another question."""

import multiprocessing
import os
import queue
import threading
import time
import traceback

import numpy as np

from . import layouts
from . import pages as P
from . import stock as K
from .tokens import Tokenizer

# (rows, columns): how often. Receipts and lists are tall, screens wide.
SMALL = {(1, 1): 2, (1, 2): 3, (2, 1): 2, (2, 2): 3, (1, 3): 3, (1, 4): 2, (2, 3): 2, (3, 2): 1}
FEW = {(1, 3): 1, (1, 4): 1, (2, 2): 2, (2, 3): 3, (3, 2): 2, (3, 3): 2, (2, 4): 2, (4, 2): 1, (3, 4): 1}
MIDDLE = {**SMALL, (2, 4): 2, (3, 3): 2, (4, 2): 2, (3, 4): 3, (4, 3): 2, (5, 2): 2, (2, 5): 2, (3, 5): 2, (6, 2): 1, (4, 4): 2, (1, 6): 1}
MIXED = {**FEW, (1, 1): 1, (1, 2): 1.5, (2, 1): 1, (2, 2): 2, (4, 3): 1, (3, 5): 1, (4, 4): 0.7, (4, 5): 0.5, (5, 4): 0.5, (5, 5): 0.4, (6, 5): 0.3}
ONE = {(1, 1): 5, (1, 2): 6, (2, 1): 6, (2, 2): 7}  # what one text alone is given
WIDE = {**MIDDLE, **ONE, (1, 5): 1, (2, 6): 2, (3, 6): 3, (1, 7): 1, (4, 5): 2, (5, 4): 2, (4, 6): 3, (6, 3): 1, (5, 5): 2, (6, 5): 1.5}
WIDE |= {(2, 7): 1.5, (3, 7): 2, (4, 7): 2, (2, 8): 1, (3, 8): 2, (5, 6): 2, (2, 10): 0.5, (3, 10): 0.5, (7, 4): 1}
LARGE = {**MIDDLE, (4, 5): 2, (5, 4): 2, (6, 3): 2, (4, 6): 1.5, (7, 3): 1, (5, 5): 1.5, (6, 5): 1.5, (5, 6): 1, (10, 3): 0.5, (4, 7): 0.5}
# What `fovea read` cuts pages into, beside whole ones: few rows, up to the width of a screen.
STRIPS = {**{k: 0.4 * v for k, v in WIDE.items()}, (1, 3): 2, (1, 4): 3, (1, 5): 3, (1, 6): 3, (1, 7): 2, (1, 8): 1.5, (1, 9): 1, (1, 10): 0.7}
STRIPS |= {(2, 3): 2, (2, 4): 3, (2, 5): 3, (2, 6): 3, (2, 7): 2, (2, 8): 1.5, (2, 9): 0.7, (3, 3): 1, (3, 4): 2, (3, 5): 2, (3, 6): 2, (3, 7): 1}
# Kinds of pages where most is asked: receipts, forms and invoices more often than to be read.
ASKED = {**layouts.SHARES, "receipt": 0.24, "invoice": 0.12, "form": 0.1, "few": 0.34}

SPARSE = 20  # characters on a slice
QUESTIONS = 7  # on one page: the image, which costs most, is there already


class Stage:
    """What pages a stage of training sees."""

    def __init__(
        self,
        name,
        grids,
        most,
        reading=1.0,
        text=True,
        kinds=None,
        smallest=9.0,
        largest=40.0,
        batch=1.0,
        more=0.0,
        slices=0.0,
        enlarged=0.0,
        strips=0.0,
    ):
        """most: tokens of the answers; reading: share of pages that are read out; text False: dense labels only; smallest:
        letters below are rare; batch: factor on the slices of a batch; more: chance of each further question on a page;
        slices: chance of a batch of slices with dense labels alone, which cost less and show more letters; enlarged: chance that a page
        is shown larger than it is drawn; strips: chance that it is a few lines cut out of a page."""
        self.name, self.grids, self.most, self.reading, self.text = name, grids, most, reading, text
        self.kinds, self.smallest, self.largest = kinds or layouts.SHARES, smallest, largest
        self.batch, self.more, self.slices = batch, more, slices if text else 1.0
        self.enlarged, self.strips = enlarged, strips


def page_size(rng, grid):
    """(width, height) of a page that the slicing gives this grid: up to a slice less than the grid, then enlarged to it; a single slice down to 0.4 of it."""
    return tuple(int(P.BASE * (k if rng.random() < 0.15 else rng.uniform(k - 0.98 if k > 1 else 0.4, k))) for k in (grid[1], grid[0]))


class Maker:
    """Makes batches of a stage. `fixed`: the only pages there are, for tests."""

    def __init__(self, stock, tokenizer, stages, views, replays, seed, fixed=None):
        self.stock, self.tokenizer, self.stages = stock, tokenizer, stages
        self.views, self.replays, self.fixed = views, replays, fixed
        self.rng = np.random.default_rng(seed)
        self.kept, self.spare, self.later = {}, [], []

    def page(self, stage, grid):
        rng, few, kinds = self.rng, SPARSE * grid[0] * grid[1], stage.kinds
        if grid[0] * grid[1] <= 4:  # a small picture mostly holds a word or two
            kinds = {**kinds, "few": 5 * kinds["few"]}
        while True:
            enlarge = int(rng.integers(115, 180)) if rng.random() < stage.enlarged else 100
            width, height = (100 * side // enlarge for side in page_size(rng, grid))
            # A strip comes of a page that is a few times as tall.
            tall = height * int(rng.integers(2, 6)) if rng.random() < stage.strips else height
            letters = min(stage.largest, P.letter_size(rng, width, min(tall, max(height, 400))))
            if enlarge * letters < 100 * stage.smallest and rng.random() < 0.85:
                continue
            for _ in range(4):
                page = P.draw(rng, self.stock, P.pick_kind(rng, kinds), width, tall, letters)
                page.enlarge = enlarge
                if tall > height:
                    page = P.strip(rng, page, (100 * P.BASE * (grid[0] - 1) // enlarge + 1 if grid[0] > 1 else 0, height))
                if not stage.text or len(page.text) < 0.8 * stage.most:
                    break
                letters *= 1.3
            if not page.text or (stage.text and len(page.text) > 0.8 * stage.most):
                continue
            # The image costs as much where little is written on it, but where nothing more is has to be learned too.
            if not stage.text or len(page.text) >= few or rng.random() < 0.6:
                return page

    def pages(self, stage, grid, count):
        kept = self.kept.setdefault(grid, [])
        new = [self.page(stage, grid) for _ in range(-(-count // (1 + self.replays)))]
        old = [kept[i] for i in self.rng.permutation(len(kept))[: count - len(new)]]
        kept += new
        # Each page is met about 1 + replays times.
        del kept[: max(0, len(kept) - max(8, 3 * len(new)))]
        return new + old

    def slices(self, stage):
        """Slices of pages, each for itself, more often those with many letters: three slices of four have few, and teach little."""
        rng, rows = self.rng, self.spare
        while len(rows) < self.views:
            grid = self.grid(stage)
            for page in self.pages(stage, grid, 3):
                page = P.photographed(rng, page)
                pixels, seen, middles, boxes = P.view(page)
                if seen == grid:
                    patch, token = P.labels(page, grid, middles, boxes)
                    filled = (token[..., :-2] != K.NO_CHARACTER).sum((1, 2))
                    if len(boxes):  # of large letters there are few on a slice
                        filled = filled * max(1.0, np.median(boxes[:, 3] - boxes[:, 1]) / 16) ** 2
                    rows += [(pixels[1 + i], patch[i], token[i]) for i in np.nonzero(filled >= rng.uniform(0, 80, len(filled)))[0]]
        rows = [rows[i] for i in rng.permutation(len(rows))]
        self.spare = rows[self.views : self.views + 200]
        pixels, patch, token = (np.stack([r[k] for r in rows[: self.views]])[:, None] for k in range(3))
        return counted({"grid": (1, 1), "pixels": np.concatenate([pixels, pixels], 1), "patch": patch, "token": token})

    def grid(self, stage):
        grids = list(stage.grids)
        p = np.array([stage.grids[g] for g in grids], np.float64)
        return grids[self.rng.choice(len(grids), p=p / p.sum())]

    def batch(self, number):
        stage, rng = self.stages[number], self.rng
        if not self.fixed and rng.random() < stage.slices:
            return {**self.slices(stage), "stage": number}
        if self.later and self.later[0]["stage"] == number:
            return self.later.pop()
        self.later = []
        if self.fixed:
            grid = list(self.fixed)[rng.integers(len(self.fixed))]
            chosen = self.fixed[grid]
        else:
            grid = self.grid(stage)
            count = max(1, round(self.views * stage.batch / (1 + grid[0] * grid[1])))
            chosen = [P.photographed(rng, page) for page in self.pages(stage, grid, (2 if stage.text else 1) * count)]
        rows, said = [], []
        for page in chosen:
            pixels, seen, middles, boxes = P.view(page)
            if seen != grid:
                continue
            rows.append((pixels, *P.labels(page, grid, middles, boxes)))
            if stage.text:
                said.append(self.said(stage, page, grid, middles))
        if not rows:
            return self.batch(number)
        order = list(range(len(rows)))
        if stage.text:  # two batches of answers of like lengths: less of them is padding
            order.sort(key=lambda i: len(said[i][1]))
        half = -(-len(rows) // 2) if stage.text and not self.fixed else len(rows)
        for part in (order[:half], order[half:]):
            if part:
                out = {"grid": grid, "stage": number}
                out |= {key: np.stack([rows[i][k] for i in part]) for k, key in enumerate(("pixels", "patch", "token"))}
                self.later.append(counted({**out, **self.packed([said[i] for i in part])} if stage.text else out))
        return self.later.pop()

    def said(self, stage, page, grid, middles):
        """A conversation about a page, after the image: ids given, ids to say, what they weigh, their places and slots, each `[tokens]`."""
        where, rng = (P.slots_of(middles), P.within_of(middles), P.tokens_of(middles, grid)), self.rng
        asked = {}
        if stage.more and P.TOTAL in page.facts and rng.random() < 0.6:
            asked[P.TOTAL] = P.Question("key", P.TOTAL, *page.facts[P.TOTAL])
        while not asked or (rng.random() < stage.more and len(asked) < QUESTIONS):
            q = P.questions(rng, page, (0.0 if P.READ in asked else 0.1) if asked else stage.reading)
            if q.prompt in asked and rng.random() < 0.3:
                break
            asked[q.prompt] = q
        turns, total = [], 0
        for q in asked.values():
            ids, places, within = self.tokenizer.answer(q.answer, q.origins, *where, q.caption)
            total += len(ids)
            if not turns or total <= stage.most:
                # A short answer is wrong with its one wrong letter, and has few tokens to be learned from; to find a caption is hardest.
                weights = np.full(len(ids), min(6.0, max(1.0, (300 / len(ids)) ** 0.5)))
                weights *= self.tokenizer.turns(ids)
                if q.caption >= 0:
                    weights[:2] = 12.0
                turns.append((q.prompt, ids, weights, places, within))
        rows = []
        for i, at in enumerate(rng.permutation(len(turns))):
            prompt, ids, weights, places, within = turns[at]
            head = self.tokenizer.head(prompt, i == 0)
            silent = [0] * (len(head) - (i == 0))  # nothing is said after all but the last of a question's tokens
            given = head + list(self.tokenizer.blurred(rng, ids[:-1])) + ids[-1:]
            nowhere = [P.NOWHERE] * len(silent)
            rows.append((given, silent + ids, silent + list(weights), nowhere + places, [-1] * len(silent) + within))
        given, target, weight, places, within = (np.concatenate([np.array(r[k]) for r in rows]) for k in range(5))
        return given[:-1], target, weight, places, within

    def packed(self, said):
        longest = max(len(given) for given, *_ in said)

        def padded(k, value, kind=np.int64):
            out = np.full((len(said), longest), value, kind)
            for row, one in zip(out, said):
                row[: len(one[k])] = one[k]
            return out

        return {
            "ids": padded(0, Tokenizer.EOS),
            "target": padded(1, 0),
            "weight": padded(2, 0, np.float32),
            "places": padded(3, P.NOWHERE),
            "within": padded(4, -1),
        }


def counted(batch):
    """With the number of vectors and of text tokens in it."""
    images, views = batch["pixels"].shape[:2]
    text = batch["ids"].shape[1] if "ids" in batch else 0
    return {**batch, "tokens": images * (views * (P.CELLS**2 + 1) + text)}


def made(maker, number):
    """A batch; a page in a million that cannot be drawn does not end a training."""
    while True:
        try:
            return maker.batch(number)
        except Exception:
            traceback.print_exc()
            time.sleep(0.1)


def _work(maker, number, out):
    parent = os.getppid()
    while os.getppid() == parent:
        out.put(made(maker, number.value))


class Feed:
    """Makers in processes of their own; a few threads take their batches out of the pipes. `next()` may still give a batch or two of
    the stage before."""

    def __init__(self, make, processes, lanes=4):
        context = multiprocessing.get_context("fork")
        self.number = context.Value("i", 0)
        lanes = min(lanes, processes)
        pipes = [context.Queue(maxsize=-(-2 * processes // lanes)) for _ in range(lanes)]
        self.processes = [context.Process(target=_work, args=(make(i), self.number, pipes[i % lanes]), daemon=True) for i in range(processes)]
        for p in self.processes:
            p.start()
        self.ready = queue.Queue(maxsize=4)
        for pipe in pipes:
            threading.Thread(target=self._take, args=(pipe,), daemon=True).start()

    def _take(self, pipe):
        while True:
            self.ready.put(pipe.get())

    def next(self):
        return self.ready.get()

    def close(self):
        for p in self.processes:
            p.terminate()


class Direct:
    """The same in this process."""

    def __init__(self, maker):
        self.maker, self.number = maker, multiprocessing.Value("i", 0)

    def next(self):
        return made(self.maker, self.number.value)

    def close(self):
        pass
