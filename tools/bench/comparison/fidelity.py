# SPDX-License-Identifier: Apache-2.0
"""How far a file's next-token distributions are from those of the f32 file."""

import numpy as np


def log_softmax(logits):
    x = logits.astype(np.float64)
    x -= x.max(axis=1, keepdims=True)
    return x - np.log(np.exp(x).sum(axis=1, keepdims=True))


def divergence(truth, said, ids=None):
    """KL(truth ‖ said) in nats at each position, whether both expect the same token, and what the text's own next token costs `said`, in nats, and
    how much of that it costs more than `truth`: `[2, positions − 1]`."""
    p, q = log_softmax(truth), log_softmax(said)
    costs = np.zeros((2, 0))
    if ids is not None:
        at = np.arange(len(ids) - 1), ids[1:]
        costs = np.array([-q[at], p[at] - q[at]])
    return (np.exp(p) * (p - q)).sum(axis=1), p.argmax(axis=1) == q.argmax(axis=1), costs


def ratio(sums, counts):
    """The mean of samples' sums over their counts, and its error: positions of a sample are not independent."""
    mean = sums.sum() / counts.sum()
    return mean, np.sqrt(((sums - mean * counts) ** 2).sum()) / counts.sum()


HEAD = ("File", "bits per weight", "mean KL", "± (of samples)", "95 % of positions below", "same token", "perplexity", "nats above f32, ±")


class Table:
    def __init__(self, ids=None):
        """`ids`: the tokens of each sample, for the perplexity."""
        self.rows, self.ids = [], ids

    def add(self, name, bits, truth, said):
        """Lists of logits `[positions, vocabulary]`, one of each sample."""
        kl, same, costs = zip(*(divergence(t, s, i) for t, s, i in zip(truth, said, self.ids or [None] * len(truth))))
        every = np.concatenate(kl)
        mean, error = ratio(np.array([k.sum() for k in kl]), np.array([len(k) for k in kl]))
        row = {}
        if self.ids:
            # The same texts for both: the difference is known better than either perplexity.
            row["nats_above"], row["nats_error"] = ratio(np.array([c[1].sum() for c in costs]), np.array([c.shape[1] for c in costs]))
            row["perplexity"] = float(np.exp(np.concatenate(costs, axis=1)[0].mean()))
        self.rows.append(
            {
                "name": name,
                "bits_per_weight": bits,
                "mean_kl": mean,
                "error": error,
                "kl_95": np.quantile(every, 0.95),
                "same_token": float(np.concatenate(same).mean()),
                "positions": len(every),
                **row,
            }
        )
        print("  ".join(self.cells(self.rows[-1])), flush=True)

    def cells(self, r):
        said = (r["name"], f"{r['bits_per_weight']:.2f}", f"{r['mean_kl']:.5f}", f"{r['error']:.5f}", f"{r['kl_95']:.4f}", f"{r['same_token']:.2%}")
        return said + ((f"{r['perplexity']:.2f}", f"{r['nats_above']:.3f} ± {r['nats_error']:.3f}") if self.ids else ())

    def head(self):
        return HEAD if self.ids else HEAD[:-2]

    def text(self):
        table = [self.head(), *map(self.cells, self.rows)]
        widths = [max(map(len, column)) for column in zip(*table)]
        return "\n".join("  ".join(c.ljust(w) for c, w in zip(row, widths)).rstrip() for row in table)

    def markdown(self):
        lines = ["| " + " | ".join(self.head()) + " |", "|" + "---|" * len(self.head())]
        return "\n".join(lines + ["| " + " | ".join(self.cells(r)) + " |" for r in self.rows]) + "\n"
