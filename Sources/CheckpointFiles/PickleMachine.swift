// SPDX-License-Identifier: Apache-2.0

/// A pickle interpreter for PyTorch's state dictionaries only: numbers, texts, tuples, lists, dictionaries, and the four globals that
/// rebuild tensors. It can call nothing else, so a pickle cannot run code.
///
/// Containers are kept in flat arrays and referenced by index: nested or cyclic pickles can neither recurse nor leak.
struct PickleMachine {
  enum Value: Equatable {
    case none, mark
    case bool(Bool)
    case int(Int)
    case double(Double)
    case string(String)
    case bytes(Range<Int>)  // of the pickle
    case tuple(Int)
    case list(Int)
    case dictionary(Int)
    case global(Global)
    case storage(Int)
    case tensor(Int)
  }

  enum Global: Equatable {
    case orderedDictionary, rebuildTensor, rebuildParameter
    case storageType(NumberType)
  }

  /// `torch` storage: entry `data/<key>` of the archive.
  struct Storage: Equatable {
    let type: NumberType
    let key: String
    let count: Int
  }

  /// A view of a storage, everything counted in elements.
  struct View: Equatable {
    let storage: Int
    let offset: Int
    let shape: [Int], strides: [Int]
  }

  private(set) var tuples: [[Value]] = []
  private(set) var lists: [[Value]] = []
  private(set) var dictionaries: [[(key: Value, value: Value)]] = []
  private(set) var storages: [Storage] = []
  private(set) var views: [View] = []

  private let bytes: UnsafeRawBufferPointer
  private let file: String
  private var position = 0
  private var stack: [Value] = []
  private var memo: [Int: Value] = [:]

  /// Runs the pickle to its end.
  /// - Throws: `.refusedGlobal` for any other global, `.malformed` for opcodes that are unknown or do not fit the stack.
  static func run(_ bytes: UnsafeRawBufferPointer, file: String) throws -> (PickleMachine, result: Value) {
    var machine = PickleMachine(bytes: bytes, file: file)
    let result = try machine.run()
    return (machine, result)
  }

  private init(bytes: UnsafeRawBufferPointer, file: String) {
    self.bytes = bytes
    self.file = file
  }

  private func error(_ what: String) -> ConversionError { .malformed(file: file, detail: "pickle, offset \(position): \(what)") }

  // MARK: Reading

  private mutating func integer<T: FixedWidthInteger>(_ type: T.Type) throws -> T {
    let size = MemoryLayout<T>.size
    guard bytes.count - position >= size else { throw error("ends inside an opcode") }
    defer { position += size }
    return T(littleEndian: bytes.loadUnaligned(fromByteOffset: position, as: T.self))
  }

  private mutating func range(_ count: some BinaryInteger) throws -> Range<Int> {
    guard let count = Int(exactly: count), count >= 0, bytes.count - position >= count else { throw error("ends inside a value") }
    defer { position += count }
    return position..<position + count
  }

  private func text(_ range: Range<Int>) throws -> String {
    guard let text = String(validating: bytes[range], as: UTF8.self) else { throw error("a text that is not UTF-8") }
    return text
  }

  private mutating func line() throws -> String {
    guard let end = bytes[position...].firstIndex(of: 0x0A) else { throw error("a line without an end") }
    defer { position = end + 1 }
    return try text(position..<end)
  }

  private mutating func pop() throws -> Value {
    guard let top = stack.popLast(), top != .mark else { throw error("the stack is empty") }
    return top
  }

  private mutating func popToMark() throws -> [Value] {
    guard let mark = stack.lastIndex(of: .mark) else { throw error("no mark on the stack") }
    let items = Array(stack[(mark + 1)...])
    stack.removeSubrange(mark...)
    return items
  }

  private mutating func pushTuple(_ items: [Value]) {
    tuples.append(items)
    stack.append(.tuple(tuples.count - 1))
  }

  // MARK: Running

  private mutating func run() throws -> Value {
    while true {
      let opcode = try integer(UInt8.self)
      switch opcode {
      case 0x80: _ = try integer(UInt8.self)  // PROTO
      case 0x95: _ = try integer(UInt64.self)  // FRAME
      case UInt8(ascii: "."): return try pop()
      case UInt8(ascii: "("): stack.append(.mark)
      case UInt8(ascii: "0"): _ = try pop()
      case UInt8(ascii: "1"): _ = try popToMark()
      case UInt8(ascii: "2"):  // DUP
        let top = try pop()
        stack += [top, top]
      case UInt8(ascii: "N"): stack.append(.none)
      case 0x88: stack.append(.bool(true))
      case 0x89: stack.append(.bool(false))
      case UInt8(ascii: "K"): stack.append(.int(Int(try integer(UInt8.self))))
      case UInt8(ascii: "M"): stack.append(.int(Int(try integer(UInt16.self))))
      case UInt8(ascii: "J"): stack.append(.int(Int(try integer(Int32.self))))
      case 0x8A: stack.append(.int(try longInteger()))  // LONG1
      case UInt8(ascii: "I"), UInt8(ascii: "L"): stack.append(try decimal(isLong: opcode == UInt8(ascii: "L")))
      case UInt8(ascii: "F"):
        guard let value = Double(try line()) else { throw error("not a number") }
        stack.append(.double(value))
      case UInt8(ascii: "V"), UInt8(ascii: "S"): stack.append(.string(try textLine(isQuoted: opcode == UInt8(ascii: "S"))))
      case UInt8(ascii: "G"): stack.append(.double(Double(bitPattern: UInt64(bigEndian: try integer(UInt64.self).littleEndian))))
      case UInt8(ascii: "X"): stack.append(.string(try text(try range(try integer(UInt32.self)))))
      case 0x8C: stack.append(.string(try text(try range(try integer(UInt8.self)))))
      case 0x8D: stack.append(.string(try text(try range(try integer(UInt64.self)))))
      case UInt8(ascii: "U"): stack.append(.string(try text(try range(try integer(UInt8.self)))))
      case UInt8(ascii: "C"): stack.append(.bytes(try range(try integer(UInt8.self))))
      case UInt8(ascii: "B"): stack.append(.bytes(try range(try integer(UInt32.self))))
      case UInt8(ascii: ")"): pushTuple([])
      case UInt8(ascii: "t"): pushTuple(try popToMark())
      case 0x85: pushTuple([try pop()])
      case 0x86:
        let second = try pop()
        pushTuple([try pop(), second])
      case 0x87:
        let third = try pop()
        let second = try pop()
        pushTuple([try pop(), second, third])
      case UInt8(ascii: "]"), UInt8(ascii: "l"):
        lists.append(opcode == UInt8(ascii: "l") ? try popToMark() : [])
        stack.append(.list(lists.count - 1))
      case UInt8(ascii: "}"): pushDictionary()
      case UInt8(ascii: "d"):
        let items = try popToMark()
        pushDictionary()
        try set(items)
      case UInt8(ascii: "a"): try append([try pop()])
      case UInt8(ascii: "e"): try append(try popToMark())
      case UInt8(ascii: "s"):
        let value = try pop()
        try set([try pop(), value])
      case UInt8(ascii: "u"): try set(try popToMark())
      case UInt8(ascii: "q"): try memorise(Int(try integer(UInt8.self)))
      case UInt8(ascii: "r"): try memorise(Int(try integer(UInt32.self)))
      case 0x94: try memorise(memo.count)
      case UInt8(ascii: "p"): try memorise(try index())
      case UInt8(ascii: "g"): try recall(try index())
      case UInt8(ascii: "h"): try recall(Int(try integer(UInt8.self)))
      case UInt8(ascii: "j"): try recall(Int(try integer(UInt32.self)))
      case UInt8(ascii: "c"): stack.append(.global(try global(module: try line(), name: try line())))
      case 0x93:  // STACK_GLOBAL
        guard case .string(let name) = try pop(), case .string(let module) = try pop() else {
          throw error("a global without a name")
        }
        stack.append(.global(try global(module: module, name: name)))
      case UInt8(ascii: "Q"): try pushStorage(try pop())
      case UInt8(ascii: "P"):
        throw ConversionError.unsupported("\(file): a pickle of protocol 0, which PyTorch itself cannot read back; save it with protocol 2")
      case UInt8(ascii: "R"):
        let arguments = try pop()
        try call(try pop(), arguments)
      case UInt8(ascii: "b"): _ = try pop()  // BUILD: attributes of a dictionary (`_metadata`), irrelevant for tensors
      default: throw error("opcode 0x\(String(opcode, radix: 16)) is not one that a state dictionary needs")
      }
    }
  }

  // MARK: Values written as text, by protocols 0 and 1

  /// `I` and `L`: a decimal number; `I00` and `I01` are the truth values.
  private mutating func decimal(isLong: Bool) throws -> Value {
    let digits = try line()
    if !isLong, digits == "00" || digits == "01" { return .bool(digits == "01") }
    guard let value = Int(isLong && digits.last == "L" ? String(digits.dropLast()) : digits) else { throw error("not an integer of 64 bits") }
    return .int(value)
  }

  private mutating func index() throws -> Int {
    guard let index = Int(try line()), index >= 0 else { throw error("not an index") }
    return index
  }

  /// `V` and `S`. Names of tensors need no escapes, so none are read.
  private mutating func textLine(isQuoted: Bool) throws -> String {
    let text = try line()
    guard !text.utf8.contains(UInt8(ascii: "\\")) else { throw error("a text with an escape") }
    guard isQuoted else { return text }
    guard text.utf8.count >= 2, let quote = text.first, quote == "'" || quote == "\"", text.last == quote else {
      throw error("a text without quotes")
    }
    return String(text.dropFirst().dropLast())
  }

  private mutating func longInteger() throws -> Int {
    let digits = try range(try integer(UInt8.self))
    guard digits.count <= 8 else { throw error("an integer of more than 64 bits") }
    var value: Int64 = 0
    for (shift, index) in digits.enumerated() { value |= Int64(bytes[index]) << Int64(8 * shift) }
    let unused = Int64(64 - 8 * digits.count)
    return digits.isEmpty ? 0 : Int((value << unused) >> unused)
  }

  private mutating func pushDictionary() {
    dictionaries.append([])
    stack.append(.dictionary(dictionaries.count - 1))
  }

  private mutating func append(_ items: [Value]) throws {
    guard case .list(let index)? = stack.last else { throw error("append to something that is not a list") }
    lists[index] += items
  }

  private mutating func set(_ items: [Value]) throws {
    guard case .dictionary(let index)? = stack.last else { throw error("an item set on something that is not a dictionary") }
    guard items.count % 2 == 0 else { throw error("a key without a value") }
    for i in stride(from: 0, to: items.count, by: 2) { dictionaries[index].append((items[i], items[i + 1])) }
  }

  private mutating func memorise(_ index: Int) throws {
    guard let top = stack.last, top != .mark else { throw error("nothing to remember") }
    memo[index] = top
  }

  private mutating func recall(_ index: Int) throws {
    guard let value = memo[index] else { throw error("nothing was remembered as \(index)") }
    stack.append(value)
  }

  private func global(module: String, name: String) throws -> Global {
    switch (module, name) {
    case ("collections", "OrderedDict"): return .orderedDictionary
    case ("torch._utils", "_rebuild_tensor_v2"): return .rebuildTensor
    case ("torch._utils", "_rebuild_parameter"): return .rebuildParameter
    case ("torch", _):
      if let type = Self.storageTypes[name] { return .storageType(type) }
      if name.hasPrefix("float8") { throw ConversionError.unsupported("\(file): tensors of type \(name) (FP8)") }
    case ("torch._utils", "_rebuild_tensor_v3"):
      throw ConversionError.unsupported("\(file): tensors of a type that has no storage class (FP8, unsigned of 16 bits and more)")
    case ("torch._utils", "_rebuild_qtensor"):
      throw ConversionError.unsupported("\(file): tensors that PyTorch has quantised")
    default: break
    }
    throw ConversionError.refusedGlobal(file: file, name: "\(module).\(name)")
  }

  private static let storageTypes: [String: NumberType] = [
    "DoubleStorage": .f64, "FloatStorage": .f32, "HalfStorage": .f16, "BFloat16Storage": .bf16, "LongStorage": .i64,
    "IntStorage": .i32, "ShortStorage": .i16, "CharStorage": .i8, "ByteStorage": .u8, "BoolStorage": .bool,
  ]

  /// A persistent id is ("storage", storage type, key, device, count).
  private mutating func pushStorage(_ id: Value) throws {
    guard case .tuple(let index) = id, tuples[index].count == 5, tuples[index][0] == .string("storage"),
      case .global(.storageType(let type)) = tuples[index][1], case .string(let key) = tuples[index][2],
      case .int(let count) = tuples[index][4], count >= 0
    else { throw error("a persistent id that is not a tensor storage") }
    storages.append(Storage(type: type, key: key, count: count))
    stack.append(.storage(storages.count - 1))
  }

  private mutating func call(_ function: Value, _ arguments: Value) throws {
    guard case .global(let global) = function, case .tuple(let index) = arguments else {
      throw error("a call of something that cannot be called")
    }
    let values = tuples[index]
    switch global {
    case .orderedDictionary:
      // Python 2 writers passed an empty list.
      guard values.allSatisfy({ if case .list(let i) = $0 { lists[i].isEmpty } else { false } }) else {
        throw error("an OrderedDict made from arguments")
      }
      pushDictionary()
    case .rebuildTensor:  // storage, offset, size, strides, requires_grad, hooks[, metadata]
      guard values.count >= 6, case .storage(let storage) = values[0], case .int(let offset) = values[1],
        let shape = integers(values[2]), let strides = integers(values[3]), shape.count == strides.count
      else { throw error("a tensor with unexpected arguments") }
      views.append(View(storage: storage, offset: offset, shape: shape, strides: strides))
      stack.append(.tensor(views.count - 1))
    case .rebuildParameter:  // tensor, requires_grad, hooks
      guard let first = values.first, case .tensor = first else { throw error("a parameter without a tensor") }
      stack.append(first)
    case .storageType: throw error("a storage type cannot be called")
    }
  }

  private func integers(_ value: Value) -> [Int]? {
    guard case .tuple(let index) = value else { return nil }
    let numbers = tuples[index].compactMap { if case .int(let i) = $0 { i } else { nil } }
    return numbers.count == tuples[index].count ? numbers : nil
  }
}
