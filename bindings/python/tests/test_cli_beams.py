# SPDX-License-Identifier: Apache-2.0
"""--beams of the command line: beam search gives the library's best answer, and what it cannot go with is refused."""

from __future__ import annotations

import json

import fovea
import pytest
from command_line import run
from PIL import Image

QUESTION = "What is in the picture?"


@pytest.fixture(scope="module")
def image(root):
    return str(root / "tools" / "nano" / "samples" / "street.png")


@pytest.fixture(scope="module")
def answers(image, small):
    """The library's: greedy and with beams."""
    model = fovea.load(str(small))
    picture = model.encode_image(image)
    return [model.session().generate(QUESTION, picture, max_tokens=12, beams=beams) for beams in (1, 4)]


def test_run_gives_the_best_of_the_beams(command, image, small, answers):
    for beams, answer in zip((1, 4), answers):
        done = run(command, "run", "-m", small, "-i", image, "-p", QUESTION, "--max-tokens", "12", "--beams", str(beams), "--json")
        assert done.returncode == 0, done.stderr
        assert json.loads(done.stdout)["text"] == answer


def test_read_keeps_records_with_and_without_beams_apart(command, image, small, tmp_path):
    Image.open(image).save(tmp_path / "page.png")
    out = tmp_path / "page.md"
    arguments = ["read", "-m", small, str(tmp_path / "page.png"), "-o", str(out), "-p", QUESTION, "--max-tokens", "12"]
    for beams in ("1", "4"):
        assert run(command, *arguments, "--beams", beams).returncode == 0
        record = next((tmp_path / "page.md.pages").glob("*.json")).read_text()
        assert ('"beams"' in record) == (beams == "4"), record


@pytest.mark.parametrize("value", ["0", "65", "-1", "many"])
def test_a_wrong_number_of_beams_is_refused(command, image, value):
    done = run(command, "run", "-i", image, "-p", QUESTION, "--beams", value)
    assert done.returncode == 64 and b"--beams" in done.stderr, done.stderr


@pytest.mark.parametrize("other", [["--temperature", "0.5"], ["--choices", "yes", "no"], ["--regex", "a+"]])
def test_what_beams_cannot_go_with_is_refused(command, image, other):
    done = run(command, "run", "-i", image, "-p", QUESTION, "--beams", "3", *other)
    assert done.returncode == 64 and b"--beams" in done.stderr, done.stderr
