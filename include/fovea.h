/* SPDX-License-Identifier: Apache-2.0 */
#ifndef FOVEA_H
#define FOVEA_H
#endif
