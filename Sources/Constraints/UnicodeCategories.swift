// SPDX-License-Identifier: Apache-2.0

/// Sets of scalars by general category (Unicode Standard, §4.5), built at the first use.
struct UnicodeCategories {
  private static let names: [(short: StaticString, long: StaticString)] = [
    ("Lu", "Uppercase_Letter"), ("Ll", "Lowercase_Letter"), ("Lt", "Titlecase_Letter"), ("Lm", "Modifier_Letter"), ("Lo", "Other_Letter"),
    ("Mn", "Nonspacing_Mark"), ("Mc", "Spacing_Mark"), ("Me", "Enclosing_Mark"),
    ("Nd", "Decimal_Number"), ("Nl", "Letter_Number"), ("No", "Other_Number"),
    ("Pc", "Connector_Punctuation"), ("Pd", "Dash_Punctuation"), ("Ps", "Open_Punctuation"), ("Pe", "Close_Punctuation"),
    ("Pi", "Initial_Punctuation"), ("Pf", "Final_Punctuation"), ("Po", "Other_Punctuation"),
    ("Sm", "Math_Symbol"), ("Sc", "Currency_Symbol"), ("Sk", "Modifier_Symbol"), ("So", "Other_Symbol"),
    ("Zs", "Space_Separator"), ("Zl", "Line_Separator"), ("Zp", "Paragraph_Separator"),
    ("Cc", "Control"), ("Cf", "Format"), ("Cs", "Surrogate"), ("Co", "Private_Use"), ("Cn", "Unassigned"),
  ]
  private static let groups: [(short: StaticString, long: StaticString)] = [
    ("L", "Letter"), ("M", "Mark"), ("N", "Number"), ("P", "Punctuation"), ("S", "Symbol"), ("Z", "Separator"), ("C", "Other"),
  ]

  /// By the index of the category's name.
  private var sets: [ScalarSet] = []

  /// The scalars of a category or group of categories (`Lu`, `Uppercase_Letter`, `L`, `punct`), or of `Any`, `ASCII`, `Assigned`.
  mutating func set(named name: [UInt8]) -> ScalarSet? {
    func `is`(_ text: StaticString) -> Bool { equal(name, text) }
    if `is`("Any") { return .all }
    if `is`("ASCII") { return ScalarSet(0...0x7F) }
    if `is`("punct") { return union { Self.starts($0, "P") } }
    if `is`("digit") { return union { equal($0, "Nd") } }
    if `is`("LC") || `is`("Cased_Letter") { return union { equal($0, "Lu") || equal($0, "Ll") || equal($0, "Lt") } }
    if `is`("Assigned") { return union { equal($0, "Cn") }.complement }
    if `is`("White_Space") || `is`("space") { return Self.whiteSpace }
    for group in Self.groups where `is`(group.short) || `is`(group.long) {
      return union { Self.starts($0, group.short) }
    }
    for category in Self.names where `is`(category.short) || `is`(category.long) {
      return union { equal($0, category.short) }
    }
    return nil
  }

  /// Everything that any engine matches with `\w`: letters, marks, numbers, connectors.
  mutating func wordWide() -> ScalarSet {
    union { Self.starts($0, "L") || Self.starts($0, "M") || Self.starts($0, "N") || equal($0, "Pc") }
  }

  /// Everything that any engine matches with `\d`.
  mutating func digitWide() -> ScalarSet { union { equal($0, "Nd") } }

  /// Property White_Space.
  static var whiteSpace: ScalarSet {
    ScalarSet([
      (0x09, 0x0D), (0x20, 0x20), (0x85, 0x85), (0xA0, 0xA0), (0x1680, 0x1680), (0x2000, 0x200A), (0x2028, 0x2029), (0x202F, 0x202F),
      (0x205F, 0x205F), (0x3000, 0x3000),
    ])
  }

  private mutating func union(where includes: ([UInt8]) -> Bool) -> ScalarSet {
    if sets.isEmpty { sets = Self.scan() }
    var spans: [ScalarSet.Span] = []
    for (i, name) in Self.names.enumerated() where includes(utf8(name.short)) { spans += sets[i].spans }
    return ScalarSet(spans)
  }

  private static func starts(_ name: [UInt8], _ letter: StaticString) -> Bool { name.first == letter.utf8Start[0] }

  private static func scan() -> [ScalarSet] {
    var spans: [[ScalarSet.Span]] = Array(repeating: [], count: names.count)
    func take(_ low: UInt32, _ high: UInt32, _ category: Int) {
      if let last = spans[category].indices.last, spans[category][last].high &+ 1 == low {
        spans[category][last].high = high
      } else {
        spans[category].append(ScalarSet.Span(low: low, high: high))
      }
    }
    for value in UInt32(0)...ScalarSet.largest {
      // Planes without assigned characters, or of private use, are skipped.
      if value >= 0x40000, value < 0xE0000 || value >= 0xE1000 { continue }
      guard let scalar = Unicode.Scalar(value) else { continue }
      take(value, value, place(of: scalar.properties.generalCategory))
    }
    take(0x40000, 0xDFFFF, names.count - 1)
    take(0xE1000, 0xEFFFF, names.count - 1)
    for plane: UInt32 in [0xF0000, 0x100000] {
      take(plane, plane + 0xFFFD, names.count - 2)
      take(plane + 0xFFFE, plane + 0xFFFF, names.count - 1)
    }
    return spans.map { ScalarSet($0) }
  }

  private static func place(of category: Unicode.GeneralCategory) -> Int {
    switch category {
    case .uppercaseLetter: 0
    case .lowercaseLetter: 1
    case .titlecaseLetter: 2
    case .modifierLetter: 3
    case .otherLetter: 4
    case .nonspacingMark: 5
    case .spacingMark: 6
    case .enclosingMark: 7
    case .decimalNumber: 8
    case .letterNumber: 9
    case .otherNumber: 10
    case .connectorPunctuation: 11
    case .dashPunctuation: 12
    case .openPunctuation: 13
    case .closePunctuation: 14
    case .initialPunctuation: 15
    case .finalPunctuation: 16
    case .otherPunctuation: 17
    case .mathSymbol: 18
    case .currencySymbol: 19
    case .modifierSymbol: 20
    case .otherSymbol: 21
    case .spaceSeparator: 22
    case .lineSeparator: 23
    case .paragraphSeparator: 24
    case .control: 25
    case .format: 26
    case .surrogate: 27
    case .privateUse: 28
    default: 29
    }
  }
}

/// The UTF-8 bytes of a literal.
func utf8(_ text: StaticString) -> [UInt8] { Array(UnsafeBufferPointer(start: text.utf8Start, count: text.utf8CodeUnitCount)) }

/// Whether bytes equal a literal.
func equal(_ bytes: some Collection<UInt8>, _ text: StaticString) -> Bool {
  bytes.elementsEqual(UnsafeBufferPointer(start: text.utf8Start, count: text.utf8CodeUnitCount))
}
