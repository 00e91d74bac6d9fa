# SPDX-License-Identifier: Apache-2.0
"""The library's log lines as records of the logger "fovea"."""

from __future__ import annotations

import logging

from . import _library as c

LEVELS = {c.FOVEA_LOG_DEBUG: logging.DEBUG, c.FOVEA_LOG_INFO: logging.INFO, c.FOVEA_LOG_WARNING: logging.WARNING}

_logger = logging.getLogger("fovea")
# Programs that configure no logging see nothing.
_logger.addHandler(logging.NullHandler())


# One for all models, since a model may outlive every object in Python that could hold it.
@c.fovea_log_callback
def to_logging(_: object, level: int, line: bytes) -> None:
    _logger.log(LEVELS.get(level, logging.INFO), "%s", line.decode("utf-8", "replace"))
