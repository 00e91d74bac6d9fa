# SPDX-License-Identifier: Apache-2.0
"""Documents on the command line: pages one after another, PDF files, and what keeps an answer from repeating itself."""

from __future__ import annotations

import json
import os
import shutil
import subprocess

import fovea
import pytest

ASK = ["-p", "What is in the picture?", "--max-tokens", "6", "--ignore-eos"]


def run(root, *arguments: str, code: int = 0) -> str:
    done = subprocess.run(
        [str(root / "build" / "bin" / "fovea"), "run", *arguments], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    assert done.returncode == code, done.stderr
    return done.stdout.decode() if code == 0 else done.stderr.decode()


def draw(number: int):
    from PIL import Image, ImageDraw

    page = Image.new("RGB", (300, 420), "white")
    pen = ImageDraw.Draw(page)
    for line in range(12):
        pen.text((20, 20 + 30 * line), f"Page {number}, line {line}: {number * line}", fill="black")
    return page


def write_pdf(path, count: int) -> str:
    pages = [draw(i + 1) for i in range(count)]
    pages[0].save(path, save_all=True, append_images=pages[1:])
    return str(path)


@pytest.fixture(scope="module")
def pages(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pages")
    paths = []
    for i in range(3):
        draw(i + 1).save(folder / f"{i}.png")
        paths += ["-i", str(folder / f"{i}.png")]
    return paths


def test_each_page_is_answered_by_itself(root, pages):
    alone = [run(root, *pages[i : i + 2], *ASK).rstrip("\n") for i in (0, 2, 4)]
    assert run(root, "--pages", *pages, *ASK) == "\n\n---\n\n".join(alone) + "\n"
    assert run(root, "--pages", *pages, *ASK, "--output-format", "text") == "\n\f".join(alone) + "\n"
    latex = run(root, "--pages", *pages, *ASK, "--output-format", "latex")
    assert latex.startswith("\\documentclass") and latex.endswith("\\end{document}\n") and latex.count("\\newpage") == 2
    report = json.loads(run(root, "--pages", *pages, *ASK, "--json"))
    assert [page["text"] for page in report["pages"]] == alone
    assert [page["page"] for page in report["pages"]] == [1, 2, 3]
    assert all(page["generated_tokens"] == 6 and page["stop_reason"] == "length" for page in report["pages"])


def test_pages_need_images(root):
    assert "--pages needs images" in run(root, "--pages", *ASK, code=64)


@pytest.mark.skipif(shutil.which("pdftoppm") is None, reason="pdftoppm is not installed")
def test_a_pdf_is_read_page_by_page_with_flat_memory(root, tmp_path):
    def peak(count: int) -> int:
        path = write_pdf(tmp_path / f"{count}.pdf", count)
        child = subprocess.Popen(
            [str(root / "build" / "bin" / "fovea"), "run", "-i", path, *ASK, "--json", "--dpi", "72"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
        )
        report = json.loads(child.stdout.read())
        _, status, usage = os.wait4(child.pid, 0)
        child.returncode = status
        assert status == 0 and len(report["pages"]) == count
        assert report["pages"][-1]["source"].endswith(f"{count}.pdf, page {count}")
        return usage.ru_maxrss

    assert peak(20) < 1.1 * peak(2)


@pytest.mark.skipif(shutil.which("pdftoppm") is None, reason="pdftoppm is not installed")
def test_a_broken_pdf_is_named(root, tmp_path):
    path = tmp_path / "broken.pdf"
    path.write_bytes(b"%PDF-1.4 nothing")
    assert "broken.pdf" in run(root, "-i", str(path), *ASK, code=65)


def test_loops_end_early_and_runs_are_banned(model):
    """A model that may not stop says the same again and again."""
    session = model.session()
    options = {"raw": True, "max_tokens": 200, "ignore_eos": True}

    def repeats(ids, last):
        return any(ids[-last + period :] == ids[-last:-period] for period in range(1, 9))

    def looping(**more):
        """A prompt whose answer runs into a loop, and that answer."""
        for prompt in ("1 1 1 1 1 1 1 1", "a a a a a a a a", "x", "the the the the", "...........", "0000000000", "- - - - - -", "| | | | |"):
            free = session.generate_ids(prompt, **options, **more)
            assert session.last.stop_reason == "length"
            if repeats(free, 40):
                return prompt, free
        return pytest.skip("the built-in model runs into no loop here")

    prompt, free = looping()
    looped = session.generate_ids(prompt, loop_tokens=32, **options)
    assert session.last.stop_reason == "loop" and len(looped) < 200 and looped == free[: len(looped)]
    beamed, _ = looping(beams=2)
    found = session.generate_ids(beamed, loop_tokens=32, beams=2, **options)
    assert session.last.stop_reason == "loop" and len(found) < 200 and repeats(found, 32)
    other = session.generate_ids(prompt, ngram_ban=3, **options)
    runs = [tuple(other[i : i + 3]) for i in range(len(other) - 2)]
    assert len(set(runs)) == len(runs)


@pytest.mark.parametrize("options", [{"ngram_ban": 1}, {"ngram_ban": -2}, {"ngram_window": -1}, {"loop_tokens": 7}])
def test_wrong_numbers_are_refused(model, image, options):
    with pytest.raises(fovea.ArgumentError):
        model.session().generate("a", [image], max_tokens=1, **options)


def test_tiles_need_a_system_that_cuts_on_request(model, picture):
    with pytest.raises(fovea.ArgumentError, match="tiles"):
        model.encode_image(picture, tiles=4)


def test_modes_need_a_system_that_has_some(model, picture):
    with pytest.raises(fovea.ArgumentError, match="mode"):
        model.encode_image(picture, mode="tiny")
    with pytest.raises(ValueError, match="mode"):
        model.encode_image(picture, mode="ti\0ny")
