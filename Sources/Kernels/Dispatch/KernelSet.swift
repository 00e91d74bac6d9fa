// SPDX-License-Identifier: Apache-2.0
import KernelsScalar
import Shims

#if arch(x86_64)
import KernelsAVX2
import KernelsAVX512
import KernelsAVXVNNI
import KernelsSSE41
#elseif arch(arm64)
import KernelsDotProd
import KernelsI8MM
import KernelsNEON
#endif

/// Products with quantised weights, for which an instruction set may have nothing else of its own.
protocol QuantizedProducts {
  static func linearQ8(_: UnsafePointer<LinearArguments>, _ firstBlock: Int, _ endBlock: Int, _ firstToken: Int, _ endToken: Int)
  static func linearQ4(_: UnsafePointer<LinearArguments>, _ firstBlock: Int, _ endBlock: Int, _ firstToken: Int, _ endToken: Int)
  static func linearSmallGroups(_: UnsafePointer<LinearArguments>, _ firstBlock: Int, _ endBlock: Int, _ firstToken: Int, _ endToken: Int)
}

/// The kernels that each instruction set's module has. Formulas and orders of operations are documented at the functions of `ScalarKernels`.
///
/// Conformances are declared here, not beside the kernels: witnesses are compiled with the module that declares them, and this one is compiled
/// for every CPU.
protocol KernelSet: QuantizedProducts {
  static func linearF16(_: UnsafePointer<LinearArguments>, _ firstBlock: Int, _ endBlock: Int, _ firstToken: Int, _ endToken: Int)
  static func linearF32(_: UnsafePointer<LinearArguments>, _ firstBlock: Int, _ endBlock: Int, _ firstToken: Int, _ endToken: Int)
  static func quantize(
    _ x: UnsafePointer<Float>, _ count: Int, _ padded: Int, _ group: Int, _ zeroPoint: Int32, _ q: UnsafeMutablePointer<Int8>,
    _ scales: UnsafeMutablePointer<Float>, _ offsets: UnsafeMutablePointer<Int32>)
  static func layerNorm(
    _ x: UnsafePointer<Float>, _ weight: UnsafePointer<Float>, _ bias: UnsafePointer<Float>, _ y: UnsafeMutablePointer<Float>,
    _ count: Int, _ epsilon: Float)
  static func rmsNorm(
    _ x: UnsafePointer<Float>, _ weight: UnsafePointer<Float>, _ y: UnsafeMutablePointer<Float>, _ count: Int, _ epsilon: Float)
  static func gelu(_ x: UnsafeMutablePointer<Float>, _ count: Int)
  static func quickGELU(_ x: UnsafeMutablePointer<Float>, _ count: Int)
  static func geluTanh(_ x: UnsafeMutablePointer<Float>, _ count: Int)
  static func silu(_ x: UnsafeMutablePointer<Float>, _ count: Int)
  static func siluMultiply(_ gate: UnsafePointer<Float>, _ up: UnsafePointer<Float>, _ y: UnsafeMutablePointer<Float>, _ count: Int)
  static func add(_ x: UnsafePointer<Float>, _ y: UnsafeMutablePointer<Float>, _ count: Int)
  static func softmax(_ x: UnsafeMutablePointer<Float>, _ count: Int)
  static func rotate(_ x: UnsafeMutablePointer<Float>, _ cosines: UnsafePointer<Float>, _ sines: UnsafePointer<Float>, _ headSize: Int)
  static func attention(_: UnsafePointer<AttentionArguments>, _ head: Int, _ firstQuery: Int, _ endQuery: Int)
  static func depthwise3x3(
    _ x: UnsafePointer<Float>, _ weight: UnsafePointer<Float>, _ bias: UnsafePointer<Float>, _ y: UnsafeMutablePointer<Float>,
    _ height: Int, _ width: Int, _ channels: Int, _ firstRow: Int, _ endRow: Int)
  static func halfToFloat(_ x: UnsafePointer<UInt16>, _ y: UnsafeMutablePointer<Float>, _ count: Int)
  static func floatToHalf(_ x: UnsafePointer<Float>, _ y: UnsafeMutablePointer<UInt16>, _ count: Int)
}

extension ScalarKernels: KernelSet {}
#if arch(x86_64)
extension KernelsSSE41.VectorKernels: KernelSet {}
extension KernelsAVX2.VectorKernels: KernelSet {}
extension KernelsAVXVNNI.VectorKernels: KernelSet {}
extension KernelsAVX512.VectorKernels: KernelSet {}
#elseif arch(arm64)
extension KernelsNEON.VectorKernels: KernelSet {}
extension KernelsDotProd.VectorKernels: KernelSet {}
extension KernelsI8MM.VectorKernels: QuantizedProducts {}
#endif

extension KernelTable {
  /// Every table this CPU can run, scalar first, best last.
  package static func all() -> [KernelTable] {
    var tables = [KernelTable("scalar", ScalarKernels.self)]
    #if arch(x86_64)
    let cpu = CPUFeatures.detected()
    if cpu.hasSSE41 { tables.append(KernelTable("sse41", KernelsSSE41.VectorKernels.self)) }
    if cpu.hasAVX2 { tables.append(KernelTable("avx2", KernelsAVX2.VectorKernels.self)) }
    if cpu.hasAVXVNNI { tables.append(KernelTable("avxvnni", KernelsAVXVNNI.VectorKernels.self)) }
    if cpu.hasAVX512 { tables.append(KernelTable("avx512", KernelsAVX512.VectorKernels.self)) }
    #elseif arch(arm64)
    tables.append(KernelTable("neon", KernelsNEON.VectorKernels.self))
    if fovea_has_dotprod() { tables.append(KernelTable("dotprod", KernelsDotProd.VectorKernels.self)) }
    // Its other kernels would be those of `sdot` again, instruction for instruction.
    if fovea_has_i8mm() { tables.append(KernelTable("i8mm", KernelsDotProd.VectorKernels.self, products: KernelsI8MM.VectorKernels.self)) }
    #endif
    return tables
  }
}
