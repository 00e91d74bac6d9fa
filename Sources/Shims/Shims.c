/* SPDX-License-Identifier: Apache-2.0 */
#include "Shims.h"

char *threadErrorText(void) {
  static _Thread_local char text[threadErrorTextCapacity];
  return text;
}
