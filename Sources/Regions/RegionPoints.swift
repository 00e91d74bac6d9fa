// SPDX-License-Identifier: Apache-2.0

/// Input of a region sampler: its initial points, and the start index of each stage's farthest-point sampling.
package struct RegionPoints {
  /// A point in the image, both coordinates 0 … 1: pixel / image size.
  package struct Place: Equatable {
    package var x, y: Float

    package init(x: Float, y: Float) {
      self.x = x
      self.y = y
    }
  }

  /// As many as the sampler's first stage takes.
  package let places: [Place]
  /// Index of each stage's first anchor among its input points.
  package let first: (Int, Int)

  package init(_ places: [Place], first: (Int, Int)) {
    self.places = places
    self.first = first
  }
}

extension [RegionPoints.Place] {
  /// Farthest-point sampling (arXiv:1706.02413 §3.2): `count` indices, each the point farthest from those before, the first of equals.
  /// - Parameter first: the first index.
  package func farthest(_ count: Int, from first: Int) -> [Int] {
    var distances = [Float](repeating: 1e10, count: self.count)
    var chosen: [Int] = []
    var next = first
    for _ in 0..<count {
      chosen.append(next)
      let anchor = self[next]
      next = 0
      for (i, p) in enumerated() {
        let (dx, dy) = (p.x - anchor.x, p.y - anchor.y)
        distances[i] = Swift.min(distances[i], dx * dx + dy * dy)
        if distances[i] > distances[next] { next = i }
      }
    }
    return chosen
  }

  /// Indices of the `count` points nearest to `anchor`, itself among them, the first of equals.
  ///
  /// Points lie on a pixel grid, so many distances tie and rounding decides: the distance is −2ab + |a|² + |b|² in f32, with the product's
  /// second term fused (FMA), as a GEMM computes it.
  package func nearest(_ count: Int, to anchor: RegionPoints.Place) -> [Int] {
    let ownSquare = anchor.x * anchor.x + anchor.y * anchor.y
    let distances: [Float] = map { p in
      -2 * (anchor.x * p.x).addingProduct(anchor.y, p.y) + ownSquare + (p.x * p.x + p.y * p.y)
    }
    let order: [Int] = (0..<self.count).sorted { (distances[$0], $0) < (distances[$1], $1) }
    return Array<Int>(order.prefix(count))
  }
}
