# SPDX-License-Identifier: Apache-2.0
"""OpenAI's own client against the server."""

from __future__ import annotations

import json
import math
import time

import jsonschema
import openai
import pytest
from conftest import SAMPLES, about, data_url, error_of

QUESTION = "Where is the car in the picture?"
SCHEMA = {
    "type": "object",
    "properties": {"thing": {"enum": ["car", "house"]}, "count": {"type": "integer", "minimum": 0, "maximum": 9}},
    "required": ["thing", "count"],
    "additionalProperties": False,
}


def test_chats_with_an_image(server):
    samples = json.loads((SAMPLES / "entities.json").read_text())
    for sample in samples:
        done = server.client().chat.completions.create(model="hires", messages=about(sample["image"], sample["question"]))
        assert done.choices[0].message.content.strip() == sample["answer"]
        assert done.choices[0].finish_reason == "stop"
        assert done.usage.total_tokens == done.usage.prompt_tokens + done.usage.completion_tokens


def test_streams_the_same_answer(server):
    client = server.client()
    whole = client.chat.completions.create(model="hires", messages=about("street.png", QUESTION))
    chunks = list(
        client.chat.completions.create(model="hires", messages=about("street.png", QUESTION), stream=True, stream_options={"include_usage": True})
    )
    assert chunks[0].choices[0].delta.role == "assistant"
    assert "".join(c.choices[0].delta.content or "" for c in chunks if c.choices) == whole.choices[0].message.content
    assert [c.choices[0].finish_reason for c in chunks if c.choices and c.choices[0].finish_reason] == ["stop"]
    assert chunks[-1].choices == [] and chunks[-1].usage.completion_tokens == whole.usage.completion_tokens
    assert len({c.id for c in chunks}) == 1


def test_counts_tokens_exactly(server):
    done = server.client().chat.completions.create(model="hires", messages=about("poster.png", "Read the text."), max_tokens=1, logprobs=True)
    assert done.usage.completion_tokens == 1 == len(done.choices[0].logprobs.content)
    assert done.choices[0].finish_reason == "length"


@pytest.mark.parametrize("kind", ["json_schema", "json_object"])
def test_gives_json(server, kind):
    form = {"type": kind}
    if kind == "json_schema":
        form["json_schema"] = {"name": "thing", "strict": True, "schema": SCHEMA}
    done = server.client().chat.completions.create(
        model="hires", messages=about("street.png", "What is at the top left?"), response_format=form, max_tokens=200, temperature=1, seed=3
    )
    if kind == "json_schema":
        assert done.choices[0].finish_reason == "stop"
        jsonschema.validate(json.loads(done.choices[0].message.content), SCHEMA)
    elif done.choices[0].finish_reason == "stop":
        assert isinstance(json.loads(done.choices[0].message.content), dict)
    else:
        assert done.choices[0].message.content.lstrip().startswith("{")


def test_gives_several_answers(server):
    ask = lambda seed, stream: server.client().chat.completions.create(
        model="hires", messages=about("street.png", QUESTION), n=3, temperature=1.5, seed=seed, stream=stream
    )
    texts = [choice.message.content for choice in ask(7, False).choices]
    assert len(texts) == 3 and texts == [choice.message.content for choice in ask(7, False).choices]
    streamed = ["", "", ""]
    for chunk in ask(7, True):
        for choice in chunk.choices:
            streamed[choice.index] += choice.delta.content or ""
    assert streamed == texts


@pytest.mark.parametrize("stream", [False, True])
def test_gives_log_probabilities(server, stream):
    done = server.client().chat.completions.create(
        model="hires", messages=about("street.png", QUESTION), logprobs=True, top_logprobs=3, stream=stream
    )
    found = (
        [token for chunk in done for c in chunk.choices if c.logprobs for token in c.logprobs.content] if stream else done.choices[0].logprobs.content
    )
    for token in found:
        assert len(token.top_logprobs) == 3 and token.logprob <= 0
        assert math.isclose(token.logprob, token.top_logprobs[0].logprob) and token.token == token.top_logprobs[0].token


def test_stops_at_texts_and_biases(server):
    client = server.client()
    plain = client.chat.completions.create(model="hires", messages=about("street.png", QUESTION), logprobs=True)
    text = plain.choices[0].message.content
    cut = client.chat.completions.create(model="hires", messages=about("street.png", QUESTION), stop=text[3:6])
    assert text.startswith(cut.choices[0].message.content) and len(cut.choices[0].message.content) < len(text)


def test_goes_on_with_a_conversation(server):
    client = server.client()
    messages = about("street.png", QUESTION)
    first = client.chat.completions.create(model="hires", messages=messages)
    messages += [{"role": "assistant", "content": first.choices[0].message.content}, {"role": "user", "content": "What is at the top left?"}]
    second = client.chat.completions.create(model="hires", messages=messages)
    assert second.usage.prompt_tokens_details.cached_tokens > first.usage.prompt_tokens // 2
    assert second.model_extra["fovea"]["seconds"]["encode"] < 0.005, "the picture was encoded again"


def test_takes_regions_and_names_places(server):
    region = {"type": "region", "box": [28, 85, 69, 124]}
    done = server.post({"model": "ferret", "messages": about("scene.png", "What is the object <region>?", region)}).json()
    assert done["choices"][0]["message"]["content"].strip() == "house"
    for shape in [{"point": [48, 104]}, {"scribble": [[40, 95], [56, 115]], "radius": 6}]:
        done = server.post({"model": "ferret", "messages": about("scene.png", "What is the object <region>?", {"type": "region", **shape})}).json()
        assert done["choices"][0]["message"]["content"].strip() == "house"
    done = server.post(
        {"model": "ferret", "messages": about("scene.png", "What is the location of the house in the image?"), "max_tokens": 20}
    ).json()
    [place] = done["fovea"]["places"]
    assert abs(place["x1"] - 28) < 8 and abs(place["y2"] - 124) < 8 and "house" in place["phrase"]
    assert place["phrase"] in done["choices"][0]["message"]["content"][place["start"] : place["end"]]
    [image] = done["fovea"]["images"]
    assert (image["width"], image["height"]) == (214, 170) and len(image["views"]) > 1


def test_takes_a_task(server):
    done = server.post({"model": "ferret", "messages": about("scene.png", ""), "task": "detect", "max_tokens": 200}).json()
    assert len(done["fovea"]["places"]) >= 4


def test_takes_forms(server):
    picture = (SAMPLES / "street.png").read_bytes()
    fields = server.http.post(
        "/v1/chat/completions", data={"model": "hires", "prompt": QUESTION, "max_tokens": "20"}, files={"image": ("s.png", picture, "image/png")}
    ).json()
    request = {
        "model": "hires",
        "messages": [
            {"role": "user", "content": [{"type": "image_url", "image_url": {"url": "attachment:street"}}, {"type": "text", "text": QUESTION}]}
        ],
    }
    parts = server.http.post(
        "/v1/chat/completions", files={"request": (None, json.dumps(request), "application/json"), "street": ("s.png", picture, "image/png")}
    ).json()
    alone = server.post({"model": "hires", "messages": about("street.png", QUESTION)}).json()
    assert fields["choices"] == parts["choices"] == alone["choices"]


def test_cancels_when_the_client_goes(server):
    before = server.metric("fovea_running{")
    stream = server.client().chat.completions.create(
        model="hires", messages=about("poster.png", "Read the text."), stream=True, max_tokens=1000, temperature=2, extra_body={"min_p": 0},
        response_format={"type": "regex", "regex": "[a-z]{2000}"},
    )  # fmt: skip
    next(iter(stream))
    stream.close()
    until = time.monotonic() + 3
    while server.metric("fovea_running{") > before and time.monotonic() < until:
        time.sleep(0.02)
    assert server.metric("fovea_running{") == before, "it goes on for nobody"


def test_names_its_models(server):
    models = server.client().models.list().data
    assert [model.id for model in models] == ["hires", "ferret", "vary"]
    facts = {model.id: model.model_extra["fovea"] for model in models}
    assert facts["ferret"]["regions"] and facts["ferret"]["places"] and not facts["hires"]["regions"]


@pytest.mark.parametrize(
    ("change", "status", "code"),
    [
        ({"model": "nobody"}, 404, "model_not_found"),
        ({"messages": []}, 400, None),
        ({"messages": [{"role": "tool", "content": "x"}]}, 400, None),
        ({"temperature": "hot"}, 400, "invalid_type"),
        ({"temperature": 9}, 400, "invalid_value"),
        ({"n": 0}, 400, None),
        ({"max_tokens": -1}, 400, None),
        ({"tools": [{"type": "function"}]}, 400, "unsupported_parameter"),
        ({"logit_bias": {"x": 1}}, 400, None),
        ({"logit_bias": {"999999": 1}}, 400, None),
        ({"response_format": {"type": "json_schema", "json_schema": {"schema": {"type": "nonsense"}}}}, 400, None),
        ({"messages": [{"role": "user", "content": "a\0b"}]}, 400, None),
        ({"messages": [{"role": "user", "content": "x " * 20000}]}, 400, "context_length_exceeded"),
        ({"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "http://127.0.0.1/x.png"}}]}]}, 400, "unsupported_image_url"),
        ({"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "file:///etc/passwd"}}]}]}, 400, "unsupported_image_url"),
        ({"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "data:image/png;base64,!!"}}]}]}, 400, "invalid_image_url"),
        ({"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "data:image/png;base64,aGk="}}]}]}, 400, "invalid_image"),
    ],
)  # fmt: skip
def test_refuses_in_openais_shape(server, change, status, code):
    response = server.post({"model": "hires", "messages": about("one-word.png", "What is in the picture?"), **change})
    assert response.status_code == status, response.text
    assert error_of(response)["code"] == code or code is None


def test_raises_openais_exceptions(server):
    with pytest.raises(openai.NotFoundError) as caught:
        server.client().chat.completions.create(model="nobody", messages=about("one-word.png", "?"))
    assert caught.value.code == "model_not_found"
    with pytest.raises(openai.BadRequestError):
        server.client().chat.completions.create(
            model="hires", messages=[{"role": "user", "content": [{"type": "image_url", "image_url": {"url": data_url("one-word.png")[:-900]}}]}]
        )
