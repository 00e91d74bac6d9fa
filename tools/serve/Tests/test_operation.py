# SPDX-License-Identifier: Apache-2.0
"""Keys, queue, memory, stopping, metrics, ports."""

from __future__ import annotations

import concurrent.futures
import re
import signal
import subprocess
import threading
import time
from pathlib import Path

import httpx
import openai
import pytest
from conftest import FERRET, HIRES, MODELS, PROGRAM, VARY, about, error_of

# An answer that takes as long as it is let.
LONG = {"messages": about("poster.png", "Read."), "max_tokens": 1000, "response_format": {"type": "regex", "regex": "[a-z]{1500}"}}


def test_wants_a_key(start, tmp_path):
    keys = tmp_path / "keys"
    keys.write_text("first-key\nsecond-key\n")
    server = start("--api-key-file", str(keys), models=(HIRES,), environment={"FOVEA_API_KEY": "third-key"})
    for path in ("/v1/models", "/metrics"):
        assert server.http.get(path).status_code == 401
        assert server.http.get(path, headers={"authorization": "Bearer first-ke"}).status_code == 401
    assert server.http.get("/health").status_code == 200
    for key in ("first-key", "second-key", "third-key"):
        assert server.client(api_key=key).models.list().data[0].id == "hires"
    with pytest.raises(openai.AuthenticationError):
        server.client(api_key="wrong").models.list()


def test_refuses_when_the_queue_is_full(start):
    server = start("--sessions", "1", "--queue", "1", "--time-limit", "3", models=(HIRES,))
    with concurrent.futures.ThreadPoolExecutor(6) as pool:
        responses = list(pool.map(lambda _: server.post(LONG), range(6)))
    statuses = sorted(response.status_code for response in responses)
    assert set(statuses) <= {200, 429, 504} and statuses.count(429) >= 3
    refused = next(response for response in responses if response.status_code == 429)
    assert int(refused.headers["retry-after"]) >= 1 and error_of(refused)["code"] == "queue_full"


def test_keeps_to_the_time_limit(start):
    server = start("--time-limit", "1", "--max-tokens", "100000", models=(HIRES,))
    started = time.monotonic()
    codes = {server.post({**LONG, "max_tokens": 100_000, "n": 8, "temperature": 1}).status_code for _ in range(2)}
    assert codes <= {200, 504} and time.monotonic() - started < 8


def test_takes_turns(start):
    """One client's many requests do not hold up another's single one for longer than one of them."""
    server = start("--sessions", "1", "--api-key", "many", "--api-key", "one", "--queue", "100", models=(HIRES,))
    done: list[str] = []

    def ask(key: str) -> None:
        body = {"messages": about("poster.png", "Read."), "max_tokens": 300, "response_format": {"type": "regex", "regex": "[a-z]{900}"}}
        httpx.post(f"{server.url}/v1/chat/completions", json=body, headers={"authorization": f"Bearer {key}"}, timeout=120).raise_for_status()
        done.append(key)

    threads = [threading.Thread(target=ask, args=("many",)) for _ in range(8)]
    for thread in threads:
        thread.start()
    time.sleep(0.2)
    last = threading.Thread(target=ask, args=("one",))
    last.start()
    for thread in [*threads, last]:
        thread.join()
    assert done.index("one") <= 4, done


def test_loads_and_puts_away_within_its_memory(start):
    """Room for one of three models at a time; each answers when it is asked."""
    server = start("--memory", "180", "--body-memory", "8", "--sessions", "1")
    for _ in range(2):
        for model, picture, question in (
            ("hires", "one-word.png", "What is in the picture?"),
            ("ferret", "scene.png", "What is in the image?"),
            ("vary", "one-word.png", "Read."),
        ):
            response = server.post({"model": model, "messages": about(picture, question), "max_tokens": 20})
            assert response.status_code == 200, response.text
            assert server.metric("fovea_model_loaded{") <= 2
    assert server.resident < 180 << 20


def test_says_what_is_too_little():
    for arguments, word in (
        (["--memory", "100"], "too little"),
        (["--model", "x=/nowhere"], "nowhere"),
        (["--model", "a b=x"], "name"),
        (["--api-key-file", "/nowhere"], "cannot be read"),
    ):
        done = subprocess.run([PROGRAM, "--port", "0", "--model", HIRES, *arguments], capture_output=True, text=True, timeout=30)
        assert done.returncode == 1 and word in done.stderr, done.stderr


def test_stops_gracefully(start):
    server = start(models=(HIRES,))
    answers: list[httpx.Response] = []
    thread = threading.Thread(target=lambda: answers.append(server.post({**LONG, "max_tokens": 600})))
    thread.start()
    while server.http.get("/metrics").text.find('fovea_running{model="hires"} 1') < 0:
        time.sleep(0.01)
    server.process.send_signal(signal.SIGTERM)
    thread.join()
    assert answers[0].status_code == 200, "what runs is finished"
    assert server.process.wait(10) == 0


def test_stops_in_time(start):
    server = start("--grace", "1", "--max-tokens", "100000", models=(HIRES,))
    body = {**LONG, "n": 8, "temperature": 1.0}
    thread = threading.Thread(target=lambda: [server.post(body) for _ in range(1)])
    thread.start()
    time.sleep(0.3)
    started = time.monotonic()
    server.process.send_signal(signal.SIGINT)
    assert server.process.wait(12) == 0 and time.monotonic() - started < 8
    thread.join()


def test_metrics_are_prometheus(server):
    server.post({"model": "hires", "messages": about("one-word.png", "What is in the picture?")})
    text = server.http.get("/metrics").text
    for line in text.splitlines():
        assert re.fullmatch(r'# TYPE \w+ (counter|gauge|histogram)|\w+(\{(\w+="[^"]*",?)+\})? -?[0-9.e+-]+', line), line
    for name in (
        "fovea_requests_total",
        "fovea_tokens_total",
        "fovea_queue_length",
        "fovea_model_memory_bytes",
        "fovea_request_seconds_bucket",
        "process_resident_memory_bytes",
    ):
        assert f"\n{name}" in text or text.startswith(name)


def test_listens_at_one_port_of_this_machine(server):
    inodes = {link for fd in Path(f"/proc/{server.process.pid}/fd").iterdir() if (link := fd.readlink().name if fd.is_symlink() else "")}
    # Foundation, which starts Poppler, holds a pair of UDP sockets that are connected to each other: those hear nobody else.
    listening = []
    for table in ("tcp", "tcp6", "udp", "udp6"):
        for line in Path(f"/proc/{server.process.pid}/net/{table}").read_text().splitlines()[1:]:
            fields = line.split()
            if f"socket:[{fields[9]}]" in inodes and fields[3] == ("0A" if table.startswith("tcp") else "07"):
                listening.append(fields[1])
    assert listening == [f"0100007F:{server.port:04X}"]


def test_models_are_distinct():
    assert {HIRES, FERRET, VARY} and MODELS.is_dir()
