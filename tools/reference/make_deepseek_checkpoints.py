# SPDX-License-Identifier: Apache-2.0
"""A tiny random DeepSeek-OCR checkpoint in the published layout, with what PyTorch makes of a prompt and images in several modes.

    make_deepseek_checkpoints.py DIRECTORY      (Tests/ConversionTests/Fixtures/checkpoints holds the result)

Images are made by a formula that the test repeats. Of an image's vectors every 37th row and the last are recorded, of the logits those of the
last four positions, and 32 greedy ids.
"""

import os
import shutil
import sys

import deepseek_names
import deepseek_ocr
import numpy as np
import torch
import vocabulary
from make_checkpoints import write_json
from make_monkey_checkpoints import greedy, half_numbers
from make_tokenizer_checkpoints import DEEPSEEK3
from make_tokenizer_fixtures import fast_byte_level, train_byte_level
from PIL import Image
from safetensors.torch import save_file

PROMPT = "<image>\n<|grounding|>Convert the document to markdown."
SPECIALS = ["<｜begin▁of▁sentence｜>", "<｜end▁of▁sentence｜>", "<｜▁pad▁｜>"]
ADDED = ["<image>", "<|ref|>", "<|/ref|>", "<|det|>", "<|/det|>", "<|grounding|>", "<td>", "</td>", "<tr>", "</tr>", "<|User|>", "<|Assistant|>"]
CASES = {
    "base": ("base", 300, 200),
    "tiny": ("tiny", 200, 333),
    "large": ("large", 90, 120),
    "gundam1": ("gundam", 640, 333),
    "gundam2": ("gundam", 333, 700),
    "gundam6": ("gundam", 1100, 720),
}


def picture(width, height):
    y, x = np.mgrid[0:height, 0:width].astype(np.int64)
    planes = [(x * x // 61 + y * 3) % 256, (y * y // 37 + x * 2 + x * y // 53) % 256, ((x // 16 + y // 24) % 2) * 160 + x % 64]
    return Image.fromarray(np.stack(planes, axis=-1).astype(np.uint8))


def tokenizer(folder):
    from tokenizers import Regex, pre_tokenizers

    vocab, merges = train_byte_level(vocabulary.TEXT.split("\n") * 4, "gpt2", 300, SPECIALS)
    n = len(vocab)
    t = fast_byte_level("gpt2", False, False, vocab, merges, False, [(s, i, 1) for i, s in enumerate(SPECIALS)])
    t.add_tokens(ADDED)
    t.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Split(Regex(s), behavior="isolated") for s in DEEPSEEK3] + [pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)]
    )
    t.save(os.path.join(folder, "tokenizer.json"), pretty=False)
    write_json(
        folder,
        "tokenizer_config.json",
        {"tokenizer_class": "LlamaTokenizerFast", "bos_token": SPECIALS[0], "eos_token": SPECIALS[1], "add_bos_token": True},
    )
    return t, n + len(ADDED)


def config(vocab):
    return {
        "architectures": ["DeepseekOCRForCausalLM"],
        "model_type": "deepseek_vl_v2",
        "language_config": {
            "architectures": ["DeepseekV2ForCausalLM"],
            "bos_token_id": 0,
            "eos_token_id": 1,
            "first_k_dense_replace": 1,
            "hidden_size": 32,
            "intermediate_size": 48,
            "kv_lora_rank": None,
            "max_position_embeddings": 2048,
            "moe_intermediate_size": 16,
            "n_group": 1,
            "n_routed_experts": 8,
            "n_shared_experts": 2,
            "num_attention_heads": 2,
            "num_experts_per_tok": 3,
            "num_hidden_layers": 3,
            "num_key_value_heads": 2,
            "q_lora_rank": None,
            "qk_nope_head_dim": 0,
            "qk_rope_head_dim": 0,
            "topk_group": 1,
            "topk_method": "greedy",
            "use_mla": False,
            "v_head_dim": 0,
            "vocab_size": vocab,
        },
        "projector_config": {"input_dim": 32, "model_type": "mlp_projector", "n_embed": 32, "projector_type": "linear"},
        "vision_config": {
            "image_size": 1024,
            "model_name": "deeplip_b_l",
            "model_type": "vision",
            "width": {
                "clip-l-14-224": {"heads": 2, "image_size": 224, "layers": 2, "patch_size": 14, "width": 16, "mlp": 24},
                "sam_vit_b": {
                    "downsample_channels": [12, 16],
                    "global_attn_indexes": [1],
                    "heads": 2,
                    "layers": 2,
                    "width": 16,
                    "neck": 8,
                    "mlp": 24,
                },
            },
        },
    }


def random_weights(shapes, seed):
    generator = torch.Generator().manual_seed(seed)
    w = {}
    for name, shape in sorted(shapes.items()):
        if len(shape) == 1:
            is_scale = name.endswith("weight")
            w[name] = half_numbers(shape, generator, 0.1, 1.0 if is_scale else 0.0, torch.bfloat16)
        elif "pos" in name:
            w[name] = half_numbers(shape, generator, 0.5, 0.0, torch.bfloat16)
        else:
            scale = 0.6 if "embed_tokens" in name else 1.2 / np.prod(shape[1:]) ** 0.5
            w[name] = half_numbers(shape, generator, float(scale), 0.0, torch.bfloat16)
    return w


def main(root):
    path = os.path.join(root, "deepseek_ocr")
    folder = os.path.join(path, "checkpoint")
    shutil.rmtree(path, ignore_errors=True)
    os.makedirs(folder)
    t, vocab = tokenizer(folder)
    c = config(vocab)
    write_json(folder, "config.json", c)
    w = random_weights(deepseek_names.shapes(c), 61)
    save_file({n: x.to(torch.bfloat16).contiguous() for n, x in w.items()}, os.path.join(folder, "model.safetensors"), metadata={"format": "pt"})
    model = deepseek_ocr.Model(w, c)
    before, after = (t.encode(part, add_special_tokens=False).ids for part in PROMPT.split("<image>"))
    recorded = {"ids": torch.tensor([0] + before + [-200] + after, dtype=torch.int32)}
    with torch.no_grad():
        for name, (mode, width, height) in CASES.items():
            block = model.block(picture(width, height), mode)
            sequence = torch.cat([model.embed(torch.tensor([0] + before)), block, model.embed(torch.tensor(after))])
            logits, ids, gap = greedy(model, sequence)
            rows = torch.cat([block[::37], block[-1:]])
            recorded |= {f"{name}.embeddings": rows.contiguous(), f"{name}.logits": logits[-4:].contiguous()}
            recorded |= {f"{name}.greedy": torch.tensor(ids, dtype=torch.int32), f"{name}.tokens": torch.tensor([len(block)], dtype=torch.int32)}
            print(f"{name}: {width} x {height}, {len(block)} vectors, smallest gap {gap:.4f}", flush=True)
    with open(os.path.join(path, "prompt.txt"), "w") as f:
        f.write(PROMPT)
    save_file(recorded, os.path.join(path, "reference.safetensors"))


if __name__ == "__main__":
    torch.set_num_threads(2)
    main(sys.argv[1])
