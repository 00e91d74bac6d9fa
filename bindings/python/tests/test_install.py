# SPDX-License-Identifier: Apache-2.0
"""tools/install puts everything where it is told, and takes it away again."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys

import pytest


@pytest.fixture
def install(root, tmp_path):
    """tools/install with what is in build/ in place of a build."""
    built, tools = tmp_path / "built", tmp_path / "tools"
    built.mkdir()
    tools.mkdir()
    shutil.copy(root / "build" / "lib" / "libfovea.so.1", built / "libfovea-shared.so")
    shutil.copy(root / "build" / "bin" / "fovea", built / "fovea")
    (tools / "swift").write_text(f'#!/bin/sh\ncase "$*" in *--show-bin-path*) echo "{built}";; esac\n')
    (tools / "swift").chmod(0o755)
    environment = {**os.environ, "PATH": f"{tools}:{os.environ['PATH']}"}
    environment.pop("DESTDIR", None)

    def run(*arguments: str, **more: str) -> subprocess.CompletedProcess:
        command = [str(root / "tools" / "install"), *arguments]
        return subprocess.run(command, env={**environment, **more}, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, universal_newlines=True)

    return run


@pytest.mark.parametrize("libdir", ["lib", "lib/x86_64-linux-gnu", "/opt/fovea/lib64"])
def test_installing_below_destdir_and_taking_it_away(install, tmp_path, libdir):
    destination = tmp_path / "destination"
    arguments = ("--prefix", "/opt/fovea", "--libdir", libdir)
    done = install(*arguments, DESTDIR=str(destination))
    assert done.returncode == 0, done.stdout
    root = destination / "opt" / "fovea"
    folder = root / libdir.replace("/opt/fovea/", "")
    assert (folder / "libfovea.so").resolve() == (folder / "libfovea.so.1").resolve()
    for name in ("pkgconfig/fovea.pc", "cmake/Fovea/FoveaConfig.cmake"):
        assert "@" not in (folder / name).read_text()
    manifest = (root / "share" / "fovea" / "manifest").read_text().split("\n")[:-1]
    files = {str(p.relative_to(root)) for p in root.rglob("*") if not p.is_dir()}
    assert files == set(manifest)
    if shutil.which("pkg-config"):
        flags = subprocess.run(
            ["pkg-config", "--variable=libdir", "fovea"],
            env={**os.environ, "PKG_CONFIG_PATH": str(folder / "pkgconfig")},
            stdout=subprocess.PIPE,
        ).stdout.decode()
        assert os.path.realpath(flags.strip()) == str(folder.resolve())
    code = "import fovea, sys; print(fovea.builtin_model())"
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "FOVEA_LIBRARY": str(folder / "libfovea.so.1"), "PYTHONPATH": os.pathsep.join(sys.path)},
        stdout=subprocess.PIPE,
    )
    assert os.path.realpath(done.stdout.decode().strip()) == str((root / "share" / "fovea" / "builtin.fovea").resolve())
    (root / "share" / "other").write_text("kept")
    done = install(*arguments, "--uninstall", DESTDIR=str(destination))
    assert done.returncode == 0, done.stdout
    assert [str(p.relative_to(root)) for p in root.rglob("*") if not p.is_dir()] == ["share/other"]
    assert not (root / "share" / "fovea").exists() and not (folder / "cmake" / "Fovea").exists()
    assert install(*arguments, "--uninstall", DESTDIR=str(destination)).returncode == 66


@pytest.mark.parametrize("arguments", [("--prefix", "/opt/fovea", "--libdir", "/usr/lib"), ("--libdir", "../lib"), ("--sideways",)])
def test_wrong_places_are_refused(install, arguments):
    assert install(*arguments).returncode == 64
