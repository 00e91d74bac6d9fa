// SPDX-License-Identifier: Apache-2.0
/**
 * Fovea for C++17: the C interface (fovea.h, which is the manual) with RAII, std::string, std::function callbacks, and exceptions or, where
 * these are unwanted, results that hold a value or an error.
 *
 *     fovea::model model;                                         // the built-in one
 *     fovea::image image = model.encode("receipt.jpg");
 *     fovea::session session = model.new_session();
 *     std::string answer = session.generate("What is the total?", {image}).text;
 *
 * Every call that can fail has a variant with the prefix `try_`, which throws nothing itself and returns a `fovea::result`:
 *
 *     fovea::result<fovea::answer> found = session.try_generate("Why?", {image});
 *     if (found) puts(found->text.c_str()); else puts(found.error().message.c_str());
 *
 * With exceptions off (-fno-exceptions) only the `try_` variants exist. The C++ library's own allocations may still throw std::bad_alloc. An
 * exception that leaves a callback stops the work, and is rethrown by the call.
 */
#ifndef FOVEA_HPP
#define FOVEA_HPP

#include <fovea.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#if defined(__cpp_exceptions)
#include <exception>
#include <stdexcept>
#define FOVEA_HAS_EXCEPTIONS 1
#else
#define FOVEA_HAS_EXCEPTIONS 0
#endif

namespace fovea {

/** A non-owning view of contiguous values; a subset of C++20's std::span. */
template <class T> class span {
public:
  constexpr span() noexcept = default;
  constexpr span(T *data, std::size_t size) noexcept : data_(data), size_(size) {}
  template <class Container, class = std::enable_if_t<std::is_convertible<decltype(std::declval<Container &>().data()), T *>::value>>
  constexpr span(Container &values) noexcept : data_(values.data()), size_(values.size()) {}
  /** Of values that live until the end of the full expression. */
  template <class Container, class = std::enable_if_t<std::is_convertible<decltype(std::declval<const Container &>().data()), T *>::value>>
  constexpr span(const Container &values) noexcept : data_(values.data()), size_(values.size()) {}
  constexpr T *data() const noexcept { return data_; }
  constexpr std::size_t size() const noexcept { return size_; }
  constexpr bool empty() const noexcept { return size_ == 0; }
  constexpr T *begin() const noexcept { return data_; }
  constexpr T *end() const noexcept { return data_ + size_; }
  constexpr T &operator[](std::size_t i) const noexcept { return data_[i]; }

private:
  T *data_ = nullptr;
  std::size_t size_ = 0;
};

/** The status and message of a failed call. */
struct failure {
  fovea_status status = FOVEA_ERROR_INTERNAL;
  std::string message;
};

#if FOVEA_HAS_EXCEPTIONS
/** A failure as an exception. */
class error : public std::runtime_error {
public:
  explicit error(const failure &f) : std::runtime_error(f.message), status_(f.status) {}
  fovea_status status() const noexcept { return status_; }

private:
  fovea_status status_;
};
#endif

/** A value, or a failure. */
template <class T> class [[nodiscard]] result {
public:
  result(T value) : value_(std::move(value)) {}
  result(failure why) : why_(std::move(why)) {}
  explicit operator bool() const noexcept { return value_.has_value(); }
  bool has_value() const noexcept { return value_.has_value(); }
  /** Undefined without a value. */
  T &operator*() & noexcept { return *value_; }
  const T &operator*() const & noexcept { return *value_; }
  T *operator->() noexcept { return &*value_; }
  const T *operator->() const noexcept { return &*value_; }
  const failure &error() const noexcept { return why_; }
  template <class U> T value_or(U &&other) && { return value_ ? std::move(*value_) : static_cast<T>(std::forward<U>(other)); }
  /** The value; throws the failure where there is none. */
  T value() && {
#if FOVEA_HAS_EXCEPTIONS
    if (!value_) throw fovea::error(why_);
#endif
    return std::move(*value_);
  }

private:
  std::optional<T> value_;
  failure why_;
};

/** The value of calls without a result. */
struct done {};

namespace detail {

inline failure last_failure(fovea_status status) { return {status, fovea_last_error(nullptr)}; }

/** C would read a text with a NUL byte up to it only. */
inline bool is_cut(const std::string &text) { return text.find('\0') != std::string::npos; }
inline failure cut(const char *name) { return {FOVEA_ERROR_ARGUMENT, std::string(name) + ": has a NUL byte."}; }

/** Frees an object of the library. */
template <class Object, void (*Free)(Object *)> struct releaser {
  void operator()(Object *object) const noexcept { Free(object); }
};

/** Runs the host's callbacks; an exception is kept until the call has returned. */
class callbacks {
public:
  std::function<bool(std::int32_t, std::string_view)> on_token;
  std::function<bool(std::size_t, std::size_t)> progress;

  static int token(void *user, std::int32_t id, const char *text, std::size_t length) noexcept {
    auto &self = *static_cast<callbacks *>(user);
    return self.run([&] { return self.on_token(id, std::string_view(text, length)); });
  }
  static int step(void *user, std::size_t finished, std::size_t total) noexcept {
    auto &self = *static_cast<callbacks *>(user);
    return self.run([&] { return self.progress(finished, total); });
  }
  void rethrow() const {
#if FOVEA_HAS_EXCEPTIONS
    if (thrown_) std::rethrow_exception(thrown_);
#endif
  }

private:
  template <class Body> int run(Body &&body) noexcept {
#if FOVEA_HAS_EXCEPTIONS
    try {
      return body() ? 0 : 1;
    } catch (...) {
      thrown_ = std::current_exception();
      return 1;
    }
#else
    return body() ? 0 : 1;
#endif
  }
#if FOVEA_HAS_EXCEPTIONS
  std::exception_ptr thrown_;
#endif
};

} // namespace detail

/** An encoded image, reference counted: copies share it. */
class image {
public:
  image() noexcept = default;
  image(const image &other) noexcept : held_(fovea_image_embedding_retain(other.get())) {}
  image(image &&) noexcept = default;
  image &operator=(image other) noexcept {
    held_ = std::move(other.held_);
    return *this;
  }
  /** Takes ownership of a reference. */
  explicit image(fovea_image_embedding *owned) noexcept : held_(owned) {}
  fovea_image_embedding *get() const noexcept { return held_.get(); }

  fovea_image_info info() const {
    fovea_image_info info{};
    info.struct_size = sizeof info;
    (void)fovea_image_embedding_get_info(get(), &info);
    return info;
  }
  /** [tokens, hidden_size]; belongs to the image. */
  span<const float> data() const {
    const auto facts = info();
    return {fovea_image_embedding_data(get()), static_cast<std::size_t>(facts.tokens) * static_cast<std::size_t>(facts.hidden_size)};
  }
  result<std::vector<std::uint8_t>> try_bytes() const {
    std::size_t size = 0;
    fovea_status status = fovea_image_embedding_serialize(get(), nullptr, 0, &size);
    std::vector<std::uint8_t> bytes(size);
    if (status == FOVEA_OK) status = fovea_image_embedding_serialize(get(), bytes.data(), bytes.size(), &size);
    if (status != FOVEA_OK) return detail::last_failure(status);
    return bytes;
  }
#if FOVEA_HAS_EXCEPTIONS
  std::vector<std::uint8_t> bytes() const { return try_bytes().value(); }
#endif

private:
  std::unique_ptr<fovea_image_embedding, detail::releaser<fovea_image_embedding, fovea_image_embedding_release>> held_;
};

enum class role : std::int32_t { user = FOVEA_ROLE_USER, assistant = FOVEA_ROLE_ASSISTANT, system = FOVEA_ROLE_SYSTEM };

/** Regions that a prompt refers to, in pixels: the two most used shapes of fovea_region. */
inline fovea_region point(double x, double y, std::int32_t image = 0) {
  fovea_region region{};
  region.struct_size = sizeof region;
  region.kind = FOVEA_REGION_POINT;
  region.image = image;
  region.x1 = x;
  region.y1 = y;
  return region;
}
inline fovea_region box(double x1, double y1, double x2, double y2, std::int32_t image = 0) {
  fovea_region region = point(x1, y1, image);
  region.kind = FOVEA_REGION_BOX;
  region.x2 = x2;
  region.y2 = y2;
  return region;
}

/** One message of a conversation. */
struct message {
  fovea::role role = fovea::role::user;
  std::string text;
  std::vector<image> images;
  std::vector<fovea_region> regions;
};

/** Options of an answer: the C structure `c`, and C++ values for its pointers, which override those of `c` where they are set. */
struct options {
  fovea_generate_options c = [] {
    fovea_generate_options empty{};
    empty.struct_size = sizeof empty;
    return empty;
  }();
  std::vector<std::string> stop_texts;
  std::vector<fovea_region> regions;
  std::vector<fovea_logit_bias> logit_biases;
  std::vector<std::int32_t> allowed_tokens, forbidden_tokens, stop_ids;
  std::optional<std::string> task;
  /** Gets each token's id and text; false ends the answer. */
  std::function<bool(std::int32_t id, std::string_view text)> on_token;
  /** Gets the prompt's tokens processed, and in all; false stops the call. */
  std::function<bool(std::size_t finished, std::size_t total)> progress;
};

/** An answer with its counts and times. */
struct answer {
  std::string text;
  fovea_generate_result figures{};
};

/** One of several answers, see fovea_answer. */
struct choice {
  std::string text;
  std::vector<std::int32_t> ids;
  std::vector<float> log_probabilities;
  /** [ids, top_count]. */
  std::vector<std::int32_t> top_ids;
  std::vector<float> top_log_probabilities;
  std::size_t top_count = 0;
  std::int32_t stop_reason = FOVEA_STOP_END;
  /** Of a beam, and with `alternatives`. */
  double score = 0;
  /** Index of the image that it is about, with `alternatives`. */
  std::int32_t image = 0;
};

/** A place that an answer names. */
struct place {
  double x1 = 0, y1 = 0, x2 = 0, y2 = 0;
  bool is_point = false;
  std::string phrase;
  double log_probability = 0;
};

class session {
public:
  session() noexcept = default;
  /** Takes ownership of the session. */
  explicit session(fovea_session *owned) noexcept : held_(owned) {}
  fovea_session *get() const noexcept { return held_.get(); }

  result<answer> try_generate(const std::string &prompt, const std::vector<image> &images = {}, const options &o = {}) {
    if (detail::is_cut(prompt)) return detail::cut("prompt");
    const auto handles = pointers(images);
    return ask(o, [&](const fovea_generate_options *c, fovea_generate_result *figures, char **text) {
      return fovea_generate(get(), prompt.c_str(), handles.data(), handles.size(), c, figures, text);
    });
  }
  /** Reads a page of any size, see fovea_read_image. `prompt` nullopt: the model's own for pages. */
  result<answer> try_read(const std::string &path, const std::optional<std::string> &prompt = std::nullopt, const options &o = {},
                          const fovea_encode_options *views = nullptr) {
    if (detail::is_cut(path)) return detail::cut("path");
    return read_page(prompt, o, [&](const char *asked, const fovea_generate_options *c, fovea_generate_result *figures, char **text) {
      return fovea_read_image(get(), path.c_str(), asked, views, c, figures, text);
    });
  }
  /** The same from the bytes of a file. */
  result<answer> try_read(span<const std::uint8_t> file, const std::optional<std::string> &prompt = std::nullopt, const options &o = {},
                          const fovea_encode_options *views = nullptr) {
    return read_page(prompt, o, [&](const char *asked, const fovea_generate_options *c, fovea_generate_result *figures, char **text) {
      return fovea_read_image_bytes(get(), file.data(), file.size(), asked, views, c, figures, text);
    });
  }
  /** The same from RGB pixels; `stride` bytes from row to row, 0: without gaps. */
  result<answer> try_read(const std::uint8_t *rgb, std::int32_t width, std::int32_t height, std::size_t stride = 0,
                          const std::optional<std::string> &prompt = std::nullopt, const options &o = {},
                          const fovea_encode_options *views = nullptr) {
    return read_page(prompt, o, [&](const char *asked, const fovea_generate_options *c, fovea_generate_result *figures, char **text) {
      return fovea_read_image_pixels(get(), rgb, width, height, stride, asked, views, c, figures, text);
    });
  }
  result<answer> try_chat(const std::vector<message> &messages, const options &o = {}) {
    std::vector<std::vector<fovea_image_embedding *>> handles;
    std::vector<fovea_message> said;
    for (const message &m : messages)
      if (detail::is_cut(m.text)) return detail::cut("messages");
    for (const message &m : messages) handles.push_back(pointers(m.images));
    for (std::size_t i = 0; i < messages.size(); i++) {
      fovea_message c{};
      c.struct_size = sizeof c;
      c.role = static_cast<std::int32_t>(messages[i].role);
      c.text = messages[i].text.c_str();
      c.images = handles[i].data();
      c.image_count = handles[i].size();
      c.regions = messages[i].regions.data();
      c.region_count = messages[i].regions.size();
      said.push_back(c);
    }
    return ask(o, [&](const fovea_generate_options *c, fovea_generate_result *figures, char **text) {
      return fovea_chat(get(), said.data(), said.size(), c, figures, text);
    });
  }
  result<std::vector<double>> try_score(const std::string &prompt, const std::vector<std::string> &continuations,
                                        const std::vector<image> &images = {}, const options &o = {}) {
    const auto handles = pointers(images);
    std::vector<const char *> texts;
    if (detail::is_cut(prompt)) return detail::cut("prompt");
    for (const std::string &text : continuations) {
      if (detail::is_cut(text)) return detail::cut("continuations");
      texts.push_back(text.c_str());
    }
    std::vector<double> scores(texts.size());
    prepared p(o);
    if (p.cut) return detail::cut(p.cut);
    const fovea_status status = fovea_score(get(), prompt.c_str(), handles.data(), handles.size(), &p.c, texts.data(), texts.size(), scores.data());
    p.calls.rethrow();
    if (status != FOVEA_OK) return detail::last_failure(status);
    return scores;
  }
  /** The answers of the last call. */
  result<std::vector<choice>> try_choices() const {
    std::vector<choice> found(fovea_session_answer_count(get()));
    for (std::size_t i = 0; i < found.size(); i++) {
      fovea_answer c{};
      c.struct_size = sizeof c;
      const fovea_status status = fovea_session_get_answer(get(), i, &c);
      if (status != FOVEA_OK) return detail::last_failure(status);
      const std::size_t top = static_cast<std::size_t>(c.top_count), all = c.id_count * top;
      found[i].text.assign(c.text, c.text_length);
      found[i].ids.assign(c.ids, c.ids + c.id_count);
      if (c.log_probabilities) found[i].log_probabilities.assign(c.log_probabilities, c.log_probabilities + c.id_count);
      if (c.top_ids) found[i].top_ids.assign(c.top_ids, c.top_ids + all);
      if (c.top_log_probabilities) found[i].top_log_probabilities.assign(c.top_log_probabilities, c.top_log_probabilities + all);
      found[i].top_count = top;
      found[i].stop_reason = c.stop_reason;
      found[i].score = c.score;
      found[i].image = c.image;
    }
    return found;
  }
  /** The places that the last answer names. */
  result<std::vector<place>> try_places() const {
    std::vector<place> found(fovea_session_place_count(get()));
    for (std::size_t i = 0; i < found.size(); i++) {
      fovea_place c{};
      c.struct_size = sizeof c;
      const fovea_status status = fovea_session_get_place(get(), i, &c);
      if (status != FOVEA_OK) return detail::last_failure(status);
      found[i] = {c.x1, c.y1, c.x2, c.y2, c.is_point != 0, c.phrase, c.log_probability};
    }
    return found;
  }
  result<session> try_fork() {
    fovea_session *out = nullptr;
    const fovea_status status = fovea_session_fork(get(), &out);
    if (status != FOVEA_OK) return detail::last_failure(status);
    return session(out);
  }
  result<done> try_rewind(std::size_t tokens) { return check(fovea_session_rewind(get(), tokens)); }
  result<done> try_reset() { return check(fovea_session_reset(get())); }
  result<done> try_save(const std::string &path) {
    if (detail::is_cut(path)) return detail::cut("path");
    return check(fovea_session_save_file(get(), path.c_str()));
  }
  result<std::vector<std::uint8_t>> try_bytes() {
    std::size_t size = 0;
    fovea_status status = fovea_session_save(get(), nullptr, 0, &size);
    std::vector<std::uint8_t> bytes(size);
    if (status == FOVEA_OK) status = fovea_session_save(get(), bytes.data(), bytes.size(), &size);
    if (status != FOVEA_OK) return detail::last_failure(status);
    return bytes;
  }
  std::size_t length() const noexcept { return fovea_session_length(get()); }
  /** From any thread. */
  void cancel() noexcept { fovea_session_cancel(get()); }

#if FOVEA_HAS_EXCEPTIONS
  answer generate(const std::string &prompt, const std::vector<image> &images = {}, const options &o = {}) {
    return try_generate(prompt, images, o).value();
  }
  answer read(const std::string &path, const std::optional<std::string> &prompt = std::nullopt, const options &o = {},
              const fovea_encode_options *views = nullptr) {
    return try_read(path, prompt, o, views).value();
  }
  answer read(span<const std::uint8_t> file, const std::optional<std::string> &prompt = std::nullopt, const options &o = {},
              const fovea_encode_options *views = nullptr) {
    return try_read(file, prompt, o, views).value();
  }
  answer read(const std::uint8_t *rgb, std::int32_t width, std::int32_t height, std::size_t stride = 0,
              const std::optional<std::string> &prompt = std::nullopt, const options &o = {}, const fovea_encode_options *views = nullptr) {
    return try_read(rgb, width, height, stride, prompt, o, views).value();
  }
  answer chat(const std::vector<message> &messages, const options &o = {}) { return try_chat(messages, o).value(); }
  std::vector<double> score(const std::string &prompt, const std::vector<std::string> &continuations, const std::vector<image> &images = {},
                            const options &o = {}) {
    return try_score(prompt, continuations, images, o).value();
  }
  std::vector<choice> choices() const { return try_choices().value(); }
  std::vector<place> places() const { return try_places().value(); }
  session fork() { return try_fork().value(); }
  void rewind(std::size_t tokens) { (void)try_rewind(tokens).value(); }
  void reset() { (void)try_reset().value(); }
  void save(const std::string &path) { (void)try_save(path).value(); }
  std::vector<std::uint8_t> bytes() { return try_bytes().value(); }
#endif

private:
  /** The C options, with the arrays that they point to. */
  struct prepared {
    fovea_generate_options c;
    detail::callbacks calls;
    std::vector<const char *> stops;
    const char *cut = nullptr; /* the name of a text with a NUL byte */

    explicit prepared(const options &o) : c(o.c) {
      for (const std::string &text : o.stop_texts) {
        if (detail::is_cut(text)) cut = "options.stop_texts";
        stops.push_back(text.c_str());
      }
      if (o.task && detail::is_cut(*o.task)) cut = "options.task";
      put(c.stop_texts, c.stop_text_count, stops);
      put(c.regions, c.region_count, o.regions);
      put(c.logit_biases, c.logit_bias_count, o.logit_biases);
      put(c.allowed_tokens, c.allowed_token_count, o.allowed_tokens);
      put(c.forbidden_tokens, c.forbidden_token_count, o.forbidden_tokens);
      put(c.stop_ids, c.stop_id_count, o.stop_ids);
      if (o.task) c.task = o.task->c_str();
      if (o.on_token) {
        calls.on_token = o.on_token;
        c.on_token = detail::callbacks::token;
        c.on_token_user = &calls;
      }
      if (o.progress) {
        calls.progress = o.progress;
        c.progress = detail::callbacks::step;
        c.progress_user = &calls;
      }
    }
    prepared(const prepared &) = delete;
    prepared &operator=(const prepared &) = delete;

    template <class Pointer, class Values> static void put(Pointer &pointer, std::size_t &count, const Values &values) {
      if (values.empty()) return;
      pointer = values.data();
      count = values.size();
    }
  };

  static std::vector<fovea_image_embedding *> pointers(const std::vector<image> &images) {
    std::vector<fovea_image_embedding *> found;
    for (const image &i : images) found.push_back(i.get());
    return found;
  }
  static result<done> check(fovea_status status) {
    if (status != FOVEA_OK) return detail::last_failure(status);
    return done{};
  }
  template <class Call> result<answer> read_page(const std::optional<std::string> &prompt, const options &o, Call &&call) {
    if (prompt && detail::is_cut(*prompt)) return detail::cut("prompt");
    const char *asked = prompt ? prompt->c_str() : nullptr;
    return ask(o, [&](const fovea_generate_options *c, fovea_generate_result *figures, char **text) { return call(asked, c, figures, text); });
  }
  template <class Call> result<answer> ask(const options &o, Call &&call) {
    prepared p(o);
    if (p.cut) return detail::cut(p.cut);
    answer found;
    found.figures.struct_size = sizeof found.figures;
    char *text = nullptr;
    const fovea_status status = call(&p.c, &found.figures, &text);
    std::unique_ptr<char, detail::releaser<char, fovea_string_free>> held(text);
    p.calls.rethrow();
    if (status != FOVEA_OK) return detail::last_failure(status);
    if (text) found.text.assign(text, found.figures.text_length);
    return found;
  }

  std::unique_ptr<fovea_session, detail::releaser<fovea_session, fovea_session_free>> held_;
};

class model {
public:
  /** The built-in model; without exceptions, no model. */
#if FOVEA_HAS_EXCEPTIONS
  model() : model(std::move(try_load()).value()) {}
  explicit model(const std::string &path, const fovea_load_options *o = nullptr) : model(std::move(try_load(path, o)).value()) {}
#else
  model() noexcept = default;
#endif
  /** Takes ownership of the model. */
  explicit model(fovea_model *owned) noexcept : held_(owned) {}
  fovea_model *get() const noexcept { return held_.get(); }

  /** Without a path: the built-in model. */
  static result<model> try_load(const std::optional<std::string> &path = std::nullopt, const fovea_load_options *o = nullptr) {
    if (path && detail::is_cut(*path)) return detail::cut("path");
    fovea_model *out = nullptr;
    const fovea_status status = fovea_load(path ? path->c_str() : nullptr, o, &out);
    if (status != FOVEA_OK) return detail::last_failure(status);
    return model(out);
  }
  static result<model> try_load(span<const std::uint8_t> bytes, const fovea_load_options *o = nullptr) {
    fovea_model *out = nullptr;
    const fovea_status status = fovea_load_memory(bytes.data(), bytes.size(), o, &out);
    if (status != FOVEA_OK) return detail::last_failure(status);
    return model(out);
  }

  fovea_model_info info() const {
    fovea_model_info info{};
    info.struct_size = sizeof info;
    (void)fovea_model_get_info(get(), &info);
    return info;
  }
  result<image> try_encode(const std::string &path, const fovea_encode_options *o = nullptr) const {
    if (detail::is_cut(path)) return detail::cut("path");
    return encoded([&](fovea_image_embedding **out) { return fovea_encode_image(get(), path.c_str(), o, out); });
  }
  result<image> try_encode(span<const std::uint8_t> file, const fovea_encode_options *o = nullptr) const {
    return encoded([&](fovea_image_embedding **out) { return fovea_encode_image_bytes(get(), file.data(), file.size(), o, out); });
  }
  /** RGB pixels; `stride` bytes from row to row, 0: without gaps. */
  result<image> try_encode(const std::uint8_t *rgb, std::int32_t width, std::int32_t height, std::size_t stride = 0,
                           const fovea_encode_options *o = nullptr) const {
    return encoded([&](fovea_image_embedding **out) { return fovea_encode_image_pixels(get(), rgb, width, height, stride, o, out); });
  }
  /** From the result of image::bytes. */
  result<image> try_image(span<const std::uint8_t> bytes) const {
    return encoded([&](fovea_image_embedding **out) { return fovea_image_embedding_deserialize(get(), bytes.data(), bytes.size(), out); });
  }
  result<session> try_new_session(std::int32_t context_length = 0) const {
    return opened(context_length, [&](const fovea_session_options *o, fovea_session **out) { return fovea_session_create(get(), o, out); });
  }
  /** From a file that session::save wrote. */
  result<session> try_load_session(const std::string &path, std::int32_t context_length = 0) const {
    if (detail::is_cut(path)) return detail::cut("path");
    return opened(context_length,
                  [&](const fovea_session_options *o, fovea_session **out) { return fovea_session_load_file(get(), path.c_str(), o, out); });
  }
  /** From the result of session::bytes. */
  result<session> try_load_session(span<const std::uint8_t> bytes, std::int32_t context_length = 0) const {
    return opened(context_length,
                  [&](const fovea_session_options *o, fovea_session **out) { return fovea_session_load(get(), bytes.data(), bytes.size(), o, out); });
  }
  result<std::vector<std::int32_t>> try_tokenize(std::string_view text) const {
    std::vector<std::int32_t> ids(text.size() + 16);
    std::size_t count = 0;
    fovea_status status = fovea_tokenize(get(), text.data(), text.size(), ids.data(), ids.size(), &count);
    if (status == FOVEA_ERROR_BUFFER) {
      ids.resize(count);
      status = fovea_tokenize(get(), text.data(), text.size(), ids.data(), ids.size(), &count);
    }
    if (status != FOVEA_OK) return detail::last_failure(status);
    ids.resize(count);
    return ids;
  }
  result<std::string> try_detokenize(span<const std::int32_t> ids, bool shows_specials = false) const {
    const std::int32_t flags = shows_specials ? FOVEA_DETOKENIZE_SPECIALS : 0;
    std::size_t length = 0;
    fovea_status status = fovea_detokenize(get(), ids.data(), ids.size(), flags, nullptr, 0, &length);
    std::string text(length + 1, '\0');
    if (status == FOVEA_OK) status = fovea_detokenize(get(), ids.data(), ids.size(), flags, &text[0], text.size(), &length);
    if (status != FOVEA_OK) return detail::last_failure(status);
    text.resize(length);
    return text;
  }

#if FOVEA_HAS_EXCEPTIONS
  image encode(const std::string &path, const fovea_encode_options *o = nullptr) const { return try_encode(path, o).value(); }
  image encode(span<const std::uint8_t> file, const fovea_encode_options *o = nullptr) const { return try_encode(file, o).value(); }
  image encode(const std::uint8_t *rgb, std::int32_t width, std::int32_t height, std::size_t stride = 0,
               const fovea_encode_options *o = nullptr) const {
    return try_encode(rgb, width, height, stride, o).value();
  }
  session new_session(std::int32_t context_length = 0) const { return try_new_session(context_length).value(); }
  session load_session(const std::string &path, std::int32_t context_length = 0) const { return try_load_session(path, context_length).value(); }
  session load_session(span<const std::uint8_t> bytes, std::int32_t context_length = 0) const {
    return try_load_session(bytes, context_length).value();
  }
  std::vector<std::int32_t> tokenize(std::string_view text) const { return try_tokenize(text).value(); }
  std::string detokenize(span<const std::int32_t> ids, bool shows_specials = false) const { return try_detokenize(ids, shows_specials).value(); }
#endif

private:
  template <class Call> static result<image> encoded(Call &&call) {
    fovea_image_embedding *out = nullptr;
    const fovea_status status = call(&out);
    if (status != FOVEA_OK) return detail::last_failure(status);
    return image(out);
  }
  template <class Call> static result<session> opened(std::int32_t context_length, Call &&call) {
    fovea_session_options o{};
    o.struct_size = sizeof o;
    o.context_length = context_length;
    fovea_session *out = nullptr;
    const fovea_status status = call(&o, &out);
    if (status != FOVEA_OK) return detail::last_failure(status);
    return session(out);
  }

  std::unique_ptr<fovea_model, detail::releaser<fovea_model, fovea_model_free>> held_;
};

} // namespace fovea

#endif
