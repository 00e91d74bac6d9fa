// SPDX-License-Identifier: Apache-2.0
import BenchmarkPeaks
import Kernels
import Shims

/// Speed of every kernel on one thread, best of many runs, in CPU time: `KernelsBenchmark [table] [name prefix]`.
@main
struct KernelsBenchmark {
  static func main() {
    let words = Array(CommandLine.arguments.dropFirst())
    let tables = KernelTable.all().filter { words.isEmpty || words[0] == "all" || words[0] == "\($0.name)" }
    let prefix = words.count > 1 ? words[1] : ""
    let memory = ReadMemory()
    for table in tables {
      let bench = Bench(table: table, prefix: prefix, peaks: Peaks(table, memory))
      bench.run()
    }
  }
}

func say(_ s: String) {
  print(s)
  fflush(nil)
}

func fixed(_ x: Double, _ digits: Int = 1) -> String {
  var scale = 1.0
  for _ in 0..<digits { scale *= 10 }
  let n = Int((x * scale).rounded())
  let text = String(n % Int(scale))
  return "\(n / Int(scale))" + (digits == 0 ? "" : "." + String(repeating: "0", count: digits - text.count) + text)
}

/// Fewest CPU seconds of one call over `runs` runs (at least 0.3 s of them).
func best(_ runs: Int = 7, _ body: () -> Void) -> Double {
  body()
  var least = Double.infinity
  var total = 0.0
  var n = 0
  while n < runs || (total < 0.3 && n < 2000) {
    let start = thread_seconds()
    body()
    let seconds = thread_seconds() - start
    least = min(least, seconds)
    total += seconds
    n += 1
  }
  return least
}

/// 256 MiB, more than any cache here.
final class ReadMemory {
  let bytes = 256 << 20
  let base: UnsafeMutableRawPointer
  init() {
    base = .allocate(byteCount: bytes, alignment: 2 << 20)
    pages_advise_huge(base, bytes, true)
    var state: UInt64 = 1
    let words = base.bindMemory(to: UInt64.self, capacity: bytes / 8)
    for i in 0..<bytes / 8 {
      state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
      words[i] = state ^ state >> 29
    }
  }
}

/// Measured limits of this core for one table's instructions.
struct Peaks {
  let integer, float, read: Double
  let memory: ReadMemory

  init(_ table: KernelTable, _ memory: ReadMemory) {
    self.memory = memory
    let is512 = "\(table.name)" == "avx512"
    let n = 2_000_000
    var operations = 0.0
    var sink: UInt64 = 0
    if is512 {
      integer = 1 / best { operations = peak_vpdpbusd_512(n) } * operations
      float = 1 / best { operations = peak_fma_512(n) } * operations
      read = 1 / best { sink |= read_all_512(memory.base, memory.bytes) } * Double(memory.bytes)
    } else {
      let hasProducts = "\(table.name)" == "avxvnni"
      integer = 1 / best { operations = hasProducts ? peak_vpdpbusd_256(n) : peak_vpmaddubsw_256(n) } * operations
      float = 1 / best { operations = peak_fma_256(n) } * operations
      read = 1 / best { sink |= read_all_128(memory.base, memory.bytes) } * Double(memory.bytes)
    }
    say(
      "\(table.name): int8 peak \(fixed(integer / 1e9, 0)) GOPS, f32 peak \(fixed(float / 1e9, 0)) GFLOPS, read \(fixed(read / 1e9)) GB/s"
        + (sink == 0 ? " (?)" : ""))
  }
}
