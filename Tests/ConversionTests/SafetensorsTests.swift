// SPDX-License-Identifier: Apache-2.0
import CheckpointFiles
import Conversion
import Testing

@Suite struct SafetensorsTests {
  private func open(_ bytes: [UInt8]) throws -> SafetensorsFile {
    let folder = try TemporaryFolder()
    return try SafetensorsFile(path: folder.write("model.safetensors", bytes))
  }

  @Test func readsRows() throws {
    var bytes = safetensors(
      #"{"a":{"dtype":"F16","shape":[3,2],"data_offsets":[0,12]},"__metadata__":{"format":"pt"}}"#, dataCount: 0)
    for half: UInt16 in [0x3C00, 0xC000, 0x3800, 0x0001, 0x7BFF, 0x0000] { bytes.append(little: half) }
    let file = try open(bytes)
    let info = try #require(file.info("a"))
    #expect(file.tensors == [info] && info.shape == [3, 2])
    #expect(try file.readAll(info) == [1, -2, 0.5, 0x1p-24, 65504, 0])
    var row = [Float](repeating: 9, count: 2)
    try row.withUnsafeMutableBufferPointer { try file.read("a", rows: 1..<2, into: try #require($0.baseAddress)) }
    #expect(row == [0.5, 0x1p-24])
  }

  @Test(arguments: [
    (#"{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,4]}}"#, "4 bytes for 2 numbers"),
    (#"{"a":{"dtype":"F32","shape":[2],"data_offsets":[12,20]}}"#, "past the end"),
    (#"{"a":{"dtype":"F32","shape":[2],"data_offsets":[8,0]}}"#, "data_offsets"),
    (#"{"a":{"dtype":"F32","shape":[-2],"data_offsets":[0,8]}}"#, "no proper shape"),
    (#"{"a":{"dtype":"F32","shape":[4294967296,4294967296,4294967296],"data_offsets":[0,8]}}"#, "no proper shape"),
    (#"{"a":{"dtype":"F32","shape":[4611686018427387904],"data_offsets":[0,0]}}"#, "0 bytes for"),
    (#"{"a":{"dtype":"F4_E2M1","shape":[8],"data_offsets":[0,8]}}"#, "F4_E2M1"),
    (#"{"a":{"shape":[2],"data_offsets":[0,8]}}"#, "no dtype"),
    (#"{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}"#, "twice"),
    // As the reference implementation has it: the tensors fill the data, one after another.
    (#"{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},"b":{"dtype":"F32","shape":[3],"data_offsets":[4,16]}}"#, "overlaps"),
    (#"{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},"b":{"dtype":"F32","shape":[2],"data_offsets":[8,16]}}"#, "4 bytes before"),
    (#"{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}"#, "8 bytes behind"),
    (#"{"a":{"dtype":"F32","shape":[2],"data_offsets":[8,16]}}"#, "8 bytes before"),
    (#"{"__metadata__":{},"__metadata__":{}}"#, "__metadata__ is there twice"),
    (#"{"__metadata__":{"step":3}}"#, "__metadata__"),
    (#"{"__metadata__":"pt"}"#, "__metadata__"),
    ("\u{FEFF}{}", "not a JSON object"),
    (" {}", "not a JSON object"),
    (#"[1, 2]"#, "not a JSON object"),
    (#"{"a" 1}"#, "JSON, offset"),
    (#"{"a":{"dtype":"F32","shape":[04],"data_offsets":[0,16]}}"#, "not a number"),
    (#"{"a":{"dtype":"F32","shape":[4.],"data_offsets":[0,16]}}"#, "not a number"),
    (#"{"a":{"dtype":"F32","shape":[4e],"data_offsets":[0,16]}}"#, "not a number"),
    ("{\"a\u{1}\":{\"dtype\":\"F32\",\"shape\":[4],\"data_offsets\":[0,16]}}", "control character"),
  ])
  func refusesHeader(_ header: String, _ words: String) {
    expectFailure(words) { _ = try open(safetensors(header, dataCount: 16)) }
  }

  @Test func refusesNestingThatWouldUseUpTheStack() {
    expectFailure("nested deeper") { _ = try open(safetensors("{\"a\":" + String(repeating: "[", count: 1_000_000), dataCount: 0)) }
  }

  @Test func refusesHeaderLengthBeyondTheFile() {
    expectFailure("does not fit") { _ = try open([255, 255, 255, 255, 255, 255, 255, 255, 123, 125]) }
    expectFailure("shorter than") { _ = try open([1, 0, 0]) }
    expectFailure("shorter than") { _ = try open([]) }
  }

  @Test func everyTruncationIsAnError() throws {
    let whole = safetensors(#"{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}"#, dataCount: 8)
    for count in 0..<whole.count { #expect(throws: ConversionError.self) { try open(Array(whole[..<count])) } }
    #expect(try open(whole).tensors.count == 1)
  }
}
