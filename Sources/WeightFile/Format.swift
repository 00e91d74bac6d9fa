// SPDX-License-Identifier: Apache-2.0

/// The constants of FORMAT.md.
enum Format {
  /// 89 "FOVEA" 0D 0A, read as a little-endian number.
  static let magic: UInt64 = 0x0A0D_4145_564F_4689
  /// The newest `minReaderVersion` understood, and the oldest there is.
  static let version: UInt32 = 3
  static let oldestVersion: UInt32 = 1
  /// The version that allows packed tensors of three dimensions.
  static let stackedMatricesVersion: UInt32 = 2
  /// The version that has weights in groups of 32 with one byte of scale each.
  static let smallGroupsVersion: UInt32 = 3
  static let headerSize = 128
  static let tensorEntrySize = 24
  static let frameEntrySize = 32
  static let metadataEntrySize = 16

  /// Alignment of an in-place tensor; from `pageAlignedFrom` bytes on the writer aligns to a page.
  static let alignment = 64
  static let pageAlignment = 4096
  static let pageAlignedFrom = 256 << 10

  static let largestSection = 256 << 20
  static let mostTensors = 1 << 20
  static let largestName = 1024
  static let highestRank = 8
  /// Decoded bytes of a frame: the writer's target; the limit of a frame of several rows; the limit of any frame.
  static let usualFrame = 1 << 20
  static let largestSharedFrame = 2 << 20
  static let largestFrame = 16 << 20
  /// Smaller tensors are not worth compressing.
  static let smallestCompressed = 16 << 10
}
