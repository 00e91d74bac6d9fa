// SPDX-License-Identifier: Apache-2.0
import WeightFile

/// What the file says of HiRes-LLaVA's SliceRestore adapters; the paper leaves these points open, so they are metadata.
struct SliceRestoreConfig {
  /// What the adapter reads: the block's normed input, its raw input, or its attention's output.
  enum Input { case normed, residual, attended }
  /// Size of the map that global attention sees.
  enum Down { case grid(rows: Int, columns: Int), ratio(Int) }

  let layers: [Int]
  let heads: Int
  let input: Input
  let down: Down

  /// `nil` where the file has no adapters.
  static func read(_ m: Metadata, hiddenSize: Int) throws(WeightFileError) -> SliceRestoreConfig? {
    guard let layers = m.ints("hires.restoreLayers"), !layers.isEmpty else { return nil }
    let heads = try m.requireDivisor("hires.restoreHeads", of: hiddenSize, in: 1...1024)
    guard hiddenSize / heads <= 256 else {
      throw m.mismatch("hires.restoreHeads", found: "\(heads)", expected: "head size of at most 256")
    }
    let place = m.string("hires.restoreWhere") ?? "parallel_attn"
    let source = m.string("hires.restoreInput") ?? "ln1"
    let input: Input
    switch (place.utf8.elementsEqual("sequential".utf8), source.utf8.elementsEqual("x".utf8)) {
    case (true, _): input = .attended
    case (false, true): input = .residual
    case (false, false): input = .normed
    }
    let down: Down
    if let ratio = m.int("hires.restoreDownRatio") {
      guard (1...64).contains(ratio) else {
        throw m.mismatch("hires.restoreDownRatio", found: "\(ratio)", expected: "1…64")
      }
      down = .ratio(Int(ratio))
    } else {
      let size = try m.requireInts("hires.restoreDown")
      guard size.count == 2, (1...1024).contains(size[0]), (1...1024).contains(size[1]) else {
        throw m.mismatch("hires.restoreDown", found: "\(size.count) numbers", expected: "[rows, columns], each 1…1024")
      }
      down = .grid(rows: Int(size[0]), columns: Int(size[1]))
    }
    return SliceRestoreConfig(layers: layers.map { Int($0) }, heads: heads, input: input, down: down)
  }
}
