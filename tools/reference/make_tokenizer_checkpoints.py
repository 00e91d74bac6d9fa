# SPDX-License-Identifier: Apache-2.0
"""Tokenizers in their published forms and what the reference libraries make of fuzzed strings, for Tests/ConversionTests.

    make_tokenizer_checkpoints.py Tests/ConversionTests/Fixtures/tokenizers             # what is committed
    make_tokenizer_checkpoints.py DIR --count 10000 --seed 7                            # more, for FOVEA_TOKENIZER_CHECKPOINTS=DIR

Needs tokenizers, tiktoken and sentencepiece. The vocabularies are trained here on the synthetic corpus of make_tokenizer_fixtures.py.
Each folder is a checkpoint without tensors; expected.json holds one list of ids for each string of texts.json.
"""

import argparse
import base64
import json
import random
import struct
import unicodedata
from pathlib import Path

import tiktoken
from make_tokenizer_fixtures import QWEN, byte_characters, fast_byte_level, fuzz, lexicon, sentence, train_byte_level, train_sentencepiece
from tokenizers import AddedToken, Regex, Tokenizer, models, pre_tokenizers, processors, trainers

QWEN_SPECIALS = (
    ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
    + [f"<|extra_{i}|>" for i in range(205)]
    + ["<ref>", "</ref>", "<box>", "</box>", "<quad>", "</quad>", "<img>", "</img>", "<imgpad>"]
)


def write(path, value, **options):
    path.write_text(json.dumps(value, ensure_ascii=False, **options) + "\n")


def folder(root, name, vocab_size, ids, **config):
    """A checkpoint's frame and the ids expected of it."""
    path = root / name
    path.mkdir(parents=True, exist_ok=True)
    write(path / "config.json", {"vocab_size": vocab_size} | config)
    write(path / "expected.json", ids, separators=(",", ":"))
    (path / "model.safetensors").write_bytes(struct.pack("<Q", 2) + b"{}")
    return path


def special_json(text):
    return {"content": text, "lstrip": False, "normalized": True, "rstrip": False, "single_word": False}


def opt_files(root, corpus, texts):
    """vocab.json + merges.txt as OPT has them. Tokens added to the Python tokenizer swallow the blanks around them (transformers to
    4.33) unless special_tokens_map.json describes them."""
    specials = ["<s>", "<pad>", "</s>", "<unk>"]
    vocab, merges = train_byte_level(corpus, "gpt2", 420, specials)
    n = len(vocab)
    added = [(s, vocab[s], 1) for s in specials[1:3]] + [("<imgpad>", n, 7), ("<img>", n + 1, 7), ("</img>", n + 2, 1)]
    t = fast_byte_level("gpt2", False, False, vocab, merges, False, added)
    path = folder(root, "opt_files", n + 3, [[2] + t.encode(x).ids for x in texts], model_type="opt", eos_token_id=2, bos_token_id=2)
    write(path / "vocab.json", vocab)
    (path / "merges.txt").write_text("#version: 0.2\n" + "".join(f"{a} {b}\n" for a, b in merges))
    write(path / "added_tokens.json", {s: i for s, i, _ in added[2:]})
    write(
        path / "tokenizer_config.json",
        {
            "tokenizer_class": "GPT2Tokenizer",
            "add_bos_token": True,
            "add_prefix_space": False,
            "bos_token": special_json("</s>"),
            "eos_token": special_json("</s>"),
            "unk_token": special_json("</s>"),
            "pad_token": "<pad>",
        },
    )
    write(
        path / "special_tokens_map.json",
        {
            "bos_token": special_json("</s>"),
            "eos_token": special_json("</s>"),
            "unk_token": special_json("</s>"),
            "pad_token": "<pad>",
            "additional_special_tokens": [special_json("</img>")],
        },
    )


def fast(root, name, corpus, texts, pattern, begin=None, eos=None, **options):
    vocab, merges = train_byte_level(corpus, pattern, 420)
    if options.get("whole_words"):
        drop = random.Random(3)
        merges = [m for m in merges if drop.random() < 0.9]
    n = len(vocab)
    names = ["<|begin_of_text|>", "<|endoftext|>", "<|im_end|>", "<img>", "<imgpad>"]
    added = [(s, n + i, 1 if s.startswith("<|") else 0) for i, s in enumerate(names)]
    t = fast_byte_level(pattern, options.get("compose", False), False, vocab, merges, options.get("whole_words", False), added)
    if begin:
        t.post_processor = processors.Sequence(
            [
                processors.ByteLevel(trim_offsets=False),
                processors.TemplateProcessing(single=f"{begin} $A", special_tokens=[(begin, t.token_to_id(begin))]),
            ]
        )
    path = folder(root, name, n + len(added), [t.encode(x).ids for x in texts], eos_token_id=t.token_to_id(eos or "<|endoftext|>"))
    t.save(str(path / "tokenizer.json"), pretty=False)


BREAKS = r"|\s*[\r\n]+|\s+(?!\S)|\s+"
UPPER, LOWER = r"[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]", r"[\p{Ll}\p{Lm}\p{Lo}\p{M}]"
OPTIONAL = r"[^\r\n\p{L}\p{N}]?"
CONTRACTION = "(?i:'s|'t|'re|'ve|'m|'ll|'d)"


def cased(contraction, numbers):
    words = [OPTIONAL + UPPER + "*" + LOWER + "+" + contraction, OPTIONAL + UPPER + "+" + LOWER + "*" + contraction]
    return "|".join([*words, numbers, r" ?[^\s\p{L}\p{N}]+[\r\n/]*"]) + BREAKS


O200K = cased(CONTRACTION + "?", r"\p{N}{1,3}")
TEKKEN = cased("", r"\p{N}")
QWEN35 = CONTRACTION + "|" + OPTIONAL + r"[\p{L}\p{M}]+|\p{N}| ?[^\s\p{L}\p{M}\p{N}]+[\r\n]*" + BREAKS
NANOCHAT = r"'(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?+\p{L}+|\p{N}{1,2}| ?[^\s\p{L}\p{N}]++[\r\n]*|\s*[\r\n]|\s+(?!\S)|\s+"
DEEPSEEK_LETTERS = (
    "A-Za-zµÀ-ÖØ-öø-ƺƼ-ƿǄ-ʓʕ-ʯͰ-ͳͶͷͻ-ͽͿΆΈ-ΊΌΎ-ΡΣ-ϵϷ-ҁҊ-ԯԱ-ՖႠ-ჅᎠ-Ᏽᏸ-ᏽᲐ-ᲺᲽ-Ჿᴀ-ᴫᵫ-ᵷᵹ-ᶚḀ-ἕἘ-Ἕἠ-ὅὈ-Ὅὐ-ὗὙὛὝὟ-\u1f7dᾀ-ᾴᾶ-ᾼ\u1fbeῂ-"
    "ῄῆ-ῌῐ-\u1fd3ῖ-\u1fdbῠ-Ῥῲ-ῴῶ-ῼℂℇℊ-ℓℕℙ-ℝℤ\u2126ℨ\u212a-ℭℯ-ℴℹℼ-ℿⅅ-ⅉⅎↃↄⰀ-ⱻⱾ-ⳤⳫ-ⳮⳲⳳꙀ-ꙭꚀ-ꚛꜢ-ꝯꝱ-ꞇꞋ-ꞎꭰ-ꮿﬀ-ﬆﬓ-ﬗＡ-Ｚａ-ｚ𐐀-𐑏𐒰-𐓓𐓘-𐓻𐲀"
    "-𐲲𐳀-𐳲𑢠-𑣟𞤀-𞥃"
)
DEEPSEEK = ["[\r\n]", r"\s?[" + DEEPSEEK_LETTERS + "]+", r"\s?[!-/:-~！-／：-～‘-‟　-。]+", r"\s+$", "[一-龥ࠀ-一가-\ud7ff]+"]
DEEPSEEK_CODER = ["[\r\n]", r"\s?\p{L}+", r"\s?\p{P}+", "[一-龥ࠀ-一가-\ud7ff]+"]
DEEPSEEK3 = [
    r"\p{N}{1,3}",
    "[一-龥\u3040-ゟ゠-ヿ]+",
    r"""[!"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+| ?[\p{P}\p{S}]+[\r\n]*""" + BREAKS,
]
# Steps before ByteLevel: patterns, and Digits where they stand; whether ByteLevel puts a blank in front of each piece, and has GPT-2's pattern.
SPLITS = {
    "o200k_json": ([O200K], False, False),
    "tekken_json": ([TEKKEN], False, False),
    "qwen35_json": ([QWEN35], False, False),
    "nanochat_json": ([NANOCHAT], False, False),
    "deepseek_json": ([*DEEPSEEK, True], False, False),
    "deepseek_coder_json": ([*DEEPSEEK_CODER, True], False, False),
    "deepseek3_json": (DEEPSEEK3, False, False),
    "digits_o200k_json": ([True, O200K], False, False),
    "prefixed_json": ([False, QWEN35], True, False),
    "two_patterns_json": ([TEKKEN], True, True),
    "uncut_json": ([], False, False),
}


def splits(root, name, vocab, merges, texts):
    """A pre-tokenizer of these steps over merges that know no words, so that every cut shows."""
    steps, prefix, pattern = SPLITS[name]
    n = len(vocab)
    t = fast_byte_level("gpt2", False, False, vocab, merges, False, [("<|endoftext|>", n, 1)])
    t.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Digits(individual_digits=s) if isinstance(s, bool) else pre_tokenizers.Split(Regex(s), behavior="isolated") for s in steps]
        + [pre_tokenizers.ByteLevel(add_prefix_space=prefix, use_regex=pattern)]
    )
    path = folder(root, name, n + 1, [t.encode(x).ids for x in texts], eos_token_id=n)
    t.save(str(path / "tokenizer.json"), pretty=False)


def uncut_merges(corpus, size):
    t = Tokenizer(models.BPE())
    t.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    t.train_from_iterator(corpus, trainers.BpeTrainer(vocab_size=size, initial_alphabet=alphabet, show_progress=False))
    model = json.loads(t.to_str())["model"]
    return model["vocab"], [tuple(m) for m in model["merges"]]


def digits(root, name, corpus, texts, single):
    """GPT-2's pattern behind `Digits`, as SmolLM2 has it."""
    vocab, merges = train_byte_level(corpus, "gpt2", 420)
    n = len(vocab)
    t = fast_byte_level("gpt2", False, False, vocab, merges, False, [("<|endoftext|>", n, 1)])
    t.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Digits(individual_digits=single), pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True)]
    )
    path = folder(root, name, n + 1, [t.encode(x).ids for x in texts], eos_token_id=n)
    t.save(str(path / "tokenizer.json"), pretty=False)


def llama_merges(root, corpus, texts):
    """What transformers makes of a LLaMA's tokenizer.model: its pieces of blanks share one score, so their merges interleave; here
    other pieces share one too, and some ways to join two pieces are no merge."""
    from sentencepiece import sentencepiece_model_pb2 as pb

    model = pb.ModelProto.FromString(
        train_sentencepiece(
            corpus,
            vocab_size=900,
            byte_fallback=True,
            normalization_rule_name="identity",
            add_dummy_prefix=True,
            split_digits=True,
            allow_whitespace_only_pieces=True,
            remove_extra_whitespaces=False,
            character_coverage=0.98,
        )
    )
    pieces = [p.piece for p in model.pieces]
    pieces += [p for p in ("▁" * n for n in range(2, 17)) if p not in pieces]
    vocab = {p: i for i, p in enumerate(pieces)}
    scores = {p.piece: p.score for p in model.pieces} | {p: 0.0 for p in pieces if set(p) == {"▁"}}
    drop = random.Random(9)
    merges = []
    for piece in pieces[259:]:
        score = scores[piece] // 3  # ties of three
        for i in range(1, len(piece)):
            left, right = piece[:i], piece[i:]
            if left in vocab and right in vocab and drop.random() < 0.9:
                merges.append((-score, vocab[left], vocab[right], left, right))
    t = Tokenizer(models.BPE(vocab=vocab, merges=[m[3:] for m in sorted(merges)], fuse_unk=True, byte_fallback=True))
    t.pre_tokenizer = pre_tokenizers.Metaspace(replacement="▁", prepend_scheme="always", split=False)
    t.add_special_tokens([AddedToken(s, normalized=False, special=True) for s in ["<unk>", "<s>", "</s>", "<img>"]])
    path = folder(root, "llama_json", len(vocab) + 1, [[1] + t.encode(x).ids for x in texts], eos_token_id=2)
    t.save(str(path / "tokenizer.json"), pretty=False)


def qwen_tiktoken(root, corpus, texts):
    vocab, _ = train_byte_level(corpus, "qwen", 420)
    alphabet = byte_characters()
    pieces = [bytes(alphabet[c] for c in p) for p in sorted(vocab, key=vocab.get)]
    t = tiktoken.Encoding(
        "test",
        pat_str=QWEN,
        mergeable_ranks={p: i for i, p in enumerate(pieces)},
        special_tokens={s: len(pieces) + i for i, s in enumerate(QWEN_SPECIALS)},
    )
    ids = [t.encode(unicodedata.normalize("NFC", x), allowed_special="all") for x in texts]
    path = folder(root, "qwen_tiktoken", len(pieces) + len(QWEN_SPECIALS), ids, eos_token_id=len(pieces))
    (path / "qwen.tiktoken").write_bytes(b"".join(base64.b64encode(p) + b" %d\n" % i for i, p in enumerate(pieces)))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("output", type=Path)
    parser.add_argument("--count", type=int, default=200)
    parser.add_argument("--seed", type=int, default=2)
    a = parser.parse_args()
    a.output.mkdir(parents=True, exist_ok=True)
    rng = random.Random(1234)
    words = lexicon(rng)
    corpus = [sentence(rng, words) for _ in range(2000)]
    rng = random.Random(a.seed)
    texts = ["", " ", "<img>", " <img> ", "a <img>\nb", "a </img> b", "<imgpad><imgpad> x", "<|im_start|>system\nYou<|im_end|>", "</s> x"]
    texts += [fuzz(rng, words) for _ in range(a.count - len(texts))]
    write(a.output / "texts.json", texts)
    opt_files(a.output, corpus, texts)
    fast(a.output, "gpt2_json", corpus, texts, "gpt2")
    fast(a.output, "qwen2_json", corpus, texts, "qwen", compose=True)
    fast(a.output, "llama3_json", corpus, texts, "llama3", begin="<|begin_of_text|>", whole_words=True)
    qwen_tiktoken(a.output, corpus, texts)
    digits(a.output, "digits_json", corpus, texts, True)
    digits(a.output, "number_json", corpus, texts, False)
    llama_merges(a.output, corpus, texts)
    # Merges over all that the patterns tell apart.
    vocab, merges = uncut_merges([fuzz(rng, words) for _ in range(4000)] + corpus[:500], 700)
    for name in SPLITS:
        splits(a.output, name, vocab, merges, texts)


if __name__ == "__main__":
    main()
