# SPDX-License-Identifier: Apache-2.0
"""Interrupting a cell of a notebook comes out of it as KeyboardInterrupt, and the kernel works on. Needs jupyter_client and ipykernel."""

from __future__ import annotations

import random
import time

import pytest

pytest.importorskip("ipykernel")
manager = pytest.importorskip("jupyter_client.manager")

#: Interrupts of each kind of call.
ROUNDS = 30

SETUP = """
import sys
sys.path.insert(0, {package!r})
import fovea
model = fovea.load(threads=2)
session = model.session()
picture = numpy.random.default_rng(1).integers(0, 255, (1100, 1500, 3)).astype("uint8")
image = model.encode_image(picture)
LONG = dict(ignore_eos=True, temperature=2.0)
def ask():
    return session.generate("What is in the picture?", image, max_tokens=4)
expected = ask()
"""

CALLS = {
    "generate": 'while True: session.generate("Describe.", image, **LONG)',
    "chat": 'while True: session.chat([{"role": "user", "content": "Describe.", "images": image}], **LONG)',
    "stream": 'while True:\n  for piece in session.generate("Describe.", image, stream=True, **LONG): pass',
    "generate_many": 'while True: model.generate_many(["Describe."] * 4, [image] * 4, **LONG)',
    "encode_image": "while True: model.encode_image(picture)",
}


class Notebook:
    def __init__(self) -> None:
        self._manager = manager.KernelManager(kernel_name="python3")
        self._manager.start_kernel()
        self._client = self._manager.client()
        self._client.start_channels()
        self._client.wait_for_ready(timeout=60)

    def run(self, code: str, interrupt_after: "float | None" = None):
        """What the cell ended with, "ok" or the name of an exception, and what it printed."""
        cell, printed = self._client.execute(code), ""
        while True:
            message = self._client.get_iopub_msg(timeout=60)
            if message["parent_header"].get("msg_id") != cell:
                continue
            content = message["content"]
            if message["msg_type"] == "stream":
                printed += content["text"]
            state = content.get("execution_state") if message["msg_type"] == "status" else None
            if state == "busy" and interrupt_after is not None:
                time.sleep(interrupt_after)
                self._manager.interrupt_kernel()
            if state == "idle":
                break
        while True:
            reply = self._client.get_shell_msg(timeout=60)
            if reply["parent_header"].get("msg_id") == cell:
                return reply["content"].get("ename") or reply["content"]["status"], printed

    def close(self) -> None:
        self._client.stop_channels()
        self._manager.shutdown_kernel(now=True)


@pytest.fixture(scope="module")
def notebook(root):
    pytest.importorskip("numpy")
    found = Notebook()
    try:
        assert found.run("import numpy\n" + SETUP.format(package=str(root / "bindings" / "python"))) == ("ok", "")
        yield found
    finally:
        found.close()


@pytest.mark.parametrize("what", sorted(CALLS))
def test_interrupting_a_cell_raises_in_it(notebook, what):
    rng = random.Random(3)
    for _ in range(ROUNDS):
        assert notebook.run(CALLS[what], rng.uniform(0.02, 0.4)) == ("KeyboardInterrupt", "")
        assert notebook.run("print(ask() == expected)") == ("ok", "True\n")
