# SPDX-License-Identifier: Apache-2.0
"""Makes the reader's `tokenizer.model` (LLaMA's kind: SentencePiece BPE, byte fallback, dummy prefix) from the stock's texts, and
says which characters of a text each token stands for.

Digits are never merged, so numbers are one token a digit; line breaks are a token; every character that pages are drawn with is in it.
"""

import io

import numpy as np
import sentencepiece
from sentencepiece import sentencepiece_model_pb2 as proto

from . import layouts, pages
from . import stock as K

SIZE = 4096
SPACE = "\u2581"


def corpus(stock, seed=1, most=1_500_000):
    """Texts like those of pages: prose as it is and in capitals, code, the words of layouts."""
    rng, out, size = np.random.default_rng(seed), [], 0
    lists = layouts.GOODS + layouts.FIELDS + layouts.BUTTONS + layouts.MENUS + layouts.SHOPS + layouts.CITIES + layouts.STREETS
    lists += layouts.SIGNS + ["TOTAL", "Total due", "Invoice no.", "Amount", "Thank you!"]
    while size < most:
        kind = rng.random()
        if kind < 0.6:
            text = stock.paragraph(rng)
        elif kind < 0.7:
            text = stock.paragraph(rng).upper()
        elif kind < 0.85:
            text = " ".join(stock.code[rng.integers(len(stock.code))].split())
        else:
            text = " ".join(lists[i] for i in rng.integers(len(lists), size=8))
        out.append(text[:1500])
        size += len(out[-1])
    return out


def build(path, texts, size=SIZE):
    out = io.BytesIO()
    fixed = [SPACE, "\n"] + K.CHARACTERS
    questions = [pages.READ, pages.TABLE, pages.WHERE, "What is the total? What is the date? What is the number?", "USER: ASSISTANT:"]
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(texts + questions * 200),
        model_writer=out,
        model_type="bpe",
        vocab_size=size - len(fixed) - 64,
        character_coverage=1.0,
        byte_fallback=True,
        split_digits=True,
        max_sentencepiece_length=12,
        normalization_rule_name="identity",
        add_dummy_prefix=True,
        remove_extra_whitespaces=False,
        unk_id=0,
        bos_id=1,
        eos_id=2,
        pad_id=-1,
        hard_vocab_limit=False,
        num_threads=1,
        minloglevel=2,
    )
    model = proto.ModelProto()
    model.ParseFromString(out.getvalue())
    merges = [p.piece for p in model.pieces[259:] if len(p.piece) > 1][: size - 259 - len(fixed)]
    del model.pieces[259:]
    for piece in merges + fixed:  # a better score merges first
        model.pieces.add(piece=piece, score=-float(len(model.pieces) - 259), type=1)
    while len(model.pieces) % 16:
        model.pieces.add(piece=f"<unused{len(model.pieces)}>", score=0, type=5)
    model.trainer_spec.vocab_size = len(model.pieces)
    with open(path, "wb") as f:
        f.write(model.SerializeToString())


class Tokenizer:
    BOS, EOS = 1, 2

    def __init__(self, path):
        self.sp = sentencepiece.SentencePieceProcessor(model_file=path)
        self.surface = [self.sp.id_to_piece(i).replace(SPACE, " ") for i in range(len(self))]
        self.before = [self.BOS] + self.encode("USER: ")
        self.after = self.encode("\n")

    def __len__(self):
        return self.sp.get_piece_size()

    def encode(self, text):
        return self.sp.encode(text)

    def decode(self, ids):
        return self.sp.decode([int(i) for i in ids])

    def head(self, prompt):
        """What stands between the image block and the answer."""
        return self.encode("\n" + prompt + " ASSISTANT:")

    def answer(self, text, places):
        """(ids, places): each token's place is that of its first character that has one (those of blanks: of what follows them)."""
        places = list(places)
        for i in reversed(range(len(places) - 1)):
            if places[i] == pages.NOWHERE:
                places[i] = places[i + 1]
        ids = self.encode(text)
        at, out = -1, []  # a blank precedes the text
        for i in ids:
            out.append(places[max(at, 0)] if max(at, 0) < len(places) else pages.NOWHERE)
            at += 1 if self.sp.is_byte(i) else len(self.surface[i])
        return ids + [self.EOS], out + [pages.NOWHERE]
