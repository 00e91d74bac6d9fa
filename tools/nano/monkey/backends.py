# SPDX-License-Identifier: Apache-2.0
"""Who answers: a backend is a function from a list of samples to a list of texts."""

import numpy as np
import torch
from backends import generate_after_prefix

MOST = 400


class Torch:
    """The PyTorch definition in float32, many samples of one grid at a time."""

    def __init__(self, model, tokenizer, name="PyTorch f32", batch=24):
        self.model, self.tokenizer, self.name, self.batch = model, tokenizer, name, batch

    @torch.no_grad()
    def __call__(self, samples):
        m, out = self.model, [None] * len(samples)
        order = sorted(range(len(samples)), key=lambda i: (samples[i].grid, len(samples[i].answer)))
        while order:
            grid = samples[order[0]].grid
            chunk = [i for i in order[: self.batch] if samples[i].grid == grid]
            order = order[len(chunk) :]
            pixels = torch.from_numpy(np.stack([np.asarray(samples[i].image) for i in chunk]))
            prefix = m.prefix(m.sample(m.see(pixels, *grid)))
            ids = generate_after_prefix(
                m.embed,
                m.transformer.h,
                m.norm_logits,
                m.cos,
                m.sin,
                prefix,
                [self.tokenizer.encode(samples[i].prompt) for i in chunk],
                self.tokenizer.end,
                MOST,
            )
            for i, tokens in zip(chunk, ids):
                out[i] = self.tokenizer.decode(tokens)
        return out


class Fovea:
    """Converted files through the Python package, one for each grid."""

    def __init__(self, paths, name):
        import fovea

        self.models, self.name = {grid: fovea.load(path) for grid, path in paths.items()}, name

    def __call__(self, samples):
        out = []
        for s in samples:
            model = self.models[s.grid]
            out.append(model.session().generate("<image>" + s.prompt, images=[model.encode_image(s.image)], raw=True, max_tokens=MOST, temperature=0))
        return out
