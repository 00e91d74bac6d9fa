# SPDX-License-Identifier: Apache-2.0
"""Leaving a stream, however, frees its session; asyncio is served, and cancelling stops the work."""

from __future__ import annotations

import asyncio
import copy
import gc
import os
import queue
import subprocess
import sys
import threading
import time
import weakref

import fovea
import pytest

LONG = {"ignore_eos": True, "temperature": 3.0, "seed": 11}


def test_break_frees_the_session_for_the_next_call(model, image):
    session = model.session()
    expected = session.generate("Describe.", image, max_tokens=8)
    for _ in range(10):
        for _ in session.generate("Describe.", image, stream=True, **LONG):
            break
        assert session.generate("Describe.", image, max_tokens=8) == expected


def test_an_open_stream_is_named_and_close_with_and_collection_free(model, image):
    session = model.session()
    stream = session.generate("Describe.", image, stream=True, **LONG)
    next(stream)
    with pytest.raises(fovea.BusyError, match="close"):
        session.generate("abc", max_tokens=1)
    stream.close()
    session.generate("abc", max_tokens=1)
    with session.generate("Describe.", image, stream=True, **LONG) as stream:
        next(stream)
    session.generate("abc", max_tokens=1)
    stream = session.generate("Describe.", image, stream=True, **LONG)
    cycle = [stream]
    cycle.append(cycle)
    reference = weakref.ref(stream)
    del stream, cycle
    while reference() is not None:  # beside another thread's collection, which may run callbacks, this does nothing
        gc.collect()
    session.generate("abc", max_tokens=1)


def test_a_stream_collected_on_its_own_thread_ends(model, image, monkeypatch):
    dropped = threading.Event()

    class Queue(queue.SimpleQueue):
        def put(self, item):
            if dropped.is_set():
                gc.collect()
            super().put(item)

    monkeypatch.setattr(fovea._stream.queue, "SimpleQueue", Queue)
    session = model.session()
    stream = session.generate("Describe.", image, stream=True, **LONG)
    next(stream)
    cycle = [stream]
    cycle.append(cycle)
    reference = weakref.ref(stream)
    gc.disable()
    try:
        del stream, cycle
        dropped.set()
        until = time.monotonic() + 30
        while reference() is not None and time.monotonic() < until:
            time.sleep(0.001)
    finally:
        gc.enable()
    assert reference() is None
    session.generate("abc", max_tokens=1)
    assert session.last.generated_tokens == 1


def test_a_stream_closed_by_its_own_callback_ends(model, image):
    session, streams, made = model.session(), [], threading.Event()

    def progress(done, total):
        made.wait()
        streams[0].close()

    streams.append(session.generate("Describe.", image, stream=True, progress=progress, **LONG))
    stream = streams[0]
    made.set()
    while stream._thread.is_alive():
        time.sleep(0.001)
    assert list(stream) == []
    assert session.last is None or session.last.stop_reason == "callback"
    session.generate("abc", max_tokens=1)


def test_an_exception_in_the_loop_frees_the_session(model, image):
    session = model.session()

    def read():
        for _ in session.generate("Describe.", image, stream=True, **LONG):
            raise KeyError

    with pytest.raises(KeyError):
        read()
    session.generate("abc", max_tokens=1)


def test_asyncio_answers_alike(model, image, picture):
    session = model.session()
    whole = session.generate("Describe.", image, max_tokens=16, **LONG)

    async def ask():
        encoded = await model.aencode_image(picture)
        first = await session.agenerate("Describe.", encoded, max_tokens=16, **LONG)
        pieces = [piece async for piece in session.agenerate("Describe.", encoded, max_tokens=16, stream=True, **LONG)]
        with pytest.raises(fovea.ArgumentError):
            await session.agenerate("<image>")
        with pytest.raises(fovea.ArgumentError):
            async for _ in session.agenerate("<image>", stream=True):
                pass
        return first, "".join(pieces)

    assert asyncio.run(ask()) == (whole, whole)


def test_the_event_loop_runs_on_during_a_call(model, image):
    async def ask():
        ticks = 0
        task = asyncio.ensure_future(model.session().agenerate("Describe.", image, max_tokens=400, **LONG))
        while not task.done():
            await asyncio.sleep(0.005)
            ticks += 1
        return ticks

    assert asyncio.run(ask()) > 3


def test_cancelling_a_task_stops_the_work_and_frees_the_session(model, image):
    session = model.session()

    async def ask():
        for streaming in (False, True):

            async def work():
                if streaming:
                    async for _ in session.agenerate("Describe.", image, stream=True, **LONG):
                        pass
                else:
                    await session.agenerate("Describe.", image, **LONG)

            task = asyncio.ensure_future(work())
            await asyncio.sleep(0.05)
            task.cancel()
            started = time.monotonic()
            with pytest.raises(asyncio.CancelledError):
                await task
            assert time.monotonic() - started < 2
            session.generate("abc", max_tokens=1)
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(session.agenerate("Describe.", image, **LONG), 0.05)
        session.generate("abc", max_tokens=1)

    asyncio.run(ask())


def test_leaving_async_for_frees_the_session(model, image):
    session = model.session()

    async def ask():
        async for _ in session.agenerate("Describe.", image, stream=True, **LONG):
            break
        session.generate("abc", max_tokens=1)
        async with session.agenerate("Describe.", image, stream=True, **LONG) as stream:
            await stream.__anext__()
        session.generate("abc", max_tokens=1)

    asyncio.run(ask())


def test_an_open_stream_does_not_hold_up_the_end_of_the_program(root):
    code = """
import fovea
session = fovea.load(threads=1).session()
stream = session.generate("Describe.", stream=True, ignore_eos=True, temperature=3.0)
next(stream)
"""
    environment = {**os.environ, "PYTHONPATH": str(root / "bindings" / "python")}
    done = subprocess.run([sys.executable, "-c", code], env=environment, timeout=60, stderr=subprocess.PIPE)
    assert (done.returncode, done.stderr) == (0, b"")


def test_closed_objects_say_so(picture):
    with fovea.load(threads=1) as model:
        with model.encode_image(picture) as image, model.session() as session:
            expected = session.generate("abc", image, max_tokens=2)
            model.close()
            model.close()
            assert session.generate("abc", image, max_tokens=2) == expected
            # What was made from a closed model stays usable.
            assert session.generate("abc", picture, max_tokens=2) == expected
            parts = [{"type": "text", "text": "abc"}, {"type": "image", "image": picture}]
            session.chat([{"role": "user", "content": parts}], max_tokens=2)
            with session.fork() as fork:
                assert fork.context_length == session.context_length
                assert fork.generate("abc", max_tokens=2) == session.generate("abc", max_tokens=2)
        for call in (
            lambda: session.generate("abc"),
            lambda: image.numpy(),
            lambda: model.session(),
            lambda: model.info,
            lambda: model.encode_image(picture),
            lambda: session.places,
            lambda: session.reset(),
            lambda: copy.copy(model).tokenize("a"),
        ):
            with pytest.raises(fovea.ArgumentError, match="closed"):
                call()
        session.cancel()
        assert "closed" in repr(model)
