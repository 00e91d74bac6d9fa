# SPDX-License-Identifier: Apache-2.0
"""The library's log in Python's logging."""

from __future__ import annotations

import logging

import fovea
import numpy


def test_loading_and_images_are_logged(caplog):
    with caplog.at_level(logging.DEBUG, logger="fovea"):
        model = fovea.load(threads=1)
        model.encode_image(numpy.zeros((30, 40, 3), numpy.uint8))
    records = [record for record in caplog.records if record.name == "fovea"]
    assert [record.levelno for record in records] == [logging.INFO, logging.DEBUG]
    assert "MB of weights" in records[0].getMessage() and "1 threads" in records[0].getMessage()
    assert "40 × 30 pixels are" in records[1].getMessage()


def test_nothing_is_printed_without_logging(capfd):
    fovea.load(threads=1)
    assert capfd.readouterr() == ("", "")
