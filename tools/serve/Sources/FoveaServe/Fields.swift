// SPDX-License-Identifier: Apache-2.0

/// A request's members with validated access: a wrong type or value is an error that names the member.
struct Fields {
  let json: JSON
  var path = ""

  private func name(_ member: String) -> String { path.isEmpty ? member : "\(path).\(member)" }

  private func wrong(_ member: String, _ value: JSON, _ wanted: String) -> APIError {
    .invalid("\(name(member)) must be \(wanted), not \(value.kind).", name(member), code: "invalid_type")
  }

  func number(_ member: String, _ range: ClosedRange<Double>) throws(APIError) -> Double? {
    guard let value = json[member] else { return nil }
    guard let number = value.double else { throw wrong(member, value, "a number") }
    guard range.contains(number) else {
      throw .invalid("\(name(member)) must be from \(range.lowerBound) to \(range.upperBound).", name(member))
    }
    return number
  }

  func whole(_ member: String, _ range: ClosedRange<Int>) throws(APIError) -> Int? {
    guard let value = json[member] else { return nil }
    guard let number = value.int else { throw wrong(member, value, "a whole number") }
    guard range.contains(number) else {
      throw .invalid("\(name(member)) must be from \(range.lowerBound) to \(range.upperBound).", name(member))
    }
    return number
  }

  func flag(_ member: String) throws(APIError) -> Bool? {
    guard let value = json[member] else { return nil }
    guard let flag = value.bool else { throw wrong(member, value, "a boolean") }
    return flag
  }

  func text(_ member: String) throws(APIError) -> String? {
    guard let value = json[member] else { return nil }
    guard let text = value.string else { throw wrong(member, value, "a string") }
    return try Self.checked(text, name(member))
  }

  func list(_ member: String) throws(APIError) -> [JSON]? {
    guard let value = json[member] else { return nil }
    guard let list = value.array else { throw wrong(member, value, "an array") }
    return list
  }

  func object(_ member: String) throws(APIError) -> Fields? {
    guard let value = json[member] else { return nil }
    guard value.members != nil else { throw wrong(member, value, "an object") }
    return Fields(json: value, path: name(member))
  }

  /// x, y, x, y …: `[1, 2]` or `[[1, 2], [3, 4]]`.
  func coordinates(_ member: String, _ counts: ClosedRange<Int>) throws(APIError) -> [Double]? {
    guard let list = try list(member) else { return nil }
    var numbers: [Double] = []
    for value in list {
      for number in value.array ?? [value] {
        guard let number = number.double, abs(number) <= 0x1p24 else { throw .invalid("\(name(member)) must hold coordinates.", name(member)) }
        numbers.append(number)
      }
    }
    guard counts.contains(numbers.count), numbers.count % 2 == 0 else {
      throw .invalid("\(name(member)) has \(numbers.count) numbers.", name(member))
    }
    return numbers
  }

  /// C strings end at a NUL, so texts must not contain any.
  static func checked(_ text: String, _ name: String) throws(APIError) -> String {
    guard !text.utf8.contains(0) else { throw .invalid("\(name) must not contain U+0000.", name) }
    return text
  }
}
