// SPDX-License-Identifier: Apache-2.0

/// A source with quantised weights as floats: (code − zero point) · scale, in f32. That is exact for codes of up to 8 bits and scales in bf16, f16
/// or powers of two.
///
/// | tensors of a module | weight |
/// |---|---|
/// | `weight` in FP8 or int8, `weight_scale` or `weight_scale_inv`, perhaps `weight_zero_point` | multiplied by either scale |
/// | `weight_packed` and `weight_shape`, the same | codes in 32-bit words without gaps, the lowest bits first, half the range added |
package final class DequantizedSource: TensorSource {
  private let base: any TensorSource
  private let weights: [String: QuantizedWeight]
  package let tensors: [TensorInfo]

  /// Tensors that quantised activations and caches have, which floats need not.
  private static let unused = [
    "input_scale", "input_zero_point", "input_scale_ub", "output_scale", "output_zero_point", "activation_scale", "q_scale", "k_scale", "v_scale",
    "k_zero_point", "v_zero_point",
  ]

  package init(_ base: any TensorSource, _ scheme: QuantizationScheme) throws {
    self.base = base
    var weights: [String: QuantizedWeight] = [:]
    var hidden: Set<String> = []
    for info in base.tensors {
      let module = info.name.split(separator: ".", omittingEmptySubsequences: false).dropLast().joined(separator: ".")
      let leaf = info.name.dropFirst(module.isEmpty ? 0 : module.utf8.count + 1)
      if Self.unused.contains(String(leaf)) { hidden.insert(info.name) }
      guard leaf == "weight" || leaf == "weight_packed", let found = try QuantizedWeight(info, module: module, in: base, scheme) else { continue }
      weights[found.info.name] = found
      hidden.formUnion(found.tensors)
    }
    self.weights = weights
    tensors = base.tensors.filter { !hidden.contains($0.name) } + weights.values.map(\.info).sorted { $0.name < $1.name }
  }

  package func info(_ name: String) -> TensorInfo? {
    if let weight = weights[name] { return weight.info }
    return base.info(name)
  }

  package func read(_ name: String, rows: Range<Int>, into out: UnsafeMutablePointer<Float>) throws {
    guard let weight = weights[name] else { return try base.read(name, rows: rows, into: out) }
    try weight.read(rows: rows, from: base, into: out)
  }

  package func release(_ name: String) {
    guard let weight = weights[name] else { return base.release(name) }
    for tensor in weight.tensors { base.release(tensor) }
  }
}
