# SPDX-License-Identifier: Apache-2.0
"""The wheel holds the library and the model and is marked for its platform; without a library none is made. The library in build/ is
taken, nothing is built."""

from __future__ import annotations

import glob
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
    command = [sys.executable, "-m", "pip", "wheel", "-v", "--no-deps", "--no-build-isolation", "--no-index", "-w", str(out), str(folder)]
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
    assert {"fovea/libfovea.so.1", "fovea/builtin.fovea", "fovea/py.typed", "fovea_corpus/py.typed", *sources} <= files
    assert not any("tests" in name for name in files)
    [facts] = inside.glob("*.dist-info/WHEEL")
    assert "Root-Is-Purelib: false" in facts.read_text()
    [facts] = inside.glob("*.dist-info/METADATA")
    assert "\nLicense: Apache-2.0\n" in facts.read_text() and "SetuptoolsDeprecationWarning" not in done.stdout
    environment = {k: v for k, v in os.environ.items() if not k.startswith("FOVEA_")}
    code = "import fovea; m = fovea.load(threads=1); print(fovea.__file__, m.session().generate('a', max_tokens=1) is not None)"
    done = subprocess.run([sys.executable, "-c", code], env={**environment, "PYTHONPATH": str(inside)}, stdout=subprocess.PIPE, cwd=tmp_path)
    assert done.stdout.decode().split() == [str(inside / "fovea" / "__init__.py"), "True"]


@pytest.mark.parametrize("environment, sentence", [({}, "FOVEA_PREFIX"), ({"FOVEA_PREFIX": "/nonexistent"}, "/nonexistent")])
def test_no_package_is_made_without_the_library(package, tmp_path, environment, sentence):
    done = wheel(package, tmp_path, **{"FOVEA_PREFIX": "", **environment})
    assert done.returncode != 0 and "fovea-vlm:" in done.stdout and sentence in done.stdout
    assert not list(tmp_path.glob("*.whl"))


def interpreters():
    """Every Python that is supported and here, by what it calls itself: pyenv's names are scripts."""
    found = {}
    for minor in range(9, 15):
        name = f"python3.{minor}"
        for path in [shutil.which(name), *glob.glob(os.path.expanduser(f"~/.pyenv/versions/3.{minor}.*/bin/{name}"))]:
            done = path and subprocess.run([path, "-c", "import sys, pip; print(sys.executable)"], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
            if done and done.returncode == 0:
                found[name] = done.stdout.decode().strip()
    return found


def test_the_wheel_installs_in_every_python_without_swift(root, package, tmp_path):
    done = wheel(package, tmp_path, FOVEA_PREFIX=str(root / "build"))
    assert done.returncode == 0, done.stdout
    [path] = tmp_path.glob("*.whl")
    code = "import fovea, fovea_corpus; m = fovea.load(threads=1); print(m.info['name'], m.session().generate('a', max_tokens=1) is not None)"
    for name, python in {**interpreters(), "own": sys.executable}.items():
        place = tmp_path / name
        command = [python, "-m", "pip", "install", "--quiet", "--no-index", "--target", str(place), str(path)]
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        assert done.returncode == 0, (name, done.stdout)
        # Nothing but the package: no PATH, no variable of ours.
        done = subprocess.run(
            [python, "-c", code],
            env={"PATH": "/nonexistent", "PYTHONPATH": str(place)},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            cwd=tmp_path,
        )
        assert done.stdout.decode().split() == ["reader", "True"], (name, done.stdout)


@pytest.fixture
def checkout(root, tmp_path):
    """A clone that nothing was built in."""
    top = tmp_path / "clone"
    ignored = shutil.ignore_patterns("__pycache__", "build", "*.egg-info", "tests")
    shutil.copytree(root / "bindings" / "python", top / "bindings" / "python", ignore=ignored)
    (top / "tools").mkdir()
    for name in ("setup", "install"):
        shutil.copy(root / "tools" / name, top / "tools" / name)
    return top / "bindings" / "python"


@pytest.mark.parametrize(
    "swift, libraries, sentences",
    [
        (None, 0, ["ready wheel", "Swift 6.3 or later is needed", "swift.org"]),
        ("5.9", 0, ["ready wheel", "Swift 6.3 or later is needed, this is 5.9"]),
        ("6.3", 1, ["ready wheel", "missing here: libpng-dev libjpeg-dev libzstd-dev", "tools/setup"]),
        ("6.3", 0, ["tools/install could not build the library"]),
    ],
)
def test_a_clone_says_what_is_missing(checkout, tmp_path, swift, libraries, sentences):
    programs = tmp_path / "programs"
    programs.mkdir()
    for name in ("bash", "sed", "head", "env", "make", "cc", "python3"):
        (programs / name).symlink_to(shutil.which(name) or "/bin/true")
    if swift:
        (programs / "swift").write_text(f"#!/bin/sh\necho 'Swift version {swift}.1'\n")
        (programs / "swift").chmod(0o755)
    (programs / "pkg-config").write_text(f"#!/bin/sh\nexit {libraries}\n")
    (programs / "pkg-config").chmod(0o755)
    done = wheel(checkout, tmp_path, PATH=str(programs), FOVEA_PREFIX="")
    assert done.returncode != 0
    assert all(sentence in done.stdout for sentence in ["fovea-vlm:", *sentences]), done.stdout
    assert not list(tmp_path.glob("*.whl"))
