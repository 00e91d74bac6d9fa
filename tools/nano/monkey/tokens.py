# SPDX-License-Identifier: Apache-2.0
"""Makes `qwen.tiktoken`: byte-level BPE with Qwen's byte order, split pattern and special tokens, and few pieces.

The pieces above the 256 bytes are whole words of the prompts and descriptions with the blank before them, without the pieces that a
merge would go through. tiktoken gives a word that is a piece as one token at once, so these words are single tokens and other strings
fall into characters (but for the two-letter words, which merge anywhere). What is read from a page is always spelled.

    python -m monkey.tokens models/monkey-nano/checkpoint/qwen.tiktoken
"""

import base64
import os
import sys

import entities as E
import qa
import regex
import tiktoken

from . import pages as M
from .narrator import NUMBERS, READ

PATTERN = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
FILE = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "models", "monkey-nano", "checkpoint", "qwen.tiktoken")

VQA = " {} Answer: "  # follows the image block; the blank at the end counts
CAPTION = " Generate the detailed caption in English: "
BRIEF = " Generate the short caption in English: "
PHRASES = [
    READ,
    VQA,
    CAPTION,
    BRIEF,
    "There is one thing in the image. There are two things in the image.",
    'A red car is at the top left. An umbrella is at the center. The text "K7" is at the bottom right.',
    "A car, a star and a text.",
    "What color is the car?",
    "Where is the car?",
    "What is at the center?",
    "What does the text at the top left say?",
    "How many things are in the image?",
]


def byte_order():
    """The bytes as Qwen numbers them: those that print first."""
    printing = [*range(33, 127), *range(161, 173), *range(174, 256)]
    return printing + [b for b in range(256) if b not in printing]


def words(more=()):
    """Whole words of the prompts and descriptions, and of `more` phrases."""
    phrases = PHRASES + list(more) + qa.CELLS + NUMBERS + M.COLOURS + E.PICTURES + ["an", "a", "and", "text"]
    found = set()
    for phrase in phrases:
        for form in (phrase, " " + phrase):
            found |= {p for p in regex.findall(PATTERN, form) if len(p) > 1 and regex.search(r"\p{L}\p{L}|^ \p{L}|\"", p)}
    return sorted(found)


def pieces():
    return [bytes([b]) for b in byte_order()] + [w.encode() for w in words()]


def special_tokens(ranks):
    """Qwen's, numbered on from the pieces."""
    names = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"] + [f"<|extra_{i}|>" for i in range(205)]
    names += ["<ref>", "</ref>", "<box>", "</box>", "<quad>", "</quad>", "<img>", "</img>", "<imgpad>"]
    return {name: ranks + i for i, name in enumerate(names)}


class Tokenizer:
    """A `.tiktoken` file, or the vocabulary of these pieces, or nano Monkey's."""

    def __init__(self, path=None, own=None):
        if path is None:
            ranks = {p: i for i, p in enumerate(own or pieces())}
        else:
            with open(path, "rb") as f:
                ranks = {base64.b64decode(p): int(i) for p, i in (line.split() for line in f)}
        self.special = special_tokens(len(ranks))
        self.encoding = tiktoken.Encoding("qwen", pat_str=PATTERN, mergeable_ranks=ranks, special_tokens=self.special)
        self.end, self.image_start, self.ranks = self.special["<|endoftext|>"], self.special["<img>"], len(ranks)
        self.byte = {p[0]: i for p, i in ranks.items() if len(p) == 1}

    def __len__(self):
        """Rows of the embedding: a multiple of 16."""
        return -(-self.encoding.n_vocab // 16) * 16

    def encode(self, text):
        return self.encoding.encode(text, disallowed_special=())

    def characters(self, text):
        """A token for each byte, as texts on a page are spelled."""
        return [self.byte[b] for b in text.encode()]

    def decode(self, ids):
        return self.encoding.decode([i for i in ids if i < self.ranks], errors="replace")


def write(path):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "wb") as f:
        for i, piece in enumerate(pieces()):
            f.write(base64.b64encode(piece) + b" %d\n" % i)


if __name__ == "__main__":
    write(sys.argv[1])
