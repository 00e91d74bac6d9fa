# SPDX-License-Identifier: Apache-2.0
"""What the command line writes: errors of writing are told, what is no regular file is written through, links stay."""

from __future__ import annotations

import json
import os
import shutil
import stat
import threading
from pathlib import Path

import pytest
from command_line import run

ASK = ["-p", "What is in the picture?", "--max-tokens", "4"]


@pytest.fixture(scope="module")
def image(root: Path) -> str:
    return str(root / "tools" / "nano" / "samples" / "number.png")


@pytest.fixture(scope="module")
def checkpoint(root: Path) -> str:
    return str(root / "tools" / "nano" / "models" / "hires-llava-nano" / "checkpoint")


def read_from(fifo: Path, into: list) -> threading.Thread:
    thread = threading.Thread(target=lambda: into.append(fifo.read_bytes()))
    thread.start()
    return thread


@pytest.mark.parametrize(
    "arguments",
    [["run", *ASK], ["run", *ASK, "--json"], ["inspect"], ["inspect", "--json"], ["--help"], ["run", "--help"], ["--version"], ["manual"]],
)
def test_a_full_standard_output_is_an_error(command, arguments):
    with open("/dev/full", "wb") as full:
        done = run(command, *arguments, stdout=full)
    assert done.returncode == 74, done.stderr
    assert b"standard output" in done.stderr and b"No space left" in done.stderr


@pytest.mark.parametrize("subcommand", ["convert", "describe", "report", "draw"])
def test_a_full_device_is_an_error_and_stays_a_device(command, image, checkpoint, tmp_path, subcommand):
    before = os.stat("/dev/full")
    arguments = {
        "convert": ["convert", checkpoint, "-o", "/dev/full"],
        "describe": ["describe", "--grid", "0x0", "--no-summary", "--max-tokens", "4", "-o", "/dev/full", image],
        "report": ["convert", checkpoint, "-o", tmp_path / "m.fovea", "--report-file", "/dev/full"],
        "draw": ["run", "-i", image, *ASK, "--draw", "/dev/full"],
    }[subcommand]
    done = run(command, *arguments)
    assert done.returncode == 74 and b"/dev/full" in done.stderr, done.stderr
    after = os.stat("/dev/full")
    assert stat.S_ISCHR(after.st_mode) and (after.st_ino, after.st_rdev) == (before.st_ino, before.st_rdev)


def test_convert_writes_through_to_a_fifo_and_to_standard_output(command, checkpoint, tmp_path):
    plain = tmp_path / "plain.fovea"
    assert run(command, "convert", checkpoint, "-o", plain, "--quiet").returncode == 0
    for output in ("-", "/dev/stdout"):
        done = run(command, "convert", checkpoint, "-o", output)
        assert done.returncode == 0 and done.stdout == plain.read_bytes() and b"tensors" in done.stderr
    fifo, got = tmp_path / "fifo", []
    os.mkfifo(fifo)
    reader = read_from(fifo, got)
    assert run(command, "convert", checkpoint, "-o", fifo, "--quiet").returncode == 0
    reader.join()
    assert got == [plain.read_bytes()] and stat.S_ISFIFO(os.stat(fifo).st_mode)
    assert sorted(os.listdir(tmp_path)) == ["fifo", "plain.fovea"]


def test_links_are_followed_and_stay(command, checkpoint, tmp_path):
    (tmp_path / "below").mkdir()
    (tmp_path / "below" / "old.fovea").write_bytes(b"old")
    (tmp_path / "link.fovea").symlink_to("below/old.fovea")
    (tmp_path / "dangling.fovea").symlink_to(tmp_path / "below" / "new.fovea")
    for name in ("link", "dangling"):
        assert run(command, "convert", checkpoint, "-o", tmp_path / f"{name}.fovea", "--quiet").returncode == 0
        assert (tmp_path / f"{name}.fovea").is_symlink()
    assert sorted(os.listdir(tmp_path / "below")) == ["new.fovea", "old.fovea"]
    assert (tmp_path / "below" / "old.fovea").read_bytes() == (tmp_path / "below" / "new.fovea").read_bytes() != b"old"


def test_a_file_that_cannot_be_created_is_73(command, checkpoint, tmp_path):
    for output in (tmp_path / "none" / "m.fovea", tmp_path):
        done = run(command, "convert", checkpoint, "-o", output)
        assert done.returncode == 73 and str(output).encode() in done.stderr


def test_describe_writes_records_to_a_pipe(command, image, tmp_path):
    arguments = ["describe", "--grid", "0x0", "--no-summary", "--max-tokens", "4"]
    for output in ("-", "/dev/stdout"):
        done = run(command, *arguments, "-o", output, image)
        assert done.returncode == 0 and json.loads(done.stdout)["img_id"] == "number.png"
    fifo, got = tmp_path / "fifo", []
    os.mkfifo(fifo)
    reader = read_from(fifo, got)
    assert run(command, *arguments, "-o", fifo, image).returncode == 0
    reader.join()
    assert json.loads(got[0])["img_id"] == "number.png"


def test_describe_names_files_of_other_kinds(command, image, tmp_path):
    (tmp_path / "a.webp").write_bytes(b"RIFF\x24\0\0\0WEBPVP8 " + bytes(40))
    (tmp_path / "b").write_bytes(b"GIF89a" + bytes(40))
    (tmp_path / "notes.txt").write_text("no picture")
    done = run(command, "describe", tmp_path)
    assert done.returncode == 65
    assert b"a.webp" in done.stderr and b"WebP" in done.stderr and b"GIF" in done.stderr and b"2 of 2" in done.stderr
    assert b"notes" not in done.stderr
    (tmp_path / "empty").mkdir()
    assert run(command, "describe", tmp_path / "empty").returncode == 66


def test_records_made_with_other_settings_are_not_done(command, image, tmp_path):
    output = tmp_path / "records.jsonl"
    arguments = ["describe", "--no-summary", "--max-tokens", "4", "-o", str(output), image]
    assert run(command, *arguments, "--grid", "0x0").returncode == 0
    first = output.read_bytes()
    assert json.loads(first)["settings"]["grid"] == "0x0"
    assert run(command, *arguments, "--grid", "0x0").returncode == 0
    done = run(command, *arguments, "--grid", "1x1")
    assert done.returncode == 64 and b"other settings (grid)" in done.stderr
    assert output.read_bytes() == first


def test_pages_go_on_after_a_bad_one(command, image, tmp_path):
    bad = tmp_path / "bad.png"
    bad.write_bytes(b"\x89PNG\r\n\x1a\nnothing")
    alone = run(command, "run", "-i", image, *ASK)
    done = run(command, "run", "--pages", "-i", image, bad, image, *ASK, "--output-format", "text")
    assert done.returncode == 65 and b"bad.png" in done.stderr and b"1 of 3" in done.stderr
    text = alone.stdout.decode().rstrip("\n")
    assert done.stdout.decode() == f"{text}\n\f\n\f{text}\n"
    report = json.loads(run(command, "run", "--pages", "-i", image, bad, image, *ASK, "--json").stdout)
    assert [("error" in page, page["page"]) for page in report["pages"]] == [(False, 1), (True, 2), (False, 3)]


def test_control_characters_of_files_reach_no_terminal(command, tmp_path, root):
    name = tmp_path / "red\x1b[31m\u202e.fovea"
    shutil.copy(root / "build" / "share" / "fovea" / "builtin.fovea", name)
    done = run(command, "inspect", name)
    assert done.returncode == 0 and b"\x1b" not in done.stdout and b"\\u{1b}[31m\\u{202e}" in done.stdout
    name.write_bytes(b"no model" * 40)
    for arguments in (["inspect", name], ["run", "-m", name, "-p", "x"]):
        done = run(command, *arguments)
        assert done.returncode == 65 and b"\x1b" not in done.stderr and b"\\u{1b}[31m" in done.stderr


@pytest.mark.parametrize("subcommand", ["convert", "describe", "read", "pack"])
def test_an_empty_name_is_no_output(command, image, checkpoint, tmp_path, subcommand):
    given = {"convert": checkpoint, "pack": checkpoint}.get(subcommand, image)
    assert run(command, subcommand, given, "-o", "", cwd=tmp_path).returncode == 64
    assert not list(tmp_path.iterdir())


def test_an_input_is_no_output(command, image, checkpoint, root, tmp_path):
    for name in ("s.png", "a.png.capsule"):
        shutil.copy(image, tmp_path / name)
    (tmp_path / "link.png").symlink_to("s.png")
    shutil.copy(image, tmp_path / "a.png")
    shutil.copy(root / "build" / "share" / "fovea" / "builtin.fovea", tmp_path / "m.fovea")
    shutil.copytree(checkpoint, tmp_path / "c")
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    weights = next(path for path in before if path.name.endswith(".safetensors"))
    for arguments, output in (
        (["read", "s.png", "-o", "s.png"], "s.png"),
        (["read", ".", "-o", "link.png"], "link.png"),
        (["run", "-i", "s.png", *ASK, "--draw", "s.png"], "s.png"),
        (["run", "-i", "link.png", *ASK, "--draw", "./s.png"], "./s.png"),
        (["run", "-m", "m.fovea", "-i", "s.png", *ASK, "--draw", "m.fovea"], "m.fovea"),
        (["convert", "c", "-o", weights], weights),
        (["convert", "c", "-o", "new.fovea", "--report-file", "c/config.json"], "c/config.json"),
        (["calibrate", "s.png", "-m", "m.fovea", "-o", "m.fovea"], "m.fovea"),
        (["calibrate", "s.png", "-m", "m.fovea", "-o", "s.png"], "s.png"),
        (["encode", "a.png", "a.png.capsule", "-o", "."], "./a.png.capsule"),
        (["describe", "s.png", "-o", "s.png"], "s.png"),
        (["split", "m.fovea", "--no-vision", "-o", "m.fovea"], "m.fovea"),
    ):
        done = run(command, *arguments, cwd=tmp_path)
        assert done.returncode == 64 and f"{output}: is an input too and would be lost".encode() in done.stderr, (arguments, done.stderr)
        assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == before
    # What another run left in the checkpoint's folder may be written again.
    for _ in range(2):
        assert run(command, "convert", "c", "-o", "c/m.fovea", "--report-file", "c/report.json", "-q", cwd=tmp_path).returncode == 0
    # Nor are two outputs one file, and a template's name is no file.
    done = run(command, "convert", "c", "-o", "x.fovea", "--report-file", "x.fovea", "-q", cwd=tmp_path)
    assert done.returncode == 64 and b"is the same file as" in done.stderr and not (tmp_path / "x.fovea").exists()
    llava = root / "Tests" / "ConversionTests" / "Fixtures" / "checkpoints" / "llava" / "checkpoint"
    for _ in range(2):
        assert run(command, "convert", llava, "-o", "plain", "--chat-template", "plain", "-q", cwd=tmp_path).returncode == 0
