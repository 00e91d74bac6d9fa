// SPDX-License-Identifier: Apache-2.0
import Kernels
import Shims

/// Rotary position embedding (arXiv:2104.09864) in the NeoX form: component i of a head is rotated with component i + headSize/2.
///
/// As PyTorch computes it, all in f32: frequency i = 1 / theta^(2i/headSize), angle = position · frequency, then its sine and cosine.
package struct RotaryEmbedding {
  /// RoPE scaling, by which a checkpoint extends its context.
  package enum Scaling {
    case none
    /// Frequencies divided by `factor`.
    case linear(factor: Float)
    /// Llama 3.1: low frequencies divided by `factor`, high ones kept, a ramp between.
    case llama3(factor: Float, lowFrequencyFactor: Float, highFrequencyFactor: Float, originalContext: Int)
  }

  private let table: RotaryTable
  package let headSize: Int

  /// - Parameter headSize: even.
  package init(headSize: Int, theta: Float, scaling: Scaling = .none) {
    assert(headSize > 0 && headSize % 2 == 0)
    self.headSize = headSize
    table = RotaryTable(frequencies: RotaryEmbedding.frequencies(headSize: headSize, theta: theta, scaling: scaling))
  }

  /// Bytes of the table of cosines and sines for the first `positions`.
  package func tableBytes(positions: Int) -> Int { RotaryTable.byteCount(positions: positions, headSize: headSize) }

  /// Rotates queries or keys in place; token i is at position `firstPosition + i`.
  /// - Parameter x: token i, head h at `x + i·stride + h·headSize`.
  package func callAsFunction(
    _ x: UnsafeMutablePointer<Float>, stride: Int, tokens: Int, heads: Int, firstPosition: Int, _ ctx: Context
  ) {
    ctx.split(rows: tokens, cost: heads &* headSize) { rows in
      for row in rows {
        table.withRow(firstPosition &+ row) { cosines, sines in
          let token = x + row &* stride
          for head in 0..<heads { ctx.kernels.rotate(token + head &* headSize, cosines, sines, headSize) }
        }
      }
    }
  }

  /// Angle per position, `[headSize/2]`.
  package static func frequencies(headSize: Int, theta: Float, scaling: Scaling) -> [Float] {
    (0..<headSize / 2).map { i in
      let exponent = Float(2 * i) / Float(headSize)
      let frequency = 1 / powf(theta, exponent)
      switch scaling {
      case .none:
        return frequency
      case .linear(let factor):
        return frequency / factor
      case .llama3(let factor, let low, let high, let context):
        let context = Float(context)
        let wavelength = 2 * Float.pi / frequency
        if wavelength > context / low { return frequency / factor }
        if wavelength < context / high { return frequency }
        let smooth = (context / wavelength - low) / (high - low)
        return (1 - smooth) * (frequency / factor) + smooth * frequency
      }
    }
  }
}

/// Cosines and sines of positions, computed when a position is first used and kept, by blocks of positions. Any thread, lock-free.
private final class RotaryTable: @unchecked Sendable {
  private static let blockSize = 128
  private static let blockCount = 8192  // a million positions; beyond them rows are computed each time

  private let frequencies: [Float]
  /// Address of each block `[blockSize][cosines | sines]`; 0: not computed.
  private let blocks: UnsafeMutablePointer<UInt64>

  static func byteCount(positions: Int, headSize: Int) -> Int {
    min((positions + blockSize - 1) / blockSize, blockCount) * blockSize * headSize * MemoryLayout<Float>.stride
  }

  init(frequencies: [Float]) {
    self.frequencies = frequencies
    blocks = .allocate(capacity: RotaryTable.blockCount)
    blocks.initialize(repeating: 0, count: RotaryTable.blockCount)
  }

  deinit {
    for i in 0..<RotaryTable.blockCount { block_free(UnsafeMutableRawPointer(bitPattern: UInt(blocks[i]))) }
    blocks.deallocate()
  }

  /// Calls `body` with the cosines and sines of one position, `[headSize/2]` each.
  func withRow(_ position: Int, _ body: (UnsafePointer<Float>, UnsafePointer<Float>) -> Void) {
    let half = frequencies.count
    if let block = block(of: position) {
      let row = block + position % RotaryTable.blockSize &* 2 &* half
      return body(row, row + half)
    }
    withUnsafeTemporaryAllocation(of: Float.self, capacity: 2 * half) { row in
      guard let row = row.baseAddress else { return }
      fill(row, position)
      body(row, row + half)
    }
  }

  /// nil: the position is beyond the table, or there was no memory for the block.
  private func block(of position: Int) -> UnsafePointer<Float>? {
    let number = position / RotaryTable.blockSize
    guard position >= 0, number < RotaryTable.blockCount else { return nil }
    let known = atomic_load64(blocks + number)
    if known != 0 { return UnsafePointer(bitPattern: UInt(known)) }

    let rowSize = 2 * frequencies.count
    guard let memory = block_allocate(RotaryTable.blockSize * rowSize * MemoryLayout<Float>.stride) else { return nil }
    let block = memory.bindMemory(to: Float.self, capacity: RotaryTable.blockSize * rowSize)
    for i in 0..<RotaryTable.blockSize { fill(block + i * rowSize, number * RotaryTable.blockSize + i) }
    if atomic_exchange64_if(blocks + number, 0, UInt64(UInt(bitPattern: memory))) { return UnsafePointer(block) }
    block_free(memory)  // another thread was first, with the same values
    return UnsafePointer(bitPattern: UInt(atomic_load64(blocks + number)))
  }

  private func fill(_ row: UnsafeMutablePointer<Float>, _ position: Int) {
    let half = frequencies.count
    for i in 0..<half {
      let angle = Float(position) * frequencies[i]
      row[i] = cosf(angle)
      row[half + i] = sinf(angle)
    }
  }
}
