# SPDX-License-Identifier: Apache-2.0
"""What the command line takes: several pictures, folders, pipes, any file name; and what it says of files that are something else."""

from __future__ import annotations

import json
import os
import shutil
import time
from pathlib import Path

import pytest
from command_line import run

ASK = ["-p", "What is in the picture?", "--max-tokens", "4"]


@pytest.fixture(scope="module")
def image(root: Path) -> Path:
    return root / "tools" / "nano" / "samples" / "number.png"


@pytest.fixture(scope="module")
def answer(command, image) -> bytes:
    done = run(command, "run", "-i", image, *ASK)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_one_option_takes_several_images_and_folders(command, image, tmp_path):
    for name in ("b.png", "a.png"):
        shutil.copy(image, tmp_path / name)
    a, b = str(tmp_path / "a.png"), str(tmp_path / "b.png")
    for images in (["-i", a, b], ["-i", a, "-i", b], ["-i", str(tmp_path)]):
        done = run(command, "run", "--pages", *images, *ASK, "--json")
        assert done.returncode == 0, done.stderr
        assert [page["source"] for page in json.loads(done.stdout)["pages"]] == [a, b]
    done = run(command, "run", *ASK, "-i", a, b, "--json")
    assert len(json.loads(done.stdout)["images"]) == 2


def test_pipes_and_standard_input_are_read(command, image, answer):
    assert run(command, "run", "-i", "-", *ASK, input=image.read_bytes()).stdout == answer
    assert run(command, "run", "-i", "/dev/stdin", *ASK, input=image.read_bytes()).stdout == answer
    done = run("bash", "-c", 'exec "$0" run -i <(cat "$1") -p "$2" --max-tokens 4', command, str(image), ASK[1])
    assert done.stdout == answer, done.stderr
    done = run(command, "run", "-i", "-", *ASK, input=b"GIF89a" + bytes(20))
    assert done.returncode == 65 and b"standard input: " in done.stderr and b"GIF" in done.stderr


def test_file_names_are_any_bytes(command, image, answer, root, tmp_path):
    folder = os.fsencode(tmp_path)
    picture, model = folder + b"/\xff\xe9.png", folder + b"/\xfe.fovea"
    shutil.copy(os.fsencode(image), picture)
    shutil.copy(os.fsencode(root / "build" / "share" / "fovea" / "builtin.fovea"), model)
    done = run(command, "run", "-m", model, "-i", picture, *ASK)
    assert done.stdout == answer, done.stderr
    assert run(command, "inspect", model).returncode == 0
    assert run(command, "describe", "--grid", "0x0", "--no-summary", "--max-tokens", "4", folder).returncode == 0


def test_the_librarys_paths_are_any_bytes(model, image, tmp_path):
    path = os.fsencode(tmp_path) + b"/\xff.png"
    shutil.copy(os.fsencode(image), path)
    assert model.encode_image(os.fsdecode(path)).numpy().shape[0] > 0


@pytest.mark.parametrize("option", ["--prompt", "--stop", "--find", "--task"])
def test_a_prompt_that_is_no_utf8_is_refused(command, option):
    arguments = ["-p", "x"] if option == "--stop" else []
    done = run(command, "run", *arguments, option, b"caf\xe9")
    assert done.returncode == 64 and b"UTF-8" in done.stderr, done.stderr
    done = run(command, "run", "-p", "-", input=b"caf\xe9")
    assert done.returncode == 64 and b"UTF-8" in done.stderr


def test_boxes_may_have_negative_numbers(command, image):
    done = run(command, "run", "-i", image, "-p", "<region>", "--box", "-5,-5,20,20")
    # The built-in model takes no regions, which is found after the box was understood.
    assert done.returncode == 69, done.stderr


def test_the_region_asked_about_is_drawn(command, image, root, tmp_path):
    model = root / "tools" / "nano" / "models" / "ferret-nano" / "ferret-nano-int8.fovea"
    if not model.exists():
        pytest.skip("no model that takes regions")
    from PIL import Image

    drawn = tmp_path / "drawn.png"
    done = run(command, "run", "-m", model, "-i", image, "-p", "What is <region>?", "--box", "-5,10,30,30", "--max-tokens", "2", "--draw", drawn)
    assert done.returncode == 0, done.stderr
    assert Image.open(drawn).convert("RGB").getpixel((15, 10)) == (255, 225, 25)


PICTURES = {
    "WebP": b"RIFF\x24\0\0\0WEBPVP8 ",
    "GIF": b"GIF89a",
    "BMP": b"BM\x36\0\0\0\0\0\0\0\x36\0\0\0",
    "TIFF": b"II*\0",
    "HEIC": b"\0\0\0\x18ftypheic",
    "AVIF": b"\0\0\0\x18ftypavif",
    "HTML": b"\n<!DOCTYPE html><html>",
    "empty": b"",
    "Git LFS": b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n",
}


@pytest.mark.parametrize("kind", PICTURES)
def test_a_picture_of_another_kind_is_named(command, kind, tmp_path):
    path = tmp_path / "x.png"
    path.write_bytes(PICTURES[kind] + (bytes(64) if kind in ("WebP", "GIF", "BMP", "TIFF", "HEIC", "AVIF") else b""))
    for arguments in (["run", "-i", str(path), *ASK], ["describe", str(path)]):
        done = run(command, *arguments)
        assert done.returncode == 65 and kind.encode() in done.stderr and b"x.png" in done.stderr, done.stderr


MODELS = {
    "GGUF": b"GGUF\3\0\0\0" + bytes(200),
    "safetensors": b'\x40\0\0\0\0\0\0\0{"a":' + bytes(200),
    "zip": b"PK\3\4" + bytes(200),
    "HTML": b"<html>" + bytes(200),
    "empty": b"",
    "Git LFS": PICTURES["Git LFS"],
    "picture": b"\x89PNG\r\n\x1a\n" + bytes(200),
}


@pytest.mark.parametrize("kind", MODELS)
def test_a_model_of_another_kind_is_named(command, kind, tmp_path):
    path = tmp_path / "x.fovea"
    path.write_bytes(MODELS[kind])
    for arguments in (["run", "-m", str(path), "-p", "x"], ["inspect", str(path)]):
        done = run(command, *arguments)
        assert done.returncode == 65 and kind.encode() in done.stderr and b"x.fovea" in done.stderr, done.stderr


def test_a_gguf_file_is_one_for_convert(command, tmp_path):
    (tmp_path / "m.gguf").write_bytes(MODELS["GGUF"])
    for arguments in (["run", "-m", tmp_path / "m.gguf", "-p", "x"], ["inspect", tmp_path / "m.gguf"]):
        assert b"make a weight file with fovea convert" in run(command, *arguments).stderr


def test_the_plan_follows_the_options(command):
    def plan(*options: str) -> dict:
        done = run(command, "inspect", "--plan", "--json", *options)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    assert plan("--context-length", "64")["session_bytes"] < plan()["session_bytes"]
    assert plan("--sessions", "3")["total_bytes"] > plan()["total_bytes"] + plan()["session_bytes"]
    assert plan("--image-size", "64x64")["scratch_bytes"] < plan()["scratch_bytes"]
    for wrong in (["--sessions", "0"], ["--image-size", "64"], ["--image-size", "64x0"]):
        assert run(command, "inspect", "--plan", *wrong).returncode == 64
    text = run(command, "inspect", "--plan").stdout
    assert b"memory" in text and b"metadata" not in text


def test_without_proc_commands_work(command, image, answer):
    script = 'mount -t tmpfs none /proc && exec "$0" "$@"'
    if run("unshare", "-m", "bash", "-c", "mount -t tmpfs none /proc").returncode != 0:
        pytest.skip("no mount namespace")
    done = run("unshare", "-m", "bash", "-c", script, command, "run", "-i", str(image), *ASK)
    assert done.stdout == answer, done.stderr


def test_pdf_pages_come_from_files_pipes_and_for_describe(command, image, answer, tmp_path):
    """With stand-ins for Poppler's programs: a PDF of two pages, both the sample."""
    programs = tmp_path / "bin"
    programs.mkdir()
    (programs / "pdfinfo").write_text('#!/bin/sh\nhead -c 5 | grep -q "%PDF-" && echo "Pages:          2"\n')
    (programs / "pdftoppm").write_text(f'#!/bin/sh\nhead -c 5 | grep -q "%PDF-" && cat "{image}"\n')
    for program in programs.iterdir():
        program.chmod(0o755)
    environment = {**os.environ, "PATH": f"{programs}:{os.environ['PATH']}"}
    document = tmp_path / "-d.pdf"
    document.write_bytes(b"%PDF-1.4\n")
    text = answer.decode().rstrip("\n")
    for source, data in ((str(document), b""), ("-", document.read_bytes())):
        done = run(command, "run", "-i", source, *ASK, "--output-format", "text", input=data, env=environment)
        assert done.stdout.decode() == f"{text}\n\f{text}\n", done.stderr
    done = run(command, "describe", "--grid", "0x0", "--no-summary", "--max-tokens", "4", "-o", "-", str(document), env=environment)
    assert [json.loads(line)["img_id"] for line in done.stdout.splitlines()] == ["-d.pdf, page 1", "-d.pdf, page 2"]


def test_help_names_all_systems_and_statuses(command):
    text = " ".join(run(command, "--help").stdout.decode().split())
    for word in ("Monkey-Chat", "GOT-OCR2", "Ferret-UI", "73 file cannot be created", "74 writing failed", "130 interrupted"):
        assert word in text
    assert "Vary-toy" in run(command, "convert", "--help").stdout.decode()
    assert "pdfinfo" in run(command, "run", "--help").stdout.decode()


def test_manual_and_completions_are_installed(root):
    share = root / "build" / "share"
    manual = (share / "man" / "man1" / "fovea.1").read_text()
    assert manual.startswith(".Dd") and "context-length" in manual and ".Sh EXIT STATUS" in manual
    assert "fovea" in (share / "bash-completion" / "completions" / "fovea").read_text()
    assert (share / "zsh" / "site-functions" / "_fovea").read_text().startswith("#compdef fovea")
    assert "complete" in (share / "fish" / "vendor_completions.d" / "fovea.fish").read_text()


def test_a_device_without_an_end_is_refused(command):
    done = run(command, "run", "-i", "/dev/zero", "-p", "x")
    assert done.returncode == 66
    assert b"/dev/zero: cannot be read: File too large" in done.stderr


def test_a_mask_of_another_size_is_refused_before_it_is_read(command, hostile, image, root, tmp_path):
    ferret = root / "tools" / "nano" / "models" / "ferret-nano" / "ferret-nano-int8.fovea"
    (tmp_path / "mask.png").write_bytes(hostile.png(1000000, 200, colour=6, depth=16))
    began = time.monotonic()
    done = run(command, "run", "-m", ferret, "-i", image, "-p", "<region>", "--mask", tmp_path / "mask.png", "--max-tokens", "1")
    assert done.returncode == 64 and b"1000000 \xc3\x97 200" in done.stderr and time.monotonic() - began < 2


def test_a_nul_ends_no_prompt(command):
    done = run(command, "run", "-p", "-", "--max-tokens", "1", input=b"What\0 is there?")
    assert done.returncode == 64 and b"NUL" in done.stderr and not done.stdout


@pytest.mark.parametrize("arguments", [["run", "-p", "?", "-i", ""], ["run", "-p", "?", "-m", ""], ["inspect", ""], ["pack", "", "-o", "x"]])
def test_an_empty_name_is_no_file(command, arguments):
    assert run(command, *arguments).returncode == 64
