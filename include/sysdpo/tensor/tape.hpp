// Define-by-run reverse mode. A `variable` is a value and, where a gradient is wanted, a place on a tape. Ops
// compute a value and `record` how its gradient flows back; `backward` walks the tape once, in reverse,
// freeing what each op kept as it goes. One tape serves one score call; its memory is kept for the next
// (`reset`).
//
// Contract of gradients: the first contribution to a gradient overwrites (`=`), later ones add (`+=`); the
// gradient_view that an op is handed says which. Gradients of parameters live in the parameters and add up
// over tapes until the optimiser clears them.
#pragma once

#include <concepts>
#include <cstddef>
#include <initializer_list>
#include <memory>
#include <new>
#include <utility>
#include <vector>

#include "sysdpo/tensor/parameter.hpp"
#include "sysdpo/tensor/tensor.hpp"

namespace sysdpo {

struct add_op;

template <class Backend, class T>
class tape;

namespace detail {

/// What a tape walks back over.
struct tape_entry {
  tape_entry() = default;
  tape_entry(tape_entry const&) = delete;
  tape_entry& operator=(tape_entry const&) = delete;
  virtual ~tape_entry() = default;
  /// Whether a gradient came here.
  [[nodiscard]] virtual bool reached() const = 0;
  /// Passes the gradient on to the op's inputs.
  virtual void flow() = 0;
};

/// A value's place on the tape. `gradient` points at the node's own tensor or at a parameter's.
template <class Backend, class T>
struct tape_node : tape_entry {
  gradient_slot<Backend, T> own{};
  gradient_slot<Backend, T>* gradient = &own;
  shape extents{};

  [[nodiscard]] bool reached() const final { return gradient->filled; }
};

/// Chunks of raw memory handed out front to back and reused after `reset`.
class arena {
 public:
  void* take(std::size_t bytes) {
    bytes = (bytes + alignof(std::max_align_t) - 1) / alignof(std::max_align_t) * alignof(std::max_align_t);
    while (chunk_ < chunks_.size() && used_ + bytes > chunk_bytes) {
      ++chunk_;
      used_ = 0;
    }
    if (chunk_ == chunks_.size()) chunks_.push_back(std::make_unique<std::byte[]>(chunk_bytes));
    auto* const at = chunks_[chunk_].get() + used_;
    used_ += bytes;
    return at;
  }
  void reset() noexcept {
    chunk_ = 0;
    used_ = 0;
  }
  static constexpr std::size_t chunk_bytes = std::size_t{1} << 16;

 private:
  std::vector<std::unique_ptr<std::byte[]>> chunks_;
  std::size_t chunk_ = 0;
  std::size_t used_ = 0;
};

}  // namespace detail

/// A tensor that may take part in differentiation. Cheap to copy; empty when default-constructed (an operand
/// not given).
template <class Backend, class T>
class variable {
 public:
  using node_type = detail::tape_node<Backend, T>;

  variable() = default;
  /// A value, and its place on a tape if it wants a gradient.
  explicit variable(tensor<Backend, T> value, node_type* node = nullptr)
      : value_(std::move(value)), node_(node) {}

  [[nodiscard]] tensor<Backend, T> const& value() const& noexcept { return value_; }
  [[nodiscard]] tensor<Backend, T> value() && noexcept { return std::move(value_); }
  [[nodiscard]] shape const& extents() const noexcept { return value_.extents(); }
  [[nodiscard]] index_t extent(int axis) const noexcept { return value_.extent(axis); }
  [[nodiscard]] array_view<T const> view() const noexcept { return value_.const_view(); }
  [[nodiscard]] explicit operator bool() const noexcept { return static_cast<bool>(value_); }
  [[nodiscard]] bool wants_gradient() const noexcept { return node_ != nullptr; }
  [[nodiscard]] node_type* node() const noexcept { return node_; }

  /// The same elements under other extents. Gradients pass through untouched: both share one place on the
  /// tape.
  [[nodiscard]] variable reshaped(shape const& extents) const {
    return variable{value_.reshaped(extents), node_};
  }

 private:
  tensor<Backend, T> value_;
  node_type* node_ = nullptr;
};

/// An input's place on the tape, as a recorded op keeps it: nothing of the value, so that ops which don't
/// need an input's value don't keep it alive.
template <class Backend, class T>
class gradient_of {
 public:
  /// The place of `input`.
  gradient_of(variable<Backend, T> const& input)
      : node_(input.node()) {}  // NOLINT(google-explicit-constructor)

  [[nodiscard]] explicit operator bool() const noexcept { return node_ != nullptr; }

  /// Where to put the next contribution. Null view if no gradient is wanted.
  [[nodiscard]] gradient_view<T> sink() const {
    if (node_ == nullptr) return {};
    auto const accumulate = node_->gradient->open(node_->extents);
    return {node_->gradient->value.data(), node_->extents, accumulate};
  }

  /// The same, for a backward pass that can overwrite the input's values, `spent`, with their gradient: the
  /// first contribution goes there, and the gradient keeps the memory. Nobody else may hold it.
  [[nodiscard]] gradient_view<T> sink_in(tensor<Backend, T> const& spent) const {
    if (node_ != nullptr && !node_->gradient->filled) node_->gradient->value = spent.reshaped(node_->extents);
    return sink();
  }

 private:
  detail::tape_node<Backend, T>* node_;
};

namespace detail {

/// Whether an input of an op, of whatever type, wants a gradient.
class wish {
 public:
  template <class Backend, class T>
  wish(variable<Backend, T> const& input)  // NOLINT(google-explicit-constructor)
      : wanted_(input.wants_gradient()) {}
  template <class Backend, class T>
  wish(gradient_of<Backend, T> const& input)  // NOLINT(google-explicit-constructor)
      : wanted_(static_cast<bool>(input)) {}
  /// Of an op that knows by other means than its inputs.
  explicit wish(bool wanted) : wanted_(wanted) {}
  [[nodiscard]] explicit operator bool() const noexcept { return wanted_; }

 private:
  bool wanted_;
};

}  // namespace detail

/// Whether a tape keeps what it sees.
enum class recording { off, on };

/// Records operations and sends gradients back through them. T is what a model computes in; what sums up its
/// results may be wider, and stands on the same tape.
template <class Backend, class T>
class tape {
 public:
  explicit tape(recording mode = recording::on) : recording_(mode == recording::on) {}
  tape(tape const&) = delete;
  tape& operator=(tape const&) = delete;
  ~tape() { reset(); }

  [[nodiscard]] bool is_recording() const noexcept { return recording_; }

  /// A value that takes no gradient.
  template <class U>
  [[nodiscard]] variable<Backend, U> constant(tensor<Backend, U> value) const {
    return variable<Backend, U>{std::move(value)};
  }

  /// A leaf whose gradient can be read from `slot` afterwards (added to what `slot` holds). `slot` must
  /// outlive the tape's use.
  template <class U>
  [[nodiscard]] variable<Backend, U> watch(tensor<Backend, U> value, gradient_slot<Backend, U>& slot) {
    if (!recording_) {
      has_skipped_ = true;
      return constant(std::move(value));
    }
    struct leaf final : detail::tape_node<Backend, U> {
      void flow() override {}
    };
    auto* const node = place<leaf>();
    node->gradient = &slot;
    node->extents = value.extents();
    return variable<Backend, U>{std::move(value), node};
  }

  /// A parameter as a variable, converted to the type that ops compute in where it is stored in another.
  /// Frozen ones take no gradient and cost no backward work.
  template <class Precision>
    requires std::same_as<typename Precision::compute, T>
  [[nodiscard]] variable<Backend, T> watch(parameter<Backend, Precision>& weight) {
    tensor<Backend, T> value;
    if constexpr (std::same_as<typename Precision::parameter, T>) {
      value = weight.value;
    } else {
      value = tensor<Backend, T>(weight.value.extents());
      implement<cast_op, Backend>::forward(weight.value.const_view(), value.view());
    }
    return weight.trainable ? watch(std::move(value), weight.gradient) : constant(std::move(value));
  }

  /// Records an op: `value` came from `inputs`, and `flow(upstream)` passes `upstream` (a view of the
  /// gradient of `value`) on to them. Nothing is recorded, and `flow` is dropped, when no input wants a
  /// gradient.
  template <class U, std::invocable<array_view<U const>> Flow>
  [[nodiscard]] variable<Backend, U> record(tensor<Backend, U> value,
                                            std::initializer_list<detail::wish> inputs, Flow&& flow) {
    bool wanted = false;
    for (auto const& input : inputs) wanted = wanted || static_cast<bool>(input);
    has_skipped_ = has_skipped_ || (wanted && !recording_);
    if (!wanted || !recording_) return variable<Backend, U>{std::move(value)};
    struct operation final : detail::tape_node<Backend, U> {
      explicit operation(Flow&& f) : body(std::forward<Flow>(f)) {}
      void flow() override { body(this->gradient->value.const_view()); }
      std::decay_t<Flow> body;
    };
    auto* const node = place<operation>(std::forward<Flow>(flow));
    node->extents = value.extents();
    return variable<Backend, U>{std::move(value), node};
  }

  /// Sends `seed` (same extents as `root`) back through everything recorded and clears the tape. A root that
  /// takes no gradient is allowed: nothing happens.
  template <class U>
  void backward(variable<Backend, U> const& root, tensor<Backend, U> const& seed) {
    if (root.wants_gradient() && seed.extents() != root.extents())
      fail({"tape", "backward",
            "the seed is " + to_string(seed.extents()) + ", the root " + to_string(root.extents()),
            "Give one upstream value per element of the root"});
    backward(gradient_of(root), seed.const_view());
  }
  /// The same for a root of which only the place is left, and a seed of as many elements.
  template <class U>
  void backward(gradient_of<Backend, U> const& root, array_view<U const> seed) {
    if (root) {
      implement<add_op, Backend>::backward(seed, root.sink());
      while (!nodes_.empty()) {
        auto* const node = nodes_.back();
        if (node->reached()) node->flow();
        nodes_.pop_back();
        node->~tape_entry();
      }
    }
    reset();
  }

  /// Starts over in another mode, with the memory of before.
  void restart(recording mode) noexcept {
    reset();
    recording_ = mode == recording::on;
  }

  /// Forgets everything recorded; keeps the memory for the next use.
  void reset() noexcept {
    for (; !nodes_.empty(); nodes_.pop_back()) nodes_.back()->~tape_entry();
    arena_.reset();
    has_skipped_ = false;
    if (inner_) inner_->reset();
  }

  /// Whether this tape, not recording, has seen since its start what a recording one would have kept.
  [[nodiscard]] bool has_skipped() const noexcept { return has_skipped_; }

  /// A tape beside this one, for ops that are made of ops (tensor/checkpoint.hpp). Made at the first call and
  /// kept for its memory.
  [[nodiscard]] tape& inner() {
    if (!inner_) inner_ = std::make_unique<tape>();
    return *inner_;
  }

 private:
  template <class Node, class... Arguments>
  Node* place(Arguments&&... arguments) {
    static_assert(sizeof(Node) <= detail::arena::chunk_bytes && alignof(Node) <= alignof(std::max_align_t));
    auto* const node = ::new (arena_.take(sizeof(Node))) Node(std::forward<Arguments>(arguments)...);
    nodes_.push_back(node);
    return node;
  }

  bool recording_;
  bool has_skipped_ = false;
  std::unique_ptr<tape> inner_;
  detail::arena arena_;
  std::vector<detail::tape_entry*> nodes_;
};

}  // namespace sysdpo
