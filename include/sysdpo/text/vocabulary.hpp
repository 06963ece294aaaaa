// A word-level tokenizer: words parted by white space, each an id. Special tokens (padding, end of text ...)
// come first and are words like any other, so that decoding and encoding undo one another. A word that is not
// there is an error, never a silent "unknown".
#pragma once

#include <fmt/format.h>

#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "sysdpo/core/error.hpp"
#include "sysdpo/io/json.hpp"

namespace sysdpo {

/// Words and their ids.
class vocabulary {
 public:
  /// Ids count through `special`, then `words`. Fails if a word is empty, holds white space, or comes twice.
  vocabulary(std::vector<std::string> const& special, std::vector<std::string> const& words)
      : special_count_(special.size()), words_(special) {
    words_.insert(words_.end(), words.begin(), words.end());
    for (auto const& word : words_) {
      if (word.empty() || word.find_first_of(white_space) != word.npos)
        refuse(word, "it is empty or holds white space", "Give single words");
      if (!ids_.emplace(word, static_cast<std::int32_t>(ids_.size())).second)
        refuse(word, "it comes twice", "Give each word once");
    }
  }

  /// Reads {"special": [...], "words": [...]}.
  [[nodiscard]] static vocabulary load(std::filesystem::path const& path) {
    json_file const file(path, "vocabulary");
    auto const root = file.root();
    root.allow_only({"special", "words"});
    return {strings(root.at("special")), strings(root.at("words"))};
  }

  /// Writes what `load` reads.
  void save(std::filesystem::path const& path) const {
    json document;
    document["special"] = json::array();
    document["words"] = json::array();
    for (std::size_t i = 0; i < words_.size(); ++i)
      document[i < special_count_ ? "special" : "words"].push_back(words_[i]);
    write_json(path, document);
  }

  /// The number of ids.
  [[nodiscard]] std::size_t size() const noexcept { return words_.size(); }

  /// The id of a word or special token; fails if there is none.
  [[nodiscard]] std::int32_t id(std::string_view word) const {
    auto const found = ids_.find(std::string(word));
    if (found == ids_.end())
      refuse(std::string(word), "it is not in the vocabulary", "Use the vocabulary's words only");
    return found->second;
  }

  /// The word with this id; fails if there is none.
  [[nodiscard]] std::string const& word(std::int32_t id) const {
    if (id < 0 || static_cast<std::size_t>(id) >= size())
      fail({.thing = "vocabulary",
            .place = fmt::format("token {}", id),
            .cause = fmt::format("there are {} tokens", size()),
            .remedy = "Use the vocabulary that the tokens were made with"});
    return words_[static_cast<std::size_t>(id)];
  }

  /// Whether `id` is one of the special tokens.
  [[nodiscard]] bool is_special(std::int32_t id) const noexcept {
    return id >= 0 && static_cast<std::size_t>(id) < special_count_;
  }

  /// The ids of the words of `text`.
  [[nodiscard]] std::vector<std::int32_t> encode(std::string_view text) const {
    std::vector<std::int32_t> ids;
    for (;;) {
      auto const begin = text.find_first_not_of(white_space);
      if (begin == text.npos) return ids;
      auto const end = text.find_first_of(white_space, begin);
      ids.push_back(id(text.substr(begin, end == text.npos ? end : end - begin)));
      if (end == text.npos) return ids;
      text.remove_prefix(end);
    }
  }

  /// The words with these ids, parted by single blanks.
  [[nodiscard]] std::string decode(std::span<std::int32_t const> ids) const {
    std::string text;
    for (auto const id : ids) {
      if (!text.empty()) text += ' ';
      text += word(id);
    }
    return text;
  }

  /// The same words under the same ids.
  friend bool operator==(vocabulary const& a, vocabulary const& b) {
    return a.special_count_ == b.special_count_ && a.words_ == b.words_;
  }

 private:
  static constexpr std::string_view white_space = " \t\n\v\f\r";

  [[noreturn]] static void refuse(std::string const& word, std::string cause, std::string remedy) {
    fail({.thing = "vocabulary",
          .place = fmt::format("word '{}'", word),
          .cause = std::move(cause),
          .remedy = std::move(remedy)});
  }

  static std::vector<std::string> strings(json_view const& array) {
    std::vector<std::string> all(array.size());
    for (std::size_t i = 0; i < all.size(); ++i) all[i] = array.at(i).string();
    return all;
  }

  std::size_t special_count_;
  std::vector<std::string> words_;
  std::unordered_map<std::string, std::int32_t> ids_;
};

}  // namespace sysdpo
