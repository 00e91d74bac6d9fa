// SPDX-License-Identifier: Apache-2.0
import Glibc

/// Fetches repositories of the Hugging Face hub into its cache, with the huggingface_hub of the first python3 in PATH, which shows its progress.
enum HubDownload {
  /// Prints the folder. Files that are no part of a checkpoint stay where they are, pickles too where there are safetensors.
  private static let program = """
    import glob, os, sys
    sys.path = [folder for folder in sys.path if folder]
    try:
        from huggingface_hub import snapshot_download
    except ImportError:
        sys.exit(3)
    parts = ["*.json", "*.jinja", "*.model", "*.tiktoken", "*.txt", "*.md"]
    try:
        folder = snapshot_download(sys.argv[1], allow_patterns=["*.safetensors", *parts])
        if not glob.glob(os.path.join(folder, "*.safetensors")):
            folder = snapshot_download(sys.argv[1], allow_patterns=["*.bin", *parts])
    except Exception as error:
        print(str(error).strip().split("\\n")[0], file=sys.stderr)
        sys.exit(4)
    print(folder)
    """

  /// Whether the text could be a repository's name, `org/name`, and is no file or folder here.
  static func isRepository(_ text: String) -> Bool {
    let parts = text.split(separator: "/", omittingEmptySubsequences: false)
    func isName(_ part: Substring) -> Bool {
      guard let first = part.utf8.first, first != UInt8(ascii: "."), first != UInt8(ascii: "-") else { return false }
      return part.allSatisfy { $0.isASCII && ($0.isLetter || $0.isNumber || "._-".contains($0)) }
    }
    return parts.count == 2 && parts.allSatisfy(isName) && access(text, F_OK) != 0
  }

  /// - Returns: the folder of the repository's files.
  static func fetch(_ repository: String, quiet: Bool) throws -> String {
    var ends: [Int32] = [0, 0]
    guard pipe(&ends) == 0 else { throw CommandFailure(.fault, "\(repository): no pipe for python3") }
    defer { close(ends[0]) }
    var actions = posix_spawn_file_actions_t()
    posix_spawn_file_actions_init(&actions)
    defer { posix_spawn_file_actions_destroy(&actions) }
    posix_spawn_file_actions_adddup2(&actions, ends[1], 1)
    posix_spawn_file_actions_addclose(&actions, ends[0])
    posix_spawn_file_actions_addclose(&actions, ends[1])
    if quiet { setenv("HF_HUB_DISABLE_PROGRESS_BARS", "1", 1) }
    let command: [String] = ["python3", "-c", program, repository]
    var arguments: [UnsafeMutablePointer<CChar>?] = command.map { strdup($0) } + [nil]
    defer { arguments.forEach { free($0) } }
    var child: pid_t = 0
    let status = posix_spawnp(&child, "python3", &actions, nil, &arguments, environ)
    close(ends[1])
    let missing = "\(repository): --download needs Python with huggingface_hub (pip install huggingface_hub); or fetch it: hf download \(repository)"
    guard status == 0 else { throw CommandFailure(.unsupported, missing) }
    let text = read(ends[0])
    var result: Int32 = 0
    while waitpid(child, &result, 0) < 0, errno == EINTR {}
    if Interruption.isWanted { throw CommandFailure(.interrupted, "\(repository): interrupted") }
    guard result == 0 else {
      // The exit status is in the second byte.
      throw result >> 8 == 3
        ? CommandFailure(.unsupported, missing) : CommandFailure(.noInput, "\(repository): it could not be downloaded")
    }
    guard let folder = text.split(separator: "\n").last.map(String.init), access(folder, F_OK) == 0 else {
      throw CommandFailure(.noInput, "\(repository): huggingface_hub named no folder")
    }
    return folder
  }

  /// What a program prints, at most 64 KiB, until it closes the pipe.
  private static func read(_ pipe: Int32) -> String {
    var bytes: [UInt8] = []
    var buffer = [UInt8](repeating: 0, count: 4096)
    while true {
      let count = Glibc.read(pipe, &buffer, buffer.count)
      if count < 0, errno == EINTR { continue }
      guard count > 0 else { return String(decoding: bytes, as: UTF8.self) }
      if bytes.count < 1 << 16 { bytes += buffer[..<count] }
    }
  }
}
