#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Runs OpenVINO for tools/bench/peers, in the environment that `peers prepare` made.

    openvino_peer.py decode|prefill FOLDER THREADS  then lines `prefill TOKENS`, `decode TOKENS` on standard input
    openvino_peer.py encode FOLDER THREADS      then lines `encode`

Each line is answered with the seconds that one run took. OpenVINO's own defaults choose the arithmetic (on this kind of CPU
bf16, int8 activations for compressed weights, KV cache u8).
"""

import os
import sys
import time

import numpy as np
import openvino as ov
from openvino import opset13 as ops


def only_last_logits(model):
    """Logits of the last position alone, as OpenVINO GenAI does and llama.cpp and Fovea do."""
    node = model.output("logits").get_node().input_value(0).get_node()
    while node.get_type_name() != "MatMul":
        node = node.input_value(0).get_node()
    at = node.input(0)
    last = ops.slice(at.get_source_output(), np.array([-1]), np.array([np.iinfo(np.int64).max]), np.array([1]), np.array([1]))
    at.replace_source_output(last.output(0))
    model.validate_nodes_and_infer_types()


class Decoder:
    def __init__(self, core, folder, settings):
        model = core.read_model(os.path.join(folder, "openvino_model.xml"))
        only_last_logits(model)
        self.request = core.compile_model(model, "CPU", settings).create_infer_request()
        self.names = {name for i in model.inputs for name in i.get_names()}
        self.random = np.random.default_rng(1)

    def step(self, ids, past):
        tokens = ids.shape[1]
        feeds = {
            "input_ids": ids,
            "attention_mask": np.ones((1, past + tokens), np.int64),
            "position_ids": np.arange(past, past + tokens)[None],
            "beam_idx": np.zeros(1, np.int32),
        }
        self.request.infer({k: v for k, v in feeds.items() if k in self.names})

    def evaluate(self, tokens, batch):
        ids = self.random.integers(0, 32000, (1, tokens))
        self.request.reset_state()
        start = time.perf_counter()
        for i in range(0, tokens, batch):
            self.step(ids[:, i : i + batch], i)
        return time.perf_counter() - start

    def run(self, words):
        tokens = int(words[1])
        return self.evaluate(tokens, {"prefill": tokens, "decode": 1}[words[0]])


class Encoder:
    def __init__(self, core, folder, settings):
        compiled = core.compile_model(core.read_model(os.path.join(folder, "encoder.xml")), "CPU", settings)
        self.request = compiled.create_infer_request()
        self.pixels = np.random.default_rng(1).standard_normal(tuple(compiled.input(0).shape), np.float32)

    def run(self, words):
        start = time.perf_counter()
        self.request.infer({0: self.pixels})
        return time.perf_counter() - start


def main():
    if len(sys.argv) != 4 or sys.argv[1] not in ("decode", "prefill", "encode"):
        raise SystemExit(__doc__)
    settings = {"INFERENCE_NUM_THREADS": int(sys.argv[3]), "PERFORMANCE_HINT": "LATENCY"}
    encodes = sys.argv[1] == "encode"
    program = (Encoder if encodes else Decoder)(ov.Core(), sys.argv[2], settings)
    program.run(["encode"] if encodes else ["prefill", "16"])
    print("ready", flush=True)
    for line in sys.stdin:
        print(f"{program.run(line.split()):.9f}", flush=True)


if __name__ == "__main__":
    main()
