# SPDX-License-Identifier: Apache-2.0
"""Puts the shared library and the built-in model into the package; a package without them is never made.

They are taken from the installation in FOVEA_PREFIX, else from `build/` of the checkout, where tools/install builds them now if they
are missing. Existing ones are not rebuilt: after a change run tools/install --prefix build.
"""

import os
import shutil
import subprocess
from pathlib import Path

from setuptools import Distribution, setup
from setuptools.command.build_py import build_py

try:
    from setuptools.command.bdist_wheel import bdist_wheel
except ImportError:  # setuptools before 70.1
    from wheel.bdist_wheel import bdist_wheel

CHECKOUT = Path(__file__).resolve().parents[2]
NAMED = os.environ.get("FOVEA_PREFIX")
PREFIX = Path(NAMED) if NAMED else CHECKOUT / "build"
SOURCES = {"libfovea.so.1": PREFIX / "lib" / "libfovea.so.1", "builtin.fovea": PREFIX / "share" / "fovea" / "builtin.fovea"}


def require_library() -> None:
    if all(source.exists() for source in SOURCES.values()):
        return
    install = CHECKOUT / "tools" / "install"
    if NAMED:
        raise SystemExit(f"fovea-vlm: FOVEA_PREFIX is {PREFIX}, but lib/libfovea.so.1 or share/fovea/builtin.fovea is missing there.")
    if not install.exists():
        raise SystemExit(
            "fovea-vlm: the source distribution holds no library. Set FOVEA_PREFIX to where tools/install has put Fovea, or install from a checkout."
        )
    checked = subprocess.run([str(CHECKOUT / "tools" / "setup"), "--check"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    if checked.returncode != 0:
        raise SystemExit(
            f"fovea-vlm: the library has to be built first. {checked.stdout.decode().strip()}\n"
            "Or install a ready wheel, which needs none of this, or set FOVEA_PREFIX to where Fovea is installed."
        )
    done = subprocess.run([str(install), "--prefix", str(PREFIX)], env={k: v for k, v in os.environ.items() if k != "DESTDIR"})
    if done.returncode != 0:
        raise SystemExit("fovea-vlm: tools/install could not build the library; what it said stands above (pip shows it with -v).")


class BuildWithLibrary(build_py):
    def run(self) -> None:
        super().run()
        if getattr(self, "editable_mode", False):
            return  # the package in the checkout looks into build/
        require_library()
        for name, source in SOURCES.items():
            shutil.copyfile(source, Path(self.build_lib) / "fovea" / name)


class PlatformWheel(bdist_wheel):
    def finalize_options(self) -> None:
        super().finalize_options()
        self.root_is_pure = False

    def get_tag(self):
        _, _, platform = super().get_tag()
        return "py3", "none", platform  # ctypes: any Python 3, no ABI of its own


class WithBinary(Distribution):
    def has_ext_modules(self) -> bool:
        return True  # into the platform's folder of the wheel, where auditwheel looks for libraries


setup(license="Apache-2.0", distclass=WithBinary, cmdclass={"build_py": BuildWithLibrary, "bdist_wheel": PlatformWheel})
