// SPDX-License-Identifier: Apache-2.0
import Conversion
import Schema
import Testing

/// A checkpoint's own chat template decides how questions are put.
@Suite struct ChatTemplateTests {
  private func prompt(
    _ name: String, _ files: [(name: String, text: String)], choice: OpenCheckpoint.ChatChoice? = nil
  ) throws -> (
    template: String, system: String, separator: String, stop: [String]
  ) {
    let folder = try TemporaryFolder(copyOf: Fixture.checkpoint(name))
    for (name, text) in files { try folder.write(name, text) }
    var checkpoint = try OpenCheckpoint(path: folder.path)
    checkpoint.chatTemplate = choice
    let s = try SystemDescription(checkpoint).prompt
    return (s.template, s.system, s.turnSeparator, s.stop.map { String(decoding: $0, as: UTF8.self) })
  }

  /// What llava-hf's checkpoints ship.
  private let vicuna = """
    {% for message in messages %}{% if message['role'] != 'system' %}{{ message['role'].upper() + ': '}}{% endif %}{# Render all images first #}\
    {% for content in message['content'] | selectattr('type', 'equalto', 'image') %}{{ '<image>\\n' }}{% endfor %}{# Render all text next #}\
    {% if message['role'] != 'assistant' %}{% for content in message['content'] | selectattr('type', 'equalto', 'text') %}\
    {{ content['text'] + ' '}}{% endfor %}{% else %}{% for content in message['content'] | selectattr('type', 'equalto', 'text') %}\
    {% generation %}{{ content['text'] + ' '}}{% endgeneration %}{% endfor %}{% endif %}{% endfor %}\
    {% if add_generation_prompt %}{{ 'ASSISTANT:' }}{% endif %}
    """
  private let chatML = """
    {% for message in messages %}{{'<|im_start|>' + message['role'] + '\\n'}}{% for content in message['content'] | \
    selectattr('type', 'equalto', 'image') %}{{ '<image>' }}{% endfor %}{% for content in message['content'] | \
    selectattr('type', 'equalto', 'text') %}{{ '\\n' + content['text'] }}{% endfor %}{{'<|im_end|>'}}{% endfor %}\
    {% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}
    """
  /// ChatML of a language model: texts only, a system text where none is given, blanks taken away around blocks.
  private let qwen = """
    {%- set ns = namespace(count=0) -%}
    {%- for message in messages -%}
      {%- if loop.first and messages[0]['role'] != 'system' -%}
        {{- '<|im_start|>system\\nYou are a helpful assistant.<|im_end|>\\n' -}}
      {%- endif -%}
      {%- set ns.count = ns.count + 1 -%}
      {{- '<|im_start|>' ~ message.role ~ '\\n' ~ (message.content | trim) ~ '<|im_end|>' ~ '\\n' -}}
    {%- endfor -%}
    {%- if add_generation_prompt is defined and add_generation_prompt -%}{{- '<|im_start|>assistant\\n' -}}{%- endif -%}
    """

  @Test func knownTemplatesChangeNothing() throws {
    for name in ["llava_hf", "llava_next_hf_bin", "llava"] {
      let before = try prompt(name, [])
      #expect(try prompt(name, [("chat_template.jinja", vicuna)]) == before || name == "llava_next_hf_bin", "\(name)")
    }
    let mistral = """
      {% for message in messages %}{% if message['role'] == 'user' %}{{ '[INST] ' }}{% for content in message['content'] | selectattr('type', \
      'equalto', 'image') %}{{ '<image>\\n' }}{% endfor %}{% for content in message['content'] | selectattr('type', 'equalto', 'text') %}\
      {{ content['text'] }}{% endfor %}{{' [/INST]' }}{% else %}{{ ' ' + message['content'][0]['text'] + '</s> ' }}{% endif %}{% endfor %}
      """
    let next = try prompt("llava_next_hf_bin", [])
    let known = next.template.contains("[INST]") ? mistral : vicuna
    #expect(try prompt("llava_next_hf_bin", [("chat_template.jinja", known)]) == next)
  }

  @Test func chatMLBecomesTheTemplate() throws {
    let found = try prompt("llava_hf", [("chat_template.jinja", chatML)])
    #expect(found.template == "<|im_start|>user\n<image>\n{question}<|im_end|><|im_start|>assistant\n")
    #expect(found.separator == "<|im_end|>" && found.stop.first == "<|im_end|>")
    let text = try prompt("llava_hf", [("chat_template.jinja", qwen)])
    #expect(
      text.template
        == "<|im_start|>system\nYou are a helpful assistant.<|im_end|>\n<|im_start|>user\n<image>\n{question}<|im_end|>\n<|im_start|>assistant\n")
    #expect(text.separator == "<|im_end|>\n" && text.stop.first == "<|im_end|>")
  }

  @Test func otherTemplatesAreRefused() {
    for source in ["{% macro a() %}{% endmacro %}", "{{ messages | tojson }}", "{{ strftime_now('%d') }}", "no place", "{{ 'x' ", "{% for x in %}"] {
      expectFailure("--chat-template") { _ = try prompt("llava_hf", [("chat_template.jinja", source)]) }
    }
  }

  /// What a template's start renders in front of the conversation, as jinja2 3.1.6 has it.
  @Test(arguments: [
    ("{% set s = '' %}{{ s | default('SYS', true) }}", "SYS"), ("{% set s = none %}{{ s | d('SYS', boolean=true) }}", "SYS"),
    ("{% set s = '' %}{{ s | default('SYS') }}.", "."), ("{{ absent | default(default_value='SYS') }}", "SYS"),
    ("{{ 'a,b,c'.split(',', 1)[1] }}", "b,c"), ("{{ 'a,b,c'.split(',', -1)[1] }}", "b"), ("{{ 'a,b,c'.split(',', 0)[0] }}", "a,b,c"),
    ("{{ ['a', 'b'] | join(d='-') }}", "a-b"), ("{{ ['a', 'b'] | join('-') }}", "a-b"),
    ("{% for i in ['a', 'b'] %}{{ i ~ loop.revindex ~ loop.revindex0 }}{% endfor %}", "a21b10"),
    (#"{{ 'a\r\nb'.replace('\n', 'N') }}{{ 'a\r\nb'.split('\n') | length }}{{ '\n' in 'a\r\nb' }}"#, "a\rNb2True"),
    ("a\r\n{% if true %}\r\n  b\rc\r\n{% endif %}\r\n{{ 'd\r\n' }}", "a\n  b\nc\nd\n"),
  ])
  func startsAreThoseOfJinja(_ start: String, _ rendered: String) throws {
    let turns = "{% for m in messages %}[{{ m['role'] }}] {{ m['content'] }}</s>{% endfor %}"
    let found = try prompt("llava_hf", [("chat_template.jinja", start + turns)]).template
    #expect(found.utf8.elementsEqual((rendered + "[user] <image>\n{question}</s>").utf8), "\(found)")
  }

  /// Arguments that are not known would otherwise change nothing.
  @Test(arguments: [
    "'a' | default('b', true, 1)", "'a' | default('b', truth=true)", "'a' | default('b', default_value='c')", "['a'] | join('-', 'x')",
    "['a'] | join(attribute='x')", "['a'] | join([])", "'a' | upper(1)", "['a'] | first(1)", "'a' | trim(chars='a')",
    "messages | selectattr('role', 'equalto', 'user', 'x') | list | length", "'a'.startswith('a', 1)", "'a,b'.split(',', none)[0]",
    "messages[0].get('x', 'y', 'z')",
  ])
  func unknownArgumentsAreRefused(_ value: String) {
    let turns = "{% for m in messages %}{{ m['content'] }}{% endfor %}"
    expectFailure("chat template") { _ = try prompt("llava_hf", [("chat_template.jinja", "{{ \(value) }}" + turns)]) }
  }

  @Test func unknownMembersOfLoopAreRefused() {
    let turns = "{% for m in messages %}{{ loop.depth }}{{ m['content'] }}{% endfor %}"
    expectFailure("loop.depth") { _ = try prompt("llava_hf", [("chat_template.jinja", turns)]) }
  }

  @Test func aTemplateThatWasNotFetchedIsNamed() throws {
    let pointer = "version https://git-lfs.github.com/spec/v1\noid sha256:\(String(repeating: "a", count: 64))\nsize 1234\n"
    expectFailure("cannot read", "chat_template.jinja", "Git LFS") { _ = try prompt("llava_hf", [("chat_template.jinja", pointer)]) }
    let folder = try TemporaryFolder()
    let path = try folder.write("mine.jinja", pointer)
    expectFailure("vicuna, ", "Git LFS") { _ = try ChatTemplate(path: path) }
    expectFailure("vicuna, ", "no such file") { _ = try ChatTemplate(path: folder.path + "/qwem") }
  }

  @Test func whatIsAskedForComesFirst() throws {
    let found = try prompt("llava_hf", [("chat_template.jinja", "no place")], choice: .format(.chatML))
    #expect(found.template == PromptFormat.chatML.template && found.stop == ["<|im_end|>"])
    let file = ChatTemplate(source: chatML, file: "mine.jinja")
    #expect(try prompt("llava_hf", [], choice: .template(file)).template.hasPrefix("<|im_start|>user\n<image>\n{question}"))
  }

  /// Without a template, ChatML's marks in the vocabulary tell.
  @Test func marksOfChatMLAreSeen() throws {
    let marks = #"{"<|im_start|>": 321, "<|im_end|>": 320}"#
    #expect(try prompt("llava", [("added_tokens.json", marks)]).template == PromptFormat.chatML.template)
  }

  /// BakLLaVA: SkunkworksAI's checkpoint was trained with `--version v1` (scripts/finetune.sh); llava-hf's follows its chat_template.json, and
  /// snapshots from before there was one their model card.
  @Test func bakLLaVAFollowsWhatWasPublished() throws {
    func config(_ name: String, _ changes: [(String, String)]) throws -> (name: String, text: String) {
      let folder = try TemporaryFolder(copyOf: Fixture.checkpoint(name))
      var text = String(decoding: try folder.read("config.json"), as: UTF8.self)
      for (old, new) in changes { text = text.replacing(old, with: new) }
      return ("config.json", text)
    }
    let original = try config(
      "llava", [("LlavaLlamaForCausalLM", "LlavaMistralForCausalLM"), (#""model_type": "llava""#, #""model_type": "llava_mistral""#)])
    let found = try prompt("llava", [original])
    #expect(found.template == PromptFormat.vicuna.template && found.system == PromptFormat.vicuna.system)
    let converted = try config("llava_hf", [(#""model_type": "llama""#, #""model_type": "mistral""#)])
    #expect(try prompt("llava_hf", [converted]).template == "USER: <image>\n{question}\nASSISTANT:")
    let published = """
      {% for message in messages %}{% if message['role'] == 'user' %}{{ '[INST] ' }}{# Render all images first #}{% for content in \
      message['content'] | selectattr('type', 'equalto', 'image') %}{{ '<image>\\n' }}{% endfor %}{# Render all text next #}{% for content in \
      message['content'] | selectattr('type', 'equalto', 'text') %}{{ content['text'] }}{% endfor %}{{' [/INST]' }}\
      {% elif message['role'] == 'assistant' %}{{ ' ' + message['content'][0]['text'] + '<\\\\s> '}}{% else %}\
      {{ raise_exception('Only user and assistant roles are supported!') }}{% endif %}{% endfor %}
      """
    let followed = try prompt("llava_hf", [converted, ("chat_template.jinja", published)])
    #expect(followed.template == "[INST] <image>\n{question} [/INST]" && followed.stop.contains("</s>"), "\(followed)")
  }

  /// Loops that double a value, or put it into itself.
  @Test(arguments: [
    "n.x ~ n.x", "n.x + n.x", "n.x | replaced", "[n.x]", "[n.x, n.x]", "namespace(x=n.x)", "n",
  ])
  func valuesThatGrowAreRefused(_ value: String) {
    let ten = "[1, 1, 1, 1, 1, 1, 1, 1, 1, 1]"
    let value = value == "n.x | replaced" ? "n.x.replace('a', 'aaaaaaaaaaaaaaaa')" : value
    let first = value == "n.x + n.x" ? "[1]" : "'aaaa'"
    let loops = "{% for i in \(ten) %}{% for j in \(ten) %}{% for k in \(ten) %}{% set n.x = \(value) %}{% endfor %}{% endfor %}{% endfor %}"
    expectFailure("chat template", "value") {
      _ = try prompt("llava_hf", [("chat_template.jinja", "{% set n = namespace(x=\(first)) %}\(loops){{ n.x }}")])
    }
  }
}
