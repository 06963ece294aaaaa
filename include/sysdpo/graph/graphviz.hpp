// The picture of a system, in the DOT language of Graphviz: `dot -Tsvg` draws it.
#pragma once

#include <array>
#include <cstddef>
#include <string>
#include <string_view>
#include <type_traits>

#include "sysdpo/graph/node.hpp"
#include "sysdpo/graph/system.hpp"
#include "sysdpo/graph/type_list.hpp"
#include "sysdpo/graph/value.hpp"

namespace sysdpo {

namespace detail {

/// Fill colours of the models, pale enough for black text.
inline constexpr std::array<std::string_view, 8> model_colours{"#cfe2f3", "#fce5cd", "#d9ead3", "#ead1dc",
                                                               "#fff2cc", "#d0e0e3", "#e6e0f5", "#f4cccc"};

inline std::string dot_quoted(std::string_view text) {
  std::string quoted = "\"";
  for (char const c : text) {
    if (c == '\n') {
      quoted += "\\n";
      continue;
    }
    if (c == '"' || c == '\\') quoted += '\\';
    quoted += c;
  }
  return quoted + '"';
}

inline void add_line(std::string& label, std::string_view line) {
  if (!line.empty()) label.append("\n").append(line);
}

template <class Policy>
constexpr std::string_view kind_of() {
  if constexpr (requires { std::string_view(Policy::kind); }) {
    return Policy::kind;
  }
  return {};
}

template <class Parent>
struct dot_edge {
  static std::string to(std::string_view child) {
    return dot_quoted(name_of<Parent>()) + " -> " + dot_quoted(child) + ";\n";
  }
};

template <class Name, int Index>
struct dot_edge<part<Name, Index>> {
  static std::string to(std::string_view child) {
    return dot_quoted(name_of<Name>()) + " -> " + dot_quoted(child) + " [label=\"" + std::to_string(Index) +
           "\"];\n";
  }
};

template <class System, class Node>
std::string dot_node() {
  std::string label(name_of<typename Node::name>());
  add_line(label, kind_of<typename Node::policy>());
  add_line(label, describe<typename Node::value>());
  std::string_view colour = "white";
  if constexpr (!std::is_same_v<typename Node::model, no_model>) {
    add_line(label, "model " + std::string(model_name<typename Node::model>()));
    colour = model_colours[System::models::template index_of<typename Node::model> % model_colours.size()];
  }
  return dot_quoted(name_of<typename Node::name>()) + R"( [shape=box, style="rounded,filled", fillcolor=")" +
         std::string(colour) + "\", label=" + dot_quoted(label) + "];\n";
}

}  // namespace detail

/// `System` in DOT, from top to bottom: sources are ellipses; nodes are boxes that tell name, kind of policy,
/// value and model, one colour a model, so that nodes which share weights look alike; an edge from a part
/// bears its index. The models' tags must be complete here, since their names are shown.
template <class System>
std::string graphviz() {
  std::string dot = "digraph system {\n  node [fontname=\"Helvetica\"];\n  edge [fontname=\"Helvetica\"];\n";
  for_each_source<System>([&](auto tag) {
    using source = typename decltype(tag)::source;
    std::string label(name_of<typename source::name>());
    detail::add_line(label, describe<typename source::value>());
    dot += "  " + detail::dot_quoted(name_of<typename source::name>()) +
           " [shape=ellipse, label=" + detail::dot_quoted(label) + "];\n";
  });
  for_each_node<System>([&](auto tag) {
    using node = typename decltype(tag)::node;
    dot += "  " + detail::dot_node<System, node>();
    [&]<class... Parents>(from<Parents...>) {
      ((dot += "  " + detail::dot_edge<Parents>::to(name_of<typename node::name>())), ...);
    }(typename node::parents{});
  });
  return dot + "}\n";
}

}  // namespace sysdpo
