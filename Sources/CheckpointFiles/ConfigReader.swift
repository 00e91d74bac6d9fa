// SPDX-License-Identifier: Apache-2.0

/// Typed access to one object of a config file. A key with the wrong type or out of range is an error that names it.
package struct ConfigReader {
  package let file: String
  /// Path of this object in the file with a trailing dot, for messages (`text_config.`).
  package let path: String
  package let value: JSONValue

  package init(file: String, value: JSONValue, path: String = "") {
    self.file = file
    self.value = value
    self.path = path
  }

  private func bad(_ key: String, _ detail: String) -> ConversionError {
    .badConfig(file: file, key: path + key, detail: detail)
  }

  package func has(_ key: String) -> Bool { value[key] != nil }

  /// A size or count: positive, and small enough that products of three do not overflow.
  package func size(_ key: String, default fallback: Int? = nil, allowZero: Bool = false) throws -> Int {
    guard let found = value[key] else {
      guard let fallback else { throw bad(key, "is missing") }
      return fallback
    }
    guard let int = found.int, int >= (allowZero ? 0 : 1), int <= 1 << 30 else {
      throw bad(key, "should be a whole number above zero")
    }
    return int
  }

  package func int(_ key: String, default fallback: Int? = nil) throws -> Int {
    guard let found = value[key] else {
      guard let fallback else { throw bad(key, "is missing") }
      return fallback
    }
    guard let int = found.int, abs(int.clamped) <= 1 << 40 else { throw bad(key, "should be a whole number") }
    return int
  }

  package func double(_ key: String, default fallback: Double? = nil) throws -> Double {
    guard let found = value[key] else {
      guard let fallback else { throw bad(key, "is missing") }
      return fallback
    }
    guard let double = found.double, double.isFinite else { throw bad(key, "should be a number") }
    return double
  }

  package func bool(_ key: String, default fallback: Bool) throws -> Bool {
    guard let found = value[key] else { return fallback }
    guard let bool = found.bool else { throw bad(key, "should be true or false") }
    return bool
  }

  package func string(_ key: String, default fallback: String? = nil) throws -> String {
    guard let found = value[key] else {
      guard let fallback else { throw bad(key, "is missing") }
      return fallback
    }
    guard let string = found.string else { throw bad(key, "should be a text") }
    return string
  }

  package func ints(_ key: String) throws -> [Int]? {
    guard let found = value[key] else { return nil }
    guard let array = found.array else { throw bad(key, "should be a list of whole numbers") }
    let ints = array.compactMap(\.int)
    guard ints.count == array.count else { throw bad(key, "should be a list of whole numbers") }
    return ints
  }

  package func doubles(_ key: String, count: Int) throws -> [Double]? {
    guard let found = value[key] else { return nil }
    guard let array = found.array else { throw bad(key, "should be a list of \(count) numbers") }
    let doubles = array.compactMap(\.double).filter(\.isFinite)
    guard doubles.count == count, array.count == count else { throw bad(key, "should be a list of \(count) numbers") }
    return doubles
  }

  /// A nested object, empty when absent.
  package func object(_ key: String) throws -> ConfigReader {
    guard let found = value[key] else { return ConfigReader(file: file, value: .object([]), path: path + key + ".") }
    guard found.members != nil else { throw bad(key, "should be an object") }
    return ConfigReader(file: file, value: found, path: path + key + ".")
  }

  package func fail(_ key: String, _ detail: String) -> ConversionError { bad(key, detail) }
}

extension Int {
  /// `abs` of the most negative number overflows.
  fileprivate var clamped: Int { Swift.max(self, -Int.max) }
}
