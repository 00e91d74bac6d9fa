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
    shutil.copy("/bin/true", built / "fovea-serve")
    (tools / "swift").write_text(f'#!/bin/sh\ncase "$*" in *--show-bin-path*) echo "{built}";; esac\n')
    (tools / "swift").chmod(0o755)
    environment = {**os.environ, "PATH": f"{tools}:{os.environ['PATH']}"}
    environment.pop("DESTDIR", None)

    def run(*arguments: str, umask: int = 0o022, **more: str) -> subprocess.CompletedProcess:
        return subprocess.run(
            ["bash", "-c", f'umask {umask:o}; exec "$@"', "bash", str(root / "tools" / "install"), *arguments],
            env={**environment, **more},
            cwd=tmp_path,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            universal_newlines=True,
        )

    return run


def files_below(root) -> set:
    return {str(p.relative_to(root)) for p in root.rglob("*") if not p.is_dir()}


def listed(root) -> set:
    """The manifest's files; folders have a slash at the end."""
    return {place for place in (root / "share" / "fovea" / "manifest").read_text().splitlines() if not place.endswith("/")}


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
    assert files_below(root) == listed(root)
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
    assert {str(p.relative_to(root)) for p in root.rglob("*")} == {"share", "share/other"}
    assert install(*arguments, "--uninstall", DESTDIR=str(destination)).returncode == 66


def test_what_an_earlier_installation_had_alone_goes(install, tmp_path):
    root = tmp_path / "destination" / "opt" / "fovea"
    (root / "share" / "man").mkdir(parents=True)
    (root / "lib64").symlink_to("lib")
    places = {"DESTDIR": str(tmp_path / "destination")}
    assert install("--prefix", "/opt/fovea", "--serve", "--libdir", "lib/x86_64-linux-gnu", **places).returncode == 0
    assert (root / "bin" / "fovea-serve").exists()
    for libdir in ("lib", "lib64", "lib"):  # the last ones are one folder
        done = install("--prefix", "/opt/fovea", "--libdir", libdir, **places)
        assert done.returncode == 0, done.stdout
        assert not (root / "bin" / "fovea-serve").exists() and not (root / "lib" / "x86_64-linux-gnu").exists()
        assert (root / "lib" / "libfovea.so").exists() and (root / "lib" / "pkgconfig" / "fovea.pc").exists()
        assert files_below(root) - {"lib64"} == {place.replace("lib64/", "lib/") for place in listed(root)}
    assert install("--prefix", "/opt/fovea", "--uninstall", **places).returncode == 0
    # What was there before stays.
    assert {str(p.relative_to(root)) for p in root.rglob("*")} == {"lib64", "share", "share/man"}


def test_places_are_those_of_the_caller(install, tmp_path):
    assert install("--prefix", "/opt//", "--libdir", "/opt/lib//", DESTDIR="destination").returncode == 0
    assert (tmp_path / "destination" / "opt" / "lib" / "libfovea.so").exists()
    assert install("--prefix", "here/", DESTDIR=str(tmp_path / "other")).returncode == 0
    assert (tmp_path / "other" / str(tmp_path)[1:] / "here" / "bin" / "fovea").exists()


def test_special_characters_of_libdir_are_written_as_they_are(install, tmp_path):
    done = install("--prefix", "/opt", "--libdir", "lib/a&b|c\\d", DESTDIR=str(tmp_path / "destination"))
    assert done.returncode == 0, done.stdout
    folder = tmp_path / "destination" / "opt" / "lib" / "a&b|c\\d"
    assert "libdir=${prefix}/lib/a&b|c\\d\n" in (folder / "pkgconfig" / "fovea.pc").read_text()


def test_others_can_read_it_whatever_the_umask(install, tmp_path):
    assert install("--prefix", "/opt", umask=0o077, DESTDIR=str(tmp_path / "destination")).returncode == 0
    for path in (tmp_path / "destination").rglob("*"):
        assert path.stat().st_mode & 0o444 == 0o444 and (not path.is_dir() or path.stat().st_mode & 0o111 == 0o111), path


@pytest.mark.parametrize("arguments", [("--prefix", ""), ("--prefix=",), ("--prefix",), ("--libdir", ""), ("--libdir=",), ("--serve=",)])
def test_no_folder_is_not_the_root(install, tmp_path, arguments):
    # Below a folder of ours, should it install after all.
    done = install(*arguments, DESTDIR=str(tmp_path / "destination"))
    assert done.returncode == 64 and not (tmp_path / "destination").exists(), done.stdout


@pytest.mark.parametrize("arguments", [("--prefix", "/opt/fovea", "--libdir", "/usr/lib"), ("--libdir", "../lib"), ("--sideways",)])
def test_wrong_places_are_refused(install, arguments):
    assert install(*arguments).returncode == 64
