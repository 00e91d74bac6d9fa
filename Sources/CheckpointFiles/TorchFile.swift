// SPDX-License-Identifier: Apache-2.0

/// A state dictionary written by `torch.save` (the ZIP form, torch 1.6 and later). Mapped; only the index is interpreted, by `PickleMachine`.
package final class TorchFile: TensorSource {
  package let tensors: [TensorInfo]
  private let file: MappedFile
  private let places: [String: Place]

  private struct Place {
    let info: TensorInfo
    /// Byte offset of element 0 of the view.
    let offset: Int
    let strides: [Int]
    /// Whether the elements are contiguous in row-major order.
    let isContiguous: Bool
    let storage: (offset: Int, count: Int)
  }

  /// - Throws: `.refusedGlobal`, `.malformed`, `.unsupported` (the old non-ZIP form).
  package init(path: String) throws {
    let file = try MappedFile(path: path)
    func malformed(_ detail: String) -> ConversionError { .malformed(file: file.name, detail: detail) }
    guard ZipArchive.isZip(file) else {
      throw ConversionError.unsupported(
        "\(file.name) is not a ZIP file as torch.save writes since 1.6; load and save it again with a newer PyTorch, or as safetensors"
      )
    }
    let archive = try ZipArchive(file)
    guard let index = archive.entries.first(where: { $0.name == "data.pkl" || $0.name.hasSuffix("/data.pkl") }),
      let pickle = file.slice(index.offset, index.count)
    else { throw malformed("no data.pkl inside; not a file of torch.save") }
    let prefix = index.name.dropLast("data.pkl".count)
    if let order = archive.entries.first(where: { $0.name == prefix + "byteorder" }),
      let bytes = file.slice(order.offset, order.count),
      !bytes.elementsEqual("little".utf8)
    {
      throw ConversionError.unsupported("\(file.name) has big-endian numbers")
    }
    let data = Dictionary(archive.entries.map { ($0.name, $0) }, uniquingKeysWith: { first, _ in first })

    let (machine, result) = try withExtendedLifetime(file) { try PickleMachine.run(pickle, file: file.name) }
    var tensors: [TensorInfo] = []
    var places: [String: Place] = [:]
    let members = try Self.stateDictionary(machine, result, file: file.name)
    let wrapper = Self.wrapper(members)
    for (key, value) in members {
      // Entries that are not tensors (a version number, an epoch) are skipped.
      guard case .tensor(let index) = value else { continue }
      guard case .string(let full) = key else { throw malformed("a tensor whose name is not a text") }
      let name = String(full.dropFirst(wrapper.count))
      let view = machine.views[index]
      let storage = machine.storages[view.storage]
      guard let entry = data["\(prefix)data/\(storage.key)"] else {
        throw malformed("tensor \(name): no entry data/\(storage.key)")
      }
      guard storage.count <= entry.count / storage.type.size else {
        throw malformed("tensor \(name): storage \(storage.key) has \(entry.count) bytes for \(storage.count) numbers")
      }
      guard !Self.isBroadcast(view) else {
        throw ConversionError.unsupported("\(file.name): tensor \(name) repeats its elements (stride 0); save it with .contiguous()")
      }
      guard let fits = Self.check(view, count: storage.count) else { throw malformed("tensor \(name) reaches outside its storage") }
      let info = TensorInfo(name: name, shape: view.shape, type: storage.type)
      let place = Place(
        info: info, offset: entry.offset + view.offset * storage.type.size, strides: view.strides, isContiguous: fits.isContiguous,
        storage: (entry.offset, entry.count))
      guard places.updateValue(place, forKey: name) == nil else { throw ConversionError.duplicateTensor(name) }
      tensors.append(info)
    }
    self.file = file
    self.tensors = tensors
    self.places = places
  }

  /// The dictionary of tensors: the pickled object itself, or its member `state_dict`, `model` or `module`.
  private static func stateDictionary(
    _ machine: PickleMachine, _ result: PickleMachine.Value, file: String
  ) throws -> [(key: PickleMachine.Value, value: PickleMachine.Value)] {
    guard case .dictionary(let index) = result else {
      throw ConversionError.malformed(file: file, detail: "the pickled object is not a dictionary")
    }
    let members = machine.dictionaries[index]
    let holdsTensors = members.contains { if case .tensor = $0.value { true } else { false } }
    if holdsTensors { return members }
    for name in ["state_dict", "model", "module"] {
      if case .dictionary(let inner)? = members.last(where: { $0.key == .string(name) })?.value {
        return machine.dictionaries[inner]
      }
    }
    return members
  }

  /// The prefix that `DataParallel` puts before every name; empty unless all tensors have it.
  private static func wrapper(_ members: [(key: PickleMachine.Value, value: PickleMachine.Value)]) -> String {
    let prefix = "module."
    let names = members.filter { if case .tensor = $0.value { true } else { false } }.map(\.key)
    let all = !names.isEmpty && names.allSatisfy { if case .string(let name) = $0 { name.hasPrefix(prefix) } else { false } }
    return all ? prefix : ""
  }

  /// Whether the view repeats elements, as those of `expand` do.
  private static func isBroadcast(_ view: PickleMachine.View) -> Bool {
    zip(view.shape, view.strides).contains { $0 > 1 && $1 == 0 }
  }

  /// Nil when an element of the view lies outside a storage of `count` elements.
  private static func check(_ view: PickleMachine.View, count: Int) -> (isContiguous: Bool, elements: Int)? {
    guard let elements = TensorInfo.count(view.shape), elements <= count, view.offset >= 0 else { return nil }
    if elements == 0 { return (true, 0) }
    var last = view.offset
    for (extent, stride) in zip(view.shape, view.strides) {
      let (reach, overflow) = (extent - 1).multipliedReportingOverflow(by: stride)
      let (sum, overflows) = last.addingReportingOverflow(reach)
      guard stride >= 0, !overflow, !overflows else { return nil }
      last = sum
    }
    guard last < count else { return nil }
    var expected = 1
    for (extent, stride) in zip(view.shape, view.strides).reversed() where extent != 1 {
      guard stride == expected else { return (false, elements) }
      expected *= extent
    }
    return (true, elements)
  }

  package func info(_ name: String) -> TensorInfo? { places[name]?.info }

  package func read(_ name: String, rows: Range<Int>, into out: UnsafeMutablePointer<Float>) throws {
    guard let place = places[name], rows.lowerBound >= 0, rows.upperBound <= place.info.rows else {
      throw ConversionError.tensors(missing: [name], unknown: [], misshapen: [])
    }
    let rowSize = place.info.rowSize
    guard rows.count * rowSize > 0, let base = file.bytes.baseAddress.map({ $0 + place.offset }) else { return }
    let size = place.info.type.size
    if place.isContiguous {
      place.info.type.widen(base + rows.lowerBound * rowSize * size, stride: 1, count: rows.count * rowSize, into: out)
      return
    }
    // Iterates over all axes but the last, which is read as one strided run.
    let shape = place.info.shape
    let inner = shape.count > 1 ? shape[shape.count - 1] : 1
    let innerStride = shape.count > 1 ? place.strides[shape.count - 1] : 1
    let outerAxes = Array(shape.indices.dropLast(shape.count > 1 ? 1 : 0))
    var counter = [Int](repeating: 0, count: outerAxes.count)
    counter[0] = rows.lowerBound
    var written = 0
    while written < rows.count * rowSize {
      let offset = outerAxes.reduce(0) { $0 + counter[$1] * place.strides[$1] }
      place.info.type.widen(base + offset * size, stride: innerStride, count: inner, into: out + written)
      written += inner
      var axis = outerAxes.count - 1
      counter[axis] += 1
      while axis > 0, counter[axis] == shape[axis] {
        counter[axis] = 0
        axis -= 1
        counter[axis] += 1
      }
    }
  }

  package func release(_ name: String) {
    if let place = places[name] { file.release(place.storage.offset, place.storage.count) }
  }
}
