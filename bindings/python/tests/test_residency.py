# SPDX-License-Identifier: Apache-2.0
"""Weights that are not always in memory; what a model holds; capsules and halves of systems."""

from __future__ import annotations

import subprocess
import sys

import fovea
import pytest
from command_line import run


@pytest.fixture(scope="module")
def raw(command, tmp_path_factory):
    """The built-in model with all its weights as they lie."""
    path = tmp_path_factory.mktemp("raw") / "raw.fovea"
    made = run(command, "unpack", fovea.builtin_model(), "-o", path)
    assert made.returncode == 0, made.stderr
    return path


def answer(model, picture):
    image = model.encode_image(picture)
    return image.to_bytes(), model.session().generate_ids("What is it?", [image], max_tokens=12, ignore_eos=True)


def test_a_budget_chooses_which_weights_are_in_memory(raw, picture):
    plan = fovea.plan(raw)
    assert plan["residency"] == "all" and plan["least_bytes"] < plan["total_bytes"]
    expected = answer(fovea.load(raw, threads=2), picture)
    seen = set()
    for budget in (plan["total_bytes"], plan["total_bytes"] - 1, plan["least_bytes"]):
        model = fovea.load(raw, threads=2, memory_budget=budget)
        seen.add(model.info["residency"])
        assert fovea.plan(raw, memory_budget=budget)["residency"] == model.info["residency"]
        assert answer(model, picture) == expected
        model.trim()
        assert answer(model, picture) == expected
        assert model.memory["budget_bytes"] == budget
    assert "all" in seen and len(seen) >= 2
    with pytest.raises(fovea.OutOfMemory, match=str(plan["least_bytes"])):
        fovea.load(raw, memory_budget=plan["least_bytes"] // 2)


def test_what_is_held_is_told(picture):
    model = fovea.load(threads=1)
    empty = model.memory
    assert empty["image_bytes"] == empty["session_bytes"] == empty["scratch_bytes"] == empty["budget_bytes"] == 0
    image = model.encode_image(picture)
    assert model.memory["image_bytes"] == 4 * image.tokens * image.hidden_size
    session = model.session()
    session.generate_ids("What is it?", [image], max_tokens=4)
    assert model.memory["session_bytes"] > 0
    one = model.memory["session_bytes"]
    forks = [session.fork() for _ in range(3)]
    assert model.memory["session_bytes"] > 3 * one
    for fork in forks:
        fork.reset()
    assert model.memory["session_bytes"] == one
    for fork in forks:
        fork.close()
    assert model.memory["total_bytes"] > empty["total_bytes"]
    image.close()
    session.close()
    assert model.memory == empty


def test_a_packed_file_answers_the_same_and_unpacks_to_the_same_bytes(command, raw, tmp_path, picture):
    packed, again = tmp_path / "packed.fovea", tmp_path / "again.fovea"
    assert run(command, "pack", raw, "-o", packed).returncode == 0
    assert run(command, "unpack", packed, "-o", again).returncode == 0
    assert packed.stat().st_size < raw.stat().st_size
    assert again.read_bytes() == raw.read_bytes()
    model = fovea.load(packed, threads=2)
    assert answer(model, picture)[1] == answer(fovea.load(raw, threads=2), picture)[1]
    # Over itself.
    assert run(command, "pack", again, "-o", again).returncode == 0
    assert again.read_bytes() == packed.read_bytes()


@pytest.fixture(scope="module")
def halves(command, raw, tmp_path_factory):
    folder = tmp_path_factory.mktemp("halves")
    for option in ("--vision-only", "--no-vision"):
        made = run(command, "split", raw, option, "-o", folder / f"{option[2:]}.fovea")
        assert made.returncode == 0, made.stderr
    return folder / "vision-only.fovea", folder / "no-vision.fovea"


def test_one_half_encodes_and_the_other_answers(halves, raw, picture, tmp_path):
    vision, decoder = (fovea.load(half, threads=2) for half in halves)
    assert halves[0].stat().st_size + halves[1].stat().st_size < 1.3 * raw.stat().st_size
    vision.encode_image(picture).save(tmp_path / "picture.capsule")
    image = decoder.load_embedding(tmp_path / "picture.capsule")
    whole = fovea.load(raw, threads=2)
    ask = {"max_tokens": 12, "ignore_eos": True}
    assert decoder.session().generate_ids("What is it?", [image], **ask) == answer(whole, picture)[1]
    # The file that all of them were made of takes it too.
    builtin = fovea.load(threads=2)
    assert builtin.session().generate_ids("What is it?", [builtin.load_embedding(tmp_path / "picture.capsule")], **ask) == answer(whole, picture)[1]
    with pytest.raises(fovea.UnsupportedError, match="no-vision.fovea"):
        decoder.encode_image(picture)
    with pytest.raises(fovea.UnsupportedError, match="vision-only.fovea"):
        vision.session()
    # Half the numbers' bytes.
    vision.encode_image(picture).save(tmp_path / "half.capsule", half=True)
    assert (tmp_path / "half.capsule").stat().st_size < 0.6 * (tmp_path / "picture.capsule").stat().st_size
    assert decoder.load_embedding(tmp_path / "half.capsule").tokens == image.tokens


@pytest.mark.parametrize("name", ["monkey-nano/monkey-nano-2x2-int8", "vary-nano/vary-nano-int8", "ferret-nano/ferret-nano-int8"])
def test_every_system_splits(command, root, tmp_path, picture, name):
    whole = root / "tools" / "nano" / "models" / f"{name}.fovea"
    for option in ("--vision-only", "--no-vision"):
        made = run(command, "split", whole, option, "-o", tmp_path / option[2:])
        assert made.returncode == 0, made.stderr
    image = fovea.load(tmp_path / "vision-only", threads=2).encode_image(picture)
    image.save(tmp_path / "capsule")
    decoder, model = fovea.load(tmp_path / "no-vision", threads=2), fovea.load(whole, threads=2)
    found = decoder.session().generate_ids("What is it?", [decoder.load_embedding(tmp_path / "capsule")], max_tokens=8, ignore_eos=True)
    assert found == model.session().generate_ids("What is it?", [model.encode_image(picture)], max_tokens=8, ignore_eos=True)


def test_regions_are_read_from_a_capsule(command, root, tmp_path, picture):
    whole = root / "tools" / "nano" / "models" / "ferret-nano" / "ferret-nano-int8.fovea"
    assert run(command, "split", whole, "--no-vision", "-o", tmp_path / "half").returncode == 0
    decoder, model = fovea.load(tmp_path / "half", threads=2), fovea.load(whole, threads=2)
    image = model.encode_image(picture)
    image.save(tmp_path / "capsule")
    ask = {"regions": [fovea.Box(2, 3, 20, 21)], "max_tokens": 8, "ignore_eos": True}
    found = decoder.session().generate_ids("What is <region>?", [decoder.load_embedding(tmp_path / "capsule")], **ask)
    assert found == model.session().generate_ids("What is <region>?", [image], **ask)


def test_the_command_line_answers_from_capsules(command, root, halves, raw, picture, tmp_path):
    pil = pytest.importorskip("PIL.Image")
    pil.fromarray(picture).save(tmp_path / "a.png")
    capsule = tmp_path / "a.capsule"
    fovea.load(halves[0], threads=2).encode_image(tmp_path / "a.png").save(capsule)
    ask = ["-p", "What is it?", "--max-tokens", "12"]
    expected = run(command, "run", "-m", raw, "-i", tmp_path / "a.png", *ask)
    assert expected.returncode == 0, expected.stderr
    found = run(command, "run", "-m", halves[1], "-i", capsule, *ask)
    assert found.returncode == 0 and found.stdout == expected.stdout, found.stderr
    other = root / "tools" / "nano" / "models" / "vary-nano" / "vary-nano-int8.fovea"
    foreign = run(command, "run", "-m", other, "-i", capsule, *ask)
    assert foreign.returncode == 64 and b"a.capsule: was made by another weight file" in foreign.stderr
    (tmp_path / "bad.capsule").write_bytes(capsule.read_bytes()[:-9])
    bad = run(command, "run", "-m", raw, "-i", tmp_path / "bad.capsule", *ask)
    assert bad.returncode == 65 and b"bad.capsule" in bad.stderr


def test_the_command_line_encodes_folders(command, halves, raw, picture, tmp_path):
    pil = pytest.importorskip("PIL.Image")
    photos, out = tmp_path / "photos", tmp_path / "out"
    (photos / "more").mkdir(parents=True)
    pil.fromarray(picture).save(photos / "a.png")
    pil.fromarray(picture[:90, :70]).save(photos / "more" / "b ü.png")
    (photos / "c.png").write_bytes((photos / "a.png").read_bytes()[:99])
    done = run(command, "encode", "-m", halves[0], photos, "-o", out)
    assert done.returncode == 65 and b"c.png" in done.stderr and b"1 of 3" in done.stderr, done.stderr
    assert sorted(str(path.relative_to(out)) for path in out.rglob("*") if path.is_file()) == ["a.png.capsule", "more/b ü.png.capsule"]
    model = fovea.load(halves[0], threads=2)
    for name in ("a.png", "more/b ü.png"):
        assert (out / f"{name}.capsule").read_bytes() == model.encode_image(photos / name).to_bytes()
    # Again, in half the bytes, over what is there.
    assert run(command, "encode", "-m", halves[0], photos / "a.png", "--f16", "-o", out).returncode == 0
    half = out / "a.png.capsule"
    assert half.stat().st_size < 0.6 * len(model.encode_image(photos / "a.png").to_bytes())
    assert model.load_embedding(half).tokens == model.encode_image(photos / "a.png").tokens
    refused = run(command, "encode", "-m", halves[0], half, "-o", tmp_path / "again")
    assert refused.returncode == 65 and b"is a capsule already" in refused.stderr
    (tmp_path / "file").write_bytes(b"")
    refused = run(command, "encode", "-m", halves[0], photos, "-o", tmp_path / "file")
    assert refused.returncode == 73 and b"file" in refused.stderr


def test_capsules_among_the_images_are_named_and_passed_over(command, halves, picture, tmp_path):
    pil = pytest.importorskip("PIL.Image")
    photos = tmp_path / "photos"
    (photos / "more").mkdir(parents=True)
    for name in ("b.png", "more/c.png"):
        pil.fromarray(picture[:90, :70]).save(photos / name)
    # Twice into the folder itself, and into one below it.
    for output in (photos, photos, photos / "more", photos / "more"):
        done = run(command, "encode", "-m", halves[0], photos, "-o", output)
        assert done.returncode == (0 if output == photos else 65), done.stderr
    names = sorted(str(path.relative_to(photos)) for path in photos.rglob("*.capsule"))
    assert names == ["b.png.capsule", "more/b.png.capsule", "more/c.png.capsule", "more/more/c.png.capsule"]
    done = run(command, "encode", "-m", halves[0], photos, "-o", tmp_path / "out")
    assert done.returncode == 65 and b"more/c.png.capsule: is a capsule already" in done.stderr and b"4 of 6" in done.stderr
    assert (tmp_path / "out" / "b.png.capsule").exists() and (tmp_path / "out" / "more" / "c.png.capsule").exists()


def test_memory_comes_back_to_the_page(root):
    # tools/check-flat does this a thousand times.
    flat = subprocess.run([sys.executable, str(root / "tools" / "check-flat"), "100"], capture_output=True, text=True)
    assert flat.returncode == 0, flat.stdout + flat.stderr
