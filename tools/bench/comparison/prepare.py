# SPDX-License-Identifier: Apache-2.0
"""`peers prepare`: llama.cpp built from source, OpenVINO and what its models need in an environment of its own."""

import glob
import json
import os
import subprocess
import sys
import tarfile

from comparison.workplace import HERE

PACKAGES = ("torch", "transformers", "pillow", "openvino", "nncf", "optimum-intel", "gguf", "sentencepiece")
OPTIONS = (
    "-DCMAKE_BUILD_TYPE=Release",
    "-DBUILD_SHARED_LIBS=OFF",
    "-DLLAMA_BUILD_TESTS=OFF",
    "-DLLAMA_BUILD_EXAMPLES=OFF",
    "-DLLAMA_BUILD_SERVER=OFF",
    "-DLLAMA_BUILD_APP=OFF",
    "-DLLAMA_BUILD_UI=OFF",
    "-DLLAMA_USE_PREBUILT_UI=OFF",
    "-DLLAMA_OPENSSL=OFF",
)
# Haswell's, as Fovea's AVX2 kernels: no AVX-VNNI, no AVX-512.
AVX2 = (
    "-DGGML_NATIVE=OFF",
    "-DGGML_SSE42=ON",
    "-DGGML_AVX=ON",
    "-DGGML_AVX2=ON",
    "-DGGML_FMA=ON",
    "-DGGML_F16C=ON",
    "-DGGML_BMI2=ON",
    "-DGGML_AVX_VNNI=OFF",
    "-DGGML_AVX512=OFF",
)


def prepare(work, python, avx2, wants):
    environment(work, python)
    if wants("llama.cpp"):
        sources(work)
        for program, target in (("llama_peer", "llama"), ("clip_peer", "mtmd"), ("mtmd_peer", "mtmd")):
            build(work, "native", ("-DGGML_NATIVE=ON",), target)
            link(work, "native", program)
            if avx2:
                # Of llama.cpp only this library is compiled for an instruction set.
                build(work, "avx2", AVX2, "ggml-cpu")
                link(work, "avx2", program)
    print("prepared:", ", ".join(f"{k} {v}" for k, v in versions(work).items()))


def environment(work, python):
    if work.read("environment.json", None) is None:
        base = python or sys.executable
        work.run(base, "-m", "venv", work.path("venv"), name="venv")
        if python:
            # Its packages are seen but never changed: what differs is installed before them in the path.
            site = "import site; print(site.getsitepackages()[0])"
            seen = subprocess.run([python, "-c", site], check=True, capture_output=True, text=True).stdout
            own = subprocess.run([work.python, "-c", site], check=True, capture_output=True, text=True).stdout.strip()
            with open(os.path.join(own, "base.pth"), "w") as f:
                f.write(seen)
        tools = tuple(t for t in ("cmake", "ninja") if not work.tool(t))
        work.run(work.python, "-m", "pip", "install", *PACKAGES, *tools, name="pip")
        code = "import json, importlib.metadata as m; print(json.dumps({n: m.version(n) for n in %r}))" % (PACKAGES,)
        text = subprocess.run([work.python, "-c", code], check=True, capture_output=True, text=True).stdout
        work.write("environment.json", json.loads(text))


def sources(work):
    target = work.path("llama.cpp-src")
    if os.path.exists(target):
        return
    folder = work.path("sdist")
    if not archive(work):
        work.run(work.python, "-m", "pip", "download", "--no-deps", "--no-binary", "llama-cpp-python", "-d", folder, "llama-cpp-python", name="sdist")
    with tarfile.open(archive(work)) as tar:
        for member in tar:
            _, _, inside = member.name.partition("/vendor/llama.cpp/")
            # Its .git names a folder that is not there, which ninja would wait for.
            if inside in ("", ".git") or ".." in inside.split("/") or not (member.isfile() or member.isdir()):
                continue
            member.name = inside
            tar.extract(member, target + ".part")
    os.replace(target + ".part", target)


def archive(work):
    return next(iter(sorted(glob.glob(work.path("sdist", "llama_cpp_python-*.tar.gz")))), None)


def build(work, isa, options, target):
    folder = work.path("llama.cpp-" + isa)
    if not os.path.exists(os.path.join(folder, "build.ninja")):
        ninja = work.tool("ninja")
        work.run(
            work.tool("cmake"),
            "-S",
            work.path("llama.cpp-src"),
            "-B",
            folder,
            "-G",
            "Ninja",
            f"-DCMAKE_MAKE_PROGRAM={ninja}",
            *OPTIONS,
            *options,
            name="llama.cpp-" + isa,
        )
    work.run(work.tool("ninja"), "-C", folder, target, name="llama.cpp-" + isa)


def link(work, isa, program):
    source = work.path("llama.cpp-src")
    base, own = work.path("llama.cpp-native"), work.path("llama.cpp-" + isa)
    libraries = [p for p in glob.glob(base + "/**/*.a", recursive=True) if not p.endswith("libggml-cpu.a")]
    libraries += glob.glob(own + "/**/libggml-cpu.a", recursive=True)
    code = os.path.join(HERE, program + ".cpp")
    target = work.peer(program, isa)
    if os.path.exists(target) and os.path.getmtime(target) > max(map(os.path.getmtime, [code, *libraries])):
        return
    includes = ("include", "ggml/include", "tools/mtmd", "src")
    work.run(
        os.environ.get("CXX", "c++"),
        "-std=c++17",
        "-O2",
        *(f"-I{source}/{i}" for i in includes),
        code,
        "-o",
        target,
        "-Wl,--start-group",
        *libraries,
        "-Wl,--end-group",
        "-fopenmp",
        "-lpthread",
        "-ldl",
        "-lm",
        name=f"{program}-{isa}",
    )


def versions(work):
    v = dict(work.read("environment.json", {}))
    found = archive(work)
    if found:
        v["llama-cpp-python"] = os.path.basename(found)[len("llama_cpp_python-") : -len(".tar.gz")]
    return v
