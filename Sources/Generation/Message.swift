// SPDX-License-Identifier: Apache-2.0
import Families
import Regions
import Schema

/// One message of a conversation.
package struct Message {
  package var role: TurnSettings.Role
  /// UTF-8.
  package var text: [UInt8]
  package var images: [ImageEmbedding]
  /// One for each `<region>` mark of the text. Their image indices count over all messages so far.
  package var regions: [Region]

  package init(_ role: TurnSettings.Role, _ text: [UInt8], images: [ImageEmbedding] = [], regions: [Region] = []) {
    self.role = role
    self.text = text
    self.images = images
    self.regions = regions
  }
}

/// The input of a call.
package enum Request {
  /// A question for the checkpoint's template, or with `GenerateOptions.isRaw` a whole prompt.
  case prompt([UInt8], images: [ImageEmbedding], regions: [Region])
  case conversation([Message])
}

/// What happens to a conversation that does not fit the context.
package enum Overflow {
  /// An error.
  case refuse
  /// The oldest questions are dropped with their answers; the system text and all images stay.
  case dropOldest
}

/// The parts of a request in the model's own prompt format.
struct AssembledPrompt {
  var text: [UInt8]
  var images: [ImageEmbedding]
  var regions: [Region]
  /// The regions as pixels of their images.
  var areas: [RegionArea]
  /// Messages that were dropped.
  var dropped = 0
}
