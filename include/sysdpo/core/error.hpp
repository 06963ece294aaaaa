// The library's exceptions: one, and a kind of it that is worth telling apart. Every message names the thing,
// the place, the cause and the remedy.
#pragma once

#include <stdexcept>
#include <string>
#include <utility>

namespace sysdpo {

/// What an `error` says, part by part. `thing` is what was being used ("safetensors file"), `place` where the
/// fault lies
/// ("author.safetensors, tensor 'lm_head.weight'"), `cause` what is wrong there, `remedy` what the user can
/// do about it.
struct error_parts {
  std::string thing;
  std::string place;
  std::string cause;
  std::string remedy;
};

/// Thrown for every fault that input, data, files or options can cause. `what()` reads
/// "<thing> (<place>): <cause>. <remedy>."; the parts stay available to programs.
class error : public std::runtime_error {
 public:
  explicit error(error_parts parts) : std::runtime_error(text_of(parts)), parts_(std::move(parts)) {}

  [[nodiscard]] error_parts const& parts() const noexcept { return parts_; }

 private:
  static std::string text_of(error_parts const& parts) {
    std::string text = parts.thing;
    if (!parts.place.empty()) text += " (" + parts.place + ")";
    text += ": " + parts.cause + ".";
    if (!parts.remedy.empty()) text += " " + parts.remedy + ".";
    return text;
  }

  error_parts parts_;
};

/// What a backend's memory throws when it has none left: whoever knows what fills it may say so and throw it
/// on.
class memory_error : public error {
 public:
  using error::error;
};

/// Throws `error` with `parts`: reads well at the end of a check.
[[noreturn]] inline void fail(error_parts parts) { throw error(std::move(parts)); }

/// Checks the settings of a `thing`: called with what must hold, a setting's name and value, and what is
/// wrong if it does not.
struct setting_check {
  char const* thing;
  char const* remedy;

  /// Fails unless `holds`, naming the setting and its value.
  template <class Value>
  void operator()(bool holds, char const* name, Value value, char const* cause) const {
    if (!holds) fail({thing, std::string(name) + " = " + std::to_string(value), cause, remedy});
  }
};

}  // namespace sysdpo
