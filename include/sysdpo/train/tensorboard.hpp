// A training's metrics as an event file, which TensorBoard draws: one scalar summary a metric and step. Names
// are those of write_metrics; TensorBoard makes a group of those that agree up to a slash.
//
// The file is a sequence of records in the framing of TFRecord, all numbers little-endian,
//   length [8], masked CRC-32C of the length [4], message, masked CRC-32C of the message [4]
// each message an `Event` in the wire format of Protocol Buffers:
//   Event   { 1: double wall_time; 2: int64 step; 3: string file_version; 5: Summary summary }
//   Summary { 1: repeated Value value }      Value { 1: string tag; 2: float simple_value }
#pragma once

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <array>
#include <bit>
#include <cerrno>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>
#include <system_error>

#include "sysdpo/io/file.hpp"
#include "sysdpo/train/callbacks.hpp"

namespace sysdpo {

namespace detail {

/// CRC-32C (Castagnoli; RFC 3720, appendix B.4).
[[nodiscard]] constexpr std::uint32_t crc32c(std::string_view bytes) {
  constexpr auto table = [] {
    std::array<std::uint32_t, 256> remainders{};
    for (std::uint32_t i = 0; i < 256; ++i) {
      remainders[i] = i;
      for (int bit = 0; bit < 8; ++bit)
        remainders[i] = remainders[i] >> 1U ^ (remainders[i] % 2 == 1 ? 0x82F63B78U : 0U);
    }
    return remainders;
  }();
  auto crc = ~std::uint32_t{0};
  for (char const c : bytes) crc = crc >> 8U ^ table[(crc ^ static_cast<unsigned char>(c)) & 0xFFU];
  return ~crc;
}

/// The bytes of a number, lowest first.
template <class Number>
[[nodiscard]] std::string little_endian(Number number) {
  static_assert(std::endian::native == std::endian::little);
  auto const bytes = std::bit_cast<std::array<char, sizeof(Number)>>(number);
  return {bytes.data(), bytes.size()};
}

/// One record of TFRecord around `message`.
[[nodiscard]] inline std::string framed_record(std::string_view message) {
  auto const masked = [](std::string_view bytes) {
    return little_endian(std::rotr(crc32c(bytes), 15) + std::uint32_t{0xA282EAD8});
  };
  auto const length = little_endian(std::uint64_t{message.size()});
  return length + masked(length) + std::string(message) + masked(message);
}

/// Protocol Buffers, as far as events need them: each function gives one field with its key.
struct protobuf {
  static std::string varint(std::uint64_t number) {
    std::string bytes;
    for (; number >= 0x80; number >>= 7U) bytes += static_cast<char>((number & 0x7FU) | 0x80U);
    return bytes + static_cast<char>(number);
  }
  static std::string key(std::uint64_t field, std::uint64_t wire_type) {
    return varint(field << 3U | wire_type);
  }

  static std::string integer(std::uint64_t field, std::uint64_t number) {
    return key(field, 0) + varint(number);
  }
  static std::string number(std::uint64_t field, double number) {
    return key(field, 1) + little_endian(number);
  }
  static std::string number(std::uint64_t field, float number) {
    return key(field, 5) + little_endian(number);
  }
  /// A string, or a message within the message.
  static std::string bytes(std::uint64_t field, std::string_view content) {
    return key(field, 2) + varint(content.size()) + std::string(content);
  }
};

}  // namespace detail

/// Writes an event file into a folder: `tensorboard --logdir FOLDER` shows all that a folder and those within
/// it hold, live. Every process writes a file of its own.
class write_tensorboard final : public callback {
 public:
  /// Give the trainer's `step()`: where a run is resumed, TensorBoard drops from the files before what was
  /// written of later steps. Creates the folder. \throws error if that cannot be done.
  explicit write_tensorboard(std::filesystem::path const& folder, index_t resumed_step = 0)
      : path_(new_path(folder)), file_(detail::open_file(path_, O_WRONLY | O_CREAT | O_EXCL, "create")) {
    write(detail::protobuf::bytes(3, "brain.Event:2"), 0);
    if (resumed_step > 0) {
      // SessionLog { 1: SessionStatus status = START } in Event's field 7.
      auto const start = detail::protobuf::bytes(7, detail::protobuf::integer(1, 1));
      write(start, resumed_step + 1);
    }
  }

  /// Writes one event for each metric.
  bool on_step(training_event const& event) override {
    using detail::protobuf;
    std::string summary;
    for (auto const& [name, value] : event.metrics)
      summary +=
          protobuf::bytes(1, protobuf::bytes(1, name) + protobuf::number(2, static_cast<float>(value)));
    write(protobuf::bytes(5, summary), event.step);
    return true;
  }

  [[nodiscard]] std::filesystem::path const& path() const noexcept { return path_; }

 private:
  using clock = std::chrono::system_clock;

  static double seconds() { return std::chrono::duration<double>(clock::now().time_since_epoch()).count(); }

  /// "events.out.tfevents.<seconds>.<process>.<number>": TensorBoard reads the files of a folder by name.
  static std::filesystem::path new_path(std::filesystem::path const& folder) {
    std::error_code code;
    std::filesystem::create_directories(folder, code);
    if (code) {
      errno = code.value();
      detail::fail_file(folder, "create the folder");
    }
    auto const stem = fmt::format("events.out.tfevents.{:010d}.{}", static_cast<long>(seconds()), ::getpid());
    auto path = folder / fmt::format("{}.0", stem);
    for (int i = 1; std::filesystem::exists(path); ++i) path = folder / fmt::format("{}.{}", stem, i);
    return path;
  }

  void write(std::string const& content, index_t step) {
    using detail::protobuf;
    auto const event =
        protobuf::number(1, seconds()) + protobuf::integer(2, static_cast<std::uint64_t>(step)) + content;
    auto const record = detail::framed_record(event);
    detail::write_all(file_, std::as_bytes(std::span(record)), path_);
  }

  std::filesystem::path path_;
  detail::descriptor file_;
};

}  // namespace sysdpo
