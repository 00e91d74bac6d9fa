# SPDX-License-Identifier: Apache-2.0
"""Checks the PyTorch definition against transformers' CLIPVisionModel and LlamaForCausalLM on a checkpoint directory.

check.py models/hires-llava-nano/checkpoint
"""

import json
import os
import sys

import export
import torch
from transformers import CLIPVisionConfig, CLIPVisionModel, LlamaConfig, LlamaForCausalLM


def main(directory):
    model = export.load(directory)
    with open(os.path.join(directory, "config.json")) as f:
        j = json.load(f)
    torch.manual_seed(0)
    side = model.config["image_size"]
    pixels = torch.randint(0, 256, (2, 5, side, side, 3), dtype=torch.uint8)
    with torch.no_grad():
        mine = model.see(pixels, 2, 2)
        clip = CLIPVisionModel(CLIPVisionConfig(**j["vision_config"])).eval()
        weights = model.state_dict()
        root = "model.vision_tower.vision_tower."
        theirs = {k[len(root) :]: v for k, v in weights.items() if k.startswith(root)}
        if not any(k.startswith("vision_model.") for k in clip.state_dict()):  # the name changed between versions
            theirs = {k.removeprefix("vision_model."): v for k, v in theirs.items()}
        missing = clip.load_state_dict(theirs, strict=False)
        tower = model.model.vision_tower
        x = pixels.flatten(0, 1).permute(0, 3, 1, 2).float().sub(tower.mean).div(tower.std)
        hidden = clip(x, output_hidden_states=True).hidden_states[j["mm_vision_select_layer"]][:, 1:].unflatten(0, (2, 5))
        print("CLIP, low-resolution view:", (hidden[:, 0] - mine[:, 0]).abs().max().item(), missing)
        llama = LlamaForCausalLM(LlamaConfig(**{k: v for k, v in j.items() if isinstance(v, (int, float, bool))})).eval()
        names = {k.removeprefix("model."): v for k, v in weights.items() if k.startswith(("model.layers", "model.norm", "model.embed"))}
        print(llama.model.load_state_dict(names), llama.lm_head.load_state_dict({"weight": weights["lm_head.weight"]}))
        before, after = [1, 300, 301], [302, 303]
        prefix, _ = model.prefix(model.sample(mine), 2, 2, before, after)
        ids = torch.randint(300, 800, (2, 3, 17))
        ours = model.lm_head(model.decode(prefix, [ids, ids[:, :1, :5]])[0][0])
        worst = 0.0
        for q in range(3):
            whole = torch.cat([prefix, llama.model.embed_tokens(ids[:, q])], 1)
            theirs = llama(inputs_embeds=whole).logits[:, prefix.shape[1] :]
            worst = max(worst, (theirs - ours[:, q]).abs().max().item())
        print("LLaMA logits:", worst, "of", ours.abs().max().item())


if __name__ == "__main__":
    main(sys.argv[1])
