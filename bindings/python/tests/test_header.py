# SPDX-License-Identifier: Apache-2.0
"""The binding says what include/fovea.h says: names, arguments, fields and constants."""

from __future__ import annotations

import ctypes
import re

import pytest
from fovea import _library as c


@pytest.fixture(scope="module")
def header(root) -> str:
    text = (root / "include" / "fovea.h").read_text(encoding="utf-8")
    return re.sub(r"/\*.*?\*/", " ", text, flags=re.S)


def prototypes(header: str) -> dict:
    """Name → (result, [arguments]) as C writes them."""
    found = {}
    for result, name, arguments in re.findall(r"([\w ]+[\s*]+?)(fovea_\w+)\(([^()]*)\);", header):
        parts = [] if arguments.strip() == "void" else [" ".join(a.split()) for a in arguments.split(",")]
        found[name] = (" ".join(result.split()), parts)
    return found


def structures(header: str) -> dict:
    """Name → [(field, C type)]."""
    found = {}
    for name, body in re.findall(r"typedef struct (fovea_\w+) \{(.*?)\}", header, flags=re.S):
        fields = []
        for declaration in filter(None, (d.strip() for d in body.split(";"))):
            kind, names = re.match(r"(.*?[\s*])([\w, ]+)$", declaration, flags=re.S).groups()
            fields += [(field.strip(), " ".join(kind.split())) for field in names.split(",")]
        found[name] = fields
    return found


POINTERS = {
    "const char *": ctypes.c_char_p,
    "void *": ctypes.c_void_p,
    "const char *const *": ctypes.POINTER(ctypes.c_char_p),
    "const double *": ctypes.POINTER(ctypes.c_double),
    "const uint8_t *": ctypes.POINTER(ctypes.c_uint8),
    "const int32_t *": ctypes.POINTER(ctypes.c_int32),
    "const fovea_region *": ctypes.POINTER(c.fovea_region),
    "const float *": ctypes.POINTER(ctypes.c_float),
    "const fovea_logit_bias *": ctypes.POINTER(c.fovea_logit_bias),
    "fovea_image_embedding *const *": ctypes.POINTER(ctypes.c_void_p),
    "const fovea_message *": ctypes.POINTER(c.fovea_message),
    "const fovea_generate_options *": ctypes.POINTER(c.fovea_generate_options),
    "fovea_generate_result *": ctypes.POINTER(c.fovea_generate_result),
    "fovea_session *": ctypes.c_void_p,
    "char *": ctypes.c_void_p,
}
NUMBERS = {
    "size_t": ctypes.c_size_t,
    "int32_t": ctypes.c_int32,
    "uint64_t": ctypes.c_uint64,
    "float": ctypes.c_float,
    "double": ctypes.c_double,
    "fovea_status": ctypes.c_int32,
    "fovea_cache_type": ctypes.c_int32,
    "fovea_residency": ctypes.c_int32,
    "uint32_t": ctypes.c_uint32,
    "fovea_orientation": ctypes.c_int32,
    "fovea_alpha": ctypes.c_int32,
    "fovea_progress_callback": c.fovea_progress_callback,
    "fovea_token_callback": c.fovea_token_callback,
    "fovea_log_level": ctypes.c_int32,
    "fovea_job": c.fovea_job,
    "fovea_run_jobs_callback": c.fovea_run_jobs_callback,
    "fovea_log_callback": c.fovea_log_callback,
    "fovea_allocate_callback": c.fovea_allocate_callback,
    "fovea_deallocate_callback": c.fovea_deallocate_callback,
}


def matches(kind: str, binding) -> bool:
    """Whether a C parameter or result type is the ctypes type's."""
    kind = kind.replace("struct ", "").strip()
    if kind in NUMBERS:
        return binding is NUMBERS[kind]
    if kind == "const char *const *":
        return binding is POINTERS[kind]
    if kind == "void":
        return binding is None
    assert "*" in kind, kind
    if POINTERS.get(kind) is binding:
        return True
    # Handles, bytes and texts to give back are plain addresses; everything else points to what the header says.
    stars = kind.count("*")
    base = re.sub(r"\bconst\b|\*", " ", kind).strip()
    handles = {"fovea_model", "fovea_session", "fovea_image_embedding", "void", "char"}
    if stars == 1 and base in handles and binding is ctypes.c_void_p:
        return True
    targets = {**NUMBERS, "char": ctypes.c_char, "uint8_t": ctypes.c_uint8}
    targets.update({name: getattr(c, name) for name in vars(c) if isinstance(getattr(c, name), type)})
    if stars == 1:
        return binding is ctypes.POINTER(targets[base])
    inner = ctypes.c_void_p if base in handles else ctypes.POINTER(targets[base])
    return binding is ctypes.POINTER(inner)


def test_every_function_is_bound_with_its_types(header):
    declared = prototypes(header)
    assert len(declared) > 25
    assert set(declared) == set(c.PROTOTYPES)
    for name, (result, arguments) in declared.items():
        bound_result, bound_arguments = c.PROTOTYPES[name]
        assert len(arguments) == len(bound_arguments), name
        assert matches(result, bound_result), (name, result, bound_result)
        for argument, bound in zip(arguments, bound_arguments):
            kind = re.match(r"(.*?[\s*])\w+$", argument).group(1)
            assert matches(" ".join(kind.split()), bound), (name, argument, bound)


def test_the_library_exports_every_function():
    for name in c.PROTOTYPES:
        assert hasattr(c.library(), name)


def test_every_structure_has_the_headers_fields(header):
    declared = structures(header)
    assert len(declared) == 16
    bound = {name for name in vars(c) if isinstance(getattr(c, name), type) and issubclass(getattr(c, name), ctypes.Structure)}
    assert set(declared) == bound - {"_Sized", "Structure"}
    for name, fields in declared.items():
        bound_fields = getattr(c, name)._fields_
        assert [field for field, _ in fields] == [field for field, _ in bound_fields], name
        for (field, kind), (_, bound) in zip(fields, bound_fields):
            expected = POINTERS.get(kind) or NUMBERS[kind]
            # A text with a length beside it may hold NULs.
            assert bound is expected or (field + "_length" in dict(fields) and bound is ctypes.POINTER(ctypes.c_char)), (name, field, kind)


CONSTANTS = r"FOVEA_(?:OK|(?:ERROR|STOP|REGION|CACHE|RESIDENCY|CAPSULE|DETOKENIZE|OVERFLOW|ROLE|CONSTRAINT)_\w+)"


def test_every_constant_has_the_headers_number(header):
    declared = {name: int(value) for name, value in re.findall(rf"({CONSTANTS}) = (\d+)", header)}
    assert len(declared) == 42
    assert declared == {name: value for name, value in vars(c).items() if re.fullmatch(CONSTANTS, name)}


def test_every_status_has_an_exception():
    from fovea import _errors

    statuses = {value for name, value in vars(c).items() if name.startswith("FOVEA_ERROR_")}
    assert set(_errors._CLASSES) == statuses


def test_versions_agree(root, header):
    import fovea

    version = re.search(r'#define FOVEA_VERSION "([\d.]+)"', header).group(1)
    assert fovea.version() == fovea.__version__ == version
    assert f'version = "{version}"' in (root / "bindings" / "python" / "pyproject.toml").read_text()
    assert int(version.split(".")[0]) == c.VERSION_MAJOR
