# SPDX-License-Identifier: Apache-2.0
"""`fovea describe` over folders, with the built-in model: what the records look like, and that work goes on after being stopped."""

from __future__ import annotations

import fcntl
import json
import os
import re
import shutil
import subprocess
import time
from pathlib import Path

import pytest

MEMBERS = ["img_id", "blip2cap", "grit", "ocr", "sam_blip", "objects", "regions", "texts", "summary", "settings", "checksum"]
#: `caption: [x1, y1, x2, y2]`, shares with at most three decimals.
PLACE = re.compile(r": \[(0|1|0\.\d{1,3}|1\.0), (0|1|0\.\d{1,3}|1\.0), (0|1|0\.\d{1,3}|1\.0), (0|1|0\.\d{1,3}|1\.0)\]$")


@pytest.fixture
def folder(root: Path, tmp_path: Path) -> Path:
    """Six images, one of them in a folder below, and a file that is none."""
    images = tmp_path / "images"
    (images / "more").mkdir(parents=True)
    for i in range(5):
        shutil.copy(root / "tools" / "nano" / "samples" / "number.png", images / f"{i}.png")
    shutil.copy(root / "tools" / "nano" / "samples" / "one-word.png", images / "more" / "word.png")
    (images / "notes.txt").write_text("no image")
    return images


def describe(command: str, *arguments: str) -> "subprocess.CompletedProcess[bytes]":
    return subprocess.run([command, "describe", "--max-tokens", "12", *arguments], capture_output=True)


def records(path: Path) -> list[dict]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def check(record: dict) -> None:
    assert list(record) == MEMBERS
    for name, listed in (("grit", "objects"), ("ocr", "texts"), ("sam_blip", "regions")):
        assert (record[name] == "") == (record[listed] == [])
        for region in record[listed]:
            assert 0 <= region["score"] <= 1
            x1, y1, x2, y2 = region["box"]
            assert 0 <= x1 < x2 <= 1 and 0 <= y1 < y2 <= 1
            assert [round(x, 3) for x in region["box"]] == region["box"]
            part = f"{region['caption']}: [{x1}, {y1}, {x2}, {y2}]"
            assert part in record[name] and PLACE.search(part)


def test_stopped_work_goes_on(command: str, folder: Path, tmp_path: Path) -> None:
    output = tmp_path / "records.jsonl"
    first = subprocess.Popen([command, "describe", "--max-tokens", "12", "-o", str(output), str(folder)])
    deadline = time.monotonic() + 120
    while not (output.exists() and output.read_bytes().count(b"\n") >= 1) and time.monotonic() < deadline:
        time.sleep(0.01)
    first.kill()
    first.wait()
    done = output.read_bytes()
    whole = done[: done.rfind(b"\n") + 1]
    assert whole
    # As if it had been stopped in the middle of a line.
    output.write_bytes(whole + b'{"img_id": "4.png", "blip2')
    assert describe(command, "-o", str(output), str(folder)).returncode == 0
    assert output.read_bytes().startswith(whole)
    found = records(output)
    assert sorted(r["img_id"] for r in found) == ["0.png", "1.png", "2.png", "3.png", "4.png", "more/word.png"]
    for record in found:
        check(record)
    # Nothing is left to do.
    assert describe(command, "-o", str(output), str(folder)).returncode == 0
    assert records(output) == found


def test_thresholds_and_boxes(command: str, folder: Path, tmp_path: Path) -> None:
    boxes = tmp_path / "boxes.json"
    boxes.write_text(json.dumps({"0.png": [[0.1, 0.1, 0.6, 0.9], [0, 0, 1, 1]]}))
    arguments = ["--boxes", str(boxes), "--grid", "1x2", "--no-texts", "--no-summary", str(folder / "0.png")]
    everything = tmp_path / "all.jsonl"
    assert describe(command, "-o", str(everything), "--cell-threshold=-1", "--box-threshold=-1", *arguments).returncode == 0
    (record,) = records(everything)
    check(record)
    # Largest first; equal captions of boxes that hardly overlap stay, a nested one's overlap is 0.4.
    assert [r["box"] for r in record["objects"]] == [[0, 0, 1, 1], [0.1, 0.1, 0.6, 0.9]]
    assert [r["box"] for r in record["regions"]] == [[0, 0, 0.5, 1], [0.5, 0, 1, 1]]
    assert record["texts"] == [] and record["summary"] is None
    nothing = tmp_path / "none.jsonl"
    assert describe(command, "-o", str(nothing), "--cell-threshold", "1", "--box-threshold", "1", *arguments).returncode == 0
    (record,) = records(nothing)
    assert record["objects"] == [] and record["regions"] == []
    # The built-in model names no places.
    done = describe(command, "--ground", "--grid", "0x0", str(folder / "0.png"))
    assert done.returncode == 0 and b"object" not in done.stdout


def test_faults_are_named(command: str, folder: Path, tmp_path: Path) -> None:
    (folder / "2.png").write_bytes(b"not a picture")
    output = tmp_path / "records.jsonl"
    done = describe(command, "-o", str(output), "--grid", "0x0", str(folder))
    # The others are described all the same.
    assert done.returncode == 65 and b"2.png" in done.stderr
    assert len(records(output)) == 5
    output.write_text("a letter\n")
    done = describe(command, "-o", str(output), str(folder))
    assert done.returncode == 66 and b"line 1 is not a record" in done.stderr
    assert output.read_text() == "a letter\n"
    assert describe(command, str(folder / "no.png")).returncode == 66
    for boxes, name in (
        ('{"0.png": [[0, 0, 2, 1]]}', b"0.png"),
        ('{"0.png": [[0.5, 0, 0.5, 1]]}', b"0.png"),
        ('{"0.png": {"x": 1}}', b"0.png has no list of boxes"),
        ('{"0.png": [], "9.png": []}', b"9.png is none of the images"),
        ("[]", b"JSON object"),
    ):
        (tmp_path / "boxes.json").write_text(boxes)
        done = describe(command, "--boxes", str(tmp_path / "boxes.json"), str(folder / "0.png"))
        assert done.returncode == 64 and b"boxes.json" in done.stderr and name in done.stderr, done.stderr
    for option in ("--cell-threshold", "--box-threshold", "--text-threshold"):
        for value in ("nan", "inf", "-inf"):
            done = describe(command, f"{option}={value}", str(folder / "0.png"))
            assert done.returncode == 64 and f"{option} must be a finite number".encode() in done.stderr


#: As little as there is to describe.
LITTLE = ["--grid", "0x0", "--no-texts", "--no-summary"]


@pytest.mark.parametrize("tail", [b"a letter", b'{"a": 1}', b'{"img'])
def test_only_a_torn_record_is_cut_off(command: str, folder: Path, tmp_path: Path, tail: bytes) -> None:
    output = tmp_path / "records.jsonl"
    for whole in (b"", b'{"img_id": "x.png"}\n'):
        output.write_bytes(whole + tail)
        done = describe(command, "-o", str(output), *LITTLE, str(folder / "0.png"))
        if tail == b'{"img':
            assert done.returncode == 0, done.stderr
            assert output.read_bytes().startswith(whole) and records(output)[-1]["img_id"] == "0.png"
        else:
            assert done.returncode == 66 and f"line {1 + len(whole.splitlines())} is not a record".encode() in done.stderr
            assert output.read_bytes() == whole + tail


def test_a_picture_that_changed_is_described_again(command: str, folder: Path, root: Path, tmp_path: Path) -> None:
    output = tmp_path / "records.jsonl"
    arguments = ["-o", str(output), *LITTLE, str(folder)]
    assert describe(command, *arguments).returncode == 0
    first = {r["img_id"]: r for r in records(output)}
    shutil.copy(root / "tools" / "nano" / "samples" / "one-word.png", folder / "1.png")
    assert describe(command, *arguments).returncode == 0
    second = {r["img_id"]: r for r in records(output)}
    assert len(records(output)) == len(second) == len(first)
    assert [name for name in first if first[name] != second[name]] == ["1.png"]
    assert second["1.png"]["blip2cap"] == first["more/word.png"]["blip2cap"]
    # One that cannot be read any more keeps its record.
    (folder / "1.png").write_bytes(b"not a picture")
    done = describe(command, *arguments)
    assert done.returncode == 65 and b"1.png" in done.stderr
    assert {r["img_id"]: r for r in records(output)} == second


def test_a_private_file_stays_private(command: str, folder: Path, root: Path, tmp_path: Path) -> None:
    output, other = tmp_path / "records.jsonl", tmp_path / "other.jsonl"
    arguments = ["-o", str(output), *LITTLE, str(folder)]
    assert describe(command, *arguments).returncode == 0
    os.chmod(output, 0o600)
    os.link(output, other)
    shutil.copy(root / "tools" / "nano" / "samples" / "one-word.png", folder / "1.png")
    # With a second name it is not replaced: the last record of a picture counts.
    assert describe(command, *arguments).returncode == 0
    assert other.read_bytes() == output.read_bytes() and [r["img_id"] for r in records(output)].count("1.png") == 2
    other.unlink()
    assert describe(command, *arguments).returncode == 0
    assert [r["img_id"] for r in records(output)].count("1.png") == 1 and output.stat().st_mode & 0o777 == 0o600


def test_two_runs_do_not_write_one_file(command: str, folder: Path, tmp_path: Path) -> None:
    output = tmp_path / "records.jsonl"
    with open(output, "ab") as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        done = describe(command, "-o", str(output), *LITTLE, str(folder))
        assert done.returncode == 73 and b"another run is writing to it" in done.stderr
    assert output.read_bytes() == b""
    assert describe(command, "-o", str(output), *LITTLE, str(folder)).returncode == 0


def test_the_small_program_names_a_bad_picture_once(tmp_path, monkeypatch, capsys):
    """Of `python -m fovea`, where the program is not installed."""
    from fovea import __main__

    monkeypatch.setattr(__main__, "program", lambda: None)
    named, unnamed = tmp_path / "a.png", tmp_path / "b.gif"
    named.write_bytes(b"\x89PNG")
    unnamed.write_bytes(b"GIF89a\1\0\1\0\0\0\0")  # what Pillow says of it has no name
    assert __main__.main(["describe", str(named), str(unnamed)]) == 65
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 2 and [line.count(f"{path}: ") for line, path in zip(lines, (named, unnamed))] == [1, 1]


def test_names_that_are_no_utf8_differ(command: str, folder: Path) -> None:
    odd = os.fsencode(folder / "more") + b"/"
    for name in (b"a\xff.png", b"a\xfe.png"):
        shutil.copy(os.fsencode(folder / "0.png"), odd + name)
    done = describe(command, "-o", "-", *LITTLE, str(folder / "more"))
    assert done.returncode == 0, done.stderr
    assert sorted(json.loads(line)["img_id"] for line in done.stdout.splitlines()) == ["a%FE.png", "a%FF.png", "word.png"]
