# SPDX-License-Identifier: Apache-2.0
"""The core of fovea_corpus, without Ray and Spark: tools/check-corpus runs those."""

from __future__ import annotations

import json
import shutil

import fovea
import fovea_corpus
import pytest
from fovea_corpus import Input, Settings, Worker, find_inputs, model_identity
from fovea_corpus._inputs import is_pdf
from pdf_files import text, write_pdf

ASK = Settings(prompt="What is in the picture?", max_tokens=4, threads=2)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    from PIL import Image

    top = tmp_path_factory.mktemp("corpus")
    (top / "below").mkdir()
    for i in range(3):
        Image.new("RGB", (60 + i, 40), (40 * i, 90, 200)).save(top / ("below" if i else ".") / f"{i}.png")
    (top / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\n and no more")
    (top / "notes.txt").write_text("no picture")
    return top


@pytest.fixture(scope="module")
def worker():
    return Worker(ASK)


def test_a_record_says_what_was_asked_and_answered(folder, worker, model):
    records = list(worker.records(find_inputs([str(folder)])))
    assert [r["source"] for r in records] == ["0.png", "below/1.png", "below/2.png", "broken.png"]
    first = records[0]
    alone = model.session().generate(ASK.prompt, str(folder / "0.png"), max_tokens=4)
    assert first["answer"] == alone and first["error"] is None and (first["width"], first["height"]) == (60, 40)
    assert first["encode_seconds"] > 0 and first["decode_seconds"] > 0 and first["page"] == 0
    assert json.loads(first["options"])["max_tokens"] == 4 and first["model_id"] == model_identity(None)
    assert records[3]["answer"] is None and "broken" not in records[3]["error"] and records[3]["error"].startswith("ImageError")


def test_what_is_done_is_not_done_again(folder, worker):
    items = find_inputs([str(folder)])
    ids = [r["record_id"] for r in worker.records(items)]
    assert len(set(ids)) == 4
    worker.done = frozenset(ids[:2])
    assert [r["record_id"] for r in worker.records(items)] == ids[2:]
    worker.done = frozenset()


def test_identity_holds_what_changes_answers(folder):
    other = Settings(prompt="What is in the picture?", max_tokens=5)
    assert ASK.identity() != other.identity()
    assert ASK.identity() == Settings(prompt=ASK.prompt, max_tokens=4, threads=1, memory_budget=1 << 30).identity()


def test_wrong_settings_are_no_record(folder):
    wrong = Worker(Settings(prompt="x", options={"top_p": 7.0}))
    with pytest.raises(fovea.ArgumentError):
        list(wrong.records(find_inputs([str(folder / "0.png")])))


def test_a_file_that_went_away_is_a_record(worker, tmp_path):
    (record,) = worker.records([Input("gone.png", str(tmp_path / "gone.png"))])
    assert record["error"].startswith("FileNotFoundError")


def test_two_inputs_of_one_name_are_refused(folder):
    with pytest.raises(ValueError, match="told apart"):
        find_inputs([str(folder / "0.png"), str(folder)])
    with pytest.raises(FileNotFoundError):
        find_inputs([str(folder / "nothing")])


def test_pdf_files_are_known_by_their_bytes():
    assert is_pdf(b"\n%PDF-1.4") and not is_pdf(b"\x89PNG")


@pytest.mark.skipif(shutil.which("pdftoppm") is None, reason="poppler-utils is not installed")
def test_every_page_of_a_pdf_is_a_record(worker, tmp_path):
    write_pdf(tmp_path / "a.pdf", [[text(72, 700, f"Page {n}", 30)] for n in range(3)])
    (tmp_path / "b.pdf").write_bytes(b"%PDF-1.4 and no more")
    records = list(worker.records(find_inputs([str(tmp_path)])))
    assert [(r["source"], r["page"]) for r in records] == [("a.pdf", 1), ("a.pdf", 2), ("a.pdf", 3), ("b.pdf", 0)]
    assert len({r["record_id"] for r in records}) == 4 and len({r["input_hash"] for r in records}) == 2
    assert all(r["answer"] is not None and r["error"] is None for r in records[:3]) and "pdfinfo" in records[3]["error"]


def test_records_are_kept_in_parts_and_put_together(folder, tmp_path):
    pytest.importorskip("pyarrow")
    assert fovea_corpus.run_local([str(folder)], str(tmp_path), ASK, batch=2) == 4
    files = sorted(p.name for p in tmp_path.iterdir())
    assert len(files) == 1 and files[0].startswith("answers-")
    before = list(fovea_corpus.read_records(tmp_path))
    assert fovea_corpus.run_local([str(folder)], str(tmp_path), ASK, batch=2) == 4
    assert list(fovea_corpus.read_records(tmp_path)) == before
