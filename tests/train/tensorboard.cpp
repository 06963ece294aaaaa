#include "sysdpo/train/tensorboard.hpp"

#include <cstring>
#include <limits>
#include <map>

#include "support/catch.hpp"
#include "support/temporary_directory.hpp"
#include "train/tabular_training.hpp"

using namespace test;
using Catch::Contains;
using sysdpo::detail::crc32c;

namespace {

/// Reads Protocol Buffers: the fields of one message, by number, in the order of the file.
struct message {
  struct field {
    std::uint64_t integer = 0;
    std::string bytes;  ///< of a number of fixed width, or of what has a length
  };
  std::multimap<int, field> fields;

  explicit message(std::string const& text) {
    std::size_t at = 0;
    auto const varint = [&] {
      std::uint64_t value = 0;
      for (unsigned shift = 0;; shift += 7) {
        auto const byte = static_cast<unsigned char>(text.at(at++));
        value |= std::uint64_t{byte % 128U} << shift;
        if (byte < 128) return value;
      }
    };
    while (at < text.size()) {
      auto const key = varint();
      field read;
      auto const wire_type = key % 8;
      if (wire_type == 0)
        read.integer = varint();
      else {
        auto const size = wire_type == 1 ? 8 : wire_type == 5 ? 4 : varint();
        REQUIRE(at + size <= text.size());
        read.bytes = text.substr(at, size);
        at += size;
      }
      fields.emplace(static_cast<int>(key / 8), read);
    }
  }

  [[nodiscard]] field const& at(int number) const {
    REQUIRE(fields.count(number) == 1);
    return fields.find(number)->second;
  }
};

template <class Number>
Number number_in(std::string const& bytes) {
  REQUIRE(bytes.size() == sizeof(Number));
  Number number;
  std::memcpy(&number, bytes.data(), sizeof number);
  return number;
}

/// The records of a file, whose checksums are checked: the mask as TensorFlow's record_writer has it.
std::vector<message> events_of(std::filesystem::path const& path) {
  auto const content = sysdpo::read_file(path);
  auto const check = [](std::string const& bytes, std::string const& stored) {
    auto const crc = crc32c(bytes);
    CHECK(number_in<std::uint32_t>(stored) == ((crc >> 15U) | (crc << 17U)) + 0xa282ead8U);
  };
  std::vector<message> events;
  for (std::size_t at = 0; at < content.size();) {
    auto const length = content.substr(at, 8);
    check(length, content.substr(at + 8, 4));
    auto const size = number_in<std::uint64_t>(length);
    REQUIRE(at + 16 + size <= content.size());
    auto const text = content.substr(at + 12, size);
    check(text, content.substr(at + 12 + size, 4));
    events.emplace_back(text);
    at += 16 + size;
  }
  return events;
}

/// The scalars of an event with a summary, by tag.
std::map<std::string, float> scalars_of(message const& event) {
  message const summary(event.at(5).bytes);
  std::map<std::string, float> scalars;
  for (auto const& [number, field] : summary.fields) {
    CHECK(number == 1);
    message const value(field.bytes);
    scalars[value.at(1).bytes] = number_in<float>(value.at(2).bytes);
  }
  return scalars;
}

}  // namespace

TEST_CASE("CRC-32C gives the published values", "[tensorboard]") {
  CHECK(crc32c("123456789") == 0xE3069283U);              // the check value of the CRC catalogues
  CHECK(crc32c(std::string(32, '\0')) == 0x8A9136AAU);    // RFC 3720, B.4
  CHECK(crc32c(std::string(32, '\xFF')) == 0x62A8AB43U);  // the same
  CHECK(crc32c("") == 0);
}

TEST_CASE("an event file holds each step's metrics under their names", "[tensorboard]") {
  test::temporary_directory const folder;
  sysdpo::write_tensorboard writing(folder / "runs/first");
  CHECK_THAT(writing.path().filename().string(), Catch::Matchers::StartsWith("events.out.tfevents."));
  auto const nan = std::numeric_limits<double>::quiet_NaN();
  sysdpo::metric_map const first{{"loss", 0.7}, {"node/writer/rewards/margins", -1.5}};
  sysdpo::metric_map const second{{"eval/loss", nan}, {"loss", 0.1}, {std::string(300, 'x'), 2}};
  writing.on_step({.step = 1, .steps = 400, .metrics = first});
  writing.on_step({.step = 300, .steps = 400, .metrics = second});

  auto const events = events_of(writing.path());
  REQUIRE(events.size() == 3);
  CHECK(events[0].at(3).bytes == "brain.Event:2");
  for (auto const& event : events) CHECK(number_in<double>(event.at(1).bytes) > 1.7e9);
  CHECK(events[1].at(2).integer == 1);
  CHECK(scalars_of(events[1]) ==
        std::map<std::string, float>{{"loss", 0.7F}, {"node/writer/rewards/margins", -1.5F}});
  CHECK(events[2].at(2).integer == 300);
  auto const scalars = scalars_of(events[2]);
  CHECK(scalars.size() == 3);
  CHECK(scalars.at("loss") == 0.1F);
  CHECK(std::isnan(scalars.at("eval/loss")));
  CHECK(scalars.at(std::string(300, 'x')) == 2);
}

TEST_CASE("a resumed training says from which step on its file counts", "[tensorboard]") {
  test::temporary_directory const folder;
  auto const pairs = ranked_pairs();
  auto const start = random_models<skip_system>(1);
  auto reference = start;
  auto options = some_training();
  options.checkpoints = folder / "run";
  auto const train = [&](sysdpo::index_t stop, sysdpo::metric_map& last) {
    auto policy = start;
    tabular_trainer training(policy, reference, {}, pairs, options);
    sysdpo::write_tensorboard writing(folder / "events", training.step());
    listener ending([&](sysdpo::training_event const& event) {
      last = event.metrics;
      return event.step < stop;
    });
    training.run({&writing, &ending});
    return writing.path();
  };
  sysdpo::metric_map last;
  auto const before = train(5, last);
  auto const after = train(100, last);
  CHECK(before != after);
  CHECK(events_of(before).size() == 1 + 5);

  auto const events = events_of(after);
  REQUIRE(events.size() == 2 + 19);
  CHECK(events[1].at(2).integer == 6);
  CHECK(message(events[1].at(7).bytes).at(1).integer == 1);  // SessionLog, START
  CHECK(events[2].at(2).integer == 6);
  CHECK(events.back().at(2).integer == 24);
  auto const scalars = scalars_of(events.back());
  REQUIRE(scalars.size() == last.size());
  for (auto const& [name, value] : last) CHECK(scalars.at(name) == static_cast<float>(value));
}

TEST_CASE("a folder that cannot be made is refused by name", "[tensorboard]") {
  test::temporary_directory const folder;
  sysdpo::write_file(folder / "file", std::string_view("in the way"));
  CHECK_THROWS_WITH(sysdpo::write_tensorboard(folder / "file"), Contains("file"));
}
