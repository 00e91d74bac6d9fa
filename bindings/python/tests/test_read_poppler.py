# SPDX-License-Identifier: Apache-2.0
"""`fovea read` and the other commands that take PDF files, with stand-ins for Poppler's programs."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import time
from pathlib import Path

import pytest
from command_line import run
from poppler_stand_in import install, page, write_pdf

SENTENCE = "This is the text of a page that is long enough."
LAYER = ["--text-layer", "always", "--dpi", "72"]
FEW = ["-p", "What is in the picture?", "--max-tokens", "2"]


@pytest.fixture(scope="module")
def poppler(tmp_path_factory):
    return install(tmp_path_factory.mktemp("poppler") / "bin")


@pytest.fixture
def read(command, poppler):
    """Calls `fovea read`; returns what it says on standard error."""

    def call(*arguments, code: int = 0, **options) -> str:
        done = run(command, "read", *arguments, env=poppler, **options)
        assert done.returncode == code, done.stderr
        return done.stderr.decode()

    return call


@pytest.fixture
def paper(root, tmp_path) -> Path:
    path = tmp_path / "paper.png"
    shutil.copy(root / "tools" / "nano" / "samples" / "number.png", path)
    return path


def written(*records: Path) -> "list[int]":
    return [record.stat().st_mtime_ns for record in records]


def test_pages_of_one_line_and_of_numbers_stay(read, small, tmp_path):
    rows = [f"{n} 21.50 {9 * n}" for n in range(3)]
    pages = [page([20, 100, 180, 110, SENTENCE], [20, 5, 180, 15, row], [90, 285, 110, 295, str(n)]) for n, row in enumerate(rows)]
    write_pdf(tmp_path / "table.pdf", pages)
    read(tmp_path / "table.pdf", "-o", tmp_path / "table.md", *LAYER)
    found = (tmp_path / "table.md").read_text()
    assert all(row in found for row in rows) and "\n0\n" not in found
    # Answers without places that are all the same.
    (tmp_path / "three").mkdir()
    for name in "abc":
        write_pdf(tmp_path / "three" / f"{name}.pdf", [page()])
    read(tmp_path / "three", "-o", tmp_path / "three.json", "-m", small, *FEW)
    answers = [[e["kind"] for e in p["elements"]] for p in json.loads((tmp_path / "three.json").read_text())["pages"]]
    assert answers == [["text"]] * 3


def test_apostrophes_are_letters(read, tmp_path):
    words = """Don't <say> "this" & that &amp; more"""
    write_pdf(tmp_path / "a.pdf", [page([20, 100, 180, 110, words])])
    read(tmp_path / "a.pdf", "-o", tmp_path / "a.json", *LAYER)
    (found,) = json.loads((tmp_path / "a.json").read_text())["pages"]
    assert found["elements"][0]["text"] == words


@pytest.mark.parametrize("receivers", ["all", "program"])
@pytest.mark.parametrize("what", ["read", "run", "encode", "describe"])
def test_an_interrupt_is_no_fault_of_a_page(command, poppler, tmp_path, what, receivers):
    """Ctrl-C goes to Poppler's programs too, kill to one program only."""
    drawn = tmp_path / "drawn"
    document = write_pdf(tmp_path / "d.pdf", [page([20, 100, 180, 110, SENTENCE]), page(waits=str(drawn)), page()])
    output = tmp_path / "out.md"
    arguments = {
        "read": [document, "-o", output, *LAYER],
        "run": ["-i", document, *FEW],
        "encode": [document, "-o", tmp_path / "capsules"],
        "describe": [document, "--grid", "0x0", "--no-summary", "--no-texts", "--max-tokens", "2"],
    }[what]
    child = subprocess.Popen(
        [command, what, *map(os.fspath, arguments)],
        env=poppler,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )
    limit = time.monotonic() + 60
    while not drawn.exists() and child.poll() is None and time.monotonic() < limit:
        time.sleep(0.01)
    sent = time.monotonic()
    (os.killpg if receivers == "all" else os.kill)(child.pid, signal.SIGINT)
    said = child.communicate()[1]
    assert child.returncode == 130 and time.monotonic() - sent < 15, said
    assert said.count(b"\n") == 1 and b"interrupted" in said
    assert not output.exists()


@pytest.fixture(scope="module")
def tuned(root, command, tmp_path_factory):
    """Two models that differ in nothing but weights."""
    models = []
    for change in (0, 1):
        folder = tmp_path_factory.mktemp("tuned")
        shutil.copytree(root / "Tests/ConversionTests/Fixtures/checkpoints/granite_docling/checkpoint", folder / "checkpoint")
        weights = folder / "checkpoint" / "model.safetensors"
        data = bytearray(weights.read_bytes())
        data[-2] ^= change
        weights.write_bytes(data)
        done = run(command, "convert", folder / "checkpoint", "-o", folder / "m.fovea", "-q")
        assert done.returncode == 0, done.stderr
        models.append(folder / "m.fovea")
    return models


def test_records_are_of_one_model_and_its_options(command, read, paper, tuned, tmp_path):
    output, record = tmp_path / "out.md", tmp_path / "out.md.pages" / "0001.json"
    last = 0
    for options in (["-m", tuned[0]], ["-m", tuned[1]], ["-m", tuned[1], "--context-length", "1000"], ["-m", tuned[1], "--cache-type", "f32"]):
        for isNew in (True, False):
            read(paper, "-o", output, "--max-tokens", "2", *options)
            assert (written(record)[0] > last) == isNew, options
            last = written(record)[0]
    # A packed file is the same model.
    assert run(command, "pack", tuned[1], "-o", tmp_path / "packed.fovea").returncode == 0
    read(paper, "-o", output, "--max-tokens", "2", "-m", tmp_path / "packed.fovea", "--cache-type", "f32")
    assert written(record)[0] == last


def test_described_images_are_of_one_model(command, paper, tuned, tmp_path):
    options = ["--grid", "0x0", "--no-summary", "--no-texts", "--max-tokens", "2", "-o", tmp_path / "records.jsonl", paper]
    assert run(command, "describe", "-m", tuned[0], *options).returncode == 0
    assert run(command, "describe", "-m", tuned[0], *options).returncode == 0
    for other in (["-m", tuned[1]], ["-m", tuned[0], "--context-length", "1000"], ["-m", tuned[0], "--cache-type", "f32"]):
        done = run(command, "describe", *other, *options)
        assert done.returncode == 64 and b"other settings" in done.stderr


def test_a_text_layer_that_changed_is_taken(read, tmp_path):
    output = tmp_path / "out.md"
    for words in ("The first words that OCR recognised.", "The better words that OCR recognised."):
        write_pdf(tmp_path / "scan.pdf", [page([20, 100, 180, 110, words], boxes=[[20, 100, 180, 110]])])
        read(tmp_path / "scan.pdf", "-o", output, *LAYER)
        assert words in output.read_text()


def test_what_cannot_be_opened_is_one_page(read, paper, tmp_path):
    folder = tmp_path / "scans"
    folder.mkdir()
    shutil.copy(paper, folder / "1.png")
    (folder / "2.png").symlink_to(tmp_path / "nothing.png")
    (folder / "notes").symlink_to(tmp_path / "nothing")
    with open(folder / "3.png", "wb") as large:
        large.truncate(513 << 20)
    if os.getuid() != 0:
        shutil.copy(paper, folder / "4.png")
        (folder / "4.png").chmod(0)
    said = read(folder, "-o", tmp_path / "out.json", *FEW, code=65)
    failed = len(list(folder.glob("?.png"))) - 1
    assert f"{failed} of {failed + 1} pages" in said and "2.png: cannot be read" in said and "3.png" in said and "notes" not in said
    pages = json.loads((tmp_path / "out.json").read_text())["pages"]
    assert ["error" in p for p in pages] == [False] + [True] * failed


@pytest.mark.parametrize("name", ["papers", "."])
def test_a_document_within_its_folder_is_not_read(read, tmp_path, name):
    folder = tmp_path / "papers"
    folder.mkdir()
    write_pdf(folder / "a.pdf", [page([20, 20, 180, 30, SENTENCE], boxes=[[40, 100, 160, 200]])])
    output = folder / "book.md"
    inside = folder if name == "." else tmp_path
    found = []
    for _ in range(2):
        read(name, "-o", os.path.join(name, "book.md"), *LAYER, cwd=inside)
        found.append(output.read_text())
    assert "![figure]" in found[0] and found[1] == found[0]


def test_a_picture_may_name_the_mark_of_pdf_files(read, tmp_path):
    from PIL import Image, PngImagePlugin

    facts = PngImagePlugin.PngInfo()
    facts.add_text("Comment", "made of %PDF-1.4")
    Image.new("RGB", (60, 40), "white").save(tmp_path / "a.png", pnginfo=facts)
    Image.new("RGB", (60, 40), "white").save(tmp_path / "b.jpg", comment=b"made of %PDF-1.4")
    read(tmp_path / "a.png", tmp_path / "b.jpg", "-o", tmp_path / "out.md", *FEW)


@pytest.mark.parametrize("turn", [0, 90, 180, 270])
def test_turned_and_cropped_pages_are_as_they_are_shown(read, tmp_path, turn):
    lines = [[120, 110, 280, 120, SENTENCE], [280, 170, 300, 180, SENTENCE]]
    pages = [page(*lines, boxes=[[120, 130, 180, 170]], size=(400, 300), crop=[100, 100, 300, 200], turn=turn)] * 2
    # Who reads only the first line that looks so finds one page.
    write_pdf(tmp_path / "a.pdf", pages, title="A title\nPages:           1\nPage    2 rot:   90")
    read(tmp_path / "a.pdf", "-o", tmp_path / "a.json", *LAYER)
    found = json.loads((tmp_path / "a.json").read_text())["pages"]
    assert [(p["width"], p["height"]) for p in found] == [(200, 100)] * 2
    for shown in found:
        boxes = [e["box_500"] for e in shown["elements"] if e["kind"] != "picture"]
        assert boxes == [[50, 50, 450, 100], [450, 350, 500, 400]]
        (figure,) = [e["box_500"] for e in shown["elements"] if e["kind"] == "picture"]
        assert all(abs(a - b) <= 10 for a, b in zip(figure, [50, 150, 200, 350]))
