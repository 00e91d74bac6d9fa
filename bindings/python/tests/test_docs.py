# SPDX-License-Identifier: Apache-2.0
"""The documentation's snippets run and its links lead somewhere; tools/check-docs says how."""

from __future__ import annotations

import re
import sys

import fovea
from command_line import run
from fovea import _library


def test_snippets_run_and_links_lead_somewhere(root, command):
    done = run(sys.executable, root / "tools" / "check-docs", "--no-search")
    assert done.returncode == 0, done.stdout.decode()
    assert b" 0 failed" in done.stdout


def test_every_status_says_what_to_do(root):
    """docs/troubleshooting.md has a line for each, with the exception of Python."""
    header = (root / "include" / "fovea.h").read_text()
    names = set(re.findall(r"^  (FOVEA_ERROR_\w+) = \d+", header, flags=re.M))
    classes = {c.__name__: c.status for c in fovea.Error.__subclasses__()}
    text = (root / "docs" / "troubleshooting.md").read_text()
    rows = dict(re.findall(r"^\| `(FOVEA_ERROR_\w+)` \| `(\w+)` \| \d+ \| .+ \| .+ \|$", text, flags=re.M))
    assert set(rows) == names
    assert {name: classes[row] for name, row in rows.items()} == {name: getattr(_library, name) for name in names}
