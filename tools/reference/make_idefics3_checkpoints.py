# SPDX-License-Identifier: Apache-2.0
"""Tiny random checkpoints of Idefics3, SmolVLM and granite-docling, each with what transformers makes of one image and prompt.

    make_idefics3_checkpoints.py DIRECTORY [NAME ...]

Tests/ConversionTests/Fixtures/checkpoints holds those of `SMALL`. Every DIRECTORY/NAME is laid out as make_checkpoints.py says. The
image goes through transformers' Pillow processors, the text through Idefics3Processor. Needs torch, transformers, pillow, tokenizers.
"""

import copy
import json
import os
import shutil
import sys

import images
import numpy as np
import torch
from safetensors.torch import save_file
from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import (
    GraniteConfig,
    Idefics3Config,
    Idefics3ForConditionalGeneration,
    LlamaConfig,
    PreTrainedTokenizerFast,
    SmolVLMConfig,
    SmolVLMForConditionalGeneration,
)
from transformers.models.idefics3.image_processing_pil_idefics3 import Idefics3ImageProcessorPil
from transformers.models.idefics3.processing_idefics3 import Idefics3Processor
from transformers.models.smolvlm.image_processing_pil_smolvlm import SmolVLMImageProcessorPil

STEPS = 32
TEXT = """User: How many stop signs are there in the picture? Assistant: There are two red triangles and a large blue circle on the left.
The quick brown fox jumps over the lazy dog while 17 curious children watch the traffic light change from red to green."""
SPECIALS = ["<|endoftext|>", "<|im_start|>", "<end_of_utterance>", "<fake_token_around_image>", "<image>"]
DOC_TAGS = ["<doctag>", "</doctag>", "<text>", "</text>", "<loc_0>", "<loc_250>", "<loc_500>"]
# What SmolVLM publishes.
CHAT = (
    "<|im_start|>{% for message in messages %}{{message['role'] | capitalize}}{% if message['content'][0]['type'] == 'image' %}{{':'}}"
    "{% else %}{{': '}}{% endif %}{% for line in message['content'] %}{% if line['type'] == 'text' %}{{line['text']}}"
    "{% elif line['type'] == 'image' %}{{ '<image>' }}{% endif %}{% endfor %}<end_of_utterance>\n{% endfor %}"
    "{% if add_generation_prompt %}{{ 'Assistant:' }}{% endif %}"
)
QUESTION = "How many? 1 or 20"


def tokenizer(folder, marks, extra=(), kind="smollm"):
    """SmolLM2's kind: digits apart, then GPT-2's pattern over bytes; or LLaMA 3's pattern. `marks`: whether tiles have tokens."""
    t = Tokenizer(models.BPE())
    if kind == "smollm":
        split = [pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True)]
    else:
        pattern = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
        from tokenizers import Regex

        split = [pre_tokenizers.Split(Regex(pattern), "isolated"), pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)]
    t.pre_tokenizer = pre_tokenizers.Sequence(split)
    t.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=290, initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), special_tokens=SPECIALS[:1], show_progress=False
    )
    t.train_from_iterator([TEXT, "a\n\nb " * 60], trainer)
    added = SPECIALS[1:] + list(extra)
    if marks:
        added += ["<global-img>"] + [f"<row_{r}_col_{c}>" for r in range(1, 5) for c in range(1, 5)]
    t.add_special_tokens([AddedToken(text, normalized=False, special=True) for text in added])
    t.save(os.path.join(folder, "tokenizer.json"))
    return t


def randomise(model, seed):
    """Numbers of a trained model's kind, representable in half precision."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, p in sorted(model.named_parameters()):
            noise = torch.randn(p.shape, generator=generator)
            if "norm" in name:
                value = noise * 0.1 + (1 if name.endswith("weight") else 0)
            elif p.dim() == 1:
                value = noise * 0.1
            else:
                value = noise * (0.6 if "embed" in name else 1.2 / max(p[0].numel(), 1) ** 0.5)
            p.copy_(value.half().float())
    return model.eval()


def write_json(folder, name, value):
    with open(os.path.join(folder, name), "w") as f:
        json.dump(value, f, indent=2)
        f.write("\n")


def plain_config(config):
    """As version 4 wrote it: rope_theta by itself, no defaults of the library's own bookkeeping."""
    value = json.loads(config.to_json_string())
    text = value["text_config"]
    parameters = text.pop("rope_parameters", None) or {}
    text["rope_theta"] = parameters.get("rope_theta", 10000.0)
    if parameters.get("rope_type", "default") != "default":
        text["rope_scaling"] = {k: v for k, v in parameters.items() if k != "rope_theta"}
    return value


def make(
    root, name, seed, kind="smolvlm", tile=48, patch=8, factor=3, edge=192, side=None, size=(70, 41), marks=True, extra=(), split="smollm",
    text=None, vision=None, layout=4, tied=True, splitting=True,
):  # fmt: skip
    path = os.path.join(root, name)
    folder = os.path.join(path, "checkpoint")
    shutil.rmtree(path, ignore_errors=True)
    os.makedirs(folder)
    t = tokenizer(folder, marks, extra, split)
    vocabulary = t.get_vocab_size() + 3
    sizes = dict(
        hidden_size=32, intermediate_size=48, num_hidden_layers=2, num_attention_heads=4, num_key_value_heads=2, vocab_size=vocabulary,
        max_position_embeddings=1024, rms_norm_eps=1e-5, bos_token_id=t.token_to_id("<|im_start|>"),
        eos_token_id=t.token_to_id("<end_of_utterance>"), pad_token_id=t.token_to_id("<|endoftext|>"), tie_word_embeddings=tied,
    )  # fmt: skip
    text_class = GraniteConfig if kind == "granite" else LlamaConfig
    tower = dict(hidden_size=24, intermediate_size=36, num_hidden_layers=2, num_attention_heads=3, image_size=side or tile, patch_size=patch)
    config_class, model_class, processor_class = (
        (SmolVLMConfig, SmolVLMForConditionalGeneration, SmolVLMImageProcessorPil)
        if kind == "smolvlm"
        else (Idefics3Config, Idefics3ForConditionalGeneration, Idefics3ImageProcessorPil)
    )
    config = config_class(
        text_config=text_class(**{**sizes, **(text or {})}).to_dict(), vision_config={**tower, **(vision or {})}, scale_factor=factor,
        image_token_id=t.token_to_id("<image>"), tie_word_embeddings=tied, pad_token_id=sizes["pad_token_id"],
    )  # fmt: skip
    model = randomise(model_class._from_config(config, attn_implementation="eager"), seed)
    if tied:
        model.tie_weights()

    value = plain_config(config) if layout == 4 else json.loads(config.to_json_string())
    value["architectures"] = [model_class.__name__]
    write_json(folder, "config.json", value)
    write_json(folder, "generation_config.json", {"bos_token_id": sizes["bos_token_id"], "eos_token_id": sizes["eos_token_id"]})
    names = {"bos_token": "<|im_start|>", "eos_token": "<end_of_utterance>", "pad_token": "<|endoftext|>", "unk_token": "<|endoftext|>"}
    write_json(folder, "tokenizer_config.json", {"add_prefix_space": False, "tokenizer_class": "GPT2Tokenizer", **names})
    processor = processor_class(size={"longest_edge": edge}, max_image_size={"longest_edge": tile}, do_image_splitting=splitting)
    settings = {
        "do_convert_rgb": True, "do_image_splitting": splitting, "do_normalize": True, "do_pad": True, "do_rescale": True, "do_resize": True,
        "image_mean": [0.5] * 3, "image_std": [0.5] * 3, "max_image_size": {"longest_edge": tile}, "resample": 1,
        "rescale_factor": 1 / 255, "size": {"longest_edge": edge},
    }  # fmt: skip
    count = (tile // patch // factor) ** 2
    if layout == 4:
        write_json(folder, "preprocessor_config.json", {**settings, "image_processor_type": model_class.__name__[:8] + "ImageProcessor"})
        write_json(folder, "processor_config.json", {"image_seq_len": count, "processor_class": model_class.__name__[:8] + "Processor"})
        write_json(folder, "chat_template.json", {"chat_template": CHAT})
    else:
        write_json(folder, "processor_config.json", {"image_processor": settings, "image_seq_len": count})
        with open(os.path.join(folder, "chat_template.jinja"), "w") as f:
            f.write(CHAT)
    tensors = {n: p.half().contiguous() for n, p in copy.deepcopy(model).state_dict().items() if not (tied and n == "lm_head.weight")}
    save_file(tensors, os.path.join(folder, "model.safetensors"), metadata={"format": "pt"})

    fast = PreTrainedTokenizerFast(tokenizer_object=t, **names)
    whole = Idefics3Processor(processor, fast, image_seq_len=count)
    messages = [{"role": "user", "content": [{"type": "image"}, {"type": "text", "text": QUESTION}]}]
    prompt = fast.apply_chat_template(messages, chat_template=CHAT, add_generation_prompt=True, tokenize=False)
    picture = images.test_image(*size, seed)
    batch = whole(images=[picture], text=prompt, return_tensors="pt", add_special_tokens=False)
    ids = batch["input_ids"][0]
    with torch.no_grad():
        pixels, mask = batch["pixel_values"].float(), batch["pixel_attention_mask"]
        features = torch.cat(list(model.model.get_image_features(pixels, mask).pooler_output))
        embed = model.get_input_embeddings()
        sequence = embed(ids).clone()
        sequence[ids == config.image_token_id] = features
        # Granite multiplies whatever comes in; the file's vectors have the factor in them.
        embedded = sequence * getattr(config.text_config, "embedding_multiplier", 1)
        logits = model(input_ids=ids[None], pixel_values=pixels, pixel_attention_mask=mask).logits[0]
        greedy, gaps, last = [], [], logits[-1]
        for _ in range(STEPS):
            top = last.topk(2)
            greedy.append(int(top.indices[0]))
            gaps.append(float(top.values[0] - top.values[1]))
            sequence = torch.cat([sequence, embed(torch.tensor(greedy[-1:]))])
            last = model(inputs_embeds=sequence[None]).logits[0, -1]
    fake = (ids == t.token_to_id("<fake_token_around_image>")).nonzero()[:, 0]
    first, end = int(fake[0]), int(fake[-1]) + 1
    picture.save(os.path.join(path, "image.png"))
    with open(os.path.join(path, "prompt.txt"), "w") as f:
        f.write(prompt)
    save_file(
        {
            "ids": ids.int(),
            "embeddings": embedded[first:end].contiguous(),
            "logits": logits.contiguous(),
            "greedy": torch.tensor(greedy, dtype=torch.int32),
            "gap": torch.tensor([min(gaps)]),
        },
        os.path.join(path, "reference.safetensors"),
    )
    kib = sum(os.path.getsize(os.path.join(r, f)) for r, _, files in os.walk(path) for f in files) // 1024
    views = tuple(np.asarray(pixels.shape[1:2]))
    print(f"{path}: {len(ids)} ids, views {views}, gap {min(gaps):.4f}, {kib} KiB", flush=True)


LLAMA3 = {
    "rope_type": "llama3",
    "rope_theta": 5e5,
    "factor": 8.0,
    "low_freq_factor": 1.0,
    "high_freq_factor": 4.0,
    "original_max_position_embeddings": 128,
}
GRANITE = dict(embedding_multiplier=1.5, attention_multiplier=0.4, residual_multiplier=0.7, logits_scaling=3.0)
CASES = {
    "smolvlm": dict(seed=41),
    "idefics3": dict(
        seed=43, kind="idefics3", tile=56, patch=14, factor=2, edge=112, size=(33, 90), marks=False, split="llama3", layout=5, tied=False,
        text=dict(rope_parameters=LLAMA3),
    ),
    "granite_docling": dict(seed=44, kind="granite", tile=64, patch=8, factor=4, edge=128, size=(80, 80), extra=DOC_TAGS, text=GRANITE),
    "smolvlm_untied": dict(seed=45, tied=False, layout=5, factor=2, size=(30, 200)),
    "smolvlm_one": dict(seed=46, edge=48, factor=6, size=(20, 31)),
    "smolvlm_whole": dict(seed=47, splitting=False, factor=1, size=(300, 31), text=dict(num_key_value_heads=1, num_attention_heads=8)),
    "idefics3_side": dict(seed=48, kind="idefics3", tile=56, patch=14, factor=2, side=98, edge=200, size=(400, 90)),
    "granite_untied": dict(seed=49, kind="granite", tied=False, text=dict(**GRANITE, attention_bias=True, mlp_bias=True), size=(90, 60)),
    "smolvlm_wide": dict(seed=50, tile=64, patch=16, factor=4, edge=256, size=(123, 124), vision=dict(hidden_size=48, num_attention_heads=4)),
    "smolvlm_seen": dict(seed=51, tile=50, patch=14, factor=3, edge=150, size=(70, 95)),
}  # fmt: skip
SMALL = ["smolvlm", "idefics3", "granite_docling"]

if __name__ == "__main__":
    torch.set_num_threads(2)
    for chosen in sys.argv[2:] or CASES:
        make(sys.argv[1], chosen, **CASES[chosen])
