// SPDX-License-Identifier: Apache-2.0
import Regions
import Schema
import Tokenizers

extension RegionMarks {
  /// - Parameters:
  ///   - choice: the file's setting; nil: Qwen's form if the vocabulary has its marks, else no regions.
  ///   - encoder: encodes regions as vectors, for which its token stands; nil: none.
  init?(_ choice: PromptSettings.Coordinates?, _ encoder: (any RegionEncoder)?, _ tokenizer: Tokenizer) throws(FoveaError) {
    let form: CoordinateForm
    switch choice {
    case .ferret: form = .ferret
    case .qwen: form = .qwen
    case .docTags: form = .docTags
    case .deepSeek: form = .deepSeek
    case nil:
      guard tokenizer.id(of: Array("<box>".utf8)) != nil, tokenizer.id(of: Array("</box>".utf8)) != nil else { return nil }
      form = .qwen
    }
    var token: RegionToken?
    if let encoder { token = try RegionToken(encoder.token, tokenizer) }
    self.init(form, token: token)
  }
}

extension RegionToken {
  fileprivate init(_ text: [UInt8], _ tokenizer: Tokenizer) throws(FoveaError) {
    guard !text.isEmpty, let id = tokenizer.id(of: text) else {
      throw FoveaError.system("tokenizer", "no \(String(decoding: text, as: UTF8.self)) token, but the file has a region sampler")
    }
    self.init(text: text, id: id)
  }
}
