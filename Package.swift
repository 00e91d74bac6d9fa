// swift-tools-version: 6.1
// SPDX-License-Identifier: Apache-2.0
import PackageDescription

/// Flags of one instruction set. They reach clang (so that its intrinsics are there) and Swift's own
/// code generator. On other processors those modules compile to nothing: `HAS_LANES` is what Sources/Kernels/Generic asks for.
func instructionSet(_ flags: [String], cpu: String) -> [SwiftSetting] {
  [.define("HAS_LANES"), .unsafeFlags((flags + ["-march=\(cpu)"]).flatMap { ["-Xcc", $0] } + ["-Ounchecked", "-wmo"])]
}

/// tools/check-avxvnni builds the AVX-VNNI kernels alone, with AVX-512's encoding of the same instructions, for CPUs that have only that.
let asAVX512 = Context.environment["FOVEA_AVXVNNI_AS_AVX512"] != nil
/// What is built for: this machine, or the architecture that FOVEA_ARCH names (x86_64, arm64). A manifest is compiled for the machine it
/// runs on, and is not told of `--triple` or `--swift-sdk`.
#if arch(arm64)
let host = "arm64"
#else
let host = "x86_64"
#endif
let architecture = Context.environment["FOVEA_ARCH"] ?? host
/// Another architecture's libraries are in its SDK, where the linker finds them by name; pkg-config would find this machine's.
let codecs = architecture == host ? [] : ["-lpng", "-ljpeg", "-lzstd"]
func pkgConfig(_ name: String) -> String? { architecture == host ? name : nil }

func x86(_ flags: [String], cpu: String) -> [SwiftSetting] { architecture == "x86_64" ? instructionSet(flags, cpu: cpu) : [] }
func arm(cpu: String) -> [SwiftSetting] { architecture == "arm64" ? instructionSet([], cpu: cpu) : [] }
let sse41 = x86([], cpu: "x86-64-v2")
let avx2 = x86(["-mavx2", "-mfma", "-mf16c"], cpu: "haswell")
let avxvnni = x86(["-mavx2", "-mfma", "-mf16c"] + (asAVX512 ? ["-mavx512vl", "-mavx512vnni"] : ["-mavxvnni"]), cpu: "haswell")
let avx512 = x86(["-mavx512f", "-mavx512bw", "-mavx512dq", "-mavx512vl", "-mavx512vnni"], cpu: "cascadelake")
let neon = arm(cpu: "armv8-a")
let dotprod = arm(cpu: "armv8.2-a+dotprod")
let i8mm = arm(cpu: "armv8.2-a+dotprod+i8mm")

/// The allocator's functions, which Sources/Reserve stands in for: Swift's runtime ends the process where they return nothing.
let reserved = [
  "malloc", "calloc", "realloc", "free", "malloc_usable_size", "strdup", "posix_memalign", "swift_slowAlloc",
  "swift_slowDealloc", "_Znwm", "_ZnwmSt11align_val_t", "_ZdlPv", "_ZdlPvm", "_ZdlPvmSt11align_val_t",
]

let useReserve: [String] = reserved.flatMap { ["-Xlinker", "--wrap=\($0)"] }

/// libfovea.so carries the Swift runtime it needs and exports the symbols of include/fovea.map, nothing else.
let standAlone: [LinkerSetting] = [
  .unsafeFlags(
    [
      "-static-stdlib", "-use-ld=lld",
      "-Xlinker", "--version-script=\(Context.packageDirectory)/include/fovea.map",
      "-Xlinker", "-soname=libfovea.so.1",
      "-Xlinker", "--gc-sections", "-Xlinker", "--as-needed",
      "-Xlinker", "-z", "-Xlinker", "defs", "-Xlinker", "-z", "-Xlinker", "now", "-Xlinker", "-z", "-Xlinker", "relro",
    ] + codecs + useReserve)
]

/// For what computes little itself (tests, what a converter knows of checkpoints): optimising it takes longer than it saves.
let unoptimised: [SwiftSetting] = [.unsafeFlags(["-Onone"])]

// A target lists everything below it, not only what it imports. SwiftPM compiles a target again when one of its own dependencies
// has changed, and a type's layout may come from further down: code compiled for the old layout crashes.
let kernels: [Target.Dependency] = [
  "Shims", "KernelsScalar", "KernelsSSE41", "KernelsAVX2", "KernelsAVXVNNI", "KernelsAVX512", "KernelsNEON", "KernelsDotProd",
  "KernelsI8MM", "Kernels",
]
let weights: [Target.Dependency] = ["Shims", "CZstd", "WeightFile"]
let runtime = kernels + weights.dropFirst() + ["Runtime"]
let schema = weights + ["Schema"]
let images: [Target.Dependency] = ["CPNG", "CJPEG", "ImageCodecs", "Images"]
let families = runtime + images + ["Schema", "Tokenizers", "Regions", "Encoders", "Decoders", "Families"]
let quantization: [Target.Dependency] = runtime + ["CheckpointFiles"]
let conversion: [Target.Dependency] = families + ["CheckpointFiles", "Quantization"]
let library = families + ["Constraints", "Generation", "CFovea", "Fovea"]
let tools: [Target.Dependency] = library + ["CheckpointFiles", "Quantization", "Conversion"]

let package = Package(
  name: "fovea",
  products: [
    // Installed as libfovea.so: two products of one name would get in each other's way.
    .library(name: "fovea-shared", type: .dynamic, targets: ["FoveaShared"]),
    .executable(name: "fovea", targets: ["FoveaCommand"]),
  ],
  dependencies: [
    .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.2")
  ],
  targets: [
    // The library, bottom up: a target imports only what stands above it.
    .target(name: "Shims", linkerSettings: [.linkedLibrary("m")]),
    .systemLibrary(name: "CZstd", pkgConfig: pkgConfig("libzstd"), providers: [.apt(["libzstd-dev"])]),
    .systemLibrary(name: "CPNG", pkgConfig: pkgConfig("libpng"), providers: [.apt(["libpng-dev"])]),
    .systemLibrary(name: "CJPEG", pkgConfig: pkgConfig("libjpeg"), providers: [.apt(["libjpeg-dev"])]),
    .target(name: "KernelsScalar", dependencies: ["Shims"], path: "Sources/Kernels/Scalar"),
    .target(name: "KernelsSSE41", dependencies: ["Shims"], path: "Sources/Kernels/SSE41", swiftSettings: sse41),
    .target(name: "KernelsAVX2", dependencies: ["Shims"], path: "Sources/Kernels/AVX2", swiftSettings: avx2),
    .target(name: "KernelsAVXVNNI", dependencies: ["Shims"], path: "Sources/Kernels/AVXVNNI", swiftSettings: avxvnni),
    .target(name: "KernelsAVX512", dependencies: ["Shims"], path: "Sources/Kernels/AVX512", swiftSettings: avx512),
    .target(name: "KernelsNEON", dependencies: ["Shims"], path: "Sources/Kernels/NEON", swiftSettings: neon),
    .target(name: "KernelsDotProd", dependencies: ["Shims"], path: "Sources/Kernels/DotProd", swiftSettings: dotprod),
    .target(name: "KernelsI8MM", dependencies: ["Shims"], path: "Sources/Kernels/I8MM", swiftSettings: i8mm),
    .target(
      name: "Kernels", dependencies: Array(kernels.dropLast()), path: "Sources/Kernels/Dispatch",
      swiftSettings: asAVX512 ? [.define("AVXVNNI_AS_AVX512")] : []),
    .target(name: "WeightFile", dependencies: Array(weights.dropLast()), exclude: ["FORMAT.md"]),
    .target(name: "Schema", dependencies: Array(schema.dropLast())),
    .target(name: "Runtime", dependencies: Array(runtime.dropLast())),
    .target(name: "ImageCodecs", dependencies: ["CPNG", "CJPEG"]),
    .target(name: "Images", dependencies: ["Shims"] + images.dropLast()),
    .target(name: "Tokenizers", dependencies: ["Shims"]),
    .target(name: "Constraints"),
    .target(name: "Regions", dependencies: runtime),
    .target(name: "Encoders", dependencies: runtime + ["Schema", "Regions"]),
    .target(name: "Decoders", dependencies: runtime + ["Schema"]),
    .target(name: "Families", dependencies: Array(families.dropLast())),
    .target(name: "Generation", dependencies: families + ["Constraints"]),
    .systemLibrary(name: "CFovea", path: "include"),
    .target(name: "Fovea", dependencies: Array(library.dropLast())),
    .target(name: "Reserve", dependencies: ["Shims"]),
    .target(name: "FoveaShared", dependencies: library + ["Reserve"], linkerSettings: standAlone),

    // Tools around it; these may use Foundation.
    .target(name: "CheckpointFiles", dependencies: weights),
    .target(name: "Quantization", dependencies: quantization),
    .target(name: "Conversion", dependencies: conversion, swiftSettings: unoptimised),
    .target(name: "CArguments", path: "tools/fovea/CArguments"),
    .target(name: "DocTags", path: "tools/fovea/DocTags"),
    .executableTarget(
      name: "FoveaCommand",
      dependencies: tools + [
        "Reserve", "CArguments", "DocTags", .product(name: "ArgumentParser", package: "swift-argument-parser"),
      ],
      path: "tools/fovea", exclude: ["CArguments", "DocTags", "calibration.txt"],
      linkerSettings: [.unsafeFlags(["-static-stdlib", "-l_FoundationCollections", "-l_FoundationCShims"] + useReserve)]),

    .target(
      name: "BenchmarkPeaks", path: "tools/bench/peaks", cSettings: asAVX512 ? [.define("AVXVNNI_AS_AVX512")] : []),
    .executableTarget(
      name: "KernelsBenchmark", dependencies: kernels + ["BenchmarkPeaks"] + (asAVX512 ? [] : families.dropFirst(kernels.count) + ["Generation"]),
      path: "tools/bench/kernels"),

    .testTarget(
      name: "KernelsTests", dependencies: kernels, swiftSettings: asAVX512 ? [.define("AVXVNNI_AS_AVX512")] : []),
    .testTarget(name: "WeightFileTests", dependencies: weights, swiftSettings: unoptimised),
    .testTarget(name: "SchemaTests", dependencies: tools, swiftSettings: unoptimised),
    .testTarget(name: "RuntimeTests", dependencies: runtime),
    .testTarget(name: "ImagesTests", dependencies: ["Shims"] + images, exclude: ["Fixtures"]),
    .testTarget(name: "TokenizersTests", dependencies: ["Shims", "Tokenizers"], exclude: ["Fixtures"], swiftSettings: unoptimised),
    .testTarget(name: "ConstraintsTests", dependencies: ["Constraints"], swiftSettings: unoptimised),
    .testTarget(name: "EncodersTests", dependencies: runtime + ["Encoders"], swiftSettings: unoptimised),
    .target(name: "TestSupport", dependencies: ["Images"] + weights, path: "Tests/Support"),
    .testTarget(name: "RegionsTests", dependencies: library + ["TestSupport"], swiftSettings: unoptimised),
    .testTarget(name: "FamiliesTests", dependencies: library + ["TestSupport"], exclude: ["Fixtures"], swiftSettings: unoptimised),
    .testTarget(name: "GenerationTests", dependencies: library + ["TestSupport"], swiftSettings: unoptimised),
    .testTarget(name: "ConversionTests", dependencies: tools, exclude: ["Fixtures"], swiftSettings: unoptimised),
    .testTarget(name: "FoveaTests", dependencies: library, swiftSettings: unoptimised),
    .testTarget(name: "DocTagsTests", dependencies: ["DocTags"], swiftSettings: unoptimised),
  ]
)

if asAVX512 {
  package.products = []
  package.targets.removeAll { !($0.name.contains("Kernels") || ["Shims", "BenchmarkPeaks"].contains($0.name)) }
}
