// SPDX-License-Identifier: Apache-2.0
import WeightFile

/// One part of a weight file's metadata. `visit` declares each key once: by that declaration the converter writes, the library reads,
/// and `FORMAT.md` lists.
package protocol Settings: SendableMetatype {
  /// Default prefix of the part's keys, without the last dot.
  static var scope: String { get }

  init()

  /// Declares the keys in order. Ranges may follow from values declared before; a check of several values comes after the last of them.
  mutating func visit(_ f: inout Fields) throws(WeightFileError)
}

extension Settings {
  package init(_ m: Metadata, scope: String = Self.scope) throws(WeightFileError) {
    self.init()
    try read(m, scope: scope)
  }

  /// Reads every key. Properties that are no keys, such as sizes that bound others, keep their values.
  package mutating func read(_ m: Metadata, scope: String = Self.scope) throws(WeightFileError) {
    var fields = Fields(reading: m, scope: scope)
    try visit(&fields)
  }

  /// The keys and values to write, checked as on reading.
  /// - Parameter file: what errors name.
  package func entries(scope: String = Self.scope, file: String) throws(WeightFileError) -> [(key: String, value: MetadataValue)] {
    var fields = Fields(writing: file, scope: scope)
    var settings = self
    try settings.visit(&fields)
    return fields.entries
  }

  /// The declared keys, including those that exist only under a condition.
  package func keys(scope: String = Self.scope) -> [Key] {
    var fields = Fields(listing: scope)
    var settings = self
    do { try settings.visit(&fields) } catch {}  // nothing is read, so nothing is wrong
    return fields.keys
  }
}

/// An enumeration stored as text.
package protocol Spelled: Equatable, CaseIterable {
  var spelling: StaticString { get }
}

extension Spelled {
  package init?(spelling: String) {
    for choice in Self.allCases where choice.spelling.description.utf8.elementsEqual(spelling.utf8) {
      self = choice
      return
    }
    return nil
  }
}
