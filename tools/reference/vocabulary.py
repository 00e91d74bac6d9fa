# SPDX-License-Identifier: Apache-2.0
"""A small LLaMA-type SentencePiece BPE vocabulary, as tokenizer.model and as the tokenizer.json that transformers makes of one."""

import io
import json
import os

import sentencepiece

TEXT = """A chat between a curious user and an artificial intelligence assistant. The assistant gives helpful, detailed, and polite
answers to the user's questions. USER: ASSISTANT: What is in the picture? Where is the red triangle? How many stop signs are there?
A large blue circle on the left, two small squares on the right, and the number 0.596 below them. The word apple stands at the top.
The quick brown fox jumps over the lazy dog while seventeen curious children watch the traffic light change from red to green."""


def train(path, size=384):
    model = io.BytesIO()
    lines = [line for line in TEXT.split("\n") for _ in range(4)] + TEXT.replace(".", ".\n").split("\n")
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(lines),
        model_writer=model,
        vocab_size=size,
        model_type="bpe",
        byte_fallback=True,
        character_coverage=1.0,
        normalization_rule_name="identity",
        add_dummy_prefix=True,
        remove_extra_whitespaces=False,
        split_digits=True,
        num_threads=1,
        minloglevel=2,
    )
    with open(path, "wb") as f:
        f.write(model.getvalue())
    return sentencepiece.SentencePieceProcessor(model_file=path)


def merges(pieces):
    """Every way to make a piece of two others, in the order in which the pieces were learned."""
    ids = {piece: i for i, piece in enumerate(pieces)}
    out = []
    for piece in pieces[259:]:  # ids after <unk>, <s>, </s> and the bytes ascend as scores descend
        cuts = [(piece[:i], piece[i:]) for i in range(1, len(piece)) if piece[:i] in ids and piece[i:] in ids]
        out += [list(cut) for cut in sorted(cuts, key=lambda cut: (ids[cut[0]], ids[cut[1]]))]
    return out


def added(text, id, special=True):
    return {"id": id, "content": text, "single_word": False, "lstrip": False, "rstrip": False, "normalized": False, "special": special}


def write_json(directory, processor, extra):
    """tokenizer.json in the published form: blanks become ▁ by a normaliser, one before every piece of text."""
    pieces = [processor.id_to_piece(i) for i in range(processor.get_piece_size())]
    tokens = [added(pieces[i], i) for i in range(3)] + [added(text, len(pieces) + i) for i, text in enumerate(extra)]
    value = {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": tokens,
        "normalizer": {
            "type": "Sequence",
            "normalizers": [{"type": "Prepend", "prepend": "▁"}, {"type": "Replace", "pattern": {"String": " "}, "content": "▁"}],
        },
        "pre_tokenizer": None,
        "post_processor": {
            "type": "TemplateProcessing",
            "single": [{"SpecialToken": {"id": "<s>", "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}}],
            "pair": [{"SpecialToken": {"id": "<s>", "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}}, {"Sequence": {"id": "B", "type_id": 1}}],
            "special_tokens": {"<s>": {"id": "<s>", "ids": [1], "tokens": ["<s>"]}},
        },
        "decoder": {
            "type": "Sequence",
            "decoders": [
                {"type": "Replace", "pattern": {"String": "▁"}, "content": " "},
                {"type": "ByteFallback"},
                {"type": "Fuse"},
                {"type": "Strip", "content": " ", "start": 1, "stop": 0},
            ],
        },
        "model": {
            "type": "BPE",
            "dropout": None,
            "unk_token": "<unk>",
            "continuing_subword_prefix": None,
            "end_of_word_suffix": None,
            "fuse_unk": True,
            "byte_fallback": True,
            "vocab": {piece: i for i, piece in enumerate(pieces)},
            "merges": [" ".join(m) for m in merges(pieces)],
        },
    }
    with open(os.path.join(directory, "tokenizer.json"), "w") as f:
        json.dump(value, f, ensure_ascii=False, indent=1)
        f.write("\n")
