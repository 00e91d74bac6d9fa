// SPDX-License-Identifier: Apache-2.0
import CFovea
import Fovea
import Testing

@Suite struct RegionTests {
  private func region(_ kind: Int, _ change: (inout fovea_region) -> Void = { _ in }) -> fovea_region {
    var r = fovea_region()
    r.struct_size = MemoryLayout<fovea_region>.size
    r.kind = Int32(kind)
    (r.x1, r.y1, r.x2, r.y2) = (4, 3, 20, 15)
    change(&r)
    return r
  }

  /// Ids for a prompt with regions, the answer's status otherwise.
  private func answer(
    _ session: OpaquePointer, _ prompt: String, _ image: OpaquePointer?, _ regions: [fovea_region]
  ) -> (status: fovea_status, ids: [Int32]) {
    regions.withUnsafeBufferPointer { regions in
      ids(session, prompt, [image], tokens: 4) {
        $0.raw = 1
        $0.regions = regions.baseAddress
        $0.region_count = regions.count
      }
    }
  }

  /// With a model that has no region sampler a region is its coordinates as text.
  @Test func aRegionReadsAsItsCoordinates() throws {
    let model = try Loaded(coordinates: "ferret")
    let image = try model.image()  // 40 × 30
    let session = try model.session()
    defer {
      fovea_session_free(session)
      fovea_image_embedding_release(image)
    }
    let vertices: [Double] = [4, 3, 21, 3, 21, 16, 4, 16]
    var mask = [UInt8](repeating: 0, count: 48 * 30)
    for y in 3...15 { for x in 4...20 { mask[48 * y + x] = 1 } }
    let expected = answer(session, "<image>[100, 100, 500, 500]?", image, [])
    #expect(expected.status == FOVEA_OK)
    vertices.withUnsafeBufferPointer { vertices in
      mask.withUnsafeBufferPointer { mask in
        let shapes = [
          region(FOVEA_REGION_BOX),
          region(FOVEA_REGION_POLYGON) { ($0.vertices, $0.vertex_count) = (vertices.baseAddress, 4) },
          region(FOVEA_REGION_MASK) {
            ($0.mask, $0.mask_stride, $0.mask_width, $0.mask_height) = (mask.baseAddress, 48, 40, 30)
          },
        ]
        for shape in shapes {
          let found = answer(session, "<image><region>?", image, [shape])
          #expect(found.status == FOVEA_OK && found.ids == expected.ids, "kind \(shape.kind): \(lastError())")
        }
      }
    }
    let point = answer(session, "<image><region>?", image, [region(FOVEA_REGION_POINT)])
    #expect(point.ids == answer(session, "<image>[100, 100]?", image, []).ids)
    var count = 0
    #expect(fovea_session_log_probabilities(session, nil, 0, &count) == FOVEA_OK && count == 4)
    var values = [Float](repeating: 1, count: 4)
    #expect(fovea_session_log_probabilities(session, &values, 3, &count) == FOVEA_ERROR_BUFFER)
    #expect(fovea_session_log_probabilities(session, &values, 4, &count) == FOVEA_OK)
    #expect(values.allSatisfy { $0 < 0 })
  }

  @Test func badRegionsAreNamed() throws {
    let model = try Loaded(coordinates: "ferret")
    let image = try model.image()
    let session = try model.session()
    defer {
      fovea_session_free(session)
      fovea_image_embedding_release(image)
    }
    let empty = [UInt8](repeating: 0, count: 40 * 30)
    let pixels: [Int32] = [1, 2]
    empty.withUnsafeBufferPointer { mask in
      pixels.withUnsafeBufferPointer { pixels in
        let cases: [(String, fovea_region)] = [
          ("not a finite number", region(FOVEA_REGION_BOX) { $0.x2 = .nan }),
          ("outside", region(FOVEA_REGION_BOX) { ($0.x1, $0.x2) = (40, 50) }),
          ("outside", region(FOVEA_REGION_POINT) { $0.y1 = -1 }), ("empty", region(FOVEA_REGION_BOX) { $0.x2 = 1 }),
          ("kind", region(17)), ("image", region(FOVEA_REGION_BOX) { $0.image = -1 }),
          ("image 3", region(FOVEA_REGION_BOX) { $0.image = 3 }), ("mask", region(FOVEA_REGION_MASK)),
          ("mask is empty", region(FOVEA_REGION_MASK) { ($0.mask, $0.mask_width, $0.mask_height) = (mask.baseAddress, 40, 30) }),
          ("mask has 30", region(FOVEA_REGION_MASK) { ($0.mask, $0.mask_width, $0.mask_height) = (mask.baseAddress, 30, 30) }),
          (
            "mask_stride",
            region(FOVEA_REGION_MASK) {
              ($0.mask, $0.mask_width, $0.mask_height, $0.mask_stride) = (mask.baseAddress, 40, 30, 39)
            }
          ),
          ("vertices", region(FOVEA_REGION_POLYGON) { $0.vertex_count = 3 }), ("vertices", region(FOVEA_REGION_POLYGON)),
          ("vertex_count", region(FOVEA_REGION_POLYGON) { $0.vertex_count = -1 }),
          (
            "radius",
            region(FOVEA_REGION_SCRIBBLE) {
              ($0.vertices, $0.vertex_count) = (UnsafeRawPointer(mask.baseAddress!).assumingMemoryBound(to: Double.self), 1)
            }
          ),
          ("points", region(FOVEA_REGION_BOX) { $0.start1 = 1 }), ("points", region(FOVEA_REGION_BOX) { $0.point_count = 512 }),
          ("point_count", region(FOVEA_REGION_BOX) { ($0.points, $0.point_count) = (pixels.baseAddress, -1) }),
          ("struct_size", region(FOVEA_REGION_BOX) { $0.struct_size = 8 }),
        ]
        for (words, region) in cases {
          #expect(answer(session, "<image><region>", image, [region]).status == FOVEA_ERROR_ARGUMENT, "\(words)")
          #expect(lastError(session).contains(words), "\(words): \(lastError(session))")
        }
      }
    }
    for (prompt, count) in [("<image><region><region>", 1), ("<image>", 1), ("<image><region>", 0)] {
      let regions = Array(repeating: region(FOVEA_REGION_BOX), count: count)
      #expect(answer(session, prompt, image, regions).status == FOVEA_ERROR_ARGUMENT)
      #expect(lastError(session).contains("<region> marks, but \(count) regions"), "\(lastError(session))")
    }
    #expect(answer(session, "<image>a", image, []).status == FOVEA_OK)
    #expect(fovea_session_place_count(nil) == 0)
  }

  @Test func regionsThatAreNotThereAreRefused() throws {
    let model = try Loaded(coordinates: "ferret")
    let (image, session) = (try model.image(), try model.session())
    defer {
      fovea_session_free(session)
      fovea_image_embedding_release(image)
    }
    for count in [3, -1] {
      #expect(ids(session, "<image>", [image], tokens: 4) { $0.region_count = count }.status == FOVEA_ERROR_ARGUMENT)
      #expect(lastError(session).contains("options.regions"))
    }
  }

  @Test func aMaskCountsBeforeItIsCopied() throws {
    let model = try Loaded(coordinates: "ferret")
    let (image, session) = (try model.image(), try model.session())
    defer {
      fovea_session_free(session)
      fovea_image_embedding_release(image)
    }
    // No mask of this size could be copied: the pixels are not there.
    let pixel: [UInt8] = [1]
    pixel.withUnsafeBufferPointer { mask in
      let large = region(FOVEA_REGION_MASK) { ($0.mask, $0.mask_width, $0.mask_height) = (mask.baseAddress, 1 << 15, 1 << 15) }
      let found = answer(session, "<image><region>", image, [large])
      #expect(found.status == FOVEA_ERROR_MEMORY && lastError(session).contains("regions"), "\(lastError(session))")
    }
  }

  @Test func aModelWithoutCoordinatesTakesNoRegions() throws {
    let model = try Loaded()
    let image = try model.image()
    let session = try model.session()
    defer {
      fovea_session_free(session)
      fovea_image_embedding_release(image)
    }
    #expect(answer(session, "<image><region>", image, [region(FOVEA_REGION_BOX)]).status == FOVEA_ERROR_UNSUPPORTED)
    // Without regions the mark is text like any other.
    #expect(answer(session, "<image><region>", image, []).status == FOVEA_OK)
  }
}
