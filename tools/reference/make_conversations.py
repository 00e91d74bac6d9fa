# SPDX-License-Identifier: Apache-2.0
"""Conversations of ten turns on the small checkpoints of Tests/ConversionTests/Fixtures/checkpoints: the ids of every prompt as
transformers' `apply_chat_template` or the checkpoint's own code makes them, and the greedy ids of every answer.

    make_conversations.py CHECKPOINTS OUTPUT.json         (needs torch, transformers, tiktoken)

An answer's text goes into the next prompt. In ids, −1 − i stands for image i's vectors; all images are the checkpoint's image.png, whose
vectors `reference.safetensors` holds. `templates` are renderings of published chat templates by transformers, as texts.
"""

import base64
import json
import os
import sys

import monkey
import torch
from make_monkey_checkpoints import SPECIALS
from make_tokenizer_fixtures import QWEN
from safetensors.torch import load_file

ANSWER = 4
QUESTIONS = ["What is it?", "Why?", " Red or blue? ", "And this?", "How many", "Both?\n", "12 or 3?", "Who", "Where is it?", "So?"]
#: Images of a turn.
IMAGES = {0: 1, 3: 1, 5: 2}

VICUNA = (
    "{% for message in messages %}{% if message['role'] != 'system' %}{{ message['role'].upper() + ': '}}{% endif %}{# Render all images first #}"
    "{% for content in message['content'] | selectattr('type', 'equalto', 'image') %}{{ '<image>\\n' }}{% endfor %}{# Render all text next #}"
    "{% if message['role'] != 'assistant' %}{% for content in message['content'] | selectattr('type', 'equalto', 'text') %}"
    "{{ content['text'] + ' '}}{% endfor %}{% else %}{% for content in message['content'] | selectattr('type', 'equalto', 'text') %}"
    "{% generation %}{{ content['text'] + ' '}}{% endgeneration %}{% endfor %}{% endif %}{% endfor %}"
    "{% if add_generation_prompt %}{{ 'ASSISTANT:' }}{% endif %}"
)


class Causal:
    """transformers' model over vectors."""

    def __init__(self, model):
        self.model = model.eval().float()

    def embed(self, ids):
        return self.model.get_input_embeddings()(torch.tensor(ids, dtype=torch.long))

    def last(self, sequence, prompt):
        return self.model(inputs_embeds=sequence[None]).logits[0, -1].float()


class QwenV1:
    def __init__(self, folder):
        config = json.load(open(os.path.join(folder, "config.json")))
        name = os.path.join(folder, "model.safetensors")
        w = load_file(name) if os.path.exists(name) else torch.load(os.path.join(folder, "pytorch_model.bin"))
        self.decoder = monkey.QwenV1({n: t.float() for n, t in w.items()}, config)

    def embed(self, ids):
        return self.decoder.embed(torch.tensor(ids, dtype=torch.long))

    def last(self, sequence, prompt):
        return self.decoder.logits(sequence, prompt)[-1]


def tiktoken_encoding(folder):
    import tiktoken

    ranks = {}
    with open(os.path.join(folder, "qwen.tiktoken")) as f:
        for line in f:
            piece, rank = line.split()
            ranks[base64.b64decode(piece)] = int(rank)
    special = {s: len(ranks) + i for i, s in enumerate(SPECIALS)}
    return tiktoken.Encoding("qwen", pat_str=QWEN, mergeable_ranks=ranks, special_tokens=special), special


def marked(parts):
    """Token ids of the parts around images, with the images between them."""
    ids = list(parts[0])
    for i, part in enumerate(parts[1:]):
        ids += [-1 - i] + list(part)
    return ids


def qwen_make_context(folder):
    """`make_context` of Qwen-VL's code: roles, line breaks and contents are tokenised by themselves."""
    encoding, special = tiktoken_encoding(folder)
    start, end, line = special["<|im_start|>"], special["<|im_end|>"], encoding.encode("\n")

    def turn(role, text):
        parts = [encoding.encode(part, allowed_special="all") for part in text.split("<image>")]
        parts[0] = [start] + encoding.encode(role) + line + parts[0]
        parts[-1] = parts[-1] + [end]
        return parts

    def prompt(messages):
        parts = turn("system", "You are a helpful assistant.")
        for role, text, images in messages:
            new = turn(role, "<image>" * images + text)
            parts[-1] = parts[-1] + line + new[0]
            parts += new[1:]
        parts[-1] = parts[-1] + line + [start] + encoding.encode("assistant") + line
        return marked(parts)

    return prompt, lambda ids: encoding.decode([i for i in ids if i < start and i not in special.values()])


def vary_prompt(folder):
    """conv_mpt of Vary's code: `role + message + sep`, the image's tokens before the question."""
    encoding, special = tiktoken_encoding(folder)
    system = "<|im_start|>system\nYou should follow the instructions carefully and explain your answers in detail."

    def prompt(messages):
        text = system + "<|im_end|>"
        for role, content, images in messages:
            text += f"<|im_start|>{role}\n" + "<image>\n" * images + content + "<|im_end|>"
        text += "<|im_start|>assistant\n"
        return marked([encoding.encode(part, allowed_special="all") for part in text.split("<image>")])

    return prompt, lambda ids: encoding.decode([i for i in ids if i not in special.values()])


def transformers_prompt(folder, template, image_id, adds_special):
    from transformers import PreTrainedTokenizerFast

    names = json.load(open(os.path.join(folder, "tokenizer_config.json")))
    kept = {k: v if isinstance(v, str) else v["content"] for k, v in names.items() if k in ("bos_token", "eos_token", "unk_token", "pad_token") and v}
    tokenizer = PreTrainedTokenizerFast(tokenizer_file=os.path.join(folder, "tokenizer.json"), **kept)

    def prompt(messages):
        turns = [{"role": role, "content": [{"type": "image"}] * images + [{"type": "text", "text": text}]} for role, text, images in messages]
        text = tokenizer.apply_chat_template(turns, chat_template=template, add_generation_prompt=True, tokenize=False)
        ids, images = [], 0
        for i in tokenizer(text, add_special_tokens=adds_special)["input_ids"]:
            images += i == image_id
            ids.append(-images if i == image_id else i)
        return ids

    return prompt, lambda ids: tokenizer.decode(ids, skip_special_tokens=True)


def conversation(path, prompt, decode, model):
    block = load_file(os.path.join(path, "reference.safetensors"))["embeddings"].float()
    messages, turns = [], []
    for i, question in enumerate(QUESTIONS):
        messages.append(("user", question, IMAGES.get(i, 0)))
        ids = prompt(messages)
        with torch.no_grad():
            parts = [block if i < 0 else model.embed([i]) for i in ids]
            sequence = torch.cat(parts)
            length, answer, gap = len(sequence), [], 1e9
            for _ in range(ANSWER):
                top = model.last(sequence, length).topk(2)
                gap = min(gap, float(top.values[0] - top.values[1]))
                answer.append(int(top.indices[0]))
                sequence = torch.cat([sequence, model.embed(answer[-1:])])
        text = decode(answer)
        messages.append(("assistant", text, 0))
        turns.append({"question": question, "images": IMAGES.get(i, 0), "prompt": ids, "ids": answer, "answer": text})
        print(f"{os.path.basename(path)} {i}: {length} positions, gap {gap:.4f}, {text!r}", flush=True)
    return turns


#: Published forms, written anew in small: what they have is a system text of their own or one within the first question, blanks taken away,
#: begin and end tokens at each turn.
TEMPLATES = {
    "smollm2": "{% for message in messages %}{% if loop.first and messages[0]['role'] != 'system' %}{{ '<|im_start|>system\nYou are a helpful AI "
    "assistant named SmolLM, trained by Hugging Face<|im_end|>\n' }}{% endif %}{{'<|im_start|>' + message['role'] + '\n' + message['content'] + "
    "'<|im_end|>' + '\n'}}{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}",
    "llama2": "{% if messages[0]['role'] == 'system' %}{% set loop_messages = messages[1:] %}{% set system_message = messages[0]['content'] %}"
    "{% else %}{% set loop_messages = messages %}{% set system_message = false %}{% endif %}{% for message in loop_messages %}"
    "{% if (message['role'] == 'user') != (loop.index0 % 2 == 0) %}{{ raise_exception('roles must alternate') }}{% endif %}"
    "{% if loop.index0 == 0 and system_message != false %}{% set content = '<<SYS>>\\n' + system_message + '\\n<</SYS>>\\n\\n' + message['content'] %}"
    "{% else %}{% set content = message['content'] %}{% endif %}{% if message['role'] == 'user' %}"
    "{{ bos_token + '[INST] ' + content.strip() + ' [/INST]' }}{% elif message['role'] == 'assistant' %}"
    "{{ ' ' + content.strip() + ' ' + eos_token }}{% endif %}{% endfor %}",
    "mistral": "{{ bos_token }}{% for message in messages %}{% if (message['role'] == 'user') != (loop.index0 % 2 == 0) %}"
    "{{ raise_exception('roles must alternate') }}{% endif %}{% if message['role'] == 'user' %}{{ '[INST] ' + message['content'] + ' [/INST]' }}"
    "{% elif message['role'] == 'assistant' %}{{ message['content'] + eos_token + ' ' }}{% else %}{{ raise_exception('no such role') }}{% endif %}"
    "{% endfor %}",
    "llama3": "{% set loop_messages = messages %}{% for message in loop_messages %}{% set content = '<|start_header_id|>' + message['role'] + "
    "'<|end_header_id|>\n\n'+ message['content'] | trim + '<|eot_id|>' %}{% if loop.index0 == 0 %}{% set content = bos_token + content %}{% endif %}"
    "{{ content }}{% endfor %}{% if add_generation_prompt %}{{ '<|start_header_id|>assistant<|end_header_id|>\n\n' }}{% endif %}",
    "granite": "{% for message in messages %}{{ '<|start_of_role|>' + message['role'] + '<|end_of_role|>' + message['content'] + '<|end_of_text|>\n' }}"
    "{% endfor %}{% if add_generation_prompt %}{{ '<|start_of_role|>assistant<|end_of_role|>' }}{% endif %}",
    "zephyr": "{% for message in messages %}{% if message['role'] == 'user' %}{{ '<|user|>\n' + message['content'] + eos_token }}"
    "{% elif message['role'] == 'system' %}{{ '<|system|>\n' + message['content'] + eos_token }}{% elif message['role'] == 'assistant' %}"
    "{{ '<|assistant|>\n'  + message['content'] + eos_token }}{% endif %}{% if loop.last and add_generation_prompt %}{{ '<|assistant|>' }}{% endif %}"
    "{% endfor %}",
}


def templates():
    from transformers.utils.chat_template_utils import render_jinja_template

    talk = [("user", " What is it?", 0), ("assistant", "A cat.\n", 0), ("user", "Why?", 0), ("assistant", "It purrs", 0), ("user", "So {text}?\n", 0)]
    trials = [talk, talk[:1], talk[:3], [("system", " Be brief.\n", 0), *talk], [("system", "", 0), *talk[:1]]]
    found = {}
    for name, template in TEMPLATES.items():
        found[name] = {"template": template, "texts": []}
        for trial in trials:
            messages = [{"role": role, "content": text} for role, text, _ in trial]
            try:
                texts, _ = render_jinja_template(
                    conversations=[messages], chat_template=template, add_generation_prompt=True, bos_token="<s>", eos_token="</s>"
                )
                text = texts[0].removeprefix("<s>")
            except Exception:
                text = None
            found[name]["texts"].append({"messages": messages, "text": text})
    return found


def main(checkpoints, output):
    from transformers import AutoModelForImageTextToText

    def folder(name):
        return os.path.join(checkpoints, name, "checkpoint")

    def published(name):
        # Only the decoder is used: the tower may lack a size that the converter knows.
        return Causal(AutoModelForImageTextToText.from_pretrained(folder(name), dtype=torch.float32, ignore_mismatched_sizes=True))

    found = {}
    image = json.load(open(os.path.join(folder("llava_hf"), "added_tokens.json")))["<image>"]
    cases = {
        "llava_hf": (transformers_prompt(folder("llava_hf"), VICUNA, image, True), published("llava_hf")),
        "monkey": (qwen_make_context(folder("monkey")), QwenV1(folder("monkey"))),
        "vary_toy": (vary_prompt(folder("vary_toy")), QwenV1(folder("vary_toy"))),
    }
    chat = json.load(open(os.path.join(folder("smolvlm"), "chat_template.json")))["chat_template"]
    config = json.load(open(os.path.join(folder("smolvlm"), "config.json")))
    cases["smolvlm"] = (transformers_prompt(folder("smolvlm"), chat, config["image_token_id"], False), published("smolvlm"))
    for name, ((prompt, decode), model) in cases.items():
        found[name] = conversation(os.path.join(checkpoints, name), prompt, decode, model)
    with open(output, "w") as f:
        json.dump({"vicuna": VICUNA, "conversations": found, "templates": templates()}, f)
        f.write("\n")


if __name__ == "__main__":
    torch.set_num_threads(1)
    main(*sys.argv[1:])
