// SPDX-License-Identifier: Apache-2.0

/// Limits of a request.
struct Limits: Sendable {
  /// Bytes of a body.
  var body = 32 << 20
  /// Pixels of a picture or of a PDF page.
  var pixels = 64 << 20
  var images = 16
  var messages = 256
  /// Tokens of an answer.
  var tokens = 1_024
  var answers = 8
  /// Pages of a PDF file.
  var pages = 32
  /// Seconds for a whole request, including the wait.
  var time = 300
  /// Seconds for a body to arrive.
  var bodyTime = 60
  /// Queued requests of one model.
  var queue = 64
}
