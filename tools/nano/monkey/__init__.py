# SPDX-License-Identifier: Apache-2.0
"""Nano Monkey: see README.md."""
