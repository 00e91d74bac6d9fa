// SPDX-License-Identifier: Apache-2.0

/// The kernels as plain loops: the definition that every instruction set's variant must reproduce bit for bit.
///
/// What makes that possible:
/// - every multiply-add of floats is fused (`addingProduct`), so that hardware fma gives the same rounding;
/// - a sum over a row runs in 64 fixed lanes (`LaneSum`) that are added up in one fixed tree;
/// - `exponential` and `normalTail` are polynomials in one fixed order of operations;
/// - integer sums are exact, so their order is free.
///
/// Preconditions are those of the records in Shims/KernelArguments.h; the caller in Runtime has checked them. Sizes may be 0.
package enum ScalarKernels {}
