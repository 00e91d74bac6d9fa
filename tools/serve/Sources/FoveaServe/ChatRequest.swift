// SPDX-License-Identifier: Apache-2.0
import CFovea

/// The generation options of a request.
struct GenerationSettings: Sendable {
  var maxTokens = 0
  var temperature: Float = 0
  var topK = 0
  var topP: Float = 0
  var minP: Float = 0
  var repetitionPenalty: Float = 0
  var frequencyPenalty: Float = 0
  var presencePenalty: Float = 0
  var seed: UInt64 = 0
  var stops: [String] = []
  var answers = 1
  /// nil: no log-probabilities; 0: only those of the answer's tokens.
  var topLogprobs: Int?
  var constraint = 0
  var constraintText: String?
  var biases: [(id: Int32, bias: Float)] = []
  /// One of the model's own prompt templates.
  var task: String?
}

/// A part of a picture that a question refers to.
struct RegionSource: Sendable {
  var kind: Int
  /// Index among all of the conversation's pictures.
  var image: Int
  /// x, y of each corner or vertex.
  var points: [Double]
  var radius: Double
}

struct ChatMessage: Sendable {
  var role: Int
  var text: String
  /// Indices into the request's list of pictures.
  var pictures: [Int] = []
  var regions: [RegionSource] = []
}

/// The request of /v1/chat/completions.
struct ChatRequest: Sendable {
  var model: String?
  var messages: [ChatMessage] = []
  var pictures: [PictureSource] = []
  var settings = GenerationSettings()
  var stream = false
  var includeUsage = false

  init(_ json: JSON, attachments: inout Attachments, limits: Limits) throws(APIError) {
    guard json.members != nil else { throw .invalid("The body must be a JSON object, not \(json.kind).", code: "invalid_type") }
    let fields = Fields(json: json)
    for member in ["tools", "functions", "audio", "prediction", "web_search_options"] {
      if let value = json[member], value != .array([]) {
        throw .invalid("\(member) is not supported.", member, code: "unsupported_parameter")
      }
    }
    if let modes = try fields.list("modalities"), modes != ["text"] {
      throw .invalid("modalities: only text is made.", "modalities", code: "unsupported_parameter")
    }
    model = try fields.text("model")
    stream = try fields.flag("stream") ?? false
    includeUsage = try fields.object("stream_options")?.flag("include_usage") ?? false
    settings = try GenerationSettings(fields, limits: limits)

    guard let list = try fields.list("messages"), !list.isEmpty else { throw .invalid("messages must be an array with a message.", "messages") }
    guard list.count <= limits.messages else { throw .invalid("messages: more than \(limits.messages).", "messages") }
    for (i, message) in list.enumerated() { try add(message, "messages[\(i)]", &attachments, limits) }
    try place(attachments.others, limits)
    guard messages.last?.role == FOVEA_ROLE_USER else { throw .invalid("The last message must be a user's.", "messages") }
    if settings.task != nil, messages.count > 1 { throw .invalid("A task is for a single question.", "task") }
  }

  private mutating func add(_ json: JSON, _ name: String, _ attachments: inout Attachments, _ limits: Limits) throws(APIError) {
    guard json.members != nil else { throw .invalid("\(name) must be an object.", name, code: "invalid_type") }
    let fields = Fields(json: json, path: name)
    let role: Int
    switch try fields.text("role") {
    case "user": role = FOVEA_ROLE_USER
    case "assistant": role = FOVEA_ROLE_ASSISTANT
    case "system", "developer": role = FOVEA_ROLE_SYSTEM
    case let other:
      throw .invalid("\(name).role must be system, user or assistant, not \(other.map { "\"\($0)\"" } ?? "missing").", "\(name).role")
    }
    if json["tool_calls"] != nil || json["function_call"] != nil {
      throw .invalid("\(name): tools are not supported.", name, code: "unsupported_parameter")
    }
    var message = ChatMessage(role: role, text: "")
    switch json["content"] {
    case .string(let text): message.text = try Fields.checked(text, "\(name).content")
    case .array(let parts):
      guard parts.count <= limits.messages else { throw .invalid("\(name).content: more than \(limits.messages) parts.", name) }
      try add(parts, to: &message, "\(name).content", &attachments, limits)
    default: throw .invalid("\(name).content must be a string or an array of parts.", "\(name).content", code: "invalid_type")
    }
    messages.append(message)
  }

  private mutating func add(
    _ parts: [JSON], to message: inout ChatMessage, _ name: String, _ attachments: inout Attachments, _ limits: Limits
  ) throws(APIError) {
    // Several pictures keep their positions; a single one goes where the template puts it.
    let isInterleaved = parts.count { $0["type"] == "image_url" } > 1
    let marksRegions = !parts.contains { $0["text"]?.string?.contains("<region>") ?? false }
    for (i, json) in parts.enumerated() {
      let name = "\(name)[\(i)]"
      let part = Fields(json: json, path: name)
      switch try part.text("type") {
      case "text":
        guard let text = try part.text("text") else { throw .invalid("\(name).text is missing.", name) }
        message.text += text
      case "image_url":
        guard message.role == FOVEA_ROLE_USER else { throw .invalid("\(name): images belong to a user's message.", name) }
        let address: String? = json["image_url"]?.string != nil ? try part.text("image_url") : try part.object("image_url")?.text("url")
        guard let address else { throw .invalid("\(name).image_url.url is missing.", name) }
        let bytes = try attachments.bytes(of: address, "\(name).image_url")
        message.pictures.append(try add(PictureSource(bytes, limits: limits, name: "\(name).image_url"), limits))
        if isInterleaved { message.text += "<image>" }
      case "region":
        message.regions.append(try region(part, name))
        if marksRegions { message.text += message.text.isEmpty || message.text.hasSuffix(" ") ? "<region>" : " <region>" }
      case let other:
        throw .invalid("\(name).type must be text, image_url or region, not \(other.map { "\"\($0)\"" } ?? "missing").", "\(name).type")
      }
    }
  }

  private mutating func add(_ picture: PictureSource, _ limits: Limits) throws(APIError) -> Int {
    guard pictures.count < limits.images else { throw .invalid("More than \(limits.images) images.", "messages", code: "too_many_images") }
    pictures.append(picture)
    return pictures.count - 1
  }

  private func region(_ part: Fields, _ name: String) throws(APIError) -> RegionSource {
    let image = try part.whole("image", 0...1_000) ?? max(pictures.count - 1, 0)
    let radius = try part.number("radius", 0.5...0x1p20) ?? 8
    func region(_ kind: Int, _ points: [Double]) -> RegionSource { RegionSource(kind: kind, image: image, points: points, radius: radius) }
    if let points = try part.coordinates("point", 2...2) { return region(FOVEA_REGION_POINT, points) }
    if let points = try part.coordinates("box", 4...4) { return region(FOVEA_REGION_BOX, points) }
    if let points = try part.coordinates("polygon", 6...32_768) { return region(FOVEA_REGION_POLYGON, points) }
    if let points = try part.coordinates("scribble", 2...32_768) { return region(FOVEA_REGION_SCRIBBLE, points) }
    throw .invalid("\(name) needs a point, box, polygon or scribble.", name)
  }

  /// Files of a form that no message refers to become the last question's pictures.
  private mutating func place(_ files: [(name: String, bytes: [UInt8])], _ limits: Limits) throws(APIError) {
    guard let last = messages.indices.last else { return }
    for file in files {
      messages[last].pictures.append(try add(PictureSource(file.bytes, limits: limits, name: file.name), limits))
    }
  }
}
