// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import CFovea
import Runtime
import Shims

struct BenchCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "bench",
    abstract: "Measure encoding, prefill and decoding.",
    discussion: """
      Each figure is the median of the runs; the range is given beside it. The share of the read bandwidth compares the bytes that \
      decoding reads with what the same threads can read, measured before and after each run.
      """
  )

  @OptionGroup var model: ModelOptions

  @Option(name: [.short, .customLong("image")], help: "Image to encode; without it one of noise is made.")
  var image: FilePath?

  @Option(help: "Width and height of the image of noise.")
  var size = 1000

  @Option(help: "Tokens of the prompt, about.")
  var promptTokens = 256

  @Option(help: "Tokens to make.")
  var tokens = 64

  @Option(help: "Runs of each measurement.")
  var runs = 5

  @Flag(help: "Guess tokens ahead while decoding, as answers do; without it every token passes by itself.")
  var draft = false

  @Flag(help: "Print one JSON object.")
  var json = false

  func validate() throws {
    for (name, value) in [("--size", size), ("--prompt-tokens", promptTokens), ("--tokens", tokens), ("--runs", runs)]
    where !(1...1_000_000).contains(value) || name == "--size" && value > 16384 {
      throw ValidationError("\(name): \(value) is out of range.")
    }
  }

  func run() throws {
    let progress = ProgressLine()
    let started = monotonic_nanoseconds()
    let model = try model.load(progress)
    let loading = Double(monotonic_nanoseconds() &- started) / 1e9

    var encoding: [Double] = []
    var image: EncodedImage?
    let noise = self.image == nil && model.info.image_tokens > 0 ? self.noise() : []
    for i in 0..<(model.info.image_tokens > 0 ? runs : 0) {
      progress.show("encoding", i + 1, runs)
      let start = monotonic_nanoseconds()
      image = try encode(model, noise)
      encoding.append(Double(monotonic_nanoseconds() &- start) / 1e9)
    }

    // At most half the context, which leaves the rest for the answer.
    let context = Int(model.info.context_length)
    let prompt = try text(tokens: min(promptTokens, context / 2), model)
    var options = fovea_generate_options()
    options.raw = 1
    options.ignore_eos = 1
    options.draft_tokens = draft ? 0 : -1
    let made = Int32(clamping: min(tokens, context - min(promptTokens, context / 2) - 8))
    let session = try Session(model)
    var prefill: [Double] = []
    var decode: [Double] = []
    var readRates: [Double] = []
    var shares: [Double] = []
    let plan = Double(try sessionBytes(model)) / Double(context)
    var bytes = 0.0
    var drafted: Int32 = 0, accepted: Int32 = 0
    var promptLength: Int32 = 0

    // Warm-up: loads the weights, and gives the memory peak before the bandwidth measurement adds to it.
    options.max_tokens = 2
    _ = try session.generate(prompt, images: [], options: options)
    options.max_tokens = made
    let peak = peak_resident_bytes()
    let memory = try? MemoryBandwidth(threads: Int(model.info.threads))
    var before = memory?.measure() ?? .nan
    for i in 0..<runs {
      progress.show("prefill and decoding", i + 1, runs)
      try session.reset()
      let result = try session.generate(prompt, images: [], options: options).result
      prefill.append(Double(result.prompt_tokens) / result.prefill_seconds)
      // The prefill yields the first token.
      decode.append(Double(result.generated_tokens - 1) / result.decode_seconds)
      promptLength = result.prompt_tokens
      (drafted, accepted) = (result.drafted_tokens, result.accepted_tokens)
      bytes = Double(model.info.bytes_per_token) + plan * (Double(result.prompt_tokens) + Double(result.generated_tokens) / 2)
      let after = memory?.measure() ?? .nan
      readRates.append((before + after) / 2)
      shares.append(Double(result.generated_tokens - 1) / result.decode_seconds * bytes / ((before + after) / 2))
      before = after
    }
    progress.clear()

    let figures = Figures(
      model: model.info, loading: loading, width: image?.info.width ?? 0, height: image?.info.height ?? 0,
      imageTokens: image?.info.tokens ?? 0, views: image?.info.views ?? 0, promptTokens: promptLength, encoding: Spread(encoding),
      prefill: Spread(prefill), decode: Spread(decode), bytesPerToken: bytes, bandwidth: Spread(readRates), share: Spread(shares), peak: peak,
      drafted: drafted, accepted: accepted)
    try writeToStandardOutput(json ? figures.json.text() + "\n" : figures.table)
  }

  /// - Parameter noise: of `size`², where no file was named.
  private func encode(_ model: Model, _ noise: [UInt8]) throws -> EncodedImage {
    try EncodedImage(deadline: 0, progress: { _, _ in }) {
      if let image { return fovea_encode_image(model.handle, image.cString, $0, $1) }
      return fovea_encode_image_pixels(model.handle, noise, Int32(size), Int32(size), 0, $0, $1)
    }
  }

  /// Made before anything is timed.
  private func noise() -> [UInt8] {
    var state: UInt64 = 1
    return (0..<3 * size * size).map { _ in
      state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
      return UInt8(truncatingIfNeeded: state >> 56)
    }
  }

  /// A text of at most and about `tokens` tokens.
  private func text(tokens: Int, _ model: Model) throws -> String {
    let phrase = "the quick brown fox jumps over the lazy dog "
    let each = max(try model.tokenCount(phrase), 1)
    return String(repeating: phrase, count: max(tokens / each, 1))
  }

  /// KV cache of a full context in bytes; its positions read a share of it.
  private func sessionBytes(_ loaded: Model) throws -> UInt64 {
    var options = model
    options.contextLength = loaded.info.context_length
    return try options.plan().session_bytes
  }
}

/// Median and range of measurements.
struct Spread {
  let median, low, high: Double

  init(_ values: [Double]) {
    let sorted = values.sorted()
    low = sorted.first ?? .nan
    high = sorted.last ?? .nan
    median = sorted.isEmpty ? .nan : (sorted[(sorted.count - 1) / 2] + sorted[sorted.count / 2]) / 2
  }

  var json: JSON { ["median": .rounded(median), "low": .rounded(low), "high": .rounded(high)] }

  func text(_ unit: String, _ digits: Int) -> String {
    "\(decimal(median, digits)) \(unit) (\(decimal(low, digits)) to \(decimal(high, digits)))"
  }
}

private struct Figures {
  let model: fovea_model_info
  let loading: Double
  let width, height, imageTokens, views: Int32
  let promptTokens: Int32
  let encoding, prefill, decode: Spread
  let bytesPerToken: Double
  let bandwidth, share: Spread
  let peak: UInt64
  let drafted, accepted: Int32

  private var shareText: String {
    let text = "\(decimal(share.median * 100, 0)) % of the \(decimal(bandwidth.median / 1e9, 1)) GB/s that memory gives"
    return share.median > 1.1 ? text + ": the weights stay in the caches" : text
  }

  var table: String {
    var rows = [
      (
        "model",
        String(cString: model.name) + " (" + String(cString: model.system) + ", " + String(cString: model.weight_type)
          + "), " + amount(model.weight_bytes)
      ),
      ("machine", "\(String(cString: model.instruction_set)), \(model.threads) threads"),
      ("load", "\(decimal(loading, 3)) s"),
      ("image", "\(width) × \(height): \(views) views, \(imageTokens) tokens"),
      ("encode", encoding.text("s", 3)),
      ("prefill", prefill.text("tokens/s", 1) + ", prompt of \(promptTokens)"),
      ("decode", decode.text("tokens/s", 1)),
      ("guessed ahead", "\(drafted) tokens, \(accepted) of them right"),
      ("read per token", amount(Int(bytesPerToken))),
      ("decode reads", "\(decimal(decode.median * bytesPerToken / 1e9, 1)) GB/s, \(shareText)"),
      ("peak memory", "\(amount(peak)), weights \(residencyName(model.residency))"),
    ]
    if model.image_tokens == 0 { rows.removeAll { ["image", "encode"].contains($0.0) } }
    return rows.map { "\(padded($0, 16)) \($1)\n" }.joined()
  }

  var json: JSON {
    [
      "name": .string(String(cString: model.name)), "system": .string(String(cString: model.system)),
      "weight_type": .string(String(cString: model.weight_type)), "weight_bytes": .int(model.weight_bytes),
      "instruction_set": .string(String(cString: model.instruction_set)), "threads": .int(model.threads),
      "load_seconds": .rounded(loading),
      "image": [
        "width": .int(width), "height": .int(height), "views": .int(views), "tokens": .int(imageTokens),
      ],
      "encode_seconds": encoding.json, "prompt_tokens": .int(promptTokens),
      "prefill_tokens_per_second": prefill.json, "decode_tokens_per_second": decode.json,
      "drafted_tokens": .int(drafted), "accepted_tokens": .int(accepted),
      "bytes_per_token": .int(Int(bytesPerToken)), "read_bytes_per_second": .rounded(bandwidth.median),
      "bandwidth_share": .rounded(share.median), "peak_bytes": .int(peak),
      "residency": .string(residencyName(model.residency)),
    ]
  }
}
