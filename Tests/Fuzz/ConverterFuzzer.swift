// SPDX-License-Identifier: Apache-2.0
import Foundation

// libFuzzer target of what the converter reads: the first byte chooses safetensors, a torch archive, a bare pickle, JSON or protobuf. Whatever the
// rest is, reading it ends in a result or an error with words.

private let path = "/dev/shm/fovea-fuzz-\(getpid())"

@_cdecl("LLVMFuzzerTestOneInput")
public func fuzzConverter(_ start: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
  guard let start, count > 1 else { return 0 }
  let bytes = UnsafeRawBufferPointer(start: start + 1, count: count - 1)
  do {
    switch start[0] % 5 {
    case 0: _ = try SafetensorsFile(path: written(bytes)).tensors.count
    case 1: _ = try TorchFile(path: written(bytes)).tensors.count
    case 2: _ = try PickleMachine.run(bytes, file: "input")
    case 3: _ = try JSONParser.parse(bytes, file: "input")
    default:
      var reader = ProtobufReader(bytes, file: "input")
      while try reader.next() != nil {}
    }
  } catch {
    if "\(error)".utf8.isEmpty { fatalError("an error without words") }
  }
  return 0
}

/// A file with these bytes, which the next one replaces.
private func written(_ bytes: UnsafeRawBufferPointer) -> String {
  guard let file = fopen(path, "wb") else { fatalError("cannot write \(path)") }
  fwrite(bytes.baseAddress, 1, bytes.count, file)
  fclose(file)
  return path
}
