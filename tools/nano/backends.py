# SPDX-License-Identifier: Apache-2.0
"""Who answers: a backend is a function from a list of samples (with `image` and `question`) to a list of answer texts."""

import numpy as np
import slicing as S
import torch
from model import attention, rotate
from tokenizer import Tokenizer


@torch.no_grad()
def generate_after_prefix(embed, layers, norm_logits, cos, sin, prefix, questions, end, most):
    """Greedy answers (lists of ids) to one question for each prefix `[B, P, H]`; `layers` as in `decode_after_prefix`.

    Questions are padded on the right; the padding is masked, and every sample keeps its own positions.
    """
    b, p = prefix.shape[:2]
    lengths = torch.tensor([len(q) for q in questions])
    longest = int(lengths.max())
    ids = torch.full((b, longest), end)
    for row, q in enumerate(questions):
        ids[row, : len(q)] = torch.tensor(q)
    cache = [None] * len(layers)
    slots = torch.arange(p + longest)
    usable = slots[None] < (p + lengths)[:, None]  # [B, slots]

    def run(x, positions, mask):
        for i, layer in enumerate(layers):

            def attend(q, k, v):
                q, k = rotate(q, cos[positions], sin[positions]).transpose(1, 2), rotate(k, cos[positions], sin[positions]).transpose(1, 2)
                v = v.transpose(1, 2)
                if cache[i] is not None:
                    k, v = torch.cat([cache[i][0], k], 2), torch.cat([cache[i][1], v], 2)
                cache[i] = (k, v)
                return attention(q, k, v, mask).transpose(1, 2)

            x = layer(x, attend)
        return norm_logits(x)

    x = torch.cat([prefix, embed(ids)], 1)
    causal = torch.full((p + longest, p + longest), float("-inf")).triu(1)
    logits = run(x, slots[None].expand(b, -1), causal)
    last = logits[torch.arange(b), p + lengths - 1]
    answers, done = [[] for _ in range(b)], torch.zeros(b, dtype=torch.bool)
    for step in range(most):
        token = last.argmax(-1)
        for row in range(b):
            if not done[row]:
                if token[row] == end:
                    done[row] = True
                else:
                    answers[row].append(int(token[row]))
        if bool(done.all()) or step == most - 1:
            break
        usable = torch.cat([usable, torch.ones(b, 1, dtype=torch.bool)], 1)
        mask = torch.zeros(usable.shape).masked_fill(~usable, float("-inf"))[:, None, None]
        last = run(embed(token)[:, None], (p + lengths + step)[:, None], mask)[:, 0]
    return answers


@torch.no_grad()
def generate(model, pixels, grid, before, after, questions, most=12):
    """Greedy answers (lists of ids) for one question per image; all images have the same slice grid."""
    prefix, _ = model.prefix(model.sample(model.see(torch.from_numpy(pixels), *grid)), *grid, before, after)
    return generate_after_prefix(
        model.model.embed_tokens, model.model.layers, model.norm_logits, model.cos, model.sin, prefix, questions, Tokenizer.EOS, most
    )


class Torch:
    """The PyTorch definition in float32, many samples at a time."""

    def __init__(self, model, tokenizer, name="PyTorch f32", batch=24):
        self.model, self.tokenizer, self.name, self.batch = model, tokenizer, name, batch
        c = model.config
        self.base, self.most = c["image_size"], c["max_slices"]
        self.before = [Tokenizer.BOS] + tokenizer.encode("USER: ")
        self.after = tokenizer.encode("\n")

    def __call__(self, samples):
        seen = [S.views(s.image, self.base, self.most)[:2] for s in samples]
        heads = [self.tokenizer.encode("\n" + s.question + " ASSISTANT:")[len(self.after) :] for s in samples]
        order = sorted(range(len(samples)), key=lambda i: (seen[i][1], len(heads[i])))
        out, at = [None] * len(samples), 0
        while at < len(order):
            chunk = [order[at]]
            while len(chunk) < self.batch and at + len(chunk) < len(order) and seen[order[at + len(chunk)]][1] == seen[chunk[0]][1]:
                chunk.append(order[at + len(chunk)])
            at += len(chunk)
            pixels = np.stack([seen[i][0] for i in chunk])
            for i, ids in zip(chunk, generate(self.model, pixels, seen[chunk[0]][1], self.before, self.after, [heads[i] for i in chunk])):
                out[i] = self.tokenizer.decode(ids).strip()
        return out


class Fovea:
    """A converted file through the Python package."""

    def __init__(self, path, name=None):
        import fovea

        self.model, self.name = fovea.load(path), name or path.rsplit("/", 1)[-1]

    def __call__(self, samples):
        out = []
        for s in samples:
            session = self.model.session()
            text = session.generate(s.question, images=[self.model.encode_image(s.image)], max_tokens=16, temperature=0)
            out.append(text.strip())
        return out
