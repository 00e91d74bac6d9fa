#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Makes OpenVINO's models from the random checkpoint; runs in the environment that `peers prepare` made.

make_openvino.py decoder CHECKPOINT FOLDER     int4, symmetric, groups of 64; exported by optimum-intel
make_openvino.py encoder CHECKPOINT FOLDER     CLIP tower up to the layer LLaVA reads, and projector; int8 by NNCF
make_openvino.py encoder-sam CHECKPOINT FOLDER GOT-OCR2's tower and projector; int8 by NNCF
"""

import os
import shutil
import sys

import numpy as np
import torch
from checkpoint import PROJECTOR, VISION, Checkpoint


def decoder(checkpoint, folder):
    from optimum.intel import OVModelForCausalLM, OVWeightQuantizationConfig

    plain = folder + ".transformers"
    checkpoint.write_language(plain)
    config = OVWeightQuantizationConfig(bits=4, group_size=64, sym=True, ratio=1.0)
    model = OVModelForCausalLM.from_pretrained(plain, export=True, compile=False, quantization_config=config)
    model.save_pretrained(folder)
    shutil.rmtree(plain)


class Encoder(torch.nn.Module):
    """What Fovea's encode computes: the tower but its last layer, the patches without the class token, the projector."""

    def __init__(self, checkpoint):
        super().__init__()
        from transformers import CLIPVisionConfig, CLIPVisionModel

        c = checkpoint.vision
        layers = c["num_hidden_layers"] - 1
        # Eager attention becomes plain products, which NNCF may quantise.
        config = CLIPVisionConfig(
            hidden_size=c["hidden_size"],
            intermediate_size=c["intermediate_size"],
            num_hidden_layers=layers,
            num_attention_heads=c["num_attention_heads"],
            image_size=c["image_size"],
            patch_size=c["patch_size"],
            hidden_act=c["hidden_act"],
            layer_norm_eps=c["layer_norm_eps"],
            attn_implementation="eager",
        )
        self.tower = CLIPVisionModel(config).eval()
        state = {}
        expected = self.tower.state_dict()
        prefix = "vision_model." if any(k.startswith("vision_model.") for k in expected) else ""
        for name in checkpoint.names():
            if name.startswith(VISION) and prefix + name[len(VISION) :] in expected:
                state[prefix + name[len(VISION) :]] = torch.from_numpy(checkpoint.tensor(name).astype(np.float32))
        missing = self.tower.load_state_dict(state, strict=False).missing_keys
        if [n for n in missing if not n.endswith("position_ids")]:
            raise SystemExit(f"the checkpoint lacks {missing}")
        self.projector = torch.nn.Sequential(*(torch.nn.GELU() if i == 1 else self.linear(checkpoint, f"{PROJECTOR}{i}") for i in range(3)))

    @staticmethod
    def linear(checkpoint, name):
        outputs, inputs = checkpoint.shape(name + ".weight")
        layer = torch.nn.Linear(inputs, outputs)
        layer.weight.data = torch.from_numpy(checkpoint.tensor(name + ".weight").astype(np.float32))
        layer.bias.data = torch.from_numpy(checkpoint.tensor(name + ".bias").astype(np.float32))
        return layer

    def forward(self, pixels):
        return self.projector(self.tower(pixel_values=pixels).last_hidden_state[:, 1:])


def encoder(checkpoint, folder):
    quantised(Encoder(checkpoint), checkpoint.vision["image_size"], folder)


class GOTEncoder(torch.nn.Module):
    def __init__(self, path):
        super().__init__()
        from transformers import GotOcr2ForConditionalGeneration

        self.model = GotOcr2ForConditionalGeneration.from_pretrained(path, dtype=torch.float32, attn_implementation="eager").eval().model
        del self.model.language_model

    def forward(self, pixels):
        return self.model.multi_modal_projector(self.model.vision_tower(pixels).last_hidden_state)


def quantised(module, size, folder):
    """Products with int8 activations where NNCF places them, calibrated on one image of noise as random weights need no more."""
    import nncf
    import openvino as ov

    example = torch.randn(1, 3, size, size, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        model = ov.convert_model(module, example_input=example, input=[1, 3, size, size])
    model = nncf.quantize(model, nncf.Dataset([example.numpy()]), subset_size=1, model_type=nncf.ModelType.TRANSFORMER)
    ov.save_model(model, os.path.join(folder, "encoder.xml"))


MAKERS = {
    "decoder": lambda path, folder: decoder(Checkpoint(path), folder),
    "encoder": lambda path, folder: encoder(Checkpoint(path), folder),
    "encoder-sam": lambda path, folder: quantised(GOTEncoder(path), 1024, folder),
}


def main():
    if len(sys.argv) != 4 or sys.argv[1] not in MAKERS:
        raise SystemExit(__doc__)
    folder = sys.argv[3]
    part = folder + ".part"
    shutil.rmtree(part, ignore_errors=True)
    os.makedirs(part)
    MAKERS[sys.argv[1]](sys.argv[2], part)
    shutil.rmtree(folder, ignore_errors=True)
    os.replace(part, folder)


if __name__ == "__main__":
    main()
