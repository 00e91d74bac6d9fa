// SPDX-License-Identifier: Apache-2.0
// Nothing of its own: the linker settings of libfovea.so, kept away from the tests and the command line (see Package.swift).
import Fovea
