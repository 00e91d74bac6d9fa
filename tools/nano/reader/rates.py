# SPDX-License-Identifier: Apache-2.0
"""What counts as the same text, and error rates. Every reader's text and every transcript pass `normal` first.

- Unicode NFKC: ligatures, full-width forms and "…" become plain characters.
- Quotes of every form are ' or ", two ' or , in a row are ". Dashes and minus signs are "-".
- Bullets and check boxes are dropped: readers disagree on what they are, and a transcript cannot tell them from icons.
- Four or more equal rule characters (-_=.*) in a row count as three.
- Line breaks count as blanks, blanks in a row as one: what is measured is the text and its order, not its layout. Letter case counts.
"""

import re
import unicodedata
from collections import Counter

import numpy as np

SINGLE, DOUBLE = "‘’‚‛′`´", "“”„‟″"
DASHES = "‐‑‒–—―−"
ORNAMENTS = "•·‣▪▫■□●○◦▶►▸☐☑☒✓✔"
TABLE = {ord(c): "'" for c in SINGLE} | {ord(c): '"' for c in DOUBLE} | {ord(c): "-" for c in DASHES} | {ord(c): " " for c in ORNAMENTS}


def normal(text):
    # Before NFKC, which takes some accents apart from their blank.
    text = unicodedata.normalize("NFKC", text.translate(TABLE)).replace("''", '"').replace(",,", '"')
    return " ".join(re.sub(r"([-_=.*])\1{3,}", r"\1\1\1", text).split())


def edits(a, b):
    """Levenshtein distance of two sequences."""
    if len(a) < len(b):
        a, b = b, a
    if not b:
        return len(a)
    ids = {x: i for i, x in enumerate(set(a) | set(b))}
    a, b = (np.array([ids[x] for x in s]) for s in (a, b))
    at = np.arange(len(b) + 1)
    row = at.copy()
    for i, x in enumerate(a):
        new = np.minimum(row[1:] + 1, row[:-1] + (b != x))
        # Insertions run along the row: new[j] = min over k <= j of new[k] + j - k.
        row = np.minimum.accumulate(np.concatenate([[i + 1], new]) - at) + at
    return int(row[-1])


def errors(answer, truth):
    """Counts of one picture: edits of characters and of words, their numbers, and words found in any order."""
    a, t = normal(answer), normal(truth)
    words, said = t.split(), a.split()
    return Counter(
        edits=edits(a, t), characters=len(t), word_edits=edits(said, words), words=len(words), found=sum((Counter(words) & Counter(said)).values())
    )


def rates(counts):
    """Per cent of summed counts: character error rate, word error rate, words found in any order."""
    return (
        100 * counts["edits"] / max(1, counts["characters"]),
        100 * counts["word_edits"] / max(1, counts["words"]),
        100 * counts["found"] / max(1, counts["words"]),
    )
