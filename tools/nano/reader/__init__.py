# SPDX-License-Identifier: Apache-2.0
"""A model that reads printed text in pictures: data, training, and the comparison with other readers."""
