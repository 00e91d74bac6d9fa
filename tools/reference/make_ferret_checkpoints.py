# SPDX-License-Identifier: Apache-2.0
"""Tiny random checkpoints in the layouts of Ferret, Ferret-UI and (this project's) Ferret-v2, with PyTorch's answers.

    make_ferret_checkpoints.py DIRECTORY [NAME ...]
    make_ferret_checkpoints.py --grids FILE

Tests/ConversionTests/Fixtures/checkpoints holds those of `make_ferret_checkpoints.py --small … ferret_v1 ferret_ui ferret_v2`.
As make_checkpoints.py; besides, `prompt.txt` has `<region>` marks, `regions.json` says what they stand for, and
`reference.safetensors` holds `map` (the fused map), `vectors` (one for each region), `points.N` [512, 2] and `starts.N` [2] (each
region's first pixels and start indices).
"""

import os
import sys

import images
import make_checkpoints as base
import numpy as np
import torch
from ferret import POINTS, Ferret
from safetensors.torch import save_file
from transformers import Dinov2Config, LlamaConfig

SIDE = 56
REGION = "<region_fea>"
IMAGENET = (np.array([0.485, 0.456, 0.406]), np.array([0.229, 0.224, 0.225]))
PROMPT = "A chat. USER: <image>\nWhat is <region>? Is it left of the point <region>, or of <region> here? ASSISTANT:"
if base.SMALL:
    PROMPT = "USER: <image>\nIs <region> at <region> or <region>? ASSISTANT:"


def regions(width, height, seed):
    """A box, a point and a free form: (what regions.json says, its pixels by x then y)."""
    x, y = np.meshgrid(np.arange(width), np.arange(height), indexing="ij")
    box = [width // 5, height // 4, width // 2, height - 9]
    point = [width - 3, height // 3]
    mask = ((x - width * 0.6) ** 2 / (width * 0.2) ** 2 + (y - height * 0.5) ** 2 / (height * 0.3) ** 2 < 1) & ((x + y) % 7 > 1)
    inside = [(x >= box[0]) & (x <= box[2]) & (y >= box[1]) & (y <= box[3]), (abs(x - point[0]) <= 5) & (abs(y - point[1]) <= 5), mask]
    xs, ys = np.nonzero(mask)
    places = [box, point, [int(xs.min()), int(ys.min()), int(xs.max()), int(ys.max())]]
    kinds = [{"kind": "box", "numbers": box}, {"kind": "point", "numbers": point}, {"kind": "mask", "file": "mask.png"}]
    generator = torch.Generator().manual_seed(seed)
    out = []
    for kind, place, where in zip(kinds, places, inside):
        pixels = torch.from_numpy(np.argwhere(where))
        few = torch.randint(0, len(pixels), (max(POINTS - len(pixels), 0),), generator=generator)
        many = torch.randperm(len(pixels), generator=generator)[:POINTS]
        chosen = torch.cat([pixels, pixels[few]]) if len(pixels) < POINTS else pixels[many]
        starts = (int(torch.randint(0, 512, (1,), generator=generator)), int(torch.randint(0, 128, (1,), generator=generator)))
        text = "[" + ", ".join(str(1000 * v // s) for v, s in zip(place, [width, height] * 2)) + "]"
        out.append((kind, text, chosen, starts))
    return out, mask


def grid_choice(width, height, candidates):
    best, most, least = None, 0, float("inf")
    for w, h in candidates:
        scale = min(w / width, h / height)
        shown = min(int(width * scale) * int(height * scale), width * height)
        waste = w * h - shown
        if shown > most or (shown == most and waste < least):
            best, most, least = (w, h), shown, waste
    return best


def normalise(picture, mean, std):
    return ((np.asarray(picture, np.float64) / 255 - mean) / std).transpose(2, 0, 1).astype(np.float32)


def stretched(image, size, side):
    canvas = image.resize(size, images.Image.BICUBIC)
    return [canvas.crop((x, y, x + side, y + side)) for y in range(0, size[1], side) for x in range(0, size[0], side)]


def llama3_tokenizer(folder):
    """A byte-level tokenizer.json as LLaMA-3's, trained on a few sentences; returns an encoder of text."""
    import vocabulary
    from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, processors, trainers

    pattern = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
    tokenizer = Tokenizer(models.BPE(ignore_merges=True))
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Split(Regex(pattern), "isolated"), pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)]
    )
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.train_from_iterator(
        vocabulary.TEXT.split("\n"), trainers.BpeTrainer(vocab_size=320, initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), show_progress=False)
    )
    tokenizer.add_special_tokens(["<|begin_of_text|>", "<|end_of_text|>", "<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>", REGION])
    begin = tokenizer.token_to_id("<|begin_of_text|>")
    tokenizer.post_processor = processors.Sequence(
        [
            processors.ByteLevel(trim_offsets=False),
            processors.TemplateProcessing(single="<|begin_of_text|> $A", special_tokens=[("<|begin_of_text|>", begin)]),
        ]
    )
    tokenizer.save(os.path.join(folder, "tokenizer.json"))
    return tokenizer


def vicuna_ids(processor, text, region):
    """Chunks around the image by themselves, one <s> in front; the blanks around a region's token belong to it."""
    ids = [1]
    for i, chunk in enumerate(text.split("<image>")):
        ids += [base.IMAGE] if i else []
        pieces = chunk.split(REGION)
        for k, piece in enumerate(pieces):
            piece = piece.lstrip(" ") if k else piece
            ids += [region] if k else []
            ids += processor.encode(piece.rstrip(" ") if k + 1 < len(pieces) else piece)
    return ids


def llama3_ids(tokenizer, text, _):
    first, *rest = [tokenizer.encode(chunk).ids for chunk in text.split("<image>")]
    for chunk in rest:
        first += [base.IMAGE] + chunk[1:]
    return first


def names(kind):
    """In-memory names -> the published ones; for Ferret-v2 this project's."""
    table = [
        ("sampler.", "model.region_geo_sampler."),
        ("llm.", ""),
        ("local_projector.", "model.mm_projector_local."),
        ("projector.", "model.mm_projector."),
        ("dino.", "model.vision_tower_local.vision_tower."),
    ]

    def rename(name):
        if name.startswith("vision."):
            rest = name.removeprefix("vision.").removeprefix("vision_model.")
            return "model.vision_tower.vision_tower.vision_model." + rest
        for old, new in table:
            if name.startswith(old):
                name = new + name.removeprefix(old)
                break
        for old, new in (("q_proj", "attention.query"), ("k_proj", "attention.key"), ("v_proj", "attention.value"), ("o_proj", "output.dense")):
            if "vision_tower_local" in name:
                name = name.replace("attention." + old, "attention." + new)
        return name

    return rename


def make(
    root,
    name,
    kind,
    seed,
    size=(90, 58) if base.SMALL else (150, 97),
    pinpoints=None,
    llama3=False,
    delta=False,
    dino=None,
    tile=None,
    linear=False,
    prompt=PROMPT,
    text=None,
    **sampler,
):
    case = base.Case(root, name, seed)
    vision = base.vision_config(hidden_size=16, num_attention_heads=2, projection_dim=16) if base.SMALL else base.vision_config()
    encode = case.processor
    vocab = case.vocab
    if llama3:
        os.remove(os.path.join(case.folder, "tokenizer.model"))
        encode = llama3_tokenizer(case.folder)
        vocab = encode.get_vocab_size() - 1
    sizes = base.text_sizes(vocab + 1, **({"num_key_value_heads": 2, "rope_theta": 500000.0} if llama3 else {}), **(text or {}))
    if llama3:
        sizes.update(bos_token_id=encode.token_to_id("<|begin_of_text|>"), eos_token_id=encode.token_to_id("<|end_of_text|>"))
    model = Ferret(kind, vision, LlamaConfig(**sizes), dino, tile, linear=linear, **sampler)
    base.randomise(model, seed)
    with torch.no_grad():  # of a size that matters
        generator = torch.Generator().manual_seed(seed + 7)
        for n, p in model.named_parameters():
            if n.endswith("lambda1"):
                p.copy_((1 + 0.3 * torch.randn(p.shape, generator=generator)).half().float())
            elif n.startswith("dino.embeddings.") and p.dim() == 3:
                p.copy_(torch.randn(p.shape, generator=generator).half().float())
    region = encode.token_to_id(REGION) if llama3 else vocab

    config = {
        "architectures": [{"ferret_v2": "FerretV2LlamaForCausalLM"}.get(kind, "FerretLlamaForCausalLM")],
        "model_type": {"ferret": "ferret", "ferret_ui": "ferret_llama"}.get(kind, kind),
        **sizes,
        "hidden_act": "silu",
        "im_region_fea_token": region,
        "region_geo_sampler": True,
        "sampler_pooler_mode": "mean" if model.sampler.mean else "max",
        "image_aspect_ratio": "square_nocrop" if kind == "ferret" else "anyres",
        "mm_patch_merge_type": "spatial",
        "mm_hidden_size": vision.hidden_size,
        "mm_use_im_start_end": False,
        "mm_vision_select_feature": "patch",
        "mm_vision_select_layer": -2,
        "mm_vision_tower": "acme/clip-tiny",
        "tie_word_embeddings": False,
    }
    if not linear:
        config["mm_projector_type"] = "mlp2x_gelu"
    if pinpoints:
        config["image_grid_pinpoints"] = pinpoints
    if not model.sampler.transposed:
        config["region_sampler_transpose"] = False
    if dino:
        config.update(mm_vision_tower_local="dino-tiny", mm_hidden_size_local=dino.hidden_size, global_side=SIDE, tile_side=tile)
        folder = os.path.join(case.folder, "dino-tiny")
        os.makedirs(folder)
        base.write_json(folder, "config.json", dino.to_dict() | {"model_type": "dinov2"})
    case.json("config.json", config)
    case.json("generation_config.json", {"bos_token_id": sizes["bos_token_id"], "eos_token_id": sizes["eos_token_id"]})
    if not llama3:
        case.json("tokenizer_config.json", {"add_bos_token": True, "legacy": True, "tokenizer_class": "LlamaTokenizer"})
        case.json("added_tokens.json", {REGION: region})
    folder = os.path.join(case.folder, "vision_tower")
    os.makedirs(folder)
    base.write_json(folder, "config.json", vision.to_dict() | {"model_type": "clip_vision_model"})
    base.write_json(folder, "preprocessor_config.json", base.preprocessor())
    rename = names(kind)
    tensors = {rename(n): t for n, t in model.state_dict().items()}
    if delta:
        split_delta(case, tensors, model, seed)
    else:
        case.save(tensors)

    image = images.test_image(*size, seed)
    described, mask = regions(*size, seed)
    pictures = [image.resize((SIDE, SIDE), images.Image.BICUBIC)]
    whole = torch.from_numpy(np.stack([images.normalise(p) for p in pictures]))
    tiles, rows, columns = None, 0, 0
    if kind != "ferret":
        side = model.tile_side
        candidates = pinpoints or [[c * side, r * side] for c in range(1, 7) for r in range(1, 7) if c * r <= 6]
        w, h = grid_choice(*size, candidates)
        rows, columns = h // side, w // side
        statistics = IMAGENET if dino else (images.MEAN, images.STD)
        tiles = torch.from_numpy(np.stack([normalise(p, *statistics) for p in stretched(image, (w, h), side)]))
    with torch.no_grad():
        embeddings, feature_map = model(whole, tiles, rows, columns)
        vectors = torch.stack([model.sampler(feature_map, pixels, size, starts) for _, _, pixels, starts in described])
    text = prompt
    for _, place, _, _ in described:
        text = text.replace("<region>", f"{place} {REGION}", 1)
    ids = (llama3_ids if llama3 else vicuna_ids)(encode, text, region)
    finish(case, model, image, mask, prompt, ids, region, embeddings, feature_map, vectors, described)


def split_delta(case, tensors, model, seed):
    """Ferret v1's publication: a base without the extra token beside the checkpoint, and differences from it in half precision."""
    plain = {n: t for n, t in tensors.items() if n.startswith(("model.layers", "model.norm", "model.embed", "lm_head"))}
    generator = torch.Generator().manual_seed(seed + 1)
    folder = os.path.join(case.path, "base")
    first = {n: (t + 0.1 * torch.randn(t.shape, generator=generator)).half() for n, t in plain.items()}
    first = {n: t[:-1] if "embed" in n or "lm_head" in n else t for n, t in first.items()}
    first["model.layers.0.self_attn.rotary_emb.inv_freq"] = torch.ones(6)
    case.save(first, "bin", 2, folder=folder)
    difference = {}
    for n, t in tensors.items():
        difference[n] = t.half()
        if n in first:
            difference[n][: len(first[n])] -= first[n]
            # What comes back is the rounded sum: the model that PyTorch runs has those numbers.
            difference_sum = difference[n].clone()
            difference_sum[: len(first[n])] += first[n]
            with torch.no_grad():
                dict(model.named_parameters())["llm." + n].copy_(difference_sum.float())
    case.save(difference)


def finish(case, model, image, mask, prompt, ids, region, embeddings, feature_map, vectors, described):
    image.save(os.path.join(case.path, "image.png"))
    images.Image.fromarray((mask.T * 255).astype(np.uint8)).convert("RGB").save(os.path.join(case.path, "mask.png"))
    with open(os.path.join(case.path, "prompt.txt"), "w") as f:
        f.write(prompt)
    base.write_json(case.path, "regions.json", [kind for kind, _, _, _ in described])
    embed = model.llm.model.embed_tokens
    rest = list(vectors)
    parts = [embeddings if i == base.IMAGE else rest.pop(0)[None] if i == region else embed(torch.tensor([i])) for i in ids]
    with torch.no_grad():
        logits, out, gap = base.greedy(model.llm, embed, torch.cat(parts))
    recorded = {
        "ids": torch.tensor(ids, dtype=torch.int32),
        "embeddings": embeddings.contiguous(),
        "logits": torch.from_numpy(logits),
        "map": feature_map.contiguous(),
        "vectors": vectors,
        "greedy": torch.from_numpy(out).int(),
        "gap": torch.tensor([gap]),
    }
    for i, (_, _, pixels, starts) in enumerate(described):
        recorded[f"points.{i}"] = pixels.int().contiguous()
        recorded[f"starts.{i}"] = torch.tensor(starts, dtype=torch.int32)
    save_file(recorded, os.path.join(case.path, "reference.safetensors"))
    size = sum(os.path.getsize(os.path.join(r, f)) for r, _, files in os.walk(case.path) for f in files)
    print(
        f"{case.path}: {len(ids)} ids, {len(embeddings)} image tokens, map {tuple(feature_map.shape)}, gap {gap:.4f}, {size // 1024} KiB", flush=True
    )


def dino(hidden=40, image=70):
    hidden = 16 if base.SMALL else hidden
    return Dinov2Config(hidden_size=hidden, num_hidden_layers=2, num_attention_heads=2, image_size=image, patch_size=14)


UI_PINPOINTS = [[SIDE, 2 * SIDE], [2 * SIDE, SIDE], [2 * SIDE, 2 * SIDE], [3 * SIDE, SIDE], [SIDE, 3 * SIDE]]
CASES = {
    "ferret_v1": lambda r, n: make(r, n, "ferret", 31, linear=True),
    "ferret_v1_delta": lambda r, n: make(r, n, "ferret", 32, linear=True, delta=True),
    "ferret_ui": lambda r, n: make(r, n, "ferret_ui", 33, pinpoints=UI_PINPOINTS, llama3=True),
    "ferret_ui_tall": lambda r, n: make(r, n, "ferret_ui", 34, size=(61, 170), pinpoints=UI_PINPOINTS, llama3=True, mean=True),
    "ferret_v2": lambda r, n: make(r, n, "ferret_v2", 35, dino=dino(), tile=42),
    "ferret_v2_wide": lambda r, n: make(r, n, "ferret_v2", 36, size=(310, 60), dino=dino(48, 42), tile=42, projected=True),
    "ferret_v2_plain": lambda r, n: make(r, n, "ferret_v2", 37, size=(50, 50), dino=dino(), tile=SIDE, transposed=False),
}


def grids(path, side=336):
    """The choices for 10 000 sizes among Ferret-UI's grids and Ferret-v2's, a letter each: Tests/ImagesTests/Fixtures/grids.txt."""
    state, lines = 1, []
    for candidates in ([[1, 2], [2, 1], [2, 2], [3, 1], [1, 3]], [[c, r] for c in range(1, 7) for r in range(1, 7) if c * r <= 6]):
        sizes = [[c * side, r * side] for c, r in candidates]
        line = ""
        for _ in range(10000):
            state = (state * 1664525 + 1013904223) % 2**32
            width = 1 + (state >> 8) % 5000
            state = (state * 1664525 + 1013904223) % 2**32
            line += chr(ord("a") + sizes.index(list(grid_choice(width, 1 + (state >> 8) % 5000, sizes))))
        lines.append(line)
    with open(path, "w") as f:
        f.write("\n".join(lines) + "\n")


if __name__ == "__main__":
    torch.set_num_threads(1)
    arguments = [a for a in sys.argv[1:] if a != "--small"]
    if arguments[0] == "--grids":
        grids(arguments[1])
        sys.exit()
    for name in arguments[1:] or list(CASES):
        CASES[name](arguments[0], name)
