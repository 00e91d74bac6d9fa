// SPDX-License-Identifier: Apache-2.0
import CFovea

extension GenerationSettings {
  /// OpenAI's members, and further options of the library under other servers' names. The default temperature is 0: reading a picture should
  /// be deterministic.
  init(_ fields: Fields, limits: Limits) throws(APIError) {
    let asked = try fields.whole("max_tokens", 1...Int(Int32.max))
    let askedLately = try fields.whole("max_completion_tokens", 1...Int(Int32.max))
    maxTokens = min(askedLately ?? asked ?? limits.tokens, limits.tokens)
    temperature = Float(try fields.number("temperature", 0...2) ?? 0)
    topP = Float(try fields.number("top_p", 0...1) ?? 0)
    topK = try fields.whole("top_k", 0...Int(Int32.max)) ?? 0
    minP = Float(try fields.number("min_p", 0...1) ?? 0)
    repetitionPenalty = Float(try fields.number("repetition_penalty", 0...10) ?? 0)
    frequencyPenalty = Float(try fields.number("frequency_penalty", -2...2) ?? 0)
    presencePenalty = Float(try fields.number("presence_penalty", -2...2) ?? 0)
    seed = try fields.whole("seed", Int.min...Int.max).map { UInt64(bitPattern: Int64($0)) } ?? UInt64.random(in: 0...UInt64.max)
    answers = try fields.whole("n", 1...limits.answers) ?? 1
    task = try fields.text("task")
    if let value = fields.json["stop"] {
      let stops = value.string.map { [JSON.string($0)] } ?? value.array
      guard let stops, stops.count <= 16 else { throw .invalid("stop must be a string or an array of up to 16.", "stop") }
      for stop in stops {
        guard let text = stop.string, !text.isEmpty, text.utf8.count <= 1_024 else { throw .invalid("stop: a text of up to 1024 bytes.", "stop") }
        self.stops.append(try Fields.checked(text, "stop"))
      }
    }
    if try fields.flag("logprobs") ?? false {
      topLogprobs = try fields.whole("top_logprobs", 0...20) ?? 0
    } else if try fields.whole("top_logprobs", 0...20) ?? 0 > 0 {
      throw .invalid("top_logprobs needs logprobs.", "top_logprobs")
    }
    for member in try fields.object("logit_bias")?.json.members ?? [] {
      guard let id = Int32(member.name), id >= 0, let bias = member.value.double, (-100...100).contains(bias) else {
        throw .invalid("logit_bias must map token ids to numbers from -100 to 100.", "logit_bias")
      }
      // OpenAI's -100 bans a token.
      biases.append((id, bias == -100 ? -.infinity : Float(bias)))
    }
    guard biases.count <= 4_096 else { throw .invalid("logit_bias: more than 4096 tokens.", "logit_bias") }
    if let format = try fields.object("response_format") { try read(format) }
  }

  private mutating func read(_ format: Fields) throws(APIError) {
    switch try format.text("type") {
    case "text": break
    case "json_object": (constraint, constraintText) = (FOVEA_CONSTRAINT_JSON_SCHEMA, #"{"type":"object"}"#)
    case "json_schema":
      guard let schema = try format.object("json_schema")?.object("schema") else {
        throw .invalid("response_format.json_schema.schema is missing.", "response_format")
      }
      (constraint, constraintText) = (FOVEA_CONSTRAINT_JSON_SCHEMA, try Fields.checked(schema.json.text, "response_format"))
    case "regex": (constraint, constraintText) = (FOVEA_CONSTRAINT_REGEX, try format.text("regex"))
    case "grammar": (constraint, constraintText) = (FOVEA_CONSTRAINT_GRAMMAR, try format.text("grammar"))
    default: throw .invalid("response_format.type must be text, json_object, json_schema, regex or grammar.", "response_format.type")
    }
    if constraint != FOVEA_CONSTRAINT_NONE, constraintText == nil { throw .invalid("response_format has no text.", "response_format") }
  }
}
