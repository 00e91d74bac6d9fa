# SPDX-License-Identifier: Apache-2.0
"""The wheel holds the library and the model and is marked for its platform; without a library none is made. The library in build/ is
taken, nothing is built."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import zipfile

import pytest

pytest.importorskip("setuptools")
pytest.importorskip("pip")
try:
    import setuptools.command.bdist_wheel  # noqa: F401
except ImportError:
    pytest.importorskip("wheel")


def wheel(folder, out, **environment) -> subprocess.CompletedProcess:
    command = [sys.executable, "-m", "pip", "wheel", "--no-deps", "--no-build-isolation", "--no-index", "-w", str(out), str(folder)]
    return subprocess.run(command, env={**os.environ, **environment}, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, universal_newlines=True)


@pytest.fixture(scope="module")
def package(root, tmp_path_factory):
    """The package's folder without a checkout around it, as in a source distribution."""
    folder = tmp_path_factory.mktemp("package") / "a" / "b" / "python"
    ignored = shutil.ignore_patterns("__pycache__", "build", "*.egg-info", "tests")
    shutil.copytree(root / "bindings" / "python", folder, ignore=ignored)
    return folder


def test_the_wheel_is_whole_and_runs(root, package, tmp_path):
    done = wheel(package, tmp_path, FOVEA_PREFIX=str(root / "build"))
    assert done.returncode == 0, done.stdout
    [path] = tmp_path.glob("*.whl")
    assert "-py3-none-linux_" in path.name
    inside = tmp_path / "inside"
    with zipfile.ZipFile(path) as archive:
        archive.extractall(inside)
    files = {str(p.relative_to(inside)) for p in inside.rglob("*") if p.is_file()}
    python = root / "bindings" / "python"
    sources = {f"{name}/{p.name}" for name in ("fovea", "fovea_corpus") for p in (python / name).glob("*.py")}
    assert {"fovea/libfovea.so.1", "fovea/builtin.fovea", "fovea/py.typed", *sources} <= files
    assert not any("tests" in name for name in files)
    [facts] = inside.glob("*.dist-info/WHEEL")
    assert "Root-Is-Purelib: false" in facts.read_text()
    environment = {k: v for k, v in os.environ.items() if not k.startswith("FOVEA_")}
    code = "import fovea; m = fovea.load(threads=1); print(fovea.__file__, m.session().generate('a', max_tokens=1) is not None)"
    done = subprocess.run([sys.executable, "-c", code], env={**environment, "PYTHONPATH": str(inside)}, stdout=subprocess.PIPE, cwd=tmp_path)
    assert done.stdout.decode().split() == [str(inside / "fovea" / "__init__.py"), "True"]


@pytest.mark.parametrize("environment, sentence", [({}, "FOVEA_PREFIX"), ({"FOVEA_PREFIX": "/nonexistent"}, "/nonexistent")])
def test_no_package_is_made_without_the_library(package, tmp_path, environment, sentence):
    done = wheel(package, tmp_path, **{"FOVEA_PREFIX": "", **environment})
    assert done.returncode != 0 and "fovea-vlm:" in done.stdout and sentence in done.stdout
    assert not list(tmp_path.glob("*.whl"))


def test_a_checkout_without_swift_says_so(root, package, tmp_path):
    checkout = tmp_path / "checkout"
    shutil.copytree(package, checkout / "bindings" / "python")
    (checkout / "tools").mkdir()
    (checkout / "tools" / "install").write_text("#!/bin/sh\nexit 1\n")
    (checkout / "tools" / "install").chmod(0o755)
    tools = tmp_path / "tools"
    tools.mkdir()
    done = wheel(checkout / "bindings" / "python", tmp_path, FOVEA_PREFIX="", PATH=str(tools))
    assert done.returncode != 0 and "Swift is not installed" in done.stdout
    (tools / "swift").write_text("#!/bin/sh\nexit 0\n")
    (tools / "swift").chmod(0o755)
    done = wheel(checkout / "bindings" / "python", tmp_path, FOVEA_PREFIX="", PATH=f"{tools}:/usr/bin:/bin")
    assert done.returncode != 0 and "could not build" in done.stdout
    assert not list(tmp_path.glob("*.whl"))
