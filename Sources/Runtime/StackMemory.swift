// SPDX-License-Identifier: Apache-2.0
import Shims

/// Calls `body` with `count` floats of uninitialised stack memory, aligned to 64 bytes.
// Not inlined: in a loop the memory would pile up.
@inline(never)
func withStack(floats count: Int, _ body: (UnsafeMutablePointer<Float>) -> Void) {
  typealias Body = (UnsafeMutablePointer<Float>) -> Void
  assert(count >= 0 && count &* 4 <= largestStackMemory)
  withoutActuallyEscaping(body) { body in
    withUnsafePointer(to: body) {
      fovea_with_stack(
        count &* 4,
        { context, _, _, _, memory in
          guard let context, let memory else { return }
          context.assumingMemoryBound(to: Body.self).pointee(memory.assumingMemoryBound(to: Float.self))
        }, $0, 0, 0, 0)
    }
  }
}
