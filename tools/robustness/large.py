#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Makes calls with arguments of many megabytes where the address space ends (RLIMIT_AS), each in a process of its own, and prints a table of what
became of them. Fails when a process died or hung, an error had no message, or the same call failed otherwise once there was room again.
usage: large.py [STEP [NAME]]   (a STEP above 1: three rooms and shorter deadlines; FOVEA_LIBRARY names the library, FOVEA_MODEL the weight file)"""

from __future__ import annotations

import ctypes
import math
import os
import resource
import signal
import sys
from pathlib import Path
from typing import Any, Callable, Dict, List, Tuple

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "bindings/python"))
import fovea  # noqa: E402
from fovea import _library as c  # noqa: E402

SECONDS = 60
ROOMS = [0, 1 << 16, 1 << 20, 3 << 20, 8 << 20, 20 << 20, 33 << 20, 48 << 20, 64 << 20, 100 << 20, 150 << 20, 300 << 20, 600 << 20]
IS_QUICK = len(sys.argv) > 1 and int(sys.argv[1]) > 1
MEGABYTES = (8 << 20) - 256
#: After so long the library has passed what copies arguments.
DEADLINE = 0.4 if IS_QUICK else 2.0

#: Status and the memory that the arguments are in.
Call = Callable[[], int]


def options(**fields: Any) -> c.fovea_generate_options:
    return c.fovea_generate_options(**{"max_tokens": 2, "deadline_seconds": DEADLINE, **fields})


def generate(session: Any, prompt: bytes, given: c.fovea_generate_options) -> Call:
    text = ctypes.c_void_p()
    return lambda: c.library().fovea_generate(session, prompt, None, 0, ctypes.byref(given), None, ctypes.byref(text))


def texts(count: int, piece: bytes) -> Any:
    return (ctypes.c_char_p * count)(*(piece for _ in range(count)))


def ids(count: int) -> Any:
    """Numbers of tokens; they repeat."""
    found = (ctypes.c_int32 * count)()
    ctypes.memset(found, 0, ctypes.sizeof(found))
    return found


def calls(model: Any, session: Any) -> Dict[str, Callable[[], Call]]:
    library = c.library()
    words = b"word " * (MEGABYTES // 5)
    circle = [v for i in range(16384) for v in (30 + 20 * math.cos(i), 20 + 15 * math.sin(i * 1.618))]

    def regions(count: int) -> Call:
        vertices = (ctypes.c_double * len(circle))(*circle)
        found = (c.fovea_region * count)()
        for region in found:
            region.struct_size, region.kind = ctypes.sizeof(c.fovea_region), 2
            region.vertices, region.vertex_count = ctypes.cast(vertices, type(region.vertices)), len(circle) // 2
        return generate(
            session, b"<region>" * count, options(regions=ctypes.cast(found, c.fovea_generate_options().regions.__class__), region_count=count)
        )

    def chat(count: int, text: bytes) -> Call:
        messages = (c.fovea_message * count)()
        for i, message in enumerate(messages):
            message.struct_size, message.role, message.text = ctypes.sizeof(c.fovea_message), i % 2, text
        given, text_out = options(overflow=1), ctypes.c_void_p()
        return lambda: library.fovea_chat(session, messages, count, ctypes.byref(given), None, ctypes.byref(text_out))

    def score(count: int, text: bytes) -> Call:
        given, found, scores = options(), texts(count, text), (ctypes.c_double * count)()
        return lambda: library.fovea_score(session, b"word", None, 0, ctypes.byref(given), found, count, scores)

    def choose(count: int, text: bytes) -> Call:
        given, choice = options(), ctypes.c_size_t()
        found = (ctypes.c_char_p * count)(*(text + b"%d" % i for i in range(count)))
        return lambda: library.fovea_choose(session, b"word", None, 0, ctypes.byref(given), found, count, None, ctypes.byref(choice))

    def tokenize(text: bytes) -> Call:
        count = ctypes.c_size_t()
        return lambda: library.fovea_tokenize(model, text, len(text), None, 0, ctypes.byref(count))

    def detokenize(count: int) -> Call:
        given, length = ids(count), ctypes.c_size_t()
        return lambda: library.fovea_detokenize(model, given, count, 1, None, 0, ctypes.byref(length))

    def biases(count: int) -> Call:
        found = (c.fovea_logit_bias * count)()
        return generate(session, b"word", options(logit_biases=found, logit_bias_count=count))

    def batch(count: int) -> Call:
        given, requests = options(), (c.fovea_request * count)()
        for request in requests:
            request.struct_size, request.session, request.prompt = ctypes.sizeof(c.fovea_request), session.pointer, b"<image>"
            request.options = ctypes.cast(ctypes.byref(given), type(request.options))
        run = lambda: library.fovea_batch(requests, count)  # noqa: E731
        run.kept = given  # type: ignore[attr-defined]
        return run

    def logits() -> Call:
        given, found, a, b = options(), ctypes.POINTER(ctypes.c_float)(), ctypes.c_size_t(), ctypes.c_size_t()
        return lambda: library.fovea_logits(
            session, b"word " * 900, None, 0, ctypes.byref(given), ctypes.byref(found), ctypes.byref(a), ctypes.byref(b)
        )

    def constraint(kind: int, text: str) -> Call:
        return generate(session, b"word", options(constraint=kind, constraint_text=text.encode()))

    names = ",".join(f'"n{i}":{{"enum":["x{i}","y{i}"]}}' for i in range(24000))
    return {
        "prompt of 32 MB": lambda: generate(session, b"word " * ((32 << 20) // 5), options()),
        "prompt": lambda: generate(session, words, options()),
        "prompt, raw": lambda: generate(session, words, options(raw=1)),
        "prompt, blanks": lambda: generate(session, b" " * MEGABYTES, options()),
        "prompt, marks": lambda: generate(session, b"<image>" * (MEGABYTES // 7), options()),
        "prompt, marks of regions": lambda: generate(session, b"<region>" * (MEGABYTES // 8), options()),
        "1000 polygons": lambda: regions(1000),
        "message": lambda: chat(1, words),
        "16001 messages": lambda: chat(16001, b"word"),
        "3 long messages": lambda: chat(3, words[: len(words) // 3 - 100]),
        "10^6 messages": lambda: chat(1_000_001, b"word"),
        "continuation": lambda: score(1, words),
        "200000 continuations": lambda: score(200_000, b"word"),
        "100000 choices": lambda: choose(100_000, b"word"),
        "choices": lambda: choose(2, words[: len(words) // 2 - 100]),
        "stop texts": lambda: generate(session, b"word", options(stop_texts=texts(500_000, b"stop"), stop_text_count=500_000)),
        "a stop text": lambda: generate(session, b"word", options(stop_texts=texts(1, words), stop_text_count=1)),
        "stop ids, 8000": lambda: generate(session, b"word", options(stop_ids=ids(8000), stop_id_count=8000)),
        "stop ids": lambda: generate(session, b"word", options(stop_ids=ids(10_000_000), stop_id_count=10_000_000)),
        "forbidden": lambda: generate(session, b"word", options(forbidden_tokens=ids(10_000_000), forbidden_token_count=10_000_000)),
        "allowed": lambda: generate(session, b"word", options(allowed_tokens=ids(10_000_000), allowed_token_count=10_000_000)),
        "biases": lambda: biases(5_000_000),
        "log-probabilities": lambda: generate(session, b"word", options(logprobs=2**31 - 1, max_tokens=900, ignore_eos=1)),
        "64 beams": lambda: generate(session, b"word", options(beams=64, max_tokens=100, ignore_eos=1)),
        "1024 answers": lambda: generate(session, b"word", options(answers=1024, temperature=1.0, max_tokens=20)),
        "tokenize": lambda: tokenize(words),
        "tokenize, blanks": lambda: tokenize(b" " * MEGABYTES),
        "tokenize, letters": lambda: tokenize(b"ab" * (MEGABYTES // (8 if IS_QUICK else 2))),
        "detokenize": lambda: detokenize(5_000_000 if IS_QUICK else 20_000_000),
        "100000 requests": lambda: batch(100_000),
        "logits": lambda: logits(),
        "schema": lambda: constraint(1, '{"type":"object","properties":{' + names + "}}"),
        "expression": lambda: constraint(2, "|".join(f"[a-z]{{{i % 90}}}x{i}" for i in range(40000))),
        "grammar": lambda: constraint(3, "root ::= r0\n" + "".join(f'r{i} ::= "a" r{i + 1} | "b"\n' for i in range(40000)) + 'r40000 ::= "a"'),
    }


def in_child(call: Call, room: int) -> str:
    child = os.fork()
    if child == 0:
        end = 9
        try:
            signal.alarm(SECONDS)
            with open("/proc/self/statm") as statm:
                used = int(statm.read().split()[0]) * resource.getpagesize()
            last_error = c.library().fovea_last_error
            resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
            resource.setrlimit(resource.RLIMIT_AS, (used + room, resource.RLIM_INFINITY))
            status = call()
            has_message = status == 0 or bool(last_error(None))
            resource.setrlimit(resource.RLIMIT_AS, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
            again = call() if status == c.FOVEA_ERROR_MEMORY else status
            end = 3 if not has_message else 4 if again == c.FOVEA_ERROR_MEMORY else 1 if status == c.FOVEA_ERROR_MEMORY else 0 if status == 0 else 2
        finally:
            os._exit(end)
    _, status = os.waitpid(child, 0)
    if os.WIFSIGNALED(status):
        return "hangs" if os.WTERMSIG(status) == signal.SIGALRM else "deaths"
    return {0: "OK", 1: "MEMORY", 2: "other", 3: "silent", 4: "bad retry"}.get(os.WEXITSTATUS(status), "failed")


def main() -> int:
    rooms = ROOMS[3:10:3] if IS_QUICK else ROOMS
    only = sys.argv[2] if len(sys.argv) > 2 else ""
    model = fovea.load(threads=1)
    session = model.session()
    session.generate("word", max_tokens=1)
    kinds = ["MEMORY", "other", "OK", "deaths", "hangs", "bad retry", "silent", "failed"]
    print(f"{'large argument':26} {'cases':>6} " + " ".join(f"{kind:>9}" for kind in kinds), flush=True)
    bad = 0
    for name, make in calls(model._handle, session._handle).items():
        if only not in name:
            continue
        call = make()
        found: List[Tuple[int, str]] = [(room, in_child(call, room)) for room in rooms]
        counts = {kind: sum(end == kind for _, end in found) for kind in kinds}
        wrong = [room for room, end in found if end in kinds[3:]]
        bad += len(wrong)
        print(
            f"{name:26} {len(found):6} " + " ".join(f"{count:9}" for count in counts.values()) + (f"   first: {wrong[0]}" if wrong else ""),
            flush=True,
        )
    return int(bad > 0)


if __name__ == "__main__":
    sys.exit(main())
