/* SPDX-License-Identifier: Apache-2.0 */
/* fovea.h stands alone in C99, and its structures are laid out as version 1.0 pinned them on 64-bit machines. */
#include <fovea.h>

#define PIN(name, condition) typedef char pin_##name[(condition) ? 1 : -1]

#if UINTPTR_MAX == UINT64_MAX
PIN(load_options, sizeof(fovea_load_options) >= 48 && offsetof(fovea_load_options, cache_type) == 28 &&
                      offsetof(fovea_load_options, progress_user) == 40 && offsetof(fovea_load_options, no_mapping) == 48 &&
                      offsetof(fovea_load_options, run_jobs) == 64 && offsetof(fovea_load_options, log_user) == 88 &&
                      offsetof(fovea_load_options, allocator_user) == 112);
PIN(memory_plan, sizeof(fovea_memory_plan) >= 56 && offsetof(fovea_memory_plan, total_bytes) == 48);
PIN(model_info, sizeof(fovea_model_info) >= 88 && offsetof(fovea_model_info, residency) == 84);
PIN(encode_options, sizeof(fovea_encode_options) >= 40 && offsetof(fovea_encode_options, progress_user) == 32 &&
                        offsetof(fovea_encode_options, background) == 44 && offsetof(fovea_encode_options, crop_height) == 60);
PIN(image_info, sizeof(fovea_image_info) >= 32 && offsetof(fovea_image_info, reserved) == 28);
PIN(image_view, sizeof(fovea_image_view) >= 56 && offsetof(fovea_image_view, tokens) == 52);
PIN(session_options, sizeof(fovea_session_options) >= 16 && offsetof(fovea_session_options, reserved) == 12);
PIN(generate_options, sizeof(fovea_generate_options) >= 104 && offsetof(fovea_generate_options, progress_user) == 96);
PIN(generate_result, sizeof(fovea_generate_result) >= 48 && offsetof(fovea_generate_result, text_length) == 40);
PIN(region, sizeof(fovea_region) >= 128 && offsetof(fovea_region, start2) == 124);
PIN(message, sizeof(fovea_message) >= 56 && offsetof(fovea_message, region_count) == 48);
PIN(request, sizeof(fovea_request) >= 88 && offsetof(fovea_request, text) == 72 && offsetof(fovea_request, status) == 80);
PIN(answer, sizeof(fovea_answer) >= 80 && offsetof(fovea_answer, score) == 72);
PIN(place, sizeof(fovea_place) >= 72 && offsetof(fovea_place, phrase) == 64);
PIN(memory_use, sizeof(fovea_memory_use) >= 80 && offsetof(fovea_memory_use, left_bytes) == 72);
PIN(logit_bias, sizeof(fovea_logit_bias) == 8 && offsetof(fovea_logit_bias, bias) == 4);
#endif

PIN(ok, FOVEA_OK == 0);
PIN(buffer, FOVEA_ERROR_BUFFER == 12);
PIN(version, FOVEA_VERSION_NUMBER == FOVEA_VERSION_MAJOR * 10000 + FOVEA_VERSION_MINOR * 100 + FOVEA_VERSION_PATCH);
