# SPDX-License-Identifier: Apache-2.0
"""The rules by which readers of text are compared (tools/nano/reader/rates.py), and the pictures they are compared on."""

import hashlib
import json
import sys
from pathlib import Path

import pytest

READER = Path(__file__).resolve().parents[3] / "tools/nano/reader"
pytest.importorskip("numpy")
sys.path.insert(0, str(READER))
from engines import child  # noqa: E402
from rates import edits, errors, normal, rates  # noqa: E402


@pytest.mark.parametrize(
    "text, same",
    [
        ("“I wouldn’t,” he said—twice", '"I wouldn\'t," he said-twice'),
        ("''quoted''", '"quoted"'),
        (",,schnelle”", '"schnelle"'),
        ("ﬁve …", "five ..."),
        ("  a\tb \n\n c  ", "a b c"),
        ("• first\n▪ second", "first second"),
        ("Action: ---------", "Action: ---"),
        ("12.50 --", "12.50 --"),
    ],
)
def test_what_counts_as_the_same_text(text, same):
    assert normal(text) == same


def test_case_accents_and_order_count():
    assert normal("Ä a") not in (normal("ä a"), normal("A a"), normal("a Ä"))


def test_edits_are_levenshteins():
    assert [edits(a, b) for a, b in (("kitten", "sitting"), ("", "abc"), ("abc", "abc"), ("flaw", "lawn"))] == [3, 3, 0, 2]
    assert edits("the total is 9".split(), "total is 9 .".split()) == 2


def test_rates_of_a_line_read_with_one_wrong_letter_and_in_the_wrong_order():
    one = errors("the tota1 is 9", "the total is 9")
    assert rates(one) == (pytest.approx(100 / 14), 25, 75)
    assert rates(errors("c d a b", "a b c d"))[2] == 100


def test_every_real_picture_is_the_one_that_was_transcribed():
    pictures = json.loads((READER / "real/pictures.json").read_text())
    assert len(pictures) >= 20
    for p in pictures:
        file = READER / "real" / p["file"]
        assert hashlib.sha256(file.read_bytes()).hexdigest() == p["sha256"], p["file"]
        assert normal(file.with_suffix(".txt").read_text(encoding="utf-8")), p["file"]


def test_a_readers_peak_is_its_own():
    """Not that of a large process that starts it."""
    mine = bytearray(b"x") * 300_000_000
    text, seconds, peak = child([sys.executable, "-S", "-c", "import sys; print(sys.stdin.read())"], ["a.png", "b.png"])
    assert text.split() == ["a.png", "b.png"] and 0 <= seconds < 10 and 1 < peak < len(mine) / 1e6 / 2
    with pytest.raises(RuntimeError, match="failed"):
        child([sys.executable, "-S", "-c", "raise SystemExit(3)"], [])
