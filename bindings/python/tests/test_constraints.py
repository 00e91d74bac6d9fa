# SPDX-License-Identifier: Apache-2.0
"""Answers that parse: JSON Schema, regular expressions, grammars, choices."""

import asyncio
import json
import re
import time

import fovea
import pytest

PERSON = {
    "type": "object",
    "properties": {
        "name": {"type": "string", "maxLength": 12},
        "age": {"type": "integer", "minimum": 0, "maximum": 150},
        "tags": {"type": "array", "items": {"enum": ["a", "é", 3, None]}, "maxItems": 3},
        "more": {"anyOf": [{"type": "null"}, {"type": "object", "properties": {"x": {"type": "number", "minimum": -1, "maximum": 1}}}]},
    },
    "required": ["name", "age", "tags"],
}

SCHEMAS = [
    PERSON,
    {"enum": ["yes", 'no "', 1.5, None, {"a": [1]}]},
    {"type": "string", "pattern": "^[a-c]{2}\\d+$", "maxLength": 6},
    {"type": "string", "format": "date-time"},
    {"type": "array", "items": {"type": "boolean"}, "minItems": 2, "maxItems": 4},
    {"type": "integer", "minimum": -20, "exclusiveMaximum": 5, "multipleOf": 3},
    {"$ref": "#/$defs/t", "$defs": {"t": {"type": "object", "properties": {"v": {"type": "null"}, "n": {"$ref": "#/$defs/t"}}, "required": ["v"]}}},
    {"type": ["boolean", "null"]},
]


@pytest.fixture(scope="module")
def session(model):
    with model.session() as made:
        yield made


def finished(session, seeds=range(3), max_tokens=150, **options):
    """Answers that came to their end, at temperature 1."""
    found = []
    for seed in seeds:
        text = session.generate("Say something.", temperature=1.0, seed=seed, max_tokens=max_tokens, **options)
        if session.last.stop_reason == "end":
            found.append(text)
        else:
            assert session.last.stop_reason in ("length", "context", "text")
    return found


def test_every_finished_answer_is_valid_under_its_schema(session):
    jsonschema = pytest.importorskip("jsonschema")
    count = 0
    for schema in SCHEMAS:
        validator = jsonschema.Draft202012Validator(schema)
        for text in finished(session, json_schema=schema):
            validator.validate(json.loads(text))
            count += 1
    assert count >= len(SCHEMAS)


def test_a_schema_is_given_as_dict_text_or_class(session):
    schema = {"type": "object", "properties": {"a": {"type": "boolean"}}, "required": ["a"]}

    class Answer:  # what pydantic's classes have
        @classmethod
        def model_json_schema(cls):
            return schema

    for given in (schema, json.dumps(schema), Answer):
        text = session.generate("x", json_schema=given, max_tokens=40)
        assert isinstance(json.loads(text)["a"], bool) and session.last.stop_reason == "end"
    with pytest.raises(TypeError, match="json_schema"):
        session.generate("x", json_schema=7)


def test_a_regular_expression_matches_the_whole_answer(session):
    for pattern in (r"(yes|no)[.!]?", r"\d{3}-[a-f]{2,4}", r"[A-Z]\w{0,5}( \w{1,4}){1,3}\.", "é+x|日本{2}"):
        for text in finished(session, regex=pattern):
            assert re.fullmatch(pattern, text), (pattern, text)
    assert session.generate("x", regex="abc") == "abc"
    assert session.last.stop_reason == "end"
    assert session.generate("x", regex="") == ""


def test_a_grammar_gives_the_answer(session):
    grammar = 'root ::= "<" item ("," item)* ">"\nitem ::= [a-z]{1,3} | "(" item ")" | root\n'
    for text in finished(session, grammar=grammar):
        assert text[0] == "<" and text[-1] == ">" and text.count("(") == text.count(")")


def test_constraints_exclude_each_other_and_errors_name_the_place(session):
    with pytest.raises(fovea.ArgumentError, match="excludes"):
        session.generate("x", regex="a", grammar='root ::= "a"')
    for options, message in (
        ({"regex": "a(?=b)"}, "line 1, column 2"),
        ({"grammar": 'root ::= "a"\nroot ::= "b"'}, "line 2, column 1"),
        ({"grammar": 'root ::= root "a" | "b"'}, "begins with itself"),
        ({"json_schema": {"properties": {"a": {"propertyNames": {}, "type": "object"}}}}, "/properties/a/propertyNames"),
        ({"json_schema": '{"type": "string",}'}, "column"),
        ({"json_schema": "false"}, "no answer"),
    ):
        with pytest.raises(fovea.ArgumentError, match=re.escape(message)):
            session.generate("x", **options)


def test_drafts_streams_and_other_bans_change_nothing_about_it(session):
    options = dict(json_schema=PERSON, temperature=0.7, seed=4, max_tokens=120)
    plain = session.generate("x", draft_tokens=-1, **options)
    reason = session.last.stop_reason
    assert session.generate("x", **options) == plain and session.last.stop_reason == reason
    assert "".join(session.generate("x", stream=True, **options)) == plain
    assert asyncio.run(session.agenerate("x", **options)) == plain
    # Bans that leave nothing else are outweighed.
    text = session.generate("x", regex="(ab){6}", ngram_ban=2, min_tokens=50)
    assert text == "ab" * 6 and session.last.stop_reason == "end"


def test_hostile_texts_get_an_answer_in_time(session):
    for options in (
        {"regex": "((a|a)*)*{1000}b"},
        {"regex": "(a|b)?" * 20000},
        {"regex": "(a{0,1000000}){0,1000000}b"},
        {"regex": "(" * 100000},
        {"grammar": "root ::= " + "(" * 100000},
        {"json_schema": "[" * 1000000},
        {"json_schema": json.dumps({"enum": [f"v{i}" for i in range(60000)]})},
        {"json_schema": " " * 2000000},
    ):
        started = time.monotonic()
        try:
            session.generate("x", max_tokens=4, deadline=20, **options)
        except fovea.Error:
            pass
        assert time.monotonic() - started < 25, options


def test_choices_are_weighed_as_whole_answers(session):
    texts = ["yes", "no", "maybe not"]
    picked = session.generate("Is it?", choices=texts)
    assert picked in texts
    assert abs(sum(session.probabilities) - 1) < 1e-9
    assert picked == texts[session.probabilities.index(max(session.probabilities))]
    assert session.choose("Is it?", texts) == (picked, session.probabilities)
    assert list(session.generate("Is it?", choices=texts, stream=True)) == [picked]
    drawn = {session.generate("Is it?", choices=texts, temperature=1e6, seed=seed) for seed in range(30)}
    assert drawn == set(texts)
    with pytest.raises(fovea.ArgumentError):
        session.generate("Is it?", choices=[])
    with pytest.raises(fovea.ArgumentError):
        session.generate("Is it?", choices="yes")
    with pytest.raises(fovea.ArgumentError, match=r"choices\[1\]: is empty"):
        session.generate("Is it?", choices=["a", ""])
    with pytest.raises(fovea.ArgumentError, match=r"continuations\[1\]: is empty"):
        session.score("Is it?", ["a", ""])


def test_choices_are_refused_where_they_do_not_apply(model, session, image):
    texts, talk = ["yes", "no"], [{"role": "user", "content": "Is it?"}]
    for call in (
        lambda: session.generate("Is it?", choices=texts, n=2),
        lambda: session.generate("Is it?", choices=texts, n=1),
        lambda: list(session.generate("Is it?", choices=texts, n=2, stream=True)),
        lambda: asyncio.run(session.agenerate("Is it?", choices=texts, n=2)),
        lambda: session.choose("Is it?", texts, n=2),
        lambda: session.chat(talk, choices=texts),
        lambda: session.chat(talk, choices=texts, n=2),
        lambda: list(session.chat(talk, choices=texts, stream=True)),
        lambda: asyncio.run(session.achat(talk, choices=texts)),
        lambda: model.chat(talk, choices=texts),
        lambda: asyncio.run(model.achat(talk, choices=texts)),
        lambda: model.generate_many(["Is it?", talk], choices=texts),
        lambda: session.find("a car", image, choices=texts),
        lambda: session.detect(image, choices=texts),
    ):
        with pytest.raises(fovea.ArgumentError, match="^choices: "):
            call()
    first, second = model.generate_many(["Is it?", talk], choices=texts, return_exceptions=True)
    assert first in texts and isinstance(second, fovea.ArgumentError)
    assert session.chat(talk, choices=None, max_tokens=2) == session.generate("Is it?", max_tokens=2)


def test_choices_are_what_the_next_tokens_say(model):
    """p(text, then the end) from the logits of all positions."""
    numpy = pytest.importorskip("numpy")
    with model.session() as session:
        metadata = model.metadata
        end = metadata.get("tokenizer.eosIds") or [metadata["tokenizer.eos"]]
        texts = ["a", "b c"]
        _, shares = session.choose("Q:", texts, raw=True)
        totals = []
        for text in texts:
            ids = model.tokenize(text)
            scores = session.score("Q:", [text], raw=True)[0]
            logits = session.logits("Q:" + text, raw=True)
            if model.tokenize("Q:" + text)[-len(ids) :] != ids:
                pytest.skip("the tokenizer joins the prompt and the text")
            row = logits[-1].astype("float64")
            row -= row.max()
            totals.append(scores + numpy.log(sum(numpy.exp(row[i]) for i in end) / numpy.exp(row).sum()))
        expected = numpy.exp(numpy.array(totals) - max(totals))
        assert numpy.allclose(shares, expected / expected.sum(), atol=1e-3)
