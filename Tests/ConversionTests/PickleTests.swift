// SPDX-License-Identifier: Apache-2.0
import CheckpointFiles
import Conversion
import Testing

/// Pickles written by hand, inside the ZIP that torch.save makes.
@Suite struct PickleTests {
  private func open(_ pickle: [UInt8], data: [UInt8] = [UInt8](repeating: 0, count: 64), zip64: Bool = false) throws -> TorchFile {
    let folder = try TemporaryFolder()
    let entries: [(String, [UInt8])] = [("x/data.pkl", pickle), ("x/data/0", data)]
    return try TorchFile(path: folder.write("weights.bin", zip(entries.map { (name: $0.0, data: $0.1) }, isZip64: zip64)))
  }

  private func text(_ s: String) -> [UInt8] { [UInt8(ascii: "X")] + [UInt8(s.utf8.count), 0, 0, 0] + Array(s.utf8) }
  private func global(_ module: String, _ name: String) -> [UInt8] { Array("c\(module)\n\(name)\n".utf8) }
  private func int(_ value: Int32) -> [UInt8] {
    var bytes: [UInt8] = [UInt8(ascii: "J")]
    bytes.append(little: value)
    return bytes
  }
  private func tuple(_ items: [[UInt8]]) -> [UInt8] { Array("(".utf8) + items.flatMap { $0 } + Array("t".utf8) }

  /// {"w": tensor} with the given view of a storage of `count` floats.
  private func state(
    offset: Int32 = 0, shape: [Int32], strides: [Int32], count: Int32 = 16, key: String = "0", name: String = "w"
  ) -> [UInt8] {
    let storage = tuple([text("storage"), global("torch", "FloatStorage"), text(key), text("cpu"), int(count)]) + Array("Q".utf8)
    let arguments = tuple([
      storage, int(offset), tuple(shape.map(int)), tuple(strides.map(int)), [0x89],
      global("collections", "OrderedDict") + Array(")R".utf8),
    ])
    return [0x80, 2] + Array("}".utf8) + text(name) + global("torch._utils", "_rebuild_tensor_v2") + arguments + Array("Rs.".utf8)
  }

  @Test(arguments: [
    ("os", "system"), ("posix", "system"), ("builtins", "eval"), ("builtins", "exec"), ("subprocess", "Popen"), ("torch", "load"),
    ("torch._utils", "_rebuild_tensor"), ("torch.storage", "_load_from_bytes"), ("collections", "deque"),
    ("numpy.core.multiarray", "_reconstruct"),
    ("torch", "FloatStorage.__init__"),
  ])
  func refusesGlobal(_ module: String, _ name: String) {
    let call = tuple([text("touch /tmp/owned")]) + Array("R.".utf8)
    expectFailure("weights.bin", "\(module).\(name)", "refused") { _ = try open([0x80, 2] + global(module, name) + call) }
    // The same by protocol 4's opcode, names from the stack.
    expectFailure("\(module).\(name)") { _ = try open([0x80, 4] + text(module) + text(name) + [0x93] + call) }
  }

  @Test(arguments: ["i", "o", "\u{1}"]) func refusesOpcodesThatNoStateDictionaryNeeds(_ opcode: String) {
    expectFailure("opcode") { _ = try open(Array("(\(opcode)os\nsystem\n.".utf8)) }
  }

  @Test func readsATensor() throws {
    var data: [UInt8] = []
    for i in 0..<16 { data.append(little: Float(i).bitPattern) }
    for zip64 in [false, true] {
      let file = try open(state(offset: 2, shape: [2, 3], strides: [4, 1]), data: data, zip64: zip64)
      #expect(try file.readAll(try #require(file.info("w"))) == [2, 3, 4, 6, 7, 8])
    }
  }

  @Test func refusesViewsThatReachOutsideTheirStorage() {
    expectFailure("w", "outside") { _ = try open(state(offset: 15, shape: [2], strides: [1])) }
    expectFailure("w", "outside") { _ = try open(state(offset: -1, shape: [2], strides: [1])) }
    expectFailure("w", "outside") { _ = try open(state(offset: 8, shape: [2, 2], strides: [-8, 1])) }
    expectFailure("w", "outside") { _ = try open(state(shape: [2, 2], strides: [.max, 1])) }
    expectFailure("w", "outside") { _ = try open(state(shape: [.max, .max, .max, 2], strides: [1, 1, 1, 1])) }
    expectFailure("w", "storage 0 has 64 bytes") { _ = try open(state(shape: [2], strides: [1], count: 17)) }
    expectFailure("w", "data/7") { _ = try open(state(shape: [2], strides: [1], key: "7")) }
  }

  @Test func saysThatATensorIsABroadcast() {
    expectFailure("w", "stride 0") { _ = try open(state(shape: [1_000_000, 1_000_000], strides: [0, 0])) }
    expectFailure("w", "stride 0") { _ = try open(state(shape: [4, 2], strides: [0, 1])) }
  }

  @Test func takesTheWrapperOfDataParallelAway() throws {
    let file = try open(state(shape: [2], strides: [1], name: "module.w"))
    #expect(file.info("w") != nil && file.info("module.w") == nil)
  }

  @Test func readsProtocol1() throws {
    var data: [UInt8] = []
    for i in 0..<16 { data.append(little: Float(i).bitPattern) }
    // {'w': …} as pickle.dumps(…, protocol=1) writes it: truth values and long numbers are lines of text.
    let storage = tuple([text("storage"), global("torch", "FloatStorage"), text("0"), text("cpu"), Array("L16L\n".utf8)]) + Array("Q".utf8)
    let arguments = tuple([
      storage, Array("I2\n".utf8), tuple([Array("K\u{2}".utf8)]), tuple([Array("K\u{1}".utf8)]), Array("I00\n".utf8),
      global("collections", "OrderedDict") + Array(")R".utf8),
    ])
    let pickle = Array("}q\u{0}(".utf8) + text("w") + global("torch._utils", "_rebuild_tensor_v2") + arguments + Array("Ru.".utf8)
    let file = try open(pickle, data: data)
    #expect(try file.readAll(try #require(file.info("w"))) == [2, 3])
  }

  @Test(arguments: ["I1x\n.", "I99999999999999999999\n.", "L5\n.", "Fx\n.", "S'a\n.", "S\n.", "Va\\u0041\n.", "p1\n.", "g1\n.", "(Nd."])
  func brokenTextIsAnError(_ program: String) { #expect(throws: ConversionError.self) { try open(Array(program.utf8)) } }

  @Test func namesTheTypesThatItCannotRead() {
    let call = Array(")R.".utf8)
    expectFailure("weights.bin", "FP8") { _ = try open([0x80, 2] + global("torch", "float8_e4m3fn") + call) }
    expectFailure("weights.bin", "FP8") { _ = try open([0x80, 2] + global("torch._utils", "_rebuild_tensor_v3") + call) }
    expectFailure("weights.bin", "quantised") { _ = try open([0x80, 2] + global("torch._utils", "_rebuild_qtensor") + call) }
    expectFailure("weights.bin", "protocol 0") { _ = try open(Array("P('storage',)\n.".utf8)) }
  }

  @Test func nestedContainersNeitherRecurseNorTrap() {
    // A million tuples inside each other, and a list that holds itself.
    let deep = [0x80, 2] + Array(")".utf8) + [UInt8](repeating: 0x85, count: 1_000_000) + Array(".".utf8)
    expectFailure("not a dictionary") { _ = try open(deep) }
    expectFailure("not a dictionary") { _ = try open([0x80, 2] + Array("]q\u{0}h\u{0}a.".utf8)) }
  }

  @Test(arguments: [
    "", ".", "0.", "2.", "s.", "}s.", "(s.", "t.", "R.", "))R.", "Q.", "h\u{5}.", "q\u{0}.", "(q\u{0}.", "(((((.", "}(Nu.",
  ])
  func brokenProgramsAreErrors(_ program: String) {
    #expect(throws: ConversionError.self) { try open([0x80, 2] + Array(program.utf8)) }
  }

  @Test func refusesCompressedAndDoubledEntries() throws {
    let folder = try TemporaryFolder()
    let pickle = state(shape: [2], strides: [1])
    let packed = try folder.write("packed.bin", zip([("x/data.pkl", pickle)], method: 8))
    expectFailure("packed.bin", "compressed") { _ = try TorchFile(path: packed) }
    let doubled = try folder.write("doubled.bin", zip([("x/data.pkl", pickle), ("x/data.pkl", pickle)]))
    expectFailure("doubled.bin", "twice") { _ = try TorchFile(path: doubled) }
    let empty = try folder.write("empty.bin", zip([("x/other", [])]))
    expectFailure("empty.bin", "no data.pkl") { _ = try TorchFile(path: empty) }
    let bigEndian = try folder.write("big.bin", zip([("x/data.pkl", pickle), ("x/byteorder", Array("big".utf8))]))
    expectFailure("big.bin", "big-endian") { _ = try TorchFile(path: bigEndian) }
  }
}
