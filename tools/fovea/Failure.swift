// SPDX-License-Identifier: Apache-2.0
import ArgumentParser

/// Runs a command's work; a failure of the library becomes one line on standard error and its exit status.
func reportingFailures(_ body: () throws -> Void) throws {
  do { try body() } catch let error as LibraryError {
    writeToStandardError("fovea: \(error.description)\n")
    throw error.exitCode
  }
}
