// SPDX-License-Identifier: Apache-2.0

// Sign and exponent bytes of neighbouring weights are alike, mantissa bytes are noise: in separate planes zstd gives each its own entropy table.

/// Puts byte i of every `planes`-byte element (2 or 4) into plane i: `target` is all first bytes, then all second bytes, …
/// `size` is a multiple of `planes`.
func splitPlanes(_ source: UnsafeRawPointer, _ target: UnsafeMutableRawPointer, size: Int, planes: Int) {
  assert(size % planes == 0)
  let n = size / planes
  for plane in 0..<planes {
    let out = target + plane &* n
    for i in 0..<n {
      out.storeBytes(of: source.load(fromByteOffset: i &* planes &+ plane, as: UInt8.self), toByteOffset: i, as: UInt8.self)
    }
  }
}

/// The inverse of `splitPlanes`.
func joinPlanes(_ source: UnsafeRawPointer, _ target: UnsafeMutableRawPointer, size: Int, planes: Int) {
  assert(size % planes == 0)
  let n = size / planes
  func byte(_ plane: Int, _ i: Int) -> UInt32 { UInt32(source.load(fromByteOffset: plane &* n &+ i, as: UInt8.self)) }
  if planes == 2 {
    for i in 0..<n {
      let element = UInt16(truncatingIfNeeded: byte(0, i) | byte(1, i) << 8)
      target.storeBytes(of: element.littleEndian, toByteOffset: 2 &* i, as: UInt16.self)
    }
  } else {
    for i in 0..<n {
      let element = byte(0, i) | byte(1, i) << 8 | byte(2, i) << 16 | byte(3, i) << 24
      target.storeBytes(of: element.littleEndian, toByteOffset: 4 &* i, as: UInt32.self)
    }
  }
}
