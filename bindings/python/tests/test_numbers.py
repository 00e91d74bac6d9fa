# SPDX-License-Identifier: Apache-2.0
"""A number that its C type cannot hold is refused with the argument's name; before, ctypes cut it."""

from __future__ import annotations

import fovea
import pytest

NAN, INFINITY = float("nan"), float("inf")


@pytest.mark.parametrize(
    "name, value",
    [
        *((name, value) for name in ("threads", "context_length") for value in (2**32 + 5, 2**31, -1, 0, 1.5, "1")),
        *(("memory_budget", value) for value in (2**64, 2**64 + 5, -1, 0, 1.5)),
    ],
)
def test_loading_refuses_numbers_that_wrap(name, value):
    with pytest.raises(ValueError, match=name):
        fovea.load(**{name: value})


@pytest.mark.parametrize(
    "name, value",
    [
        *((name, 2**32 + 5) for name in ("max_tokens", "min_tokens", "draft_tokens", "top_k", "ngram_ban", "ngram_window", "loop_tokens")),
        *(("seed", value) for value in (-1, 2**64, 1.0, None)),
        *((name, value) for name in ("temperature", "top_p", "repetition_penalty") for value in (NAN, INFINITY, 1e39, "hot")),
        *(("deadline", value) for value in (NAN, INFINITY, 0, -1, 10**400)),
    ],
)
def test_every_option_refuses_numbers_that_wrap(model, name, value):
    session = model.session()
    options = {"max_tokens": 1, name: value}
    with pytest.raises(ValueError, match=name):
        session.generate("a", **options)
    with pytest.raises(ValueError, match=name):
        session.generate("a", **options, stream=True)
    with pytest.raises(ValueError, match=name):
        session.generate_ids("a", **options)


def test_images_regions_and_ids_refuse_numbers_that_wrap(model, image, picture):
    session = model.session()
    with pytest.raises(ValueError, match="tiles"):
        model.encode_image(picture, tiles=2**32)
    with pytest.raises(ValueError, match="deadline"):
        model.encode_image(picture, deadline=NAN)
    for region, name in (
        (fovea.Box(NAN, 0, 1, 1), "x1"),
        (fovea.Box(0, 0, 1, 1, image=2**32), "image"),
        (fovea.Point(1, 1, seed=-1), "seed"),
        (fovea.Polygon([(0, 0), (1, INFINITY)]), "vertices"),
        (fovea.Point(1, 1, points=[(2**32, 0)]), "points"),
        (fovea.Point(1, 1, starts=(2**31, 0)), "start1"),
    ):
        with pytest.raises(ValueError, match=name):
            session.generate("<region>", image, regions=[region])
    for ids in ([2**32 + 5], [1.5]):
        with pytest.raises(ValueError, match="ids"):
            model.detokenize(ids)
    with pytest.raises(ValueError, match="context_length"):
        model.session(context_length=2**32 + 64)


def test_the_largest_numbers_that_fit_are_taken(model):
    session = model.session()
    assert len(session.generate_ids("a", max_tokens=2**31 - 1, seed=2**64 - 1, ignore_eos=True, loop_tokens=8)) > 0


def test_a_context_beyond_the_checkpoints_is_refused(model):
    most = fovea.load(threads=1).info["context_length"]
    assert fovea.load(context_length=most, threads=1).info["context_length"] == most
    for call in (fovea.load, fovea.plan, model.session):
        with pytest.raises(fovea.ArgumentError, match=f"context_length.*{most}"):
            call(context_length=most + 1)


@pytest.mark.parametrize("name", ["stop", "stop_ids", "allowed_tokens", "forbidden_tokens", "choices", "regions", "logit_bias"])
def test_what_is_no_list_is_named(model, name):
    with pytest.raises(TypeError, match=f"{name}: a (list|dict) of .* is needed, not int"):
        model.session().generate("word", **{name: 5})
    with pytest.raises(TypeError, match=name):
        model.session().generate("word", **{name: 0})


def test_lists_may_be_arrays(model):
    numpy = pytest.importorskip("numpy")
    session, some = model.session(), numpy.array([5, 6, 7])
    for name in ("allowed_tokens", "forbidden_tokens", "stop_ids"):
        found = session.generate_ids("word", max_tokens=4, **{name: some})
        assert found == session.generate_ids("word", max_tokens=4, **{name: [5, 6, 7]})
        assert session.generate("word", max_tokens=1, **{name: None}) == session.generate("word", max_tokens=1)


def test_no_allowed_token_is_no_permission_for_all(model):
    with pytest.raises(fovea.ArgumentError, match="allowed_tokens: is empty"):
        model.session().generate("word", allowed_tokens=[])
