# SPDX-License-Identifier: Apache-2.0
"""The same question has the same answer from the command line, from C and from Python, on every instruction set, for any number of
threads."""

from __future__ import annotations

import json
import os
import subprocess

import fovea
import pytest

QUESTION = "What is in the picture?"


@pytest.fixture(scope="module")
def path(picture, tmp_path_factory):
    from PIL import Image

    path = tmp_path_factory.mktemp("pictures") / "picture.png"
    Image.fromarray(picture).save(path)
    return path


@pytest.fixture(scope="module")
def answer(model, path) -> str:
    return model.session().generate(QUESTION, [model.encode_image(path)], max_tokens=24, ignore_eos=True)


def fovea_run(root, *arguments: str, **environment: str) -> subprocess.CompletedProcess:
    return subprocess.run(
        [str(root / "build" / "bin" / "fovea"), *arguments],
        env={**os.environ, **environment},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )


def run_arguments(path) -> list:
    return ["run", "-i", str(path), "-p", QUESTION, "--max-tokens", "24", "--ignore-eos"]


def test_the_command_line_answers_alike(root, path, answer):
    done = fovea_run(root, *run_arguments(path))
    assert done.returncode == 0, done.stderr
    assert done.stdout.decode() == answer + "\n"
    assert done.stderr == b""  # no progress where there is no terminal


def test_the_command_lines_json_has_the_answer_and_figures(root, path, answer):
    done = fovea_run(root, *run_arguments(path), "--json")
    report = json.loads(done.stdout)
    assert report["text"] == answer
    assert report["stop_reason"] == "length" and report["generated_tokens"] == 24
    assert report["images"][0]["width"] == 500 and report["images"][0]["tokens"] > 0
    assert set(report["seconds"]) == {"load", "encode", "prefill", "decode"}


def test_the_c_example_answers_alike(root, model, path):
    ask = root / "build" / "bin" / "ask"
    if not ask.exists():
        pytest.skip("build/bin/ask was not built")
    done = subprocess.run([str(ask), str(path), QUESTION], stdout=subprocess.PIPE, check=True)
    assert done.stdout.decode() == model.session().generate(QUESTION, [model.encode_image(path)]) + "\n"


def test_the_prompt_can_come_from_standard_input(root, path, answer):
    arguments = run_arguments(path)
    arguments[arguments.index(QUESTION)] = "-"
    done = subprocess.run([str(root / "build" / "bin" / "fovea"), *arguments], input=QUESTION.encode() + b"\n", stdout=subprocess.PIPE)
    assert done.stdout.decode() == answer + "\n"


INSTRUCTION_SETS = {
    "scalar": set(),
    "sse41": {"ssse3", "sse4_1"},
    "avx2": {"avx2", "fma", "f16c"},
    "avxvnni": {"avx2", "fma", "f16c", "avx_vnni"},
    "avx512": {"avx2", "fma", "f16c", "avx512f", "avx512bw", "avx512dq", "avx512vl", "avx512_vnni"},
    "neon": {"asimd"},
    "dotprod": {"asimddp"},
    "i8mm": {"asimddp", "i8mm"},
}


def cpu_has(isa):
    try:
        with open("/proc/cpuinfo") as lines:
            flags = next((line for line in lines if line.lower().startswith(("flags", "features"))), "")
    except OSError:
        pytest.skip("no /proc/cpuinfo to tell what this CPU has")
    return INSTRUCTION_SETS[isa] <= set(flags.split())


@pytest.mark.parametrize("isa", INSTRUCTION_SETS)
@pytest.mark.parametrize("threads", ["1", "2", "3"])
def test_instruction_sets_and_threads_change_nothing(root, path, answer, isa, threads):
    if not cpu_has(isa):
        pytest.skip(f"this CPU has no {isa}")
    done = fovea_run(root, *run_arguments(path), "--threads", threads, "--json", FOVEA_ISA=isa)
    report = json.loads(done.stdout)
    assert report["model"]["instruction_set"] == isa
    assert report["text"] == answer
    assert report["model"]["threads"] == int(threads)


@pytest.mark.parametrize("isa", ["sse9", "AVX2", *(isa for isa in INSTRUCTION_SETS)])
def test_an_instruction_set_that_is_not_there_is_refused(root, path, isa):
    if isa in INSTRUCTION_SETS and cpu_has(isa):
        pytest.skip(f"this CPU has {isa}")
    done = fovea_run(root, *run_arguments(path), FOVEA_ISA=isa)
    assert done.returncode != 0 and done.stdout == b""
    assert f'"{isa}"'.encode() in done.stderr and b"this CPU has scalar" in done.stderr


def test_an_empty_instruction_set_is_none(root, path, answer):
    assert fovea_run(root, *run_arguments(path), FOVEA_ISA="").stdout.decode() == answer + "\n"


@pytest.mark.parametrize(
    "arguments, code, message",
    [
        (["run", "-m", "/nonexistent.fovea", "-p", "x"], 66, b"/nonexistent.fovea"),
        (["run", "-i", "/nonexistent.png", "-p", "x"], 66, b"/nonexistent.png"),
        (["run", "-p", "<image>"], 64, b"<image>"),
        (["run", "-p", "x", "--temperature", "-1"], 64, b"temperature"),
        (["run", "-p", "word " * 5000], 64, b"context"),
        (["run"], 64, b"--prompt"),
        (["run", "-p", "x", "--memory-budget", "1K"], 71, b"1024"),
        (["run", "-p", "x", "--memory-budget", "lots"], 64, b"--memory-budget"),
        (["inspect", "-m", "/nonexistent.fovea"], 66, b"/nonexistent.fovea"),
        (["no-such-command"], 64, b"no-such-command"),
    ],
)
def test_failures_have_a_line_and_a_status(root, arguments, code, message):
    done = fovea_run(root, *arguments)
    assert done.returncode == code, done.stderr
    assert message in done.stderr
    assert done.stdout == b""


def test_a_foreign_file_is_no_model(root, tmp_path):
    path = tmp_path / "foreign.fovea"
    path.write_bytes(b"GGUF" + bytes(1000))
    done = fovea_run(root, "run", "-m", str(path), "-p", "x")
    assert done.returncode == 65 and b"foreign.fovea" in done.stderr


def test_inspect_shows_the_file(root, model):
    done = fovea_run(root, "inspect", "--json")
    report = json.loads(done.stdout)
    assert report["metadata"]["general.system"] == "hires_llava"
    assert len(report["tensors"]) > 50
    # The tables count the library, which is a part of the program here.
    for part in ("mapped_bytes", "weight_bytes", "session_bytes", "scratch_bytes"):
        assert report["memory_plan"][part] == fovea.plan()[part]
    text = fovea_run(root, "inspect", "--tensors", "--verify").stdout.decode()
    assert "hires_llava" in text and report["tensors"][0]["name"] in text


def test_the_environment_can_name_the_model(root, path, tmp_path, answer):
    copy = tmp_path / "copy.fovea"
    copy.write_bytes(open(fovea.builtin_model(), "rb").read())
    report = json.loads(fovea_run(root, "inspect", "--json", FOVEA_MODEL=str(copy)).stdout)
    assert report["path"] == str(copy)
    assert fovea_run(root, *run_arguments(path), FOVEA_MODEL=str(copy)).stdout.decode() == answer + "\n"
    done = fovea_run(root, *run_arguments(path), FOVEA_MODEL=str(tmp_path / "missing.fovea"))
    assert done.returncode == 66 and b"missing.fovea" in done.stderr


def test_bench_prints_every_figure(root):
    done = fovea_run(root, "bench", "--json", "--runs", "2", "--tokens", "8", "--prompt-tokens", "32", "--size", "200")
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    for figure in ("encode_seconds", "prefill_tokens_per_second", "decode_tokens_per_second"):
        assert 0 < report[figure]["low"] <= report[figure]["median"] <= report[figure]["high"]
    assert report["bytes_per_token"] > 0 and report["read_bytes_per_second"] > 1e8
    assert report["bandwidth_share"] > 0  # a small model stays in the caches and passes 1
    assert report["peak_bytes"] > 1e6
