// SPDX-License-Identifier: Apache-2.0
import Kernels
import Shims
import WeightFile

/// y = x·Wᵀ + bias. W is stored in any packed encoding: f32, f16, int8 or int4; nothing above this type knows which.
package struct Linear {
  package let weight: PackedMatrix
  private let bias: UnsafePointer<Float>?
  /// `[inputSize]` or nil: smoothing factors for outlier inputs, whose group's int8 scale would round the others away. Inputs are multiplied by them
  /// first; the matrix's columns are stored divided by them (SmoothQuant, arXiv:2211.10438).
  let inputFactors: UnsafePointer<Float>?
  /// First version of weight files with factors; older readers would ignore them.
  package static let inputFactorsVersion: UInt32 = 3

  /// - Parameters:
  ///   - w: leaf `weight` (packed, `[to, from]`) and, if present, `bias` (plain, `[to]`) and `inputFactors` (plain, `[from]`).
  ///   - use: `.head` where only `callAsFunction(_:into:_:)` is called.
  package init(_ w: Weights, from inputs: Int, to outputs: Int, for use: MatrixUse = .products) throws(WeightFileError) {
    weight = try w.matrix("weight", outputs: outputs, inputs: inputs, for: use)
    bias = w.has("bias") ? try w.vector("bias", count: outputs) : nil
    inputFactors = w.has("inputFactors") ? try w.vector("inputFactors", count: inputs) : nil
    if inputFactors != nil, !weight.layout.encoding.isQuantized || weight.layout.group > LinearInput.largestGroup {
      throw .encodingMismatch(
        file: w.store.file.name, tensor: w.fullName("weight"), expected: "a quantised one in groups of at most \(LinearInput.largestGroup)",
        found: weight.layout.encoding)
    }
  }

  /// A product without bias on a matrix that something else also uses (a tied LM head).
  package init(_ weight: PackedMatrix) {
    self.weight = weight
    bias = nil
    inputFactors = nil
  }

  package var inputSize: Int { weight.layout.inputs }
  package var outputSize: Int { weight.layout.outputs }
  /// Weight bytes that one call reads.
  package var byteCount: Int { weight.layout.byteCount }

  /// - Parameter x: `[tokens, inputSize]`.
  /// - Returns: `[tokens, outputSize]`, in the arena.
  package func callAsFunction(_ x: Tensor, _ ctx: Context) throws(RuntimeError) -> Tensor {
    let y = try ctx.arena.tensor(x.rows, outputSize)
    try self(x, into: y, ctx)
    return y
  }

  /// - Parameters:
  ///   - x: `[tokens, inputSize]`.
  ///   - y: `[tokens, outputSize]`, overwritten; not overlapping `x`.
  package func callAsFunction(_ x: Tensor, into y: Tensor, _ ctx: Context) throws(RuntimeError) {
    let mark = ctx.arena.mark()
    defer { ctx.arena.release(to: mark) }
    try self(input(x, ctx), into: y, ctx)
  }

  /// - Parameter x: `tokens` rows, made for this product.
  /// - Returns: `[tokens, outputSize]`, in the arena.
  package func callAsFunction(_ x: LinearInput, _ ctx: Context) throws(RuntimeError) -> Tensor {
    let y = try ctx.arena.tensor(x.rows, outputSize)
    try self(x, into: y, ctx)
    return y
  }

  /// The product split into heads: output k of row i is value k mod headSize of row i of head k / headSize.
  /// - Parameter headSize: divides `outputSize`.
  package func heads(_ x: LinearInput, headSize: Int, _ ctx: Context) throws(RuntimeError) -> HeadRows {
    try checkInput(x)
    guard headSize > 0, outputSize % headSize == 0 else { throw .shape(operation: "heads", expected: outputSize, found: headSize) }
    let y = try HeadRows(heads: outputSize / headSize, rows: x.rows, headSize: headSize, ctx)
    let (data, rows) = (y.data, x.rows)
    try run(x, LinearTiles(tokens: rows, layout: weight.layout, threads: ctx.pool.threads), ctx) { row, first, count, values, _ in
      var (head, d) = first.quotientAndRemainder(dividingBy: headSize)
      var done = 0
      while done < count {
        let part = min(headSize &- d, count &- done)
        let target = data + ((head &* rows &+ row) &* headSize &+ d)
        if row &+ 4 < rows { willWrite(target + 4 &* headSize, part) }
        target.update(from: values + done, count: part)
        done &+= part
        (head, d) = (head &+ 1, 0)
      }
    }
    return y
  }

  /// As below; row i is row `place(i)` of x.
  package func input(_ x: Tensor, rows: Int, place: (Int) -> Int, _ ctx: Context) throws(RuntimeError) -> LinearInput {
    guard x.columns == inputSize else { throw .shape(operation: "linear input", expected: inputSize, found: x.columns) }
    let input = try LinearInput(rows: rows, for: self, ctx)
    ctx.split(rows: rows, cost: weight.layout.paddedInputs) { rows in
      for row in rows { input.set(row, first: 0, count: x.columns, from: x[place(row)], ctx.kernels) }
    }
    return input
  }

  /// x in this product's input format: quantised, or x itself where the weights are floats.
  package func input(_ x: Tensor, _ ctx: Context) throws(RuntimeError) -> LinearInput {
    guard x.columns == inputSize else { throw .shape(operation: "linear input", expected: inputSize, found: x.columns) }
    guard weight.layout.encoding.isQuantized else { return LinearInput(floats: x, for: weight.layout) }
    return try input(x, rows: x.rows, place: { $0 }, ctx)
  }

  /// - Parameters:
  ///   - x: `tokens` rows, made for this product.
  ///   - y: `[tokens, outputSize]`, overwritten; not overlapping `x`.
  package func callAsFunction(_ x: LinearInput, into y: Tensor, _ ctx: Context) throws(RuntimeError) {
    try check(x, y)
    guard x.rows > LinearTiles.registerTile else {
      return try inParts(ctx) { (blocks) throws(RuntimeError) in direct(x, y, blocks, ctx) }
    }
    // Through a buffer in the cache: written straight to y, each of a tile's short rows would be a cache miss of its own.
    try run(x, to: y, ctx) { target, _, count, values in
      target.update(from: values, count: count)
    }
  }

  /// y += the product.
  /// - Parameters: as above.
  package func callAsFunction(_ x: LinearInput, addingTo y: Tensor, _ ctx: Context) throws(RuntimeError) {
    try check(x, y)
    let add = ctx.kernels.add
    try run(x, to: y, ctx) { target, _, count, values in add(values, target, count) }
  }

  /// y += factors ∘ the product, row by row.
  /// - Parameter factors: `[outputSize]`.
  package func callAsFunction(
    _ x: LinearInput, times factors: UnsafePointer<Float>, addingTo y: Tensor, _ ctx: Context
  ) throws(RuntimeError) {
    try check(x, y)
    try run(x, to: y, ctx) { target, first, count, values in
      for k in 0..<count { target[k] += factors[first &+ k] * values[k] }
    }
  }

  /// The activation of the product in `next`'s input format: an epilogue on each tile, so that the values between two products stay in the cache.
  package func callAsFunction(
    _ x: LinearInput, _ activation: Activation, for next: Linear, _ ctx: Context
  ) throws(RuntimeError) -> LinearInput {
    try checkInput(x)
    guard let tiles = tiles(for: next, tokens: x.rows, halves: 1, ctx) else {
      let h = try self(x, ctx)
      activation(h, ctx)
      return try next.input(h, ctx)
    }
    let input = try LinearInput(rows: x.rows, for: next, ctx)
    let kernels = ctx.kernels
    let kernel = activation.kernel(kernels)
    try run(x, tiles, ctx) { row, first, count, values, _ in
      kernel(values, count)
      input.set(row, first: first, count: count, from: values, kernels)
    }
    return input
  }

  /// `siluMultiply` of a product whose rows are gate | up, in `next`'s input format.
  package func gated(_ x: LinearInput, for next: Linear, _ ctx: Context) throws(RuntimeError) -> LinearInput {
    try checkInput(x)
    guard let tiles = tiles(for: next, tokens: x.rows, halves: 2, ctx) else {
      return try next.input(siluMultiply(self(x, ctx), ctx), ctx)
    }
    let input = try LinearInput(rows: x.rows, for: next, ctx)
    let kernels = ctx.kernels
    try run(x, tiles, halves: 2, ctx) { row, first, count, values, second in
      kernels.siluMultiply(values, second, values, count)
      input.set(row, first: first, count: count, from: values, kernels)
    }
    return input
  }

  /// Tiles whose outputs are whole quantisation groups of `next`'s input; nil where sizes do not match, halves are not whole blocks, or a group's
  /// outputs do not fit on the stack.
  private func tiles(for next: Linear, tokens: Int, halves: Int, _ ctx: Context) -> LinearTiles? {
    let layout = next.weight.layout
    guard layout.inputs &* halves == outputSize, tokens > 0, halves == 1 || layout.inputs % 16 == 0, layout.group % 16 == 0 else { return nil }
    let unit = layout.encoding.isQuantized ? min(layout.group / 16, weight.layout.blocks / halves) : 1
    guard unit <= LinearTiles.mostBlocks / halves else { return nil }
    return LinearTiles(tokens: tokens, layout: weight.layout, threads: ctx.pool.threads, halves: halves, unit: max(unit, 1))
  }

  private func checkInput(_ x: LinearInput) throws(RuntimeError) {
    guard x.layout.inputs == inputSize else { throw .shape(operation: "linear input", expected: inputSize, found: x.layout.inputs) }
    assert(x.layout.encoding == weight.layout.encoding && x.layout.group == weight.layout.group)
  }

  private func check(_ x: LinearInput, _ y: Tensor) throws(RuntimeError) {
    try checkInput(x)
    guard y.columns == outputSize else { throw .shape(operation: "linear output", expected: outputSize, found: y.columns) }
    guard x.rows == y.rows else { throw .shape(operation: "linear rows", expected: x.rows, found: y.rows) }
  }

  private var arguments: LinearArguments {
    let layout = weight.layout
    var a = LinearArguments()
    a.weights = weight.data.assumingMemoryBound(to: UInt8.self)
    a.blockStride = layout.blockStride
    a.payloadOffset = layout.payloadOffset
    a.inputs = Int64(layout.paddedInputs)
    a.group = Int64(layout.group)
    a.bits = Int32(layout.encoding.codes?.bits ?? 0)
    a.prefetches = weight.comesFromMemory ? 1 : 0
    a.outputs = Int64(layout.outputs)
    a.bias = bias
    return a
  }

  private func kernel(_ kernels: KernelTable) -> KernelTable.Linear {
    switch weight.layout.encoding {
    case .q8x16: kernels.linearQ8
    case .q4x16: kernels.linearQ4
    case .n4x16, .q5x16, .q6x16: kernels.linearSmallGroups
    case .f16x16: kernels.linearF16
    case .f32x16, .f32, .f16: kernels.linearF32  // the plain ones have no PackedLayout
    }
  }

  /// Calls `body` for ranges of blocks, which are in memory then: all of them, or one after another the parts in which the pager loads the matrix.
  private func inParts(_ ctx: Context, _ body: (Range<Int>) throws(RuntimeError) -> Void) throws(RuntimeError) {
    let (blocks, stride) = (weight.layout.blocks, weight.layout.blockStride)
    guard let pager = ctx.pager else { return try body(0..<blocks) }
    let step = max((pager.unitBytes(at: weight.data) ?? weight.layout.byteCount) / stride, 1)
    var first = 0
    while first < blocks {
      let part = first..<min(first + step, blocks)
      try pager.using(weight.data + first &* stride, ctx) { () throws(RuntimeError) in try body(part) }
      first = part.upperBound
    }
  }

  /// Without an epilogue, the kernel writing the outputs of some blocks into y.
  private func direct(_ x: LinearInput, _ y: Tensor, _ part: Range<Int>, _ ctx: Context) {
    guard x.rows > 0 else { return }
    if let statistics = ctx.statistics, part.lowerBound == 0 { statistics.add(x, to: weight, ctx) }
    var a = arguments
    x.enter(&a)
    a.y = y.data
    a.yStride = y.columns
    let kernel = kernel(ctx.kernels)
    let tiles = LinearTiles(tokens: x.rows, layout: weight.layout, threads: ctx.pool.threads, part: part)
    withUnsafePointer(to: a) { a in
      ctx.pool.run(tiles.count) { i in
        let (blocks, tokens) = tiles[i]
        kernel(a, blocks.lowerBound, blocks.upperBound, tokens.lowerBound, tokens.upperBound)
      }
    }
  }

  /// Calls `epilogue` for each row of each tile; it writes outputs first ..< first + count to `target` in y.
  private func run(
    _ x: LinearInput, to y: Tensor, _ ctx: Context,
    epilogue: (_ target: UnsafeMutablePointer<Float>, _ first: Int, _ count: Int, _ values: UnsafeMutablePointer<Float>) -> Void
  ) throws(RuntimeError) {
    let (data, stride, rows) = (y.data, y.columns, y.rows)
    try inParts(ctx) { (part) throws(RuntimeError) in
      let tiles = LinearTiles(tokens: x.rows, layout: weight.layout, threads: ctx.pool.threads, part: part)
      try runPresent(x, tiles, ctx) { row, first, count, values, _ in
        if row &+ 4 < rows { willWrite(data + (row &+ 4) &* stride + first, count) }
        epilogue(data + row &* stride + first, first, count, values)
      }
    }
  }

  /// Prefetches, for writing, the cache lines of `count` values that will be written some rows later.
  @inline(__always)
  private func willWrite(_ values: UnsafeMutablePointer<Float>, _ count: Int) {
    var line = 0
    while line < count {
      fovea_prefetch_write(values + line)
      line &+= 16
    }
  }

  private typealias Epilogue = (
    _ row: Int, _ first: Int, _ count: Int, _ values: UnsafeMutablePointer<Float>, _ second: UnsafeMutablePointer<Float>
  ) -> Void

  /// Calls `epilogue` for each row of each tile, while its outputs are in the cache: `values` are outputs first ..< first + count,
  /// `second` the same of the second half where there are two.
  private func run(_ x: LinearInput, _ tiles: LinearTiles, halves: Int = 1, _ ctx: Context, epilogue: Epilogue) throws(RuntimeError) {
    guard let pager = ctx.pager else { return try runPresent(x, tiles, halves: halves, ctx, epilogue: epilogue) }
    try pager.using(weight.data, ctx) { () throws(RuntimeError) in try runPresent(x, tiles, halves: halves, ctx, epilogue: epilogue) }
  }

  /// `run` with the weight in memory.
  private func runPresent(_ x: LinearInput, _ tiles: LinearTiles, halves: Int = 1, _ ctx: Context, epilogue: Epilogue) throws(RuntimeError) {
    guard x.rows > 0 else { return }
    if let statistics = ctx.statistics, tiles.first == 0 { statistics.add(x, to: weight, ctx) }
    var whole = arguments
    x.enter(&whole)
    let (kernel, blocksOfHalf, outputs) = (kernel(ctx.kernels), weight.layout.blocks / halves, outputSize / halves)
    if x.rows == 1 {
      // GEMV: the few outputs go to the arena.
      let mark = ctx.arena.mark()
      defer { ctx.arena.release(to: mark) }
      let y = try ctx.arena.tensor(1, outputSize).data
      whole.y = y
      whole.yStride = outputSize
      withUnsafePointer(to: whole) { a in
        ctx.pool.run(tiles.count) { i in
          let blocks = tiles[i].blocks
          kernel(a, blocks.lowerBound, blocks.upperBound, 0, 1)
          if halves == 2 { kernel(a, blocks.lowerBound &+ blocksOfHalf, blocks.upperBound &+ blocksOfHalf, 0, 1) }
          let first = blocks.lowerBound &* 16
          epilogue(0, first, min(blocks.count &* 16, outputs &- first), y + first, y + outputs + first)
        }
      }
      return
    }
    let a = whole
    ctx.pool.run(tiles.count) { i in
      let (blocks, tokens) = tiles[i]
      let first = blocks.lowerBound &* 16
      let width = min(blocks.count &* 16, outputs &- first)
      withStack(floats: tokens.count &* width &* halves) { values in
        var a = a
        a.yStride = width &* halves
        // The kernel indexes y by absolute token and output.
        a.y = values - tokens.lowerBound &* a.yStride - first
        kernel(&a, blocks.lowerBound, blocks.upperBound, tokens.lowerBound, tokens.upperBound)
        if halves == 2 {
          a.y = values + width - tokens.lowerBound &* a.yStride - (first &+ outputs)
          kernel(&a, blocks.lowerBound &+ blocksOfHalf, blocks.upperBound &+ blocksOfHalf, tokens.lowerBound, tokens.upperBound)
        }
        for row in tokens {
          let values = values + (row &- tokens.lowerBound) &* a.yStride
          epilogue(row, first, width, values, values + width)
        }
      }
    }
  }
}
