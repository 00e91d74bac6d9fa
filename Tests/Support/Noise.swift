// SPDX-License-Identifier: Apache-2.0
import Images

/// The same noise as `picture` of tools/reference/make_image_fixtures.py.
package func noise(width: Int, height: Int) throws -> RGBImage {
  var state = UInt32(truncatingIfNeeded: width * 65536 + height)
  let samples = [UInt8](unsafeUninitializedCapacity: width * height * 3) { buffer, count in
    count = buffer.count
    for i in buffer.indices {
      state = state &* 1_664_525 &+ 1_013_904_223
      buffer[i] = UInt8(state >> 24)
    }
  }
  return try RGBImage(rgb: samples, width: width, height: height)
}

/// CRC-32 of all pixels, row by row, one image after another.
package func checksum(of images: [RGBImage]) -> UInt32 {
  let table = (0..<256).map { byte -> UInt32 in
    var crc = UInt32(byte)
    for _ in 0..<8 { crc = crc & 1 == 1 ? (crc >> 1) ^ 0xEDB8_8320 : crc >> 1 }
    return crc
  }
  return table.withUnsafeBufferPointer { table in
    var crc = ~UInt32(0)
    for image in images {
      for y in 0..<image.height {
        let line = UnsafeBufferPointer(start: image.pixels + y * image.stride, count: 3 * image.width)
        for byte in line { crc = (crc >> 8) ^ table[Int(UInt8(truncatingIfNeeded: crc) ^ byte)] }
      }
    }
    return ~crc
  }
}
