# SPDX-License-Identifier: Apache-2.0
"""`fovea chat`: one question a line."""

from __future__ import annotations

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
