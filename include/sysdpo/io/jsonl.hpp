// JSON lines: one JSON document a line. The writer appends, one system call a line, so that a killed process
// can leave at most one torn line, at the end; opening the file again cuts it off. The reader gives each line
// its number.
#pragma once

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <cstddef>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>
#include <utility>

#include "sysdpo/io/file.hpp"
#include "sysdpo/io/json.hpp"

namespace sysdpo {

/// Appends lines to a file, which is created if it is not there. One writer a file.
class jsonl_writer {
 public:
  /// Opens or creates the file and cuts off a torn last line.
  explicit jsonl_writer(std::filesystem::path path)
      : path_(std::move(path)), file_(detail::open_file(path_, O_RDWR | O_CREAT | O_APPEND, "open")) {
    std::string const content = read_file(path_);
    size_ = content.rfind('\n') + 1;  // 0 where there is none: npos + 1
    torn_bytes_ = content.size() - size_;
    if (torn_bytes_ > 0) cut();
  }

  /// Appends one line. When the disk is full the line is taken back and an error says so; the lines before it
  /// stay. NaN and infinities become null: JSON has no other word for them. \throws error on text that is not
  /// UTF-8 too.
  void write(json const& document) {
    std::string const line = detail::json_text(document, path_);
    try {
      detail::write_all(file_, std::as_bytes(std::span(line)), path_);
    } catch (error const&) {
      cut();
      throw;
    }
    size_ += line.size();
  }

  /// Waits until all lines are on the disk.
  void flush() {
    if (::fsync(file_.get()) != 0) detail::fail_file(path_, "flush");
  }

  /// The length of the torn line that was cut off at opening; 0 where there was none.
  [[nodiscard]] std::size_t torn_bytes() const noexcept { return torn_bytes_; }

 private:
  void cut() {
    if (::ftruncate(file_.get(), static_cast<off_t>(size_)) != 0) detail::fail_file(path_, "shorten");
  }

  std::filesystem::path path_;
  detail::descriptor file_;
  std::size_t size_ = 0;  // up to the end of the last whole line
  std::size_t torn_bytes_ = 0;
};

/// Calls `visit(json_view, line_number)` for every line that is not blank, counting from 1. Errors name the
/// file and the line; `thing` says what the file is.
template <class Visit>
void read_jsonl(std::filesystem::path const& path, std::string const& thing, Visit&& visit) {
  mapped_file const file(path);
  std::string_view rest(reinterpret_cast<char const*>(file.bytes().data()), file.bytes().size());
  for (std::size_t number = 1; !rest.empty(); ++number) {
    auto const end = rest.find('\n');
    std::string_view const line = rest.substr(0, end);
    rest.remove_prefix(end == rest.npos ? rest.size() : end + 1);
    if (line.find_first_not_of(" \t\r") == line.npos) continue;
    std::string const place = fmt::format("{}, line {}", path.string(), number);
    json const document = parse_json(line, thing, place);
    visit(json_view(document, thing, place), number);
  }
}

}  // namespace sysdpo
