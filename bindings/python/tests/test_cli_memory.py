# SPDX-License-Identifier: Apache-2.0
"""The command line holds no more of a picture than encoding needs, and what it paints is the same however the rows come."""

from __future__ import annotations

import io
import json
import subprocess
import time

import fovea
import numpy
import pytest
from command_line import run

PIL = pytest.importorskip("PIL")
from PIL import Image  # noqa: E402

FEW = ["--max-tokens", "2", "--threads", "1"]


def peak(*arguments) -> int:
    """Resident bytes of a program at its highest; what a fork inherits from this process is not counted."""
    program = subprocess.Popen([str(a) for a in arguments], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    most = 0
    while program.poll() is None:
        try:
            with open(f"/proc/{program.pid}/status") as lines:
                status = lines.read()
        except OSError:
            break
        # Until the program has begun it is a copy of this one.
        if "Name:\tfovea\n" in status and "VmHWM:" in status:
            most = max(most, int(status.split("VmHWM:")[1].split()[0]) << 10)
        time.sleep(0.002)
    _, errors = program.communicate()
    assert program.returncode == 0, errors
    return most


def photo(width: int, height: int, kind: str, **options) -> bytes:
    y, x = numpy.mgrid[0:height, 0:width].astype(numpy.int32)
    noise = numpy.random.default_rng(1).integers(0, 12, (height, width), numpy.int32)
    pixels = numpy.stack([x * 240 // width + noise, y * 240 // height + noise, (x + y) // 64 % 2 * 200 + noise], axis=-1)
    out = io.BytesIO()
    Image.fromarray(pixels.astype(numpy.uint8)).save(out, kind, **options)
    return out.getvalue()


@pytest.mark.parametrize("work", ["run", "draw", "describe"])
def test_a_photo_of_12_megapixels_takes_what_one_of_1_takes(command, small, tmp_path, work):
    peaks = []
    for width, height in ((1200, 900), (4000, 3000)):
        path = tmp_path / f"{width}.jpg"
        path.write_bytes(photo(width, height, "JPEG"))
        arguments = {
            "run": ["run", "-i", path, "-p", "What is there?"],
            "draw": ["run", "-i", path, "-p", "What is there?", "--draw", tmp_path / "drawn.png"],
            "describe": ["describe", "--no-summary", path],
        }[work]
        peaks.append(peak(command, *arguments, "-m", small, *FEW) - path.stat().st_size)
    assert peaks[1] - peaks[0] < 15 << 20, peaks


def test_parts_are_described_as_their_pixels_are(command, tmp_path):
    (tmp_path / "a.png").write_bytes(photo(900, 700, "PNG"))
    Image.open(tmp_path / "a.png").transpose(Image.Transpose.ROTATE_90).save(tmp_path / "b.png", exif=turned(6))
    texts = [
        json.loads(run(command, "describe", "--no-summary", "--cell-threshold=-1", *FEW, "-o", "-", tmp_path / name).stdout)
        for name in ("a.png", "b.png")
    ]
    assert texts[0]["settings"] == texts[1]["settings"]
    assert texts[0]["checksum"] != texts[1]["checksum"]
    assert {**texts[0], "img_id": "", "checksum": ""} == {**texts[1], "img_id": "", "checksum": ""}


def turned(orientation: int) -> "Image.Exif":
    exif = Image.Exif()
    exif[0x0112] = orientation
    return exif


def test_what_is_painted_is_the_same_however_rows_come(command, root, tmp_path):
    # Of upright pictures some rows are held at a time, of turned ones all.
    model = root / "tools" / "nano" / "models" / "ferret-nano" / "ferret-nano-int8.fovea"
    upright, upside_down = tmp_path / "upright.png", tmp_path / "down.png"
    upright.write_bytes(photo(1300, 1100, "PNG"))
    Image.open(upright).transpose(Image.Transpose.ROTATE_180).save(upside_down, exif=turned(3))
    for shape in (["--box", "20,-30,1250,1000"], ["--point", "640,267"], ["--mask", tmp_path / "mask.png"]):
        mask = numpy.zeros((1100, 1300), numpy.uint8)
        mask[200:900, 300:1000] = 255
        Image.fromarray(mask).save(tmp_path / "mask.png")
        pictures = []
        for path in (upright, upside_down):
            done = run(command, "run", "-m", model, "-i", path, "-p", "What is <region>?", *shape, *FEW, "--draw", tmp_path / "drawn.png")
            assert done.returncode == 0, done.stderr
            pictures.append(numpy.asarray(Image.open(tmp_path / "drawn.png")))
        assert numpy.array_equal(*pictures)
        changed = (pictures[0] != numpy.asarray(Image.open(upright))).any(axis=2)
        assert 0 < changed.sum() < changed.size // 4


def test_a_turned_picture_is_painted_within_the_budget(command, tmp_path):
    path = tmp_path / "down.png"
    path.write_bytes(photo(4000, 3000, "PNG", exif=turned(3)))
    budget = fovea.plan()["total_bytes"] + path.stat().st_size + (4 << 20)
    done = run(command, "run", "-i", path, "-p", "What is there?", *FEW, "--memory-budget", budget, "--draw", tmp_path / "drawn.png")
    assert done.returncode in (65, 71) and b"4000" in done.stderr
    assert not (tmp_path / "drawn.png").exists()


def test_a_part_of_a_picture_is_encoded_as_its_pixels(model, picture):
    left, upper, right, lower = 100, 50, 450, 260
    part = model.encode_image(picture[upper:lower, left:right]).numpy()
    file = io.BytesIO()
    Image.fromarray(picture).transpose(Image.Transpose.ROTATE_90).save(file, "PNG", exif=turned(6))
    for whole in (picture, Image.fromarray(picture), file.getvalue()):
        encoded = model.encode_image(whole, crop=(left, upper, right, lower))
        assert encoded.size == (350, 210)
        assert numpy.array_equal(encoded.numpy(), part)
    for wrong in ((0, 0, 0, 5), (-1, 0, 5, 5), (0, 0, 501, 5), (5, 5, 2, 9)):
        with pytest.raises(fovea.ArgumentError, match="crop"):
            model.encode_image(picture, crop=wrong)
