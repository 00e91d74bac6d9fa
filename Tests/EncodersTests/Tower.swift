// SPDX-License-Identifier: Apache-2.0
import Encoders
import Foundation
import Kernels
import Runtime
import Testing
import WeightFile

/// SplitMix64 as floats between −1 and 1: the same numbers on every machine for a seed.
struct RandomFloats {
  var state: UInt64

  mutating func next(_ count: Int) -> [Float] {
    (0..<count).map { _ in
      state &+= 0x9E37_79B9_7F4A_7C15
      var z = state
      z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
      z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
      return Float((z ^ (z >> 31)) >> 40) / Float(1 << 23) - 1
    }
  }
}

/// Random weights of a tower by leaf name, and what it gives by the formulas, in f64.
struct Tower {
  let config: VisionTransformerConfiguration
  private(set) var matrices: [String: (values: [Float], outputs: Int)] = [:]
  private(set) var plain: [String: (values: [Float], shape: [Int])] = [:]

  init(_ c: VisionTransformerConfiguration, seed: UInt64) {
    config = c
    var random = RandomFloats(state: seed)
    let size = c.hiddenSize
    func linear(_ name: String, _ inputs: Int, _ outputs: Int, _ t: inout Tower) {
      t.matrices[name] = (random.next(inputs * outputs).map { $0 / Float(inputs).squareRoot() }, outputs)
      t.plain["\(name).bias"] = (random.next(outputs), [outputs])
    }
    func norm(_ name: String, _ t: inout Tower) {
      t.plain["\(name).weight"] = (random.next(size).map { 1 + $0 / 2 }, [size])
      t.plain["\(name).bias"] = (random.next(size), [size])
    }
    if let last = c.stem.widths.last {
      var channels = 3
      for (i, width) in c.stem.widths.enumerated() {
        linear("stem.\(i).halve", 9 * channels, width, &self)
        for j in 0..<c.stem.depths[i] {
          for part in ["first", "second"] { linear("stem.\(i).pairs.\(j).\(part)", 9 * width, width, &self) }
        }
        channels = width
      }
      linear("patch", last, size, &self)
    } else {
      linear("patch", 3 * c.patchSize * c.patchSize, size, &self)
    }
    let places = c.positionSide * c.positionSide + c.classRows
    plain["position"] = (random.next(places * size), [places, size])
    if c.classToken != .none { plain["class"] = (random.next(size), [size]) }
    if c.normsInput { norm("preNorm", &self) }
    if c.normsOutput { norm("norm", &self) }
    for i in 0..<c.layers {
      norm("layers.\(i).norm1", &self)
      norm("layers.\(i).norm2", &self)
      linear("layers.\(i).attn.qkv", size, 3 * size, &self)
      linear("layers.\(i).attn.out", size, size, &self)
      linear("layers.\(i).mlp.expand", size, c.intermediateSize, &self)
      linear("layers.\(i).mlp.contract", c.intermediateSize, size, &self)
      guard c.hasLayerScale else { continue }
      for name in ["scale1", "scale2"] { plain["layers.\(i).\(name)"] = (random.next(size), [size]) }
    }
  }

  /// Takes these positions, and everything else from `other`.
  mutating func replacePositions(_ values: [Float], like other: Tower) {
    (matrices, plain) = (other.matrices, other.plain)
    plain["position"] = (values, [values.count / config.hiddenSize, config.hiddenSize])
  }

  /// Writes the weights under `scope`.
  func add(to writer: WeightFileWriter, scope: String) throws {
    for (name, value) in plain.sorted(by: { $0.key < $1.key }) {
      try add("\(scope).\(name)", value.shape, .f32, value.values, writer)
    }
    for (name, value) in matrices.sorted(by: { $0.key < $1.key }) {
      let inputs = value.values.count / value.outputs
      let layout = try #require(PackedLayout(encoding: .f32x16, outputs: value.outputs, inputs: inputs, group: 0))
      var packed = [Float](repeating: 0, count: layout.byteCount / 4)
      for row in 0..<value.outputs {
        let first = row / 16 * layout.blockStride / 4 + row % 16
        for k in 0..<inputs { packed[first + k * 16] = value.values[row * inputs + k] }
      }
      try add("\(scope).\(name).weight", [value.outputs, inputs], .f32x16, packed, writer)
    }
  }

  private func add(_ name: String, _ shape: [Int], _ encoding: TensorEncoding, _ values: [Float], _ writer: WeightFileWriter) throws {
    let bytes = UnsafeMutableRawBufferPointer.allocate(byteCount: values.count * 4, alignment: 64)
    defer { bytes.deallocate() }
    values.withUnsafeBytes { bytes.copyMemory(from: $0) }
    try writer.addTensor(name: name, shape: shape, encoding: encoding, bytes: UnsafeRawBufferPointer(bytes))
  }

  /// The features of one view `[3, imageSize, imageSize]`, row by row. `positionSide` must be `grid`.
  func reference(_ pixels: [Float]) -> [[Double]] {
    let c = config
    let p = c.patchSize
    var rows: [[Double]] = []
    if let token = plain["class"] { rows.append(token.values.map(Double.init)) }
    if !c.stem.widths.isEmpty { rows += stem(pixels).map { product($0, "patch") } }
    for i in 0..<(c.stem.widths.isEmpty ? c.patches : 0) {
      var patch: [Double] = []
      for channel in 0..<3 {
        for y in 0..<p {
          for x in 0..<p {
            let line = channel * c.imageSize + i / c.grid * p + y
            patch.append(Double(pixels[line * c.imageSize + i % c.grid * p + x]))
          }
        }
      }
      rows.append(product(patch, "patch"))
    }
    let position = vector("position")
    for i in rows.indices {
      for k in 0..<c.hiddenSize { rows[i][k] += position[i * c.hiddenSize + k] }
    }
    if c.normsInput { rows = rows.map { normed($0, "preNorm") } }
    for i in 0..<c.layers { rows = block(rows, "layers.\(i)") }
    if c.normsOutput { rows = rows.map { normed($0, "norm") } }
    return c.classToken == .dropped ? Array(rows.dropFirst()) : rows
  }

  /// The map behind the stem's convolutions, row by row.
  private func stem(_ pixels: [Float]) -> [[Double]] {
    var side = config.imageSize
    var map = (0..<side * side).map { place in (0..<3).map { Double(pixels[$0 * side * side + place]) } }
    func convolved(_ map: [[Double]], stride: Int, _ name: String) -> [[Double]] {
      let (zero, across) = (map[0].map { _ in 0.0 }, side / stride)
      return (0..<across * across).map { place in
        var seen: [Double] = []
        for dy in -1...1 {
          for dx in -1...1 {
            let (y, x) = (place / across * stride + dy, place % across * stride + dx)
            seen += (0..<side).contains(y) && (0..<side).contains(x) ? map[y * side + x] : zero
          }
        }
        return product(seen, name)
      }
    }
    func rectified(_ map: [[Double]]) -> [[Double]] { map.map { $0.map { max($0, 0) } } }
    for i in config.stem.widths.indices {
      map = rectified(convolved(map, stride: 2, "stem.\(i).halve"))
      side /= 2
      for j in 0..<config.stem.depths[i] {
        let inner = rectified(convolved(map, stride: 1, "stem.\(i).pairs.\(j).first"))
        let more = convolved(inner, stride: 1, "stem.\(i).pairs.\(j).second")
        map = rectified(zip(map, more).map { zip($0, $1).map(+) })
      }
    }
    return map
  }

  private func block(_ rows: [[Double]], _ name: String) -> [[Double]] {
    let c = config
    let qkv = rows.map { product(normed($0, "\(name).norm1"), "\(name).attn.qkv") }
    let scale1 = c.hasLayerScale ? vector("\(name).scale1") : Array(repeating: 1, count: c.hiddenSize)
    let scale2 = c.hasLayerScale ? vector("\(name).scale2") : Array(repeating: 1, count: c.hiddenSize)
    return rows.indices.map { i in
      var context: [Double] = []
      for head in 0..<c.heads {
        func part(_ row: Int, _ which: Int) -> ArraySlice<Double> {
          qkv[row][which * c.hiddenSize + head * c.headSize..<which * c.hiddenSize + (head + 1) * c.headSize]
        }
        let unit = 1 / Double(c.headSize).squareRoot()
        let scores: [Double] = rows.indices.map { j in exp(unit * zip(part(i, 0), part(j, 1)).map(*).reduce(0, +)) }
        let sum = scores.reduce(0, +)
        for d in 0..<c.headSize {
          let column = 2 * c.hiddenSize + head * c.headSize + d
          var seen = 0.0
          for j in rows.indices { seen += scores[j] / sum * qkv[j][column] }
          context.append(seen)
        }
      }
      let attended = product(context, "\(name).attn.out")
      let x = rows[i].indices.map { rows[i][$0] + scale1[$0] * attended[$0] }
      let y = product(product(normed(x, "\(name).norm2"), "\(name).mlp.expand").map(activated), "\(name).mlp.contract")
      return x.indices.map { x[$0] + scale2[$0] * y[$0] }
    }
  }

  private func vector(_ name: String) -> [Double] { (plain[name]?.values ?? []).map(Double.init) }

  private func product(_ x: [Double], _ name: String) -> [Double] {
    let w = matrices[name]?.values ?? []
    var y = vector("\(name).bias")
    for row in y.indices {
      for k in x.indices { y[row] += x[k] * Double(w[row * x.count + k]) }
    }
    return y
  }

  private func normed(_ x: [Double], _ name: String) -> [Double] {
    let mean = x.reduce(0, +) / Double(x.count)
    let variance = x.map { ($0 - mean) * ($0 - mean) }.reduce(0, +) / Double(x.count)
    let (weight, bias) = (vector("\(name).weight"), vector("\(name).bias"))
    let unit = 1 / (variance + Double(config.normEpsilon)).squareRoot()
    return x.indices.map { (x[$0] - mean) * unit * weight[$0] + bias[$0] }
  }

  private func activated(_ x: Double) -> Double {
    switch config.activation {
    case .gelu: x * 0.5 * (1 + erf(x / 2.0.squareRoot()))
    case .geluTanh: x * 0.5 * (1 + tanh((2 / Double.pi).squareRoot() * (x + 0.044715 * x * x * x)))
    case .quickGELU: x / (1 + exp(-1.702 * x))
    case .silu: x / (1 + exp(-x))
    case .relu: max(x, 0)
    }
  }
}

/// The weights of several towers, each under its scope, in one file.
func weights(_ towers: [String: Tower]) throws -> Weights {
  let path = FileManager.default.temporaryDirectory.path + "/fovea-encoders-" + UUID().uuidString
  defer { try? FileManager.default.removeItem(atPath: path) }
  let writer = try WeightFileWriter(path: path, compression: .none)
  for (scope, tower) in towers.sorted(by: { $0.key < $1.key }) { try tower.add(to: writer, scope: scope) }
  try writer.finish()
  return try WeightStore(WeightFile(path: path), pool: ThreadPool(threads: 2), kernels: KernelTable.best()).root
}

func context() -> Context { Context(kernels: KernelTable.best(), pool: ThreadPool(threads: 2)) }

/// Largest difference to the reference, in parts of its largest value.
func error(_ x: Tensor, _ expected: [[Double]]) -> Double {
  let flat = expected.flatMap { $0 }
  guard x.count == flat.count else { return .infinity }
  let differences = flat.indices.map { abs(Double(x.data[$0]) - flat[$0]) }
  return differences.contains { $0.isNaN } ? .infinity : (differences.max() ?? 0) / (flat.map(abs).max() ?? 1)
}
