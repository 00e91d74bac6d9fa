# SPDX-License-Identifier: Apache-2.0
"""64 clients at once, for as many seconds as --long says: the answers are those alone, refusals the documented ones, the memory what was given."""

from __future__ import annotations

import json
import random
import threading
import time
from collections import Counter

import httpx
from conftest import SAMPLES, about

CLIENTS = 64
MEMORY = 512


def test_64_clients(start, request):
    seconds = request.config.getoption("--long")
    server = start("--memory", str(MEMORY), "--sessions", "4", "--queue", "48")
    samples = json.loads((SAMPLES / "entities.json").read_text())
    questions = [("hires", sample["image"], sample["question"]) for sample in samples]
    questions += [("ferret", "scene.png", f"What is the location of the {thing} in the image?") for thing in ("house", "blue arrow", "green arrow")]

    def ask(http: httpx.Client, question: tuple, **more) -> httpx.Response:
        model, image, text = question
        return http.post("/v1/chat/completions", json={"model": model, "messages": about(image, text), "max_tokens": 40, **more})

    alone = {question: ask(server.http, question).json()["choices"][0]["message"]["content"] for question in questions}
    statuses: Counter = Counter()
    wrong: list = []
    peak = 0
    until = time.monotonic() + seconds

    def client(number: int) -> None:
        chance = random.Random(number)
        with httpx.Client(base_url=server.url, timeout=300) as http:
            while time.monotonic() < until:
                question = chance.choice(questions)
                try:
                    if chance.random() < 0.1:  # one that goes away
                        with http.stream(
                            "POST", "/v1/chat/completions", json={"model": question[0], "messages": about(*question[1:]), "stream": True}
                        ) as stream:
                            statuses[f"left {stream.status_code}"] += 1
                        continue
                    response = ask(http, question)
                except httpx.TransportError as error:
                    wrong.append(repr(error))
                    continue
                statuses[response.status_code] += 1
                if response.status_code == 200:
                    text = response.json()["choices"][0]["message"]["content"]
                    if text != alone[question]:
                        wrong.append((question, text, alone[question]))
                elif response.status_code in (429, 503):
                    assert int(response.headers["retry-after"]) > 0
                    time.sleep(chance.random() / 5)

    threads = [threading.Thread(target=client, args=(number,)) for number in range(CLIENTS)]
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        peak = max(peak, server.resident)
        time.sleep(0.25)
    print(f"{seconds} s, {CLIENTS} clients: {dict(statuses)}, peak {peak >> 20} MiB of {MEMORY}")
    assert not wrong, wrong[:5]
    assert {status for status in statuses if isinstance(status, int)} <= {200, 429, 503}
    assert statuses[200] > seconds
    assert peak < MEMORY << 20
    assert server.process.poll() is None
    time.sleep(1)
    assert server.metric("fovea_running{") == 0 and server.metric("fovea_body_bytes") == 0
