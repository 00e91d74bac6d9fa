// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import CFovea
import Images
import Shims

/// The regions of the prompt's `<region>` marks, in the order given.
struct RegionOptions: ParsableArguments {
  @Option(name: .customLong("box"), parsing: .unconditionalSingleValue, help: "A region, x1,y1,x2,y2 in pixels of the first image; may be repeated.")
  var boxes: [Numbered<Box>] = []

  @Option(name: .customLong("point"), parsing: .unconditionalSingleValue, help: "A region, x,y in pixels; may be repeated.")
  var points: [Numbered<Point>] = []

  @Option(name: .customLong("mask"), help: "A region, the pixels that are not black in a PNG of the image's size; may be repeated.")
  var masks: [Numbered<MaskFile>] = []

  var isEmpty: Bool { boxes.isEmpty && points.isEmpty && masks.isEmpty }

  /// - Parameter image: what the regions are in; nil: there is none, and so no mask is read.
  func regions(of image: EncodedImage?) throws -> [MarkedRegion] {
    var found: [(place: Int, region: MarkedRegion)] = []
    for box in boxes { found.append((box.place, MarkedRegion(box: box.value.numbers))) }
    for point in points { found.append((point.place, MarkedRegion(point: point.value.numbers))) }
    for mask in masks {
      guard let image else { throw CommandFailure(.usage, "--mask: \(mask.value.path): there is no image for it.") }
      let size = (width: Int(image.info.width), height: Int(image.info.height))
      found.append((mask.place, try MarkedRegion(mask: mask.value.path, imageSize: size)))
    }
    return found.sorted { $0.place < $1.place }.map(\.region)
  }
}

/// A region for the library, with the memory it points to.
final class MarkedRegion {
  private(set) var structure = fovea_region()
  private var mask: UnsafeMutableBufferPointer<UInt8>?

  init(box: [Double]) {
    structure.kind = Int32(FOVEA_REGION_BOX)
    (structure.x1, structure.y1, structure.x2, structure.y2) = (box[0], box[1], box[2], box[3])
    structure.struct_size = MemoryLayout<fovea_region>.size
  }

  init(point: [Double]) {
    structure.kind = Int32(FOVEA_REGION_POINT)
    (structure.x1, structure.y1) = (point[0], point[1])
    structure.struct_size = MemoryLayout<fovea_region>.size
  }

  /// A mask of another size is refused before its pixels are read.
  init(mask path: FilePath, imageSize: (width: Int, height: Int)) throws {
    let (width, height) = imageSize
    let room = PictureOptions.heldRoom - width * height
    do throws(ImageError) {
      let rows = try EncodedRows(path: path.cString, options: DecodingOptions(applyOrientation: false, background: nil, heldRoom: max(room, 0)))
      guard (rows.storedWidth, rows.storedHeight) == imageSize else {
        throw .badArgument(what: "\(path): has \(rows.storedWidth) × \(rows.storedHeight) pixels, the image \(width) × \(height).")
      }
      guard room > 0, let memory = malloc(max(width * height, 1)) else { throw .outOfMemory(source: path.description, bytes: width * height) }
      mask = UnsafeMutableBufferPointer(start: memory.assumingMemoryBound(to: UInt8.self), count: width * height)
      try rows.start(isStopped: { false })
      for y in 0..<height { try rows.nextMask(into: memory.assumingMemoryBound(to: UInt8.self) + y * width) }
    } catch {
      throw CommandFailure(ExitStatus(LibraryError(error).status), "--mask: \(error.description)")
    }
    structure.kind = Int32(FOVEA_REGION_MASK)
    structure.mask = UnsafePointer(mask?.baseAddress)
    (structure.mask_width, structure.mask_height) = (Int32(width), Int32(height))
    structure.struct_size = MemoryLayout<fovea_region>.size
  }

  deinit { free(mask?.baseAddress) }
}

/// An option's value and its position among all regions of the command line, whatever their kinds.
struct Numbered<Value: ExpressibleByArgument>: ExpressibleByArgument {
  let value: Value
  let place: Int

  init?(argument: String) {
    guard let value = Value(argument: argument) else { return nil }
    self.value = value
    place = nextPlace
    nextPlace += 1
  }
}

/// The parser reads arguments one by one, in order.
nonisolated(unsafe) private var nextPlace = 0

struct Box: ExpressibleByArgument {
  let numbers: [Double]

  init?(argument: String) {
    guard let numbers = parse(argument, count: 4) else { return nil }
    self.numbers = numbers
  }
}

struct Point: ExpressibleByArgument {
  let numbers: [Double]

  init?(argument: String) {
    guard let numbers = parse(argument, count: 2) else { return nil }
    self.numbers = numbers
  }
}

struct MaskFile: ExpressibleByArgument {
  let path: FilePath

  init?(argument: String) {
    guard let path = FilePath(argument: argument) else { return nil }
    self.path = path
  }
  static var defaultCompletionKind: CompletionKind { .file() }
}

private func parse(_ text: String, count: Int) -> [Double]? {
  let parts = text.split(separator: ",", omittingEmptySubsequences: false)
  let numbers = parts.compactMap { Double($0.drop { $0 == " " }) }
  return numbers.count == count && parts.count == count ? numbers : nil
}
