# SPDX-License-Identifier: Apache-2.0
"""Records what the reference tokenizers make of fuzzed strings, for Tests/TokenizersTests.

    python make_tokenizer_fixtures.py Tests/TokenizersTests/Fixtures               # what is committed
    python make_tokenizer_fixtures.py DIR --count 10000 --seed 7                   # more, for FOVEA_TOKENIZER_FIXTURES=DIR

Needs sentencepiece, tokenizers, tiktoken. Small vocabularies are trained here on a synthetic corpus; nothing is fetched.

texts.bin: the strings. One NAME.sp / NAME.bl per tokenizer: its vocabulary, then the expected ids. Numbers are LEB128, strings
are a length and bytes; the reader in TokenizerFixture.swift is the other half of this description.
"""

import argparse
import io
import random
import struct
import unicodedata
from pathlib import Path

# ---------------------------------------------------------------- writing


class Writer:
    def __init__(self):
        self.out = bytearray()

    def number(self, n):
        assert n >= 0
        while n >= 0x80:
            self.out.append(n & 0x7F | 0x80)
            n >>= 7
        self.out.append(n)

    def string(self, s):
        b = s if isinstance(s, (bytes, bytearray)) else s.encode()
        self.number(len(b))
        self.out += b

    def ids(self, ids):
        self.number(len(ids))
        for i in ids:
            self.number(i)

    def save(self, path):
        Path(path).write_bytes(self.out)
        print(path, len(self.out))


# ---------------------------------------------------------------- texts

SCRIPTS = {
    "latin": [chr(c) for c in range(0x61, 0x7B)],
    "accented": list("àáâãäåæçèéêëìíîïñòóôõöøùúûüýÿœšžÀÉÑÜßİıŁłĐđ"),
    "greek": [chr(c) for c in range(0x3B1, 0x3CA)],
    "cyrillic": [chr(c) for c in range(0x430, 0x450)],
    "hebrew": [chr(c) for c in range(0x5D0, 0x5EB)],
    "arabic": [chr(c) for c in range(0x627, 0x64B)] + list("ًٌٍَُِّْ"),
    "devanagari": [chr(c) for c in range(0x915, 0x93A)] + list("ािीुूेैोौंः्"),
    "thai": [chr(c) for c in range(0xE01, 0xE2F)] + list("ะัาำิีึืุูเแโใไ่้๊๋"),
    "han": list(
        "的一是不了人我在有他这中大来上个国到说们为子和你地出道也时年得就那要下以生会自着去之过家学对可她里后小么心多天而能好都然没日于起还发成事只作当想看文无开手十用主行方又如前所本见经头面公同三已老从动两长知民样现分将外但身些与高意进把法此实回二理美点月明其种声全工己话儿者向情部正名定女问力机给等几很业最间新什打便位因重被走电四第门相次东政海口使教西再平真听世气信北少关并内加化由却代军产入先山五太水万市眼体别处总才场师书比住员九笑性通目华报立马命张活难神数件安表原车白应路期叫死常提感金何更反合放做系计或司利受光王果亲界及今京务制解各任至清物台象记边共风战干接它许八特觉望直服毛林题建南度统色字请交爱让认算论百吃义科怎元社术结六功指思非流每青管夫连远资队跟带花快条院变联言权往展该领传近留红治决周保达办运武半候七必城父强步完革深区即求品士转量空甚众技轻程告江语英基派满式李息写呢识极令黄德收脸钱党倒未持取设始版双历越史商千片容研像找友孩站广改议形委早房音火际则首单据导影失拿网香似斯专石若兵弟谁校读志飞观争究包组造落视济喜离虽坏兴切讲食谈击类"
    ),
    "kana": [chr(c) for c in range(0x3041, 0x3094)] + [chr(c) for c in range(0x30A1, 0x30F5)],
    "hangul": [chr(0xAC00 + 37 * i) for i in range(290)],
    "jamo": [chr(c) for c in range(0x1100, 0x1113)] + [chr(c) for c in range(0x1161, 0x1176)] + [chr(c) for c in range(0x11A8, 0x11C3)],
    "wide": [chr(c) for c in range(0xFF01, 0xFF5F)] + list("ｱｲｳｴｵﾞﾟ　"),
    "mark": [chr(c) for c in range(0x300, 0x36F)] + ["\u20dd", "\u0591", "\u093c", "\u3099", "\ufe0f", "\u200d"],
    "emoji": list("😀😁😂🤣😊😍🤔👍👩🏽🔬🏳🌈❤✨🎉🇩🇪🇯🇵🧑‍🚀"),
    "compat": list("ﬁﬂ①②㍿㌔ⅣⅫ½¼²³™℃ﷺﷲǅǆΩÅK…․‥ſ"),
    "number": list("0123456789") + list("٠١٢٣०१२३၁၂ⅰⅱ⑴〇𝟘𝟙"),
    "symbol": list("!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~") + list("«»„“”‘’–—•€£¥§©®°±×÷∑√∞≠"),
    "odd": [
        "\u0000",
        "\u0001",
        "\u007f",
        "\u00ad",
        "\u200b",
        "\u200e",
        "\u2060",
        "\ufeff",
        "\ufffd",
        "\ufffe",
        "\ue000",
        "\U000f0000",
        "\U0010ffff",
        "\u2581",
        "\u0120",
        "\u010a",
        "\u2028",
        "\u2029",
        "\u0085",
        "\u00a0",
        "\u1680",
        "\u202f",
        "\u3000",
        "\u180e",
    ],
    "astral": [chr(c) for c in range(0x1D400, 0x1D420)] + [chr(c) for c in range(0x20000, 0x20020)] + [chr(c) for c in range(0x10400, 0x10420)],
}
BLANKS = [" ", "  ", "   ", "\t", "\n", "\r\n", "\n\n", " \n", "\n ", "      ", "\r", "\x0b", "\u00a0", "\u3000", "\u2003", " \t \n  "]
MARKS = [
    "<s>",
    "</s>",
    "<unk>",
    "<image>",
    "<region_fea>",
    "<img>",
    "</img>",
    "<|endoftext|>",
    "<|im_start|>",
    "<pad>",
    "<0x0A>",
    "<sep>",
    "<mask>",
    "<|im_start|",
    "<imag",
    "<<s>>",
    "▁",
    "▁▁",
    "USER:",
    "ASSISTANT:",
    "'s",
    "'LL",
    "'re",
    "'VE",
    "'ſ",
    "don't",
    "I'M",
    "1234567",
    "3.14",
    "[1,2]",
]


def word(rng, script, n):
    return "".join(rng.choice(SCRIPTS[script]) for _ in range(n))


def lexicon(rng):
    """Words with a skewed frequency, so that training finds something to merge."""
    words = []
    for script, letters in SCRIPTS.items():
        if script in ("odd", "mark", "astral"):
            continue
        count = 160 if script == "latin" else 60 if script in ("han", "cyrillic", "kana") else 25
        syllables = [word(rng, script, rng.randint(1, 3)) for _ in range(max(8, len(letters) // 2))]
        for _ in range(count):
            w = "".join(rng.choice(syllables) for _ in range(rng.randint(1, 3)))
            words.append(w.capitalize() if rng.random() < 0.15 else w)
    words += (
        "the of and to in a is that it was for on are as with his they at be this from have or by one had not but what all were when we there can an your which their said if do will each about how up out them then she many some so these would other into has more her two like him see time could no make than first been its who now people my made over did down only way find use may water long little very after words called just where most know get through back much before go good new write our used me man too any day same right look think also around another came come work three word must because does part even place well such here take why things help put years different away again off went old number great tell men say small every found still between name should Mr home big give air line set own under read last never us left end along while might next sound below saw something thought both few those always looked show large often together asked house don't world going want school important until form food keep children feet land side without boy once animals life enough took sometimes four head above kind began almost live page got earth need far hand high year mother light parts country father let night following picture being study second eyes soon times story boys since white days ever paper hard near sentence better best across during today others however sure means knew it's try told young miles sun ways thing whole hear example heard several change answer room sea against top turned learn point city play toward five using himself usually".split()
        * 3
    )
    return words


def sentence(rng, words):
    parts = []
    for _ in range(rng.randint(3, 14)):
        parts.append(rng.choice(words) if rng.random() < 0.7 else words[int(len(words) * rng.random() ** 3)])
        if rng.random() < 0.1:
            parts.append(str(rng.randint(0, 99999)))
        if rng.random() < 0.05:
            parts.append(word(rng, "symbol", rng.randint(1, 3)))
    return " ".join(parts) + rng.choice([".", "!", "?", ",", ":", "", "\n", " USER:", " ASSISTANT:"])


def fuzz(rng, words):
    kind = rng.random()
    if kind < 0.003:
        return "".join(fuzz(rng, words) for _ in range(25))
    if kind < 0.3:
        return sentence(rng, words)[: rng.randint(1, 60)]
    if kind < 0.34:
        unit = rng.choice(["a", " ", "ab", "\n", "▁", "é", "😀", "的", "1", "-", "aA ", "\u0301", "<s>", "  a"])
        return unit * rng.randint(1, 60 // len(unit.encode()) + 2)
    if kind < 0.36:
        # Only characters of Unicode 14: classes of newer ones depend on each program's tables.
        picks = (chr(rng.choice([rng.randrange(0x20, 0xD800), rng.randrange(0xE000, 0x10000), rng.randrange(0x10000, 0x30000)])) for _ in range(14))
        return "".join(c for c in picks if unicodedata.category(c) != "Cn")
    scripts = list(SCRIPTS)
    out = []
    for _ in range(rng.randint(0, 7)):
        r = rng.random()
        if r < 0.25:
            out.append(rng.choice(words))
        elif r < 0.5:
            out.append(word(rng, rng.choice(scripts), rng.randint(1, 5)))
        elif r < 0.75:
            out.append(rng.choice(BLANKS) if rng.random() < 0.5 else " ")
        elif r < 0.85:
            out.append(rng.choice(MARKS))
        elif r < 0.92:
            out.append(rng.choice("abeouAEO") + word(rng, "mark", rng.randint(1, 3)))
        else:
            out.append(word(rng, rng.choice(["number", "symbol", "odd", "compat"]), rng.randint(1, 4)))
    return "".join(out)


# ---------------------------------------------------------------- SentencePiece


def train_sentencepiece(corpus, **options):
    import sentencepiece as spm

    out = io.BytesIO()
    spm.SentencePieceTrainer.train(sentence_iterator=iter(corpus), model_writer=out, model_type="bpe", num_threads=1, minloglevel=2, **options)
    return out.getvalue()


def sentencepiece_models(corpus):
    """name → (model, added tokens). Types of some pieces are edited to unused, which the trainer never writes."""
    from sentencepiece import sentencepiece_model_pb2 as pb

    llama = train_sentencepiece(
        corpus,
        vocab_size=1300,
        byte_fallback=True,
        normalization_rule_name="identity",
        add_dummy_prefix=True,
        split_digits=True,
        allow_whitespace_only_pieces=True,
        remove_extra_whitespaces=False,
        character_coverage=0.995,
    )
    nfkc = train_sentencepiece(corpus, vocab_size=1500, normalization_rule_name="nmt_nfkc", byte_fallback=True, character_coverage=0.995)
    defined = train_sentencepiece(
        corpus,
        vocab_size=1600,
        normalization_rule_name="identity",
        remove_extra_whitespaces=False,
        split_by_whitespace=False,
        user_defined_symbols=["<sep>", "<mask>", "▁▁", "▁▁▁", "'s", "th", "<mask", "的一", "e▁"],
        control_symbols=["<pad>"],
        character_coverage=0.99,
    )
    suffix = pb.ModelProto.FromString(defined)
    rng = random.Random(5)
    for p in suffix.pieces:
        if p.type == pb.ModelProto.SentencePiece.NORMAL and rng.random() < 0.2:
            p.type = pb.ModelProto.SentencePiece.UNUSED
    suffix.normalizer_spec.remove_extra_whitespaces = True
    plain = pb.ModelProto.FromString(llama)
    plain.normalizer_spec.add_dummy_prefix = False
    rng = random.Random(6)
    for p in plain.pieces:
        if p.type == pb.ModelProto.SentencePiece.NORMAL and rng.random() < 0.1:
            p.type = pb.ModelProto.SentencePiece.UNUSED
    n = len(plain.pieces)
    added = [
        ("<s>", 1, 1),
        ("</s>", 2, 1),
        ("<unk>", 0, 1),
        ("<image>", n, 1),
        ("<region_fea>", n + 1, 7),
        ("<pad>", n + 2, 1),
        ("<img>", n + 3, 0),
        ("</img>", n + 4, 2),
    ]
    return {
        "llama": (llama, added),
        "nfkc": (nfkc, []),
        "defined": (defined, []),
        "unused": (suffix.SerializeToString(), []),
        "noprefix": (plain.SerializeToString(), []),
    }


def fast_llama(proto, added, rule):
    """The tokenizer that transformers' converter makes of such a model; rule: 0 legacy, 1 Metaspace always, 2 Metaspace first."""
    from tokenizers import AddedToken, Tokenizer, models, normalizers, pre_tokenizers

    vocab = {p.piece: i for i, p in enumerate(proto.pieces)}
    merges = []
    for p in proto.pieces:
        if p.type != 1:
            continue
        for i in range(1, len(p.piece)):
            a, b = p.piece[:i], p.piece[i:]
            if a in vocab and b in vocab:
                merges.append((-p.score, vocab[a], vocab[b], a, b))
    merges = [(a, b) for *_, a, b in sorted(merges)]
    t = Tokenizer(models.BPE(vocab=vocab, merges=merges, fuse_unk=True, byte_fallback=True, unk_token="<unk>"))
    if rule == 0:
        t.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    else:
        t.pre_tokenizer = pre_tokenizers.Metaspace(replacement="▁", prepend_scheme=["always", "first"][rule - 1], split=False)
    for text, i, flags in added:
        token = AddedToken(text, lstrip=bool(flags & 2), rstrip=bool(flags & 4), normalized=False, special=bool(flags & 1))
        (t.add_special_tokens if flags & 1 else t.add_tokens)([token])
        assert t.token_to_id(text) == i
    return t


def write_sentencepiece(path, model, added, texts, rng):
    import sentencepiece as spm
    from sentencepiece import sentencepiece_model_pb2 as pb

    sp = spm.SentencePieceProcessor(model_proto=model)
    proto = pb.ModelProto.FromString(model)
    n = proto.normalizer_spec
    w = Writer()
    w.number(n.add_dummy_prefix | n.remove_extra_whitespaces << 1 | n.escape_whitespaces << 2)
    w.string(n.precompiled_charsmap)
    w.string(proto.trainer_spec.unk_surface)
    w.number(len(proto.pieces))
    for p in proto.pieces:
        w.string(p.piece)
        w.out += struct.pack("<f", p.score)
        w.number(p.type)
    write_added(w, added)
    sets = [(0, False, [sp.encode(t) for t in texts])]
    if added:
        sets += [(r, True, [f.encode(t).ids for t in texts]) for r in range(3) for f in [fast_llama(proto, added, r)]]
    write_sets(w, sets)
    decodings = [(ids, sp.decode(ids)) for ids in sets[0][2][: len(texts) // 4]]
    bytes_at = [i for i in range(len(proto.pieces)) if sp.is_byte(i)] or [0]
    for _ in range(len(texts) // 4):
        ids = [rng.choice(bytes_at) if rng.random() < 0.4 else rng.randrange(len(proto.pieces)) for _ in range(rng.randint(0, 8))]
        decodings.append((ids, sp.decode(ids)))
    write_decodings(w, decodings)
    w.save(path)


# ---------------------------------------------------------------- byte-level

GPT2 = r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"
QWEN = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
LLAMA3 = QWEN.replace(r"\p{N}| ?", r"\p{N}{1,3}| ?")
PATTERNS = {"gpt2": (0, GPT2), "qwen": (1, QWEN), "llama3": (2, LLAMA3)}


def byte_characters():
    """GPT-2's alphabet: character → byte."""
    visible = [*range(33, 127), *range(161, 173), *range(174, 256)]
    hidden = [b for b in range(256) if b not in visible]
    return {chr(b): b for b in visible} | {chr(256 + i): b for i, b in enumerate(hidden)}


def fast_byte_level(pattern, compose, prefix_space, vocab, merges, whole_words, added):
    from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers

    t = Tokenizer(models.BPE(vocab=vocab, merges=merges, ignore_merges=whole_words))
    if compose:
        t.normalizer = normalizers.NFC()
    if pattern == "gpt2":
        t.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=prefix_space, use_regex=True)
    else:
        t.pre_tokenizer = pre_tokenizers.Sequence(
            [
                pre_tokenizers.Split(Regex(PATTERNS[pattern][1]), behavior="isolated"),
                pre_tokenizers.ByteLevel(add_prefix_space=prefix_space, use_regex=False),
            ]
        )
    t.decoder = decoders.ByteLevel()
    for text, i, flags in added:
        token = AddedToken(text, lstrip=bool(flags & 2), rstrip=bool(flags & 4), normalized=False, special=bool(flags & 1))
        (t.add_special_tokens if flags & 1 else t.add_tokens)([token])
        assert t.token_to_id(text) == i, (text, i, t.token_to_id(text))
    return t


def train_byte_level(corpus, pattern, size, specials=()):
    import json

    from tokenizers import pre_tokenizers, trainers

    t = fast_byte_level(pattern, pattern == "qwen", False, {}, [], False, [])
    t.train_from_iterator(
        corpus,
        trainers.BpeTrainer(
            vocab_size=size, initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()), special_tokens=list(specials), show_progress=False
        ),
    )
    model = json.loads(t.to_str())["model"]
    return model["vocab"], [tuple(m) if isinstance(m, list) else tuple(m.split(" ")) for m in model["merges"]]


def random_ids(rng, count, n):
    return [[rng.randrange(n) for _ in range(rng.randint(0, 8))] for _ in range(count)]


def write_byte_level(path, pattern, compose, prefix_space, whole_words, pieces, merges, added, sets, decodings):
    w = Writer()
    w.number(merges is not None)
    w.number(PATTERNS[pattern][0])
    w.number(compose)
    w.number(whole_words)
    w.number(prefix_space)
    w.number(len(pieces))
    for p in pieces:
        w.string(p)
    w.number(len(merges or []))
    for a, b in merges or []:
        w.string(f"{a} {b}")
    write_added(w, added)
    write_sets(w, sets)
    write_decodings(w, decodings)
    w.save(path)


def hugging_face_fixture(path, corpus, texts, rng, pattern, size, compose=False, prefix_space=False, whole_words=False, specials=(), added=()):
    vocab, merges = train_byte_level(corpus, pattern, size, specials)
    if whole_words:
        # Words that no chain of merges reaches any more.
        drop = random.Random(3)
        merges = [m for m in merges if drop.random() < 0.9]
    pieces = sorted(vocab, key=vocab.get)
    added = [(s, vocab[s], 1) for s in specials] + [(s, len(pieces) + i, f) for i, (s, f) in enumerate(added)]
    plain = fast_byte_level(pattern, compose, prefix_space, vocab, merges, whole_words, [])
    full = fast_byte_level(pattern, compose, prefix_space, vocab, merges, whole_words, added)
    sets = [(0, False, [plain.encode(t).ids for t in texts]), (0, True, [full.encode(t).ids for t in texts])]
    decodings = [
        (ids, full.decode(ids, skip_special_tokens=True)) for ids in random_ids(rng, len(texts) // 4, len(pieces) + len(added) - len(specials))
    ]
    write_byte_level(path, pattern, compose, prefix_space, whole_words, pieces, merges, added, sets, decodings)


def tiktoken_fixture(path, corpus, texts, rng, size, shuffled):
    import tiktoken

    vocab, merges = train_byte_level(corpus, "qwen", size)
    alphabet = byte_characters()
    pieces = [bytes(alphabet[c] for c in p) for p in sorted(vocab, key=vocab.get)]
    if shuffled:
        # Ranks that no training gives: neighbours then merge in ways no list of pairs describes.
        random.Random(4).shuffle(pieces)
    n = len(pieces)
    added = [(s, n + i, 1) for i, s in enumerate(["<|endoftext|>", "<|im_start|>", "<|im_end|>", "<img>", "</img>", "<ref>"])]
    t = tiktoken.Encoding("test", pat_str=QWEN, mergeable_ranks={p: i for i, p in enumerate(pieces)}, special_tokens={s: i for s, i, _ in added})
    composed = [unicodedata.normalize("NFC", x) for x in texts]
    sets = [(0, False, [t.encode_ordinary(x) for x in composed]), (0, True, [t.encode(x, allowed_special="all") for x in composed])]
    decodings = []
    for ids in random_ids(rng, len(texts) // 4, n + len(added)):
        decodings.append((ids, b"".join(t.decode_single_token_bytes(i) for i in ids if i < n).decode(errors="replace")))
    write_byte_level(path, "qwen", 2, False, True, pieces, None, added, sets, decodings)


# ---------------------------------------------------------------- shared parts


def write_added(w, added):
    w.number(len(added))
    for text, i, flags in added:
        w.string(text)
        w.number(i)
        w.number(flags)


def write_sets(w, sets):
    w.number(len(sets))
    for rule, specials, lists in sets:
        w.number(rule)
        w.number(specials)
        for ids in lists:
            w.ids(ids)


def write_decodings(w, decodings):
    w.number(len(decodings))
    for ids, text in decodings:
        w.ids(ids)
        w.string(text)


# ---------------------------------------------------------------- all


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("output", type=Path)
    parser.add_argument("--count", type=int, default=900)
    parser.add_argument("--seed", type=int, default=1)
    a = parser.parse_args()
    a.output.mkdir(parents=True, exist_ok=True)
    rng = random.Random(1234)
    words = lexicon(rng)
    corpus = [sentence(rng, words) for _ in range(6000)]
    rng = random.Random(a.seed)
    texts = ["", " ", "  ", "\n", "a", " a", "a ", "▁", "<s>", "<image>\nWhat is this? ASSISTANT:"]
    texts += [fuzz(rng, words) for _ in range(a.count - len(texts))]
    w = Writer()
    w.number(len(texts))
    for t in texts:
        w.string(t)
    w.save(a.output / "texts.bin")
    for name, (model, added) in sentencepiece_models(corpus).items():
        write_sentencepiece(a.output / f"{name}.sp", model, added, texts, rng)
    hugging_face_fixture(
        a.output / "opt.bl",
        corpus,
        texts,
        rng,
        "gpt2",
        800,
        specials=["<s>", "<pad>", "</s>", "<unk>"],
        added=[("<img>", 0), ("</img>", 0), ("<image>", 7)],
    )
    hugging_face_fixture(
        a.output / "prefixspace.bl", corpus, texts[: len(texts)], rng, "gpt2", 500, prefix_space=True, specials=["<s>"], added=[("<mask>", 3)]
    )
    hugging_face_fixture(
        a.output / "qwen2.bl", corpus, texts, rng, "qwen", 900, compose=True, added=[("<|endoftext|>", 1), ("<|im_start|>", 1), ("<img>", 0)]
    )
    hugging_face_fixture(a.output / "llama3.bl", corpus, texts, rng, "llama3", 900, whole_words=True, added=[("<|endoftext|>", 1), ("<image>", 1)])
    tiktoken_fixture(a.output / "qwen.bl", corpus, texts, rng, 900, False)
    tiktoken_fixture(a.output / "shuffled.bl", corpus, texts, rng, 700, True)


if __name__ == "__main__":
    main()
