// SPDX-License-Identifier: Apache-2.0

/// The page's files, in the program.
public let pageFiles: [(name: String, bytes: [UInt8])] = [
  ("index.html", PackageResources.index_html),
  ("style.css", PackageResources.style_css),
  ("icon.svg", PackageResources.icon_svg),
  ("app.js", PackageResources.app_js),
  ("server.js", PackageResources.server_js),
  ("picture.js", PackageResources.picture_js),
  ("drawing.js", PackageResources.drawing_js),
  ("answer.js", PackageResources.answer_js),
]
