# SPDX-License-Identifier: Apache-2.0
"""Compiles Probe.swift with Sources/Constraints, once for each state of the sources, and speaks with it."""

from __future__ import annotations

import hashlib
import subprocess
from collections.abc import Iterable
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def program() -> Path:
    sources = sorted((ROOT / "Sources" / "Constraints").glob("*.swift")) + [Path(__file__).with_name("Probe.swift")]
    digest = hashlib.sha256()
    for source in sources:
        digest.update(source.read_bytes())
    made = ROOT / "build" / "constraints" / f"probe-{digest.hexdigest()[:16]}"
    if not made.exists():
        made.parent.mkdir(parents=True, exist_ok=True)
        for old in made.parent.glob("probe-*"):
            old.unlink()
        command = ["swiftc", "-O", "-wmo", "-parse-as-library", "-swift-version", "5", "-package-name", "fovea", "-module-name", "Probe"]
        subprocess.run([*command, *map(str, sources), "-o", str(made)], check=True)
    return made


class Refused(Exception):
    """A constraint that the library does not take, and the seconds it took to say so."""

    def __init__(self, words: str, seconds: float) -> None:
        super().__init__(words)
        self.seconds = seconds


class Probe:
    """A vocabulary, and one constraint at a time. The token after the last one is the answer's end."""

    def __init__(self, tokens: Iterable[tuple[int, bytes]], path: Path) -> None:
        self.tokens = list(tokens)
        self.end = len(self.tokens)
        path.write_bytes(b"".join(bytes([kind]) + len(text).to_bytes(2, "little") + text for kind, text in self.tokens))
        self.process = subprocess.Popen([str(program()), str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        words = self._line().split()
        self.seconds, self.memory = float(words[1]), int(words[2])

    def close(self) -> None:
        self.process.stdin.close()
        self.process.wait()

    def cpu(self) -> float:
        """Seconds that its thread has computed."""
        return int(Path(f"/proc/{self.process.pid}/schedstat").read_text().split()[0]) / 1e9

    def _line(self) -> str:
        line = self.process.stdout.readline()
        if not line:
            raise RuntimeError(f"the probe ended with {self.process.wait()}")
        return line.decode("utf-8", "replace").rstrip("\n")

    def ask(self, command: str, data: bytes = b"") -> str:
        self.process.stdin.write(command.encode() + b"\n" + data)
        self.process.stdin.flush()
        return self._line()

    def compile(self, kind: str, text: str | bytes, deadline: float = 0, cache: int = 32 << 20) -> tuple[float, int]:
        """Seconds and bytes. Raises Refused."""
        data = text.encode() if isinstance(text, str) else text
        words = self.ask(f"constraint {kind} {len(data)} {int(deadline * 1000)} {cache}", data).split(" ", 2)
        if words[0] != "ok":
            raise Refused(words[2] if len(words) > 2 else "", float(words[1]))
        return float(words[1]), int(words[2])

    def ids(self, command: str) -> list[int]:
        answer = self.ask(command)
        if answer.startswith("error"):
            raise Refused(answer, 0)
        return [int(word) for word in answer.split()]

    def bytes(self, ids: Iterable[int]) -> bytes:
        return b"".join(self.tokens[i][1] for i in ids)
