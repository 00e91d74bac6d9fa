// SPDX-License-Identifier: Apache-2.0
import Runtime

/// Features of a whole image on a grid, from which regions are read.
package struct FeatureMap {
  /// `[height · width, channels]`, row-major.
  package let values: Tensor
  package let height, width: Int

  package init(_ values: Tensor, height: Int, width: Int) {
    self.values = values
    self.height = height
    self.width = width
  }
}
