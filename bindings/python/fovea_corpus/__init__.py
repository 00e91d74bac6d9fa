# SPDX-License-Identifier: Apache-2.0
"""Fovea over many images and PDF files: by Ray Data, by Spark, or in this process.

    python -m fovea_corpus ray  scans/ -o answers/ -p "Read the text."
    python -m fovea_corpus spark scans/ -o answers/ -p "Read the text."

    import fovea_corpus
    settings = fovea_corpus.Settings(prompt="Read the text.", max_tokens=512)
    fovea_corpus.run_ray(["scans"], "answers", settings)          # or run_spark, run_local
    for record in fovea_corpus.read_records("answers"):
        print(record["source"], record["page"], record["answer"])

All of them call one function, `read_page`, for each image and each page of a PDF file, and write its records as Parquet. A record is
identified by the name and the hash of its input, the page, the model and the settings: a second run skips existing records, but errors that may pass.
Parquet needs pyarrow (`fovea-vlm[corpus]`), Ray `ray[data]`, Spark pyspark and pandas; pages of PDF files are rendered by pdftoppm (poppler-utils).
"""

from ._inputs import Input, find_inputs
from ._parts import Store, read_records
from ._ray import run_ray
from ._reader import Settings, Worker, model_identity, read_page
from ._run import run_local
from ._spark import read_frames, run_spark

__all__ = [
    "Input",
    "Settings",
    "Store",
    "Worker",
    "find_inputs",
    "model_identity",
    "read_frames",
    "read_page",
    "read_records",
    "run_local",
    "run_ray",
    "run_spark",
]
