# SPDX-License-Identifier: Apache-2.0
"""The reader's `tokenizer.model` (LLaMA's kind: SentencePiece, byte fallback, dummy prefix): one piece a character, and location tokens.

An answer says where it reads: before each word and after every third of its letters stands the column that the next one is in, before each line
its row as well, as in Kosmos-2.5 (arXiv:2309.11419). They are control pieces, which a tokenizer does not write out. Without them the decoder would have to find
out after each character where it is, from nothing but the characters it wrote.
"""

import numpy as np
import sentencepiece
import torch
from sentencepiece import sentencepiece_model_pb2 as proto

from . import pages
from . import stock as K

SPACE = "\u2581"
# A column or a row is as large as a slot of the dense labels; what lies farther right or below has the last.
COLUMNS = ROWS = 256
LETTERS = 3  # after a column, at most
NORMAL, UNKNOWN, CONTROL, UNUSED, BYTE = 1, 2, 3, 5, 6


def build(path):
    model = proto.ModelProto()
    pieces = [("<unk>", UNKNOWN), ("<s>", CONTROL), ("</s>", CONTROL)] + [(f"<0x{b:02X}>", BYTE) for b in range(256)]
    pieces += [(c, NORMAL) for c in [SPACE, "\n", *K.CHARACTERS]]
    pieces += [(f"<x{i}>", CONTROL) for i in range(COLUMNS)] + [(f"<y{i}>", CONTROL) for i in range(ROWS)]
    while len(pieces) % 16:
        pieces.append((f"<unused{len(pieces)}>", UNUSED))
    for piece, kind in pieces:
        model.pieces.add(piece=piece, score=-float(len(model.pieces)) if kind == NORMAL else 0.0, type=kind)
    t, n = model.trainer_spec, model.normalizer_spec
    t.model_type, t.vocab_size, t.byte_fallback = proto.TrainerSpec.BPE, len(pieces), True
    t.unk_id, t.bos_id, t.eos_id, t.pad_id = 0, 1, 2, -1
    n.name, n.add_dummy_prefix, n.remove_extra_whitespaces, n.escape_whitespaces = "identity", True, False, True
    with open(path, "wb") as f:
        f.write(model.SerializeToString())


class Tokenizer:
    BOS, EOS = 1, 2

    def __init__(self, path):
        self.sp = sentencepiece.SentencePieceProcessor(model_file=path)
        self.first_column, self.first_row = (self.sp.piece_to_id(p) for p in ("<x0>", "<y0>"))
        self.ids = {c: self.sp.piece_to_id(SPACE if c == " " else c) for c in [" ", "\n", *K.CHARACTERS]}
        self.before = [self.BOS] + self.sp.encode("USER: ")

    def __len__(self):
        return self.sp.get_piece_size()

    def decode(self, ids):
        return self.sp.decode([int(i) for i in ids])

    def head(self, prompt, first=True):
        """What stands between the image block, or the answer before, and the answer."""
        return self.sp.encode(("\n" if first else "USER: ") + prompt + " ASSISTANT:")

    def character(self, c):
        return [self.ids[c]] if c in self.ids else [3 + b for b in c.encode()]

    def answer(self, text, origins, slots, fine, vectors, caption=-1):
        """(ids, places, slots) of an answer. origins: for each of its characters the drawn one it is, or -1; slots `[drawn, 2]`: column and
        row of each drawn character; fine: its slot within its cell; vectors: its image vector, or NOWHERE. The place of a location is that of what
        follows it. caption: a drawn character whose place the answer begins with: beside a word that is found by its letters stands what was asked for."""
        ids, places, within = [], [], []
        row, last, letters = None, pages.NOWHERE, 0

        def add(these, place, slot):
            for i in these:
                ids.append(i)
                places.append(place)
                within.append(slot)

        if caption >= 0 and vectors[caption] != pages.NOWHERE:
            x, y = (int(v) for v in slots[caption])
            add([self.first_row + min(y, ROWS - 1), self.first_column + min(x, COLUMNS - 1)], vectors[caption], -1)
        for i, c in enumerate(text):
            o = origins[i]
            if c in " \n" or o < 0 or vectors[o] == pages.NOWHERE:
                add(self.character(c), pages.NOWHERE, -1)
                row = None if c == "\n" else row
            else:
                x, y = slots[o]
                if i == 0 or text[i - 1] in " \n" or last != o - 1 or letters == LETTERS:
                    letters = 0
                    if row is None or abs(y - row) > 1:
                        row = y
                        add([self.first_row + min(int(y), ROWS - 1)], vectors[o], -1)
                    add([self.first_column + min(int(x), COLUMNS - 1)], vectors[o], -1)
                letters += 1
                add(self.character(c), vectors[o], fine[o])
            last = o
        return ids + [self.EOS], places + [pages.NOWHERE], within + [-1]

    def turns(self, ids):
        """Weight of each token `[tokens]`: more where a line ends and where the next one is looked for. A wrong row is a line read twice."""
        ids = np.array(ids)
        rows = (ids >= self.first_row) & (ids < self.first_row + ROWS)
        return np.where(rows, 4.0, np.where((ids == self.ids["\n"]) | (ids == self.EOS), 2.0, 1.0))

    def blurred(self, rng, ids):
        """What a decoder is given of an answer while it trains: some locations a slot off, some characters wrong, as in its own answers."""
        ids = np.array(ids, np.int64)
        chance = rng.random(len(ids))
        for first, count in ((self.first_column, COLUMNS), (self.first_row, ROWS)):
            at = (ids >= first) & (ids < first + count) & (chance < 0.12)
            ids[at] = np.clip(ids[at] + rng.choice([-1, 1], at.sum()), first, first + count - 1)
        letters = self.ids["!"]
        at = (ids >= letters) & (ids < letters + len(K.CHARACTERS)) & (chance < 0.02)
        ids[at] = letters + rng.integers(94, size=at.sum())
        return ids

    @torch.no_grad()
    def arrange(self, model):
        """Gives locations near each other like embeddings to begin with: waves of the coordinate, mixed at random."""
        n = COLUMNS
        at = torch.arange(n).float()[:, None] / torch.logspace(0.3, 2.5, 24)
        waves = torch.cat([at.sin(), at.cos()], 1) / 24**0.5
        for first in (self.first_column, self.first_row):
            for weight, size in ((model.model.embed_tokens.weight, 0.5), (model.lm_head.weight, 0.02)):
                weight[first : first + n] = size * waves @ torch.randn(waves.shape[1], weight.shape[1])


class ReadingOrder:
    """Keeps answers from reading anything twice, as the library does for `prompt.locations`: within a line each column lies right of the one
    before, and each line begins below the one before."""

    def __init__(self, tokenizer, answers, device):
        self.newline, self.columns, self.rows = tokenizer.ids["\n"], tokenizer.first_column, tokenizer.first_row
        self.ids = torch.arange(len(tokenizer), device=device)
        # Ids of the last column and of the row that this line and the line above begin in; whether this line has text.
        self.column, self.row, self.above = (torch.full((answers,), -1, device=device) for _ in range(3))
        self.text = torch.zeros(answers, dtype=torch.bool, device=device)

    def process(self, logits):
        left = (self.ids >= self.columns) & (self.ids <= self.column[:, None])
        read = (self.ids >= self.rows) & (self.ids <= self.above[:, None]) & ~self.text[:, None]
        return logits.masked_fill(left | read, -torch.inf)

    def accept(self, ids):
        column = (ids >= self.columns) & (ids < self.columns + COLUMNS)
        row, newline = (ids >= self.rows) & (ids < self.rows + ROWS), ids == self.newline
        self.column = ids.where(column, self.column.masked_fill(row | newline, -1))
        self.row = ids.where(row & ~self.text, self.row)
        self.above = self.row.where(newline & (self.row >= 0), self.above)
        self.row = self.row.masked_fill(newline, -1)
        self.text = (self.text | ~(column | row)) & ~newline
