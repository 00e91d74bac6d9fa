# SPDX-License-Identifier: Apache-2.0
"""The vocabulary: whole words, and every number below 1000 as one token, as in LLaMA 3, so that a place is four of them.

    python -m ferret.tokens models/ferret-nano/checkpoint/tokenizer.model

As the published layouts do, a prompt is cut at <image> and at <region_fea>, which swallows the blanks around it, and each piece is
tokenised by itself.
"""

import functools
import math
import os
import sys

import tokenizer as base
import torch

from . import scenes as S

FILE = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "models", "ferret-nano", "checkpoint", "tokenizer.model")
REGION = "<region_fea>"
MARK = "<region>"
COMMA = "," + base.SPACE


def lexicon():
    from . import talk

    words = set()
    for phrase in talk.PHRASES + S.CLASSES + ["a", "an", "the", "and"]:
        words.update(w.strip("?.,") for w in phrase.split() if "{" not in w and "<" not in w)
    return sorted(w for w in words if len(w) > 1)


def extra_pieces():
    """Merges that come after all words': numbers of two and three digits, the comma with its blank, the bracket that opens a place."""
    return [str(n) for n in range(10, 1000)] + [COMMA, base.SPACE + "[", base.SPACE + "a"]


class Vocabulary(base.Tokenizer):
    def __init__(self, path):
        super().__init__(path)
        self.region = self.sp.get_piece_size()
        self.numbers = [self.sp.piece_to_id(str(n)) for n in range(1000)]
        self.number_of = {i: n for n, i in enumerate(self.numbers)}

    def __len__(self):
        """Rows of the embedding: a multiple of 16, <region_fea> being the first after the pieces."""
        return -(-(self.region + 1) // 16) * 16

    def with_regions(self, text):
        """A piece of a prompt with <region_fea> in it."""
        pieces, ids = text.split(REGION), []
        for k, piece in enumerate(pieces):
            piece = piece.lstrip(" ") if k else piece
            ids += [self.region] if k else []
            ids += self.encode(piece.rstrip(" ") if k + 1 < len(pieces) else piece)
        return ids

    def decode(self, ids):
        return super().decode([i for i in ids if i < self.region])


@functools.lru_cache(maxsize=None)
def tokenizer():
    if not os.path.exists(FILE):
        os.makedirs(os.path.dirname(FILE), exist_ok=True)
        write(FILE)
    return Vocabulary(FILE)


def write(path):
    base.build(path, words=lexicon(), extra=extra_pieces())


def number_waves(size):
    """Rows for the numbers 0 to 999, standard deviation 1, near numbers alike: cosines and sines of 1/4 to 40 turns, mixed at random."""
    n = torch.arange(1000)[:, None] / 1000
    turns = torch.logspace(math.log10(0.25), math.log10(40), 32)
    waves = torch.cat([(2 * math.pi * turns * n).cos(), (2 * math.pi * turns * n).sin()], 1) / turns.repeat(2) ** 0.25
    mix = torch.randn(waves.shape[1], size, generator=torch.Generator().manual_seed(1))
    out = waves @ mix
    return (out - out.mean(0)) / out.std()


def near_numbers(value, width):
    """Weights of the numbers 0 to 999 around each value, a bell of this width: `[n]` -> `[n, 1000]`."""
    d = (torch.arange(1000) - value[:, None].float()) / width
    return torch.softmax(-d * d / 2, -1)


if __name__ == "__main__":
    write(sys.argv[1])
