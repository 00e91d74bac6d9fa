# SPDX-License-Identifier: Apache-2.0
"""Muon: momentum, orthogonalised by five Newton-Schulz steps, for weight matrices; AdamW for everything else."""

import torch

# Where the processor has products of bfloat16, they take half the time of float32; without, they are slower.
HALF = torch.cuda.is_available() or torch.cpu._is_amx_tile_supported() or torch.cpu._is_avx512_bf16_supported()


def orthogonalise(g):
    """g `[count, rows, cols]`, rows <= cols: nearest semi-orthogonal matrices, roughly (singular values in 0.7..1.2)."""
    x = g.bfloat16() if HALF else g
    x = x / (x.norm(dim=(1, 2), keepdim=True) + 1e-7)
    for _ in range(5):
        a = x @ x.transpose(1, 2)
        x = 3.4445 * x + (-4.7750 * a + 2.0315 * a @ a) @ x
    return x.float()


class Flat:
    """A convolution's kernel as the matrix it is: output channels by everything else."""

    def __init__(self, kernel):
        self.kernel, self.data = kernel, self.flat(kernel.data)
        self.shape, self.device = self.data.shape, self.data.device

    @staticmethod
    def flat(x):
        """A view, whichever way the kernel lies in memory."""
        return (x if x.is_contiguous() else x.permute(0, 2, 3, 1)).view(x.shape[0], -1)

    @property
    def grad(self):
        if self.kernel.grad is None:
            return None
        like = torch.channels_last if not self.kernel.is_contiguous() else torch.contiguous_format
        return self.flat(self.kernel.grad.contiguous(memory_format=like))

    def mul_(self, factor):
        self.data.mul_(factor)
        return self.data


class Muon:
    def __init__(self, parameters, momentum=0.95):
        """parameters: (tensor, factor on the learning rate)."""
        self.groups = {}
        for p, factor in parameters:
            p = p if p.ndim == 2 else Flat(p)
            self.groups.setdefault((min(p.shape), max(p.shape), factor), []).append(p)
        self.momentum = momentum
        self.velocity = {key: [torch.zeros(p.shape, device=p.device) for p in group] for key, group in self.groups.items()}

    @torch.no_grad()
    def step(self, lr, weight_decay=0.0):
        for key, group in self.groups.items():
            live = [(p, v) for p, v in zip(group, self.velocity[key]) if p.grad is not None]
            if not live:
                continue
            updates = []
            for p, v in live:
                v.mul_(self.momentum).add_(p.grad)
                u = p.grad + self.momentum * v
                updates.append(u if u.shape[0] <= u.shape[1] else u.T)
            for (p, _), u in zip(live, orthogonalise(torch.stack(updates))):
                u = u if p.shape[0] <= p.shape[1] else u.T
                p.mul_(1 - lr * key[2] * weight_decay).add_(u, alpha=-lr * key[2] * max(1, p.shape[0] / p.shape[1]) ** 0.5)

    def state_dict(self):
        return self.velocity

    def load_state_dict(self, state):
        for key, values in state.items():
            for mine, theirs in zip(self.velocity.get(key, []), values):
                if mine.shape == theirs.shape:
                    mine.copy_(theirs)


class Optimizer:
    """Muon on the matrices inside blocks, AdamW on embeddings, norms, biases, heads."""

    def __init__(self, named, muon_lr=0.012, adam_lr=2e-3, weight_decay=0.0, slow=lambda name: 1.0):
        self.muon_lr, self.adam_lr, self.weight_decay = muon_lr, adam_lr, weight_decay
        named = [(n, p) for n, p in named if p.requires_grad]

        def matrix(n, p):  # and convolutions that mix channels
            return (p.ndim == 2 or p.ndim == 4 and p.shape[1] > 3) and not any(
                k in n for k in ("embed", "wte", "position", "query", "lm_head", "head.", "class")
            )

        self.muon = Muon([(p, slow(n)) for n, p in named if matrix(n, p)])
        self.rest = [p for n, p in named if not matrix(n, p)]
        groups = {}
        for n, p in named:
            if not matrix(n, p):
                groups.setdefault(slow(n), []).append(p)
        self.adam = torch.optim.AdamW([{"params": ps, "factor": f} for f, ps in groups.items()], lr=adam_lr, betas=(0.9, 0.98), weight_decay=0.0)
        self.parameters = [p for _, p in named]

    def step(self, scale):
        torch.nn.utils.clip_grad_norm_(self.rest, 1.0)
        for group in self.adam.param_groups:
            group["lr"] = self.adam_lr * scale * group["factor"]
        self.adam.step()
        self.muon.step(self.muon_lr * scale, self.weight_decay)
        for p in self.parameters:
            p.grad = None

    def state_dict(self):
        return {"muon": self.muon.state_dict(), "adam": self.adam.state_dict()}

    def load_state_dict(self, state):
        self.muon.load_state_dict(state["muon"])
        self.adam.load_state_dict(state["adam"])
