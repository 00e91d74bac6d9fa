// SPDX-License-Identifier: Apache-2.0
import Encoders
import Families
import Regions
import Runtime
import WeightFile

extension Session {
  /// The request as positions: tokens, rows of images, and regions.
  func assemble(_ request: Request, _ options: GenerateOptions) throws(FoveaError) -> PromptSequence {
    switch request {
    case .prompt(let prompt, let images, let regions):
      try requireTextRoom(prompt.count)
      return try assemble(prompt, images, regions, options)
    case .conversation(let messages):
      try requireTextRoom(messages.reduce(0) { $0 + $1.text.count })
      return try assemble(conversation: messages, options)
    }
  }

  /// Throws where memory is short: processing a text takes several times its size.
  private func requireTextRoom(_ bytes: Int) throws(FoveaError) {
    guard bytes >= 1 << 16 else { return }
    do throws(RuntimeError) { try requireRoom(16, of: bytes) } catch { throw FoveaError(error) }
  }

  private func assemble(
    _ prompt: [UInt8], _ images: [ImageEmbedding], _ regions: [Region], _ options: GenerateOptions
  ) throws(FoveaError) -> PromptSequence {
    try check(images)
    let holding = try holdMaps(regions, images)
    defer { withExtendedLifetime(holding) {} }
    let areas = try regionAreas(regions, images)
    let question: [UInt8]
    do throws(RegionError) {
      question = try model.system.regionMarks?.prompt(prompt, regions: areas) ?? prompt
    } catch { throw FoveaError(error) }
    try checkStop()
    let text: [UInt8]
    if let task = options.task {
      guard !options.isRaw else { throw FoveaError.argument("task", "a raw prompt has none") }
      text = try model.system.template.prompt(task: task, question: question, images: images.count)
    } else {
      text = options.isRaw ? question : model.system.template.prompt(question: question, images: images.count)
    }
    return try sequence(AssembledPrompt(text: text, images: images, regions: regions, areas: areas))
  }

  func check(_ images: [ImageEmbedding]) throws(FoveaError) {
    for (i, image) in images.enumerated() where image.hiddenSize != model.system.decoder.hiddenSize {
      throw FoveaError.argument(
        "images[\(i)]", "rows of \(image.hiddenSize), the model takes \(model.system.decoder.hiddenSize); it was encoded by another model")
    }
  }

  func sequence(_ prompt: AssembledPrompt) throws(FoveaError) -> PromptSequence {
    let (images, regions) = (prompt.images, prompt.regions)
    let parts = try model.system.tokenize(prompt: prompt.text, images: images.count, limit: contextLength, stop: stop)

    var sequence = PromptSequence(images: images)
    sequence.text = prompt.text
    var marks = 0
    for (i, part) in parts.enumerated() {
      for id in part {
        if id == model.system.regionMarks?.token?.id {
          sequence.elements.append(.region(index: marks, identity: 0))
          marks += 1
        } else {
          sequence.elements.append(.token(id))
        }
      }
      if i < images.count {
        // Adjacent images share one block where the system was trained so: no end and start mark between them.
        let joins = model.system.template.joinsImages
        let first = joins && i > 0 && part.isEmpty ? 1 : 0
        let end = images[i].tokens - (joins && i + 1 < images.count && parts[i + 1].isEmpty ? 1 : 0)
        for row in first..<max(first, end) { sequence.elements.append(.image(index: i, identity: images[i].identity, row: row)) }
      }
    }
    guard sequence.count > 0 else { throw FoveaError.argument("prompt", "empty, and the model has no begin-of-sequence token") }
    guard model.system.regionMarks?.token == nil || marks == regions.count else {
      throw FoveaError.argument("prompt", "\(marks) region tokens after tokenisation, but \(regions.count) regions were given")
    }
    if marks > 0 {
      sequence.regions = try regionVectors(regions, prompt.areas, images)
      for (i, element) in sequence.elements.enumerated() {
        guard case .region(let index, _) = element else { continue }
        let identity = sequence.regions[index].withUnsafeBytes { bytes in bytes.baseAddress.map { xxh64($0, bytes.count) } ?? 0 }
        sequence.elements[i] = .region(index: index, identity: identity)
      }
    }
    return sequence
  }

  func checkStop() throws(FoveaError) {
    do throws(RuntimeError) { try stop.check() } catch { throw FoveaError(error) }
  }

  /// Room for all maps of a call's regions at once: free forms become maps of their image's size, beside the masks, which hold their own. Sizes in a
  /// serialised embedding are untrusted.
  func holdMaps(_ regions: [Region], _ images: [ImageEmbedding]) throws(FoveaError) -> MemoryHolding? {
    var (forms, masks) = (0, 0)
    for region in regions where images.indices.contains(region.image) {
      let (size, overflows) = images[region.image].width.multipliedReportingOverflow(by: images[region.image].height)
      func increase(_ bytes: inout Int) {
        let (sum, more) = bytes.addingReportingOverflow(size)
        bytes = overflows || more ? .max : sum
      }
      switch region.shape {
      case .point, .box: continue
      case .polygon, .scribble: increase(&forms)
      case .mask: increase(&masks)
      }
    }
    let (all, overflows) = forms.addingReportingOverflow(masks)
    return try model.holdMaps(forms, ofCall: overflows ? .max : all)
  }

  /// The regions as pixels of their images.
  func regionAreas(_ regions: [Region], _ images: [ImageEmbedding]) throws(FoveaError) -> [RegionArea] {
    guard regions.isEmpty || model.system.regionMarks != nil else {
      throw FoveaError.unsupported("regions", "this system takes no regions")
    }
    var areas: [RegionArea] = []
    for (i, region) in regions.enumerated() {
      guard images.indices.contains(region.image) else {
        throw FoveaError.argument("regions[\(i)]", "lies in image \(region.image), but \(images.count) images were given")
      }
      let image = images[region.image]
      do throws(RegionError) {
        areas.append(try RegionArea(region, width: image.width, height: image.height, name: "regions[\(i)]", stop: stop))
      } catch { throw FoveaError(error) }
    }
    return areas
  }

  /// One vector for each region, from the feature map of its image.
  private func regionVectors(
    _ regions: [Region], _ areas: [RegionArea], _ images: [ImageEmbedding]
  ) throws(FoveaError) -> [[Float]] {
    guard let sampler = model.system.vision.regionEncoder else { return [] }
    let context = model.context(arena, stop)
    var vectors: [[Float]] = []
    for (i, region) in regions.enumerated() {
      guard let map = images[region.image].map else {
        throw FoveaError.argument("regions[\(i)]", "its image was encoded without a map of features")
      }
      let points: RegionPoints
      do throws(RegionError) {
        points = try areas[i].samplePoints(region, stages: sampler.stageInputs, name: "regions[\(i)]", stop: stop)
      } catch { throw FoveaError(error) }
      let mark = arena.mark()
      defer { arena.release(to: mark) }
      do throws(RuntimeError) {
        let vector = try sampler(map, points, context)
        vectors.append(Array(UnsafeBufferPointer(start: vector.data, count: vector.count)))
      } catch { throw FoveaError(error) }
    }
    return vectors
  }
}
