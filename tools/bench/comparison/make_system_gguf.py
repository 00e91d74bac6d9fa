#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes a random SmolVLM, DeepSeek-OCR or DeepSeek-OCR 2 of full size as llama.cpp's files, by its own converter; runs in the environment that
`peers prepare` made.

make_system_gguf.py LLAMA_CPP CHECKPOINT FILE f16              the decoder, to be quantised from
make_system_gguf.py LLAMA_CPP CHECKPOINT FILE mmproj-q8_0      the encoder and projector, or mmproj-f16
"""

import json
import os
import runpy
import sys
import tempfile


def edited(name, text):
    """The configs as the converter wants them; `text`: for the decoder."""
    config = json.loads(text)
    if config["model_type"] == "smolvlm":
        config["text_config"]["architectures"] = ["VLlama3ForCausalLM"]
    elif name == "DeepseekOCR2ForCausalLM":
        encoder = config["vision_config"].pop("encoder_config")
        config["vision_config"] |= {
            "layers": encoder["num_hidden_layers"],
            "num_attention_heads": encoder["num_attention_heads"],
            "intermediate_size": encoder["intermediate_size"],
        }
    return json.dumps(config)


def main():
    if len(sys.argv) != 5:
        raise SystemExit(__doc__)
    llama, source, target, kind = (os.path.abspath(sys.argv[1]), os.path.abspath(sys.argv[2]), os.path.abspath(sys.argv[3]), sys.argv[4])
    sys.path[:0] = [llama, llama + "/gguf-py"]
    import conversion.base

    with open(os.path.join(source, "config.json")) as f:
        text = f.read()
    architecture = json.loads(text)["architectures"][0]
    # Tokenizers are known to it by their hash, which a random one's is not.
    pre = "smollm" if architecture.startswith("SmolVLM") else "deepseek-v3"
    for found in vars(conversion.base).values():
        if isinstance(found, type) and "get_vocab_base_pre" in vars(found):
            found.get_vocab_base_pre = lambda self, tokenizer: pre
    with tempfile.TemporaryDirectory() as folder:
        for name in os.listdir(source):
            os.symlink(os.path.join(source, name), os.path.join(folder, name))
        os.remove(os.path.join(folder, "config.json"))
        with open(os.path.join(folder, "config.json"), "w") as f:
            f.write(edited(architecture, text))
        if not os.path.exists(os.path.join(folder, "preprocessor_config.json")):
            with open(os.path.join(folder, "preprocessor_config.json"), "w") as f:
                json.dump({"image_mean": [0.5] * 3, "image_std": [0.5] * 3}, f)
        tower, _, outtype = kind.rpartition("-")
        sys.argv[1:] = [folder, "--outtype", outtype, "--outfile", target + ".part", *(["--mmproj"] if tower else [])]
        runpy.run_path(os.path.join(llama, "convert_hf_to_gguf.py"), run_name="__main__")
    os.replace(target + ".part", target)


if __name__ == "__main__":
    main()
