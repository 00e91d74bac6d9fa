# SPDX-License-Identifier: Apache-2.0
"""Held-out figures of nano Vary or of a training state of either stage. Called by `evaluate --model vary-nano`."""

import os

import numpy as np
import torch
from backends import generate_after_prefix

from . import base, export, tiny
from . import benchmark as H
from .model import Vary, VaryTiny

MOST = 450
SEED = 20260104
CHECKPOINT = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "models", "vary-nano", "checkpoint")
score = H.score


def model_of(a):
    if not a.state:
        return export.load(a.checkpoint or CHECKPOINT)
    saved = torch.load(f"{a.state}/state.pt", weights_only=False)
    model = (Vary if "seq_length" in saved["config"] else VaryTiny)(saved["config"])
    model.load_state_dict(saved["model"])
    return model.eval()


def samples(a):
    """A state of stage 1 is asked for pages, charts and natural pictures; stage 2 for pages, charts and questions."""
    return H.benchmark("base" if isinstance(model_of(a), Vary) else "tiny", a.pages, a.scenes, a.scenes, a.seed or SEED)


class Torch:
    """The PyTorch definition in float32."""

    name = "PyTorch f32"

    def __init__(self, model, without=None, batch=16):
        self.model, self.asks = model, isinstance(model, Vary)
        self.tokens = base.tokenizer() if self.asks else tiny.tokenizer()
        self.without, self.batch = without, batch

    def prefix(self, images):
        m = self.model
        seen = [base.views(i) for i in images]
        pixels = torch.from_numpy(np.stack([s[0] for s in seen]))
        if not self.asks:
            return m.prefix(m.sample(m.see(pixels)))
        small = torch.from_numpy(np.stack([s[1] for s in seen]))
        return m.prefix(m.sample(m.see(pixels, small), self.without), base.before())

    @torch.no_grad()
    def __call__(self, samples):
        out = [None] * len(samples)
        order = sorted(range(len(samples)), key=lambda i: (samples[i].suite, len(samples[i].answer)))
        for k in range(0, len(order), self.batch):
            chunk = order[k : k + self.batch]
            prefix = self.prefix([samples[i].image for i in chunk])
            heads = [self.tokens.encode(samples[i].prompt) for i in chunk]
            for i, ids in zip(chunk, self.generate(prefix, heads)):
                out[i] = self.tokens.decode(ids)
        return out

    def generate(self, prefix, heads):
        m = self.model
        if self.asks:
            t = m.transformer
            return generate_after_prefix(m.embed, t.h, lambda x: m.lm_head(t.ln_f(x)), m.cos, m.sin, prefix, heads, self.tokens.end, MOST)
        # OPT's learned positions: the head is one token, </img>, and so is every step.
        d, at = m.model.decoder, prefix.shape[1]

        def embed(ids):
            nonlocal at
            at += 1
            return d.embed_tokens(ids) + d.embed_positions.weight[1 + at]

        return generate_after_prefix(embed, d.layers, lambda x: m.lm_head(d.final_layer_norm(x)), m.cos, m.sin, prefix, heads, self.tokens.end, MOST)


class Fovea:
    """A converted file through the Python package."""

    def __init__(self, path):
        import fovea

        self.model, self.name = fovea.load(path), os.path.basename(path)

    def __call__(self, samples):
        before, out = base.BEFORE.removesuffix("<img>") + "<image>", []
        for s in samples:
            session = self.model.session()
            out.append(
                session.generate(
                    before + s.prompt.removeprefix("</img>"), images=[self.model.encode_image(s.image)], raw=True, max_tokens=MOST, temperature=0
                )
            )
        return out


def torch_backend(a):
    return Torch(model_of(a))


def fovea_backends(paths):
    return [Fovea(path) for path in paths]


def describe(sample):
    return sample.suite
