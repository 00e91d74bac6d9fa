# SPDX-License-Identifier: Apache-2.0
"""Calls that ask for much, each with a deadline: for tools/check-deadlines. A case is a name and a function that prepares what it needs and
gives the call to be timed."""

from __future__ import annotations

import ctypes
import math
import struct
import sys
from pathlib import Path
from typing import Any, Callable, Dict, Iterator, List, Tuple

#: With the seconds allowed.
Call = Callable[[float], Any]

ROOT = Path(__file__).resolve().parents[1]
MEGABYTES = 4 << 20


def texts() -> Dict[str, str]:
    """Prompts of 4 MB."""

    def much(piece: str) -> str:
        return piece * (MEGABYTES // len(piece.encode()))

    return {
        "words": much("word "),
        "one letter": much("a"),
        "two letters": much("ab"),
        "blanks": much(" "),
        "line ends": much("\n"),
        "digits": much("0123456789"),
        "apostrophes": much("'s"),
        "accents": "e" + much("\u0301"),
        "ideographs": much("\u4e00\u4e8c"),
        "joined emoji": much("\U0001f468\u200d"),
        "special tokens": much("</s>"),
        "marks of images": much("<image>"),
        "marks of regions": much("<region>"),
        "open marks": much("<imag"),
        "brackets": much("[[<|{("),
        "coordinates": much("[1,2,3,4]"),
        "lone bytes' tokens": much("<0x41>"),
    }


def nested(levels: int, inside: Any, around: Callable[[Any], Any]) -> Any:
    for _ in range(levels):
        inside = around(inside)
    return inside


def constraints() -> Dict[str, Dict[str, Any]]:
    """Options of an answer that must be something hard to follow."""
    names = [f"name{i}" for i in range(20000)]
    deep = '{"items":' * 20000 + "{}" + "}" * 20000
    return {
        "schema, 20000 levels": {"json_schema": deep},
        "schema, 90 levels of arrays": {"json_schema": nested(90, {"type": "string"}, lambda s: {"type": "array", "items": s})},
        "schema, 20000 members": {"json_schema": {"type": "object", "properties": {n: {"type": "integer"} for n in names}}},
        "schema, 20000 names in an enumeration": {"json_schema": {"enum": names}},
        "schema, an enumeration of 900 KB in one": {"json_schema": {"enum": ["x" * 900_000]}},
        "schema, strings of 10^9": {"json_schema": {"type": "string", "minLength": 10**9, "maxLength": 2 * 10**9}},
        "schema, arrays of 10^9": {"json_schema": {"type": "array", "items": {"type": "integer"}, "minItems": 10**9}},
        "schema, 2^20 by references": {
            "json_schema": {
                "$defs": {f"d{i}": {"type": "array", "prefixItems": [{"$ref": f"#/$defs/d{i + 1}"}] * 2} for i in range(20)}
                | {"d20": {"type": "string"}},
                "$ref": "#/$defs/d0",
            }
        },
        "schema, refers to itself": {"json_schema": {"$ref": "#"}},
        "schema, all of 2000": {"json_schema": {"allOf": [{"type": "integer", "minimum": i} for i in range(2000)]}},
        "schema, any of 5000": {"json_schema": {"anyOf": [{"type": "string", "pattern": f"^a{{{i}}}$"} for i in range(5000)]}},
        "schema, one of 2000": {"json_schema": {"oneOf": [{"const": f"v{i}"} for i in range(2000)]}},
        "schema, multiples": {"json_schema": {"type": "integer", "multipleOf": 99991}},
        "schema, 2000 patterns of members": {"json_schema": {"type": "object", "patternProperties": {f"^a.*{i}$": {} for i in range(2000)}}},
        "schema, a bound of 400 digits": {"json_schema": '{"type":"number","minimum":' + "9" * 400 + "}"},
        "regex, (a|b)*a(a|b){300}": {"regex": "(a|b)*a(a|b){300}"},
        "regex, (.*a){300}": {"regex": "(.*a){300}"},
        "regex, nested counts": {"regex": "((((a{100}){100}){100}){100}){100}"},
        "regex, (a?){5000}": {"regex": "(a?){5000}"},
        "regex, ((a*)*)*": {"regex": nested(500, "a", lambda s: f"({s})*")},
        "regex, 100000 groups": {"regex": "(" * 100_000 + "a" + ")" * 100_000},
        "regex, 5000 classes": {"regex": r"[\p{L}\p{N}_]" * 5000},
        "regex, a class 10^6 times": {"regex": r"\p{Lu}{1000000}"},
        "regex, 50000 branches": {"regex": "|".join(names)},
        "regex, 1 MB of letters": {"regex": "x" * 1_000_000},
        "regex, branches of anything": {"regex": "|".join(f".*{i}.*" for i in range(500))},
        "grammar, 20000 rules": {
            "grammar": "root ::= r0\n" + "".join(f"r{i} ::= r{i + 1} | r{i + 1} r{i + 1}\n" for i in range(20000)) + 'r20000 ::= "a"\n'
        },
        "grammar, begins with itself": {"grammar": 'root ::= root "a" | "b"'},
        "grammar, ambiguous": {"grammar": 'root ::= s\ns ::= "a" s s s | "a" s s | "a" s | "a"'},
        "grammar, 2^30 by doubling": {
            "grammar": "root ::= r0\n" + "".join(f"r{i} ::= r{i + 1} r{i + 1}\n" for i in range(30)) + 'r30 ::= "" | "a"\n'
        },
        "grammar, nothing many times": {"grammar": 'root ::= e e e e e e e e "a"\ne ::= "" | f f f f\nf ::= "" | g g g g\ng ::= "" | "b"'},
        "grammar, 100000 brackets": {"grammar": "root ::= " + "(" * 100_000 + '"a"' + ")" * 100_000},
        "grammar, counts": {"grammar": 'root ::= ((("a"{1,1000}){1,1000}){1,1000}){1,1000}'},
        "grammar, classes": {"grammar": "root ::= " + "[^a-z]" * 20000},
    }


def generate_options() -> Dict[str, Dict[str, Any]]:
    return {
        "64 beams": {"beams": 64},
        "64 beams, schema": {"beams": 64, "json_schema": {}},
        "10000 answers": {"n": 10000, "temperature": 1.0},
        "100000 stop texts": {"stop": [f"stop{i}" for i in range(100_000)]},
        "a stop text of 4 MB": {"stop": ["a" * MEGABYTES]},
        "100000 stop ids": {"stop_ids": [5] * 100_000},
        "10^6 forbidden tokens": {"forbidden_tokens": [7] * 1_000_000},
        "10^6 allowed tokens": {"allowed_tokens": [7, 8] * 500_000},
        "all of loops and bans": {"ngram_ban": 2, "loop_tokens": 2**31 - 1, "penalty_last_n": -1, "repetition_penalty": 1.3, "ignore_eos": True},
        "drafting": {"draft_tokens": 2**31 - 1, "ignore_eos": True},
        "log-probabilities of all": {"logprobs": 2**31 - 1, "ignore_eos": True},
        "echo": {"echo": True, "ignore_eos": True},
        "choices, 20000": {"choices": [f"choice {i}" for i in range(20000)]},
        "a choice of 4 MB": {"choices": ["word " * (MEGABYTES // 5), "no"]},
    }


def nano(name: str) -> str:
    return str(next((ROOT / "tools/nano/models" / name).glob("*.fovea")))


def wide_picture() -> bytes:
    import hostile_pictures

    return hostile_pictures.png(16000, 12000)


def regions() -> Dict[str, Any]:
    import fovea

    circle = [(8000 + 6000 * math.cos(i), 6000 + 5000 * math.sin(i * 1.618)) for i in range(16384)]
    return {
        "scribble of 16384": [fovea.Scribble(circle, radius=3000.0)],
        "thin scribble of 16384": [fovea.Scribble(circle, radius=0.5)],
        "polygon of 16384": [fovea.Polygon(circle)],
        "1000 polygons": [fovea.Polygon(circle)] * 1000,
        "box of everything": [fovea.Box(-1e300, -1e300, 1e300, 1e300)] * 1000,
    }


def batch(model: Any, prompt: bytes, count: int, deadline: float) -> None:
    """fovea_batch itself, `count` requests of two sessions."""
    from fovea import _library as c

    sessions = [model.session() for _ in range(2)]
    options = c.fovea_generate_options(deadline_seconds=deadline, ignore_eos=1)
    requests = (c.fovea_request * count)()
    for i, request in enumerate(requests):
        request.struct_size = ctypes.sizeof(c.fovea_request)
        request.session = sessions[i % 2]._handle.pointer
        request.prompt = prompt
        request.options = ctypes.pointer(options)
    status = c.library().fovea_batch(requests, count)
    assert status == c.FOVEA_ERROR_DEADLINE, status


def conversations(text: str) -> Dict[str, List[Dict[str, Any]]]:
    turn = [{"role": "user", "content": "word"}, {"role": "assistant", "content": "word"}]
    return {
        "a question of 4 MB": [{"role": "user", "content": text}],
        "a system text of 4 MB": [{"role": "system", "content": text}, {"role": "user", "content": "word"}],
        "an answer of 4 MB": [turn[0], {"role": "assistant", "content": text}, turn[0]],
        "2000 turns": turn * 2000 + turn[:1],
    }


def all_calls() -> Dict[str, Callable[[], Call]]:
    """Of the built-in model, where nothing else is said."""
    import fovea

    cases: Dict[str, Callable[[], Call]] = {}

    def add(name: str, make: Callable[[Any], Call], file: str = "") -> None:
        cases[name] = lambda: make(fovea.load(nano(file) if file else None, threads=1))

    def late(call: Callable[[Any, float], Any]) -> Callable[[Any], Call]:
        """A call of a new session."""

        def make(model: Any) -> Call:
            session = model.session()
            session.generate("word", max_tokens=1)
            return lambda deadline: call(session, deadline)

        return make

    for kind, text in texts().items():
        add(f"prompt: {kind}", late(lambda s, d, t=text: s.generate(t, deadline=d)))
        add(f"prompt, raw: {kind}", late(lambda s, d, t=text: s.generate(t, raw=True, deadline=d)))
    words = texts()["words"]
    add("generate_ids", late(lambda s, d: s.generate_ids(words, max_tokens=5, deadline=d)))
    add("logits", late(lambda s, d: s.logits(words, deadline=d)))
    add("score: prompt", late(lambda s, d: s.score(words, ["yes"], deadline=d)))
    add("score: a text of 4 MB", late(lambda s, d: s.score("word", [words], deadline=d)))
    add("score: 20000 texts", late(lambda s, d: s.score("word", [f"text {i}" for i in range(20000)], deadline=d)))
    for kind, options in {**constraints(), **generate_options()}.items():
        add(f"answer: {kind}", late(lambda s, d, o=options: s.generate("word", deadline=d, **{"ignore_eos": True, **o})))
    for kind, messages in conversations(words).items():
        add(f"chat: {kind}", late(lambda s, d, m=messages: s.chat(m, deadline=d)), "hires-llava-nano")
        add(f"chat, oldest dropped: {kind}", late(lambda s, d, m=messages: s.chat(m, overflow="drop_oldest", deadline=d)), "hires-llava-nano")
    add("batch: prompts of 4 MB", lambda m: lambda d: batch(m, words.encode(), 2, d))
    add("batch: long answers", lambda m: lambda d: batch(m, b"word", 2, d))

    page = wide_picture()
    add("read: a page that is cut", late(lambda s, d: s.read(page, deadline=d)))
    add("read: a page of one line that repeats itself", late(lambda s, d: s.read(page, "Read the text.", ignore_eos=True, deadline=d)))

    def with_region(given: Any) -> Callable[[Any], Call]:
        def make(model: Any) -> Call:
            session, image = model.session(), model.encode_image(wide_picture())
            return lambda d: session.generate("What is <region>?" * len(given), image, regions=given, deadline=d)

        return make

    for kind, given in regions().items():
        add(f"region: {kind}", with_region(given), "ferret-nano")
    return cases


#: What a whole number of a weight file's settings is set to.
WILD = (2, 256, 1 << 16)


def weight_files(name: str) -> Iterator[Tuple[str, bytes]]:
    """A nano model's file with each whole number of its settings changed in turn, all checksums right."""
    sys.path.insert(0, str(ROOT / "tools" / "robustness"))
    from weight_bytes import entries, seal

    whole = Path(nano(name)).read_bytes()
    for at, key, kind, value, _ in entries(whole):
        if kind != 2:
            continue
        for wild in WILD:
            data = bytearray(whole)
            struct.pack_into("<q", data, value, wild)
            seal(data)
            yield f"{whole[at + 16 : at + 16 + key].decode()} = {wild}", bytes(data)


def use(path: str, deadline: float) -> None:
    """Loads a weight file and asks a question about a picture; raises DeadlineExceeded, or another error, or answers."""
    import fovea
    import hostile_pictures

    model = fovea.load(path, threads=1)
    picture = model.encode_image(hostile_pictures.png(640, 480), deadline=deadline)
    model.session().generate("What is there?", picture, max_tokens=2, deadline=deadline)
