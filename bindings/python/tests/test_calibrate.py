# SPDX-License-Identifier: Apache-2.0
"""Calibration and what a conversion makes of it, on the command line."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest


def run(root: Path, *arguments: object, code: int = 0) -> str:
    command = [str(root / "build" / "bin" / "fovea"), *map(str, arguments)]
    done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert done.returncode == code, done.stderr
    return done.stdout.decode() if code == 0 else done.stderr.decode()


@pytest.fixture(scope="module")
def checkpoint(root: Path) -> Path:
    return root / "tools" / "nano" / "models" / "reader" / "checkpoint"


@pytest.fixture(scope="module")
def folder(tmp_path_factory, picture) -> Path:
    """Two images and a file of questions."""
    from PIL import Image

    folder = tmp_path_factory.mktemp("calibration")
    for i in range(2):
        Image.fromarray(picture[:, :: i + 1]).save(folder / f"{i}.png")
    (folder / "prompts.txt").write_text("What is in the picture?\n\nWhat is at the top left?\n")
    return folder


@pytest.fixture(scope="module")
def importance(root: Path, folder: Path) -> Path:
    target = folder / "importance.safetensors"
    said = run(root, "calibrate", folder, "-o", target, "--prompts", folder / "prompts.txt", "--max-tokens", 4, "--moments", 192)
    assert "2 images" in said and "language.embedding.weight" in said
    return target


def report(root: Path, folder: Path, checkpoint: Path, *options: object) -> "dict[str, dict]":
    run(root, "convert", checkpoint, "-o", folder / "m.fovea", "--type", "int4", "-q", "--report-file", folder / "r.json", *options)
    return {t["tensor"]: t for t in json.loads((folder / "r.json").read_text())}


def test_errors_are_weighed_and_reported(root, folder, checkpoint, importance):
    name = "language.layers.1.attn.qkv.weight"
    plain = report(root, folder, checkpoint)[name]
    weighted = report(root, folder, checkpoint, "--importance", importance, "--no-feedback")[name]
    made_up_for = report(root, folder, checkpoint, "--importance", importance)[name]
    assert plain["encoding"] == "q5x16" and plain["bits_per_weight"] < 6 and plain["weighted_relative_error"] is None
    assert weighted["relative_error"] >= plain["relative_error"] > 0
    assert made_up_for["weighted_relative_error"] < weighted["weighted_relative_error"] < 0.2
    lines = run(root, "convert", checkpoint, "-o", folder / "m.fovea", "--report", "--report-file", folder / "r.tsv").splitlines()
    assert re.search(r"; error: decoder 0\.\d\d %, vision 0\.\d\d %$", lines[-1])
    rough = run(root, "convert", checkpoint, "-o", folder / "m.fovea", "--type", "int4", "--importance", importance)
    assert re.search(r"; error: decoder \d\.\d\d % \(of outputs\), vision 0\.\d\d % \(of outputs\)$", rough.strip())
    assert "error" not in run(root, "convert", checkpoint, "-o", folder / "m.fovea", "--type", "f32")
    table = [line.split("\t") for line in (folder / "r.tsv").read_text().splitlines()]
    assert len(table) == len(lines) and {len(row) for row in table} == {9} and table[0][0] == "tensor"


def test_a_target_is_kept(root, folder, checkpoint, importance):
    for bits in (4.6, 6.0):
        tensors = report(root, folder, checkpoint, "--importance", importance, "--target-bits", bits)
        matrices = [t for n, t in tensors.items() if n.startswith("language.") and len(t["shape"]) == 2]
        weights = sum(t["shape"][0] * t["shape"][1] for t in matrices)
        assert bits - 0.4 < 8 * sum(t["bytes"] for t in matrices) / weights <= bits
    assert "too small" in run(root, "convert", checkpoint, "-o", folder / "n.fovea", "--type", "int4", "--target-size", "1K", code=64)
    assert "int4" in run(root, "convert", checkpoint, "-o", folder / "n.fovea", "--target-size", "1G", code=64)
    run(root, "convert", checkpoint, "-o", folder / "n.fovea", "--type", "int4", "--target-size", "1G", "--target-bits", 5, code=64)
    for bits in ("0", "-1", "100", "nan"):
        said = run(root, "convert", checkpoint, "-o", folder / "n.fovea", "--type", "int4", "--target-bits", bits, code=64)
        assert "above 0 and at most 64" in said
    assert not (folder / "n.fovea").exists()


def test_texts_are_read_without_a_picture(root, checkpoint, tmp_path):
    text, target = tmp_path / "text.txt", tmp_path / "i.safetensors"
    text.write_text("What is in the picture? A cat.\n" * 400)
    said = run(root, "calibrate", "-o", target, "--texts", text, text, "--text-tokens", 900, "--moments", 192)
    assert "0 images, 2 pieces of text" in said and "not used: vision." in said
    tensors = report(root, tmp_path, checkpoint, "--importance", target)
    assert tensors["language.layers.1.mlp.gateUp.weight"]["weighted_relative_error"] > 0
    assert tensors["vision.layers.0.attn.qkv.weight"]["weighted_relative_error"] is None
    target.unlink()
    assert "exceed a context of 1" in run(root, "calibrate", "-o", target, "--texts", text, "--context-length", 1, code=64)
    for content, words in ((b"", "nothing that can be read"), (b"<image>", "nothing that can be read"), (b"\xff\xfe", "no UTF-8 text")):
        text.write_bytes(content)
        assert words in run(root, "calibrate", "-o", target, "--texts", text, code=65)
    assert "gone.txt" in run(root, "calibrate", "-o", target, "--texts", tmp_path / "gone.txt", code=66)
    assert not target.exists()


def test_without_anything_named_texts_that_come_along_are_read(root, checkpoint, tmp_path):
    target = tmp_path / "i.safetensors"
    said = run(root, "calibrate", "-o", target, "--text-tokens", 900, "--moments", 192)
    assert "0 images, 2 pieces of text" in said and target.exists()
    # A program without its texts.
    target.unlink()
    model = root / "build" / "share" / "fovea" / "builtin.fovea"
    alone = shutil.copy(root / "build" / "bin" / "fovea", tmp_path / "fovea")
    done = subprocess.run([alone, "calibrate", "-m", model, "-o", target], stdin=subprocess.DEVNULL, capture_output=True, text=True)
    assert done.returncode == 66 and "no image and no text was named" in done.stderr and not target.exists()


def test_faults_are_named(root, folder, checkpoint, importance, tmp_path):
    target = tmp_path / "i.safetensors"
    assert "no.png" in run(root, "calibrate", folder / "no.png", "-o", target, code=66)
    assert "prompts.txt" in run(root, "calibrate", folder / "prompts.txt", "-o", target, code=65)
    empty = tmp_path / "empty"
    empty.mkdir()
    assert "holds no" in run(root, "calibrate", empty, "-o", target, code=66)
    assert not target.exists()
    # Cut, of other tensors, and of another model.
    data = importance.read_bytes()
    for content, words in ((data[: len(data) // 2], "past the end"), (data[:4], "shorter"), (b"\x02" + bytes(7) + b"{}", "no matrix")):
        target.write_bytes(content)
        said = run(root, "convert", checkpoint, "-o", tmp_path / "m.fovea", "--importance", target, code=65)
        assert words in said and str(checkpoint) not in said
    other = checkpoint.parents[1] / "monkey-nano" / "checkpoint"
    said = run(root, "convert", other, "-o", tmp_path / "m.fovea", "--importance", importance, code=65)
    assert said.startswith(f"fovea: {importance}: ") and str(other) not in said
    assert not (tmp_path / "m.fovea").exists()
