// SPDX-License-Identifier: Apache-2.0
import Constraints
import Testing

@Suite struct JSONSchemaTests {
  private static let cases: [(schema: String, taken: [String], refused: [String])] = [
    (
      #"{"type":"object","properties":{"a":{"type":"integer"},"b":{"type":"string"}},"required":["b"]}"#,
      [#"{"b":"x"}"#, #"{"a":1,"b":""}"#, #"{"a": -5, "b": "é\n\ud83d\ude00"}"#, "{\n  \"b\":\"\"\n}"],
      ["{}", #"{"a":1}"#, #"{"b":"x","a":1}"#, #"{"b":"x","c":1}"#, #"{"b":"\ud83d"}"#, "{\"b\":\"\n\"}", #"{"a":01,"b":""}"#, #"{"b":"\x"}"#]
    ),
    (#"{"enum":[1,"a",null,[1,{"b":2}],1.50]}"#, ["1", #""a""#, "null", #"[1,{"b":2}]"#, "1.50"], ["2", "a", "[1]"]),
    (#"{"const":"q\"\\\n"}"#, [#""q\"\\\n""#], [#""q""#]),
    (#"{"type":"integer","minimum":-12,"exclusiveMaximum":130}"#, ["-12", "-1", "0", "9", "129"], ["-13", "130", "1000", "-0", "00", "1.0"]),
    (#"{"type":"integer","minimum":100,"maximum":1e400,"multipleOf":7}"#, ["105", "700", "7000000000"], ["98", "100", "106"]),
    (
      #"{"type":"number","multipleOf":0.01,"minimum":0,"maximum":20}"#, ["19.99", "0.1", "0.10", "7", "20", "20.00"],
      ["0.001", "19.999", "20.01", "-0.01"]
    ),
    (#"{"type":"number","multipleOf":0.01,"exclusiveMinimum":0,"exclusiveMaximum":1}"#, ["0.01", "0.99"], ["0", "1", "0.00"]),
    (#"{"type":"number","multipleOf":2.5,"minimum":-4,"maximum":6}"#, ["-2.5", "0", "2.5", "5.0", "5"], ["1", "2", "-5", "7.5", "2.0"]),
    (#"{"allOf":[{"multipleOf":0.2},{"multipleOf":0.03}],"type":"number","exclusiveMinimum":0}"#, ["0.6", "1.2", "6"], ["0.2", "0.03", "1"]),
    (#"{"type":"number","multipleOf":10,"allOf":[{"multipleOf":0.125}],"minimum":1}"#, ["10", "120"], ["1.25", "5", "0"]),
    (#"{"type":"integer","multipleOf":1e-12}"#, ["1", "-7"], ["0.5"]),
    (#"{"type":"integer","multipleOf":0.75}"#, ["3", "-6", "0"], ["1", "2", "1.5"]),
    (#"{"enum":[1.5,0.07,2],"multipleOf":0.5}"#, ["1.5", "2"], ["0.07"]),
    (#"{"type":"number","minimum":0.5,"exclusiveMaximum":1.25}"#, ["0.5", "0.50", "1", "1.24", "1.249999"], ["0.49", "1.25", "0", "2", "-1"]),
    (#"{"type":"number","exclusiveMinimum":-3.2,"maximum":-0.1}"#, ["-3.1", "-0.1", "-3", "-3.199999"], ["-3.2", "-0.0", "0", "-0.09"]),
    (#"{"type":"integer","minimum":1e20,"maximum":100000000000000000005}"#, ["100000000000000000003"], ["100000000000000000006", "9"]),
    (#"{"type":"string","minLength":2,"maxLength":3}"#, [#""ab""#, #""é😀x""#, #""\u00e9\ud83d\ude00""#], [#""a""#, #""abcd""#, "ab"]),
    (#"{"type":"string","pattern":"^[A-Z]{2}\\d+$","maxLength":4}"#, [#""AB1""#, #""AB12""#], [#""AB""#, #""AB123""#, #""xAB1""#]),
    (#"{"type":"string","pattern":"b\"+c"}"#, [#""xb\"c""#, #""b\"\"cé\n""#], [#""bc""#]),
    (#"{"type":"string","format":"date"}"#, [#""2024-02-29""#, #""2023-12-31""#], [#""2023-02-29""#, #""2023-13-01""#]),
    (#"{"type":"string","not":{"enum":["ab","a"]}}"#, [#""abc""#, #""""#, #""b""#], [#""ab""#, #""a""#]),
    (
      #"{"type":"array","prefixItems":[{"type":"integer"}],"items":{"type":"boolean"},"minItems":1,"maxItems":3}"#,
      ["[1]", "[1,true]", "[1, false,true]"], ["[]", "[true]", "[1,2]", "[1,true,true,true]"]
    ),
    (#"{"type":"array","items":{"enum":["a","b"]},"uniqueItems":true}"#, ["[]", #"["a","b"]"#, #"["b"]"#], [#"["a","a"]"#]),
    (#"{"type":"array","contains":{"const":5},"items":{"type":"integer"},"maxItems":2}"#, ["[5]", "[5,1]"], ["[]", "[1]", "[5,1,1]"]),
    // What `items` says of all elements leaves none unevaluated.
    (#"{"type":"array","minItems":1,"items":{"type":"integer"},"unevaluatedItems":false}"#, ["[1]", "[1,2,3]"], ["[]", "[true]"]),
    (#"{"type":"array","contains":{"type":"null"},"unevaluatedItems":false}"#, ["[null]"], ["[]", "[null,1]", "[null,null]"]),
    (
      #"{"anyOf":[{"type":"array","prefixItems":[{"type":"boolean"}],"items":false,"minItems":2},{"const":1}]}"#, ["1"], ["[]", "[true]"]
    ),
    (
      #"{"properties":{"a":{}},"additionalProperties":{"type":"null"},"minProperties":2}"#, [#"{"a":1,"b":null}"#],
      [#"{"a":1}"#, #"{"b":null,"c":null}"#]
    ),
    (#"{"additionalProperties":{"type":"null"},"minProperties":1}"#, [#"{"b":null}"#], ["{}"]),
    (#"{"type":["null","boolean"]}"#, ["null", "true", "false"], ["0", "\"\""]),
    (
      #"{"minProperties":1,"maxProperties":2,"properties":{"a":{},"b":{},"c":{}}}"#, [#"{"a":1}"#, #"{"b":[],"c":{"x":null}}"#],
      ["{}", #"{"a":1,"b":1,"c":1}"#]
    ),
    (#"{"patternProperties":{"^x":{"type":"null"}},"additionalProperties":false}"#, ["{}", #"{"x1":null}"#], [#"{"y":null}"#, #"{"x":1}"#]),
    (
      #"{"properties":{"a":{"const":1}},"additionalProperties":{"type":"null"}}"#, [#"{"a":1}"#, #"{"b":null}"#, #"{"a":1,"ab":null}"#],
      [#"{"a":null}"#]
    ),
    (
      ##"{"$ref":"#/$defs/node","$defs":{"node":{"type":"object","properties":{"v":{"type":"integer"},"next":{"$ref":"#/$defs/node"}},"required":["v"]}}}"##,
      [#"{"v":1}"#, #"{"v":1,"next":{"v":2,"next":{"v":3}}}"#], [#"{"next":{"v":1}}"#, #"{"v":1,"next":{}}"#]
    ),
    (#"{"allOf":[{"type":"integer","minimum":3},{"maximum":5}]}"#, ["3", "5"], ["2", "6", "4.5"]),
    (#"{"anyOf":[{"type":"string"},{"type":"array","maxItems":0}]}"#, [#""x""#, "[]"], ["1", "[1]"]),
    (
      #"{"oneOf":[{"properties":{"k":{"const":"a"},"v":{"type":"null"}},"required":["k","v"]},{"properties":{"k":{"const":"b"}},"required":["k"]}]}"#,
      [#"{"k":"a","v":null}"#, #"{"k":"b"}"#], [#"{"k":"a"}"#, #"{"k":"b","v":null}"#]
    ),
    (#"{"not":{"type":"integer"},"type":["integer","string"]}"#, [#""x""#], ["1"]),
    (
      #"{"properties":{"k":{"enum":["a","b"]},"v":{"type":"null"}},"required":["k"],"if":{"properties":{"k":{"const":"a"}}},"then":{"required":["v"]}}"#,
      [#"{"k":"a","v":null}"#, #"{"k":"b"}"#, #"{"k":"b","v":null}"#], [#"{"k":"a"}"#]
    ),
    (#"{"properties":{"a":{},"b":{}},"dependentRequired":{"a":["b"]}}"#, ["{}", #"{"b":1}"#, #"{"a":1,"b":1}"#], [#"{"a":1}"#]),
    ("true", ["1", "null", #"{"a":[1,"x"]}"#], ["", "{a}", "[1,]"]),
    // What `enum` names is no schema, whatever it looks like.
    (
      ##"{"$defs":{"a":{"enum":[{"$id":"x:y","$anchor":"n","type":"null"}]},"b":{"$id":"x:y","type":"string"},"const":{"$anchor":"n","const":2}},"##
        + ##""anyOf":[{"$ref":"x:y"},{"$ref":"#n"}]}"##,
      [#""s""#, "2"], ["null"]
    ),
    (#"{"properties":{"a":{}},"unevaluatedProperties":false,"allOf":[{"properties":{"b":{}}}]}"#, [#"{"a":1,"b":2}"#, "{}"], [#"{"c":1}"#]),
  ]

  @Test func answersAreThoseThatAreValid() throws {
    let vocabulary = try Vocabulary()
    for (schema, taken, refused) in Self.cases {
      let constraint = try vocabulary.constraint(.jsonSchema, schema)
      for text in taken { #expect(try takes(constraint, text), "\(schema) takes \(text)") }
      for text in refused { #expect(try !takes(constraint, text), "\(schema) refuses \(text)") }
    }
  }

  @Test func whatWouldChangeValidityAndIsNotSupportedIsNamed() throws {
    let cases = [
      (#"{"properties":{"a/b":{"propertyNames":{"pattern":"x"},"type":"object"}}}"#, "/properties/a~1b/propertyNames"),
      (#"{"oneOf":[{"type":"integer"},{"minimum":2}]}"#, "/oneOf"), (#"{"type":"number","not":{"minimum":3}}"#, "/not"),
      (##"{"$ref":"#/$defs/none"}"##, "/$ref"), (#"{"$ref":"http://example.com/x"}"#, "outside of the document"),
      (#"{"type":"array","uniqueItems":true}"#, "/uniqueItems"), (#"{"items":[{}]}"#, "prefixItems"), (#"{"type":"text"}"#, "/type"),
      (#"{"pattern":"(?=a)"}"#, "/pattern: column 1"), (##"{"$ref":"#"}"##, "without end"), (##"{"anyOf":[{"$ref":"#"}]}"##, "without end"),
      ("{\"type\":\n \"string\",}", "line 2, column 11"), ("[]", "a schema is an object"), ("false", "no answer"),
      (#"{"minLength":-1}"#, "minLength"), (#"{"type":"array","contains":{"type":"integer"},"maxItems":0}"#, "no answer"),
      (#"{"type":"array","prefixItems":[{"type":"boolean"}],"items":false,"minItems":2}"#, "no answer"),
      // Two free members may have one key.
      (#"{"type":"object","patternProperties":{"^[ab]$":{"type":"boolean"}},"additionalProperties":false,"minProperties":2}"#, "/minProperties"),
      (#"{"type":"object","properties":{"a":{}},"additionalProperties":true,"minProperties":3}"#, "/minProperties"),
      (#"{"type":"integer","minimum":5,"maximum":4}"#, "no answer"), (#"{"enum":[1],"type":"string"}"#, "no answer"),
      (##"{"$ref":"#/$defs/n","$defs":{"n":{"properties":{"n":{"$ref":"#/$defs/n"}},"required":["n"]}}}"##, "no answer"),
      (#"{"unevaluatedProperties":false,"properties":{"a":{}},"type":"object"}"#, ""),
      (#"{"allOf":[{"properties":{"a":{}},"unevaluatedProperties":false}],"properties":{"b":{}}}"#, "unevaluatedProperties"),
      // What a condition names is not evaluated where it does not hold.
      (
        #"{"if":{"properties":{"a":{"const":1}},"required":["a"]},"then":{"properties":{"b":{}}},"unevaluatedProperties":false}"#,
        "unevaluatedProperties"
      ),
      (#"{"type":"integer","minimum":1e400}"#, "digits"), (#"{"type":"integer","multipleOf":123456789}"#, "multiples of 123456789"),
      (#"{"type":"number","multipleOf":1e-12}"#, "more digits"), (#"{"type":"number","multipleOf":0.4099}"#, "multiples of 0.4099"),
      (#"{"type":"object","patternProperties":{"(":{"type":"null"}}}"#, "patternProperties"),
    ]
    for (schema, message) in cases {
      let found = try refusal(.jsonSchema, schema)
      if message.isEmpty {
        #expect(found == nil, "\(schema): \(found ?? "")")
      } else {
        #expect(found?.contains(message) == true, "\(schema): \(found ?? "compiled")")
      }
    }
  }
}
