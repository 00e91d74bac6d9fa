# SPDX-License-Identifier: Apache-2.0
"""Who answers: a backend is a function from a list of samples to a list of texts."""

import numpy as np
import torch
from backends import generate_after_prefix

from . import regions as R
from . import scenes as S
from . import talk
from . import tokens as T

MOST = 120


class Torch:
    """The PyTorch definition in float32, many samples of one grid at a time."""

    def __init__(self, model, name="PyTorch f32", batch=30):
        self.model, self.name, self.batch, self.vocabulary = model, name, batch, T.tokenizer()

    @torch.no_grad()
    def __call__(self, samples):
        m, out = self.model, [None] * len(samples)
        before, after = talk.around_image()
        order = sorted(range(len(samples)), key=lambda i: (samples[i].grid, samples[i].suite))
        while order:
            first = samples[order[0]]
            chunk = [i for i in order[: self.batch] if samples[i].grid == first.grid and samples[i].suite == first.suite]
            order = order[len(chunk) :]
            picked = [samples[i] for i in chunk]
            pixels, tiles = (torch.from_numpy(np.stack(x)) for x in zip(*(S.views(s.image, s.grid) for s in picked)))
            whole, local = m.see(pixels, tiles, first.grid)
            vectors = None
            questions = [s.question for s in picked]
            if first.region is not None:
                g = R.geometry([s.region for s in picked], [s.scene.size for s in picked], exact=True)
                vectors = m.regions(whole, local, first.grid, {k: torch.from_numpy(v)[:, None] for k, v in g.items()})[:, 0]
                questions = [q.replace(T.MARK, s.region.text(s.scene.size) + " " + T.REGION) for q, s in zip(questions, picked)]
            prefix = m.prefix(m.image_tokens(whole, local), before, after)
            ids = generate_after_prefix(
                m.embedder(vectors), m.model.layers, m.norm_logits, m.cos, m.sin, prefix, [talk.ids(q) for q in questions], T.tokenizer().EOS, MOST
            )
            for i, answer in zip(chunk, ids):
                out[i] = self.vocabulary.decode(answer).strip()
        return out


class Fovea:
    """A converted file through the Python package."""

    def __init__(self, path, name=None):
        import fovea

        self.fovea, self.model, self.name = fovea, fovea.load(path), name or path.rsplit("/", 1)[-1]

    def region(self, r):
        if r.mask is not None:
            return self.fovea.Mask(r.mask)
        return self.fovea.Point(*r.corners) if r.form == "point" else self.fovea.Box(*r.corners)

    def __call__(self, samples):
        out, scene, embedding = [], None, None
        for s in samples:
            if s.scene is not scene:
                scene, embedding = s.scene, self.model.encode_image(s.image)
            regions = [] if s.region is None else [self.region(s.region)]
            out.append(self.model.session().generate(s.question, images=[embedding], regions=regions, max_tokens=MOST, temperature=0).strip())
        return out
