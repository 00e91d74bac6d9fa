# SPDX-License-Identifier: Apache-2.0
"""Small files for Tests/ConversionTests: what torch.save writes, and a LoRA merge done by NumPy.

make_converter_fixtures.py Tests/ConversionTests/Fixtures
"""

import json
import os
import sys
from collections import OrderedDict

import numpy as np
import torch
from safetensors.numpy import save_file

root = sys.argv[1]
os.makedirs(root, exist_ok=True)

# Views of one storage (offset, transposed, every second column), every number type, a parameter, things that are no tensors.
base = torch.arange(24, dtype=torch.float32).view(4, 6) / 8
state = OrderedDict(
    whole=base,
    transposed=base.t(),
    part=base[1:3, ::2],
    column=base[:, 2],
    cube=torch.arange(24).view(2, 3, 4).permute(2, 0, 1),
    half=base.half(),
    bfloat=base.bfloat16(),
    double=base.double(),
    int=base.int(),
    short=base.short(),
    char=base.char(),
    byte=base.byte(),
    bool=base > 1,
    scalar=torch.tensor(2.5),
    parameter=torch.nn.Parameter(base[0].clone()),
    step=7,
    name="x",
)
torch.save(state, os.path.join(root, "views.bin"))
torch.save({"state_dict": OrderedDict(weight=base)}, os.path.join(root, "nested.bin"), pickle_protocol=4)
torch.save(OrderedDict(weight=base), os.path.join(root, "legacy.bin"), _use_new_zipfile_serialization=False)

# W' = W + alpha / r * B A in double precision; one module with its own alpha.
folder = os.path.join(root, "lora")
os.makedirs(folder, exist_ok=True)
rng = np.random.default_rng(4)
weights = {f"model.layers.{i}.self_attn.q_proj.weight": rng.normal(size=(20, 12)).astype(np.float32) for i in range(2)}
weights["model.norm.weight"] = rng.normal(size=12).astype(np.float32)
adapter, merged = {}, dict(weights)
for i, alpha in ((0, 16), (1, 6)):
    name = f"model.layers.{i}.self_attn.q_proj"
    a, b = rng.normal(size=(4, 12)).astype(np.float32), rng.normal(size=(20, 4)).astype(np.float32)
    adapter[f"base_model.model.{name}.lora_A.weight"], adapter[f"base_model.model.{name}.lora_B.weight"] = a, b
    merged[name + ".weight"] = (weights[name + ".weight"] + alpha / 4 * b.astype(np.float64) @ a.astype(np.float64)).astype(np.float32)
trained = rng.normal(size=12).astype(np.float32)
merged["model.norm.weight"] = trained
merged["model.extra.weight"] = trained[:3].copy()
save_file(weights, os.path.join(folder, "base.safetensors"))
save_file(adapter, os.path.join(folder, "adapter_model.safetensors"))
save_file(merged, os.path.join(folder, "merged.safetensors"))
rest = {"norm": torch.from_numpy(trained), "extra": torch.from_numpy(trained[:3].copy())}
torch.save({f"base_model.model.model.{name}.weight": t for name, t in rest.items()}, os.path.join(folder, "non_lora_trainables.bin"))
with open(os.path.join(folder, "adapter_config.json"), "w") as f:
    pattern = {"layers.1.self_attn.q_proj": 6}
    json.dump({"peft_type": "LORA", "r": 4, "lora_alpha": 16, "alpha_pattern": pattern, "bias": "none"}, f, indent=1)
