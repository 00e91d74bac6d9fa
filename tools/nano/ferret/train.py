# SPDX-License-Identifier: Apache-2.0
"""Staged, resumable training of nano Ferret-v2. Run in tools/nano:

    python -m ferret.train --stage encoders --state DIR --minutes 15    both towers on dense labels, in place of pretrained ones
    python -m ferret.train --stage caption  --state DIR --minutes 4     I: captions of the whole view, low resolution
    python -m ferret.train --stage dense    --state DIR --minutes 15    II: dense referring and detection, high resolution
    python -m ferret.train --stage instruct --state DIR --minutes 30    III: every kind of question, with the coordinate hint

Every call goes on from DIR/state.pt (or from --init FILE), trains for the given time with its own learning-rate cycle, and
writes DIR/state.pt every --save seconds. See README.md for the recipe.
"""

import data
import torch
import torch.nn.functional as F
import training
from heads import accuracy

from . import heads as H
from . import scenes as S
from . import talk
from . import tokens as T
from .model import DEFAULT, FerretV2

# Layer -> head -> where it is told to look for the thing spoken of: anywhere, in the tiles, in the whole view. Places are read from the
# whole view: a tile's tokens cannot know where in the image they are, since how many tiles follow comes after them.
LOOKING = {2: {2: "any", 5: "any"}, 3: {0: "whole", 1: "whole", 2: "whole", 3: "whole", 4: "tiles"}, 4: {0: "whole", 1: "whole"}}
SEEN_LAYER, PLACED_LAYER = 1, 2  # their states at the image are read by the dense heads
VIEW = S.SIDE**2
LABELS = ("at", "letter", "kind", "colour", "box")


def labels_of(run, b):
    return {k: run.tensor(b[k]) for k in LABELS}


def part(labels, first, last):
    return {**labels, "at": labels["at"][:, first:last], "letter": labels["letter"][:, first:last]}


def features_loss(run, labels, grid, whole, local):
    """The dense labels on both encoders' features, each in its own view's coordinates."""
    boxes, _ = H.own_view(H.boxes_at(labels), H.patch_places(grid, whole.device)[: labels["at"].shape[1]], grid)
    loss, seen = run.heads["whole"](whole, part(labels, 0, VIEW), boxes[:, :VIEW])
    loss, seen = 2 * loss, {"w." + k: v for k, v in seen.items()}
    if local is not None:
        extra, more = run.heads["local"](local, part(labels, VIEW, None), boxes[:, VIEW:])
        loss = loss + 2 * extra
        seen.update(more)
    return loss, seen


def encoders_loss(run, b):
    with run.autocast():
        labels = labels_of(run, b)
        if run.a.whole_only:
            whole, local = run.model.see(run.tensor(b["pixels"]), None, b["grid"])
            labels = part(labels, 0, VIEW)
        else:
            whole, local = run.model.see(run.tensor(b["pixels"]), run.tensor(b["tiles"]), b["grid"])
        return features_loss(run, labels, b["grid"], whole, local)


def token_losses(logits, target, number, width):
    """Cross-entropy of each target; one that is a number is meant as a bell around it."""
    log = F.log_softmax(logits.float(), -1)
    each = -log.gather(1, target[:, None])[:, 0]
    is_number = number >= 0
    if is_number.any():
        ids = torch.tensor(T.tokenizer().numbers, device=log.device)
        each = each.masked_scatter(is_number, -(T.near_numbers(number[is_number], width) * log[is_number][:, ids]).sum(-1))
    return each


def overlap(a, b):
    """IoU of boxes `[..., 4]`."""
    low, high = torch.maximum(a[..., :2], b[..., :2]), torch.minimum(a[..., 2:], b[..., 2:])
    inside = (high - low).clamp(min=0).prod(-1)
    area = [(x[..., 2:] - x[..., :2]).clamp(min=0).prod(-1) for x in (a, b)]
    return inside / (area[0] + area[1] - inside).clamp(min=1e-6)


def answer_loss(run, b):
    model, heads, a, grid = run.model, run.heads, run.a, b["grid"]
    labels, seen, total = labels_of(run, b), {}, 0.0
    with run.autocast():
        with torch.set_grad_enabled(not a.freeze_vision):
            whole, local = model.see(run.tensor(b["pixels"]), None if a.stage == "caption" else run.tensor(b["tiles"]), grid)
        count = VIEW if local is None else labels["at"].shape[1]
        labels = part(labels, 0, count)
        if not a.freeze_vision:
            extra, more = features_loss(run, labels, grid, whole, local)
            total = total + a.dense_loss * extra
            seen.update({"w.edge": more["w.edge"], "f.kind": more.get("kind", more["w.kind"])})
        vectors = None
        if "regions" in b:
            vectors = model.regions(whole, local, grid, {k: run.tensor(v) for k, v in b["regions"].items()})
            thing = run.tensor(b["groups"][0]["about"]).long().amax(-1)
            for name, weight in (("kind", 0.5), ("colour", 0.2)):
                target = labels[name].long().gather(1, thing)
                logits = heads["region_" + name](vectors)
                total = total + weight * F.cross_entropy(logits.flatten(0, 1).float(), target.flatten())
                seen["reg." + name[:4]] = accuracy(logits, target, torch.ones_like(target, dtype=torch.bool))
        before, after = talk.around_image()
        prefix = model.prefix(model.image_tokens(whole, local), before, after)
        groups = b["groups"]
        hidden, watched = model.decode(prefix, [run.tensor(g["ids"]) for g in groups], vectors, (SEEN_LAYER, PLACED_LAYER), dict.fromkeys(LOOKING))
        first = len(before)
        boxes, places = H.own_view(H.boxes_at(labels), H.patch_places(grid, prefix.device)[:count], grid)
        for name, layer in (("seen", SEEN_LAYER), ("placed", PLACED_LAYER)):
            extra, more = heads[name](watched[layer][0][:, first : first + count], labels, boxes, places=places)
            total = total + a.dense_loss * extra
            seen.update({f"d{layer}." + k: more[k] for k in ("kind", "edge", "place")})
        on_thing = F.one_hot(labels["at"].long() + 1, S.MOST + 1)[..., 1:].transpose(1, 2).float()
        on_thing = F.pad(on_thing, (first, prefix.shape[1] - first - count))  # [B, things, P]
        split = torch.arange(prefix.shape[1], device=prefix.device) < first + VIEW
        parts = {"any": on_thing, "whole": on_thing * split, "tiles": on_thing if local is None else on_thing * ~split}
        for i, g in enumerate(groups):
            weight, target, number, about = (run.tensor(g[k]) for k in ("weight", "target", "number", "about"))
            where = weight > 0
            logits = model.lm_head(hidden[i][where]).float()
            each = token_losses(logits, target[where], number[where], a.bell)
            share = {"refer": 1.0, "ground": 1.5, "list": 1.0, "caption": 1.0}[g["task"]]
            total = total + share * each.mean()
            looked = about >= 0
            image, thing = torch.arange(len(about), device=about.device)[:, None, None].expand_as(about)[looked], about[looked].long()
            for layer, chosen in LOOKING.items():
                for head, where_to in chosen.items():
                    attention = watched["looks", layer][i][:, head][looked]  # [n, P]
                    mass = (attention.float() * parts[where_to][image, thing]).sum(-1)
                    total = total - a.look_loss / len(chosen) * (mass + 1e-3).log().mean()
                    if head == min(chosen):
                        seen[f"look{layer}.{g['task'][:2]}"] = mass.mean().item()
            if run.step % 4:
                continue
            said = logits.argmax(-1)
            words = torch.ones_like(where)
            words[where] = (said == target[where]) | (number[where] >= 0)
            seen[g["task"]] = words.all(-1).float().mean().item()
            numbers = number[where] >= 0
            if numbers.any():
                best = logits[numbers][:, T.tokenizer().numbers].argmax(-1)
                boxes = [x.float().view(-1, 4) for x in (best, number[where][numbers])]
                seen["iou50." + g["task"][:2]] = (overlap(*boxes) >= 0.5).float().mean().item()
                seen["off." + g["task"][:2]] = (boxes[0] - boxes[1]).abs().mean().item()
    return total, seen


def prepare(a, seed):
    vocabulary = T.tokenizer()
    config = {**DEFAULT, "vocab_size": len(vocabulary), "region_token": vocabulary.region}
    if a.stage == "encoders":
        source, loss_of = data.Source(S.encoder_batch, seed, a.workers, views=a.views // a.ranks, whole_only=a.whole_only), encoders_loss
    else:
        source = data.Source(talk.batch, seed, a.workers, stage=a.stage, images=a.images // a.ranks)
        loss_of = answer_loss
    state = training.start_state(a)
    if state:
        config = {**state["config"]}
    config.update(locals=a.locals, refers=a.refers)
    if state and a.stage == "dense" and "dense" not in state["minutes"]:  # MLP_l begins as MLP_g (section 3.4)
        for k in [k for k in state["model"] if ".mm_projector." in k]:
            state["model"][k.replace("mm_projector", "mm_projector_local")] = state["model"][k].clone()
    torch.manual_seed(a.seed)
    model = FerretV2(config)
    d, h = config["width"], config["hidden_size"]
    heads = torch.nn.ModuleDict(
        {
            "whole": H.ThingHeads(d),
            "local": H.ThingHeads(d, letters=True),
            "seen": H.ThingHeads(h, place=True),
            "placed": H.ThingHeads(h, place=True),
            "region_kind": torch.nn.Linear(h, S.NO_KIND + 1),
            "region_colour": torch.nn.Linear(h, S.NO_COLOUR + 1),
        }
    )

    def trainable(name):
        if "vision_tower" in name:
            return a.stage == "encoders" or not a.freeze_vision
        return a.stage != "encoders"

    run = training.Run(
        a,
        model,
        heads,
        state,
        trainable,
        lambda name: a.slow if "vision_tower" in name else 1.0,
        f"{a.stage}:{a.minutes}:{a.steps}:{a.freeze_vision}:{a.locals}:{a.refers}",
    )
    return run, source, loss_of


if __name__ == "__main__":
    p = training.parser(__doc__, ("encoders", "caption", "dense", "instruct"))
    p.add_argument("--freeze-vision", action="store_true")
    p.add_argument("--slow", type=float, default=1.0, help="factor on the learning rate of the towers")
    p.add_argument("--dense-loss", type=float, default=0.4, help="weight of the dense labels on features and states")
    p.add_argument("--look-loss", type=float, default=0.15, help="weight of where to look")
    p.add_argument("--bell", type=float, default=6.0, help="width of a number's bell, thousandths")
    p.add_argument("--views", type=int, default=160, help="views in a batch of the encoders")
    p.add_argument("--whole-only", action="store_true", help="encoders: CLIP alone, on whole views")
    p.add_argument("--images", type=int, default=24, help="images in an answer batch")
    p.add_argument("--locals", choices=("dino", "clip", "none"), default="dino", help="what sees the tiles (ablation)")
    p.add_argument("--refers", choices=("fused", "whole"), default="fused", help="the map that regions are read from (ablation)")
    training.launch(p.parse_args(), prepare)
