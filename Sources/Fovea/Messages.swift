// SPDX-License-Identifier: Apache-2.0
import CFovea
import Families
import Generation
import Regions
import Runtime
import Schema

/// Most messages of a conversation.
private let mostMessages = 1 << 14

/// The messages of a conversation, checked and copied. Their images and regions are checked with the prompt.
/// - Parameters:
///   - room: what all masks of the call share.
///   - stop: checked before each message, and while masks are copied.
func messages(
  _ given: UnsafePointer<fovea_message>?, count: Int, _ model: Model, _ room: MaskRoom, _ stop: StopSignal
) throws(FoveaError) -> [Message] {
  var found: [Message] = []
  guard try buffer(given, count: count, "messages").count > 0, let first = given else { return found }
  let size = try structSize(UnsafeRawPointer(first), first: FirstSize.message, "messages[0]")
  guard count <= mostMessages else { throw .argument("messages", "are \(count), must be at most \(mostMessages).") }
  found = try list(of: Message.self, count: count)
  var bytes = 0
  for i in 0..<count {
    try check(stop)
    // Stride by the caller's `struct_size`: a newer header's structure may be longer.
    let at = (UnsafeRawPointer(first) + i * size).assumingMemoryBound(to: fovea_message.self)
    guard UnsafeRawPointer(at).load(as: Int.self) == size else {
      throw .argument("messages[\(i)].struct_size", "should be \(size), as the first one's.")
    }
    var c = fovea_message()
    try read(at, into: &c, first: FirstSize.message, "messages")
    do throws(FoveaError) { found.append(try Message(c, model, room, stop)) } catch {
      guard case .argument(let name, let problem) = error else { throw error }
      throw .argument("messages[\(i)].\(name)", problem)
    }
    bytes += found[i].text.count
    try requireLength(bytes, "messages")
  }
  return found
}

extension Message {
  fileprivate init(_ c: fovea_message, _ model: Model, _ room: MaskRoom, _ stop: StopSignal) throws(FoveaError) {
    let role: TurnSettings.Role
    switch Int(c.role) {
    case FOVEA_ROLE_USER: role = .user
    case FOVEA_ROLE_ASSISTANT: role = .assistant
    case FOVEA_ROLE_SYSTEM: role = .system
    default: throw .argument("role", "is \(c.role), should be one of FOVEA_ROLE_….")
    }
    try requireZero(c.reserved, "reserved")
    let text = try copied(Fovea.text(c.text, "text"))
    let images = try embeddings(c.images, count: c.image_count, model, "images")
    self.init(role, text, images: images, regions: try Fovea.regions(c.regions, count: c.region_count, "regions", room, stop))
  }
}

/// The embeddings behind handles, of `model`.
func embeddings(
  _ handles: UnsafePointer<OpaquePointer?>?, count: Int, _ model: Model, _ name: StaticString
) throws(FoveaError) -> [ImageEmbedding] {
  let given = try buffer(handles, count: count, name)
  var found = try list(of: ImageEmbedding.self, count: count)
  for (i, image) in given.enumerated() {
    guard image != nil else { throw .argument("\(name)[\(i)]", "NULL was given.") }
    let image: ImageHandle = try object(image, name)
    guard image.model === model else { throw .argument("\(name)[\(i)]", "was encoded by another model.") }
    found.append(image.embedding)
  }
  return found
}
