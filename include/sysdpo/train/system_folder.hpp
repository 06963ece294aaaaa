// A whole system on the disk: system.json, and for every model a folder of its name with config.json and
// model.safetensors, as Hugging Face's tools read them.
#pragma once

#include <fmt/format.h>

#include <array>
#include <deque>
#include <filesystem>
#include <optional>
#include <string>
#include <system_error>

#include "sysdpo/core/config.hpp"
#include "sysdpo/graph/graphviz.hpp"
#include "sysdpo/io/file.hpp"
#include "sysdpo/model/models.hpp"
#include "sysdpo/train/config_json.hpp"
#include "sysdpo/train/weights.hpp"

namespace sysdpo {

namespace detail {

inline void create_folder(std::filesystem::path const& folder) {
  std::error_code code;
  std::filesystem::create_directories(folder, code);
  if (!code) return;
  errno = code.value();
  fail_file(folder, "create the folder");
}

inline void remove_folder(std::filesystem::path const& folder) {
  std::error_code code;
  std::filesystem::remove_all(folder, code);
  if (!code) return;
  errno = code.value();
  fail_file(folder, "remove the folder");
}

/// Flushes a folder's entries to the disk.
inline void flush_folder(std::filesystem::path const& folder) {
  auto const directory = open_file(folder, O_RDONLY | O_DIRECTORY, "open the folder");
  if (::fsync(directory.get()) != 0 && errno != EINVAL) fail_file(folder, "flush the folder");
}

inline std::filesystem::path parent_of(std::filesystem::path const& path) {
  return path.has_parent_path() ? path.parent_path() : std::filesystem::path(".");
}

/// "panel_0", or "writer[1]" for a part.
template <class Reference>
struct reference_name {
  static std::string get() { return std::string(name_of<Reference>()); }
};
template <class Name, int Index>
struct reference_name<part<Name, Index>> {
  static std::string get() { return fmt::format("{}[{}]", name_of<Name>(), Index); }
};

template <class... Parents>
json names_of(from<Parents...>) {
  auto names = json::array();
  (names.push_back(reference_name<Parents>::get()), ...);
  return names;
}

/// What a system's type says, for system.json.
template <class System>
json declarations_of() {
  json sources = json::array();
  json nodes = json::array();
  for_each_source<System>([&](auto tag) {
    using source = typename decltype(tag)::source;
    sources.push_back(
        {{"name", name_of<typename source::name>()}, {"value", describe<typename source::value>()}});
  });
  for_each_node<System>([&](auto tag) {
    using node = typename decltype(tag)::node;
    json entry = {{"name", name_of<typename node::name>()},
                  {"value", describe<typename node::value>()},
                  {"policy", kind_of<typename node::policy>()},
                  {"parents", names_of(typename node::parents{})}};
    if constexpr (!std::is_same_v<typename node::model, no_model>)
      entry["model"] = model_name<typename node::model>();
    nodes.push_back(std::move(entry));
  });
  return {{"sources", std::move(sources)}, {"nodes", std::move(nodes)}};
}

inline constexpr int system_format_version = 1;

/// Fails unless system.json describes `System`.
template <class System>
void check_declarations(json_view const& root) {
  auto const version = root.at("format_version");
  if (version.template integer<index_t>(1) > system_format_version)
    version.fail(fmt::format("this library reads versions up to {}", system_format_version),
                 "Use a newer sysdpo");
  auto const expected = declarations_of<System>();
  for (auto const* kind : {"sources", "nodes"}) {
    auto const saved = root.at(kind);
    if (saved.size() != expected[kind].size())
      saved.fail(fmt::format("{} are saved where the system has {}", saved.size(), expected[kind].size()),
                 "Load it into the system that was saved");
    for (std::size_t i = 0; i < saved.size(); ++i)
      if (!same(saved.at(i).value(), expected[kind][i]))
        saved.at(i).fail(fmt::format("{} is saved where the system has {}", saved.at(i).value().dump(),
                                     expected[kind][i].dump()),
                         "Load it into the system that was saved");
  }
}

/// Fails unless the configuration in `file` is that of the instance.
template <class Config>
void check_config(std::filesystem::path const& file, Config const& config) {
  auto const wanted = config_format<Config>::write(config);
  auto const saved = config_format<Config>::write(read_config<Config>(file));
  for (auto const& [key, value] : wanted.items())
    if (!same(saved.at(key), value))
      fail({"model configuration", fmt::format("{}, /{}", file.string(), key),
            fmt::format("{} is saved where the model has {}", saved.at(key).dump(), value.dump()),
            "Build the models with the saved configuration"});
}

/// Writes the files of `save_system` into an existing folder, system.json last.
template <class Models>
void write_system(std::filesystem::path const& folder, Models const& models, json const& extra) {
  using System = typename Models::system;
  json document = declarations_of<System>();
  document["format_version"] = system_format_version;
  document["library_version"] =
      fmt::format("{}.{}.{}", SYSDPO_VERSION_MAJOR, SYSDPO_VERSION_MINOR, SYSDPO_VERSION_PATCH);
  document["models"] = json::object();
  if (!extra.is_null()) document["extra"] = extra;
  models.for_each([&](auto index, auto const& model) {
    using description = typename decltype(index)::model;
    std::string const name(model_name<description>());
    create_folder(folder / name);
    write_config(folder / name / "config.json", std::get<index>(models.configs()));
    save_weights(folder / name / "model.safetensors", model.parameters());
    document["models"][name] = {{"folder", name},
                                {"dtype", name_of(dtype_of<typename Models::precision_type::parameter>())}};
  });
  write_json(folder / "system.json", document);
}

/// Puts the folder `from` in the place of `to`, which may be there already.
inline void replace_folder(std::filesystem::path const& from, std::filesystem::path const& to) {
  if (::renameat2(AT_FDCWD, from.c_str(), AT_FDCWD, to.c_str(), RENAME_EXCHANGE) == 0) {
    flush_folder(parent_of(to));
    remove_folder(from);
    return;
  }
  if (std::filesystem::exists(to)) {  // a system that cannot exchange
    auto const old = std::filesystem::path(to.string() + ".old");
    remove_folder(old);
    if (::rename(to.c_str(), old.c_str()) != 0) fail_file(to, "rename");
    if (::rename(from.c_str(), to.c_str()) != 0) {
      auto const cause = errno;
      ::rename(old.c_str(), to.c_str());
      errno = cause;
      fail_file(to, "replace");
    }
    flush_folder(parent_of(to));
    remove_folder(old);
    return;
  }
  if (::rename(from.c_str(), to.c_str()) != 0) fail_file(to, "create");
  flush_folder(parent_of(to));
}

}  // namespace detail

/// Writes a system's models to `folder`, wholly or not at all; an older save there is replaced. `extra` is
/// kept in system.json for the user, such as the settings of the policies. \throws error if the folder holds
/// anything but a saved system, or cannot be written.
template <class System, class Backend, class Precision>
void save_system(std::filesystem::path const& folder, models<System, Backend, Precision> const& models,
                 json const& extra = nullptr) {
  auto const target = folder.has_filename() ? folder : folder.parent_path();
  if (std::filesystem::exists(target)) {
    if (!std::filesystem::is_directory(target)) {
      errno = ENOTDIR;
      detail::fail_file(target, "write the system");
    }
    for (auto const& entry : std::filesystem::directory_iterator(target)) {
      auto const name = entry.path().filename().string();
      bool known = name == "system.json";
      models.for_each([&](auto index, auto const&) {
        known = known || name == model_name<typename decltype(index)::model>();
      });
      if (!known)
        fail({"system folder", target.string(),
              fmt::format("it holds '{}', which is no part of a saved system", name),
              "Choose another folder"});
    }
  }
  auto const partial = std::filesystem::path(target.string() + ".partial");
  detail::remove_folder(partial);
  detail::create_folder(partial);
  try {
    detail::write_system(partial, models, extra);
    detail::replace_folder(partial, target);
  } catch (...) {
    std::error_code ignored;
    std::filesystem::remove_all(partial, ignored);
    throw;
  }
}

/// Reads the weights of a saved system into `models`. Returns the `extra` that was saved, null if none.
/// \throws error if the folder holds another system, other configurations or unfitting weights; `models` then
/// stay as they were.
template <class System, class Backend, class Precision>
json load_system(std::filesystem::path const& folder, models<System, Backend, Precision>& models) {
  json_file const document(folder / "system.json", "saved system");
  detail::check_declarations<System>(document.root());
  std::deque<detail::fitting_weights<safetensors_folder, Backend, Precision>> fitting;
  models.for_each([&](auto index, auto& model) {
    auto const place = folder / model_name<typename decltype(index)::model>();
    detail::check_config(place / "config.json", std::get<index>(models.configs()));
    fitting.emplace_back(place, model.parameters(), extra_tensors::refuse);
  });
  for (auto const& weights : fitting) weights.copy();
  return document.root().contains("extra") ? document.root().at("extra").value() : json();
}

/// The configurations of a saved system, to build its models with.
template <class System>
[[nodiscard]] model_configs<System> read_configs(std::filesystem::path const& folder) {
  json_file const document(folder / "system.json", "saved system");
  detail::check_declarations<System>(document.root());
  return [&]<std::size_t... I>(std::index_sequence<I...>) {
    return model_configs<System>{read_config<std::tuple_element_t<I, model_configs<System>>>(
        folder / model_name<typename System::models::template at<I>>() / "config.json")...};
  }(std::make_index_sequence<System::model_count>{});
}

}  // namespace sysdpo
