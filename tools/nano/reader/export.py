# SPDX-License-Identifier: Apache-2.0
"""Training state -> checkpoint directory in HiRes-LLaVA's layout (float16), and back into the PyTorch model.

python -m reader.export --state STATE.pt … --out CHECKPOINT --tokenizer tokenizer.model [--enlarge PERCENT …] [--mean MEAN.pt]

Of several states their mean is taken: that of separate trainings from one state reads better than each (model soups, arXiv:2203.05482).
"""

import argparse
import json
import os
import shutil

import export
import torch
from model import CLIPMLP
from safetensors.torch import load_file, save_file

from . import pages as P
from .model import Reader
from .tokens import COLUMNS

# Mean log-probability of a token below which a page is read again in parts; README.md has what other numbers gave.
DOUBT = -0.1
TASKS = {"ocr": P.READ, "table": P.TABLE}


def config(c):
    j = export.config(c)
    j["num_key_value_heads"] = c["kv_heads"]
    j["vision_config"] = vision_config(c)
    j["hires_llava"] |= {"sms_local": True, "enlarge": c["enlarge"], "doubt": DOUBT}
    j["fovea"]["prompt"]["locations"] = {"column": "<x0>", "row": "<y0>", "count": COLUMNS}
    j["fovea"]["prompt"]["tasks"] = {name: export.TEMPLATE.replace("{question}", text) for name, text in TASKS.items()}
    return j


def vision_config(c):
    return export.vision_config(c) | {"conv_stem": c["stem"]}


def save(model, directory, tokenizer):
    """`model`: folded."""
    os.makedirs(os.path.join(directory, "vision_tower"), exist_ok=True)
    c = model.config
    for name, value in (
        ("config.json", config(c)),
        ("vision_tower/config.json", vision_config(c)),
        ("preprocessor_config.json", export.preprocessor(c)),
        ("generation_config.json", {"bos_token_id": 1, "eos_token_id": 2, "do_sample": False, "max_new_tokens": 4096}),
        ("tokenizer_config.json", export.LLAMA_TOKENIZER),
    ):
        export.write_json(os.path.join(directory, name), value)
    shutil.copyfile(tokenizer, os.path.join(directory, "tokenizer.model"))
    save_file(export.tensors(model), os.path.join(directory, "model.safetensors"), metadata={"format": "pt"})


def load(directory):
    """The checkpoint as a float32 PyTorch model."""
    with open(os.path.join(directory, "config.json")) as f:
        j = json.load(f)
    v, h = j["vision_config"], j["hires_llava"]
    model = Reader(
        dict(
            image_size=v["image_size"], patch_size=v["patch_size"], vision_hidden=v["hidden_size"], vision_intermediate=v["intermediate_size"],
            vision_layers=v["num_hidden_layers"], vision_heads=v["num_attention_heads"], hidden_size=j["hidden_size"],
            intermediate_size=j["intermediate_size"], layers=j["num_hidden_layers"], heads=j["num_attention_heads"], kv_heads=j["num_key_value_heads"],
            vocab_size=j["vocab_size"], rms_eps=j["rms_norm_eps"], rope_theta=j["rope_theta"], max_positions=j["max_position_embeddings"],
            max_slices=h["M"], enlarge=h.get("enlarge", [100]), stem=v["conv_stem"], stem_norms=False, sra_layers=h["sra_layers"], sra_heads=h["sra_heads"], sms_kernel=h["sms_kernel"], sms_heads=h["sms_heads"],
        )
    )  # fmt: skip
    model.load_state_dict({k: w.float() for k, w in load_file(os.path.join(directory, "model.safetensors")).items()})
    for module in model.modules():
        if isinstance(module, CLIPMLP):
            module.quick = True
    return model.eval()


def training_state(directory):
    """A checkpoint as the start of a training: its MLPs unfolded; no heads, no optimiser."""
    model = load(directory)
    return {"config": model.config, "model": export.folded(model.state_dict(), 1 / export.FOLD), "heads": {}, "unfinished": None}


def trained(state):
    return of_state(torch.load(state, weights_only=False, map_location="cpu"))


def of_state(state):
    """A training state as a float32 model (its MLPs unfolded, its norms folded)."""
    model = Reader(state["config"])
    model.load_state_dict(state["model"])
    return model.eval().fold()


def mean(states):
    """The mean of saved training states, as one to go on from."""
    states = [torch.load(s, weights_only=False, map_location="cpu") for s in states]

    def part(name):
        rows = [s[name] for s in states]
        return {k: torch.stack([r[k] for r in rows]).double().mean(0).to(w.dtype) if w.is_floating_point() else w for k, w in rows[0].items()}

    return {**states[0], "model": part("model"), "heads": part("heads"), "optimizer": None, "unfinished": None}


def without_norms(state):
    """A training state whose convolutions have no norms any more."""
    model = of_state(state)
    return {**state, "config": model.config, "model": model.state_dict()}


if __name__ == "__main__":
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--state", required=True, nargs="+")
    p.add_argument("--out", required=True)
    p.add_argument("--tokenizer", required=True)
    p.add_argument(
        "--enlarge",
        type=int,
        nargs="+",
        default=[100],
        help="per cent of its size that the model is shown a picture at; several: `fovea read` tries each",
    )
    p.add_argument("--mean", help="writes the mean of the states there too, for train_all --init")
    a = p.parse_args()
    state = mean(a.state)
    if a.mean:
        torch.save(state, a.mean)
    exported = of_state(state)
    exported.config["enlarge"] = a.enlarge
    save(exported, a.out, a.tokenizer)
