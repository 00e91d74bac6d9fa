// SPDX-License-Identifier: Apache-2.0
import Families
import Images

/// Memory for encoding one image, in bytes.
struct EncodingMemory {
  /// The pictures that the encoder reads.
  var pictures = 0
  /// What decoding and resizing take beside the pictures; in a plan, without the image's file.
  var reading = 0
  /// The encoder's arena.
  var arena = 0
  /// The image's vectors, and its feature map where regions are read from one; held after encoding.
  var embedding = 0

  /// The peak, the vectors included.
  var peak: Int {
    let (sum, overflows) = pictures.addingReportingOverflow(max(reading, arena + embedding))
    return overflows ? .max : sum
  }
}

extension ViewsPlan {
  /// Bytes that making the pictures takes beside them.
  /// - Parameters:
  ///   - source: bytes of the row source.
  ///   - storedWidth, orientation: how the image is stored.
  func readingBytes(source: Int, storedWidth: Int, _ orientation: Orientation) -> Int {
    var sum = source
    for picture in pictures {
      let (next, overflows) = sum.addingReportingOverflow(picture.workingBytes(storedWidth: storedWidth, orientation) ?? .max)
      sum = overflows ? .max : next
    }
    return sum
  }

  /// An estimate for a file of the usual kinds, PNG and single-scan colour JPEG, before there is one.
  var expectedReadingBytes: Int {
    let file = [PictureKind.png, .colourJPEG].reduce(0) { max($0, $1.workingBytes(width: image.width, height: image.height)) }
    return readingBytes(source: file, storedWidth: image.width, .upright)
  }
}

extension DryRun {
  /// Memory for encoding an image of `size` from a file; nil: the most over the sizes with the most views.
  func encoding(_ vision: any VisionSystem, of size: ImageSize?) throws(FoveaError) -> EncodingMemory {
    if let size {
      let plan: ViewsPlan
      do throws(ImageError) { plan = try vision.views(of: size) } catch { throw FoveaError(error) }
      return try encoding(vision, plan, reading: plan.expectedReadingBytes)
    }
    var most = EncodingMemory()
    for plan in DryRun.largest(vision) {
      let one = try encoding(vision, plan, reading: plan.expectedReadingBytes)
      most.embedding = max(most.embedding, one.embedding)
      if one.peak > most.peak { (most.pictures, most.reading, most.arena) = (one.pictures, one.reading, one.arena) }
    }
    return most
  }

  /// Aspect ratios of the images that are tried, since grids of tiles follow them.
  private static let ratios = [1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 64]
  /// Their longer sides in pixels; the first that gives the most views is enough.
  private static let sides = [1024, 4096, 16384, 65536]

  /// The plans with the most views, one for each way of cutting.
  private static func largest(_ vision: any VisionSystem) -> [ViewsPlan] {
    var most: [ViewsPlan] = []
    for side in sides {
      for ratio in ratios {
        for size in [ImageSize(width: side, height: side / ratio), ImageSize(width: side / ratio, height: side)] {
          guard let plan = try? vision.views(of: size), let bytes = plan.pictureBytes else { continue }
          if let best = most.first, plan.cuts.count < best.cuts.count { continue }
          if let best = most.first, plan.cuts.count > best.cuts.count { most = [] }
          let isKnown = most.contains { $0.rows == plan.rows && $0.columns == plan.columns && $0.pictureBytes ?? 0 >= bytes }
          if !isKnown { most.append(plan) }
        }
      }
    }
    return most
  }
}
