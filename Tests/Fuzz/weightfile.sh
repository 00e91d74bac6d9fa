#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Fuzzes the weight file reader: Tests/Fuzz/weightfile.sh [SECONDS] [CORPUS_DIR]. Needs a Swift toolchain with libFuzzer (Linux has it).
# A crash leaves its input as crash-* in the work folder, which is printed.
set -euo pipefail
seconds=${1:-120}
root=$(cd "$(dirname "$0")/../.." && pwd)
work=${2:-$(mktemp -d)}
mkdir -p "$work/corpus" "$work/Shims"
cat > "$work/Shims/module.modulemap" <<EOF
module Shims { header "$root/Sources/Shims/include/Shims.h" export * }
EOF
flags=(-O -swift-version 6 -package-name fovea -Xcc "-fmodule-map-file=$work/Shims/module.modulemap"
  -Xcc "-fmodule-map-file=$root/Sources/CZstd/module.modulemap")
swiftc "${flags[@]}" -parse-as-library -sanitize=fuzzer,address -Xfrontend -enforce-exclusivity=checked -module-name WeightFileFuzzer \
  "$root"/Sources/WeightFile/*.swift "$root/Tests/Fuzz/WeightFileFuzzer.swift" -o "$work/fuzz"
# Small valid files to start from, written by the library itself.
mkdir -p "$work/seeds"
cp "$root/Tests/Fuzz/WeightFileSeeds.swift" "$work/seeds/main.swift"
swiftc "${flags[@]}" -module-name WeightFileSeeds "$root"/Sources/WeightFile/*.swift "$work/seeds/main.swift" -o "$work/seed"
"$work/seed" "$work/corpus"
echo "work folder: $work"
cd "$work"
./fuzz -max_total_time="$seconds" -max_len=4096 -rss_limit_mb=1024 -malloc_limit_mb=64 -timeout=10 -print_final_stats=1 corpus
