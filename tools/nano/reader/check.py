# SPDX-License-Identifier: Apache-2.0
"""Compares the PyTorch model with a converted file on drawn pages: image vectors, logits of the first token, greedy answers.

python -m reader.check CHECKPOINT FILE-f32.fovea [--pages 12]
"""

import argparse
import os

import numpy as np
import torch

from . import evaluate, export
from . import pages as P
from .tokens import Tokenizer


def main():
    import fovea

    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("checkpoint")
    p.add_argument("file")
    p.add_argument("--pages", type=int, default=12)
    p.add_argument("--images", nargs="*", default=[], help="these pictures instead of drawn pages")
    p.add_argument("--most", type=int, default=200, help="tokens of an answer")
    a = p.parse_args()
    torch.set_num_threads(1)
    ours, theirs = export.load(a.checkpoint), fovea.load(a.file)
    tokens = Tokenizer(os.path.join(a.checkpoint, "tokenizer.model"))
    if a.images:
        from PIL import Image

        images = [Image.open(f).convert("RGB") for f in a.images]
    else:
        images = [page.image for page in P.held_out(1, 3)[: a.pages]]
    same, far = 0, 0.0
    for image in images:
        pixels, grid, _, _ = P.S.views(image, P.BASE, P.MOST, ours.config["enlarge"][0])
        with torch.no_grad():
            x = torch.from_numpy(pixels)[None]
            block = ours.prefix(ours.sample(ours.see(x, *grid)), grid[1], [])[0].numpy()
        seen = theirs.encode_image(image)
        other = np.asarray(seen.numpy(), np.float32)
        assert other.shape == block.shape, (other.shape, block.shape)
        far = max(far, float(np.abs(other - block).max() / np.abs(block).max()))
        text = evaluate.answers(ours, tokens, [image], [P.READ], a.most)[0]
        said = theirs.session().generate("", images=[seen], task="ocr", temperature=0, max_tokens=a.most).strip()
        same += text == said
        if text != said:
            print(f"PyTorch: {text!r}\nFovea:   {said!r}")
    print(f"image vectors: {far:.1e} of the largest apart; {same} of {len(images)} answers equal")


if __name__ == "__main__":
    main()
