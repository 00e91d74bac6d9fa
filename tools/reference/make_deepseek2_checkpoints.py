# SPDX-License-Identifier: Apache-2.0
"""A tiny random DeepSeek-OCR 2 checkpoint as transformers saves it, with what transformers makes of a prompt and images.

    make_deepseek2_checkpoints.py DIRECTORY      (Tests/ConversionTests/Fixtures/checkpoints holds the result)

Images are those of make_deepseek_checkpoints.py. They go through transformers' Pillow processor. Of an image's vectors every 37th row and the
last are recorded, of the logits those of the last four positions, and 32 greedy ids. Needs torch, transformers, pillow, tokenizers.
"""

import json
import os
import shutil
import sys

import torch
from make_checkpoints import write_json
from make_deepseek_checkpoints import PROMPT, picture, tokenizer
from make_monkey_checkpoints import greedy, half_numbers
from safetensors.torch import load_file, save_file
from transformers import DeepseekOcr2Config, DeepseekOcr2ForConditionalGeneration
from transformers.models.deepseek_ocr2.image_processing_pil_deepseek_ocr2 import DeepseekOcr2ImageProcessorPil

# What the image processor is told, and the size of the image.
CASES = {
    "page": ({}, 640, 333),
    "square": ({}, 768, 768),
    "one": ({"min_patches": 1}, 800, 790),
    "two": ({}, 500, 1100),
    "six": ({}, 1400, 960),
    "uncut": ({"crop_to_patches": False}, 900, 620),
}


def config(vocab, image):
    sam = dict(
        hidden_size=16, output_channels=8, num_hidden_layers=2, num_attention_heads=2, image_size=512, mlp_dim=24, global_attn_indexes=[1],
        downsample_channels=[12, 16],
    )  # fmt: skip
    encoder = dict(
        hidden_size=16, intermediate_size=24, num_hidden_layers=2, num_attention_heads=2, num_key_value_heads=1,
        rope_parameters={"rope_type": "default", "rope_theta": 1000000.0},
    )  # fmt: skip
    text = dict(
        vocab_size=vocab, hidden_size=32, intermediate_size=48, num_hidden_layers=3, num_attention_heads=2, num_key_value_heads=2,
        max_position_embeddings=2048, n_routed_experts=8, n_shared_experts=2, num_experts_per_tok=3, moe_intermediate_size=16,
        mlp_layer_types=["dense", "sparse", "sparse"], bos_token_id=0, eos_token_id=1,
    )  # fmt: skip
    return DeepseekOcr2Config(vision_config={"sam_config": sam, "encoder_config": encoder}, text_config=text, image_token_id=image)


def randomise(model, seed):
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, p in sorted(model.named_parameters()):
            if p.dim() == 1:
                scale, offset = 0.1, 1.0 if name.endswith("weight") else 0.0
            elif "pos" in name:
                scale, offset = 0.5, 0.0
            else:
                scale, offset = (0.6 if "embed_tokens" in name or "query" in name else 1.2 / p[0].numel() ** 0.5), 0.0
                if "experts.gate_up_proj" in name or "experts.down_proj" in name:
                    scale = 1.2 / p.shape[-1] ** 0.5
            p.copy_(half_numbers(p.shape, generator, float(scale), offset, torch.bfloat16))
    return model.eval()


class Reference:
    def __init__(self, model):
        self.model = model

    def embed(self, ids):
        return self.model.get_input_embeddings()(ids.long())

    def logits(self, x, _=None):
        return self.model.lm_head(self.model.model.language_model(inputs_embeds=x[None], use_cache=False).last_hidden_state)[0]

    def block(self, image, settings):
        """The vectors that stand for an image."""
        inputs = DeepseekOcr2ImageProcessorPil(**settings)(images=[image], return_tensors="pt")
        local = inputs.get("pixel_values_local")
        found = self.model.get_image_features(inputs["pixel_values"], local, inputs["num_local_patches"], return_dict=True)
        return found.pooler_output[0]


def main(root):
    path = os.path.join(root, "deepseek_ocr2")
    folder = os.path.join(path, "checkpoint")
    shutil.rmtree(path, ignore_errors=True)
    os.makedirs(folder)
    t, vocab = tokenizer(folder)
    c = config(vocab, t.token_to_id("<image>"))
    model = randomise(DeepseekOcr2ForConditionalGeneration._from_config(c, attn_implementation="eager"), 62)
    model.save_pretrained(folder)
    weights = load_file(os.path.join(folder, "model.safetensors"))
    save_file({n: x.to(torch.bfloat16) for n, x in weights.items()}, os.path.join(folder, "model.safetensors"), metadata={"format": "pt"})
    with open(os.path.join(folder, "config.json")) as f:
        written = json.load(f)
    write_json(folder, "config.json", written)
    DeepseekOcr2ImageProcessorPil().save_pretrained(folder)

    reference = Reference(model)
    before, after = (t.encode(part, add_special_tokens=False).ids for part in PROMPT.split("<image>"))
    recorded = {}
    with torch.no_grad():
        for name, (settings, width, height) in CASES.items():
            block = reference.block(picture(width, height), settings)
            sequence = torch.cat([reference.embed(torch.tensor([0] + before)), block, reference.embed(torch.tensor(after))])
            logits, ids, gap = greedy(reference, sequence)
            recorded |= {f"{name}.embeddings": torch.cat([block[::37], block[-1:]]).contiguous(), f"{name}.logits": logits[-4:].contiguous()}
            recorded |= {f"{name}.greedy": torch.tensor(ids, dtype=torch.int32), f"{name}.tokens": torch.tensor([len(block)], dtype=torch.int32)}
            print(f"{name}: {width} x {height}, {len(block)} vectors, smallest gap {gap:.4f}", flush=True)
    with open(os.path.join(path, "prompt.txt"), "w") as f:
        f.write(PROMPT)
    save_file(recorded, os.path.join(path, "reference.safetensors"))


if __name__ == "__main__":
    torch.set_num_threads(2)
    main(sys.argv[1])
