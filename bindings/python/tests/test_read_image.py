# SPDX-License-Identifier: Apache-2.0
"""Pages: `Session.read` asks at the sizes that a model names and cuts what is too large or doubted; `fovea read` does the same."""

from __future__ import annotations

import asyncio
import io
import json
import shutil

import fovea
import numpy as np
import pytest
from command_line import run
from PIL import Image


@pytest.fixture(scope="module")
def receipt(root):
    return str(root / "tools" / "nano" / "samples" / "receipt.png")


@pytest.fixture(scope="module")
def convert(command, root, tmp_path_factory):
    """The reader with other settings."""

    def converted(**settings):
        folder = tmp_path_factory.mktemp("reader")
        shutil.copytree(root / "tools" / "nano" / "models" / "reader" / "checkpoint", folder / "checkpoint")
        config = json.loads((folder / "checkpoint" / "config.json").read_text())
        for name in ("enlarge", "doubt"):
            config["hires_llava"].pop(name, None)
        config["hires_llava"] |= settings
        (folder / "checkpoint" / "config.json").write_text(json.dumps(config))
        file = str(folder / "reader.fovea")
        done = run(command, "convert", str(folder / "checkpoint"), "-o", file, "--type", "int8")
        return file if done.returncode == 0 else done.stderr

    return converted


@pytest.fixture(scope="module")
def plain(convert):
    return fovea.load(convert())


@pytest.fixture(scope="module")
def careful(convert):
    """It doubts whatever it reads."""
    file = convert(doubt=-1e-9)
    model = fovea.load(file)
    assert model.metadata["hires.doubt"] == -1e-9
    return model


@pytest.fixture(scope="module")
def large(receipt):
    """Three receipts one below the other, on a page that would be reduced: uint8 [height, width, 3]."""
    picture = np.asarray(Image.open(receipt).convert("RGB"))
    page = np.full((3 * picture.shape[0], 1000, 3), picture[0, 0], np.uint8)
    for i in range(3):
        page[i * picture.shape[0] : (i + 1) * picture.shape[0], : picture.shape[1]] = picture
    return page


def test_a_model_that_names_nothing_is_asked_once(plain, receipt):
    session = plain.session()
    expected = plain.session().generate("", receipt, task="ocr")
    assert session.read(receipt) == expected
    assert session.last.stop_reason == "end" and session.last.generated_tokens == len(session.answers[0].ids)
    assert session.read(receipt, "What is the total?") == plain.session().generate("What is the total?", receipt)
    assert session.read(receipt, task="ocr", mode="125%") == plain.session().generate("", plain.encode_image(receipt, mode="125%"), task="ocr")
    box = (20, 40, 250, 300)
    assert session.read(receipt, crop=box) == plain.session().generate("", plain.encode_image(receipt, crop=box), task="ocr")


def test_sizes_are_asked_one_after_the_other(convert, receipt):
    model = fovea.load(convert(enlarge=[100, 160]))
    images = [model.encode_image(receipt, mode=mode) for mode in ("100%", "160%")]
    session = model.session()
    expected = session.generate("", images, task="ocr", alternatives=True)
    score = session.answers[0].score
    assert session.read(receipt) == expected
    assert session.answers[0].score == pytest.approx(score, abs=1e-6)


def test_a_doubted_page_is_cut_where_its_parts_are_likelier(plain, careful, receipt):
    whole, parts = plain.session(), careful.session()
    whole.generate("", receipt, task="ocr", alternatives=True)
    answer, given = parts.read(receipt, logprobs=1), parts.answers[0]
    assert given.text == answer and parts.last.generated_tokens == len(given.ids) == len(given.log_probabilities)
    # The score is the mean log-probability of all tokens, and never below the whole's.
    assert given.score == pytest.approx(np.mean(given.log_probabilities), abs=1e-5)
    assert given.score > whole.answers[0].score and parts.last.prompt_tokens != whole.last.prompt_tokens


def test_a_large_page_is_read_in_parts(plain, convert, receipt, large):
    cutting = fovea.load(convert(doubt=-5.0))
    reduced, read = plain.session().read(large), cutting.session().read(large)
    lines = cutting.session().read(receipt).splitlines()

    def found(text):
        """Of the lines of the three."""
        return sum(min(3, text.splitlines().count(line)) for line in lines) / (3 * len(lines))

    assert found(read) > 0.6 and found(read) > found(reduced)
    assert read.count(lines[0]) >= 2


def test_pictures_of_every_kind(careful, receipt, large):
    with open(receipt, "rb") as file:
        data = file.read()
    expected = careful.session().read(receipt)
    assert careful.session().read(data) == expected
    assert careful.session().read(np.asarray(Image.open(receipt).convert("RGB"))) == expected
    assert asyncio.run(careful.session().aread(data)) == expected
    # A JPEG that is stored lying down is cut between its lines all the same.
    exif, turned, upright = Image.Exif(), io.BytesIO(), io.BytesIO()
    exif[0x0112] = 6
    picture = Image.fromarray(large)
    picture.save(upright, "PNG")
    picture.transpose(Image.Transpose.ROTATE_90).save(turned, "PNG", exif=exif)
    assert careful.session().read(turned.getvalue()) == careful.session().read(upright.getvalue())


def test_tokens_are_those_of_the_whole_page(careful, large):
    session = careful.session()
    text = session.read(large, max_tokens=20)
    assert session.last.generated_tokens <= 20 and session.last.stop_reason == "length" and text


def test_what_does_not_go_with_reading_is_refused(careful, receipt):
    session = careful.session()
    for name, options in (
        ("answers", dict(n=2, temperature=1.0)),
        ("echo", dict(echo=True)),
        ("choices", dict(choices=["a"])),
        ("task", dict(task="?")),
    ):
        with pytest.raises(fovea.ArgumentError, match=name):
            session.read(receipt, **options)
    with pytest.raises(fovea.FileError):
        session.read("/nowhere.png")
    with pytest.raises(fovea.ImageError):
        session.read(b"not a picture")
    with pytest.raises(fovea.ArgumentError, match="mode"):
        session.read(receipt, mode="99%")
    assert session.read(receipt, max_tokens=5)


def test_deadlines_and_progress_end_it(careful, large):
    session = careful.session()
    with pytest.raises(fovea.DeadlineExceeded):
        session.read(large, deadline=0.02)
    seen = []
    with pytest.raises(fovea.Cancelled):
        session.read(large, progress=lambda done, total: seen.append((done, total)) or len(seen) > 2)
    assert len(seen) == 3 and all(0 <= done <= total == large.shape[0] for done, total in seen)
    session.read(large, max_tokens=5, progress=lambda done, total: seen.append((done, total)))
    assert seen[-1] == (large.shape[0], large.shape[0])


def test_a_budget_is_kept(convert, large):
    file = convert(doubt=-1e-9)
    budget = fovea.plan(file, context_length=4096)["total_bytes"] + (24 << 20)
    model = fovea.load(file, context_length=4096, memory_budget=budget)
    buffer = io.BytesIO()
    Image.fromarray(large).save(buffer, "PNG")
    free = fovea.load(file, context_length=4096)
    assert model.session().read(buffer.getvalue()) == free.session().read(buffer.getvalue())


@pytest.mark.parametrize("doubt", [0.5, -21, "low"])
def test_other_doubts_are_refused(convert, doubt):
    assert b"doubt" in convert(doubt=doubt)


def test_the_command_reads_like_the_library(command, convert, large, tmp_path):
    file = convert(enlarge=[100, 125], doubt=-0.2)
    Image.fromarray(large).save(tmp_path / "page.png")
    done = run(command, "read", "-m", file, str(tmp_path / "page.png"), "-o", str(tmp_path / "page.json"))
    assert done.returncode == 0, done.stderr
    record = json.loads(next((tmp_path / "page.json.pages").glob("*.json")).read_text())
    assert record["text"] == fovea.load(file).session().read(str(tmp_path / "page.png"), loop_tokens=300)
    assert (record["width"], record["height"]) == (large.shape[1], large.shape[0])
