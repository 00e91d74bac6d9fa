# SPDX-License-Identifier: Apache-2.0
"""Running programs, as the tests of the command line do."""

from __future__ import annotations

import os
import subprocess


def run(*arguments, **options) -> "subprocess.CompletedProcess[bytes]":
    """Paths and bytes go through as they are, anything else as text; nothing to read and everything caught, unless `options` say otherwise."""
    if "input" not in options:
        options.setdefault("stdin", subprocess.DEVNULL)
    command = [a if isinstance(a, (bytes, os.PathLike)) else str(a) for a in arguments]
    return subprocess.run(command, timeout=120, **{"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **options})
