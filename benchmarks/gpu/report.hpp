// What the programs of this folder share: which cases are asked for, and the file of figures.
#pragma once

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

namespace benchmarks::gpu {

/// Whether a case is asked for: all are where `only` is empty, else those with one of its texts in their
/// name.
inline bool is_chosen(std::string const& name, std::vector<std::string> const& only) {
  return only.empty() || std::any_of(only.begin(), only.end(), [&](std::string const& text) {
           return name.find(text) != std::string::npos;
         });
}

/// Writes a report whole or not at all, whenever the program ends. Nothing where no file is asked for.
inline void save(nlohmann::ordered_json const& report, std::string const& file) {
  if (file.empty()) return;
  std::ofstream(file + ".tmp") << report.dump(1) << '\n';
  std::filesystem::rename(file + ".tmp", file);
}

}  // namespace benchmarks::gpu
