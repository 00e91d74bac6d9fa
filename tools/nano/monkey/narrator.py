# SPDX-License-Identifier: Apache-2.0
"""What there is to say of a page or a scene: its text, a description, answers to questions."""

import pages as P
import qa
from speech import Speech

READ = "Read all the text in the image."
NUMBERS = "no one two three four five six seven eight nine".split()


def noun(item, colour):
    return f"{colour} {item.text}" if colour else item.text


def article(text, capital):
    word = "an" if text[0] in "aeiou" else "a"
    return word.capitalize() if capital else word


class Narrator:
    """`where(scene)` gives a function from a point to the index of the image vector that shows it; `ask(question)`, `describe` and
    `brief` are the texts after the image block."""

    def __init__(self, tokenizer, where, ask, describe, brief):
        self.tokenizer, self.where, self.ask, self.describe, self.brief = tokenizer, where, ask, describe, brief

    def speech(self):
        return Speech(self.tokenizer)

    def spots(self, scene):
        """The places of each text item's characters and of each item's centre."""
        at = self.where(scene)
        lines = iter(scene.lines)
        letters = {i: [at(g.x, g.y) for g in next(lines)] for i, item in enumerate(scene.items) if item.type in P.TEXT_KINDS}
        return letters, [at(*item.centre) for item in scene.items]

    def reading(self, scene):
        out, at = self.speech(), self.where(scene)
        for i, (line, text) in enumerate(zip(scene.lines, scene.texts)):
            places = [at(g.x, g.y) for g in line]
            if i:
                out.say("\n", places[0])
            out.spell(text, places)
        return out.answer("read", self.ask(READ), "\n".join(scene.texts))

    def detailed_caption(self, scene):
        letters, centres = self.spots(scene)
        count = len(scene.items)
        first = f"There are {NUMBERS[count]} things in the image." if count > 1 else "There is one thing in the image."
        out, parts = self.speech().say(first), [first]
        for i, (item, colour, at) in enumerate(zip(scene.items, scene.colours, centres)):
            place = f" is at the {qa.CELLS[item.cell]}."
            if i in letters:
                out.say(' The text "', at).spell(item.text, letters[i]).say('"', at).say(place, at)
                parts.append(f'The text "{item.text}"{place}')
            else:
                sentence = f"{article(noun(item, colour), True)} {noun(item, colour)}{place}"
                out.say(" " + sentence, at)
                parts.append(sentence)
        return out.answer("caption", self.describe, " ".join(parts))

    def short_caption(self, scene):
        """The things' names alone."""
        _, centres = self.spots(scene)
        out, text = self.speech(), ""
        for i, (item, at) in enumerate(zip(scene.items, centres)):
            name = "text" if item.type in P.TEXT_KINDS else item.text
            link = "" if i == 0 else " and " if i == len(scene.items) - 1 else ", "
            part = f"{link}{article(name, i == 0)} {name}"
            out.say(part, at)
            text += part
        out.say(".")
        return out.answer("short", self.brief, text + ".")

    def questions(self, rng, scene, count):
        """About single things: where, which colour, what is at a place, what a text says, how many."""
        letters, centres = self.spots(scene)
        order, out = [int(i) for i in rng.permutation(len(scene.items))], []
        for k in range(count):
            i = order[k % len(order)]
            item, colour, at = scene.items[i], scene.colours[i], centres[i]
            cell, form = qa.CELLS[item.cell], rng.random()
            if form < 0.08:
                task, question, text, at = "count", "How many things are in the image?", NUMBERS[len(scene.items)], None
            elif i in letters:
                out.append(self.speech().spell(item.text, letters[i]).answer("text", self.ask(f"What does the text at the {cell} say?"), item.text))
                continue
            elif colour and form < 0.4:
                task, question, text = "colour", f"What color is the {item.text}?", colour
            elif form < 0.7:
                task, question, text = "where", f"Where is the {item.text}?", cell
            else:
                task, question, text = "what", f"What is at the {cell}?", noun(item, colour)
            said = self.speech().say(text) if at is None else self.speech().say(text, at)
            out.append(said.answer(task, self.ask(question), text))
        return out
