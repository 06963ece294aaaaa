// Arbitrary bytes as model.safetensors.index.json beside one shard.
#include <array>

#include "input.hpp"
#include "sysdpo/io/safetensors.hpp"

void run_one(std::string_view input) {
  static bool const is_ready = [] {
    std::array<float, 6> const numbers{1, 2, 3, 4, 5, 6};
    std::array const tensors{sysdpo::view_as_tensor<float>("a", {2, 3}, numbers),
                             sysdpo::view_as_tensor<float>("b", {6}, numbers)};
    sysdpo::write_safetensors(fuzz::folder() / "shard.safetensors", tensors);
    return true;
  }();
  fuzz::demand(is_ready, "the shard is there");
  fuzz::write(fuzz::folder() / "model.safetensors.index.json", input);
  fuzz::accepts([] {
    sysdpo::safetensors_folder const weights(fuzz::folder());
    for (auto const& name : weights.names())
      fuzz::demand(weights.find(name).size() == 6, "tensors are found");
  });
}
