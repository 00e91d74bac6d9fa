# SPDX-License-Identifier: Apache-2.0
"""Documents in DocTags on the command line, checkpoints from the Hugging Face cache, and decoders without a tower."""

from __future__ import annotations

import json
import os
import shutil

import pytest
from command_line import run

SMALL = "Tests/ConversionTests/Fixtures/checkpoints"
ASK = ["--task", "docling", "--max-tokens", "8", "--ignore-eos"]


@pytest.fixture(scope="module")
def model(root, command, tmp_path_factory):
    path = tmp_path_factory.mktemp("doctags") / "m.fovea"
    assert run(command, "convert", root / SMALL / "granite_docling" / "checkpoint", "-o", path, "-q").returncode == 0
    return path


@pytest.fixture(scope="module")
def page(root):
    return root / SMALL / "granite_docling" / "image.png"


def output(command, model, page, *arguments):
    done = run(command, "run", "-m", model, "-i", page, *ASK, *arguments)
    assert done.returncode == 0, done.stderr
    return done.stdout.decode()


def test_an_answer_is_converted(command, model, page):
    plain = output(command, model, page)
    assert output(command, model, page, "--output-format", "doctags") == plain
    html = output(command, model, page, "--output-format", "html")
    assert html.startswith("<!DOCTYPE html>") and html.endswith("</html>\n")
    assert "elements" in json.loads(output(command, model, page, "--output-format", "json"))
    report = json.loads(output(command, model, page, "--output-format", "markdown", "--json"))
    assert report["text"] == plain.rstrip("\n") and isinstance(report["document"], str)


def test_pages_become_one_document(command, model, page):
    html = output(command, model, page, "-i", page, "--pages", "--output-format", "html")
    assert html.count("<html>") == 1 and html.count("<hr>") == 1
    assert len(json.loads(output(command, model, page, "-i", page, "--pages", "--output-format", "json"))) == 2


def test_only_doctags_become_html(root, command, page):
    done = run(command, "run", "-i", page, "-p", "x", "--output-format", "html")
    assert done.returncode == 64 and b"DocTags" in done.stderr


def test_a_repository_is_found_in_the_cache(root, command, tmp_path):
    snapshot = tmp_path / "models--acme--tiny" / "snapshots" / "0a1b"
    shutil.copytree(root / SMALL / "smolvlm" / "checkpoint", snapshot)
    (tmp_path / "models--acme--tiny" / "refs").mkdir()
    (tmp_path / "models--acme--tiny" / "refs" / "main").write_text("0a1b")
    environment = {**os.environ, "HF_HUB_CACHE": str(tmp_path)}
    done = run(command, "convert", "acme/tiny", "-o", tmp_path / "m.fovea", env=environment)
    assert done.returncode == 0, done.stderr
    facts = json.loads(run(command, "inspect", tmp_path / "m.fovea", "--json").stdout)
    assert facts["metadata"]["general.name"] == "tiny"
    done = run(command, "convert", "acme/other", "-o", tmp_path / "n.fovea", env=environment)
    assert done.returncode == 66 and b"hf download acme/other" in done.stderr


HUB = """
import os, shutil
def snapshot_download(repository, allow_patterns):
    assert "*.json" in allow_patterns
    if repository == "acme/gone":
        raise RuntimeError("404: no such repository" + chr(10) + "more")
    folder = os.path.join(os.environ["HF_HUB_CACHE"], "models--" + repository.replace("/", "--"), "snapshots", "1")
    os.makedirs(folder, exist_ok=True)
    kind = [p for p in allow_patterns if p in ("*.safetensors", "*.bin")][0][1:]
    for name in os.listdir(os.environ["FILES"]):
        if os.path.splitext(name)[1] in (".json", kind):
            shutil.copy(os.path.join(os.environ["FILES"], name), folder)
    return folder
"""


def test_a_repository_is_downloaded(root, command, tmp_path):
    (tmp_path / "modules").mkdir()
    (tmp_path / "modules" / "huggingface_hub.py").write_text(HUB)
    environment = {**os.environ, "HF_HUB_CACHE": str(tmp_path / "hub"), "PYTHONPATH": str(tmp_path / "modules")}
    environment["FILES"] = str(root / SMALL / "smolvlm" / "checkpoint")

    def convert(name, *more):
        return run(command, "convert", name, "-o", tmp_path / "m.fovea", *more, env=environment)

    done = convert("acme/tiny", "--download")
    assert done.returncode == 0, done.stderr
    assert json.loads(run(command, "inspect", tmp_path / "m.fovea", "--json").stdout)["metadata"]["general.name"] == "tiny"
    assert convert("acme/tiny").returncode == 0  # from the cache now
    done = convert("acme/gone", "--download")
    assert done.returncode == 66 and b"404: no such repository" in done.stderr and b"more" not in done.stderr
    (tmp_path / "modules" / "huggingface_hub.py").write_text("raise ImportError")
    done = convert("acme/new", "--download")
    assert done.returncode == 69 and b"hf download acme/new" in done.stderr and b"pip install huggingface_hub" in done.stderr
