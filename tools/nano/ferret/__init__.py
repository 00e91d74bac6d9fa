# SPDX-License-Identifier: Apache-2.0
"""Nano Ferret-v2: scenes, model, training, evaluation."""
