# SPDX-License-Identifier: Apache-2.0
"""Tiny random checkpoints in published layouts, each with what PyTorch makes of one image and prompt.

    make_checkpoints.py [--small] DIRECTORY [NAME ...]

`--small` makes the ones that the everyday tests read: Tests/ConversionTests/Fixtures/checkpoints holds
`--small … hires hires_stem llava llava_hf llava_next_hf_bin`.

Every DIRECTORY/NAME holds `checkpoint/` (what `fovea convert` reads), `image.png`, `prompt.txt` and `reference.safetensors`:
`ids` (the text tokens of the raw prompt, −200 for the image), `embeddings` (the vectors that stand for the image), `logits` of all
positions, `greedy` (32 ids), `gap` (the smallest distance between the best and the second logit on the way: greedy ids are only
meaningful where it is not tiny). Weights are half precision numbers, so that every file format holds them exactly; PyTorch computes
in single precision.
"""

import copy
import json
import os
import shutil
import sys

import hires_llava
import images
import numpy as np
import torch
import vocabulary
from safetensors.torch import save_file
from transformers import (
    CLIPVisionConfig,
    LlamaConfig,
    LlavaConfig,
    LlavaForConditionalGeneration,
    LlavaNextConfig,
    LlavaNextForConditionalGeneration,
    MistralConfig,
)

SYSTEM = (
    "A chat between a curious user and an artificial intelligence assistant. "
    "The assistant gives helpful, detailed, and polite answers to the user's questions."
)
VICUNA = SYSTEM + " USER: <image>\nWhere is the red triangle? ASSISTANT:"
PLAIN = "USER: <image>\nWhere is the red triangle? ASSISTANT:"
MISTRAL = "[INST] <image>\nHow many stop signs are there? [/INST]"
SIDE, PATCH = 56, 14
SMALL = "--small" in sys.argv
if SMALL:
    VICUNA = PLAIN = "USER: <image>\nHow many? ASSISTANT:"
    MISTRAL = "[INST] <image>\nHow many? [/INST]"
STEPS = 32
IMAGE = -200
# [width, height]
PINPOINTS = [[56, 112], [112, 56], [112, 112], [168, 56], [56, 168]]


def vision_config(**changes):
    sizes = dict(
        hidden_size=40, intermediate_size=72, num_hidden_layers=4, num_attention_heads=4, image_size=SIDE, patch_size=PATCH, projection_dim=40
    )
    if SMALL:
        sizes.update(hidden_size=24, intermediate_size=40, num_hidden_layers=3, projection_dim=24)
    return CLIPVisionConfig(**{**sizes, **changes})


def text_sizes(vocab, **changes):
    sizes = dict(
        hidden_size=48,
        intermediate_size=104,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=4,
        vocab_size=vocab,
        max_position_embeddings=1024,
        rms_norm_eps=1e-5,
        bos_token_id=1,
        eos_token_id=2,
    )
    if SMALL:
        sizes.update(hidden_size=24, intermediate_size=56)
    return {**sizes, **changes}


def randomise(model, seed):
    """Numbers of a trained model's kind, representable in half precision, with logits well apart."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, p in sorted(model.named_parameters()):
            noise = torch.randn(p.shape, generator=generator)
            if "norm" in name or ".ln_" in name:
                value = noise * 0.1 + (1 if name.endswith("weight") else 0)
            elif p.dim() == 1:
                value = noise * (0.5 if "newline" in name or "separators" in name else 0.1)
            else:
                value = noise * (0.6 if "embed_tokens" in name else 1.2 / max(p[0].numel(), 1) ** 0.5)
            p.copy_(value.half().float())
    return model.eval()


def greedy(llm, embed, sequence):
    """Logits of all positions of the embedded sequence [n, width], then `STEPS` greedy ids, recomputed from the start each time."""
    with torch.no_grad():
        logits = llm(inputs_embeds=sequence[None]).logits[0].float()
        ids, gaps, last = [], [], logits[-1]
        for _ in range(STEPS):
            top = last.topk(2)
            ids.append(int(top.indices[0]))
            gaps.append(float(top.values[0] - top.values[1]))
            sequence = torch.cat([sequence, embed(torch.tensor([ids[-1]]))])
            last = llm(inputs_embeds=sequence[None]).logits[0, -1].float()
    return logits.numpy(), np.array(ids), min(gaps)


def chunk_ids(processor, prompt):
    """The original LLaVA's way: text around the image is tokenised by itself, one <s> in front."""
    parts = [processor.encode(part) for part in prompt.split("<image>")]
    return [1] + parts[0] + [IMAGE] + parts[1]


def fast_ids(directory, prompt, image_id):
    """transformers' way: one text with <image> as a token."""
    from tokenizers import Tokenizer

    ids = Tokenizer.from_file(os.path.join(directory, "tokenizer.json")).encode(prompt).ids
    return [IMAGE if i == image_id else i for i in ids]


def write_json(directory, name, value):
    with open(os.path.join(directory, name), "w") as f:
        json.dump(value, f, indent=2)
        f.write("\n")


def preprocessor(**changes):
    value = {
        "crop_size": {"height": SIDE, "width": SIDE},
        "do_center_crop": True,
        "do_convert_rgb": True,
        "do_normalize": True,
        "do_rescale": True,
        "do_resize": True,
        "image_mean": list(images.MEAN),
        "image_std": list(images.STD),
        "resample": 3,
        "rescale_factor": 1 / 255,
        "size": {"shortest_edge": SIDE},
    }
    return {**value, **changes}


class Case:
    """One checkpoint in the making."""

    def __init__(self, root, name, seed):
        self.path = os.path.join(root, name)
        shutil.rmtree(self.path, ignore_errors=True)
        self.folder = os.path.join(self.path, "checkpoint")
        os.makedirs(self.folder)
        self.seed = seed
        self.processor = vocabulary.train(os.path.join(self.folder, "tokenizer.model"), 320 if SMALL else 384)
        self.vocab = self.processor.get_piece_size()

    def json(self, name, value):
        write_json(self.folder, name, value)

    def config(self, value):
        self.json("config.json", value)
        self.json("generation_config.json", {"bos_token_id": 1, "eos_token_id": 2})
        self.json(
            "tokenizer_config.json",
            {
                "add_bos_token": True,
                "add_eos_token": False,
                "legacy": True,
                "bos_token": "<s>",
                "eos_token": "</s>",
                "unk_token": "<unk>",
                "tokenizer_class": "LlamaTokenizer",
            },
        )

    def save(self, tensors, kind="safetensors", shards=1, dtype=torch.float16, folder=None):
        """Writes tensors in one file or in shards. `kind` bin: a zip-pickle of torch.save."""
        folder = folder or self.folder
        os.makedirs(folder, exist_ok=True)
        stem, extension = ("model", "safetensors") if kind == "safetensors" else ("pytorch_model", "bin")
        write = (lambda t, p: save_file(t, p, metadata={"format": "pt"})) if kind == "safetensors" else torch.save
        tensors = {name: t.to(dtype).contiguous() for name, t in tensors.items()}
        if shards == 1:
            write(tensors, os.path.join(folder, f"{stem}.{extension}"))
            return
        names = list(tensors)
        index = {}
        for i in range(shards):
            part = names[i::shards]
            file = f"{stem}-{i + 1:05}-of-{shards:05}.{extension}"
            write({name: tensors[name] for name in part}, os.path.join(folder, file))
            index.update(dict.fromkeys(part, file))
        size = sum(t.numel() * t.element_size() for t in tensors.values())
        write_json(folder, f"{stem}.{extension}.index.json", {"metadata": {"total_size": size}, "weight_map": index})

    def finish(self, image, prompt, ids, embeddings, llm, embed):
        image.save(os.path.join(self.path, "image.png"))
        parts = [embeddings if i == IMAGE else embed(torch.tensor([i])) for i in ids]
        with torch.no_grad():
            logits, out, gap = greedy(llm, embed, torch.cat(parts))
        with open(os.path.join(self.path, "prompt.txt"), "w") as f:
            f.write(prompt)
        save_file(
            {
                "ids": torch.tensor(ids, dtype=torch.int32),
                "embeddings": embeddings.detach().contiguous(),
                "logits": torch.from_numpy(logits),
                "greedy": torch.from_numpy(out).int(),
                "gap": torch.tensor([gap]),
            },
            os.path.join(self.path, "reference.safetensors"),
        )
        size = sum(os.path.getsize(os.path.join(r, f)) for r, _, files in os.walk(self.path) for f in files)
        print(f"{self.path}: {len(ids)} ids, {len(embeddings)} image tokens, gap {gap:.4f}, {size // 1024} KiB", flush=True)


def names_4x(name):
    """In-memory names of transformers 5 -> the names published with version 4."""
    name = name.replace("model.vision_tower.", "vision_tower.vision_model.").replace("vision_model.vision_model.", "vision_model.")
    if name.startswith("lm_head."):
        return "language_model." + name
    name = name.replace("model.language_model.", "language_model.model.")
    return name.removeprefix("model.") if name.startswith(("model.multi_modal", "model.image_newline")) else name


def names_original(name):
    """In-memory names of transformers 5 -> the original LLaVA's."""
    name = names_4x(name).replace("vision_tower.vision_model.", "model.vision_tower.vision_tower.vision_model.")
    for old, new in (("linear_1.", "0."), ("linear_2.", "2.")):
        name = name.replace("multi_modal_projector." + old, "model.mm_projector." + new)
    name = name.replace("language_model.lm_head", "lm_head").replace("language_model.model.", "model.")
    return "model." + name if name == "image_newline" else name


def renamed(model, rename):
    return {rename(name): value.detach() for name, value in model.state_dict().items()}


def llava_model(case, text, seed, next=False, vision=None, pinpoints=None, **changes):
    vision = vision or vision_config()
    arguments = dict(vision_config=vision, text_config=text, image_token_index=case.vocab, **changes)
    if next:
        # transformers wants [height, width]
        config = LlavaNextConfig(image_grid_pinpoints=[[h, w] for w, h in pinpoints], **arguments)
        return randomise(LlavaNextForConditionalGeneration._from_config(config, attn_implementation="eager"), seed)
    return randomise(LlavaForConditionalGeneration._from_config(LlavaConfig(**arguments), attn_implementation="eager"), seed)


def square_embeddings(model, picture):
    pixels = torch.from_numpy(images.normalise(picture))[None]
    inner = model.model
    with torch.no_grad():
        features = inner.vision_tower(pixels, output_hidden_states=True).hidden_states[model.config.vision_feature_layer][:, 1:]
        return inner.multi_modal_projector(features)[0]


def anyres_embeddings(model, image, candidates):
    """transformers' own packing of tiles and newlines."""
    pixels = torch.from_numpy(np.stack([images.normalise(p) for p in images.anyres(image, candidates, SIDE)]))[None]
    sizes = torch.tensor([[image.height, image.width]])
    with torch.no_grad():
        out = model.model.get_image_features(pixels, sizes, vision_feature_layer=-2, vision_feature_select_strategy="default")
    out = getattr(out, "pooler_output", out)
    return torch.cat(list(out)) if isinstance(out, (list, tuple)) else out


def original_config(case, text, **changes):
    value = {
        "architectures": ["LlavaLlamaForCausalLM"],
        "model_type": "llava",
        **text,
        "hidden_act": "silu",
        "mm_hidden_size": vision_config().hidden_size,
        "mm_projector_type": "mlp2x_gelu",
        "mm_use_im_start_end": False,
        "mm_use_im_patch_token": False,
        "mm_vision_select_feature": "patch",
        "mm_vision_select_layer": -2,
        "mm_vision_tower": "acme/clip-tiny",
        "image_aspect_ratio": "pad",
        "tie_word_embeddings": False,
        "torch_dtype": "float16",
        "use_cache": True,
    }
    return {**value, **changes}


def llava_original(root, name, seed, kind="safetensors", shards=1, beside=False, aspect="pad", dtype=torch.float16):
    """LLaVA-1.5 as the original code saves it."""
    case = Case(root, name, seed)
    text = text_sizes(case.vocab)
    model = llava_model(case, LlamaConfig(**text), seed)
    if dtype == torch.bfloat16:  # coarser numbers, so that this format holds them too
        with torch.no_grad():
            for p in model.parameters():
                p.copy_(p.bfloat16().float())
    tensors = renamed(model, names_original)
    case.config(original_config(case, text, image_aspect_ratio=aspect))
    tower = vision_config().to_dict() | {"model_type": "clip_vision_model"}
    prefix = "model.vision_tower.vision_tower."
    if beside:
        folder = os.path.join(case.folder, "clip-tiny")
        inside = {n.removeprefix(prefix): t for n, t in tensors.items() if n.startswith(prefix)}
        inside["vision_model.embeddings.position_ids"] = torch.arange(17)[None]
        case.save(inside, kind, folder=folder, dtype=torch.float32)
        tensors = {n: t for n, t in tensors.items() if not n.startswith(prefix)}
    else:
        folder = os.path.join(case.folder, "vision_tower")
        os.makedirs(folder)
    write_json(folder, "config.json", tower if not beside else {"model_type": "clip", "vision_config": tower})
    write_json(folder, "preprocessor_config.json", preprocessor())
    tensors["model.layers.0.self_attn.rotary_emb.inv_freq"] = torch.ones(6)
    case.save(tensors, kind, shards, dtype)
    image = images.test_image(90, 61, seed)
    fit = images.square_pad if aspect == "pad" else images.square_crop
    embeddings = square_embeddings(model, fit(image, SIDE))
    case.finish(image, VICUNA, chunk_ids(case.processor, VICUNA), embeddings, model_llm(model), model.get_input_embeddings())


def model_llm(model):
    """The decoder alone, as something that takes inputs_embeds and gives logits."""

    def call(inputs_embeds):
        return model(inputs_embeds=inputs_embeds)

    return call


def llava_transformers(root, name, seed, kind, rename, shards=1, defaults=False):
    """LLaVA-1.5 as transformers saves it. `rename` None: whatever save_pretrained writes."""
    case = Case(root, name, seed)
    vocabulary.write_json(case.folder, case.processor, ["<image>", "<pad>"])
    text = LlamaConfig(**text_sizes(case.vocab + 2, num_key_value_heads=2))
    model = llava_model(case, text, seed)
    model.config.save_pretrained(case.folder)
    config = json.load(open(os.path.join(case.folder, "config.json")))
    config["architectures"] = ["LlavaForConditionalGeneration"]
    if rename is None:
        copy.deepcopy(model).half().save_pretrained(case.folder)
        config = json.load(open(os.path.join(case.folder, "config.json")))
    elif defaults:
        # Version 4 wrote only what differs from a class's defaults, and rope_theta by itself.
        plain = LlamaConfig().to_dict()
        config["text_config"] = {k: v for k, v in config["text_config"].items() if plain.get(k, "?") != v or k == "model_type"}
        config["text_config"].pop("rope_parameters", None)
        for key in ("bos_token_id", "eos_token_id"):
            config["text_config"].pop(key, None)
        config["vision_config"] = {
            k: v
            for k, v in config["vision_config"].items()
            if k in ("hidden_size", "intermediate_size", "num_hidden_layers", "num_attention_heads", "image_size", "model_type", "projection_dim")
        }  # patch_size 14 is LLaVA's default
    case.config(config)
    os.remove(os.path.join(case.folder, "tokenizer.model"))  # tokenizer.json must do
    case.json("added_tokens.json", {"<image>": case.vocab, "<pad>": case.vocab + 1})
    case.json("preprocessor_config.json", preprocessor(image_processor_type="CLIPImageProcessor"))
    if rename is not None:
        case.save(renamed(model, rename), kind, shards)
    image = images.test_image(75, 101, seed)
    embeddings = square_embeddings(model, images.square_crop(image, SIDE))
    ids = fast_ids(case.folder, PLAIN, case.vocab)
    case.finish(image, PLAIN, ids, embeddings, model_llm(model), model.get_input_embeddings())


def llava_next_original(root, name, seed):
    case = Case(root, name, seed)
    text = text_sizes(case.vocab)
    model = llava_model(case, LlamaConfig(**text), seed, next=True, pinpoints=PINPOINTS)
    case.config(
        original_config(
            case,
            text,
            image_aspect_ratio="anyres",
            mm_patch_merge_type="spatial_unpad",
            image_grid_pinpoints=PINPOINTS,
            vision_config=vision_config().to_dict(),
        )
    )
    case.save(renamed(model, names_original), "safetensors", 2)
    image = images.test_image(150, 88, seed)
    embeddings = anyres_embeddings(model, image, PINPOINTS)
    case.finish(image, VICUNA, chunk_ids(case.processor, VICUNA), embeddings, model_llm(model), model.get_input_embeddings())


def llava_next_transformers(root, name, seed, kind):
    """LLaVA-NeXT on a Mistral decoder."""
    case = Case(root, name, seed)
    vocabulary.write_json(case.folder, case.processor, ["<image>", "<pad>"])
    sizes = text_sizes(case.vocab + 2, num_key_value_heads=2, num_attention_heads=6, max_position_embeddings=4096)
    text = MistralConfig(**sizes, sliding_window=None, rope_theta=1_000_000.0)
    model = llava_model(case, text, seed, next=True, pinpoints=PINPOINTS)
    model.config.save_pretrained(case.folder)
    config = json.load(open(os.path.join(case.folder, "config.json")))
    config["architectures"] = ["LlavaNextForConditionalGeneration"]
    case.config(config)
    case.json(
        "preprocessor_config.json",
        preprocessor(
            image_processor_type="LlavaNextImageProcessor", image_grid_pinpoints=[[h, w] for w, h in PINPOINTS], aspect_ratio_setting="anyres"
        ),
    )
    case.save(renamed(model, names_4x), kind, 2)
    image = images.test_image(60, 100 if SMALL else 170, seed)
    embeddings = anyres_embeddings(model, image, PINPOINTS)
    ids = fast_ids(case.folder, MISTRAL, case.vocab)
    case.finish(image, MISTRAL, ids, embeddings, model_llm(model), model.get_input_embeddings())


RECORD = {
    "r": SIDE,
    "M": 6,
    "sra_layers": [0, 1] if SMALL else [1, 2],
    "sra_kernel": 3,
    "sra_down": [4, 4],
    "sra_heads": 4,
    "sra_where": "parallel_attn",
    "sra_input": "ln1",
    "sra_on_lowres": False,
    "sms_kernel": 2,
    "sms_heads": 4,
    "sms_shared": True,
    "sms_local": False,
    "proj": "mlp2x_gelu",
    "quadruple": False,
    "grid_fit": "pad",
    "sep_kind": "learned",
}


def hires(root, name, seed, kind="safetensors", size=(150, 90), lora=False, stem=None, **changes):
    case = Case(root, name, seed)
    record = {**RECORD, **changes}
    text = text_sizes(case.vocab)
    vision = vision_config(**({"patch_size": 2 ** len(stem["widths"])} if stem else {}))
    model = randomise(hires_llava.HiResLlava(vision, LlamaConfig(**text), record, stem=stem), seed)
    value = original_config(
        case, text, architectures=["HiResLlavaLlamaForCausalLM"], model_type="hires_llava", hires_llava=record, mm_vision_tower="clip-tiny"
    )
    case.config(value)
    case.json("preprocessor_config.json", preprocessor())
    folder = os.path.join(case.folder, "clip-tiny")
    os.makedirs(folder)
    write_json(folder, "config.json", vision.to_dict() | {"model_type": "clip_vision_model"} | ({"conv_stem": stem} if stem else {}))
    tensors = hires_llava.checkpoint_tensors(model)
    if lora:
        split_lora(case, tensors, model, seed)
    else:
        case.save(tensors, kind)
    image = images.test_image(*size, seed)
    whole, slices, rows, columns = images.hires(image, SIDE, record["M"], record["quadruple"], record["grid_fit"] == "stretch")

    def pixels(pictures):
        return torch.from_numpy(np.stack([images.normalise(p) for p in pictures]))

    with torch.no_grad():
        embeddings = model.embed_image(pixels([whole]), pixels(slices), rows, columns)
    case.finish(image, VICUNA, chunk_ids(case.processor, VICUNA), embeddings, model.llm, model.llm.model.embed_tokens)


def split_lora(case, tensors, model, seed):
    """LLaVA-style training output: a plain base language model, a PEFT folder, and the rest in non_lora_trainables.bin."""
    rank, alpha = 4, 8
    generator = torch.Generator().manual_seed(seed + 1)
    base = {n: t for n, t in tensors.items() if n in model.llm.state_dict()}
    case.save(base, "bin", 2)
    folder = os.path.join(case.path, "lora")
    os.makedirs(folder)
    adapter = {}
    for name, weight in model.llm.state_dict().items():
        if not any(part in name for part in ("q_proj", "v_proj", "down_proj", "gate_proj")):
            continue
        a = (torch.randn(rank, weight.shape[1], generator=generator) * 0.2).half()
        b = (torch.randn(weight.shape[0], rank, generator=generator) * 0.2).half()
        module = "base_model.model." + name.removesuffix(".weight")
        adapter[module + ".lora_A.weight"], adapter[module + ".lora_B.weight"] = a, b
        with torch.no_grad():
            weight += alpha / rank * (b.float() @ a.float())
    torch.save(adapter, os.path.join(folder, "adapter_model.bin"))
    rest = {"base_model.model." + n: t.half() for n, t in tensors.items() if n not in base}
    torch.save(rest, os.path.join(folder, "non_lora_trainables.bin"))
    write_json(
        folder,
        "adapter_config.json",
        {
            "peft_type": "LORA",
            "r": rank,
            "lora_alpha": alpha,
            "bias": "none",
            "fan_in_fan_out": False,
            "target_modules": ["q_proj", "v_proj", "down_proj", "gate_proj"],
            "task_type": "CAUSAL_LM",
        },
    )
    shutil.move(os.path.join(case.folder, "config.json"), os.path.join(folder, "config.json"))
    shutil.move(os.path.join(case.folder, "clip-tiny"), os.path.join(folder, "clip-tiny"))


CASES = {
    "llava": lambda root, name: llava_original(root, name, 21),
    "llava_bin": lambda root, name: llava_original(root, name, 2, kind="bin", shards=2, beside=True, aspect="square"),
    "llava_bf16": lambda root, name: llava_original(root, name, 3, dtype=torch.bfloat16),
    "llava_hf": lambda root, name: llava_transformers(root, name, 4, "safetensors", names_4x, shards=3, defaults=True),
    "llava_hf_bin": lambda root, name: llava_transformers(root, name, 5, "bin", names_4x),
    "llava_hf5": lambda root, name: llava_transformers(root, name, 6, "safetensors", lambda n: n),
    "llava_hf5_saved": lambda root, name: llava_transformers(root, name, 7, "safetensors", None),
    "llava_next": lambda root, name: llava_next_original(root, name, 8),
    "llava_next_hf": lambda root, name: llava_next_transformers(root, name, 9, "safetensors"),
    "llava_next_hf_bin": lambda root, name: llava_next_transformers(root, name, 10, "bin"),
    "hires": lambda root, name: hires(root, name, 11),
    "hires_bin": lambda root, name: hires(root, name, 12, kind="bin", size=(61, 47), sra_down="ratio2"),
    "hires_local": lambda root, name: hires(root, name, 14, size=(90, 60), sms_local=True, sra_input="x"),
    "hires_sequential": lambda root, name: hires(root, name, 15, size=(50, 40), sra_where="sequential", quadruple=True, sra_on_lowres=True),
    "hires_stretch": lambda root, name: hires(root, name, 16, size=(130, 70), grid_fit="stretch", sms_kernel=1, sra_down=[3, 5]),
    "hires_stem": lambda root, name: hires(root, name, 17, size=(130, 70), stem={"widths": [4, 6, 8], "depths": [0, 1, 2]}, sms_kernel=7),
    "hires_lora": lambda root, name: hires(root, name, 13, size=(300, 500), lora=True),
}


if __name__ == "__main__":
    torch.set_num_threads(1)
    arguments = [a for a in sys.argv[1:] if a != "--small"]
    root, chosen = arguments[0], arguments[1:] or list(CASES)
    for name in chosen:
        CASES[name](root, name)
