# SPDX-License-Identifier: Apache-2.0
"""`peers run`: the programs take turns, and each round gives one ratio."""

import dataclasses
import datetime
import json
import os
import shlex
import statistics
import struct
import subprocess
import zlib

from comparison import models
from comparison.limits import Limits, cpu
from comparison.prepare import versions
from comparison.workplace import HERE


@dataclasses.dataclass(frozen=True)
class Measure:
    kind: str  # "decode", "prefill", "encode", or "peak": memory of a run that answers a question about an image
    model: str  # Fovea's file in the work folder's models
    peers: tuple = ()
    tokens: int = 0  # made, of the prompt, or of one view of the image
    side: int = 336  # width and height of the image
    tower: str = "clip"  # which encoder: `models.ENCODERS`
    system: str = ""  # a whole system of `models.SYSTEMS`, run by mtmd_peer


MEASURES = {
    "decode-4bit": Measure("decode", "llava-int4", ("llama.cpp Q4_0", "llama.cpp IQ4_NL", "llama.cpp Q4_K", "OpenVINO int4"), 64),
    "decode-8bit": Measure("decode", "llava-int8", ("llama.cpp Q8_0",), 64),
    "prefill-256": Measure("prefill", "llava-int4", ("OpenVINO int4", "llama.cpp Q4_0"), 256),
    "prefill-1300": Measure("prefill", "llava-int4", ("OpenVINO int4", "llama.cpp Q4_0"), 1300),
    "encode-clip": Measure("encode", "llava-int8", ("OpenVINO int8", "llama.cpp f16"), 577),
    "encode-sam": Measure("encode", "got-int8", ("OpenVINO int8",), 4096, 1024, "sam"),
    # No peer runs this tower on a CPU.
    "encode-qwen": Measure("encode", "monkey-int8", (), 1024, 896, "qwen"),
}
for _name, _system in models.SYSTEMS.items():
    for _kind, _tokens in (("encode", 0), ("prefill", 512), ("decode", 64), ("peak", 64)):
        # The tower's numbers are the same beside every type of the decoder's.
        _types = _system.types[:1] if _kind == "encode" else _system.types
        _peers = tuple(f"llama.cpp {t.upper()}" for t in _types)
        MEASURES[f"{_name}-{_kind}"] = Measure(_kind, f"{_name}-{_system.type}", _peers, _tokens, _system.side, "", _name)


def chosen(only):
    """Measures by name or by the beginning of it."""
    if not only:
        return list(MEASURES)
    wanted = only.split(",")
    for w in wanted:
        if not any(m.startswith(w) for m in MEASURES):
            raise SystemExit(f"--only: no measure is called {w}; there are {', '.join(MEASURES)}")
    return [m for m in MEASURES if any(m.startswith(w) for w in wanted)]


class Fovea:
    """`fovea bench`, started anew for each figure."""

    def __init__(self, program, model, measure, threads, isa):
        self.kind, self.last = measure.kind, {}
        self.environment = dict(os.environ, FOVEA_ISA=isa) if isa != "native" else None
        if measure.kind == "peak":
            image = os.path.join(os.path.dirname(model), f"noise-{measure.side}.png")
            if not os.path.exists(image):
                write_noise(image, measure.side)
            self.command = [program, "run", "-m", model, "-i", image, "-p", "?", "--threads", str(threads), "--context-length", "4096"]
            self.command += ["--max-tokens", str(measure.tokens), "--ignore-eos", "--json"]
            return
        prompt, made = {"decode": (16, measure.tokens), "prefill": (measure.tokens, 2), "encode": (16, 2)}[measure.kind]
        # Without prompt-lookup decoding: answers of random weights repeat themselves more than real ones.
        self.command = [
            program,
            "bench",
            "-m",
            model,
            "--threads",
            str(threads),
            "--prompt-tokens",
            str(prompt),
            "--tokens",
            str(made),
            "--size",
            str(measure.side),
            "--json",
        ]

    def peak(self):
        process = subprocess.Popen(self.command, stdout=subprocess.DEVNULL, env=self.environment)
        _, status, use = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            raise SystemExit(f"{shlex.join(self.command)} failed with status {process.returncode}")
        return use.ru_maxrss * 1024

    def measure(self, runs):
        if self.kind == "peak":
            return self.peak()
        done = subprocess.run(self.command + ["--runs", str(runs)], check=True, stdout=subprocess.PIPE, text=True, env=self.environment)
        self.last = json.loads(done.stdout)
        if self.kind == "encode":
            return self.last["encode_seconds"]["median"]
        return self.last[self.kind + "_tokens_per_second"]["median"]

    def close(self):
        pass


class Peer:
    """A program that keeps its model and answers each line with the seconds of one run."""

    def __init__(self, command, kind, tokens, log):
        self.kind, self.tokens = kind, tokens
        self.log = open(log, "a")
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self.log, text=True)
        self.answer("ready")

    def answer(self, expected=None):
        line = self.process.stdout.readline().strip()
        if not line or expected not in (None, line):
            self.close()
            raise SystemExit(f"{self.process.args[0]} failed; its messages are in {self.log.name}")
        return line

    def ask(self, line):
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()
        return float(self.answer())

    def measure(self, runs):
        if self.kind == "peak":
            self.ask(f"answer {self.tokens}")
            return self.ask("peak")
        line = self.kind if self.kind == "encode" else f"{self.kind} {self.tokens}"
        middle = statistics.median(self.ask(line) for _ in range(runs))
        return middle if self.kind == "encode" else self.tokens / middle

    def close(self):
        self.process.stdin.close()
        self.process.wait()
        self.log.close()


def peer(work, name, measure, threads, isa):
    kind = measure.kind
    part = "decoder" if kind != "encode" else "encoder" if measure.tower == "clip" else "encoder-" + measure.tower
    if measure.system:
        parts = (name.split()[1].lower(), "mmproj-" + models.SYSTEMS[measure.system].tower)
        files = [work.model(f"{measure.system}-{p}.gguf") for p in parts]
        for file in files:
            forget(work.need(file, "models"))
        command = [work.need(work.peer("mtmd_peer", isa), "prepare"), "system", *files, str(measure.side)]
    elif name.startswith("OpenVINO"):
        command = [work.python, os.path.join(HERE, "openvino_peer.py"), kind, work.need(work.model("openvino-" + part), "models")]
    else:
        file = f"{part}-{name.split()[1].lower()}.gguf"
        forget(work.need(work.model(file), "models"))
        stage = "prepare" if isa == "native" else "prepare --avx2"
        program = "clip_peer" if kind == "encode" else "llama_peer"
        command = [work.need(work.peer(program, isa), stage), part, work.need(work.model(file), "models")]
    return Peer(command + [str(threads)], kind, measure.tokens, work.path("logs", "peers.log"))


def write_noise(path, side):
    """A PNG of random colours."""
    rows = b"".join(b"\0" + os.urandom(3 * side) for _ in range(side))
    chunks = [(b"IHDR", struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)), (b"IDAT", zlib.compress(rows, 1)), (b"IEND", b"")]
    with open(path, "wb") as f:
        f.write(b"\x89PNG\r\n\x1a\n")
        for name, data in chunks:
            f.write(struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data)))


def run(work, options):
    facts = work.read("models.json", None)
    if facts is None and not all(MEASURES[name].system for name in chosen(options.only)):
        raise SystemExit("no models yet: run `peers models` first")
    results = work.read("results.json", {})
    limits = Limits(work, options.threads, options.isa)
    for name in chosen(options.only):
        result = one(work, options, name, limits, facts)
        if result:
            results[f"{name} {options.isa}"] = result
            work.write("results.json", results)


def forget(path):
    """Drops the file from the page cache: each program loads it as after a boot, in pages of the size that it chooses."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
    finally:
        os.close(descriptor)


def one(work, options, name, limits, facts):
    measure = MEASURES[name]
    names = [n for n in measure.peers if options.wants(n)]
    if options.isa != "native":
        # OpenVINO cannot be held to an older instruction set from outside.
        names = [n for n in names if n.startswith("llama.cpp")]
    model = work.need(work.model(measure.model + ".fovea"), "models")
    forget(model)
    programs = {"Fovea": Fovea(options.fovea, model, measure, options.threads, options.isa)}
    for n in names:
        programs[n] = peer(work, n, measure, options.threads, options.isa)
    rounds = []
    try:
        programs["Fovea"].measure(1)  # brings the file into memory, as the others have their own
        for i in range(options.pairs):
            # Limits drift on a shared machine: each round has its own integer peak, and each figure the read bandwidth before and after it.
            peak = limits.integer()
            order = list(programs) if i % 2 == 0 else list(programs)[::-1]
            figures, read = {}, {}
            before = limits.bandwidth()
            for n in order:
                figures[n] = programs[n].measure(options.runs)
                after = limits.bandwidth()
                read[n] = (before + after) / 2
                before = after
            # Its own bandwidth passes are closer in time to its decoding.
            read["Fovea"] = programs["Fovea"].last.get("read_bytes_per_second", read["Fovea"])
            rounds.append({"figures": figures, "read_bytes_per_second": read, "integer_operations_per_second": peak})
            print(
                f"{name} {i + 1}/{options.pairs}: "
                + ", ".join(f"{n} {figures[n]:.4g} ({read[n] / 1e9:.0f} GB/s)" for n in programs)
                + f", integers {peak / 1e12:.2f} TOPS",
                flush=True,
            )
    finally:
        for p in programs.values():
            p.close()
    fovea = programs["Fovea"].last
    return {
        "kind": measure.kind,
        "tokens": measure.tokens,
        "isa": options.isa,
        "instruction_set": fovea.get("instruction_set", options.isa),
        "threads": options.threads,
        "date": datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%d %H:%M UTC"),
        "cpu": cpu()[0],
        "command": shlex.join(["tools/bench/peers", *options.words]),
        "versions": versions(work),
        "note": options.note,
        "instruction": limits.instruction,
        "work": work_of(measure, facts, list(programs), fovea),
        "rounds": rounds,
    }


def work_of(measure, facts, names, fovea):
    """What one unit of each program's figure costs: bytes read a token, or operations a token or an image; None: not known."""
    if measure.system and measure.kind != "decode" or measure.kind == "peak":
        return dict.fromkeys(names)
    if measure.kind == "encode":
        return {n: models.ENCODERS[measure.tower](facts) for n in names}
    if measure.kind == "prefill":
        return {n: models.prefill_operations(facts, measure.tokens) / measure.tokens for n in names}
    if measure.system:
        return {n: fovea["bytes_per_token"] if n == "Fovea" else None for n in names}
    return {n: facts["bytes_per_token"].get(n, 0) if n != "Fovea" else fovea["bytes_per_token"] for n in names}
