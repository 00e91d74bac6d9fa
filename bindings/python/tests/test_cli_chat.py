# SPDX-License-Identifier: Apache-2.0
"""`fovea chat`: one question a line."""

from __future__ import annotations

import os

import pytest
from command_line import run


def test_lines_are_turns(command, model, picture, tmp_path):
    from PIL import Image

    path = tmp_path / "picture.png"
    Image.fromarray(picture).save(path)
    done = run(command, "chat", "-i", path, "--max-tokens", "6", input=b"What is in the picture?\nWhy?\n/reset\nWhy?\n")
    assert done.returncode == 0, done.stderr
    session = model.session()
    talk = [{"role": "user", "content": "What is in the picture?", "images": path}]
    first = session.chat(talk, max_tokens=6)
    talk += [{"role": "assistant", "content": first}, {"role": "user", "content": "Why?"}]
    second = session.chat(talk, max_tokens=6)
    third = session.chat([{"role": "user", "content": "Why?"}], max_tokens=6)
    assert done.stdout.decode() == f"{first}\n{second}\n{third}\n"


def test_what_is_wrong_ends_it(command, tmp_path):
    done = run(command, "chat", input=b"/image /nonexistent.png\n")
    assert done.returncode == 66 and b"nonexistent" in done.stderr
    done = run(command, "chat", "-i", "-", input=b"")
    assert done.returncode == 64


@pytest.mark.parametrize("line", [b"a\0b", b"a\xffb", b"a" * (9 << 20)])
def test_a_line_that_is_no_text_is_named(command, line):
    done = run(command, "chat", input=b"Why?\n" + line + b"\nWhy?\n")
    assert done.returncode == 64 and b"line 2" in done.stderr and done.stdout.count(b"\n") == 1


def test_standard_input_that_cannot_be_read_is_an_error(command, tmp_path):
    folder = os.open(tmp_path, os.O_RDONLY)
    done = run(command, "chat", stdin=folder)
    os.close(folder)
    assert done.returncode == 66 and b"standard input" in done.stderr


def test_pictures_may_have_any_name(command, picture, tmp_path):
    from PIL import Image

    path = os.fsencode(tmp_path) + b"/\xff.png"
    Image.fromarray(picture).save(tmp_path / "a.png")
    os.rename(tmp_path / "a.png", path)
    done = run(command, "chat", "--max-tokens", "2", input=b"/image " + path + b"\r\nWhy?\r\n")
    assert done.returncode == 0, done.stderr
