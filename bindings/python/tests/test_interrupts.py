# SPDX-License-Identifier: Apache-2.0
"""Ctrl-C at any moment of a call comes out of it as KeyboardInterrupt, and the session works on."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

#: Interrupts of each kind of call.
ROUNDS = 25

PROGRAM = """
import ctypes, os, random, signal, sys, threading, time
import fovea

what, rounds = sys.argv[1], int(sys.argv[2])
model = fovea.load(threads=2)
session = model.session()
picture = os.urandom(3 * 1500 * 1100)
from fovea._pictures import Pixels
import fovea._images
fovea._images.picture = lambda image, upright: Pixels(ctypes.cast(image, ctypes.c_void_p).value, image, 1500, 1100) if len(image) > 1000 else image
embedding = model.encode_image(picture)
LONG = dict(ignore_eos=True, temperature=2.0)

def stream():
    for piece in session.generate("Describe.", embedding, stream=True, **LONG):
        pass

def leave():
    for _ in range(10000):
        for piece in session.generate("Describe.", embedding, stream=True, **LONG):
            break

def listened():
    session.generate("Describe.", embedding, progress=lambda done, total: time.sleep(0.001), **LONG)

CALLS = {
    "generate": lambda: session.generate("Describe.", embedding, **LONG),
    "generate_ids": lambda: session.generate_ids("Describe.", embedding, max_tokens=2000, **LONG),
    "listened": listened,
    "stream": stream,
    "encode_image": lambda: model.encode_image(picture),
    "freed": lambda: [model.session() for _ in range(20000)],
    "left": leave,
    "on_the_way": lambda: session.generate("Describe.", picture, **LONG),
    "load": lambda: fovea.load(threads=2, verify=True),
    "logits": lambda: session.logits("word " * 900, embedding),
    "score": lambda: session.score("word " * 900, ["yes", "no"], embedding),
}
call = CALLS[what]
if what in ("load", "logits"):
    once = call
    call = lambda: [once() for _ in range(10000)]  # each is short
expected = session.generate("What is in the picture?", embedding, max_tokens=4)
lost = late = 0
for _ in range(rounds):
    session.reset()
    delay = random.uniform(0, 0.15)
    sent = []
    def send():
        time.sleep(delay)
        sent.append(time.monotonic())
        os.kill(os.getpid(), signal.SIGINT)
    sender = threading.Thread(target=send)
    try:
        sender.start()
        while True:
            call()
            if not sender.is_alive():  # the signal was sent: it must have come
                time.sleep(0.01)
                lost += 1
                break
    except KeyboardInterrupt:
        late += time.monotonic() - sent[0] > 2
    sender.join()
    if session.generate("What is in the picture?", embedding, max_tokens=4) != expected:
        lost += 1000
print(lost, late)
"""


@pytest.mark.parametrize(
    "what", ["generate", "generate_ids", "listened", "stream", "encode_image", "freed", "left", "on_the_way", "load", "logits", "score"]
)
def test_no_interrupt_is_lost(root, small, what):
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, what, str(ROUNDS)],
        env={**os.environ, "PYTHONPATH": str(root / "bindings" / "python"), "FOVEA_MODEL": small},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr.decode()
    assert done.stderr == b""  # Python prints exceptions that it swallows
    assert done.stdout.split() == [b"0", b"0"]


def test_exceptions_of_callbacks_come_out_of_every_call(model, image, picture):
    import fovea

    class Stop(Exception):
        pass

    def fail(done, total):
        raise Stop

    session = model.session()
    for call in (
        lambda: fovea.load(progress=fail),
        lambda: model.encode_image(picture, progress=fail),
        lambda: session.generate("abc", image, progress=fail),
        lambda: session.generate_ids("abc", image, max_tokens=2, progress=fail),
        lambda: session.score("abc", ["yes"], image, progress=fail),
        lambda: list(session.generate("abc", image, progress=fail, stream=True)),
    ):
        with pytest.raises(Stop):
            call()
    assert isinstance(session.generate("abc", image, max_tokens=2), str)


def test_callbacks_run_in_the_callers_thread(model, picture):
    import threading

    seen = set()
    model.encode_image(picture, progress=lambda done, total: seen.add(threading.current_thread()))
    assert seen == {threading.main_thread()}
