// Checkpoints of activations: a block of operations of which only the inputs are kept. Its inside is computed
// again when the gradient comes back: one more forward pass for the memory of all that the block would keep.
//
// It stands beside the tape, below the operations: it computes nothing of its own and has no code on any
// backend, so that every backend has it.
//
// Contract: the block is a function of its arguments and of weights that do not change before the backward
// pass, and gives the same bits each time: then values and gradients are those without a checkpoint, bit for
// bit. The second run puts its contributions where the first would have put them, in the same order: `=` and
// `+=` of the inputs' gradients and of the parameters' are the tape's. What the block throws in its second
// run leaves `backward`; gradients are then incomplete.
#pragma once

#include <tuple>
#include <type_traits>
#include <utility>

#include "sysdpo/tensor/tape.hpp"

namespace sysdpo {

/// `block(tape, inputs...)`, a variable, of which the tape keeps `block` and `inputs` alone. Inputs are
/// variables and whatever else the block needs, copied; what the block refers to by other means must live
/// until the backward pass. Nothing is kept where neither an input nor a parameter inside wants a gradient,
/// and on a tape that does not record it is the block itself. Blocks may hold checkpoints. In the backward
/// pass: \throws error if the second run gives a result of other extents.
template <class Backend, class T, class Block, class... Inputs>
[[nodiscard]] auto checkpoint(tape<Backend, T>& tape, Block&& block, Inputs&&... inputs) {
  if (!tape.is_recording()) return block(tape, std::forward<Inputs>(inputs)...);
  std::tuple<std::decay_t<Inputs>...> kept(std::forward<Inputs>(inputs)...);
  auto& inner = tape.inner();
  inner.restart(recording::off);
  auto result = std::apply([&](auto const&... input) { return block(inner, input...); }, std::as_const(kept));
  // What wants a gradient may be inside: a first block behind frozen embeddings has no such input.
  if (!inner.has_skipped()) return result;
  auto const extents = result.extents();
  return tape.record(
      std::move(result).value(), {detail::wish(true)},
      [&tape, block = std::decay_t<Block>(std::forward<Block>(block)), kept = std::move(kept),
       extents](auto const upstream) {
        auto& again = tape.inner();
        again.restart(recording::on);
        // Inputs keep their places on the outer tape, and gradients go there at once. Of the result only the
        // place is needed.
        auto const root = gradient_of(std::apply(
            [&](auto const&... input) {
              auto const value = block(again, input...);
              if (value.extents() != extents)
                fail({"checkpoint", to_string(value.extents()), "the first run gave " + to_string(extents),
                      "Let the block do the same each time"});
              return value;
            },
            kept));
        again.backward(root, upstream);
      });
}

/// `checkpoint` where it is wanted, else the block itself.
template <class Backend, class T, class Block, class... Inputs>
[[nodiscard]] auto checkpoint_if(bool wanted, tape<Backend, T>& tape, Block&& block, Inputs&&... inputs) {
  return wanted ? checkpoint(tape, std::forward<Block>(block), std::forward<Inputs>(inputs)...)
                : block(tape, std::forward<Inputs>(inputs)...);
}

}  // namespace sysdpo
