// SPDX-License-Identifier: Apache-2.0
import Kernels
import Shims

struct Bench {
  let table: KernelTable
  let prefix: String
  let peaks: Peaks
  var isScalar: Bool { "\(table.name)" == "scalar" }

  func wants(_ name: String) -> Bool { name.hasPrefix(prefix) }

  func run() {
    for (inputs, outputs) in [(1024, 4096), (4096, 1024), (2048, 5632), (4096, 4096)] {
      for tokens in isScalar ? [2] : [6, 32, 84, 256, 577] {
        linear("q8", inputs, outputs, tokens)
        linear("q8 encoder", inputs, outputs, tokens)
        linear("q4", inputs, outputs, tokens)
        for format in ["n4", "q5", "q6"] { linear(format, inputs, outputs, tokens) }
        if tokens == 256 || isScalar {
          linear("f16", inputs, outputs, tokens)
          linear("f32", inputs, outputs, tokens)
        }
      }
    }
    for format in ["q8", "q4", "n4", "q5", "q6", "f16", "f32"] { stream(format, 4096) }
    for format in ["q8", "q4", "n4", "q5", "q6"] {
      for tokens in [1, 2, 3, 4, 5, 6, 12] { stream(format, 2048, tokens) }
    }
    attention("clip", queries: 577, keys: 577, headSize: 64, heads: 16, causal: -1, isHalf: false)
    attention("clip, 32 queries a call", queries: 577, keys: 577, headSize: 64, heads: 16, causal: -1, isHalf: false, step: 32)
    attention("clip, 96 queries a call", queries: 577, keys: 577, headSize: 64, heads: 16, causal: -1, isHalf: false, step: 96)
    attention("clip, integer", queries: 577, keys: 577, headSize: 64, heads: 16, causal: -1, isHalf: false, arithmetic: FOVEA_ATTENTION_INT8)
    attention("sam, integer", queries: 196, keys: 196, headSize: 64, heads: 12, causal: -1, isHalf: false, arithmetic: FOVEA_ATTENTION_INT8)
    attention("sam-global, integer", queries: 1024, keys: 4096, headSize: 64, heads: 2, causal: -1, isHalf: false, arithmetic: FOVEA_ATTENTION_INT8)
    attention("bigG, integer", queries: 1024, keys: 1024, headSize: 104, heads: 4, causal: -1, isHalf: false, arithmetic: FOVEA_ATTENTION_INT8)
    attention("sam", queries: 196, keys: 196, headSize: 64, heads: 12, causal: -1, isHalf: false)
    attention("sam-global", queries: 1024, keys: 4096, headSize: 64, heads: 2, causal: -1, isHalf: false)
    attention("bigG", queries: 1024, keys: 1024, headSize: 104, heads: 4, causal: -1, isHalf: false)
    attention("prefill", queries: 1024, keys: 1024, headSize: 128, heads: 4, causal: 0, isHalf: true)
    attention("decode", queries: 1, keys: 2048, headSize: 128, heads: 32, causal: 2047, isHalf: true)
    for (headSize, keyHeads) in [(32, 3), (64, 3), (128, 8)] {
      for sharing in [1, 2, 3, 4] {
        attention(
          "decode, \(sharing) of \(headSize) a key head", queries: sharing, keys: 2048, headSize: headSize, heads: keyHeads, causal: -1, isHalf: true)
      }
    }
    rows()
    #if canImport(Generation)
    sampling()
    #endif
  }

  /// The converter's.
  private func group(_ format: String) -> Int { ["q8": 32, "q8 encoder": 512, "q4": 64][format, default: 32] }

  /// Of weights in small groups.
  private func bits(_ format: String) -> Int? { ["n4": 4, "q5": 5, "q6": 6][format] }

  private func isInteger(_ format: String) -> Bool { !["f16", "f32"].contains(format) }

  private func layout(_ format: String, _ inputs: Int) -> (payloadOffset: Int, stride: Int) {
    if let bits = bits(format) {
      let offset = (64 + inputs / 2 + 63) / 64 * 64
      return (offset, offset + inputs * 2 * bits)
    }
    let offset = format.hasPrefix("q") ? (inputs / group(format) * 32 + 63) / 64 * 64 : 0
    let payload = ["q8": 16, "q8 encoder": 16, "q4": 8, "f16": 32, "f32": 64][format, default: 64] * inputs
    return (offset, offset + payload)
  }

  private func kernel(_ format: String) -> KernelTable.Linear {
    switch format {
    case "q8", "q8 encoder": table.linearQ8
    case "q4": table.linearQ4
    case "n4", "q5", "q6": table.linearSmallGroups
    case "f16": table.linearF16
    default: table.linearF32
    }
  }

  /// Small, finite numbers: as f32, f16, int8 and as scales.
  private func fill(_ p: UnsafeMutableRawPointer, _ bytes: Int) { memset(p, 0x2D, bytes) }

  private func arguments(_ format: String, _ inputs: Int, _ outputs: Int, _ tokens: Int, _ weights: UnsafeMutableRawPointer) -> LinearArguments {
    let (offset, stride) = layout(format, inputs)
    var a = LinearArguments()
    a.weights = UnsafePointer(weights.assumingMemoryBound(to: UInt8.self))
    (a.blockStride, a.payloadOffset, a.inputs, a.group, a.outputs) = (stride, offset, Int64(inputs), Int64(group(format)), Int64(outputs))
    let x = UnsafeMutableRawPointer.allocate(byteCount: tokens * (inputs * 4 + 64) + 64, alignment: 64)
    fill(x, tokens * (inputs * 4 + 64))
    let s = UnsafeMutableRawPointer.allocate(byteCount: tokens * inputs, alignment: 64)
    fill(s, tokens * inputs)
    let y = UnsafeMutableRawPointer.allocate(byteCount: tokens * outputs * 4 + 64, alignment: 64)
    a.x = UnsafePointer(x.assumingMemoryBound(to: Int8.self))
    a.xFloat = UnsafePointer(x.assumingMemoryBound(to: Float.self))
    a.xScales = UnsafePointer(s.assumingMemoryBound(to: Float.self))
    a.xOffsets = UnsafePointer(s.assumingMemoryBound(to: Int32.self))
    a.bits = Int32(bits(format) ?? 0)
    a.prefetches = 1
    a.xStride = isInteger(format) ? (inputs / 64 | 1) * 64 : inputs  // as in LinearInput
    a.y = y.assumingMemoryBound(to: Float.self)
    a.yStride = outputs
    return a
  }

  private func free(_ a: LinearArguments) {
    UnsafeRawPointer(a.x)?.deallocate()
    UnsafeRawPointer(a.xScales)?.deallocate()
    UnsafeRawPointer(a.y)?.deallocate()
  }

  /// Several tokens: share of the arithmetic peak.
  func linear(_ format: String, _ inputs: Int, _ outputs: Int, _ tokens: Int) {
    guard wants("linear \(format)") else { return }
    let bytes = layout(format, inputs).stride * outputs / 16
    let weights = UnsafeMutableRawPointer.allocate(byteCount: bytes, alignment: 64)
    fill(weights, bytes)
    var a = arguments(format, inputs, outputs, tokens, weights)
    let f = kernel(format)
    let seconds = best { f(&a, 0, outputs / 16, 0, tokens) }
    let rate = 2 * Double(inputs * outputs * tokens) / seconds
    let peak = isInteger(format) ? peaks.integer : peaks.float
    say("\(table.name) linear \(format) \(inputs)→\(outputs) × \(tokens): \(fixed(rate / 1e9, 0)) GOPS, \(fixed(100 * rate / peak, 0)) % of peak")
    free(a)
    weights.deallocate()
  }

  /// Few tokens over as many matrices as fill the memory: share of the read bandwidth.
  func stream(_ format: String, _ inputs: Int, _ tokens: Int = 1) {
    guard wants("stream \(format)"), !isScalar else { return }
    let stride = layout(format, inputs).stride
    let blocks = peaks.memory.bytes / stride
    let memory = UnsafeMutableRawPointer.allocate(byteCount: peaks.memory.bytes, alignment: 2 << 20)
    pages_advise_huge(memory, peaks.memory.bytes, true)  // as weight files are mapped
    fill(memory, peaks.memory.bytes)
    var a = arguments(format, inputs, blocks * 16, tokens, memory)
    let f = kernel(format)
    let seconds = best { f(&a, 0, blocks, 0, tokens) }
    let rate = Double(blocks * stride) / seconds
    say(
      "\(table.name) stream \(format) \(inputs) inputs × \(tokens): \(fixed(rate / 1e9)) GB/s, \(fixed(100 * rate / peaks.read, 0)) % of read bandwidth"
    )
    free(a)
    memory.deallocate()
  }

  func attention(
    _ name: String, queries: Int, keys: Int, headSize: Int, heads: Int, causal: Int, isHalf: Bool, step: Int = .max,
    arithmetic: Int32 = FOVEA_ATTENTION_F32
  ) {
    guard wants("attention \(name)") else { return }
    let width = heads * headSize
    let bytes = (queries + 2 * keys) * width * 4
    let memory = UnsafeMutableRawPointer.allocate(byteCount: bytes + queries * width * 4, alignment: 64)
    let x = memory.bindMemory(to: Float.self, capacity: (2 * queries + 2 * keys) * width)
    for i in 0..<bytes / 4 { x[i] = Float(i % 97) / 97 - 0.5 }
    var a = AttentionArguments()
    (a.query, a.queryStride, a.output, a.outputStride) = (UnsafePointer(x), width, x + (queries + 2 * keys) * width, width)
    let kv = memory + queries * width * 4
    if isHalf { memset(kv, 0x2D, 2 * keys * width * 2) }
    (a.key, a.value) = (UnsafeRawPointer(kv), UnsafeRawPointer(kv + keys * width * (isHalf ? 2 : 4)))
    // f16: the layout of the KV cache, a head's tokens together; else one row a token.
    (a.tokenStride, a.headStride) = isHalf ? (headSize, keys * headSize) : (width, headSize)
    a.rows = isHalf ? FOVEA_ROWS_F16 : FOVEA_ROWS_F32
    (a.heads, a.kvHeads, a.headSize) = (Int64(heads), Int64(heads), Int64(headSize))
    (a.queries, a.keys, a.causalStart, a.scale) = (Int64(queries), Int64(keys), Int64(causal), 0.125)
    let heads = isScalar ? 1 : heads
    a.arithmetic = arithmetic
    let seconds = best {
      for head in 0..<heads {
        var first = 0
        while first < queries {
          let end = step < queries - first ? first + step : queries
          table.attention(&a, head, first, end)
          first = end
        }
      }
    }
    let pairs = causal < 0 ? Double(queries * keys) : Double(queries * causal + queries * (queries + 1) / 2)
    let rate = 4 * pairs * Double(headSize * heads) / seconds
    let read = Double(2 * keys * headSize * heads * (isHalf ? 2 : 4)) / seconds
    say(
      "\(table.name) attention \(name): \(fixed(seconds * 1000, 3)) ms, \(fixed(rate / 1e9)) GFLOPS, \(fixed(100 * rate / peaks.float, 0)) % of peak, keys and values \(fixed(read / 1e9)) GB/s"
    )
    memory.deallocate()
  }

  func rows() {
    let count = 4096
    let x = UnsafeMutablePointer<Float>.allocate(capacity: 4 * count)
    for i in 0..<4 * count { x[i] = Float(i % 101) / 20 - 2.5 }
    let q = UnsafeMutablePointer<Int8>.allocate(capacity: count)
    let sums = UnsafeMutablePointer<Int32>.allocate(capacity: count)
    let half = UnsafeMutablePointer<UInt16>.allocate(capacity: count)
    func time(_ name: String, _ body: () -> Void) {
      guard wants(name) else { return }
      let seconds = best { for _ in 0..<100 { body() } } / 100
      say("\(table.name) \(name) \(count): \(fixed(Double(count) / seconds / 1e9, 2)) G values/s")
    }
    time("layerNorm") { table.layerNorm(x, x + count, x + count, x + 2 * count, count, 1e-5) }
    time("rmsNorm") { table.rmsNorm(x, x + count, x + 2 * count, count, 1e-5) }
    time("gelu") { table.gelu(x, count) }
    time("quickGELU") { table.quickGELU(x, count) }
    time("geluTanh") { table.geluTanh(x, count) }
    time("silu") { table.silu(x, count) }
    time("siluMultiply") { table.siluMultiply(x, x + count, x + 2 * count, count) }
    time("add") { table.add(x + count, x + 2 * count, count) }
    time("softmax") { table.softmax(x + 2 * count, count) }
    time("quantize") { table.quantize(x + count, count, count, 64, 128, q, x + 3 * count, sums) }
    time("halfToFloat") { table.halfToFloat(half, x + 2 * count, count) }
    time("floatToHalf") { table.floatToHalf(x + count, half, count) }
    time("depthwise3x3") { table.depthwise3x3(x, x + count, x, x + 3 * count, 1, 4, 1024, 0, 1) }
    x.deallocate()
    q.deallocate()
    sums.deallocate()
    half.deallocate()
  }
}
