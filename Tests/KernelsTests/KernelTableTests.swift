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
    #expect(names == ["scalar", "avx2", "avxvnni", "avx512", "neon"].filter(names.contains))
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

  @Test("a name chooses its table; none, or one this CPU lacks, the best")
  func choice() {
    let best = "\(KernelTable.all().last!.name)"
    for table in KernelTable.all() {
      #expect("\(KernelTable.choose("\(table.name)").name)" == "\(table.name)")
    }
    for unknown in ["", "sse9", "AVX2", "scalar "] {
      #expect("\(KernelTable.choose(unknown).name)" == best)
    }
    #expect("\(KernelTable.choose(nil).name)" == best)
  }
}
