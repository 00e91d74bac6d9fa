// SPDX-License-Identifier: Apache-2.0
import Kernels
import Shims
import Testing

@Suite struct KernelTableTests {
  @Test("tables stand scalar first, each once")
  func order() {
    let names = KernelTable.all().map { "\($0.name)" }
    #expect(names.first == "scalar")
    #expect(Set(names).count == names.count)
    #expect(names == ["scalar", "sse41", "avx2", "avxvnni", "avx512", "neon", "dotprod", "i8mm"].filter(names.contains))
  }

  #if os(Linux) && arch(x86_64)
  @Test("AVX-VNNI is used where the system knows of it")
  func productsOfTheCPU() throws {
    let names = KernelTable.all().map { "\($0.name)" }
    #if AVXVNNI_AS_AVX512
    #expect(names.contains("avxvnni"))
    #else
    // Kernels before Linux 5.12 do not name it.
    if cpuFlags().contains("avx_vnni") { #expect(names.contains("avxvnni")) }
    if names.contains("avxvnni") { #expect(names.contains("avx2")) }
    #endif
  }

  private func cpuFlags() -> [Substring] {
    guard let file = fopen("/proc/cpuinfo", "r") else { return [] }
    defer { fclose(file) }
    var line: UnsafeMutablePointer<CChar>?
    var size = 0
    defer { free(line) }
    while getline(&line, &size, file) > 0, let line {
      let text = String(cString: line)
      if text.hasPrefix("flags") { return text.split { $0.isWhitespace } }
    }
    return []
  }
  #endif

  @Test("a name chooses its table, no name or an empty one the best; one that this CPU lacks is refused with those it has")
  func choice() throws {
    let best = "\(KernelTable.all().last!.name)"
    for table in KernelTable.all() {
      #expect("\(try KernelTable.choose("\(table.name)").name)" == "\(table.name)")
    }
    let names = KernelTable.all().map { "\($0.name)" }
    for unknown in ["sse9", "AVX2", "scalar "] + ["sse41", "avx2", "avxvnni", "avx512", "neon", "dotprod", "i8mm"].filter({ !names.contains($0) }) {
      let error = #expect(throws: UnknownInstructionSet.self) { try KernelTable.choose(unknown) }
      let text = error?.description ?? ""
      #expect(text.contains("\"\(unknown)\"") && names.allSatisfy { text.contains($0) }, "\(text)")
    }
    #expect("\(try KernelTable.choose(nil).name)" == best)
    #expect("\(try KernelTable.choose("").name)" == best)
    // Whatever the environment holds, the message is one short line.
    let odd = #expect(throws: UnknownInstructionSet.self) { try KernelTable.choose("a\u{1B}[1m\n" + String(repeating: "é", count: 5000)) }
    #expect(odd?.name == "a?[1m?" + String(repeating: "?", count: 34))
  }
}
