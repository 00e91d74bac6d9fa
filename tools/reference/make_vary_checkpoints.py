# SPDX-License-Identifier: Apache-2.0
"""Tiny random checkpoints of the Vary family in every published layout, each with what PyTorch makes of one image and prompt.

    make_vary_checkpoints.py [--small] DIRECTORY [NAME ...]

The folders are like those of make_checkpoints.py, and compare.py takes them. `--small` makes what Tests/ConversionTests/Fixtures/checkpoints
holds. Needs transformers; cases with albumentations' preprocessing need opencv-python-headless too.
"""

import os
import shutil
import sys

import images
import monkey
import torch
import vary
import vocabulary
from make_checkpoints import SMALL, write_json
from make_monkey_checkpoints import Tokens, greedy, half_numbers, random_weights, save
from make_tokenizer_fixtures import fast_byte_level, train_byte_level
from monkey import shapes as monkey_shapes
from safetensors.torch import save_file

PROMPT = "<|im_start|>user\n<image>\nOCR with format: <|im_end|><|im_start|>assistant\n"
HIDDEN = 32 if SMALL else 96


def network(seed, out, dtype):
    if SMALL:
        return vary.Network(seed, 24, 2, 2, 40, 3, [1], 128, 8, 12, out, dtype)
    return vary.Network(seed, 64, 4, 4, 160, 5, [1, 3], 256, 32, 64, out, dtype)


class Folder:
    def __init__(self, root, name, seed, size):
        self.path = os.path.join(root, name)
        self.checkpoint = os.path.join(self.path, "checkpoint")
        shutil.rmtree(self.path, ignore_errors=True)
        os.makedirs(self.checkpoint)
        self.image = images.test_image(*size, seed)
        self.image.save(os.path.join(self.path, "image.png"))

    def finish(self, prompt, before, block, after, decoder, start):
        """Records embeddings, logits and greedy ids of the sequence; `start`: ids of <img> and </img>."""
        with torch.no_grad():
            block = torch.cat([decoder.embed(torch.tensor([start[0]])), block, decoder.embed(torch.tensor([start[1]]))])
            sequence = torch.cat([decoder.embed(torch.tensor(before, dtype=torch.long)), block, decoder.embed(torch.tensor(after))])
            logits, ids, gap = greedy(decoder, sequence)
        with open(os.path.join(self.path, "prompt.txt"), "w") as f:
            f.write(prompt)
        save_file(
            {
                "ids": torch.tensor(before + [-200] + after, dtype=torch.int32),
                "embeddings": block.contiguous(),
                "logits": logits.contiguous(),
                "greedy": torch.tensor(ids, dtype=torch.int32),
                "gap": torch.tensor([gap]),
            },
            os.path.join(self.path, "reference.safetensors"),
        )
        total = sum(os.path.getsize(os.path.join(r, f)) for r, _, files in os.walk(self.path) for f in files)
        print(f"{self.path}: {len(sequence)} positions, {len(block)} of the image, gap {gap:.4f}, {total // 1024} KiB", flush=True)


def qwen2(seed, vocab, dtype):
    from transformers import Qwen2Config, Qwen2ForCausalLM

    config = Qwen2Config(
        vocab_size=vocab,
        hidden_size=HIDDEN,
        intermediate_size=HIDDEN * 2,
        num_hidden_layers=2,
        num_attention_heads=2,
        num_key_value_heads=2,
        max_position_embeddings=512,
        rms_norm_eps=1e-6,
        tie_word_embeddings=True,
        rope_parameters={"rope_type": "default", "rope_theta": 1e6},
    )
    return vary.randomise(Qwen2ForCausalLM(config), seed, dtype)


def got(root, name, seed, layout, kind, dtype, size=(90, 64)):
    f = Folder(root, name, seed, size)
    tokens = Tokens(f.checkpoint, 272)
    vocab = len(tokens.special) + 272
    model = qwen2(seed, vocab, dtype)
    net = network(seed, HIDDEN, dtype)
    generator = torch.Generator().manual_seed(seed)
    projector = {"weight": half_numbers((HIDDEN, HIDDEN), generator, 0.2, dtype=dtype), "bias": half_numbers((HIDDEN,), generator, 0.1, dtype=dtype)}
    text = {k: v for k, v in model.state_dict().items() if k != "lm_head.weight"}
    head = model.get_input_embeddings().weight.data
    size = {
        "vocab_size": vocab,
        "hidden_size": HIDDEN,
        "intermediate_size": HIDDEN * 2,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "num_key_value_heads": 2,
        "max_position_embeddings": 512,
        "rms_norm_eps": 1e-6,
    }
    start = tokens.special["<img>"]
    end = tokens.special["<|endoftext|>"]
    if layout == "original":
        w = net.tensors(layout, "model.vision_tower_high.") | {f"model.mm_projector_vary.{k}": v for k, v in projector.items()} | text
        w["lm_head.weight"] = head
        config = size | {
            "architectures": ["GOTQwenForCausalLM"],
            "model_type": "GOT",
            "rope_theta": 1e6,
            "tie_word_embeddings": True,
            "use_sliding_window": False,
            "eos_token_id": end,
            "bos_token_id": end,
            "image_token_len": 256,
            "im_start_token": start,
            "im_end_token": start + 1,
            "im_patch_token": start + 2,
        }
    elif layout == "mlx":
        w = net.tensors(layout, "vision_tower.") | {f"multi_modal_projector.{k}": v for k, v in projector.items()}
        w |= {"language_model." + k: v for k, v in text.items()}
        config = size | {
            "model_type": "got",
            "rope_theta": 1e6,
            "tie_word_embeddings": True,
            "eos_token_id": end,
            "im_start_token": start,
            "im_end_token": start + 1,
            "im_patch_token": start + 2,
        }
    else:
        prefix = "model." if layout == "transformers5" else ""
        w = net.tensors("transformers", prefix + "vision_tower.", prefix + "multi_modal_projector.")
        w |= {f"{prefix}multi_modal_projector.multimodal_projector.{k}": v for k, v in projector.items()}
        if layout == "transformers5":
            w |= {k.replace("model.", "model.language_model.", 1): v for k, v in text.items()}
        else:
            w |= {"language_model." + k: v for k, v in text.items()} | {"language_model.lm_head.weight": head}
        rope = {"rope_parameters": {"rope_type": "default", "rope_theta": 1e6}} if layout == "transformers5" else {"rope_theta": 1e6}
        config = {
            "architectures": ["GotOcr2ForConditionalGeneration"],
            "model_type": "got_ocr2",
            "image_token_index": start + 2,
            "image_seq_length": 576,
            "eos_token_id": end,
            "text_config": size | rope | {"model_type": "qwen2", "tie_word_embeddings": True},
            "vision_config": net.config
            | {
                "model_type": "got_ocr2_vision",
                "hidden_act": "gelu",
                "layer_norm_eps": 1e-6,
                "qkv_bias": True,
                "use_abs_pos": True,
                "use_rel_pos": True,
            },
        }
    write_json(f.checkpoint, "config.json", config)
    write_json(f.checkpoint, "generation_config.json", {"eos_token_id": end, "max_new_tokens": 2048})
    save(f.checkpoint, w, kind, dtype)
    with torch.no_grad():
        block = torch.nn.functional.linear(net(vary.squash(f.image, net.config["image_size"])), projector["weight"], projector["bias"])
    before, after = (tokens.encode(part) for part in PROMPT.split("<image>"))
    f.finish(PROMPT, before, block, after, vary.Causal(model), (start, start + 1))


def tiny(root, name, seed, kind, dtype, size=(70, 100)):
    """Vary-tiny: OPT, GPT-2's tokenizer files."""
    from transformers import OPTConfig, OPTForCausalLM

    f = Folder(root, name, seed, size)
    specials = ["<s>", "<pad>", "</s>", "<unk>"]
    vocab, merges = train_byte_level(vocabulary.TEXT.split("\n") * 4, "gpt2", 300, specials)
    n = len(vocab)
    t = fast_byte_level(
        "gpt2", False, False, vocab, merges, False, [("<pad>", 1, 1), ("</s>", 2, 1), ("<imgpad>", n, 7), ("<img>", n + 1, 7), ("</img>", n + 2, 7)]
    )
    write_json(f.checkpoint, "vocab.json", vocab)
    with open(os.path.join(f.checkpoint, "merges.txt"), "w") as file:
        file.write("#version: 0.2\n" + "".join(f"{a} {b}\n" for a, b in merges))
    write_json(f.checkpoint, "added_tokens.json", {"<imgpad>": n, "<img>": n + 1, "</img>": n + 2})
    write_json(
        f.checkpoint,
        "tokenizer_config.json",
        {
            "tokenizer_class": "GPT2Tokenizer",
            "add_bos_token": True,
            "bos_token": "</s>",
            "eos_token": "</s>",
            "unk_token": "</s>",
            "pad_token": "<pad>",
        },
    )
    model = vary.randomise(
        OPTForCausalLM(
            OPTConfig(
                vocab_size=n + 3,
                hidden_size=HIDDEN,
                word_embed_proj_dim=HIDDEN,
                ffn_dim=HIDDEN * 2,
                num_hidden_layers=2,
                num_attention_heads=2,
                max_position_embeddings=256,
            )
        ),
        seed,
        dtype,
    )
    net = network(seed, 40, dtype)
    generator = torch.Generator().manual_seed(seed)
    w = net.tensors("original", "model.vision_tower_2.") | dict(model.state_dict())
    w |= {
        "model.mm_projector.weight": half_numbers((HIDDEN, 40), generator, 0.2, dtype=dtype),
        "model.mm_projector.bias": half_numbers((HIDDEN,), generator, 0.1, dtype=dtype),
    }
    if kind != "bin":
        del w["lm_head.weight"]
    write_json(
        f.checkpoint,
        "config.json",
        {
            "architectures": ["varyOPTForCausalLM"],
            "model_type": "vary",
            "vocab_size": n + 3,
            "hidden_size": HIDDEN,
            "word_embed_proj_dim": HIDDEN,
            "ffn_dim": HIDDEN * 2,
            "num_hidden_layers": 2,
            "num_attention_heads": 2,
            "max_position_embeddings": 256,
            "do_layer_norm_before": True,
            "activation_function": "relu",
            "bos_token_id": 2,
            "eos_token_id": 2,
            "pad_token_id": 1,
            "image_token_len": 256,
            "im_patch_token": n,
            "im_start_token": n + 1,
            "im_end_token": n + 2,
            "use_im_start_end": True,
            "vision_tower": "/data/vit-large-patch14",
        },
    )
    save(f.checkpoint, w, kind, dtype)
    with torch.no_grad():
        block = vary.linear(net(vary.squash(f.image, net.config["image_size"])), w, "model.mm_projector")
    prompt = "A chat. USER:<image>Provide the OCR results of this image. ASSISTANT:"
    ids = t.encode(prompt.replace("<image>", " <img></img>\n")).ids
    at = ids.index(n + 1)
    f.finish(prompt, [2] + ids[:at], block, ids[at + 2 :], vary.Causal(model), (n + 1, n + 2))


def two_towers(root, name, seed, kind, dtype, albumentations=False, infix="vision_model.", size=(50, 80)):
    """Vary-toy and Vary-base: CLIP beside the network, Qwen v1."""
    from transformers import CLIPVisionConfig, CLIPVisionModel

    f = Folder(root, name, seed, size)
    tokens = Tokens(f.checkpoint, 272)
    start, end = tokens.special["<img>"], tokens.special["<|endoftext|>"]
    net = network(seed, 40, dtype)
    grid, patch = net.config["image_size"] // 64, 4 if SMALL else 14
    clip = vary.randomise(
        CLIPVisionModel(
            CLIPVisionConfig(
                hidden_size=64,
                intermediate_size=32 if SMALL else 96,
                num_hidden_layers=2 if SMALL else 3,
                num_attention_heads=1,
                image_size=grid * patch,
                patch_size=patch,
                hidden_act="quick_gelu",
            )
        ),
        seed,
        dtype,
    )
    config = {
        "architectures": ["MMGPTQwenForCausalLM"],
        "model_type": "mmgpt",
        "vocab_size": len(tokens.special) + 272,
        "hidden_size": HIDDEN,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "kv_channels": HIDDEN // 2,
        "intermediate_size": HIDDEN * 4,
        "layer_norm_epsilon": 1e-6,
        "max_position_embeddings": 512,
        "seq_length": 16,
        "rotary_emb_base": 10000,
        "rotary_pct": 1.0,
        "use_dynamic_ntk": True,
        "use_logn_attn": True,
        "no_bias": True,
        "scale_attn_weights": True,
        "tie_word_embeddings": False,
        "vision_select_layer": -2,
        "im_patch_token": start + 2,
        "im_start_token": start,
        "im_end_token": start + 1,
        "vision_tower": "/cache/vit-large-patch14/",
        "freeze_vision_tower": False,
    }
    if albumentations:
        config["fovea"] = {"vary": "base"}
        config["fovea.vary"] = "base"
    fake = config | {"visual": {"width": 0, "output_dim": 0, "mlp_ratio": 0, "layers": 0, "lora_repeat_num": 0, "patch_size": 1}}
    shape = {n: s for n, s in monkey_shapes(fake).items() if "visual" not in n}
    half = HIDDEN // 2
    shape |= {
        "transformer.mm_projector.weight": (half, 64),
        "transformer.mm_projector.bias": (half,),
        "transformer.mm_projector_vary.weight": (half, 40),
        "transformer.mm_projector_vary.bias": (half,),
    }
    w = random_weights(shape, seed, dtype)
    bare = {k.removeprefix("vision_model."): v for k, v in clip.state_dict().items()}
    w |= net.tensors("original", "transformer.vision_tower_high.") | {f"transformer.vision_tower.{infix}{k}": v for k, v in bare.items()}
    write_json(f.checkpoint, "config.json", config)
    write_json(f.checkpoint, "generation_config.json", {"eos_token_id": end})
    save(f.checkpoint, w, kind, dtype)
    with torch.no_grad():
        pixels = torch.from_numpy(images.normalise(images.square_crop(f.image, grid * patch)))[None]
        seen = clip(pixels, output_hidden_states=True).hidden_states[-2][0, 1:]
        features = net(vary.squash(f.image, net.config["image_size"], albumentations))
        block = torch.cat([vary.linear(seen, w, "transformer.mm_projector"), vary.linear(features, w, "transformer.mm_projector_vary")], dim=1)
    prompt = "<|im_start|>user\n<image>Provide the ocr results of this image.<|im_end|><|im_start|>assistant\n"
    before, after = (tokens.encode(part) for part in prompt.split("<image>"))
    f.finish(prompt, before, block, after, monkey.QwenV1(w, config), (start, start + 1))


BF, H = torch.bfloat16, torch.float16
CASES = {
    "got": lambda r: got(r, "got", 31, "original", "safetensors", BF),
    "got_bin": lambda r: got(r, "got_bin", 32, "original", "bin", H),
    "got_hf": lambda r: got(r, "got_hf", 33, "transformers", "safetensors", H),
    "got_hf5": lambda r: got(r, "got_hf5", 34, "transformers5", "safetensors", BF),
    "got_mlx": lambda r: got(r, "got_mlx", 35, "mlx", "safetensors", BF),
    "vary_tiny": lambda r: tiny(r, "vary_tiny", 36, "bin", BF),
    "vary_tiny_safetensors": lambda r: tiny(r, "vary_tiny_safetensors", 37, "safetensors", H),
    "vary_toy": lambda r: two_towers(r, "vary_toy", 38, "safetensors", H),
    "vary_toy_bin": lambda r: two_towers(r, "vary_toy_bin", 39, "bin", BF, infix=""),
    "vary_base": lambda r: two_towers(r, "vary_base", 40, "bin", BF, albumentations=True),
}

if __name__ == "__main__":
    arguments = [a for a in sys.argv[1:] if not a.startswith("--")]
    torch.set_num_threads(1)
    for name in arguments[1:] or CASES:
        CASES[name](arguments[0])
