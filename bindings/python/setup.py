# SPDX-License-Identifier: Apache-2.0
"""Puts the shared library and the built-in model into the wheel, when they have been built.

They are taken from the prefix in FOVEA_PREFIX, else from `build/` of the checkout (see tools/install). A wheel with the library
inside is marked for this platform; one without finds an installed library when it is imported.
"""
import os
import shutil
from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py

try:
    from setuptools.command.bdist_wheel import bdist_wheel
except ImportError:  # setuptools before 70.1
    from wheel.bdist_wheel import bdist_wheel

PREFIX = Path(os.environ.get("FOVEA_PREFIX") or Path(__file__).resolve().parents[2] / "build")
LIBRARY = PREFIX / "lib" / "libfovea.so.1"
MODEL = PREFIX / "share" / "fovea" / "builtin.fovea"


class BuildWithLibrary(build_py):
    def run(self) -> None:
        super().run()
        package = Path(self.build_lib) / "fovea"
        for source in (LIBRARY, MODEL):
            if source.exists():
                shutil.copyfile(source, package / source.name)


class PlatformWheel(bdist_wheel):
    def finalize_options(self) -> None:
        super().finalize_options()
        self.root_is_pure = not LIBRARY.exists()

    def get_tag(self):
        _, _, platform = super().get_tag()
        return "py3", "none", platform  # ctypes: any Python 3, no ABI of its own


setup(cmdclass={"build_py": BuildWithLibrary, "bdist_wheel": PlatformWheel})
