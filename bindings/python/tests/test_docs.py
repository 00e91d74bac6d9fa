# SPDX-License-Identifier: Apache-2.0
"""The documentation's snippets run and its links lead somewhere; tools/check-docs says how."""

from __future__ import annotations

import sys

from command_line import run


def test_snippets_run_and_links_lead_somewhere(root, command):
    done = run(sys.executable, root / "tools" / "check-docs", "--no-search")
    assert done.returncode == 0, done.stdout.decode()
    assert b" 0 failed" in done.stdout
