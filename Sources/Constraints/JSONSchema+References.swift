// SPDX-License-Identifier: Apache-2.0

extension JSONSchema {
  /// The schema that `$ref` or `$dynamicRef` names, within the document.
  mutating func resolve(_ reference: Int32, of schema: Int32, _ keyword: StaticString) throws(ConstraintError) -> Int32 {
    guard let text = document.string(reference).map({ Array($0) }) else { throw error(schema, keyword, "is no text") }
    let mark = text.firstIndex(of: 0x23) ?? text.count
    let (address, fragment) = (text[..<mark], Self.decoded(text[min(mark + 1, text.count)...]))
    let base = resource(of: schema)
    var root = base
    if !address.isEmpty {
      let name = address.contains(0x3A) ? Array(address) : joined(id(of: base), Array(address))
      guard let named = resourceList().first(where: { id(of: $0).elementsEqual(name) }) else {
        throw error(schema, keyword, "\(String(decoding: text, as: UTF8.self)) is outside of the document")
      }
      root = named
    }
    if fragment.isEmpty { return root }
    let found = fragment[0] == 0x2F ? at(fragment, root) : try anchored(fragment, root, keyword)
    guard let found else { throw error(schema, keyword, "\(String(decoding: text, as: UTF8.self)) is not there") }
    return found
  }

  /// The value at a JSON pointer below another.
  private func at(_ pointer: [UInt8], _ root: Int32) -> Int32? {
    var here = root
    for part in pointer.dropFirst().split(separator: 0x2F, omittingEmptySubsequences: false) {
      var name: [UInt8] = []
      var escaped = false
      for byte in part {
        if escaped {
          name.append(byte == 0x31 ? 0x2F : 0x7E)
          escaped = false
        } else if byte == 0x7E {
          escaped = true
        } else {
          name.append(byte)
        }
      }
      if let elements = document.elements(here) {
        guard name.count < 9, name.allSatisfy({ (0x30...0x39).contains($0) }), !name.isEmpty else { return nil }
        let index = name.reduce(0) { $0 * 10 + Int($1 - 0x30) }
        guard index < elements.count else { return nil }
        here = elements[elements.startIndex + index]
      } else {
        guard let next = document.member(here, name) else { return nil }
        here = next
      }
    }
    return here
  }

  private static func decoded(_ text: ArraySlice<UInt8>) -> [UInt8] {
    var found: [UInt8] = []
    var i = text.startIndex
    while i < text.endIndex {
      if text[i] == 0x25, i + 2 < text.endIndex, let high = TextReader.digit(UInt32(text[i + 1])), let low = TextReader.digit(UInt32(text[i + 2])) {
        found.append(UInt8(high << 4 | low))
        i += 3
      } else {
        found.append(text[i])
        i += 1
      }
    }
    return found
  }

  private mutating func anchored(_ name: [UInt8], _ root: Int32, _ keyword: StaticString) throws(ConstraintError) -> Int32? {
    var found: Int32?
    for value in document.values.indices.map({ Int32($0) }) {
      try e.bounds.check(Int(value))
      guard case .object = document[value], !isData(value) else { continue }
      for key: StaticString in ["$anchor", "$dynamicAnchor"] {
        guard let anchor = document.member(value, key), document.string(anchor)?.elementsEqual(name) == true else { continue }
        let isHere = resource(of: value) == root
        // Which of several a dynamic reference means depends on the dynamic scope.
        if equal(utf8(keyword), "$dynamicRef"), found != nil { return nil }
        if isHere || equal(utf8(keyword), "$dynamicRef") { found = value }
        break
      }
    }
    return found
  }

  /// The enclosing schema with an `$id`, or the whole document.
  private func resource(of schema: Int32) -> Int32 {
    var here = schema
    while document.parents[Int(here)].value >= 0 {
      if let id = document.member(here, "$id"), document.string(id) != nil { return here }
      here = document.parents[Int(here)].value
    }
    return here == schema && here != document.root && document.parents[Int(here)].value < 0 ? document.root : here
  }

  private func resourceList() -> [Int32] {
    document.values.indices.map { Int32($0) }.filter { value in
      guard let id = document.member(value, "$id") else { return false }
      return document.string(id) != nil && !isData(value)
    }
  }

  /// Whether a value is data of `enum`, `const` and the like, not a schema.
  private func isData(_ value: Int32) -> Bool {
    var here = value
    while document.parents[Int(here)].value >= 0 {
      let (above, key, _) = document.parents[Int(here)]
      if key >= 0, let name = document.string(key), ["enum", "const", "default", "examples"].contains(where: { equal(name, $0) }) {
        // The key may be the name of a member or of a definition.
        let around = document.parents[Int(above)].key
        let isName =
          around >= 0
          && document.string(around).map { name in
            ["properties", "patternProperties", "dependentSchemas", "$defs", "definitions"].contains { equal(name, $0) }
          } ?? false
        if !isName { return true }
      }
      here = above
    }
    return false
  }

  /// A resource's absolute URI.
  private func id(of resource: Int32) -> [UInt8] {
    guard let value = document.member(resource, "$id"), let text = document.string(value) else { return [] }
    let address = Array(text.prefix { $0 != 0x23 })
    if address.contains(0x3A) || document.parents[Int(resource)].value < 0 { return address }
    return joined(id(of: self.resource(of: document.parents[Int(resource)].value)), address)
  }

  /// Resolves a relative URI (RFC 3986 §5.2 without dot segments).
  private func joined(_ base: [UInt8], _ address: [UInt8]) -> [UInt8] {
    if address.first == 0x2F {
      // The end of scheme and authority.
      var slashes = 0
      let host = base.firstIndex {
        slashes += $0 == 0x2F ? 1 : 0
        return slashes == 3
      }
      return base[..<(host ?? base.count)] + address
    }
    guard let slash = base.lastIndex(of: 0x2F) else { return address }
    return base[...slash] + address
  }
}
