# SPDX-License-Identifier: Apache-2.0
"""The tensors of DeepSeek-OCR and of its second version as published."""


def shapes(config, image=1024):
    """Names and shapes of the published checkpoint."""
    c = config["language_config"]
    sam, clip = config["vision_config"]["width"]["sam_vit_b"], config["vision_config"]["width"]["clip-l-14-224"]
    h, side, head = sam["width"], image // 16, sam["width"] // sam["heads"]
    neck, (middle, out) = sam.get("neck", 256), sam["downsample_channels"]
    p = "model.sam_model."
    s = {p + "pos_embed": (1, side, side, h), p + "patch_embed.proj.weight": (h, 3, 16, 16), p + "patch_embed.proj.bias": (h,)}

    def both(name, outputs, inputs):
        s[name + ".weight"], s[name + ".bias"] = (outputs, inputs), (outputs,)

    def norm(name, size):
        s[name + ".weight"], s[name + ".bias"] = (size,), (size,)

    for i in range(sam["layers"]):
        n = f"{p}blocks.{i}."
        length = 2 * (side if i in sam["global_attn_indexes"] else 14) - 1
        s |= {n + "attn.rel_pos_h": (length, head), n + "attn.rel_pos_w": (length, head)}
        both(n + "attn.qkv", 3 * h, h)
        both(n + "attn.proj", h, h)
        both(n + "mlp.lin1", sam.get("mlp", 4 * h), h)
        both(n + "mlp.lin2", h, sam.get("mlp", 4 * h))
        norm(n + "norm1", h)
        norm(n + "norm2", h)
    s |= {p + "neck.0.weight": (neck, h, 1, 1), p + "neck.2.weight": (neck, neck, 3, 3)}
    norm(p + "neck.1", neck)
    norm(p + "neck.3", neck)
    s |= {p + "net_2.weight": (middle, neck, 3, 3), p + "net_3.weight": (out, middle, 3, 3)}
    p, w, m = "model.vision_model.", clip["width"], clip.get("mlp", 4 * clip["width"])
    s[p + "embeddings.class_embedding"] = (w,)
    s[p + "embeddings.patch_embedding.weight"] = (w, 3, 14, 14)
    s[p + "embeddings.position_embedding.weight"] = ((clip["image_size"] // 14) ** 2 + 1, w)
    norm(p + "pre_layrnorm", w)
    for i in range(clip["layers"]):
        n = f"{p}transformer.layers.{i}."
        both(n + "self_attn.qkv_proj", 3 * w, w)
        both(n + "self_attn.out_proj", w, w)
        both(n + "mlp.fc1", m, w)
        both(n + "mlp.fc2", w, m)
        norm(n + "layer_norm1", w)
        norm(n + "layer_norm2", w)
    d = c["hidden_size"]
    both("model.projector.layers", d, w + out)
    s |= {"model.image_newline": (d,), "model.view_seperator": (d,), "model.norm.weight": (d,)}
    s |= {"model.embed_tokens.weight": (c["vocab_size"], d), "lm_head.weight": (c["vocab_size"], d)}

    def gated(name, size):
        s.update({f"{name}.gate_proj.weight": (size, d), f"{name}.up_proj.weight": (size, d), f"{name}.down_proj.weight": (d, size)})

    for i in range(c["num_hidden_layers"]):
        n = f"model.layers.{i}."
        s |= {f"{n}self_attn.{m}_proj.weight": (d, d) for m in "qkvo"}
        s |= {n + "input_layernorm.weight": (d,), n + "post_attention_layernorm.weight": (d,)}
        if i < c["first_k_dense_replace"]:
            gated(n + "mlp", c["intermediate_size"])
            continue
        s[n + "mlp.gate.weight"] = (c["n_routed_experts"], d)
        gated(n + "mlp.shared_experts", c["n_shared_experts"] * c["moe_intermediate_size"])
        for e in range(c["n_routed_experts"]):
            gated(f"{n}mlp.experts.{e}", c["moe_intermediate_size"])
    return s


def second(config):
    """Names and shapes of DeepSeek-OCR 2: the tower behind SAM's is a Qwen2 decoder with queries, of `encoder_config`."""
    c = config["vision_config"]["encoder_config"]
    h, m = c["hidden_size"], c["intermediate_size"]
    head = h // c["num_attention_heads"]
    width = {**config["vision_config"]["width"], "clip-l-14-224": {"width": h, "layers": 0, "image_size": 224}}
    first = shapes({**config, "vision_config": {"width": width}})
    s = {n: shape for n, shape in first.items() if not n.startswith(("model.vision_model.", "model.projector.")) and n != "model.image_newline"}
    d = config["language_config"]["hidden_size"]
    s |= {"model.projector.layers.weight": (d, h), "model.projector.layers.bias": (d,)}
    s |= {"model.qwen2_model.query_768.weight": (144, h), "model.qwen2_model.query_1024.weight": (256, h)}
    for i in range(c["num_hidden_layers"]):
        n = f"model.qwen2_model.model.model.layers.{i}."
        for part, size in (("q", h), ("k", c["num_key_value_heads"] * head), ("v", c["num_key_value_heads"] * head)):
            s |= {f"{n}self_attn.{part}_proj.weight": (size, h), f"{n}self_attn.{part}_proj.bias": (size,)}
        s |= {n + "self_attn.o_proj.weight": (h, h), n + "mlp.gate_proj.weight": (m, h), n + "mlp.up_proj.weight": (m, h)}
        s |= {n + "mlp.down_proj.weight": (h, m), n + "input_layernorm.weight": (h,), n + "post_attention_layernorm.weight": (h,)}
    s["model.qwen2_model.model.model.norm.weight"] = (h,)
    return s
