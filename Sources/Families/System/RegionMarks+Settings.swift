// SPDX-License-Identifier: Apache-2.0
import Regions
import Schema
import Tokenizers
import WeightFile

extension RegionMarks {
  /// - Parameters:
  ///   - choice: what the file says; where it is silent, Qwen's if the vocabulary has its marks, else there are none.
  ///   - hasVectors: regions become vectors, which stand in for the token `region.token`, by default `<region_fea>`.
  init?(_ choice: PromptSettings.Coordinates?, _ m: Metadata, _ tokenizer: Tokenizer, hasVectors: Bool) throws(FoveaError) {
    let form: CoordinateForm
    switch choice {
    case .ferret: form = .ferret
    case .qwen: form = .qwen
    case nil:
      guard tokenizer.id(of: Array("<box>".utf8)) != nil, tokenizer.id(of: Array("</box>".utf8)) != nil else { return nil }
      form = .qwen
    }
    self.init(form, token: hasVectors ? try RegionToken(m, tokenizer) : nil)
  }
}

extension RegionToken {
  fileprivate init(_ m: Metadata, _ tokenizer: Tokenizer) throws(FoveaError) {
    let name = m.string("region.token") ?? "<region_fea>"
    guard !name.utf8.isEmpty, let id = tokenizer.id(of: Array(name.utf8)) else {
      throw FoveaError.system("tokenizer", "no \(name) token, but the file has a region sampler")
    }
    self.init(text: Array(name.utf8), id: id)
  }
}
