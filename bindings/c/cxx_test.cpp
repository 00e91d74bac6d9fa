// SPDX-License-Identifier: Apache-2.0
// fovea.hpp with the built-in model: its results equal the C interface's; failures are exceptions or results.
#include <fovea.hpp>

#include <cstdio>
#include <cstring>
#include <string>
#include <vector>

static int failures = 0;

static void expect(bool holds, const char *what) {
  if (holds) return;
  std::printf("WRONG: %s (%s)\n", what, fovea_last_error(nullptr));
  failures++;
}

static std::vector<std::uint8_t> picture() {
  std::vector<std::uint8_t> rgb(90 * 60 * 3);
  for (std::size_t i = 0; i < rgb.size(); i++) rgb[i] = static_cast<std::uint8_t>(i * 31 + i / 97);
  return rgb;
}

static fovea::options eight() {
  fovea::options o;
  o.c.max_tokens = 8;
  o.c.ignore_eos = 1;
  return o;
}

static void results() {
  auto loaded = fovea::model::try_load();
  expect(loaded.has_value(), "the built-in model loads");
  if (!loaded) return;
  const auto rgb = picture();
  auto image = loaded->try_encode(rgb.data(), 90, 60);
  auto session = loaded->try_new_session();
  expect(image && session, "an image and a session");
  if (!image || !session) return;
  auto answer = session->try_generate("What is in the picture?", {*image}, eight());
  expect(answer && answer->figures.generated_tokens == 8, "an answer");
  fovea_load_options hosted{};
  hosted.struct_size = sizeof hosted;
  int lines = 0;
  hosted.log_user = &lines;
  hosted.log = [](void *user, fovea_log_level, const char *) { ++*static_cast<int *>(user); };
  hosted.run_jobs = [](void *, std::size_t count, fovea_job job, void *context) {
    for (std::size_t i = 0; i < count; ++i) job(context, i);
  };
  expect(fovea::model::try_load(std::nullopt, &hosted).has_value() && lines == 1, "a host's jobs and log");

  auto missing = fovea::model::try_load(std::string("/nonexistent.fovea"));
  expect(!missing && missing.error().status == FOVEA_ERROR_IO && !missing.error().message.empty(), "a missing file is told");
  auto wrong = session->try_generate("<image>", {}, eight());
  expect(!wrong && wrong.error().status == FOVEA_ERROR_ARGUMENT, "a mark without an image is told");

  // A page, from its pixels.
  fovea_encode_options views{};
  views.struct_size = sizeof views;
  views.mode = "100%";
  auto read = session->try_read(rgb.data(), 90, 60, 0, std::string("What is in the picture?"), eight(), &views);
  expect(read && read->figures.generated_tokens > 0 && read->figures.generated_tokens <= 8, "a page is read");
  views.deadline_seconds = 1;
  auto refused = session->try_read(rgb.data(), 90, 60, 0, std::nullopt, eight(), &views);
  expect(!refused && refused.error().message.find("encode.deadline_seconds") != std::string::npos, "one deadline is for all");
  auto gone = session->try_read(std::string("/nonexistent.png"));
  expect(!gone && gone.error().status == FOVEA_ERROR_IO, "a missing page is told");

  // C would read these up to the NUL only.
  const std::string cut("what\0 is this", 13);
  auto stopped = eight();
  stopped.stop_texts = {cut};
  for (const auto &found : {session->try_generate(cut, {*image}, eight()), session->try_generate("what", {*image}, stopped),
                            session->try_chat({{fovea::role::user, cut, {*image}, {}}}, eight())})
    expect(!found && found.error().status == FOVEA_ERROR_ARGUMENT && found.error().message.find("NUL") != std::string::npos, "a NUL byte is told");
  // Results go straight into the next call.
  expect(loaded->try_load_session(session->try_bytes().value_or(std::vector<std::uint8_t>())).has_value(), "a session's bytes");
  expect(loaded->try_detokenize(loaded->try_tokenize("abc").value_or(std::vector<std::int32_t>())).has_value(), "tokens as text");

  // The same question as a message, streamed.
  std::string streamed;
  auto o = eight();
  o.on_token = [&](std::int32_t, std::string_view text) {
    streamed += text;
    return true;
  };
  fovea::image copy = *image;
  auto said = session->try_chat({{fovea::role::user, "What is in the picture?", {copy}, {}}}, o);
  expect(said && answer && said->text == answer->text && streamed == said->text, "a message is answered as the question");
  expect(said && said->figures.reused_tokens > 0, "and the image is not read again");

  // A fork, a saved session, and a rewind change no answer.
  auto fork = session->try_fork();
  auto bytes = session->try_bytes();
  expect(fork && bytes, "a fork, and bytes");
  if (!fork || !bytes) return;
  auto opened = loaded->try_load_session(*bytes);
  expect(opened.has_value() && opened->length() == session->length(), "a session from its bytes");
  expect(fork->try_rewind(3).has_value() && fork->length() == 3 && !fork->try_rewind(9), "a session is cut back");
  auto first = fork->try_generate("Why?", {*image}, eight());
  if (opened) {
    auto second = opened->try_generate("Why?", {*image}, eight());
    expect(first && second && first->text == second->text, "both give the same answer");
  }
  (*bytes)[bytes->size() / 2] ^= 1;
  auto damaged = loaded->try_load_session(*bytes);
  expect(!damaged && damaged.error().status == FOVEA_ERROR_FORMAT, "damaged bytes are told");

  // Several answers, log-probabilities, tokens.
  o = eight();
  o.c.temperature = 2;
  o.c.answers = 3;
  o.c.logprobs = 2;
  o.forbidden_tokens = {7};
  expect(session->try_generate("Describe.", {*image}, o).has_value(), "three answers");
  auto choices = session->try_choices();
  expect(choices && choices->size() == 3 && (*choices)[2].top_ids.size() == 2 * (*choices)[2].ids.size(), "with what else was likely");
  auto scores = session->try_score("Is it red?", {"yes", "no"}, {*image});
  expect(scores && scores->size() == 2 && (*scores)[0] < 0, "scores");
  auto ids = loaded->try_tokenize("red circle");
  expect(ids && !ids->empty(), "ids of a text");
  if (ids) {
    auto text = loaded->try_detokenize(*ids);
    expect(text && *text == "red circle", "and its text again");
  }
  auto image_bytes = image->try_bytes();
  if (image_bytes) expect(loaded->try_image(*image_bytes).has_value(), "an image from its bytes");
}

#if FOVEA_HAS_EXCEPTIONS
static void exceptions() {
  try {
    fovea::model model;
    const auto rgb = picture();
    fovea::image image = model.encode(rgb.data(), 90, 60);
    fovea::session session = model.new_session();
    const std::string text = session.generate("Describe.", {image}, eight()).text;
    std::vector<fovea::message> talk = {{fovea::role::user, "Describe.", {image}, {}}};
    expect(session.chat(talk, eight()).text == text, "a conversation with exceptions");
    expect(image.data().size() == static_cast<std::size_t>(image.info().tokens * image.info().hidden_size), "an image's vectors");
    try {
      (void)session.generate("<image>");
      expect(false, "a failure is thrown");
    } catch (const fovea::error &e) {
      expect(e.status() == FOVEA_ERROR_ARGUMENT && std::strstr(e.what(), "<image>"), "with its status and text");
    }
    auto o = eight();
    o.on_token = [](std::int32_t, std::string_view) -> bool { throw 42; };
    try {
      (void)session.generate("Describe.", {image}, o);
      expect(false, "a callback's exception comes out");
    } catch (int number) {
      expect(number == 42, "a callback's exception comes out as it was");
    }
    expect(session.generate("Describe.", {image}, eight()).text == text, "and the session is as before");
    fovea::session moved = std::move(session);
    moved.reset();
    expect(moved.length() == 0, "a session forgets");
  } catch (const std::exception &e) {
    std::printf("WRONG: %s\n", e.what());
    failures++;
  }
}
#endif

int main() {
  results();
#if FOVEA_HAS_EXCEPTIONS
  exceptions();
#endif
  if (failures == 0) std::puts("C++: ok");
  return failures == 0 ? 0 : 1;
}
