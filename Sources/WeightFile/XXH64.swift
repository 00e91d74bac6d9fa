// SPDX-License-Identifier: Apache-2.0

/// The 64-bit xxHash of some bytes with seed 0, from its public specification (xxhash_spec.md, "XXH64 algorithm description").
/// Not cryptographic: it detects damage, not malice.
package func xxh64(_ start: UnsafeRawPointer, _ count: Int) -> UInt64 {
  var p = start
  var remaining = count
  var hash: UInt64
  if count >= 32 {
    var a = prime1 &+ prime2
    var b = prime2
    var c: UInt64 = 0
    var d = 0 &- prime1
    while remaining >= 32 {
      a = round(a, word(p))
      b = round(b, word(p + 8))
      c = round(c, word(p + 16))
      d = round(d, word(p + 24))
      p += 32
      remaining &-= 32
    }
    hash = rotateLeft(a, 1) &+ rotateLeft(b, 7) &+ rotateLeft(c, 12) &+ rotateLeft(d, 18)
    hash = merge(merge(merge(merge(hash, a), b), c), d)
  } else {
    hash = prime5
  }
  hash &+= UInt64(truncatingIfNeeded: count)
  while remaining >= 8 {
    hash = rotateLeft(hash ^ round(0, word(p)), 27) &* prime1 &+ prime4
    p += 8
    remaining &-= 8
  }
  if remaining >= 4 {
    let lane = UInt64(UInt32(littleEndian: p.loadUnaligned(as: UInt32.self)))
    hash = rotateLeft(hash ^ (lane &* prime1), 23) &* prime2 &+ prime3
    p += 4
    remaining &-= 4
  }
  while remaining > 0 {
    hash = rotateLeft(hash ^ (UInt64(p.load(as: UInt8.self)) &* prime5), 11) &* prime1
    p += 1
    remaining &-= 1
  }
  hash = (hash ^ (hash >> 33)) &* prime2
  hash = (hash ^ (hash >> 29)) &* prime3
  return hash ^ (hash >> 32)
}

private let prime1: UInt64 = 0x9E37_79B1_85EB_CA87
private let prime2: UInt64 = 0xC2B2_AE3D_27D4_EB4F
private let prime3: UInt64 = 0x1656_67B1_9E37_79F9
private let prime4: UInt64 = 0x85EB_CA77_C2B2_AE63
private let prime5: UInt64 = 0x27D4_EB2F_1656_67C5

@inline(__always) private func rotateLeft(_ x: UInt64, _ n: UInt64) -> UInt64 { x &<< n | x &>> (64 &- n) }
@inline(__always) private func word(_ p: UnsafeRawPointer) -> UInt64 { UInt64(littleEndian: p.loadUnaligned(as: UInt64.self)) }
@inline(__always) private func round(_ lane: UInt64, _ input: UInt64) -> UInt64 { rotateLeft(lane &+ input &* prime2, 31) &* prime1 }
@inline(__always) private func merge(_ hash: UInt64, _ lane: UInt64) -> UInt64 { (hash ^ round(0, lane)) &* prime1 &+ prime4 }
