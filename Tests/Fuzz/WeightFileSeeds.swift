// SPDX-License-Identifier: Apache-2.0

// Writes three small valid weight files into the folder named as the argument: where the fuzzer starts.
let folder = CommandLine.arguments[1]
for (name, compression) in [("none", .none), ("zstd", .zstd), ("auto", .auto)] as [(String, WeightFileWriter.Compression)] {
  let writer = try WeightFileWriter(path: folder + "/" + name, compression: compression)
  writer.set("b", .bool(true))
  writer.set("i", .ints([1, 2]))
  writer.set("n", .int(3))
  writer.set("d", .doubles([0.5]))
  writer.set("s", .strings(["a", "bc"]))
  writer.set("y", .byteStrings([[1, 2], []]))
  let tensors: [(String, [Int], TensorEncoding, Int)] = [
    ("f32", [3, 2], .f32, 0), ("f16", [2, 1, 2, 3, 1], .f16, 0), ("f32x16", [2, 2], .f32x16, 0), ("f16x16", [17, 1], .f16x16, 0),
    ("q8", [3, 5], .q8x16, 32), ("q4", [1, 33], .q4x16, 32),
  ]
  for (tensor, shape, encoding, group) in tensors {
    let packed = PackedLayout(encoding: encoding, outputs: shape[0], inputs: shape[1], group: group)
    let size = packed?.byteCount ?? shape.reduce(encoding == .f32 ? 4 : 2, *)
    let bytes = (0..<size).map { UInt8(truncatingIfNeeded: $0 / 5 * 3) }
    try bytes.withUnsafeBytes { try writer.addTensor(name: tensor, shape: shape, encoding: encoding, group: group, bytes: $0) }
  }
  try writer.finish()
}
