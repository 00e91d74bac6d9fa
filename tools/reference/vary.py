# SPDX-License-Identifier: Apache-2.0
"""Vary's parts in PyTorch: transformers' GotOcr2 vision encoder, OPT and CLIP; Qwen v1 from monkey.py. Preprocessing with Pillow and NumPy."""

import images
import numpy as np
import torch
from torch.nn import functional as F

IMAGENET = np.array([0.485, 0.456, 0.406]), np.array([0.229, 0.224, 0.225])


def squash(image, side, albumentations=False):
    """-> [3, side, side], as "BLIP eval" (Pillow's bicubic, CLIP's statistics) or albumentations (OpenCV's bilinear, ImageNet's)."""
    if not albumentations:
        from PIL import Image

        return images.normalise(image.resize((side, side), Image.BICUBIC))
    import cv2

    x = cv2.resize(np.asarray(image), (side, side), interpolation=cv2.INTER_LINEAR).astype(np.float64) / 255
    return ((x - IMAGENET[0]) / IMAGENET[1]).transpose(2, 0, 1).astype(np.float32)


class Network:
    """The vocabulary network. Weights are random, every one of them (transformers begins with zeros)."""

    def __init__(self, seed, hidden, heads, layers, mlp, window, everywhere, side, neck, middle, out, round_to):
        from transformers.models.got_ocr2.configuration_got_ocr2 import GotOcr2VisionConfig
        from transformers.models.got_ocr2.modeling_got_ocr2 import GotOcr2VisionEncoder

        self.config = dict(
            hidden_size=hidden,
            num_hidden_layers=layers,
            num_attention_heads=heads,
            image_size=side,
            patch_size=16,
            window_size=window,
            global_attn_indexes=everywhere,
            mlp_dim=mlp,
            output_channels=neck,
        )
        config = GotOcr2VisionConfig(**self.config)
        config._attn_implementation = "eager"
        self.encoder = GotOcr2VisionEncoder(config).eval()
        self.down = torch.nn.Conv2d(neck, middle, 3, 2, 1, bias=False), torch.nn.Conv2d(middle, out, 3, 2, 1, bias=False)
        generator = torch.Generator().manual_seed(seed)
        for name, p in [*self.encoder.named_parameters(), ("down1.weight", self.down[0].weight), ("down2.weight", self.down[1].weight)]:
            scale = 0.1 if p.ndim == 1 else 0.5 if "pos" in name else 1.2 / np.prod(p.shape[1:]) ** 0.5
            offset = 1.0 if p.ndim == 1 and "norm" in name and name.endswith("weight") else 0.0
            p.data = (torch.randn(p.shape, generator=generator) * float(scale) + offset).to(round_to).float()

    def __call__(self, pixels):
        x = self.encoder(torch.from_numpy(pixels)[None]).last_hidden_state
        return self.down[1](self.down[0](x)).flatten(2)[0].T

    def tensors(self, layout, prefix, projector="multi_modal_projector."):
        """Names of a published layout -> weights."""
        w = {}
        for name, p in self.encoder.state_dict().items():
            if layout != "transformers":
                name = name.replace("patch_embed.projection", "patch_embed.proj").replace("layers.", "blocks.", 1)
                name = name.replace(".layer_norm1.", ".norm1.").replace(".layer_norm2.", ".norm2.") if name.startswith("blocks.") else name
                neck = ["neck.0", "neck.1", "neck.2", "neck.3"] if layout == "original" else ["conv1", "norm1", "conv2", "norm2"]
                for ours, theirs in zip(["neck.conv1", "neck.layer_norm1", "neck.conv2", "neck.layer_norm2"], neck):
                    name = name.replace(ours, theirs)
            w[prefix + name] = p
        down = (projector + "conv_upsampler1", projector + "conv_upsampler2") if layout == "transformers" else (prefix + "net_2", prefix + "net_3")
        for name, layer in zip(down, self.down):
            w[name + ".weight"] = layer.weight.data
        if layout == "mlx":
            w = {n: p.permute(0, 2, 3, 1).contiguous() if p.ndim == 4 and not n.endswith("pos_embed") else p for n, p in w.items()}
        return w


class Causal:
    """A transformers decoder as monkey.py's: embed, and logits of every position of given vectors."""

    def __init__(self, model):
        self.model = model.eval()

    def embed(self, ids):
        return self.model.get_input_embeddings()(ids.long())

    def logits(self, sequence, _):
        return self.model(inputs_embeds=sequence[None], attention_mask=torch.ones(1, len(sequence), dtype=torch.long)).logits[0]


def randomise(model, seed, round_to):
    generator = torch.Generator().manual_seed(seed)
    for name, p in model.named_parameters():
        scale = 0.1 if p.ndim == 1 else 0.6 if "embed" in name else 1.2 / p.shape[1] ** 0.5
        offset = 1.0 if p.ndim == 1 and "norm" in name and name.endswith("weight") else 0.0
        p.data = (torch.randn(p.shape, generator=generator) * float(scale) + offset).to(round_to).float()
    return model


def linear(x, w, name):
    return F.linear(x, w[name + ".weight"], w[name + ".bias"])
