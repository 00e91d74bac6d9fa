// SPDX-License-Identifier: Apache-2.0
import Foundation
import Synchronization

/// Counters and histograms in Prometheus' text format 0.0.4.
final class Metrics: Sendable {
  private struct Histogram {
    static let bounds = [0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300]
    var counts = [Int](repeating: 0, count: bounds.count + 1)
    var sum = 0.0

    mutating func add(_ value: Double) {
      counts[Self.bounds.firstIndex { value <= $0 } ?? Self.bounds.count] += 1
      sum += value
    }
  }

  private struct Values {
    var counters: [String: Int] = [:]
    var histograms: [String: Histogram] = [:]
  }

  private let values = Mutex(Values())

  /// - Parameter series: a counter's name and labels.
  func count(_ series: String, by amount: Int = 1) { values.withLock { $0.counters[series, default: 0] += amount } }
  func time(_ series: String, seconds: Double) { values.withLock { $0.histograms[series, default: Histogram()].add(seconds) } }

  func count(_ set: AnswerSet, model: String) {
    count("fovea_tokens_total{model=\"\(model)\",kind=\"prompt\"}", by: set.promptTokens)
    count("fovea_tokens_total{model=\"\(model)\",kind=\"cached\"}", by: set.cachedTokens)
    count("fovea_tokens_total{model=\"\(model)\",kind=\"completion\"}", by: set.completionTokens)
    count("fovea_images_total{model=\"\(model)\"}", by: set.pictures.count)
    time("fovea_queue_seconds", seconds: set.queueSeconds)
    time("fovea_encode_seconds", seconds: set.encodeSeconds)
    time("fovea_prefill_seconds", seconds: set.prefillSeconds)
    time("fovea_decode_seconds", seconds: set.decodeSeconds)
  }

  func text(models: ModelCache, bodies: Int) -> String {
    var lines: [String] = []
    let (counters, histograms) = values.withLock { ($0.counters, $0.histograms) }
    var named: Set<Substring> = []
    for (series, value) in counters.sorted(by: { $0.key < $1.key }) {
      let name = series.prefix { $0 != "{" }
      if named.insert(name).inserted { lines.append("# TYPE \(name) counter") }
      lines.append("\(series) \(value)")
    }
    for (name, histogram) in histograms.sorted(by: { $0.key < $1.key }) {
      lines.append("# TYPE \(name) histogram")
      var total = 0
      for (bound, count) in zip(Histogram.bounds.map { "\($0)" } + ["+Inf"], histogram.counts) {
        total += count
        lines.append("\(name)_bucket{le=\"\(bound)\"} \(total)")
      }
      lines += ["\(name)_sum \(histogram.sum)", "\(name)_count \(total)"]
    }
    func gauge(_ name: String, _ samples: [(labels: String, value: Int)]) {
      lines.append("# TYPE \(name) gauge")
      for sample in samples { lines.append("\(name)\(sample.labels) \(sample.value)") }
    }
    let labelled = models.all.map { (label: "{model=\"\($0.name)\"}", entry: $0) }
    gauge("fovea_model_loaded", labelled.map { ($0.label, $0.entry.workers == nil ? 0 : 1) })
    gauge("fovea_queue_length", labelled.map { ($0.label, $0.entry.workers?.waiting ?? 0) })
    gauge("fovea_running", labelled.map { ($0.label, $0.entry.workers?.busy ?? 0) })
    gauge("fovea_model_memory_bytes", labelled.map { ($0.label, Int(clamping: $0.entry.workers?.model.memory.total_bytes ?? 0)) })
    gauge("fovea_model_budget_bytes", labelled.map { ($0.label, Int(clamping: $0.entry.budget)) })
    gauge("fovea_cached_images_bytes", labelled.map { ($0.label, $0.entry.workers?.pictures.bytes ?? 0) })
    gauge("fovea_body_bytes", [("", bodies)])
    gauge("process_resident_memory_bytes", [("", Self.residentBytes)])
    return lines.joined(separator: "\n") + "\n"
  }

  static var residentBytes: Int {
    guard let text = try? String(contentsOfFile: "/proc/self/statm", encoding: .utf8) else { return 0 }
    let fields = text.split(separator: " ")
    return fields.count > 1 ? (Int(fields[1]) ?? 0) * Int(sysconf(Int32(_SC_PAGESIZE))) : 0
  }
}
