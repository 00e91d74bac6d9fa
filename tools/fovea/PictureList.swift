// SPDX-License-Identifier: Apache-2.0
import CFovea
import Glibc
import Images

/// The pictures given to a command: files, pipes, `-` for standard input, folders, and the pages of PDF files. Folders are searched
/// recursively for files that are pictures by content or name, sorted by name; unreadable kinds are included, and links by a picture's name
/// to nothing, so that they are reported and not silently skipped.
struct PictureList {
  private(set) var pictures: [Picture] = []
  /// The files that they are in.
  private(set) var files: [FilePath] = []
  private let dotsPerInch: Int
  /// Folders that are not searched.
  private let leftOut: Set<FileIdentity>
  /// A folder whose capsules are left out.
  private let output: FileIdentity?
  /// Whether pages of a PDF file are among them, even of one that cannot be opened.
  private(set) var hasPages = false

  /// - Parameters:
  ///   - leavingOut: folders that are not searched when they are within those given, under whatever name; they need not exist.
  ///   - output: where capsules are written: those that an earlier run left there are no pictures of a folder given.
  init(_ inputs: [FilePath], dotsPerInch: Int = 200, leavingOut: [String] = [], writingTo output: FilePath? = nil) throws {
    self.dotsPerInch = dotsPerInch
    leftOut = Set(leavingOut.compactMap { FileIdentity(FilePath(bytes: Array($0.utf8))) })
    self.output = output.flatMap { FileIdentity($0) }
    for input in inputs {
      if input.isStandardInput {
        try add(bytes: readStandardInput(), name: "standard input")
        continue
      }
      let before = pictures.count
      var status = stat()
      guard stat(input.cString, &status) == 0 else {
        throw CommandFailure(.noInput, "\(input): cannot be read: \(String(cString: strerror(errno))).")
      }
      switch status.st_mode & mode_t(S_IFMT) {
      case mode_t(S_IFDIR):
        try collect(input, below: "", depth: 0, isOutput: FileIdentity(status) == self.output)
        if pictures.count == before { throw CommandFailure(.noInput, "\(input): holds no pictures.") }
      case mode_t(S_IFREG): add(file: input, name: input.recordName)
      default: try add(bytes: Self.contents(of: input), name: input.description)
      }
    }
  }

  /// Refuses pictures with equal names.
  func requireDistinctNames() throws(CommandFailure) {
    var names: Set<String> = []
    for picture in pictures where !names.insert(picture.name).inserted {
      throw CommandFailure(.usage, "two images are called \(picture.name): records could not be told apart.")
    }
  }

  private mutating func add(file: FilePath, name: String) {
    files.append(file)
    if Capsule.isOne(firstBytes(file) ?? []) {
      return pictures.append(Picture(source: .capsule(file), name: name, path: file.description))
    }
    guard PDFDocument.isOne(firstBytes(file) ?? []) || file.name.lowercased().hasSuffix(".pdf") else {
      return pictures.append(Picture(source: .file(file), name: name, path: file.description))
    }
    addPages(name: name, path: file.description) { () throws(LibraryError) in try PDFDocument(path: file) }
  }

  private mutating func add(bytes: [UInt8], name: String) {
    guard PDFDocument.isOne(bytes.prefix(1024)) else { return pictures.append(Picture(source: .bytes(bytes), name: name, path: name)) }
    addPages(name: name, path: name) { () throws(LibraryError) in try PDFDocument(bytes: bytes, name: name) }
  }

  private mutating func addPages(name: String, path: String, _ open: () throws(LibraryError) -> PDFDocument) {
    hasPages = true
    do throws(LibraryError) {
      let document = try open()
      for number in 1...document.pages {
        let page = ", page \(number)"
        pictures.append(
          Picture(source: .page(document, number: number, dotsPerInch: dotsPerInch), name: name + page, path: path + page))
      }
    } catch {
      pictures.append(Picture(source: .unreadable(error), name: name, path: path))
    }
  }

  private mutating func collect(_ folder: FilePath, below prefix: String, depth: Int, isOutput: Bool) throws {
    guard depth < 32, let directory = opendir(folder.cString) else {
      throw CommandFailure(.noInput, "\(folder): cannot be read: \(depth < 32 ? String(cString: strerror(errno)) : "folders within folders").")
    }
    defer { closedir(directory) }
    var names: [[UInt8]] = []
    while let entry = readdir(directory) {
      let name = withUnsafeBytes(of: entry.pointee.d_name) { Array($0.prefix { $0 != 0 }) }
      if name.first != UInt8(ascii: ".") { names.append(name) }
    }
    for name in names.sorted(by: { $0.lexicographicallyPrecedes($1) }) {
      let path = folder.appending(name)
      let shown = prefix + FilePath(bytes: name).recordName
      var status = stat()
      guard stat(path.cString, &status) == 0 else {
        let cause = String(cString: strerror(errno))
        guard isPictureName(path.name) else { continue }
        if path.name.lowercased().hasSuffix(".pdf") { hasPages = true }
        let error = LibraryError(status: fovea_status(FOVEA_ERROR_IO), description: "\(path): cannot be read: \(cause).")
        pictures.append(Picture(source: .unreadable(error), name: shown, path: path.description))
        continue
      }
      switch status.st_mode & mode_t(S_IFMT) {
      case mode_t(S_IFDIR) where leftOut.contains(FileIdentity(status)): break
      case mode_t(S_IFDIR):
        try collect(path, below: shown + "/", depth: depth + 1, isOutput: isOutput || FileIdentity(status) == output)
      case mode_t(S_IFREG) where isOutput && Capsule.isOne(firstBytes(path) ?? []): break
      case mode_t(S_IFREG) where isPicture(path): add(file: path, name: shown)
      default: break
      }
    }
  }

  private func isPictureName(_ name: String) -> Bool {
    let endings = [".png", ".jpg", ".jpeg", ".webp", ".gif", ".bmp", ".tif", ".tiff", ".heic", ".heif", ".avif", ".jxl", ".jp2", ".pdf"]
    let name = name.lowercased()
    return endings.contains { name.hasSuffix($0) } || name.hasSuffix(Capsule.ending)
  }

  private func isPicture(_ path: FilePath) -> Bool {
    if isPictureName(path.name) { return true }
    // A file that cannot be opened, without a picture's extension, is not taken for one.
    guard let first = firstBytes(path) else { return false }
    if Picture.isOne(first) { return true }
    switch first.withUnsafeBytes({ ForeignPicture($0) }) {
    case nil, .empty, .html, .svg, .gitLFSPointer: return false
    default: return true
    }
  }

  private func firstBytes(_ path: FilePath) -> [UInt8]? {
    let file = open(path.cString, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
    guard file >= 0 else { return nil }
    defer { close(file) }
    var bytes = [UInt8](repeating: 0, count: 1024)
    let count = read(file, &bytes, bytes.count)
    return count < 0 ? nil : Array(bytes.prefix(count))
  }

  /// All bytes of a pipe or a device.
  private static func contents(of path: FilePath) throws(CommandFailure) -> [UInt8] {
    let file = open(path.cString, O_RDONLY | O_CLOEXEC)
    defer { if file >= 0 { close(file) } }
    guard file >= 0, let bytes = readAll(file) else {
      throw CommandFailure(.noInput, "\(path): cannot be read: \(String(cString: strerror(errno))).")
    }
    return bytes
  }
}

/// One picture to process.
struct Picture {
  enum Source {
    case file(FilePath)
    /// Contents that could be read only once.
    case bytes([UInt8])
    case page(PDFDocument, number: Int, dotsPerInch: Int)
    /// An image encoded earlier.
    case capsule(FilePath)
    case unreadable(LibraryError)
  }

  /// Whether a file begins as PNG and JPEG files do.
  static func isOne(_ first: some Collection<UInt8>) -> Bool {
    first.starts(with: [0x89, 0x50, 0x4E, 0x47]) || first.starts(with: [0xFF, 0xD8, 0xFF])
  }

  let source: Source
  /// Its name in records: the path below the folder, or the file's own name; and the page.
  let name: String
  /// The same with the path as given.
  let path: String

  /// Reads the picture's rows.
  func withRows<Result>(_ options: DecodingOptions, _ body: (EncodedRows) throws -> Result) throws -> Result {
    do {
      if case .capsule(let file) = source {
        throw LibraryError(status: fovea_status(FOVEA_ERROR_UNSUPPORTED), description: "\(file): a capsule holds no pixels.")
      }
      if case .file(let file) = source { return try body(EncodedRows(path: file.cString, options: options)) }
      return try encodedBytes().withUnsafeBytes { try body(EncodedRows(encoded: $0, name: path, options: options)) }
    } catch let error as ImageError { throw LibraryError(error) }
  }

  /// The same picture for repeated reading: a page is rendered only once.
  func kept() throws(LibraryError) -> Picture {
    guard case .page = source else { return self }
    return Picture(source: .bytes(try encodedBytes()), name: name, path: path)
  }

  /// The model's vectors of the picture, or of a part of it; errors name the picture.
  func encoded(
    by model: Model, _ options: DecodingOptions, crop: PixelRectangle? = nil, tiles: Int32 = 0, mode: String? = nil, deadline: Double = 0,
    progress: @escaping (Int, Int) -> Void = { _, _ in }
  ) throws(LibraryError) -> EncodedImage {
    if case .capsule(let file) = source { return try EncodedImage(capsule: file, model) }
    if case .file(let file) = source {
      return try EncodedImage(reading: options, crop: crop, tiles: tiles, mode: mode, deadline: deadline, progress: progress) {
        fovea_encode_image(model.handle, file.cString, $0, $1)
      }
    }
    let bytes = try encodedBytes()
    do throws(LibraryError) {
      return try EncodedImage(reading: options, crop: crop, tiles: tiles, mode: mode, deadline: deadline, progress: progress) {
        fovea_encode_image_bytes(model.handle, bytes, bytes.count, $0, $1)
      }
    } catch { throw named(error) }
  }

  /// An answer about the picture as a page, see `Session.read`; errors name the picture.
  func read(
    by session: Session, _ prompt: String?, task: String?, _ decoding: DecodingOptions, tiles: Int32, mode: String?,
    options: fovea_generate_options, looking: @escaping (Int, Int) -> Void, progress: @escaping (Int, Int) -> Void
  ) throws -> (text: String, result: fovea_generate_result) {
    func read(_ call: (Session.PageArguments) -> fovea_status) throws -> (text: String, result: fovea_generate_result) {
      try session.read(
        prompt, task: task, reading: decoding, tiles: tiles, mode: mode, options: options, looking: looking, progress: progress, call)
    }
    if case .file(let file) = source {
      return try read { fovea_read_image(session.handle, file.cString, $0.prompt, $0.encode, $0.options, $0.result, $0.text) }
    }
    let bytes = try encodedBytes()
    do {
      return try read { fovea_read_image_bytes(session.handle, bytes, bytes.count, $0.prompt, $0.encode, $0.options, $0.result, $0.text) }
    } catch let error as LibraryError { throw named(error) }
  }

  /// An error about bytes, with the picture's name.
  private func named(_ error: LibraryError) -> LibraryError {
    let generic = "encoded image: "
    guard error.description.hasPrefix(generic) else { return error }
    return LibraryError(status: error.status, description: path + ": " + error.description.dropFirst(generic.count))
  }

  /// The text layer of a PDF page, and whether the page is turned by a quarter; nil: not a PDF page.
  func textLayer() throws(LibraryError) -> (xml: String, isTurned: Bool)? {
    guard case .page(let document, let number, _) = source else { return nil }
    return (try document.textLayer(number), document.turned.contains(number))
  }

  /// Identifies the picture's content: a checksum of the bytes, or of the rendered page.
  func checksum() throws(LibraryError) -> String {
    switch source {
    case .file(let path), .capsule(let path): return try Checksum.of(path)
    default: return Checksum.of(try encodedBytes())
    }
  }

  /// `checksum`, but of a page by its document, so that it need not be rendered.
  func identity() throws(LibraryError) -> String {
    guard case .page(let document, let number, let dotsPerInch) = source else { return try checksum() }
    return Checksum.of(Array("\(try document.checksum()) \(number) \(dotsPerInch)".utf8))
  }

  /// The bytes of an image file; a page is rendered again at each call.
  private func encodedBytes() throws(LibraryError) -> [UInt8] {
    switch source {
    case .file, .capsule: []
    case .bytes(let bytes): bytes
    case .page(let document, let number, let dotsPerInch): try document.page(number, dotsPerInch: dotsPerInch)
    case .unreadable(let error): throw error
    }
  }
}
