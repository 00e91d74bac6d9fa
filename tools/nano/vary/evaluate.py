# SPDX-License-Identifier: Apache-2.0
"""Held-out figures of a nano Vary training state. Called by `evaluate --model vary-nano --state DIR`."""
import numpy as np
import torch

from backends import generate_after_prefix
from . import base, tiny
from . import benchmark as H
from .model import Vary, VaryTiny

MOST = 450
score = H.score


def state(a):
    return torch.load(f"{a.state}/state.pt", weights_only=False)


def samples(a):
    stage = "base" if "seq_length" in state(a)["config"] else "tiny"
    return H.benchmark(stage, a.pages, a.scenes, a.scenes, a.seed or 20260104)


class Torch:
    """The PyTorch definition in float32."""

    name = "PyTorch f32"

    def __init__(self, saved, without=None, batch=16):
        self.asks = "seq_length" in saved["config"]
        self.model = (Vary if self.asks else VaryTiny)(saved["config"]).eval()
        self.model.load_state_dict(saved["model"])
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
        m, out = self.model, [None] * len(samples)
        order = sorted(range(len(samples)), key=lambda i: (samples[i].suite, len(samples[i].answer)))
        for k in range(0, len(order), self.batch):
            chunk = order[k:k + self.batch]
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

        return generate_after_prefix(embed, d.layers, lambda x: m.lm_head(d.final_layer_norm(x)), m.cos, m.sin, prefix, heads,
                                     self.tokens.end, MOST)


def torch_backend(a):
    return Torch(state(a))


def fovea_backends(paths):
    assert not paths, "nano Vary has no converted files yet"
    return []


def describe(sample):
    return sample.suite
