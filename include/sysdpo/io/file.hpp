// Files that are there whole or not at all: atomic writes, whole reads, read-only maps, a lock on a
// directory. POSIX. Every failure is an `error` that names the path and what the operating system said.
//
// An atomic write goes to "<path>.partial" beside its target, is flushed to the disk, then takes the target's
// name. Whatever happens before that last step, a kill or a full disk, the old file stays as it was. Two
// writers of one path at a time are not kept apart: `directory_lock` does that.
#pragma once

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>

#include "sysdpo/core/error.hpp"

namespace sysdpo {

namespace detail {

/// Fails with what `errno` says.
[[noreturn]] inline void fail_file(std::filesystem::path const& path, std::string_view deed) {
  std::string const reason = std::generic_category().message(errno);
  fail({.thing = "file",
        .place = path.string(),
        .cause = fmt::format("cannot {}: {}", deed, reason),
        .remedy = "Check the path, its permissions and the space left on the disk"});
}

/// Owns a file descriptor.
class descriptor {
 public:
  descriptor() = default;
  explicit descriptor(int number) : number_(number) {}
  descriptor(descriptor&& other) noexcept : number_(std::exchange(other.number_, -1)) {}
  descriptor& operator=(descriptor&& other) noexcept {
    std::swap(number_, other.number_);
    return *this;
  }
  ~descriptor() { close(); }

  [[nodiscard]] int get() const noexcept { return number_; }

  /// False if the system reports a late write error.
  bool close() noexcept { return number_ < 0 || ::close(std::exchange(number_, -1)) == 0; }

 private:
  int number_ = -1;
};

inline descriptor open_file(std::filesystem::path const& path, int flags, std::string_view deed) {
  descriptor file(::open(path.c_str(), flags | O_CLOEXEC, 0666));
  if (file.get() < 0) fail_file(path, deed);
  return file;
}

inline void write_all(descriptor const& file, std::span<std::byte const> bytes,
                      std::filesystem::path const& path) {
  while (!bytes.empty()) {
    auto const written = ::write(file.get(), bytes.data(), bytes.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) fail_file(path, "write");
    bytes = bytes.subspan(static_cast<std::size_t>(written));
  }
}

/// The size of an open regular file; fails for anything else.
inline std::size_t size_of(descriptor const& file, std::filesystem::path const& path) {
  struct stat status {};
  if (::fstat(file.get(), &status) != 0) fail_file(path, "read");
  if (!S_ISREG(status.st_mode)) {
    errno = S_ISDIR(status.st_mode) ? EISDIR : EINVAL;
    fail_file(path, "read");
  }
  return static_cast<std::size_t>(status.st_size);
}

}  // namespace detail

/// Writes a file piece by piece; `commit` makes it appear. Dropped before that, it leaves nothing behind.
class atomic_file {
 public:
  /// Opens a file beside `path`. \throws error if that cannot be.
  explicit atomic_file(std::filesystem::path path)
      : path_(std::move(path)),
        partial_(path_.string() + ".partial"),
        file_(detail::open_file(partial_, O_WRONLY | O_CREAT | O_TRUNC, "create")) {}
  atomic_file(atomic_file const&) = delete;
  atomic_file& operator=(atomic_file const&) = delete;
  /// Removes what was not committed.
  ~atomic_file() {
    if (!committed_) ::unlink(partial_.c_str());
  }

  void write(std::span<std::byte const> bytes) { detail::write_all(file_, bytes, partial_); }
  void write(std::string_view text) { write(std::as_bytes(std::span(text))); }

  /// Flushes the content, then puts it in the place of the old file, if any. Once it returns, the new content
  /// survives a power cut.
  void commit() {
    if (::fsync(file_.get()) != 0) detail::fail_file(partial_, "flush");
    if (!file_.close()) detail::fail_file(partial_, "close");
    if (::rename(partial_.c_str(), path_.c_str()) != 0) detail::fail_file(path_, "replace");
    committed_ = true;
    auto const folder = path_.has_parent_path() ? path_.parent_path() : std::filesystem::path(".");
    auto const directory = detail::open_file(folder, O_RDONLY | O_DIRECTORY, "open the folder");
    // Some file systems cannot flush a directory and say EINVAL: there is nothing more to be done there.
    if (::fsync(directory.get()) != 0 && errno != EINVAL) detail::fail_file(folder, "flush the folder");
  }

 private:
  std::filesystem::path path_, partial_;
  detail::descriptor file_;
  bool committed_ = false;
};

/// Writes `content` to `path`, wholly or not at all.
inline void write_file(std::filesystem::path const& path, std::span<std::byte const> content) {
  atomic_file file(path);
  file.write(content);
  file.commit();
}
/// The same of text.
inline void write_file(std::filesystem::path const& path, std::string_view content) {
  write_file(path, std::as_bytes(std::span(content)));
}

/// The whole content of a regular file.
inline std::string read_file(std::filesystem::path const& path) {
  auto const file = detail::open_file(path, O_RDONLY, "open");
  std::string content(detail::size_of(file, path), '\0');
  std::size_t filled = 0;
  while (filled < content.size()) {
    auto const got = ::read(file.get(), content.data() + filled, content.size() - filled);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) detail::fail_file(path, "read");
    if (got == 0) break;  // it became shorter meanwhile
    filled += static_cast<std::size_t>(got);
  }
  content.resize(filled);
  return content;
}

/// The bytes of a regular file, mapped read-only: no copy is made, pages come from the disk as they are
/// touched. The file may be replaced meanwhile (as atomic writes do) but must not be shortened in place.
class mapped_file {
 public:
  /// \throws error if there is no such file or it cannot be mapped.
  explicit mapped_file(std::filesystem::path const& path) {
    auto const file = detail::open_file(path, O_RDONLY, "open");
    size_ = detail::size_of(file, path);
    if (size_ == 0) return;  // an empty map is refused by the system
    void* const data = ::mmap(nullptr, size_, PROT_READ, MAP_PRIVATE, file.get(), 0);
    if (data == MAP_FAILED) detail::fail_file(path, "map");
    data_ = static_cast<std::byte const*>(data);
  }
  /// Takes over the bytes; `other` has none then.
  mapped_file(mapped_file&& other) noexcept
      : data_(std::exchange(other.data_, nullptr)), size_(std::exchange(other.size_, 0)) {}
  /// Exchanges the bytes.
  mapped_file& operator=(mapped_file&& other) noexcept {
    std::swap(data_, other.data_);
    std::swap(size_, other.size_);
    return *this;
  }
  /// Ends the mapping: views of the bytes are void.
  ~mapped_file() {
    if (data_ != nullptr) ::munmap(const_cast<std::byte*>(data_), size_);
  }

  [[nodiscard]] std::span<std::byte const> bytes() const noexcept { return {data_, size_}; }

 private:
  std::byte const* data_ = nullptr;
  std::size_t size_ = 0;
};

/// Keeps a directory to one process (and one lock within it): constructing a second lock fails. Creates the
/// directory, and a file ".lock" in it. The system frees the lock when the process ends, however it ends.
class directory_lock {
 public:
  /// \throws error if another has the lock or the folder cannot be made.
  explicit directory_lock(std::filesystem::path const& directory) {
    std::error_code code;
    std::filesystem::create_directories(directory, code);
    if (code) {
      errno = code.value();
      detail::fail_file(directory, "create the folder");
    }
    file_ = detail::open_file(directory / ".lock", O_RDWR | O_CREAT, "create");
    if (::flock(file_.get(), LOCK_EX | LOCK_NB) == 0) return;
    if (errno != EWOULDBLOCK) detail::fail_file(directory / ".lock", "lock");
    fail({.thing = "folder",
          .place = directory.string(),
          .cause = "another run is using it",
          .remedy = "Wait for that run to end, or choose another folder"});
  }

 private:
  detail::descriptor file_;
};

}  // namespace sysdpo
