# SPDX-License-Identifier: Apache-2.0
"""Makes `tokenizer.model`: a SentencePiece BPE whose lexicon words are single pieces and everything else characters.

LLaMA style: ids 0 <unk>, 1 <s>, 2 </s>, then 256 bytes; identity normalisation, dummy prefix, byte fallback. Merges are
learned by SentencePiece on the lexicon alone, so capitals and digits never merge: codes and numbers stay one token per
character. The template's words are added as merges from the right ("T:", "NT:", …), which cannot occur inside a code.
"""

import io
import string
import sys

import qa
import sentencepiece
from sentencepiece import sentencepiece_model_pb2 as proto

SIZE = 872
SPACE = "\u2581"
TEMPLATE_WORDS = ("USER:", "ASSISTANT:")


def build(path, size=SIZE, words=None, extra=()):
    """The vocabulary of HiRes-LLaVA, or of other `words`, then as large as it gets, with `extra` merges after those of the words."""
    if words is None:
        words = qa.lexicon()
        learned = size - 100 - len(words)
    else:
        learned, size = 4000, None
    out = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(words * 2),
        model_writer=out,
        model_type="bpe",
        vocab_size=learned,
        character_coverage=1.0,
        byte_fallback=True,
        normalization_rule_name="identity",
        add_dummy_prefix=False,
        remove_extra_whitespaces=False,
        unk_id=0,
        bos_id=1,
        eos_id=2,
        pad_id=-1,
        hard_vocab_limit=False,
        minloglevel=2,
    )
    model = proto.ModelProto()
    model.ParseFromString(out.getvalue())
    model.normalizer_spec.add_dummy_prefix = True
    learned = [p.piece for p in model.pieces[259:]]
    merges = [p for p in learned if len(p) > 1]
    merges += [SPACE + w for w in words if SPACE + w not in merges]  # a word with its space: the last merge of each word
    for word in TEMPLATE_WORDS:
        merges += [(SPACE + word)[i:] for i in range(len(word) - 1, -1, -1)]
    merges += extra
    characters = [SPACE] + list(string.printable[:94])
    merges += [] if size is None else [f"<unused{i}>" for i in range(size - 259 - len(merges) - len(characters))]
    del model.pieces[259:]
    for piece in merges + characters:  # a better score merges first
        model.pieces.add(piece=piece, score=-float(len(model.pieces) - 259), type=5 if piece.startswith("<unused") else 1)
    model.trainer_spec.vocab_size = len(model.pieces)
    with open(path, "wb") as f:
        f.write(model.SerializeToString())


class Tokenizer:
    BOS, EOS = 1, 2

    def __init__(self, path):
        self.sp = sentencepiece.SentencePieceProcessor(model_file=path)

    def __len__(self):
        return self.sp.get_piece_size()

    def encode(self, text):
        return self.sp.encode(text)

    def decode(self, ids):
        return self.sp.decode([int(i) for i in ids])


if __name__ == "__main__":
    build(sys.argv[1])
