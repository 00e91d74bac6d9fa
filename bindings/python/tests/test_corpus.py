# SPDX-License-Identifier: Apache-2.0
"""The core of fovea_corpus, without Ray and Spark: tools/check-corpus runs those."""

from __future__ import annotations

import json
import os
import shutil
import sys
from dataclasses import replace
from pathlib import Path

import fovea
import fovea_corpus
import pytest
from fovea_corpus import Input, Settings, Store, Worker, __main__, _run, find_inputs, model_identity
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


def test_pictures_are_those_of_the_command_line(folder, worker, tmp_path):
    picture = (folder / "0.png").read_bytes()
    (tmp_path / "more").mkdir()
    for name in ("without", "more/notes.txt", ".hidden.png"):
        (tmp_path / name).write_bytes(picture)
    (tmp_path / "a.heic").write_bytes(b"\0\0\0\x18ftypheic" + bytes(16))
    (tmp_path / "b").write_bytes(b"\0\0\0\x18ftypmp42" + bytes(16))
    (tmp_path / "c.txt").write_text("BMW")
    (tmp_path / "gone.jpg").symlink_to("nothing")
    (tmp_path / "more" / "round").symlink_to("..")
    records = {r["source"]: r for r in worker.records(find_inputs([str(tmp_path)]))}
    assert list(records) == ["a.heic", "gone.jpg", "more/notes.txt", "without"]
    assert records["without"]["error"] is None and records["more/notes.txt"]["answer"] == records["without"]["answer"]
    assert "HEIC" in records["a.heic"]["error"] and records["gone.jpg"]["error"].startswith("FileNotFoundError")


def test_the_output_folder_is_no_input(folder, tmp_path):
    pytest.importorskip("pyarrow")
    shutil.copy(folder / "0.png", tmp_path)
    for _ in range(2):
        assert fovea_corpus.run_local([str(tmp_path)], str(tmp_path / "answers"), ASK) == 1
    with pytest.raises(ValueError, match="is the output folder"):
        fovea_corpus.run_local([str(tmp_path)], str(tmp_path), ASK)


def test_inputs_that_cannot_be_read_are_records(folder, tmp_path):
    pytest.importorskip("pyarrow")
    inputs = tmp_path / "inputs"
    inputs.mkdir()
    shutil.copy(folder / "0.png", inputs)
    shutil.copy(folder / "0.png", os.fsencode(inputs) + b"/1\xff.png")
    (inputs / os.fsdecode(b"2\xff.png")).symlink_to(os.fsdecode(b"gone\xff"))
    (inputs / "3.parquet").write_bytes(b"PAR1 and no more")
    assert fovea_corpus.run_local([str(inputs)], str(tmp_path / "answers"), ASK) == 4
    records = {r["source"]: r["error"] for r in fovea_corpus.read_records(tmp_path / "answers")}
    assert list(records) == ["0.png", "1\\xff.png", "2\\xff.png", "3.parquet"]
    assert records["0.png"] is None and records["1\\xff.png"] is None
    assert "FileNotFoundError" in records["2\\xff.png"] and "ValueError" in records["3.parquet"]


def test_rows_that_hold_no_picture_are_records(folder, worker, tmp_path):
    pytest.importorskip("pyarrow")
    import pyarrow as pa
    import pyarrow.parquet

    pyarrow.parquet.write_table(pa.table({"image": [1, None]}), tmp_path / "a.parquet")
    # Answers of another run, say.
    pyarrow.parquet.write_table(pa.table({"answer": ["a"]}), tmp_path / "b.parquet")
    errors = [r["error"] for r in worker.records(find_inputs([str(tmp_path)]))]
    assert errors == [
        "ValueError: the row holds int, neither bytes nor a path",
        "ValueError: the row holds no image",
        "ValueError: has no column image",
    ]
    with pytest.raises(ValueError, match="has no column"):
        find_inputs([str(tmp_path / "b.parquet")])


def test_a_picture_that_does_not_fit_the_budget_is_a_record(folder, tmp_path, small):
    pytest.importorskip("pyarrow")
    from PIL import Image

    # Progressive, so that its coefficients are held.
    Image.frombytes("RGB", (2000, 2000), os.urandom(12_000_000)).save(tmp_path / "large.jpg", progressive=True, quality=95)
    shutil.copy(folder / "0.png", tmp_path)
    output = tmp_path / "answers"
    ask = replace(ASK, model=small)
    least = replace(ask, threads=1, memory_budget=fovea.plan(small)["least_bytes"])
    assert fovea_corpus.run_local([str(tmp_path)], str(output), least) == 2
    errors = {r["source"]: r["error"] for r in fovea_corpus.read_records(output)}
    assert errors["0.png"] is None and errors["large.jpg"].startswith("OutOfMemory")
    # The budget is no part of a record's identity: with more memory it is read.
    assert fovea_corpus.run_local([str(tmp_path)], str(output), ask) == 2
    assert [r["error"] for r in fovea_corpus.read_records(output)] == [None, None]


def poppler(folder: Path, **programs: str) -> str:
    """A PATH of these scripts alone."""
    folder.mkdir()
    for name, lines in programs.items():
        (folder / name).write_text(f"#!/bin/sh\n{lines}\n")
        (folder / name).chmod(0o755)
    return str(folder)


def test_failures_that_pass_are_tried_again(folder, tmp_path, monkeypatch):
    pytest.importorskip("pyarrow")
    document, output = tmp_path / "a.pdf", tmp_path / "answers"
    document.write_bytes(b"%PDF-1.4")
    run = lambda: fovea_corpus.run_local([str(document), str(folder / "broken.png")], str(output), ASK)
    errors = lambda: [(r["source"], r["page"], r["error"] and r["error"].split(":")[0]) for r in fovea_corpus.read_records(output)]
    broken = ("broken.png", 0, "ImageError")

    # pdfinfo is killed, then pdftoppm, then all is well.
    monkeypatch.setenv("PATH", poppler(tmp_path / "first", pdfinfo="kill -9 $$"))
    assert run() == 2 and errors() == [("a.pdf", 0, "OSError"), broken]
    pages = "echo Pages: 2"
    monkeypatch.setenv(
        "PATH", poppler(tmp_path / "second", pdfinfo=pages, pdftoppm=f'case "$*" in *"-f 2"*) exit 1; esac; exec /bin/cat {folder}/0.png')
    )
    assert run() == 3 and errors() == [("a.pdf", 1, None), ("a.pdf", 2, "OSError"), broken]
    assert run() == 3 and len(errors()) == 3
    monkeypatch.setenv("PATH", poppler(tmp_path / "third", pdfinfo=pages, pdftoppm=f"exec /bin/cat {folder}/0.png"))
    assert run() == 3 and errors() == [("a.pdf", 1, None), ("a.pdf", 2, None), broken]
    # And nothing is read again.
    before = sorted(output.iterdir())
    assert run() == 3 and sorted(output.iterdir()) == before


def test_an_interrupted_merge_is_put_right_the_next_time(tmp_path):
    pytest.importorskip("pyarrow")
    import pyarrow.parquet

    store = Store(tmp_path)
    record = {"source": "a.png", "page": 0, "input_hash": "1", "model_id": "m", "options": "o"}
    failed = {**record, "record_id": "a", "error": "OutOfMemory: there is none"}
    read = {**record, "record_id": "a", "answer": "b"}
    for name, records in (("answers-1", [failed, {**read, "record_id": "b", "source": "b.png"}]), ("answers-2", [read]), ("part-3", [failed])):
        store._put(f"{name}.parquet", records)
    assert store.done() == {"a", "b"}
    assert [(r["record_id"], r["error"]) for r in fovea_corpus.read_records(tmp_path)] == [("b", None), ("a", None)]
    assert store.compact() == 2
    rows = [r for path in tmp_path.iterdir() for r in pyarrow.parquet.read_table(path).to_pylist()]
    assert sorted((r["record_id"], r["answer"]) for r in rows) == [("a", "b"), ("b", "b")]


def test_missing_programs_end_the_run_with_a_sentence(tmp_path, monkeypatch, capsys):
    pytest.importorskip("pyarrow")
    (tmp_path / "a.pdf").write_bytes(b"%PDF-1.4")
    monkeypatch.setenv("PATH", str(tmp_path))
    assert __main__.main(["local", str(tmp_path / "a.pdf"), "-o", str(tmp_path / "answers"), "-p", "x"]) == 65
    assert capsys.readouterr().err.endswith("PDF files need pdfinfo, which is not installed; it is in the package poppler-utils.\n")


def test_a_missing_package_is_named(tmp_path, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    monkeypatch.setitem(sys.modules, "pyarrow.parquet", None)
    assert __main__.main(["local", str(tmp_path), "-o", str(tmp_path / "answers"), "-p", "x"]) == 65
    assert "pip install 'fovea-vlm[corpus]'" in capsys.readouterr().err


def test_cores_are_the_threads_of_this_process(tmp_path, monkeypatch):
    pytest.importorskip("pyarrow")
    made = []

    class Recording(Worker):
        def __init__(self, settings, done):
            made.append(settings.threads)
            super().__init__(settings, done)

    monkeypatch.setattr(_run, "Worker", Recording)
    assert __main__.main(["local", str(tmp_path), "-o", str(tmp_path / "answers"), "-p", "x", "--cores", "1"]) == 0
    assert made == [1]


@pytest.mark.parametrize(
    "arguments, code, sentence",
    [
        (["--options", '{"bogus": 1}'], 65, "bogus"),
        (["--options", '{"n": 2}'], 65, "n is not for records"),
        (["--options", '{"stop": 3}'], 65, "stop"),
        (["--options", "[1]"], 2, "--options"),
        (["--options", "{"], 2, "--options"),
        (["--batch", "-1"], 2, "--batch"),
        (["--batch", "0"], 2, "--batch"),
        (["--cores", "0"], 2, "--cores"),
        (["--dpi", "-1"], 2, "--dpi"),
        (["--memory-budget", "infG"], 2, "--memory-budget"),
    ],
)
def test_wrong_options_are_refused_with_a_sentence(folder, tmp_path, capsys, arguments, code, sentence):
    if code == 65:
        pytest.importorskip("pyarrow")
    try:
        found = __main__.main(["local", str(folder / "0.png"), "-o", str(tmp_path), "-p", "x", *arguments])
    except SystemExit as end:
        found = end.code
    assert found == code and sentence in capsys.readouterr().err.splitlines()[-1]


def test_no_batch_is_refused(folder, tmp_path):
    with pytest.raises(fovea.ArgumentError, match="batch"):
        fovea_corpus.run_local([str(folder)], str(tmp_path), ASK, batch=-1)


def test_control_c_ends_it_with_130(tmp_path, monkeypatch):
    def interrupted(*arguments, **more):
        raise KeyboardInterrupt

    monkeypatch.setattr(__main__, "run_local", interrupted)
    assert __main__.main(["local", str(tmp_path), "-o", str(tmp_path), "-p", "x"]) == 130
