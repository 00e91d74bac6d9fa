// SPDX-License-Identifier: Apache-2.0
import Shims
import WeightFile

/// The integer values (codes) of a quantised type, to be multiplied by a scale.
struct CodeGrid: Sendable {
  let codes: WeightCodes
  private let lowest, highest: Float
  /// For a non-uniform grid: the nearest value for each half step from −64 on. Midpoints between values are multiples of ½, so no half step
  /// has two nearest ones. A pointer, which threads copy without reference counting.
  private nonisolated(unsafe) let nearestOfHalfSteps: UnsafePointer<Float>?
  /// For each integer from −64 on, the code that the file stores.
  private let numbers: [UInt8]

  /// Allocated once, never freed.
  private static let table4: UInt = {
    let values = (0..<16).map { Float(fovea_codebook4()[$0]) }
    let table = UnsafeMutablePointer<Float>.allocate(capacity: 256)
    for step in 0..<256 {
      let x = Float(step - 128) / 2 + 0.25
      (table + step).initialize(to: values.min { abs($0 - x) < abs($1 - x) } ?? 0)
    }
    return UInt(bitPattern: table)
  }()

  init(_ codes: WeightCodes, _ encoding: TensorEncoding) {
    self.codes = codes
    (lowest, highest) = (Float(codes.values.lowerBound), Float(codes.values.upperBound))
    guard encoding == .n4x16 else {
      (nearestOfHalfSteps, numbers) = (nil, [])
      return
    }
    let values = (0..<16).map { Int(fovea_codebook4()[$0]) }
    nearestOfHalfSteps = UnsafePointer(bitPattern: Self.table4)
    numbers = (-64..<64).map { value in UInt8(values.lastIndex { $0 <= value } ?? 0) }
  }

  /// The nearest grid values.
  @inline(__always)
  func nearest(_ x: SIMD8<Float>) -> SIMD8<Float> {
    var y = x
    y.replace(with: SIMD8(repeating: lowest), where: x .< lowest)
    y.replace(with: SIMD8(repeating: highest), where: x .> highest)
    if let table = nearestOfHalfSteps {
      // Index of the half step, 0 … 238: above 2²³ a float's low bits are an integer, and subtracting 0.5 turns rounding into floor.
      let steps = unsafeBitCast((y * 2 + 127.5) + 8_388_864, to: SIMD8<UInt32>.self) & 0xFF
      return SIMD8(
        table[Int(steps[0])], table[Int(steps[1])], table[Int(steps[2])], table[Int(steps[3])], table[Int(steps[4])], table[Int(steps[5])],
        table[Int(steps[6])], table[Int(steps[7])])
    }
    // Round to integer, ties to even: at 1.5 · 2²³ a float has no fraction bits.
    return (y + 12_582_912) - 12_582_912
  }

  @inline(__always)
  func nearest(_ x: SIMD16<Float>) -> SIMD16<Float> { SIMD16(lowHalf: nearest(x.lowHalf), highHalf: nearest(x.highHalf)) }

  /// The code that the file stores for a grid value.
  @inline(__always)
  func stored(_ value: Int8) -> UInt8 {
    numbers.isEmpty ? UInt8(truncatingIfNeeded: Int(value) &+ codes.zero) : numbers[Int(value) + 64]
  }
}
