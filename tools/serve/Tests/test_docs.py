# SPDX-License-Identifier: Apache-2.0
"""The commands of docs/server.md, as they stand there but for the port."""

from __future__ import annotations

import re
import subprocess
import sys

import pytest
from conftest import ROOT

GUIDE = (ROOT / "docs" / "server.md").read_text(encoding="utf-8")
SNIPPETS = re.findall(r"<!-- test: (\w+) -->\n```\w*\n(.*?)```", GUIDE, re.DOTALL)


@pytest.mark.parametrize(("language", "text"), SNIPPETS, ids=lambda part: part[:12])
def test_snippet(server, language, text):
    text = text.replace("127.0.0.1:8080", f"127.0.0.1:{server.port}")
    command = ["bash", "-ec", text] if language == "shell" else [sys.executable, "-c", text]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert "middle right" in done.stdout or "apple" in done.stdout, done.stdout


def test_names_every_option(server):
    from conftest import PROGRAM

    text = subprocess.run([PROGRAM, "--help"], capture_output=True, text=True, check=True).stdout
    for option in set(re.findall(r"--[a-z-]+", text)) - {"--version", "--help"}:
        assert option in GUIDE, f"docs/server.md leaves out {option}"


def test_names_every_code():
    sources = ROOT / "tools" / "serve" / "Sources" / "FoveaServe"
    text = "".join(path.read_text(encoding="utf-8") for path in sources.glob("*.swift"))
    codes = set(re.findall(r'APIError\(\s*\.\w+, "(\w+)"', text)) | set(re.findall(r'code: "(\w+)"', text))
    for code in codes - {"no_temporary_file", "no_process"}:
        assert f"`{code}`" in GUIDE, f"docs/server.md leaves out {code}"
