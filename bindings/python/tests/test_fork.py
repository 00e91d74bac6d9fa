# SPDX-License-Identifier: Apache-2.0
"""Children made by os.fork while the parent is in a call: what was running raises UnsupportedError there, and nothing waits for it."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

if not hasattr(os, "fork"):
    pytest.skip("no os.fork", allow_module_level=True)

PRELUDE = """
import asyncio, gc, os, signal, sys, threading, time
import fovea

LONG = dict(ignore_eos=True, temperature=3.0, seed=11)
model = fovea.load(threads=1)
session = model.session()


def child(work):
    '''What `work` gives in a child: its result or its exception's name, as text.'''
    reading, writing = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            try:
                text = str(work())
            except BaseException as error:
                text = type(error).__name__
            os.write(writing, text.encode())
        finally:
            os._exit(0)
    os.close(writing)
    until = time.monotonic() + 10
    while not os.waitpid(pid, os.WNOHANG)[0]:
        if time.monotonic() > until:
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
            return "hangs"
        time.sleep(0.005)
    with os.fdopen(reading) as file:
        return file.read()


def same(*pairs):
    for i, (found, expected) in enumerate(pairs):
        assert found == expected, (i, found, expected)
"""


def run(root, code):
    environment = {**os.environ, "PYTHONPATH": str(root / "bindings" / "python")}
    # Python 3.12 warns of a fork with threads, which is what this is about.
    command = [sys.executable, "-W", "ignore::DeprecationWarning", "-c", PRELUDE + code]
    done = subprocess.run(command, env=environment, timeout=100, stderr=subprocess.PIPE, text=True)
    assert (done.returncode, done.stderr) == (0, "")


def test_a_childs_copy_of_an_open_stream_closes_and_says_why_it_ends(root):
    run(
        root,
        """
expected = session.generate("Describe.", max_tokens=8, **LONG)
stream = session.generate("Describe.", stream=True, **LONG)
next(stream)


def drop():
    global stream
    stream = None
    gc.collect()
    return session.generate("abc", max_tokens=1)


def later():
    stream.close()
    assert list(stream) == []
    session.close()
    with model.session() as other:
        return other.generate("Describe.", max_tokens=8, **LONG)


same(
    (child(stream.close), "None"),
    (child(lambda: list(stream)), "UnsupportedError"),
    (child(drop), "UnsupportedError"),
    (child(lambda: session.generate("abc", max_tokens=1)), "UnsupportedError"),
    (child(lambda: session.generate("abc", max_tokens=1, stream=True).close()), "None"),
    (child(session.reset), "UnsupportedError"),
    (child(session.fork), "UnsupportedError"),
    (child(session.close), "None"),
    (child(later), expected),
)
assert next(stream)  # the parent's goes on
stream.close()
same(
    (session.generate("Describe.", max_tokens=8, **LONG), expected),
    (child(lambda: session.generate("Describe.", max_tokens=8, **LONG)), expected),
)
""",
    )


def test_a_stream_that_had_ended_is_read_in_a_child(root):
    run(
        root,
        """
expected = session.generate("Describe.", max_tokens=8, **LONG)
stream = session.generate("Describe.", stream=True, max_tokens=8, **LONG)
stream._thread.join()
same((child(lambda: "".join(stream)), expected), ("".join(stream), expected))
""",
    )


def test_a_session_in_a_call_of_another_thread_is_unsupported_in_a_child(root):
    run(
        root,
        """
inside, leave = threading.Event(), threading.Event()


def hold(done, total):
    inside.set()
    leave.wait()


thread = threading.Thread(target=lambda: session.generate("abc", max_tokens=1, progress=hold), daemon=True)
thread.start()
inside.wait()


def twice():
    for _ in range(2):
        try:
            session.generate("abc", max_tokens=1)
        except fovea.UnsupportedError as error:
            assert "fork" in str(error)
    session.close()


same(
    (child(lambda: session.generate("abc", max_tokens=1)), "UnsupportedError"),
    (child(session.to_bytes), "UnsupportedError"),
    (child(twice), "None"),
)
try:
    session.reset()
except fovea.BusyError:
    pass
else:
    raise AssertionError("the parent's session is busy")
leave.set()
thread.join()
session.generate("abc", max_tokens=1)
""",
    )


def test_a_child_of_a_callback_leaves_the_call(root):
    run(
        root,
        """
parent, found = os.getpid(), []


def fork(done, total):
    found.append(os.fork())


def stop(done, total):
    found.append(os.fork())
    if not found[-1]:
        raise KeyError


for progress, error in ((fork, fovea.UnsupportedError), (stop, KeyError)):
    found.clear()
    try:
        session.generate("abc", max_tokens=1, progress=lambda *a: progress(*a) if not found else None)
    except error:
        os._exit(7 if os.getpid() != parent else 1)
    until = time.monotonic() + 30
    status = (0, 0)
    while not status[0] and time.monotonic() < until:
        status = os.waitpid(found[0], os.WNOHANG)
        time.sleep(0.005)
    if not status[0]:
        os.kill(found[0], signal.SIGKILL)
    assert status[0] and os.waitstatus_to_exitcode(status[1]) == 7, status
""",
    )


def test_asyncio_streams_close_in_a_child(root):
    run(
        root,
        """
async def main():
    stream = session.agenerate("Describe.", stream=True, **LONG)
    await stream.__anext__()

    async def read():
        return [piece async for piece in stream]

    same(
        (child(lambda: asyncio.run(stream.aclose())), "None"),
        (child(lambda: asyncio.run(read())), "UnsupportedError"),
    )
    await stream.__anext__()
    await stream.aclose()


asyncio.run(main())
""",
    )
