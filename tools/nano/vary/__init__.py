# SPDX-License-Identifier: Apache-2.0
"""Nano Vary: see README.md."""
