# SPDX-License-Identifier: Apache-2.0
"""`fovea read`: a document as a whole."""

from __future__ import annotations

import json
import os
import resource
import shutil
import signal
import subprocess
import time

import pytest
from command_line import run
from pdf_files import box, text, write_pdf

pytestmark = pytest.mark.skipif(shutil.which("pdftoppm") is None, reason="poppler-utils is not installed")

COUNT = 4


@pytest.fixture(scope="module")
def report(tmp_path_factory):
    """Pages with a header, a heading, a paragraph, a figure and a page number."""
    pages = [
        [
            text(72, 750, "Annual report of the mill"),
            text(72, 690, f"Chapter {'ABCD'[n]}", 20),
            text(72, 650, f"The mill of {'north east south west'.split()[n]} ground so many"),
            text(72, 636, "sacks that nobody counted."),
            box(150, 300, 250, 180),
            text(300, 40, f"- {n + 1} -"),
        ]
        for n in range(COUNT)
    ]
    return write_pdf(tmp_path_factory.mktemp("report") / "report.pdf", pages)


def read(command, *arguments, code: int = 0) -> str:
    done = run(command, "read", *arguments)
    assert done.returncode == code, done.stderr
    return done.stderr.decode()


@pytest.fixture(scope="module")
def docling(root, command, tmp_path_factory):
    """A model that answers in DocTags, of random weights."""
    path = tmp_path_factory.mktemp("docling") / "m.fovea"
    checkpoint = root / "Tests/ConversionTests/Fixtures/checkpoints/granite_docling/checkpoint"
    assert run(command, "convert", checkpoint, "-o", path, "-q").returncode == 0
    return path


def test_the_text_of_a_pdf_becomes_markdown(command, report, tmp_path):
    output = tmp_path / "report.md"
    read(command, report, "-o", output, "--text-layer", "auto", "--dpi", "72")
    found = output.read_text()
    assert "Annual report" not in found and "- 2 -" not in found
    pages = found.split('<a id="page-')[1:]
    assert len(pages) == COUNT
    assert pages[1] == (
        '2"></a>\n\n## Chapter B\n\nThe mill of east ground so many sacks that nobody counted.\n\n![figure](report.md.figures/page-0002-1.png)\n\n'
    )
    from PIL import Image

    with Image.open(tmp_path / "report.md.figures" / "page-0002-1.png") as figure:
        assert 240 <= figure.width <= 275 and 170 <= figure.height <= 205
        assert figure.convert("RGB").getpixel((120, 90)) == (51, 102, 204)
    read(command, report, "-o", output, "--text-layer", "auto", "--dpi", "72", "--keep-repeated")
    assert output.read_text().count("Annual report") == COUNT


def test_html_and_json_are_of_the_same_records(command, report, tmp_path):
    html, facts = tmp_path / "a.html", tmp_path / "a.json"
    read(command, report, "-o", html, "--text-layer", "always", "--dpi", "72")
    found = html.read_text()
    assert found.count("<section id=") == COUNT and '<img src="a.html.figures/page-0001-1.png"' in found and "<h2>Chapter A</h2>" in found
    read(command, report, "-o", facts, "--text-layer", "always", "--dpi", "72")
    document = json.loads(facts.read_text())
    assert [p["page"] for p in document["pages"]] == [1, 2, 3, 4] and document["pages"][0]["from"] == "text layer"
    kinds = [e["kind"] for e in document["pages"][2]["elements"]]
    assert kinds == ["page_header", "section_header", "text", "picture", "page_footer"]
    assert all(len(e["box_500"]) == 4 for e in document["pages"][2]["elements"])


def test_pages_are_read_and_not_read_again(command, report, tmp_path):
    output = tmp_path / "out.md"
    options = ["-o", output, "-p", "What is in the picture?", "--max-tokens", "6", "--dpi", "50"]
    read(command, report, *options)
    first = output.read_text()
    assert first.count("<a id=") == COUNT
    records = sorted((tmp_path / "out.md.pages").iterdir())
    assert [r.name for r in records] == [f"{n:04}.json" for n in range(1, COUNT + 1)]
    times = [r.stat().st_mtime_ns for r in records]
    records[2].unlink()
    read(command, report, *options)
    assert output.read_text() == first
    assert [r.stat().st_mtime_ns for r in records][:2] == times[:2]
    # Another question: another record.
    read(command, report, *options[:3], "How many?", *options[4:])
    assert all(new.stat().st_mtime_ns > old for new, old in zip(records, times))


def test_what_was_broken_off_goes_on(command, report, tmp_path):
    output, store = tmp_path / "out.json", tmp_path / "out.json.pages"
    options = ["read", report, "-o", output, "-p", "What is in the picture?", "--max-tokens", "40", "--dpi", "100"]
    child = subprocess.Popen([command, *map(os.fspath, options)], stdin=subprocess.DEVNULL, stderr=subprocess.PIPE)
    deadline = time.monotonic() + 60
    while child.poll() is None and time.monotonic() < deadline and not (store.exists() and any(store.glob("0*.json"))):
        time.sleep(0.005)
    child.send_signal(signal.SIGKILL)
    child.communicate()
    kept = {p.name: p.stat().st_mtime_ns for p in store.glob("0*.json")}
    assert kept and all(json.loads((store / name).read_text()) for name in kept)
    assert run(command, *options).returncode == 0
    assert len(json.loads(output.read_text())["pages"]) == COUNT
    assert all((store / name).stat().st_mtime_ns == at for name, at in kept.items())


def test_doctags_are_one_document(root, command, docling, tmp_path):
    page = root / "Tests/ConversionTests/Fixtures/checkpoints/granite_docling/image.png"
    shutil.copy(page, tmp_path / "1.png")
    shutil.copy(page, tmp_path / "2.png")
    output = tmp_path / "out.json"
    read(command, tmp_path / "1.png", tmp_path / "2.png", "-o", output, "-m", docling, "--max-tokens", "8")
    document = json.loads(output.read_text())
    assert len(document["pages"]) == 2 and document["model"]["system"] and "elements" in document["pages"][0]


def test_a_page_that_cannot_be_read_is_named(command, tmp_path):
    from PIL import Image

    Image.new("RGB", (60, 40), "white").save(tmp_path / "a.png")
    (tmp_path / "b.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    output = tmp_path / "out.md"
    said = read(command, tmp_path / "a.png", tmp_path / "b.png", "-o", output, "--max-tokens", "2", code=65)
    assert "b.png" in said and "1 of 2 pages" in said
    assert "could not be read" in output.read_text()


@pytest.mark.parametrize("arguments", [["-o", "-"], ["-o", "x.md", "--dpi", "0"], ["-o", "x.md", "-p", "a", "--task", "b"], []])
def test_wrong_usage(command, report, arguments):
    read(command, report, *arguments, code=64)


def test_a_page_of_any_size_is_drawn_or_named(command, tmp_path):
    # 10 000 inches a side; at 200 dots per inch 12 TB of pixels.
    write_pdf(tmp_path / "wall.pdf", [[box(0, 0, 720000, 720000)]], size=(720000, 720000))
    done = run(command, "read", tmp_path / "wall.pdf", "-o", tmp_path / "wall.json", "--max-tokens", "2")
    record = json.loads((tmp_path / "wall.json.pages" / "0001.json").read_text())
    assert done.returncode == 0 and 5000 < record["width"] <= 16384
    # Where the drawing itself gets no memory there is no picture.
    done = run(command, "run", "-i", tmp_path / "wall.pdf", "-p", "?", "--dpi", "2400", "--max-tokens", "2", preexec_fn=little_memory)
    assert done.returncode == 65 and b"wall.pdf, page 1" in done.stderr


def little_memory():
    resource.setrlimit(resource.RLIMIT_AS, (200 << 20, 200 << 20))


def test_what_stands_beside_the_document_may_be_anything(command, report, tmp_path):
    out = tmp_path / "out.md"
    few = ["--max-tokens", "2"]
    run(command, "read", report, "-o", out, *few)
    whole, record = out.read_text(), tmp_path / "out.md.pages" / "0001.json"
    for damage in (b"", b"{}", b"null", b'{"text":5}', record.read_bytes()[:100]):
        record.write_bytes(damage)
        assert run(command, "read", report, "-o", out, *few).returncode == 0 and out.read_text() == whole
    record.unlink()
    os.mkfifo(record)
    done = run(command, "read", report, "-o", out, *few)
    assert done.returncode == 73 and b"0001.json" in done.stderr


@pytest.mark.parametrize("output", ["/dev/null", "folder", "pipe"])
def test_a_document_is_a_file(command, report, tmp_path, output):
    (tmp_path / "folder").mkdir()
    os.mkfifo(tmp_path / "pipe")
    done = run(command, "read", report, "-o", tmp_path / output)
    assert done.returncode == 64 and output.encode() in done.stderr
    assert sorted(p.name for p in tmp_path.iterdir()) == ["folder", "pipe"] and not os.path.exists(output + ".pages")
