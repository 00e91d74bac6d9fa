// SPDX-License-Identifier: Apache-2.0
import Shims

/// A pool of idle frame decoders, so that zstd contexts and scratch memory are reused. Thread-safe.
final class DecoderPool {
  private let mutex: UnsafeMutablePointer<pthread_mutex_t>
  private var idle: [FrameDecoder] = []

  init() {
    mutex = .allocate(capacity: 1)
    pthread_mutex_init(mutex, nil)
  }

  deinit {
    pthread_mutex_destroy(mutex)
    mutex.deallocate()
  }

  /// A decoder for the caller alone; nil when there is no memory for one.
  func take() -> FrameDecoder? {
    // No waiting: in a child made by fork, the lock may be held by a thread that does not exist there.
    guard pthread_mutex_trylock(mutex) == 0 else { return FrameDecoder() }
    let decoder = idle.popLast()
    pthread_mutex_unlock(mutex)
    return decoder ?? FrameDecoder()
  }

  func giveBack(_ decoder: FrameDecoder) {
    guard pthread_mutex_trylock(mutex) == 0 else { return }
    idle.append(decoder)
    pthread_mutex_unlock(mutex)
  }

  /// Frees what is idle, unless another thread is just taking from it.
  func empty() {
    guard pthread_mutex_trylock(mutex) == 0 else { return }
    idle = []
    pthread_mutex_unlock(mutex)
  }
}
