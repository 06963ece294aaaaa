// Operations on nothing: no rows, no columns, no weights; and on too much.
#include "support/device_ops.hpp"
#include "sysdpo/loss/link.hpp"
#include "sysdpo/model/parameters.hpp"
#include "sysdpo/optim/adamw.hpp"
#include "sysdpo/optim/moving_average.hpp"

namespace sysdpo {
struct preference_op;
}

using namespace test;

TEMPLATE_TEST_CASE("every operation takes batches without rows", "[backend]", SYSDPO_FORMATS) {
  check_every_op<TestType>(0, 0);
  check_every_other_op<TestType>(0, 0);
}

TEMPLATE_TEST_CASE("operations take other axes without elements", "[backend]", SYSDPO_FORMATS) {
  auto const project = [](auto& tape, auto const& in) { return linear(tape, in[0], in[1], in[2]); };
  check_op<TestType>(project, {{{5, 0}}, {{3, 0}}, {{3}}});
  check_op<TestType>(project, {{{5, 4}}, {{0, 4}}, {{0}}});
  check_op<TestType>(project, {{{0, 4}}, {{0, 4}}, {{0}}});
  for (auto const& images : {shape{3, 0, 4, 8}, shape{3, 4, 0, 8}}) {
    check_op<TestType>(
        [](auto& tape, auto const& in) { return group_norm(tape, in[0], in[1], in[2], {.groups = 2}); },
        {{images}, {{8}}, {{8}}});
    check_op<TestType>([](auto& tape, auto const& in) { return add_rows(tape, in[0], in[1]); },
                       {{images}, {{3, 8}}});
    check_op<TestType>([](auto& tape, auto const& in) { return upsample(tape, in[0]); }, {{images}});
  }
  auto const join = [](auto& tape, auto const& in) { return concat(tape, in[0], in[1]); };
  check_op<TestType>(join, {{{5, 0}}, {{5, 8}}});
  check_op<TestType>(join, {{{5, 8}}, {{5, 0}}});
  check_op<TestType>(join, {{{5, 0}}, {{5, 0}}});
  check_op<TestType>([](auto& tape, auto const& in) { return geglu(tape, in[0]); }, {{{5, 0}}});
  check_op<TestType>(
      []<class B, class T>(sysdpo::tape<B, T>& tape, std::vector<sysdpo::variable<B, T>> const& in) {
        return embedding(tape, in[0], some_ids<B>(5, 9));
      },
      {{{9, 0}}});
  check_op<TestType>(
      []<class B, class T>(sysdpo::tape<B, T>& tape, std::vector<sysdpo::variable<B, T>> const& in) {
        auto const weight = tensor_of<B, sysdpo::widened<T>>({3}, {1, 2, 3});
        return denoising_loss(tape, in[0], sysdpo::tensor<B, T>({3, 0}), weight, sysdpo::reduction::sum);
      },
      {{{3, 0}}});
  // Queries without keys, and keys without queries.
  for (auto const& [queries, keys] : {std::pair<index_t, index_t>{3, 0}, {0, 3}})
    check_op<TestType>(
        [&]<class B, class T>(sysdpo::tape<B, T>& tape, std::vector<sysdpo::variable<B, T>> const& in) {
          return attention(tape, in[0], in[1], in[2], sysdpo::pack_lengths<B>(std::vector{queries}),
                           sysdpo::pack_lengths<B>(std::vector{keys}), {.causal = true});
        },
        {{{queries, 2, 8}}, {{keys, 1, 8}}, {{keys, 1, 8}}});
  check_op<TestType>(
      []<class B, class T>(sysdpo::tape<B, T>& tape, std::vector<sysdpo::variable<B, T>> const& in) {
        auto const packed = sysdpo::pack_lengths<B>(std::vector<index_t>{});
        return attention(tape, in[0], in[1], in[2], packed, packed);
      },
      {{{0, 2, 8}}, {{0, 1, 8}}, {{0, 1, 8}}});
}

TEST_CASE("sizes that kernels would count beyond 32 bits are refused", "[backend]") {
  REQUIRE(sysdpo::device_detail::narrow("op", 2'000'000'000) == 2'000'000'000);
  REQUIRE_THROWS_WITH(sysdpo::device_detail::narrow("op", 2'147'483'647), Catch::Contains("32 bits"));
}

TEST_CASE("losses of no pairs are none", "[backend]") {
  using sysdpo::tensor;
  auto const scales = tensor_of<device, double>({2}, {1, 0.5});
  tensor<device, double> const scores({2, 0});
  tensor<device, double> const losses({0});
  tensor<device, float> const seeds({2, 2, 0});
  sysdpo::implement<sysdpo::preference_op, device>::forward(
      tensor<device, float>({2, 2, 0}).const_view(), scales.const_view(), scales.const_view(),
      tensor<device, double>({0}).const_view(), sysdpo::logistic{}, 0.1, 1.0, scores.view(), losses.view(),
      seeds.view());
  REQUIRE(losses.to_host().empty());
}

TEMPLATE_TEST_CASE("the optimiser passes over weights without elements", "[backend]",
                   sysdpo::precision<float>, (sysdpo::precision<bf16, bf16, float>)) {
  auto const trained = [](std::vector<index_t> const& sizes) {
    sysdpo::parameter_set<device, TestType> weights(1);
    for (std::size_t i = 0; i < sizes.size(); ++i)
      weights.add("weight" + std::to_string(i), {sizes[i]}, sysdpo::ones);
    sysdpo::moving_average<device, TestType> average(weights, 0.5);
    sysdpo::adamw<device, TestType> optimizer;
    for (auto& weight : weights) {
      weight.gradient.value = tensor_of<device, typename TestType::compute>(
          weight.value.extents(), numbers(static_cast<std::size_t>(weight.value.size()), 1));
      weight.gradient.filled = true;
    }
    optimizer.step(weights, 0.25);
    average.update(weights);
    numbers all{squared_gradient_norm(weights)};
    for (auto const& weight : weights)
      for (auto const x : numbers_of(weight.value)) all.push_back(x);
    for (auto const& value : average.values())
      for (auto const x : numbers_of(value)) all.push_back(x);
    return all;
  };
  REQUIRE(trained({}) == numbers{0});
  REQUIRE(trained({0}) == numbers{0});
  numbers const expected{2, 0.75, 0.75, 0.875, 0.875};
  for (auto const& sizes : {std::vector<index_t>{0, 1, 1}, {1, 0, 1}, {1, 1, 0}})
    REQUIRE(agree(trained(sizes), expected, 1e-6));
}
