// SPDX-License-Identifier: Apache-2.0
import Shims

// libFuzzer target of the weight file: whatever the bytes, opening, decoding and verifying end in a result or a WeightFileError.
// Tests/Fuzz/run builds it (with AddressSanitizer) and runs it from a few small valid files.

/// Opens the input twice, as it is and with its checksums made right (a fuzzer does not guess 64-bit hashes), and uses all of it.
@_cdecl("LLVMFuzzerTestOneInput")
public func fuzzWeightFile(_ start: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
  guard let start, count >= 128, let memory = malloc(count) else { return 0 }
  defer { free(memory) }
  memory.copyMemory(from: start, byteCount: count)
  exercise(memory, count)
  seal(memory, count)
  exercise(memory, count)
  return 0
}

private func exercise(_ memory: UnsafeMutableRawPointer, _ count: Int) {
  do throws(WeightFileError) {
    let file = try WeightFile(bytes: UnsafeRawBufferPointer(start: memory, count: count), copy: false)
    for key in file.metadata.keys where file.metadata.value(key) == nil { fatalError("a key without a value") }
    for record in file.records {
      guard let found = file.record(record.name), found.byteCount == record.byteCount else { fatalError("a record is lost") }
      try use(record, of: file)
    }
    try file.verify()
  } catch {
    if error.description.utf8.isEmpty { fatalError("an error without words") }
  }
}

private func use(_ record: TensorRecord, of file: WeightFile) throws(WeightFileError) {
  // What a host would refuse to allocate for a file this small.
  guard record.byteCount <= 1 << 20, let tensor = malloc(record.byteCount) else { return }
  defer { free(tensor) }
  if let raw = file.rawBytes(record) { tensor.copyMemory(from: raw, byteCount: record.byteCount) }
  for i in 0..<file.frameCount(record) { try file.decodeFrame(record, index: i, into: tensor) }
  guard let layout = record.layout, let row = malloc(layout.inputs * 4) else { return }
  defer { free(row) }
  for i in [0, layout.outputs - 1] { layout.readRow(i, from: tensor, into: row.assumingMemoryBound(to: Float.self)) }
}

/// Makes right what checksums can be found: of the frames of the tensor table, of both sections, of the header.
private func seal(_ memory: UnsafeMutableRawPointer, _ count: Int) {
  func u32(_ at: Int) -> Int { Int(memory.loadUnaligned(fromByteOffset: at, as: UInt32.self)) }
  func u64(_ at: Int) -> Int { Int(truncatingIfNeeded: memory.loadUnaligned(fromByteOffset: at, as: UInt64.self)) }
  func isInside(_ offset: Int, _ size: Int) -> Bool { offset >= 0 && size >= 0 && offset <= count && size <= count - offset }
  func sum(_ offset: Int, _ size: Int, to place: Int) {
    guard isInside(offset, size) else { return }
    memory.storeBytes(of: xxh64(memory + offset, size), toByteOffset: place, as: UInt64.self)
  }
  if isInside(u64(48), u64(56)) {
    var at = u64(48)
    let end = at + u64(56)
    while at + 24 <= end {
      let rank = Int(memory.load(fromByteOffset: at + 6, as: UInt8.self))
      let frames = u32(at + 12)
      at += 24 + u32(at) + 8 * rank
      for _ in 0..<min(frames, (end - min(at, end)) / 32) {
        sum(u64(at), u32(at + 16), to: at + 8)
        at += 32
      }
    }
  }
  sum(u64(24), u64(32), to: 40)
  sum(u64(48), u64(56), to: 64)
  sum(0, 120, to: 120)
}
