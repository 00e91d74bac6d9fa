# SPDX-License-Identifier: Apache-2.0
"""`peers models`: one random LLaVA of full size, in the form of every program."""

import dataclasses
import glob
import json
import os
import subprocess

from comparison.workplace import BENCH, HERE

GGUF = ("q4_0", "iq4_nl", "q4_k", "q8_0")


@dataclasses.dataclass(frozen=True)
class System:
    """A whole system of random weights, for Fovea and, by its own converter, for llama.cpp."""

    maker: tuple  # script of tools/bench and what it is told
    type: str  # of Fovea's file
    types: tuple  # of llama.cpp's decoder
    side: int  # width and height of the image
    tower: str = "q8_0"  # type of llama.cpp's tower


SYSTEMS = {
    # 17 views of 512 pixels; of 384.
    "smolvlm-256m": System(("make_smolvlm.py",), "int8", ("q8_0",), 1000),
    "smolvlm-500m": System(("make_smolvlm.py", "--size", "500m"), "int8", ("q8_0",), 1000),
    "smolvlm-2.2b": System(("make_smolvlm.py", "--size", "2.2b"), "int4", ("q4_0", "q4_k"), 1000),
    # 4 tiles and the page.
    "deepseek-ocr": System(("make_deepseek_ocr.py",), "int4", ("q4_0", "q4_k"), 1000),
    "deepseek-ocr2": System(("make_deepseek_ocr.py", "--second"), "int4", ("q4_0", "q4_k"), 1000),
}


def models(work, fovea, checkpoint, threads, wants, only):
    os.makedirs(work.path("models"), exist_ok=True)
    for name in SYSTEMS:
        if not only or any(name.startswith(w) or w.startswith(name) for w in only.split(",")):
            system(work, fovea, name, threads, wants)
    if only and all(any(w.startswith(name) or name.startswith(w) for name in SYSTEMS) for w in only.split(",")):
        return
    source = checkpoint or work.model("llava")
    python = work.need(work.python, "prepare")
    if not os.path.exists(os.path.join(source, "model.safetensors")):
        work.run(python, os.path.join(BENCH, "make_llava.py"), source, name="make_llava")
    for kind in ("int4", "int8"):
        target = work.model(f"llava-{kind}.fovea")
        if not os.path.exists(target):
            work.run(fovea, "convert", source, "-o", target, "--type", kind, "--compress", "none", name="convert-" + kind)
    for name, maker in (("got", "make_vary.py"), ("monkey", "make_monkey.py")):
        target = work.model(name + "-int8.fovea")
        if not os.path.exists(target):
            # Of Monkey's decoder one layer: its tower is what is measured.
            options = ["--layers", "1"] if name == "monkey" else []
            folder = work.model(name)
            if not glob.glob(os.path.join(folder, "*.safetensors")) and not glob.glob(os.path.join(folder, "*.bin")):
                work.run(python, os.path.join(BENCH, maker), folder + ".part", *options, name="make_" + name)
                os.replace(folder + ".part", folder)
            work.run(fovea, "convert", folder, "-o", target, "--type", "int8", "--compress", "none", name="convert-" + name)
    for part in ("decoder", "encoder") if wants("llama.cpp") else ():
        target = work.model(f"{part}-f16.gguf")
        if not os.path.exists(target):
            work.run(python, os.path.join(HERE, "make_gguf.py"), part, source, target, name="gguf-" + part)
    for kind in GGUF if wants("llama.cpp") else ():
        target = work.model(f"decoder-{kind}.gguf")
        if not os.path.exists(target):
            peer = work.need(work.peer("llama_peer", "native"), "prepare")
            work.run(peer, "quantize", work.model("decoder-f16.gguf"), target + ".part", kind, str(threads), name="quantize-" + kind)
            os.replace(target + ".part", target)
    for part in ("encoder", "decoder", "encoder-sam") if wants("OpenVINO") else ():
        target = work.model("openvino-" + part)
        if not os.path.exists(target):
            # Everything is local; nothing is to be looked up on a hub.
            work.run(
                python,
                os.path.join(HERE, "make_openvino.py"),
                part,
                work.model("got") if part.endswith("sam") else source,
                target,
                name="openvino-" + part,
                env=dict(os.environ, HF_HUB_OFFLINE="1"),
            )
    work.write("models.json", facts(work, source))


def system(work, fovea, name, threads, wants):
    s, source, python = SYSTEMS[name], work.model(name), work.need(work.python, "prepare")
    if not os.path.exists(os.path.join(source, "model.safetensors")):
        work.run(python, os.path.join(BENCH, s.maker[0]), source, *s.maker[1:], name="make-" + name)
    target = work.model(f"{name}-{s.type}.fovea")
    if not os.path.exists(target):
        work.run(fovea, "convert", source, "-o", target, "--type", s.type, "--compress", "none", name="convert-" + name)
    if not wants("llama.cpp"):
        return
    maker = os.path.join(HERE, "make_system_gguf.py")
    plain, tower = work.model(f"{name}-f16.gguf"), work.model(f"{name}-mmproj-{s.tower}.gguf")
    for target, kind in ((plain, "f16"), (tower, "mmproj-" + s.tower)):
        if not os.path.exists(target):
            work.run(python, maker, work.path("llama.cpp-src"), source, target, kind, name="gguf-" + name)
    for kind in s.types:
        target = work.model(f"{name}-{kind}.gguf")
        if not os.path.exists(target):
            peer = work.need(work.peer("llama_peer", "native"), "prepare")
            work.run(peer, "quantize", plain, target + ".part", kind, str(threads), name=f"quantize-{name}-{kind}")
            os.replace(target + ".part", target)


def facts(work, source):
    """Shapes and bytes of what is there, for the shares of the limits."""
    with open(os.path.join(source, "config.json")) as f:
        c = json.load(f)
    with open(os.path.join(source, c["mm_vision_tower"], "config.json")) as f:
        v = json.load(f)
    read = {}
    for kind in GGUF:
        file = work.model(f"decoder-{kind}.gguf")
        if os.path.exists(file):
            command = [work.python, os.path.join(HERE, "make_gguf.py"), "sizes", file]
            sizes = json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout)
            read["llama.cpp " + kind.upper()] = sizes["bytes_per_token"]
    weights = os.path.join(work.model("openvino-decoder"), "openvino_model.bin")
    if os.path.exists(weights):
        # The embedding table is int8 with an f16 scale a row; a token reads one row.
        read["OpenVINO int4"] = os.path.getsize(weights) - c["vocab_size"] * (c["hidden_size"] + 2)
    return {"language": c, "vision": v, "bytes_per_token": read}


def prefill_operations(facts, tokens):
    """Multiplications and additions of a prompt: matrix products, causal attention, one row of logits."""
    c = facts["language"]
    hidden, inner, layers = c["hidden_size"], c["intermediate_size"], c["num_hidden_layers"]
    key = hidden // c["num_attention_heads"] * c["num_key_value_heads"]
    layer = 2 * (2 * hidden * hidden + 2 * hidden * key + 3 * hidden * inner)
    attention = 2 * tokens * hidden
    return layers * tokens * (layer + attention) + 2 * hidden * c["vocab_size"]


def clip_operations(facts):
    """Of one image: patches, all layers but the last, projector."""
    v, out = facts["vision"], facts["language"]["hidden_size"]
    hidden, inner, patch = v["hidden_size"], v["intermediate_size"], v["patch_size"]
    patches = (v["image_size"] // patch) ** 2
    tokens = patches + 1
    layer = 2 * tokens * (4 * hidden * hidden + 2 * hidden * inner) + 4 * tokens * tokens * hidden
    return (v["num_hidden_layers"] - 1) * layer + 2 * patches * (3 * patch * patch * hidden + hidden * out + out * out)


def sam_operations(facts):
    """GOT-OCR2's tower: 64 x 64 patches, eight blocks of 5 x 5 windows of 14 x 14 and four with global attention, with products for
    their relative positions; neck, two convolutions of stride 2, projector."""
    side, window, hidden = 64, 14, 768
    patches, windowed = side**2, (-(-side // window) * window) ** 2

    def attention(tokens, reach):
        return 2 * tokens * (4 * hidden * hidden + 2 * hidden * reach**2 + 2 * hidden * reach)

    blocks = 8 * attention(windowed, window) + 4 * attention(patches, side) + 12 * 2 * patches * 8 * hidden * hidden
    neck = patches * (hidden * 256 + 9 * 256 * 256) + patches // 4 * 9 * 256 * 512 + patches // 16 * (9 * 512 * 1024 + 1024 * 1024)
    return blocks + 2 * (patches * 3 * 16 * 16 * hidden + neck)


def qwen_operations(facts):
    """Monkey's four tiles and whole view: 48 layers of 1024 patches, low-rank adapters on the tiles, resampler to 256 tokens."""
    views, tokens, hidden, inner, out, queries = 5, 1024, 1664, 8192, 4096, 256
    block = tokens * (4 * hidden * hidden + 2 * hidden * inner + 2 * tokens * hidden)
    rank, mlp_rank = 16, 32
    adapters = tokens * (rank * (hidden + 3 * hidden + 2 * hidden) + 2 * mlp_rank * (hidden + inner))
    resampler = tokens * (hidden * out + 2 * out * out) + queries * (2 * out * out + 2 * tokens * out) + queries * out * out
    return 2 * (views * (48 * block + tokens * 3 * 14 * 14 * hidden + resampler) + (views - 1) * 48 * adapters)


ENCODERS = {"clip": clip_operations, "sam": sam_operations, "qwen": qwen_operations}
