# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import json
import mmap
import os
import shutil
import subprocess
import sys

import fovea
import pytest


def test_info_and_metadata_tell_of_the_file(model):
    info = model.info
    assert info["system"] == model.metadata["general.system"] == "hires_llava"
    assert info["weight_type"] in ("f32", "f16", "int8", "int4")
    assert info["vocab_size"] == model.metadata["language.vocabSize"]
    assert info["threads"] == 2
    assert info["instruction_set"] in ("scalar", "sse41", "avx2", "avxvnni", "avx512", "neon", "dotprod", "i8mm")
    assert 0 < info["bytes_per_token"] < info["weight_bytes"]
    assert isinstance(model.metadata["vision.mean"], list)


@pytest.mark.parametrize("text", ["", "what is this?", "äöü € 漢字 🦉", " two  spaces ", "line\nline\ttab", "nul\0inside"])
def test_tokens_give_the_text_back(model, text):
    ids = model.tokenize(text)
    assert all(0 <= i < model.info["vocab_size"] for i in ids)
    assert model.detokenize(ids).strip() == text.strip() or text == " two  spaces "


def test_bad_tokens_raise(model):
    for ids in ([-1], [model.info["vocab_size"]], [2**31 - 1]):
        with pytest.raises(fovea.ArgumentError):
            model.detokenize(ids)
    with pytest.raises(fovea.ArgumentError):
        model.detokenize(["a"])
    with pytest.raises(fovea.ArgumentError, match="UTF-8"):
        model.tokenize("\udc80")


def test_bad_weight_files_raise(tmp_path):
    good = open(fovea.builtin_model(), "rb").read()
    cases = {"empty": b"", "foreign": b"GGUF" + bytes(200), "short": good[:100], "cut": good[: len(good) // 2]}
    for name, data in cases.items():
        path = tmp_path / f"{name}.fovea"
        path.write_bytes(data)
        with pytest.raises(fovea.FormatError, match=name):
            fovea.load(path)
        with pytest.raises((fovea.FormatError, fovea.ArgumentError)):
            fovea.load_bytes(data)
    for path in (tmp_path / "missing.fovea", tmp_path):
        with pytest.raises(fovea.FileError):
            fovea.load(path)


def test_verify_finds_a_flipped_bit(tmp_path):
    data = bytearray(open(fovea.builtin_model(), "rb").read())
    data[-200] ^= 1
    path = tmp_path / "flipped.fovea"
    path.write_bytes(data)
    with pytest.raises(fovea.FormatError, match="flipped"):
        fovea.load(path, verify=True)


def test_bad_options_raise():
    for options in ({"threads": 0}, {"threads": -1}, {"threads": 10**6}, {"memory_budget": 0}, {"context_length": -1}, {"cache_type": "f8"}):
        with pytest.raises(fovea.ArgumentError):
            fovea.load(**options)
    with pytest.raises(fovea.OutOfMemory):
        fovea.load(memory_budget=1000)


def test_the_plan_adds_up(model):
    plan = fovea.plan()
    assert plan["file_bytes"] == os.path.getsize(fovea.builtin_model())
    parts = ("mapped_bytes", "weight_bytes", "session_bytes", "scratch_bytes", "table_bytes")
    assert sum(plan[part] for part in parts) == plan["total_bytes"]
    assert fovea.plan(context_length=64)["session_bytes"] < plan["session_bytes"]
    assert fovea.plan(cache_type="f32")["session_bytes"] == 2 * plan["session_bytes"]


@pytest.mark.parametrize("cache_type", ["f32", "f16", "int8"])
def test_every_cache_type_answers(cache_type, root):
    samples = root / "tools" / "nano" / "samples"
    model = fovea.load(cache_type=cache_type)
    for sample in json.loads((samples / "samples.json").read_text())[:5]:
        picture = model.encode_image(samples / sample["image"])
        assert model.session().generate(sample["question"], images=[picture]) == sample["answer"]


def test_a_model_from_bytes_answers_alike(model, picture):
    data = open(fovea.builtin_model(), "rb").read()
    memory = mmap.mmap(-1, len(data))
    memory.write(data)
    models = model, fovea.load_bytes(data), fovea.load_bytes(bytearray(data)), fovea.load_bytes(memory)
    assert len({tuple(m.session().generate_ids("What is it?", [m.encode_image(picture)], max_tokens=8)) for m in models}) == 1


def test_an_unmapped_file_may_be_cut(picture, tmp_path):
    path = tmp_path / "model.fovea"
    shutil.copyfile(fovea.builtin_model(), path)
    assert fovea.plan(path, map=False)["mapped_bytes"] == 0
    other = fovea.load(path, map=False)
    with open(path, "r+b") as file:
        file.truncate(0)
    assert other.session().generate_ids("What is it?", [other.encode_image(picture)], max_tokens=8)


def test_loading_can_be_stopped():
    with pytest.raises(fovea.Cancelled):
        fovea.load(progress=lambda done, total: True)


def test_a_wrong_library_path_is_an_import_error(root):
    code = "import fovea; fovea.version()"
    environment = {**os.environ, "FOVEA_LIBRARY": "/nonexistent/libfovea.so", "PYTHONPATH": str(root / "bindings/python")}
    done = subprocess.run([sys.executable, "-c", code], env=environment, stderr=subprocess.PIPE)
    assert done.returncode == 1 and b"FOVEA_LIBRARY" in done.stderr
