// SPDX-License-Identifier: Apache-2.0

extension SafetensorsFile {
  /// A tensor of the file, where its numbers are, and their bytes.
  typealias Place = (info: TensorInfo, offset: Int, count: Int)

  /// The matrices of each expert in a tensor of all of them, as transformers 5 has them in memory and may save them: `experts.gate_up_proj`
  /// `[experts, 2·size, inputs]` and `experts.down_proj` `[experts, outputs, size]`, named as in checkpoints that keep experts apart.
  /// - Returns: nil: another tensor.
  static func experts(_ place: Place) -> [Place]? {
    let (info, all) = (place.info, ".experts.")
    let isPair = info.name.hasSuffix(all + "gate_up_proj")
    guard isPair || info.name.hasSuffix(all + "down_proj"), info.shape.count == 3, (1...4096).contains(info.rows), info.shape[1] > 0,
      !isPair || info.shape[1] % 2 == 0
    else { return nil }
    let module = info.name.dropLast(isPair ? "gate_up_proj".count : "down_proj".count)
    let names = isPair ? ["gate_proj", "up_proj"] : ["down_proj"]
    let shape = [info.shape[1] / names.count, info.shape[2]]
    let bytes = place.count / (info.rows * names.count)
    return (0..<info.rows * names.count).map { part in
      let name = "\(module)\(part / names.count).\(names[part % names.count]).weight"
      return (TensorInfo(name: name, shape: shape, type: info.type), place.offset + part * bytes, bytes)
    }
  }
}
