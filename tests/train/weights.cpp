#include "sysdpo/train/weights.hpp"

#include "support/catch.hpp"
#include "support/temporary_directory.hpp"
#include "sysdpo/backend/cpu.hpp"

using Catch::Contains;

namespace {

using weights_type = sysdpo::parameter_set<sysdpo::cpu, sysdpo::precision<float>>;

void fill(weights_type& weights) {
  weights.add("layer.weight", {2, 3}, sysdpo::normal(1));
  weights.add("layer.bias", {3}, sysdpo::normal(1));
}

/// A file with the given tensors, [2, 3] and [3] of consecutive numbers.
std::vector<float> const matrix{1, 2, 3, 4, 5, 6};
std::vector<float> const vector{7, 8, 9};
sysdpo::tensor_view matrix_named(std::string name) {
  return sysdpo::view_as_tensor<float>(std::move(name), {2, 3}, matrix);
}
sysdpo::tensor_view vector_named(std::string name) {
  return sysdpo::view_as_tensor<float>(std::move(name), {3}, vector);
}

}  // namespace

TEST_CASE("weights are read from one file or from shards", "[weights]") {
  test::temporary_directory const folder;
  weights_type weights;
  fill(weights);
  auto const check = [&] {
    CHECK(weights.find("layer.weight")->value.to_host() == matrix);
    CHECK(weights.find("layer.bias")->value.to_host() == vector);
  };

  std::vector const both{matrix_named("layer.weight"), vector_named("layer.bias")};
  sysdpo::write_safetensors(folder / "any_name.safetensors", both);
  sysdpo::load_weights(folder / "any_name.safetensors", weights);
  check();

  std::filesystem::create_directories(folder / "sharded");
  sysdpo::write_safetensors(folder / "sharded" / "a.safetensors", std::span(both).first(1));
  sysdpo::write_safetensors(folder / "sharded" / "b.safetensors", std::span(both).last(1));
  sysdpo::write_json(folder / "sharded" / "model.safetensors.index.json",
                     {{"weight_map", {{"layer.weight", "a.safetensors"}, {"layer.bias", "b.safetensors"}}}});
  weights_type other;
  fill(other);
  sysdpo::load_weights(folder / "sharded", other);
  CHECK(other.find("layer.weight")->value.to_host() == matrix);
  CHECK(other.find("layer.bias")->value.to_host() == vector);

  sysdpo::save_weights(folder / "saved.safetensors", weights);
  weights_type again;
  fill(again);
  sysdpo::load_weights(folder / "saved.safetensors", again);
  CHECK(again.find("layer.weight")->value.to_host() == matrix);
}

TEST_CASE("weights of other names, shapes or types are refused whole", "[weights]") {
  test::temporary_directory const folder;
  weights_type weights;
  fill(weights);
  auto const before = weights.find("layer.weight")->value.to_host();
  auto const load = [&](std::vector<sysdpo::tensor_view> const& tensors,
                        sysdpo::extra_tensors extra = sysdpo::extra_tensors::refuse) {
    sysdpo::write_safetensors(folder / "w.safetensors", tensors);
    sysdpo::load_weights(folder / "w.safetensors", weights, extra);
  };
  CHECK_THROWS_WITH(load({matrix_named("layer.weight")}),
                    Contains("w.safetensors, tensor 'layer.bias'") && Contains("missing"));
  CHECK_THROWS_WITH(load({matrix_named("layer.weight"), matrix_named("layer.bias")}),
                    Contains("'layer.bias'") && Contains("[2, 3] where the model has [3]"));
  auto integers = vector_named("layer.bias");
  integers.type = sysdpo::dtype::i32;
  CHECK_THROWS_WITH(load({matrix_named("layer.weight"), integers}), Contains("I32"));
  CHECK_THROWS_WITH(
      load({matrix_named("layer.weight"), sysdpo::view_as_tensor<float>("layer.bias", {3, 1}, vector)}),
      Contains("[3, 1] where the model has [3]"));
  std::vector const extra{matrix_named("layer.weight"), vector_named("layer.bias"), vector_named("head")};
  CHECK_THROWS_WITH(load(extra), Contains("'head'") && Contains("no such weight"));
  CHECK(weights.find("layer.weight")->value.to_host() == before);
  load(extra, sysdpo::extra_tensors::ignore);
  CHECK(weights.find("layer.weight")->value.to_host() == matrix);
}
