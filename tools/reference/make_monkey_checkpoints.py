# SPDX-License-Identifier: Apache-2.0
"""Tiny random Monkey checkpoints in the published layout, each with what PyTorch makes of one image and prompt.

    make_monkey_checkpoints.py [--small] DIRECTORY [NAME ...]

The folders are like those of make_checkpoints.py, and compare.py takes them. `reference.safetensors` also holds `features`, the
tower's output of every view. `--small … monkey text_monkey` makes what Tests/ConversionTests/Fixtures/checkpoints holds.
"""

import base64
import os
import shutil
import sys

import images
import monkey
import numpy as np
import textmonkey
import torch
import vocabulary
from make_checkpoints import SMALL, STEPS, write_json
from make_tokenizer_fixtures import QWEN, byte_characters, train_byte_level
from safetensors.torch import save_file

SPECIALS = (
    ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
    + [f"<|extra_{i}|>" for i in range(205)]
    + ["<ref>", "</ref>", "<box>", "</box>", "<quad>", "</quad>", "<img>", "</img>", "<imgpad>"]
)
PROMPT = "<image> Where is the red triangle? Answer: "


class Tokens:
    """A small tokenizer of Qwen's kind, saved as `qwen.tiktoken`."""

    def __init__(self, folder, size):
        import tiktoken

        vocab, _ = train_byte_level(vocabulary.TEXT.split("\n") * 4, "qwen", size)
        alphabet = byte_characters()
        pieces = [bytes(alphabet[c] for c in p) for p in sorted(vocab, key=vocab.get)]
        with open(os.path.join(folder, "qwen.tiktoken"), "w") as f:
            f.writelines(f"{base64.b64encode(p).decode()} {i}\n" for i, p in enumerate(pieces))
        self.special = {s: len(pieces) + i for i, s in enumerate(SPECIALS)}
        self.encoding = tiktoken.Encoding("monkey", pat_str=QWEN, mergeable_ranks={p: i for i, p in enumerate(pieces)}, special_tokens=self.special)

    def encode(self, text):
        return self.encoding.encode(text, allowed_special="all")


def half_numbers(shape, generator, scale, offset=0.0, dtype=torch.float16):
    return (torch.randn(shape, generator=generator) * scale + offset).to(dtype).float()


def random_weights(shapes, seed, dtype):
    """Numbers of a trained model's kind, exact in `dtype`. Adapters and their scales weigh as much as what they stand beside."""
    generator = torch.Generator().manual_seed(seed)
    w = {}
    for name, shape in sorted(shapes.items()):
        if name.endswith(("lora_scale", "mlp.scale", "0.1.scale")):
            w[name] = half_numbers(shape, generator, 0.3, 1.0, dtype)
        elif len(shape) == 1:
            norm = ".ln_" in name or "norm" in name
            w[name] = half_numbers(shape, generator, 0.1, 1.0 if norm and name.endswith("weight") else 0.0, dtype)
        elif name.endswith(("pos_embed", "positional_embedding", "attn_pool.query", "position_embedding", "bias_table")):
            w[name] = half_numbers(shape, generator, 0.5, 0.0, dtype)
        else:
            scale = 0.6 if "wte" in name else (0.8 if "lora" in name else 1.2) / np.prod(shape[1:]) ** 0.5
            w[name] = half_numbers(shape, generator, float(scale), 0.0, dtype)
    return w


def base_config(vocab, start, **visual):
    """As published, in small."""
    v = {
        "image_size": 896,
        "patch_size": 14,
        "width": 48,
        "layers": 2,
        "heads": 4,
        "mlp_ratio": 2.0,
        "n_queries": 16,
        "output_dim": 128,
        "image_start_id": start,
        "lora_repeat_num": 4,
    }
    c = {
        "architectures": ["MonkeyLMHeadModel"],
        "model_type": "monkey",
        "vocab_size": vocab,
        "hidden_size": 128,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "kv_channels": 32,
        "intermediate_size": 192,
        "layer_norm_epsilon": 1e-6,
        "max_position_embeddings": 8192,
        "seq_length": 64,
        "rotary_emb_base": 10000,
        "rotary_pct": 1.0,
        "use_dynamic_ntk": True,
        "use_logn_attn": True,
        "no_bias": True,
        "scale_attn_weights": True,
        "tie_word_embeddings": False,
        "bf16": True,
        "torch_dtype": "bfloat16",
        "use_cache": False,
        "tokenizer_type": "QWenTokenizer",
        "visual": v,
    }
    if SMALL:
        v |= {
            "image_size": 112,
            "tile_size": 56,
            "patch_size": 14,
            "width": 24,
            "layers": 2,
            "heads": 2,
            "n_queries": 4,
            "output_dim": 32,
            "resampler_heads": 2,
            "position_rows": 4,
        }
        c |= {"hidden_size": 32, "kv_channels": 16, "num_attention_heads": 2, "intermediate_size": 80, "seq_length": 16}
    v |= visual
    return c


def greedy(decoder, sequence):
    """Logits of all positions, then `STEPS` greedy ids; the rotation stays the prompt's."""
    prompt = len(sequence)
    logits = decoder.logits(sequence, prompt)
    ids, gaps, last = [], [], logits[-1]
    for _ in range(STEPS):
        top = last.topk(2)
        ids.append(int(top.indices[0]))
        gaps.append(float(top.values[0] - top.values[1]))
        sequence = torch.cat([sequence, decoder.embed(torch.tensor([ids[-1]]))])
        last = decoder.logits(sequence, prompt)[-1]
    return logits, ids, min(gaps)


def save(folder, tensors, kind, dtype):
    tensors = {n: t.to(dtype).contiguous() for n, t in tensors.items()}
    if kind == "bin":
        torch.save(tensors, os.path.join(folder, "pytorch_model.bin"))
    else:
        save_file(tensors, os.path.join(folder, "model.safetensors"), metadata={"format": "pt"})


def case(root, name, seed, kind="bin", dtype=torch.bfloat16, size=(150, 90), seq_length=None, prompt=PROMPT, text_monkey=False, **visual):
    path = os.path.join(root, name)
    folder = os.path.join(path, "checkpoint")
    shutil.rmtree(path, ignore_errors=True)
    os.makedirs(folder)
    tokens = Tokens(folder, 272 if SMALL else 304)
    config = base_config(len(tokens.special) + (272 if SMALL else 304) + 7, tokens.special["<img>"], **visual)
    if seq_length:
        config["seq_length"] = seq_length
    tensors = monkey.shapes(config)
    if text_monkey:
        tensors |= textmonkey.extra_shapes(config["visual"])
        config |= {"architectures": ["TextMonkeyLMHeadModel"], "model_type": "qwen"}
    w = random_weights(tensors, seed, dtype)
    for key in ("position_rows", "window_widths", "token_resampler_width"):
        config["visual"].pop(key, None)
    write_json(folder, "config.json", config)
    end = tokens.special["<|endoftext|>"]
    write_json(
        folder,
        "generation_config.json",
        {"chat_format": "raw", "do_sample": True, "eos_token_id": end, "pad_token_id": end, "max_new_tokens": 512, "top_k": 0, "top_p": 0.5},
    )
    write_json(folder, "special_tokens_map.json", {"pad_token": "<|endoftext|>"})
    save(folder, w, kind, dtype)

    image = images.test_image(*size, seed)
    image.save(os.path.join(path, "image.png"))
    with open(os.path.join(path, "prompt.txt"), "w") as f:
        f.write(prompt)
    decoder = monkey.QwenV1(w, config)
    with torch.no_grad():
        vectors, features = (textmonkey if text_monkey else monkey).encode(image, w, config["visual"])
        start = config["visual"]["image_start_id"]
        block = torch.cat([decoder.embed(torch.tensor([start])), vectors, decoder.embed(torch.tensor([start + 1]))])
        before, after = (tokens.encode(part) for part in prompt.split("<image>"))
        sequence = torch.cat([decoder.embed(torch.tensor(before, dtype=torch.long)), block, decoder.embed(torch.tensor(after))])
        logits, ids, gap = greedy(decoder, sequence)
    out = {
        "ids": torch.tensor(before + [-200] + after, dtype=torch.int32),
        "embeddings": block.contiguous(),
        "logits": logits,
        "greedy": torch.tensor(ids, dtype=torch.int32),
        "gap": torch.tensor([gap]),
    }
    if not SMALL:
        out["features"] = torch.stack(features)
    save_file(out, os.path.join(path, "reference.safetensors"))
    total = sum(os.path.getsize(os.path.join(r, f)) for r, _, files in os.walk(path) for f in files)
    print(f"{path}: {len(sequence)} positions, {len(block)} of the image, gap {gap:.4f}, {total // 1024} KiB", flush=True)


CASES = {
    "monkey": lambda r: case(r, "monkey", 21, size=(64, 40) if SMALL else (150, 90)),
    "monkey_safetensors": lambda r: case(r, "monkey_safetensors", 22, "safetensors", torch.float16, (61, 200)),
    "monkey_plain": lambda r: case(r, "monkey_plain", 23, "safetensors", lora_repeat_num=0),
    "monkey_shared": lambda r: case(r, "monkey_shared", 24, lora_repeat_num=1),
    "monkey_six": lambda r: case(r, "monkey_six", 25, lora_repeat_num=6, image_size=[896, 1344]),
    # The published numbers of queries and positions: 1282 for the image, past seq_length by a factor above four.
    "monkey_queries": lambda r: case(r, "monkey_queries", 26, n_queries=256, seq_length=256, width=32),
    # Windows before blocks 2 and 6; half of the tiles' tokens are kept.
    "text_monkey": lambda r: (
        case(
            r,
            "text_monkey",
            31,
            "safetensors",
            torch.float16,
            (64, 40),
            text_monkey=True,
            layers=3,
            lora_repeat_num=0,
            add_window=True,
            use_global=True,
            resampler=True,
            r=9,
            window_widths=[32],
            token_resampler_width=32,
            token_resampler_heads=2,
        )
        if SMALL
        else case(
            r,
            "text_monkey",
            31,
            text_monkey=True,
            layers=8,
            lora_repeat_num=0,
            add_window=True,
            use_global=True,
            resampler=True,
            r=32,
            window_widths=[64, 96, 32, 32],
            token_resampler_width=256,
        )
    ),
    "text_monkey_shared": lambda r: case(
        r,
        "text_monkey_shared",
        32,
        "safetensors",
        text_monkey=True,
        layers=3,
        lora_repeat_num=1,
        add_window=True,
        use_global=False,
        resampler=True,
        r=40,
        image_size=[896, 896],
        window_widths=[64, 32, 32, 32],
        token_resampler_width=128,
    ),
    "monkey_short": lambda r: case(r, "monkey_short", 27, seq_length=2048, width=128),
}

if __name__ == "__main__":
    arguments = [a for a in sys.argv[1:] if not a.startswith("--")]
    torch.set_num_threads(1)
    for name in arguments[1:] or CASES:
        CASES[name](arguments[0])
