// SPDX-License-Identifier: Apache-2.0
import Conversion
import WeightFile

/// The result of a conversion for each tensor, as text or JSON.
struct ConversionReport {
  private let tensors: [Converter.TensorReport]

  init(_ tensors: [Converter.TensorReport]) { self.tensors = tensors }

  /// Columns for the terminal.
  var table: String {
    let isWeighted = tensors.contains(where: \.isWeighted)
    return tensors.map { tensor in
      let shape = tensor.shape.map(String.init).joined(separator: "×")
      let weighted = tensor.isWeighted ? percentage(tensor.error.weightedRelative) : ""
      return [
        padded(tensor.name, 42), padded(shape, 13), padded(encoding(tensor), 9), padded(decimal(tensor.bitsPerWeight, 3), 7),
        padded(amount(tensor.byteCount), 11), padded(percentage(tensor.error.relative), 9), isWeighted ? padded(weighted, 9) : "",
      ]
      .filter { !$0.isEmpty }.joined(separator: " ")
    }.joined(separator: "\n")
  }

  /// What the file is expected to lose: the relative error of each half's matrices, root mean square over their weights; of the outputs of
  /// those that are calibrated, if any are. nil: nothing.
  var expectedLoss: String? {
    let halves = [("decoder", tensors.filter { $0.name.hasPrefix("language.") }), ("vision", tensors.filter { !$0.name.hasPrefix("language.") })]
    let losses = halves.compactMap { name, tensors -> String? in
      let inexact = tensors.filter { $0.shape.count >= 2 && $0.error.relative > 0 }
      let isWeighted = inexact.contains(where: \.isWeighted)
      let matrices = isWeighted ? inexact.filter(\.isWeighted) : inexact
      guard !matrices.isEmpty else { return nil }
      let weights = matrices.map { Double($0.shape.reduce(1, *)) }
      let errors = matrices.map { isWeighted ? $0.error.weightedRelative : $0.error.relative }
      let mean = zip(weights, errors).reduce(0) { $0 + $1.0 * $1.1 * $1.1 } / weights.reduce(0, +)
      return "\(name) \(decimal(100 * mean.squareRoot(), 2)) %" + (isWeighted ? " (of outputs)" : "")
    }
    return losses.isEmpty ? nil : "error: " + losses.joined(separator: ", ")
  }

  func write(to path: FilePath) throws {
    let output = try OutputFile(path: path.output)
    try output.write(Array((path.text.hasSuffix(".json") ? json.text() + "\n" : tabbed).utf8), at: 0)
    try output.commit()
  }

  private var tabbed: String {
    let head = "tensor\tshape\tencoding\tgroup\tbits_per_weight\tbytes\trelative_error\tweighted_relative_error\tlargest_error\n"
    return tensors.reduce(into: head) { text, t in
      let weighted = t.isWeighted ? "\(t.error.weightedRelative)" : ""
      text += "\(t.name)\t\(t.shape.map(String.init).joined(separator: "x"))\t\(t.encoding.name)\t\(t.group)\t\(t.bitsPerWeight)\t"
      text += "\(t.byteCount)\t\(t.error.relative)\t\(weighted)\t\(t.error.largest)\n"
    }
  }

  private var json: JSON {
    .array(
      tensors.map { t in
        [
          "tensor": .string(t.name), "shape": .array(t.shape.map { .int($0) }), "encoding": .string(t.encoding.name),
          "group": .int(t.group), "bits_per_weight": .double(t.bitsPerWeight), "bytes": .int(t.byteCount),
          "relative_error": .double(t.error.relative),
          "weighted_relative_error": t.isWeighted ? .double(t.error.weightedRelative) : .null,
          "largest_error": .double(Double(t.error.largest)),
        ]
      })
  }

  private func encoding(_ tensor: Converter.TensorReport) -> String {
    tensor.group > 0 ? "\(tensor.encoding.name)/\(tensor.group)" : tensor.encoding.name
  }

  private func percentage(_ error: Double) -> String { error > 0 ? decimal(error * 100, 3) + " %" : "exact" }
}
