# SPDX-License-Identifier: Apache-2.0
"""What is asked of a scene and answered, in the wording that `fovea` uses for Ferret's tasks, and as tokens that say what each is about."""

from dataclasses import dataclass

import numpy as np

from . import regions as R
from . import scenes as S
from . import tokens as T

REFER = ["What is <region>?", "What is the object <region>?", "What can you see at <region>?"]
LOCATE = ["What is the location of {e} in the image?"] * 2 + ["Where is {e} in the image?", "Where is {e}?"]
FIND = "What are the locations of {e}?"
HINT = "\nInclude the coordinates for each mentioned object."
DETECT = "List all objects in the image in raster order with their coordinates."
CAPTION = ["What is in the image?", "Describe the image."]
PHRASES = REFER + LOCATE + [FIND, HINT, DETECT] + CAPTION
NOTHING = -1


@dataclass
class Turn:
    task: str  # refer, ground, detect, caption
    text: str  # the question; <region> stands for the region
    answer: str
    spans: list  # of the answer: (first character, behind the last, index of the thing they are about)
    name: tuple = None  # (first character, behind the last, thing) of a name in the question
    region: object = None
    thing: int = NOTHING


def article(name):
    return ("an " if name[0] in "aeiou" else "a ") + name


def box_text(scene, thing):
    return R.coordinates(thing.box, scene.size)


def listed(parts, things, joint=", "):
    """Parts joined, and where each stands."""
    text, spans = "", []
    for part, thing in zip(parts, things):
        text += joint if text else ""
        spans.append((len(text), len(text) + len(part), thing))
        text += part
    return text, spans


def refer(rng, scene, i, form):
    t = scene.things[i]
    return Turn("refer", REFER[rng.integers(len(REFER))], t.name, [(0, len(t.name), i)], None, R.region(rng, scene, t, form), i)


def ground(rng, scene, i):
    t = scene.things[i]
    asked = ("the " if rng.random() < 0.7 else "") + t.name
    text = LOCATE[rng.integers(len(LOCATE))]
    first = text.index("{e}")
    answer = f"{t.name} {box_text(scene, t)}"
    return Turn("ground", text.format(e=asked), answer, [(0, len(answer), i)], (first, first + len(asked), i), None, i)


def find(rng, scene, chosen):
    names = [scene.things[i].name for i in chosen]
    answer, spans = listed([f"{n} {box_text(scene, scene.things[i])}" for n, i in zip(names, chosen)], chosen)
    return Turn("ground", FIND.format(e=", ".join(names)), answer, spans)


def detect(scene, text=DETECT):
    answer, spans = listed([f"{t.name} {box_text(scene, t)}" for t in scene.things], range(len(scene.things)))
    return Turn("detect", text, answer, spans)


def caption(rng, scene, low=False):
    """`low`: seen too small to read."""
    names = ["a word" if low and t.letters else "the " + t.name if t.letters else article(t.name) for t in scene.things]
    return Turn("caption", CAPTION[rng.integers(len(CAPTION))], *listed(names, range(len(names))))


def instruct_list(rng, scene):
    kind = rng.random()
    if kind < 0.5:
        return detect(scene)
    if kind < 0.75:
        return detect(scene, CAPTION[rng.integers(len(CAPTION))] + HINT)
    if kind < 0.85 and len(scene.things) > 1:
        return find(rng, scene, [int(i) for i in rng.permutation(len(scene.things))[:2]])
    return caption(rng, scene)


def some(rng, scene, count):
    """Indices of things, each once before any comes again."""
    order = []
    while len(order) < count:
        order += [int(i) for i in rng.permutation(len(scene.things))]
    return order[:count]


def around_image():
    """Ids before the image (with <s>) and after it, up to and including the newline."""
    v = T.tokenizer()
    return [v.BOS] + v.encode("USER: "), v.encode("\n")


def ids(text):
    """The question after the shared beginning."""
    after = around_image()[1]
    head = T.tokenizer().with_regions("\n" + text + " ASSISTANT:")
    assert head[: len(after)] == after
    return head[len(after) :]


def question(turn, size):
    """The text with the region's coordinates and token."""
    return turn.text if turn.region is None else turn.text.replace(T.MARK, turn.region.text(size) + " " + T.REGION)


def tokens_of(turn, size):
    """head ids, tail ids, and of each of both the thing it is about."""
    v, after = T.tokenizer(), len(around_image()[1])
    text = question(turn, size)
    head = ids(text)
    about = [NOTHING] * len(head)
    if turn.name is not None:
        begin, end = (len(v.with_regions("\n" + text[:n])) - after for n in (turn.name[0], turn.name[1]))
        for k in range(max(begin, 0), end):
            about[k] = turn.name[2]
    if turn.region is not None:
        first = head.index(v.region)
        about[first:] = [turn.thing] * (len(head) - first)
    tail = v.encode(turn.answer)
    ends, at = [], 0
    for i in tail:  # where each token ends in the answer
        piece = v.sp.id_to_piece(i)
        at += len(piece) - (1 if not ends and piece.startswith("\u2581") else 0)
        ends.append(at)
    said = [next((thing for a, b, thing in turn.spans if a < e <= b), NOTHING) for e in ends]
    return head, tail + [v.EOS], about, said + [NOTHING]


def pack(rows, task):
    """Turns `[images][count]`, each with its image's size -> arrays `[images, count, longest]`. `about` says for each position which
    thing its target is about, or the token itself in a question; `number` the target as a number, or -1."""
    v = T.tokenizer()
    made = [tokens_of(turn, size) for image in rows for turn, size in image]
    longest = max(len(h) + len(t) for h, t, _, _ in made) - 1
    n = len(made)
    x, y = np.full((n, longest), v.EOS, np.int64), np.zeros((n, longest), np.int64)
    w, about, number = np.zeros((n, longest), np.float32), np.full((n, longest), NOTHING, np.int8), np.full((n, longest), -1, np.int16)
    for k, (head, tail, asked, said) in enumerate(made):
        whole, first = head + tail, len(head) - 1
        x[k, : len(whole) - 1] = whole[:-1]
        y[k, first : first + len(tail)] = tail
        w[k, first : first + len(tail)] = 1
        about[k, :first] = asked[:-1]
        about[k, first : first + len(tail)] = said
        number[k, first : first + len(tail)] = [v.number_of.get(i, -1) for i in tail]
    shape = (len(rows), len(rows[0]), longest)
    return {"task": task, **{name: a.reshape(shape) for name, a in (("ids", x), ("target", y), ("weight", w), ("about", about), ("number", number))}}


def regions_of(rows, exact=False):
    """Geometry of the regions of turns `[images][count]`, `[images, count, ...]`."""
    flat = [(turn.region, size) for image in rows for turn, size in image]
    g = R.geometry([r for r, _ in flat], [s for _, s in flat], exact)
    return {k: a.reshape(len(rows), len(rows[0]), *a.shape[1:]) for k, a in g.items()}


def batch(rng, stage="instruct", images=16, refers=3, grounds=4):
    grid = S.pick_grid(rng)
    tiles = 0 if stage == "caption" else grid[0] * grid[1]
    count = max(2, round(images * 4 / (1.5 + tiles)))
    scenes = [S.scene(rng, grid) for _ in range(count)]
    b = S.arrays(scenes)
    if stage == "caption":
        b["groups"] = [pack([[(caption(rng, s, True), s.size)] for s in scenes], "caption")]
        return b
    rows = []
    for s in scenes:
        forms = [R.FORMS[(k + int(rng.integers(3))) % 3] if refers % 3 else R.FORMS[k % 3] for k in range(refers)]
        rows.append([(refer(rng, s, i, f), s.size) for i, f in zip(some(rng, s, refers), forms)])
    b["groups"] = [pack(rows, "refer")]
    b["regions"] = regions_of(rows)
    if stage == "instruct":
        b["groups"].append(pack([[(ground(rng, s, i), s.size) for i in some(rng, s, grounds)] for s in scenes], "ground"))
    b["groups"].append(pack([[(detect(s) if stage == "dense" else instruct_list(rng, s), s.size)] for s in scenes], "list"))
    return b
