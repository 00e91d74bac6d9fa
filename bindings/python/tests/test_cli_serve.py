# SPDX-License-Identifier: Apache-2.0
"""`fovea serve` becomes fovea-serve, which is installed apart."""

from __future__ import annotations

import os
import subprocess


def serve(command, path, *options):
    return subprocess.run([command, "serve", *options], env={**os.environ, "PATH": str(path)}, stdout=subprocess.PIPE, stderr=subprocess.PIPE)


def test_options_arrive_as_they_are(command, tmp_path):
    server = tmp_path / "fovea-serve"
    server.write_text('#!/bin/sh\nfor option; do echo "<$option>"; done\nexit 7\n')
    server.chmod(0o755)
    options = ["--help", "--model", "a b=c", "", "--", "-x", b"\xff"]
    done = serve(command, f"{tmp_path}:/bin", *options)
    assert done.returncode == 7, done.stderr
    wanted = [o if isinstance(o, bytes) else o.encode() for o in options]
    assert done.stdout == b"".join(b"<" + o + b">\n" for o in wanted)


def test_a_missing_server_is_named(command, tmp_path):
    done = serve(command, tmp_path)
    assert done.returncode == 69
    assert b"tools/install --serve" in done.stderr
