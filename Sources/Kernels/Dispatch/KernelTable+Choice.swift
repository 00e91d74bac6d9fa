// SPDX-License-Identifier: Apache-2.0
import Shims

extension KernelTable {
  /// The best table of this CPU.
  package static func best() -> KernelTable {
    let tables = all()
    return tables[tables.count - 1]
  }

  /// The best table, or the one that the environment's `FOVEA_ISA` names (a `name`), if it is set and not empty.
  package static func choose() throws(UnknownInstructionSet) -> KernelTable { try choose(getenv("FOVEA_ISA")) }

  /// The table called `name`; the best one if there is no name or an empty one.
  package static func choose(_ name: UnsafePointer<CChar>?) throws(UnknownInstructionSet) -> KernelTable {
    let tables = all()
    guard let name, name.pointee != 0 else { return best() }
    for table in tables where strcmp(name, UnsafeRawPointer(table.name.utf8Start).assumingMemoryBound(to: CChar.self)) == 0 {
      return table
    }
    throw UnknownInstructionSet(name, known: tables)
  }
}

/// `FOVEA_ISA` names no instruction set, or one that this CPU lacks.
package struct UnknownInstructionSet: Error {
  /// The name as it was given, cut to 40 bytes, what is not printable ASCII as "?".
  package let name: String
  /// Those this CPU has.
  package let known: [StaticString]

  init(_ name: UnsafePointer<CChar>, known tables: [KernelTable]) {
    let bytes = (0..<min(strlen(name), 40)).map { UInt8(bitPattern: name[$0]) }
    self.name = String(decoding: bytes.map { (0x20...0x7E).contains($0) ? $0 : UInt8(ascii: "?") }, as: UTF8.self)
    known = tables.map { $0.name }
  }

  package var description: String {
    var text = "FOVEA_ISA names the instruction set \"\(name)\", this CPU has "
    for (i, set) in known.enumerated() { text += (i == 0 ? "" : i == known.count - 1 ? " and " : ", ") + set.description }
    return text
  }
}
