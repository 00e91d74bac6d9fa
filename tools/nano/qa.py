# SPDX-License-Identifier: Apache-2.0
"""Questions about a page: wording (several paraphrases each), free answers and the multiple-choice form of EntityGrid-QA."""

from dataclasses import dataclass

import entities as E
import pages as P

CELLS = ["top left", "top center", "top right", "middle left", "center", "middle right", "bottom left", "bottom center", "bottom right"]
RELATIONS = {
    (0, -1): "above",
    (0, 1): "below",
    (-1, 0): "left",
    (1, 0): "right",
    (-1, -1): "upper left",
    (1, -1): "upper right",
    (-1, 1): "lower left",
    (1, 1): "lower right",
}
LETTERS = "ABCD"

WHAT = [
    "What is in the picture?",
    "What is in the image?",
    "What is the object in the picture?",
    "What does the picture show?",
    "What does the image show?",
    "What can you see in the picture?",
    "What is shown in the image?",
    "Name the entity in the picture.",
    "Which entity is in the image?",
    "What do you see?",
]
READ = [
    "What does the text say?",
    "Read the text.",
    "What is written in the picture?",
    "What text is in the image?",
    "Read the text in the picture.",
    "What does it say?",
    "What is written here?",
]
WHERE = [
    "Where is {e} in the picture?",
    "Where is {e} in the image?",
    "Where is {e}?",
    "In which part of the picture is {e}?",
    "What is the position of {e}?",
    "Where can you see {e} in the image?",
]
COUNT = [
    "How many {p} are in the picture?",
    "How many {p} are in the image?",
    "How many {p} are there?",
    "How many {p} can you see?",
    "Count the {p} in the picture.",
]
COUNT_TEXT = [
    "How many times does {e} appear in the picture?",
    "How often is {e} in the image?",
    "How many times can you see {e}?",
    "How many {t} are in the picture?",
    "How many {t} are there?",
]
EXISTS = ["Is there {a} in the picture?", "Is there {a} in the image?", "Can you see {a} in the picture?", "Does the image show {a}?"]
AT = ["What is at the {c}?", "What is in the {c} of the picture?", "What is at the {c} of the image?", "What can you see at the {c}?"]
RELATIVE = ["Where is {e} relative to {f}?", "Where is {e} compared with {f}?", "What is the position of {e} relative to {f}?"]
WHICH = ["Which of these is in the picture?", "Which of these can you see in the image?", "Which one is in the picture?"]
INSTRUCTIONS = ["Answer with the option's letter from the given choices directly."] * 3 + [
    "Answer with the option's letter.",
    "Answer with the letter of the right option.",
    "",
]

PLURALS = {"cross": "crosses", "fish": "fish"}
FORMS = {
    "word": ["the word {}", "{}", '"{}"', 'the word "{}"', 'the text "{}"'],
    "number": ["the number {}", "{}", '"{}"', 'the number "{}"'],
    "string": ["the text {}", "{}", '"{}"', 'the text "{}"', "the string {}"],
}


@dataclass
class Question:
    task: str  # what, read, where, count, exists, at, relative, which
    text: str
    answer: str
    choices: tuple = ()
    cells: tuple = None  # where the asked entity stands (training label; None: not labelled)
    entity: str = ""  # its text in the question

    def asked(self, rng=None):
        """The user's text; choices follow in lines, then the instruction."""
        if not self.choices:
            return self.text
        lines = [f"{letter}. {choice}" for letter, choice in zip(LETTERS, self.choices)]
        instruction = INSTRUCTIONS[0] if rng is None else pick(rng, INSTRUCTIONS)
        return "\n".join([self.text] + lines + ([instruction] if instruction else []))


def pick(rng, values):
    return values[int(rng.integers(len(values)))]


def mention(rng, entity):
    type, text = entity[:2]
    return pick(rng, FORMS[type]).format(text) if type in P.TEXT_KINDS else "the " + text


def indefinite(rng, entity):
    type, text = entity[:2]
    if type in P.TEXT_KINDS:
        return pick(rng, FORMS[type]).format(text)
    return ("an " if text[0] in "aeiou" else "a ") + text


def plural(name):
    return PLURALS.get(name, name + "s")


def what(rng, entity):
    return Question("what", pick(rng, WHAT if entity[0] not in P.TEXT_KINDS or rng.random() < 0.6 else READ), entity[1])


def read(rng, entity):
    return Question("read", pick(rng, READ), entity[1])


def where(rng, entity, cell):
    return Question("where", pick(rng, WHERE).format(e=mention(rng, entity)), CELLS[cell], cells=(cell,), entity=entity[1])


def count(rng, entity, number, cells=None):
    if entity[0] in P.TEXT_KINDS:
        text = pick(rng, COUNT_TEXT).format(e=mention(rng, entity), t=entity[1])
    else:
        text = pick(rng, COUNT).format(p=plural(entity[1]))
    return Question("count", text, str(number), cells=cells, entity=entity[1])


def exists(rng, entity, there, cells=None):
    return Question(
        "exists", pick(rng, EXISTS).format(a=indefinite(rng, entity)), "yes" if there else "no", cells=cells if there else (), entity=entity[1]
    )


def at(rng, entity, cell):
    return Question("at", pick(rng, AT).format(c=CELLS[cell]), entity[1])


def relative(rng, first, second, cell_a, cell_b):
    dx = (cell_a % 3 > cell_b % 3) - (cell_a % 3 < cell_b % 3)
    dy = (cell_a // 3 > cell_b // 3) - (cell_a // 3 < cell_b // 3)
    return Question("relative", pick(rng, RELATIVE).format(e=mention(rng, first), f=mention(rng, second)), RELATIONS[dx, dy])


def which(rng, entity):
    return Question("which", pick(rng, WHICH), entity[1])


def other_entity(rng, like, avoid):
    """A random entity, half of the time of the same type, whose text is not in `avoid`."""
    while True:
        entity = P.random_entity(rng, like[0] if rng.random() < 0.5 else None)
        if entity[1] not in avoid:
            return entity


def near_miss(rng, entity, avoid):
    """A number or string that differs from the given one in one character."""
    alphabet = "0123456789" if entity[0] == "number" else E.STRING_ALPHABET
    while True:
        text = list(entity[1])
        i = int(rng.integers(len(text)))
        if text[i] != ".":
            text[i] = pick(rng, alphabet)
        if "".join(text) not in avoid:
            return entity[0], "".join(text)


def with_choices(rng, question, entity=None, present=(), near=0.0):
    """The multiple-choice form: four options, one correct, shuffled; the answer becomes the letter."""
    options = [question.answer]
    if question.task == "where":
        pool = [c for c in CELLS if c != question.answer]
    elif question.task == "relative":
        pool = [r for r in RELATIONS.values() if r != question.answer]
    elif question.task == "count":
        pool = [str(i) for i in range(1, 6) if str(i) != question.answer]
    else:
        pool = None
    avoid = set(present) | {question.answer}
    while len(options) < 4:
        if pool is not None:
            option = pool.pop(int(rng.integers(len(pool))))
        elif entity[0] in ("number", "string") and rng.random() < near:
            option = near_miss(rng, entity, avoid)[1]
        else:
            option = other_entity(rng, entity, avoid)[1]
        options.append(option)
        avoid.add(option)
    order = rng.permutation(4)
    choices = tuple(options[i] for i in order)
    return Question(question.task, question.text, LETTERS[list(order).index(0)], choices, question.cells, question.entity)


def lexicon():
    """Every phrase whose words deserve tokens of their own."""
    phrases = WHAT + READ + WHERE + COUNT + COUNT_TEXT + EXISTS + AT + RELATIVE + WHICH + INSTRUCTIONS + CELLS
    phrases += list(RELATIONS.values()) + ["yes", "no"] + [f.replace("{}", "") for fs in FORMS.values() for f in fs]
    phrases += E.PICTURES + E.WORDS
    words = set()
    for phrase in phrases:
        for word in phrase.split():
            word = word.strip('?."')
            if word and "{" not in word:
                words.add(word)
    return sorted(words)
