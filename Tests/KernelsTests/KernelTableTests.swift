// SPDX-License-Identifier: Apache-2.0
import Kernels
import Shims
import Testing

@Suite(.serialized) struct KernelTableTests {
  @Test("tables stand scalar first, each once")
  func order() {
    let names = KernelTable.all().map { "\($0.name)" }
    #expect(names.first == "scalar")
    #expect(Set(names).count == names.count)
    #expect(names == ["scalar", "avx2", "avx512"].filter(names.contains))
  }

  @Test("FOVEA_ISA names the table; a name this CPU lacks gives the best one")
  func forced() {
    let before = getenv("FOVEA_ISA").map { String(cString: $0) }
    defer { if let before { setenv("FOVEA_ISA", before, 1) } else { unsetenv("FOVEA_ISA") } }
    let best = "\(KernelTable.all().last!.name)"
    for table in KernelTable.all() {
      setenv("FOVEA_ISA", "\(table.name)", 1)
      #expect("\(KernelTable.choose().name)" == "\(table.name)")
    }
    for unknown in ["", "sse9", "AVX2", "scalar "] {
      setenv("FOVEA_ISA", unknown, 1)
      #expect("\(KernelTable.choose().name)" == best)
    }
    unsetenv("FOVEA_ISA")
    #expect("\(KernelTable.choose().name)" == best)
  }
}
