// SPDX-License-Identifier: Apache-2.0

/// How a family of models writes coordinates: Ferret and Qwen in thousandths of the image's sides, rounded down, 0 … 999; DocTags in
/// 500ths; DeepSeek with 999 for the whole side.
package enum CoordinateForm {
  /// `[x, y]` and `[x1, y1, x2, y2]` (arXiv:2310.07704 §3.3).
  case ferret
  /// `<box>(x1,y1),(x2,y2)</box>`, after `<ref>phrase</ref>` in answers (arXiv:2308.12966 §2.2).
  case qwen
  /// `<loc_x1><loc_y1><loc_x2><loc_y2>` inside an element, in 500ths, rounded, 0 … 499 (arXiv:2503.11576 §3.1).
  case docTags
  /// `<|det|>[[x1, y1, x2, y2]]<|/det|>`, several boxes beside each other, after `<|ref|>phrase<|/ref|>` in answers (arXiv:2510.18234 §4).
  case deepSeek

  /// The text that names a region's place.
  package func text(_ area: RegionArea) -> [UInt8] {
    let corners = area.corners.map { (number($0.x, of: area.width), number($0.y, of: area.height)) }
    switch self {
    case .ferret:
      return Array("[".utf8) + Array(corners.map { "\($0.0), \($0.1)" }.joined(separator: ", ").utf8) + Array("]".utf8)
    case .qwen:
      let (first, last) = (corners[0], corners[corners.count - 1])
      return Array("<box>(\(first.0),\(first.1)),(\(last.0),\(last.1))</box>".utf8)
    case .docTags:
      let (first, last) = (area.corners[0], area.corners[area.corners.count - 1])
      let numbers = [(first.x, area.width), (first.y, area.height), (last.x, area.width), (last.y, area.height)].map {
        min(max(Int((500 * $0.0 / Double($0.1)).rounded(.toNearestOrEven)), 0), 499)
      }
      return Array(numbers.map { "<loc_\($0)>" }.joined().utf8)
    case .deepSeek:
      let (first, last) = (corners[0], corners[corners.count - 1])
      return Array("<|det|>[[\(first.0), \(first.1), \(last.0), \(last.1)]]<|/det|>".utf8)
    }
  }

  /// The number written for a coordinate in pixels, inside the image.
  private func number(_ place: Double, of side: Int) -> Int {
    guard self == .deepSeek else { return Self.thousandths(place, of: side) }
    return min(max(Int((999 * place / Double(side)).rounded()), 0), 999)
  }

  /// ⌊1000 · place / side⌋, for a coordinate inside the image. A number that was read from an answer (`pixels`) is that number again: rounding errors
  /// are made up for, which are far smaller than the distance between whole pixels' numbers.
  package static func thousandths(_ place: Double, of side: Int) -> Int {
    min(max(Int((1000 * place / Double(side) + 1e-9).rounded(.down)), 0), 999)
  }

  /// The coordinate that a number of an answer means, in pixels of the original image.
  package func pixels(_ number: Double, of side: Int) -> Double {
    let whole = self == .deepSeek ? 999.0 : 1000
    return min(max(number, 0), whole) * Double(side) / whole
  }
}
