# SPDX-License-Identifier: Apache-2.0
"""Makes a first state for stage 2 from what is trained already.

    python -m vary.join --clip HIRES_CHECKPOINT --tiny S/v2c/state.pt --decoder MONKEY_CHECKPOINT --out S/v3/start.pt

CLIP is nano HiRes-LLaVA's tower without SliceRestore; it sees a page at a quarter of its side, its positions are interpolated. The
vocabulary network and its projection come from stage 1, the decoder from nano Monkey, whose tokens keep their embeddings.
"""

import argparse
import os

import export
import numpy as np
import torch
from monkey import export as monkey
from monkey import pages as M
from monkey import tokens as T
from monkey.model import interpolate_positions

from . import base
from . import documents as D
from .model import BASE, CLIP, DEFAULT, Vary


def rows(mine, theirs, initial, trained):
    """An embedding table for my tokens: that of the tokens which both vocabularies have, else as it was, at the usual size."""
    out = initial * (trained.std() / initial.std())
    where = {theirs.encoding.decode_single_token_bytes(i): i for i in range(theirs.ranks)}
    for i in range(mine.ranks):
        j = where.get(mine.encoding.decode_single_token_bytes(i))
        if j is not None:
            out[i] = trained[j]
    for name, i in mine.special.items():
        out[i] = trained[theirs.special[name]]
    # Answers end with <|im_end|> here and with <|endoftext|> there.
    out[mine.special["<|im_end|>"]] = trained[theirs.special["<|endoftext|>"]]
    return out


@torch.no_grad()
def usual(decoder):
    """Deviation of the image vectors that the decoder is used to."""
    pages = [M.text_page(np.random.default_rng(i), 2, 2, 9) for i in range(8)]
    return decoder.sample(decoder.see(torch.from_numpy(np.stack([np.asarray(p.image) for p in pages])), 2, 2)).std()


@torch.no_grad()
def deviations(model):
    """Of both halves of the vectors of some pages."""
    seen = [base.views(D.document(np.random.default_rng(i)).image) for i in range(16)]
    vectors = model.sample(model.see(*(torch.from_numpy(np.stack(s)) for s in zip(*seen))))
    return [half.std() for half in vectors.chunk(2, -1)]


if __name__ == "__main__":
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--clip", required=True)
    p.add_argument("--tiny", required=True)
    p.add_argument("--decoder", required=True)
    p.add_argument("--out", required=True)
    a = p.parse_args()
    tiny = torch.load(a.tiny, weights_only=False)
    words = base.tokenizer()
    network = {k: v for k, v in tiny["config"].items() if k in DEFAULT and k not in BASE}
    torch.manual_seed(0)
    model = Vary({**network, **BASE, "vocab_size": len(words), "image_start": words.image_start})

    root, mine = "model.vision_tower.vision_tower.vision_model.", "transformer.vision_tower.vision_model."
    clip = export.training_state(a.clip)["model"]
    own = {k for k in model.state_dict() if k.startswith(mine)}
    weights = {mine + k[len(root) :]: v for k, v in clip.items() if k.startswith(root) and mine + k[len(root) :] in own}
    name = mine + "embeddings.position_embedding.weight"
    patches = (CLIP["image_size"] // CLIP["patch_size"]) ** 2
    weights[name] = torch.cat([weights[name][:1], interpolate_positions(weights[name][1:], patches)])

    roots = {"model.vision_tower_2.": "transformer.vision_tower_high.", "model.mm_projector.": "transformer.mm_projector_vary."}
    weights.update({new + k[len(old) :]: v for old, new in roots.items() for k, v in tiny["model"].items() if k.startswith(old)})

    decoder = monkey.load(a.decoder)
    theirs = T.Tokenizer(os.path.join(a.decoder, "qwen.tiktoken"))
    for k, v in decoder.state_dict().items():
        if k in ("transformer.wte.weight", "lm_head.weight"):
            weights[k] = rows(words, theirs, model.state_dict()[k].clone(), v)
        elif "visual" not in k:
            weights[k] = v
    missing = model.load_state_dict(weights, strict=False)
    assert not missing.unexpected_keys and all("mm_projector." in k for k in missing.missing_keys), missing
    wanted = usual(decoder)
    t = model.transformer
    for part, deviation in zip((t.mm_projector, t.mm_projector_vary), deviations(model)):
        for leaf in part.parameters():
            leaf.data.mul_(wanted / deviation)
    os.makedirs(os.path.dirname(a.out), exist_ok=True)
    torch.save({"config": model.config, "model": model.state_dict(), "heads": {}, "minutes": {}}, a.out)
