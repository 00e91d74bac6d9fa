# SPDX-License-Identifier: Apache-2.0
"""`peers report`: the stored figures as a table."""

import statistics

TITLES = {
    "decode-4bit": "Decode, 4 bits",
    "decode-8bit": "Decode, 8 bits",
    "prefill-256": "Prefill of 256 tokens",
    "prefill-1300": "Prefill of 1300 tokens",
    "encode-clip": "CLIP-L/14-336 encode",
    "encode-sam": "SAM ViT-B 1024 encode",
    "encode-qwen": "Qwen-VL bigG, five tiles",
}
SYSTEMS = {
    "smolvlm-256m": "SmolVLM-256M int8",
    "smolvlm-500m": "SmolVLM-500M int8",
    "smolvlm-2.2b": "SmolVLM-2.2B int4",
    "deepseek-ocr": "DeepSeek-OCR int4",
    "deepseek-ocr2": "DeepSeek-OCR 2 int4",
}
KINDS = {
    "encode": "an image of 1000 × 1000",
    "prefill": "prefill of 512 tokens",
    "decode": "decode",
    "peak": "peak memory, the image and 64 tokens",
}


def title(measure):
    if measure in TITLES:
        return TITLES[measure]
    system, _, kind = measure.rpartition("-")
    return f"{SYSTEMS[system]}, {KINDS[kind]}"


def figure(kind, value):
    if kind == "peak":
        return f"{value / 1e9:.2f} GB"
    return f"{value:.3g} s" if kind == "encode" else f"{value:.1f} tok/s"


def middle(result, name):
    return statistics.median(r["figures"][name] for r in result["rounds"])


def bandwidth(result):
    return statistics.median(rate for r in result["rounds"] for rate in r["read_bytes_per_second"].values())


def peak(result):
    return statistics.median(r["integer_operations_per_second"] for r in result["rounds"])


def share(result, name):
    """Part of the limit used, each round against its own: of the read bandwidth in decoding, else of the integer peak."""
    cost, kind = result["work"][name], result["kind"]
    if cost is None:
        return ""
    rates = [
        (cost / r["figures"][name] if kind == "encode" else cost * r["figures"][name])
        / (r["read_bytes_per_second"][name] if kind == "decode" else r["integer_operations_per_second"])
        for r in result["rounds"]
    ]
    return f" ({statistics.median(rates):.0%})"


def ratios(result, name):
    """How many times faster, or smaller, Fovea was, round by round."""
    pairs = [(r["figures"]["Fovea"], r["figures"][name]) for r in result["rounds"]]
    return [theirs / ours if result["kind"] in ("encode", "peak") else ours / theirs for ours, theirs in pairs]


def rows(results):
    for key, result in results.items():
        measure, _, isa = key.partition(" ")
        what = title(measure) + ("" if isa == "native" else f", {isa}")
        shown = {n: figure(result["kind"], middle(result, n)) + share(result, n) for n in result["work"]}
        names = list(result["work"])[1:]
        if not names:
            yield what, shown["Fovea"], "–", "–", "–", "–", str(len(result["rounds"]))
        for name in names:
            q = ratios(result, name)
            yield what, shown["Fovea"], name, shown[name], f"{statistics.median(q):.2f}", f"{min(q):.2f} to {max(q):.2f}", str(len(q))


HEAD = ("Measure", "Fovea (share)", "Peer", "Peer's figure (share)", "Times faster", "Range", "Pairs")


def text(results):
    table = [HEAD, *rows(results)]
    widths = [max(map(len, column)) for column in zip(*table)]
    return "\n".join("  ".join(c.ljust(w) for c, w in zip(row, widths)).rstrip() for row in table)


def markdown(results):
    if not results:
        return "No results yet.\n"
    lines = ["# Fovea and its peers, measured in turns", ""]
    lines += [
        "Written by `tools/bench/peers report --markdown`. Medians; *times faster* is the median of the ratios of the rounds,",
        "in each of which the programs ran one after the other. The share is that of the read bandwidth in decoding and of the",
        "integer peak elsewhere, measured in each round, the bandwidth before and after each figure. One random LLaVA: 1.1 B decoder (22 layers, 2048, 5632, 32/4",
        "heads, 32000 tokens), CLIP-L/14-336 (23 layers and the projector); GOT-OCR2's and Monkey's towers with all that is behind",
        "them up to the decoder; whole systems of their published sizes (SmolVLM: 17 views; DeepSeek-OCR: 4 tiles and the page; llama.cpp's towers in Q8_0).",
        "",
    ]
    lines += ["| " + " | ".join(HEAD) + " |", "|" + "---|" * len(HEAD)]
    lines += ["| " + " | ".join(row) + " |" for row in rows(results)]
    lines += ["", "| Measure | Date | CPU, threads | Read bandwidth | Integer peak | Command | Note |", "|---|---|---|---|---|---|---|"]
    for key, r in results.items():
        lines.append(
            f"| {key} | {r['date']} | {r['cpu']}, {r['instruction_set']}, {r['threads']} threads | "
            f"{bandwidth(r) / 1e9:.1f} GB/s | {peak(r) / 1e12:.2f} TOPS "
            f"({r['instruction']}) | `{r['command']}` | {r['note'] or ''} |"
        )
    versions = next(iter(reversed(list(results.values()))))["versions"]
    lines += ["", "Peers: " + ", ".join(f"{k} {v}" for k, v in versions.items()) + " (llama.cpp from llama-cpp-python's sources)."]
    return "\n".join(lines) + "\n"
