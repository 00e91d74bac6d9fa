// SPDX-License-Identifier: Apache-2.0
import Kernels
import Testing

@Suite struct KernelTableTests {
  @Test("tables stand scalar first, each once")
  func order() {
    let names = KernelTable.all().map { "\($0.name)" }
    #expect(names.first == "scalar")
    #expect(Set(names).count == names.count)
    #expect(names == ["scalar", "avx2", "avx512", "neon"].filter(names.contains))
  }

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
