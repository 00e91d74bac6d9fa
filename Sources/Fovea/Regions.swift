// SPDX-License-Identifier: Apache-2.0
import CFovea
import Families
import Generation
import Regions
import Runtime

/// Memory for copies of a call's masks: its model's budget, or without one as many bytes as regions may take.
final class MaskRoom {
  private let model: Model
  private var bytes = 0

  init(_ model: Model) { self.model = model }

  /// Throws where there is no room for the masks among these regions; it is held as long as the result.
  func hold(_ regions: [fovea_region]) throws(FoveaError) -> MemoryHolding? {
    var size = 0
    for c in regions where Int(c.kind) == FOVEA_REGION_MASK && c.mask_width > 0 && c.mask_height > 0 {
      let (sum, overflows) = size.addingReportingOverflow(Int(c.mask_width) * Int(c.mask_height))
      size = overflows ? .max : sum
    }
    let (sum, overflows) = bytes.addingReportingOverflow(size)
    bytes = overflows ? .max : sum
    return size == 0 ? nil : try model.holdMaps(size, ofCall: bytes)
  }
}

/// The regions of a call. Their position in the images is checked with the images.
/// - Parameters:
///   - room: what all masks of the call share.
///   - stop: checked before each region, and while masks are copied.
func regions(
  _ given: UnsafePointer<fovea_region>?, count: Int, _ name: StaticString, _ room: MaskRoom, _ stop: StopSignal
) throws(FoveaError) -> [Region] {
  var found: [Region] = []
  guard try buffer(given, count: count, name).count > 0, let first = given else { return found }
  let size = try structSize(UnsafeRawPointer(first), first: FirstSize.region, name)
  var copies = try list(of: fovea_region.self, count: count)
  for i in 0..<count {
    try check(stop)
    // Stride by the caller's `struct_size`: a newer header's structure may be longer.
    let at = (UnsafeRawPointer(first) + i * size).assumingMemoryBound(to: fovea_region.self)
    guard UnsafeRawPointer(at).load(as: Int.self) == size else {
      throw .argument("\(name)[\(i)].struct_size", "should be \(size), as the first one's.")
    }
    var c = fovea_region()
    try read(at, into: &c, first: FirstSize.region, name)
    copies.append(c)
  }
  let holding = try room.hold(copies)
  found = try list(of: Region.self, count: count)
  for (i, c) in copies.enumerated() {
    try check(stop)
    do throws(FoveaError) { found.append(try Region(c, holding, stop)) } catch {
      guard case .argument(let field, let problem) = error else { throw error }
      throw .argument("\(name)[\(i)].\(field)", problem)
    }
  }
  return found
}

extension Region {
  fileprivate init(_ c: fovea_region, _ holding: MemoryHolding?, _ stop: StopSignal) throws(FoveaError) {
    guard c.image >= 0 else { throw .argument("image", "is \(c.image), must not be negative.") }
    self.init(try Shape(c, holding, stop), image: Int(c.image), seed: c.seed, start: try Start(c))
  }
}

extension Region.Shape {
  fileprivate init(_ c: fovea_region, _ holding: MemoryHolding?, _ stop: StopSignal) throws(FoveaError) {
    switch Int(c.kind) {
    case FOVEA_REGION_POINT: self = .point(.init(x: c.x1, y: c.y1))
    case FOVEA_REGION_BOX: self = .box(.init(x: c.x1, y: c.y1), .init(x: c.x2, y: c.y2))
    case FOVEA_REGION_POLYGON: self = .polygon(try vertices(c))
    case FOVEA_REGION_SCRIBBLE: self = .scribble(try vertices(c), radius: c.radius)
    case FOVEA_REGION_MASK:
      let mask = try required(c.mask, "mask")
      let (width, height) = (Int(c.mask_width), Int(c.mask_height))
      guard width > 0, height > 0 else { throw .argument("mask_width, mask_height", "\(width) × \(height) is no size.") }
      let stride = c.mask_stride == 0 ? width : c.mask_stride
      let (_, overflow) = stride.multipliedReportingOverflow(by: height)
      guard stride >= width, !overflow else { throw .argument("mask_stride", "\(c.mask_stride) does not suit rows of \(width) bytes.") }
      do throws(RegionError) {
        let map = try Bitmap(rows: mask, width: width, height: height, stride: stride, stop: stop)
        map.holding = holding
        self = .mask(map)
      } catch { throw FoveaError(error) }
    default: throw .argument("kind", "is \(c.kind), should be one of FOVEA_REGION_….")
    }
  }
}

private func vertices(_ c: fovea_region) throws(FoveaError) -> [Region.Vertex] {
  guard c.vertex_count <= RegionArea.mostVertices, c.vertex_count >= 0 else {
    throw .argument("vertex_count", "is \(c.vertex_count), should be at most \(RegionArea.mostVertices).")
  }
  let numbers = try buffer(c.vertices, count: 2 * c.vertex_count, "vertices")
  var found = try list(of: Region.Vertex.self, count: c.vertex_count)
  for i in 0..<c.vertex_count { found.append(.init(x: numbers[2 * i], y: numbers[2 * i + 1])) }
  return found
}

extension Region.Start {
  /// Nil where the sampler chooses the points.
  fileprivate init?(_ c: fovea_region) throws(FoveaError) {
    guard c.points != nil else {
      guard c.point_count == 0, c.start1 == 0, c.start2 == 0 else {
        throw .argument("points", "NULL was given with a count or starts.")
      }
      return nil
    }
    guard (0...1 << 16).contains(c.point_count) else { throw .argument("point_count", "is \(c.point_count), too many.") }
    let numbers = try buffer(c.points, count: 2 * c.point_count, "points")
    var points = try list(of: (x: Int, y: Int).self, count: c.point_count)
    for i in 0..<c.point_count { points.append((x: Int(numbers[2 * i]), y: Int(numbers[2 * i + 1]))) }
    self.init(points: points, first: (Int(c.start1), Int(c.start2)))
  }
}
