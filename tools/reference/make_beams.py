# SPDX-License-Identifier: Apache-2.0
"""transformers' beam search on a small checkpoint of Tests/ConversionTests/Fixtures/checkpoints.

    make_beams.py CHECKPOINTS OUTPUT.json         (needs torch, transformers)

Each case: the prompt's ids and text, the number of beams, the tokens that end an answer, and all beams in order without those.
"""

import json
import os
import sys

import torch
from transformers import AutoModelForImageTextToText, PreTrainedTokenizerFast

PROMPTS = ["What is it?", "USER: Where is the red circle? ASSISTANT:", "12 and 3", "the"]


def main(checkpoints, output):
    folder = os.path.join(checkpoints, "llava_hf", "checkpoint")
    # Only the decoder is used: the tower may lack a size that the converter knows.
    model = AutoModelForImageTextToText.from_pretrained(folder, dtype=torch.float32, ignore_mismatched_sizes=True).eval()
    tokenizer = PreTrainedTokenizerFast(tokenizer_file=os.path.join(folder, "tokenizer.json"))
    cases = []
    for prompt in PROMPTS:
        ids = tokenizer(prompt)["input_ids"]
        tokens = torch.tensor([ids])
        common = {"do_sample": False, "max_new_tokens": 10, "pad_token_id": 0, "return_dict_in_generate": True, "output_scores": True}
        first = model.generate(tokens, num_beams=4, eos_token_id=2, **common).sequences[0, len(ids) :].tolist()
        # Tokens of the likeliest answer as ends, so that beams end at different lengths.
        for beams, ends, penalty in (
            (2, [2], 1.0),
            (4, [2, first[3]], 1.0),
            (3, [first[2], first[6]], 1.0),
            (4, [first[1], first[4]], 0.5),
            (5, [first[4]], 2.0),
        ):
            found = model.generate(tokens, num_beams=beams, num_return_sequences=beams, eos_token_id=ends, length_penalty=penalty, **common)
            answers = []
            for sequence in found.sequences[:, len(ids) :].tolist():
                end = next((i for i, id in enumerate(sequence) if id in ends), len(sequence))
                answers.append(sequence[:end])
            scores = found.sequences_scores.tolist()
            gap = min((a - b for a, b in zip(scores, scores[1:])), default=1)
            cases.append({"prompt": prompt, "ids": ids, "beams": beams, "ends": ends, "penalty": penalty, "answers": answers, "scores": scores})
            print(prompt, beams, ends, [len(a) for a in answers], f"gap {gap:.5f}", flush=True)
    with open(output, "w") as f:
        json.dump(cases, f)
        f.write("\n")


if __name__ == "__main__":
    torch.set_num_threads(1)
    main(*sys.argv[1:])
