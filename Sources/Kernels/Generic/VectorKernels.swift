// SPDX-License-Identifier: Apache-2.0
#if HAS_LANES

/// The kernels of one instruction set, bit for bit those of `ScalarKernels`, whose formulas and orders of operations they follow.
///
/// This folder is compiled into every instruction set's module: it is written in `Lanes` (16 floats, whatever registers hold them)
/// and in the register tiles of that module. Only pointers and SIMD values here: a generic type or a closure would be specialised
/// with this module's instructions under a name the linker may share with code that runs on every CPU (tools/check-symbols looks for such).
/// Entry points are `@export(interface)`: their bodies must not be inlined into, or emitted in, modules compiled for every CPU.
package enum VectorKernels {}

#endif
