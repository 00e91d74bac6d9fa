# SPDX-License-Identifier: Apache-2.0
"""What the reader's training is told about a page (tools/nano/reader/pages.py)."""

import sys
from pathlib import Path

import pytest

np = pytest.importorskip("numpy")
Image = pytest.importorskip("PIL.Image")
sys.path.insert(0, str(Path(__file__).resolve().parents[3] / "tools/nano"))
from reader import pages as P  # noqa: E402
from reader import sheet, stock  # noqa: E402


def page(text, boxes, size=(144, 144), enlarge=100):
    """A page with one word, each letter in its box."""
    origins = np.arange(len(text), dtype=np.int32)
    return P.Page(Image.new("RGB", size, "white"), "label", 12.0, text, origins, text, np.array(boxes, np.float32), {}, None, [], enlarge)


def seen(text, boxes, size=(144, 144), enlarge=100):
    made = page(text, boxes, size, enlarge)
    _, grid, middles, placed = P.view(made)
    patch, token = P.labels(made, grid, middles, placed)
    return grid, middles, patch, token


def test_narrow_letters_side_by_side_have_labels_of_their_own():
    """An i and an l of three pixels stand in one slot of the locations: each has its own of the fine ones."""
    boxes = [(16, 32, 20, 40), (20.2, 32, 23.2, 40), (23.4, 32, 26.4, 40), (27, 32, 32, 40)]
    grid, middles, _, token = seen("milk", boxes)
    assert grid == (1, 1)
    coarse = P.slots_of(middles)
    assert (coarse[1] == coarse[2]).all()
    within = P.within_of(middles)
    assert len(set(within)) == 4
    cell = token[0, P.tokens_of(middles, grid)[0] - (P.CELLS**2 + 1)]
    assert [cell[w] for w in within] == [stock.CLASS[c] for c in "milk"]
    assert (cell[: P.FINE * P.SLOTS_Y] != stock.NO_CHARACTER).sum() == 4


def test_lines_begin_and_end_where_their_letters_stand():
    boxes = [(10 + 12 * i, 50, 20 + 12 * i, 62) for i in range(5)]
    grid, middles, _, token = seen("hello", boxes)
    ends = token[0, :, -2:].reshape(P.CELLS, P.CELLS, 2)
    assert [tuple(int(v) for v in np.argwhere(ends[..., k])[0]) for k in (0, 1)] == [(3, 0), (3, 3)]
    assert ends.sum() == 2


@pytest.mark.parametrize(
    "size, grid, enlarge", [((144, 144), (1, 1), 100), ((300, 140), (1, 3), 100), ((300, 140), (2, 4), 150), ((1000, 1400), None, 125)]
)
def test_places_and_labels_agree(size, grid, enlarge):
    """A letter's vector and slot, as answers name them, hold its dense label, also on a page that is shrunk or enlarged."""
    boxes = [(0.8 * size[0], 0.7 * size[1], 0.8 * size[0] + 20, 0.7 * size[1] + 30)]
    found, middles, _, token = seen("Q", boxes, size, enlarge)
    assert grid in (None, found) and found[0] * found[1] <= P.MOST
    at = int(P.tokens_of(middles, found)[0])
    view, vector = divmod(at, P.CELLS**2 + 1)
    assert view >= 1, "the low-resolution view comes first"
    assert token[view - 1, vector, P.within_of(middles)[0]] == stock.CLASS["Q"]


def test_what_has_two_answers_is_not_asked():
    drawn = sheet.Sheet(Image.new("RGB", (200, 100), "white"), (0, 0, 0))
    total, one, other, both = (
        sheet.Span(text, start, row) for row, (text, start) in enumerate((("TOTAL", 0), ("3.50", 5), ("9.99", 9), ("VAT", 13)))
    )
    drawn.fact("What is the total?", total, one)
    drawn.fact("What is the VAT?", both, one)
    drawn.fact("What is the VAT?", both, other)
    drawn.fact("What is not there?", None, one)
    drawn.fact("What was cut off?", both, None)
    facts = P.facts_of(drawn)
    assert list(facts) == ["What is the total?"]
    text, origins, caption = facts["What is the total?"]
    assert text == "3.50" and list(origins) == [5, 6, 7, 8] and caption == 0


def test_an_answer_begins_with_the_place_of_its_caption(tmp_path):
    pytest.importorskip("sentencepiece")
    from reader import tokens

    tokens.build(str(tmp_path / "tokenizer.model"))
    tokenizer = tokens.Tokenizer(str(tmp_path / "tokenizer.model"))
    middles = np.array([(12, 20), (20, 20), (100, 20), (108, 20)], np.float32)  # "Ab" and "42" in one line
    where = P.slots_of(middles), P.within_of(middles), P.tokens_of(middles, (1, 1))
    ids, places, within = tokenizer.answer("42", np.array([2, 3]), *where, caption=0)
    row, column = tokenizer.first_row + 2, [tokenizer.first_column + int(12 / 16 * 3), tokenizer.first_column + int(100 / 16 * 3)]
    assert ids[:4] == [row, column[0], row, column[1]] and len(ids) == 4 + 2 + 1
    assert places[:2] == [where[2][0]] * 2 and places[2] == where[2][2] and within[:4] == [-1] * 4
    assert tokenizer.decode(ids).strip() == "42"
    assert tokenizer.answer("42", np.array([2, 3]), *where)[0] == ids[2:]
    line = [tokenizer.first_row + 3, column[0], tokenizer.ids["4"], tokenizer.ids["\n"], tokenizer.EOS]
    assert list(tokenizer.turns(line)) == [4, 1, 1, 2, 2]


def test_a_strip_is_some_whole_lines_of_a_page():
    """Six lines, two letters each; a word, a fact and the boxes go with their lines."""
    rows = ["ab", "cd", "ef", "gh", "ij", "kl"]
    text, letters = "\n".join(rows), "".join(rows)
    origins = np.array([-1 if c == "\n" else letters.index(c) for c in text], np.int32)
    boxes = np.array([(10 + 12 * (i % 2), 10 + 30 * (i // 2), 20 + 12 * (i % 2), 30 + 30 * (i // 2)) for i in range(12)], np.float32)
    image = Image.new("RGB", (60, 200), "white")
    for x0, y0, x1, y1 in boxes.astype(int):
        image.paste((0, 0, 0), (x0, y0, x1, y1))
    facts = {"What is it?": ("gh", np.array([6, 7], np.int32), 4)}  # its caption stands a line above
    whole = P.Page(image, "label", 12.0, text, origins, letters, boxes, facts, ("|", None), [("cd", 2), ("kl", 10)])
    counts, asked, named = set(), 0, set()
    for seed in range(40):
        strip = P.strip(np.random.default_rng(seed), whole, (1, 75))
        if not strip.text:
            continue
        lines = strip.text.split("\n")
        assert "\n".join(lines) in text and set(lines) <= set(rows) and strip.image.height <= 75
        counts.add(len(lines))
        for c, o in zip(strip.text, strip.origins):
            assert (c == "\n") == (o < 0)
            if o >= 0:
                x0, y0, x1, y1 = strip.boxes[o].astype(int)
                assert 0 <= y0 < y1 <= strip.image.height
                assert np.asarray(strip.image)[y0:y1, x0:x1].max() == 0
        assert ("What is it?" in strip.facts) == ("ef" in lines and "gh" in lines)
        assert {w for w, _ in strip.words} == {"cd", "kl"} & set(lines) and strip.table is None
        asked, named = asked + len(strip.facts), named | {w for w, _ in strip.words}
    assert counts == {1, 2} and asked and named == {"cd", "kl"}
