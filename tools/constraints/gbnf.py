# SPDX-License-Identifier: Apache-2.0
"""A reference for grammars in GBNF: a parser of the notation and Earley's algorithm over characters. Slow and plain; it shares nothing with the
library."""

from __future__ import annotations

from collections.abc import Iterator

Spans = tuple[tuple[int, int], ...]
# A symbol: a rule's number, or the characters of a terminal.
Symbol = int | Spans
ESCAPES = {"t": 9, "n": 10, "r": 13}


def complement(spans: list[tuple[int, int]]) -> Spans:
    found, start = [], 0
    for low, high in sorted(spans):
        if low > start:
            found.append((start, low - 1))
        start = max(start, high + 1)
    return tuple([*found, (start, 0x10FFFF)] if start <= 0x10FFFF else found)


class Grammar:
    def __init__(self, text: str) -> None:
        self.text, self.at = text, 0
        self.names: dict[str, int] = {}
        self.rules: list[list[tuple[Symbol, ...]]] = []
        self.skip(True)
        while self.at < len(self.text):
            number = self.rule(self.word())
            self.skip(False)
            assert self.take("::=")
            self.skip(True)
            self.rules[number] = self.alternatives(False)
            self.skip(True)
        self.root = self.names["root"]
        self.keep_productive()
        self.nullable = self.fixpoint(lambda rule, known: any(all(isinstance(s, int) and s in known for s in p) for p in rule))

    # The notation.

    def rule(self, name: str | None = None) -> int:
        if name is not None and name in self.names:
            return self.names[name]
        self.rules.append([])
        if name is not None:
            self.names[name] = len(self.rules) - 1
        return len(self.rules) - 1

    def take(self, text: str) -> bool:
        if not self.text.startswith(text, self.at):
            return False
        self.at += len(text)
        return True

    def peek(self) -> str:
        return self.text[self.at : self.at + 1]

    def word(self) -> str:
        start = self.at
        while self.peek().isascii() and (self.peek().isalnum() or self.peek() in ("-", "_")):
            self.at += 1
        assert self.at > start, self.text[start:]
        return self.text[start : self.at]

    def skip(self, lines: bool) -> None:
        while self.at < len(self.text) and (self.peek() in " \t#" or lines and self.peek() in "\r\n"):
            if self.peek() == "#":
                while self.at < len(self.text) and self.peek() not in "\r\n":
                    self.at += 1
            else:
                self.at += 1

    def alternatives(self, inside: bool) -> list[tuple[Symbol, ...]]:
        found: list[tuple[Symbol, ...]] = []
        while True:
            parts: list[Symbol] = []
            while self.peek() and self.peek() not in "|)\r\n":
                parts += self.repeated(self.term(), inside)
            found.append(tuple(parts))
            if not self.take("|"):
                return found
            self.skip(True)

    def term(self) -> tuple[Symbol, ...]:
        if self.take('"'):
            symbols: list[Symbol] = []
            while not self.take('"'):
                c = self.character()
                symbols.append(((c, c),))
            return tuple(symbols)
        if self.take("["):
            negated, spans = self.take("^"), []
            while not self.take("]"):
                low = high = self.character()
                if self.peek() == "-" and self.text[self.at + 1] != "]":
                    self.at += 1
                    high = self.character()
                spans.append((low, high))
            return (complement(spans) if negated else tuple(spans),)
        if self.take("."):
            return (((0, 0x10FFFF),),)
        if self.take("("):
            self.skip(True)
            number = self.rule()
            self.rules[number] = self.alternatives(True)
            assert self.take(")")
            return (number,)
        return (self.rule(self.word()),)

    def character(self) -> int:
        c = self.peek()
        self.at += 1
        if c != "\\":
            return ord(c)
        c = self.peek()
        self.at += 1
        if c in "xuU":
            size = {"x": 2, "u": 4, "U": 8}[c]
            self.at += size
            return int(self.text[self.at - size : self.at], 16)
        return ESCAPES.get(c, ord(c))

    def repeated(self, item: tuple[Symbol, ...], inside: bool) -> tuple[Symbol, ...]:
        self.skip(inside)
        while self.peek() and self.peek() in "*+?{":
            c = self.peek()
            self.at += 1
            least, most = {"*": (0, None), "+": (1, None), "?": (0, 1)}.get(c, (0, 0))
            if c == "{":
                end = self.text.index("}", self.at)
                bounds = self.text[self.at : end].split(",")
                self.at = end + 1
                least = int(bounds[0])
                most = least if len(bounds) == 1 else int(bounds[1]) if bounds[1].strip() else None
            if most is None:
                tail = self.rule()
                self.rules[tail] = [(), (*item, tail)]
                item = item * least + (tail,)
            else:
                tail: tuple[Symbol, ...] = ()
                for _ in range(most - least):
                    number = self.rule()
                    self.rules[number] = [(), (*item, *tail)]
                    tail = (number,)
                item = item * least + tail
            self.skip(inside)
        return item

    # What rules can do.

    def fixpoint(self, holds) -> set[int]:
        known: set[int] = set()
        while True:
            more = {i for i, rule in enumerate(self.rules) if i not in known and holds(rule, known)}
            if not more:
                return known
            known |= more

    def keep_productive(self) -> None:
        def is_good(s: Symbol, known: set[int]) -> bool:
            return s in known if isinstance(s, int) else bool(s)

        known = self.fixpoint(lambda rule, known: any(all(is_good(s, known) for s in p) for p in rule))
        self.rules = [[p for p in rule if all(is_good(s, known) for s in p)] for rule in self.rules]
        self.is_satisfiable = self.root in known


class Recognizer:
    """Earley's sets after some characters, and the bytes of one that is not complete. Immutable."""

    def __init__(self, grammar: Grammar) -> None:
        self.grammar = grammar
        self.columns: list[set[tuple[int, int, int, int]]] = []
        self.rest = b""
        self._close({(grammar.root, i, 0, 0) for i in range(len(grammar.rules[grammar.root]))})

    def _close(self, items: set[tuple[int, int, int, int]]) -> None:
        """Items are rule, alternative, dot, origin."""
        g, here = self.grammar, len(self.columns)
        todo = list(items)
        self.columns = [*self.columns, items]
        while todo:
            rule, alternative, dot, origin = todo.pop()
            parts = g.rules[rule][alternative]
            new: list[tuple[int, int, int, int]] = []
            if dot == len(parts):
                for r, a, d, o in list(self.columns[origin]):
                    p = g.rules[r][a]
                    if d < len(p) and p[d] == rule:
                        new.append((r, a, d + 1, o))
            elif isinstance(parts[dot], int):
                new += [(parts[dot], i, 0, here) for i in range(len(g.rules[parts[dot]]))]
                if parts[dot] in g.nullable:
                    new.append((rule, alternative, dot + 1, origin))
            for item in new:
                if item not in items:
                    items.add(item)
                    todo.append(item)

    def _terminals(self) -> Iterator[tuple[Spans, tuple[int, int, int, int]]]:
        for item in self.columns[-1]:
            parts = self.grammar.rules[item[0]][item[1]]
            if item[2] < len(parts) and not isinstance(parts[item[2]], int):
                yield parts[item[2]], item

    @property
    def accepts(self) -> bool:
        g = self.grammar
        return not self.rest and any(r == g.root and o == 0 and d == len(g.rules[r][a]) for r, a, d, o in self.columns[-1])

    def after(self, byte: int) -> Recognizer | None:
        """None: no text goes on so."""
        rest = self.rest + bytes([byte])
        spans = characters(rest)
        if spans is None:
            return None
        low, high = spans
        found = {(r, a, d + 1, o) for terminal, (r, a, d, o) in self._terminals() if any(x <= high and y >= low for x, y in usable(terminal))}
        if not found:
            return None
        made = Recognizer.__new__(Recognizer)
        made.grammar, made.columns, made.rest = self.grammar, self.columns, b""
        if len(rest) == length(rest[0]):
            made._close(found)
        else:
            made.rest = rest
        return made


def usable(spans: Spans) -> list[tuple[int, int]]:
    """Without surrogates, which no text holds."""
    found = []
    for low, high in spans:
        found += [(a, b) for a, b in ((low, min(high, 0xD7FF)), (max(low, 0xE000), high)) if a <= b]
    return found


def length(lead: int) -> int:
    return 1 if lead < 0x80 else 0 if lead < 0xC2 else 2 if lead < 0xE0 else 3 if lead < 0xF0 else 4 if lead < 0xF5 else 0


def characters(first: bytes) -> tuple[int, int] | None:
    """The lowest and highest character whose UTF-8 begins so; None: there is none."""
    size = length(first[0])
    if size == 0 or any(byte & 0xC0 != 0x80 for byte in first[1:]):
        return None
    value = first[0] if size == 1 else first[0] & (0x7F >> size)
    for byte in first[1:]:
        value = value << 6 | byte & 0x3F
    shift = 6 * (size - len(first))
    low, high = value << shift, (value + 1 << shift) - 1
    low, high = max(low, [0, 0, 0x80, 0x800, 0x10000][size]), min(high, 0x10FFFF)
    return (low, high) if low <= high and not 0xD800 <= low <= high <= 0xDFFF else None
