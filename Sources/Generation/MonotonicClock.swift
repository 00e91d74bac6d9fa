// SPDX-License-Identifier: Apache-2.0
import Shims

/// Time that only moves forward.
enum MonotonicClock {
  static func seconds() -> Double {
    var t = timespec()
    clock_gettime(CLOCK_MONOTONIC, &t)
    return Double(t.tv_sec) + Double(t.tv_nsec) * 1e-9
  }
}
