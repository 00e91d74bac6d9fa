// swift-tools-version: 6.1
// SPDX-License-Identifier: Apache-2.0
import PackageDescription

/// The HTTP server. It is a package of its own, so that library and command line build without SwiftNIO, and it knows Fovea only by
/// its C interface, which pkg-config finds where `tools/install --prefix` has put it.
let package = Package(
  name: "fovea-serve",
  products: [.executable(name: "fovea-serve", targets: ["FoveaServe"])],
  dependencies: [
    .package(url: "https://github.com/hummingbird-project/hummingbird", from: "2.28.1"),
    .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.2"),
    .package(url: "https://github.com/apple/swift-nio", from: "2.101.2"),
    .package(url: "https://github.com/apple/swift-nio-extras", from: "1.35.2"),
    .package(url: "https://github.com/apple/swift-http-types", from: "1.8.0"),
    .package(url: "https://github.com/apple/swift-log", from: "1.16.2"),
    .package(url: "https://github.com/swift-server/swift-service-lifecycle", from: "2.13.0"),
  ],
  targets: [
    .systemLibrary(name: "CFovea", path: "Sources/CFovea", pkgConfig: "fovea"),
    // The command line's, by a link: no dependencies.
    .target(name: "DocTags", path: "Sources/DocTags"),
    .target(
      name: "Page", path: "Page",
      resources: ["index.html", "style.css", "icon.svg", "app.js", "server.js", "picture.js", "drawing.js", "answer.js"].map { .embedInCode($0) }),
    .executableTarget(
      name: "FoveaServe",
      dependencies: [
        "CFovea", "DocTags", "Page",
        .product(name: "Hummingbird", package: "hummingbird"), .product(name: "HummingbirdCore", package: "hummingbird"),
        .product(name: "ArgumentParser", package: "swift-argument-parser"),
        .product(name: "NIOCore", package: "swift-nio"),
        .product(name: "NIOHTTPTypes", package: "swift-nio-extras"),
        .product(name: "HTTPTypes", package: "swift-http-types"),
        .product(name: "Logging", package: "swift-log"),
        .product(name: "ServiceLifecycle", package: "swift-service-lifecycle"),
      ],
      // Beside the library as it is installed: bin and lib under one prefix.
      linkerSettings: [.unsafeFlags(["-Xlinker", "-rpath", "-Xlinker", "$ORIGIN/../lib"])]),
  ]
)
