# SPDX-License-Identifier: Apache-2.0
"""A server for the tests: started on a free port, stopped at the end. tools/check-serve runs them."""

from __future__ import annotations

import base64
import json
import os
import re
import signal
import subprocess
from pathlib import Path

import httpx
import openai
import pytest

ROOT = Path(__file__).resolve().parents[3]
SAMPLES = ROOT / "tools" / "nano" / "samples"
MODELS = ROOT / "tools" / "nano" / "models"
PROGRAM = Path(os.environ["FOVEA_SERVE"])
HIRES = f"hires={MODELS}/hires-llava-nano/hires-llava-nano-int8.fovea"
FERRET = f"ferret={MODELS}/ferret-nano/ferret-nano-int8.fovea"
VARY = f"vary={MODELS}/vary-nano/vary-nano-int8.fovea"


def pytest_addoption(parser):
    parser.addoption("--long", type=int, default=20, help="seconds that the load test takes")


def data_url(name: str) -> str:
    kind = "jpeg" if name.endswith("jpg") else "png"
    return f"data:image/{kind};base64," + base64.b64encode((SAMPLES / name).read_bytes()).decode()


def about(name: str, text: str, *more: dict) -> list[dict]:
    """The messages of a question about a bundled picture."""
    return [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": data_url(name)}}, {"type": "text", "text": text}, *more]}]


class Server:
    """A running fovea-serve."""

    def __init__(self, *arguments: str, models=(HIRES, FERRET, VARY), environment: dict | None = None):
        options = [part for model in models for part in ("--model", model)]
        self.process = subprocess.Popen(
            [str(PROGRAM), "--port", "0", *options, *arguments], stdout=subprocess.PIPE, text=True, env={**os.environ, **(environment or {})}
        )
        line = self.process.stdout.readline()
        found = re.search(r"http://\S+:(\d+)", line)
        assert found, f"it did not start: {line!r}"
        self.port = int(found[1])
        self.url = f"http://127.0.0.1:{self.port}"
        self.http = httpx.Client(base_url=self.url, timeout=120)

    def client(self, **options) -> openai.OpenAI:
        return openai.OpenAI(base_url=f"{self.url}/v1", **{"api_key": "none", "max_retries": 0, "timeout": 120, **options})

    def post(self, body, path: str = "/v1/chat/completions", **options) -> httpx.Response:
        return self.http.post(path, json=body, **options)

    def metric(self, series: str) -> float:
        """The value of a series, or of all that begin with it."""
        lines = self.http.get("/metrics").text.splitlines()
        return sum(float(line.rsplit(" ", 1)[1]) for line in lines if line.startswith(series) and line[0] != "#")

    @property
    def resident(self) -> int:
        """Bytes."""
        return int(re.search(r"VmRSS:\s+(\d+)", Path(f"/proc/{self.process.pid}/status").read_text())[1]) * 1024

    @property
    def files(self) -> int:
        return len(os.listdir(f"/proc/{self.process.pid}/fd"))

    def stop(self, number: int = signal.SIGTERM, timeout: float = 60) -> int:
        self.http.close()
        if self.process.poll() is None:
            self.process.send_signal(number)
        try:
            return self.process.wait(timeout)
        finally:
            if self.process.poll() is None:
                self.process.kill()
                self.process.wait()
            self.process.stdout.close()


@pytest.fixture(scope="session")
def server():
    server = Server("--memory", "640")
    yield server
    assert server.stop() == 0


@pytest.fixture
def start():
    """Starts servers of a test's own."""
    servers = []

    def start(*arguments, **options) -> Server:
        servers.append(Server(*arguments, **options))
        return servers[-1]

    yield start
    for server in servers:
        server.stop()


def error_of(response: httpx.Response) -> dict:
    """OpenAI's error object, checked for its form."""
    error = json.loads(response.text)["error"]
    assert set(error) == {"message", "type", "param", "code"} and error["message"]
    return error
