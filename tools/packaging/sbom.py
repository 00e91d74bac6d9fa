# SPDX-License-Identifier: Apache-2.0
"""Prints the bill of materials of a release's library as SPDX 2.3: what is compiled in, in which version.

usage: sbom.py VERSION ARCH PACKAGES, PACKAGES being what tools/sysroot noted: a package and its version a line.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

# Debian's package, name, licence: linked into tarballs and wheels.
CODECS = [
    ("libpng-dev", "libpng", "libpng-2.0"),
    ("libjpeg62-turbo-dev", "libjpeg-turbo", "IJG AND BSD-3-Clause AND Zlib"),
    ("libzstd-dev", "zstd", "BSD-3-Clause"),
    ("zlib1g-dev", "zlib", "Zlib"),
]


def package(name: str, version: str, licence: str) -> dict:
    return {
        "SPDXID": f"SPDXRef-{name}",
        "name": name,
        "versionInfo": version,
        "licenseConcluded": licence,
        "licenseDeclared": licence,
        "copyrightText": "NOASSERTION",
        "downloadLocation": "NOASSERTION",
        "filesAnalyzed": False,
    }


def main() -> None:
    version, arch, packages = sys.argv[1:]
    versions = dict(line.split(maxsplit=1) for line in Path(packages).read_text(encoding="utf-8").splitlines() if " " in line)
    compiler = subprocess.run(["swiftc", "--version"], capture_output=True, text=True, check=True).stdout
    swift = compiler.split("Swift version ", 1)[-1].split()[0]
    parts = [package("fovea", version, "Apache-2.0"), package("swift-stdlib", swift, "Apache-2.0 WITH Swift-exception")]
    parts += [package(name, versions.get(debian, "NOASSERTION"), licence) for debian, name, licence in CODECS]
    links = [{"spdxElementId": "SPDXRef-DOCUMENT", "relationshipType": "DESCRIBES", "relatedSpdxElement": "SPDXRef-fovea"}]
    links += [{"spdxElementId": "SPDXRef-fovea", "relationshipType": "STATIC_LINK", "relatedSpdxElement": part["SPDXID"]} for part in parts[1:]]
    created = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(int(os.environ["SOURCE_DATE_EPOCH"])))
    document = {
        "spdxVersion": "SPDX-2.3",
        "dataLicense": "CC0-1.0",
        "SPDXID": "SPDXRef-DOCUMENT",
        "name": f"fovea-{version}-linux-{arch}",
        "documentNamespace": f"https://spdx.org/spdxdocs/fovea-{version}-linux-{arch}-{created}",
        "creationInfo": {"created": created, "creators": ["Tool: tools/build-release"]},
        "packages": parts,
        "relationships": links,
    }
    print(json.dumps(document, indent=2))


if __name__ == "__main__":
    main()
