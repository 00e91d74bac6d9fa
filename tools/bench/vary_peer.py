#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""GOT-OCR2 in transformers on the CPU: seconds for the vision tower and projector, tokens a second, peak memory.

vary_peer.py DIRECTORY [--type float32|bfloat16] [--tokens N] [--threads N]
"""

import argparse
import resource
import time

import numpy as np
import torch
from PIL import Image
from transformers import GotOcr2ForConditionalGeneration

p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
p.add_argument("directory")
p.add_argument("--type", default="float32")
p.add_argument("--tokens", type=int, default=32)
p.add_argument("--threads", type=int, default=2)
p.add_argument("--image")
a = p.parse_args()
torch.set_num_threads(a.threads)
model = GotOcr2ForConditionalGeneration.from_pretrained(a.directory, dtype=getattr(torch, a.type)).eval()
image = Image.open(a.image).convert("RGB") if a.image else Image.new("RGB", (1024, 1024), (200, 180, 90))
x = np.asarray(image.resize((1024, 1024), Image.BICUBIC), dtype=np.float32) / 255
x = (x - [0.48145466, 0.4578275, 0.40821073]) / [0.26862954, 0.26130258, 0.27577711]
pixels = torch.from_numpy(x.transpose(2, 0, 1).astype(np.float32))[None].to(model.dtype)
ids = torch.tensor([[257, 10] + [151857] + [151859] * 256 + [151858] + [10, 79, 67, 82, 58, 32]])
with torch.no_grad():
    begin = time.perf_counter()
    model.get_image_features(pixels)
    encode = time.perf_counter() - begin
    out = model(input_ids=ids, attention_mask=torch.ones_like(ids), pixel_values=pixels, use_cache=True, logits_to_keep=1)
    begin = time.perf_counter()
    for _ in range(a.tokens):
        out = model(input_ids=out.logits[:, -1:].argmax(-1), past_key_values=out.past_key_values, use_cache=True)
    decode = time.perf_counter() - begin
print(
    f"transformers {a.type}: encode {encode:.2f} s, {a.tokens / decode:.1f} tokens/s, "
    f"peak {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1048576:.2f} GiB"
)
