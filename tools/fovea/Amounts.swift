// SPDX-License-Identifier: Apache-2.0

/// A human-readable number of bytes: `7.5 MiB`.
func amount(_ bytes: some BinaryInteger) -> String {
  var value = Double(bytes)
  var unit = 0
  let units = ["bytes", "KiB", "MiB", "GiB", "TiB"]
  while value >= 1024, unit < units.count - 1 {
    value /= 1024
    unit += 1
  }
  return unit == 0 ? "\(bytes) bytes" : "\(decimal(value, value < 10 ? 2 : 1)) \(units[unit])"
}

/// `digits` decimal places.
func decimal(_ value: Double, _ digits: Int) -> String {
  var scale = 1.0
  for _ in 0..<digits { scale *= 10 }
  guard value.isFinite, abs(value) * scale < 0x1p53 else { return "\(value)" }
  let whole = Int((abs(value) * scale).rounded())
  let fraction = String(whole % Int(scale))
  let sign = value < 0 && whole > 0 ? "-" : ""
  let zeros = String(repeating: "0", count: max(digits - fraction.count, 0))
  return "\(sign)\(whole / Int(scale))" + (digits == 0 ? "" : "." + zeros + fraction)
}

/// Thousands separated: `1 234 567`.
func grouped(_ number: Int) -> String {
  var out = ""
  for (i, digit) in String(number).reversed().enumerated() {
    if i > 0, i % 3 == 0 { out.append(" ") }
    out.append(digit)
  }
  return String(out.reversed())
}

/// Padded to at least `width` characters.
func padded(_ text: String, _ width: Int) -> String {
  text + String(repeating: " ", count: max(0, width - text.count))
}
