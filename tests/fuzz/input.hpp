// What the fuzz targets share. A target hands bytes to the library as the content of a file: they may be
// refused with `sysdpo::error` or accepted; any other exception, a crash, a leak, a hang or a broken promise
// is a finding.
#pragma once

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <span>
#include <string>
#include <string_view>

#include "support/temporary_directory.hpp"
#include "sysdpo/core/error.hpp"

namespace fuzz {

/// A fresh folder that lives as long as the process.
inline std::filesystem::path const& folder() {
  static test::temporary_directory const directory;
  return directory.path();
}

/// Writes a file of `folder()` without waiting for the disk.
inline void write(std::filesystem::path const& path, std::string_view content) {
  std::ofstream(path, std::ios::binary).write(content.data(), static_cast<std::streamsize>(content.size()));
}

/// Ends the process as a finding unless `holds`.
inline void demand(bool holds, char const* promise) {
  if (holds) return;
  std::fprintf(stderr, "broken promise: %s\n", promise);
  std::abort();
}

/// True if `read` accepts its input, false if it refuses it with an error that says something.
template <class Read>
bool accepts(Read&& read) {
  try {
    read();
    return true;
  } catch (sysdpo::error const& refusal) {
    demand(!refusal.parts().thing.empty() && !refusal.parts().cause.empty(), "errors name thing and cause");
    return false;
  }
}

}  // namespace fuzz

/// Defined by each target; the bytes come as text.
void run_one(std::string_view input);

// The name is libFuzzer's.
// NOLINTNEXTLINE(readability-identifier-naming)
extern "C" int LLVMFuzzerTestOneInput(unsigned char const* data, std::size_t size) {
  run_one({reinterpret_cast<char const*>(data), size});
  return 0;
}
