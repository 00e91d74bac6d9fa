# SPDX-License-Identifier: Apache-2.0
"""What pages say: English-looking prose, any strings, numbers, punctuation, and a set of Chinese characters; and their tokens.

Tokens are one a character. The Chinese characters are the commonest ones; each is reached by two merges of its three bytes.
"""

import string

import entities as E
import pages as P

CHINESE = (
    "的一是在不了有和人这中大为上个国我以要他时来用们生到作地于出就分对成会可主发年动同工也能下过子说产种面而方后多定行学法所民得经"
    "十三之进着等部度家电力里如水化高自二理起小物现实加量都两体制机当使点从业本去把性好应开它合还因由其些然前外天政四日那社义事平形"
)
PUNCTUATION = ".,:;!?()-'\"%&/+$#@*="
CHINESE_PUNCTUATION = "，。、：（）"
CHARACTERS = string.ascii_letters + string.digits + PUNCTUATION + CHINESE + CHINESE_PUNCTUATION
INDEX = {c: i for i, c in enumerate(CHARACTERS)}
NO_CHARACTER = len(CHARACTERS)
WORDS = """the of and to in is that it was for on are as with his they at be this have from or one had by word but not what all were
we when your can said there use an each which she do how their if will up other about out many then them these so some her would make
like him into time has look two more write go see number no way could people my than first water been call who oil its now find long
down day did get come made may part model image page table result method data value figure section system network training paper
language vision large small high low rate error set test list line text point order group field state level case form""".split()


def word(rng):
    """An English-looking word, or any string, or a number."""
    kind = rng.choice(5, p=(0.66, 0.08, 0.06, 0.12, 0.08))
    if kind == 0:
        text = WORDS[rng.integers(len(WORDS))]
        return text.capitalize() if rng.random() < 0.12 else text
    if kind == 1:
        return "".join(string.ascii_lowercase[i] for i in rng.integers(26, size=rng.integers(3, 9)))
    if kind == 2:
        return P.random_string(rng, 2, 6)
    if kind == 3:
        form = rng.integers(4)
        number = P.random_number(rng)
        return (number, number + "%", "$" + number, f"{rng.integers(1, 30)}/{rng.integers(1, 100)}")[form]
    text = E.WORDS[rng.integers(len(E.WORDS))]
    return (f"({text})", f'"{text}"', f"{text}-{rng.integers(1, 99)}", f"{text}:", f"#{text}")[rng.integers(5)]


def sentence_mark(rng):
    return ("", "", "", "", ",", ",", ".", ".", ";", "?", "!")[rng.integers(11)]


def chinese(rng, count):
    out = [CHINESE[i] for i in rng.integers(len(CHINESE), size=count)]
    for i in range(3, count - 1):
        if rng.random() < 0.12 and out[i - 1] not in CHINESE_PUNCTUATION:
            out[i] = CHINESE_PUNCTUATION[rng.integers(4)]
    return "".join(out)


def chinese_pieces():
    """The pieces a byte-level vocabulary needs above its bytes: the first two bytes of each character, then the character."""
    encoded = [c.encode() for c in CHINESE + CHINESE_PUNCTUATION]
    pairs = sorted({b[:2] for b in encoded})
    return pairs + encoded
