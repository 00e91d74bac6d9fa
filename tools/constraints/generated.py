# SPDX-License-Identifier: Apache-2.0
"""Random grammars and schemas, and hostile ones."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator


def grammar(seed: int) -> str:
    """GBNF with recursion, empty alternatives, repetitions of what may be empty, and characters of all lengths; no rule begins with itself."""
    dice = random.Random(seed)
    count = dice.randint(1, 6)
    classes = ["[a-c]", "[^a-z\\n]", "[0-9]", "[éà-ü]", "[日-本]", ".", "[\\U0001F600-\\U0001F64F]", "[\\x00-\\x1F]", "[^\\x00-\\x7F]", "[a-zA-Z_]"]
    texts = ["a", "ab", "abc", ", ", "(", ")", "[", "é", "日本", "if", "\\n", '\\"', "😀", "- "]

    def item(rule: int, depth: int, is_first: bool) -> str:
        kind = dice.random()
        if kind < 0.4:
            made = '"' + dice.choice(texts) + '"'
        elif kind < 0.6:
            made = dice.choice(classes)
        elif kind < 0.75 and depth < 2:
            made = "(" + alternatives(rule, depth + 1, is_first) + ")"
        elif not is_first or rule + 1 < count:
            made = f"r{dice.randrange(rule + 1, count) if is_first else dice.randrange(count)}"
        else:
            made = '"x"'
        return made + dice.choice(["", "", "", "", "*", "+", "?", "{2}", "{1,3}", "{2,}", "{0,2}"])

    def sequence(rule: int, depth: int, is_first: bool) -> str:
        size = dice.choice([1, 1, 2, 2, 3])
        if not is_first:
            return " ".join(item(rule, depth, False) for _ in range(size))
        # What may be empty could let a rule begin with itself: rules that were there before come after a text only.
        parts = [item(rule, depth, True)]
        if dice.random() < 0.6:
            parts.append('"' + dice.choice(texts) + '"')
            parts += [item(rule, depth, False) for _ in range(size)]
        return " ".join(parts)

    def alternatives(rule: int, depth: int, is_first: bool) -> str:
        found = [sequence(rule, depth, is_first) for _ in range(dice.choice([1, 1, 2, 3]))]
        if dice.random() < 0.2:
            found.append('""')
        return " | ".join(found)

    return "root ::= r0\n" + "".join(f"r{i} ::= {alternatives(i, 0, True)}\n" for i in range(count))


def schema(seed: int) -> object:
    dice = random.Random(seed)

    def any_schema(depth: int) -> object:
        kinds = ["string", "integer", "number", "boolean", "null", "enum", "const", "pattern", "format"]
        if depth < 3:
            kinds += ["object", "array", "object", "tuple", "anyOf", "ref", "types"]
        kind = dice.choice(kinds)
        if kind == "string":
            low = dice.randint(0, 3)
            return {"type": "string", **dice.choice([{}, {"minLength": low}, {"maxLength": 6}, {"minLength": low, "maxLength": low + 4}])}
        if kind in ("integer", "number"):
            low = dice.randint(-30, 30)
            bounds = [{}, {"minimum": low}, {"exclusiveMaximum": low}, {"minimum": low, "maximum": low + dice.randint(0, 400)}]
            if kind == "integer":
                bounds.append({"multipleOf": dice.choice([2, 3, 5]), "minimum": 0})
            return {"type": kind, **dice.choice(bounds)}
        if kind == "enum":
            return {"enum": dice.sample(["a", "ab", "é", 1, 2.5, None, True, [1], {"a": "b"}, "日本"], dice.randint(1, 4))}
        if kind == "const":
            return {"const": dice.choice(["a b", 7, {"x": [1, "y"]}, False, ""])}
        if kind == "pattern":
            return {"type": "string", "pattern": dice.choice(["^[a-z]+$", "a", "^\\d{2,4}(-\\w+)?$", "^(ab|cd)*$", "^[^x]{1,5}$", "b+c?$", "^é|日"])}
        if kind == "format":
            return {"type": "string", "format": dice.choice(["date", "time", "date-time", "uuid", "ipv4"])}
        if kind == "object":
            names = dice.sample(["a", "ab", "name", "é", "x y", "b"], dice.randint(0, 3))
            made: dict[str, object] = {"type": "object", "properties": {name: any_schema(depth + 1) for name in names}}
            made["required"] = [name for name in names if dice.random() < 0.6]
            extra = dice.random()
            if extra < 0.5:
                made["additionalProperties"] = False
            elif extra < 0.7:
                made["additionalProperties"] = any_schema(depth + 1)
            return made
        if kind == "array":
            return {"type": "array", "items": any_schema(depth + 1), "minItems": dice.randint(0, 2), "maxItems": dice.randint(2, 4)}
        if kind == "tuple":
            return {"type": "array", "prefixItems": [any_schema(depth + 1), any_schema(depth + 1)], "items": False, "minItems": dice.randint(0, 2)}
        if kind == "anyOf":
            return {"anyOf": [any_schema(depth + 1), any_schema(depth + 1)]}
        if kind == "types":
            return {"type": dice.sample(["string", "integer", "null", "array", "object", "boolean"], 2)}
        return {"$ref": dice.choice(["#/$defs/one", "#/$defs/list"])}

    made = any_schema(0)
    definitions = {
        "one": {"type": "integer", "minimum": 0, "maximum": 99},
        "list": {
            "type": "object",
            "properties": {"v": {"type": "integer"}, "next": {"$ref": "#/$defs/list"}},
            "required": ["v"],
            "additionalProperties": False,
        },
    }
    return {**made, "$defs": definitions} if isinstance(made, dict) else made


def hostile() -> Iterator[tuple[str, str, str]]:
    """What would take very long, very much or very deep: name, kind, text."""
    yield "nullable loops", "regex", "((a|a)*){1000}"
    yield "nested stars", "regex", "((((a*)*)*)*)*b"
    yield "100 000 groups", "regex", "(" * 100_000
    yield "million of millions", "regex", "(a{0,1000000}){0,1000000}b"
    yield "thousand to the fifth", "regex", "((((a{1000}){1000}){1000}){1000}){1000}"
    yield "far back", "regex", ".*a.{3000}"
    yield "fifty searches", "regex", "(.*a){50}.*"
    yield "doubling", "regex", "a?" * 3000 + "a" * 3000
    yield "one megabyte of classes", "regex", "\\W" * 500_000
    yield "one megabyte of ranges", "regex", "[" + "a-z" * 349_000 + "]"
    yield "200 000 alternatives", "regex", "a|" * 200_000
    yield "ambiguous counts", "regex", "(a|aa|aaa){500,1000}"
    yield "more than a megabyte", "regex", "a" * ((1 << 20) + 1)
    yield "left recursion", "grammar", 'root ::= root "a" | "a"'
    yield "hidden left recursion", "grammar", 'root ::= a? root "x" | "y"\na ::= "b"?'
    yield "recursion without end", "grammar", 'root ::= "a" root'
    yield "a chain of 30 000 rules", "grammar", "".join(f'r{i} ::= r{i + 1} | "{i}"\n' for i in range(30_000)) + 'r30000 ::= "x"\nroot ::= r0'
    yield "50 000 groups", "grammar", "root ::= " + "( " * 50_000
    yield "ambiguous", "grammar", 'root ::= "a" root "b" | "a" root "c" | ""'
    yield "doubling rules", "grammar", "".join(f"r{i} ::= r{i + 1} r{i + 1}\n" for i in range(40)) + 'r40 ::= "x"?\nroot ::= r0 "y"'
    yield "a nullable loop of rules", "grammar", 'root ::= a* "x"\na ::= b* c*\nb ::= c?\nc ::= "y"*'
    yield "million of millions of rules", "grammar", "root ::= [a-z]{0,1000000}{0,1000000}"
    yield "one megabyte of text", "grammar", 'root ::= "' + "abcdefgh" * 131_000 + '"'
    yield "one megabyte of alternatives", "grammar", "root ::= " + " | ".join(f'"{i * 7919 % 1000003}"' for i in range(100_000))
    yield "deep arrays", "schema", "[" * 500_000
    yield "deep schemas", "schema", '{"items":' * 120 + "{}" + "}" * 120
    yield "50 000 values", "schema", json.dumps({"enum": [f"item {i * 7919}" for i in range(50_000)]})
    yield "3000 properties", "schema", json.dumps({"properties": {f"p{i}": {"type": "integer"} for i in range(3000)}})
    yield "exponential allOf", "schema", json.dumps({"allOf": [{"anyOf": [{"minimum": i}, {"maximum": i}]} for i in range(16)]})
    yield "references in a circle", "schema", json.dumps({"$defs": {"a": {"$ref": "#/$defs/b"}, "b": {"$ref": "#/$defs/a"}}, "$ref": "#/$defs/a"})
    yield (
        "anyOf in a circle",
        "schema",
        json.dumps(
            {"$defs": {"a": {"anyOf": [{"$ref": "#/$defs/b"}] * 2}, "b": {"anyOf": [{"$ref": "#/$defs/a"}, {"type": "null"}]}}, "$ref": "#/$defs/a"}
        ),
    )
    yield "a pattern and lengths", "schema", json.dumps({"type": "string", "pattern": "(a|b)*c(a|b){200}", "minLength": 500, "maxLength": 900})
    yield "a long text", "schema", json.dumps({"type": "string", "minLength": 100_000, "maxLength": 2147483647})
    yield (
        "many items",
        "schema",
        json.dumps({"type": "array", "minItems": 1000, "maxItems": 1_000_000, "items": {"type": "array", "maxItems": 99_999}}),
    )
    yield "a huge count", "schema", '{"type":"object","minProperties":900000000000000000000}'
    yield "a tiny multiple", "schema", '{"multipleOf":1e-300}'
    yield (
        "a tree of references",
        "schema",
        json.dumps(
            {
                "$defs": {f"d{i}": {"type": "array", "items": {"anyOf": [{"$ref": f"#/$defs/d{i + 1}"}] * 8}} for i in range(60)} | {"d60": {}},
                "$ref": "#/$defs/d0",
            }
        ),
    )
