// The operations of diffusion models, of the loss and of the optimiser on kernels.
#include "support/device.hpp"
#include "sysdpo/backend/device/conv2d_by_products.hpp"
#include "sysdpo/loss/link.hpp"
#include "sysdpo/model/parameters.hpp"
#include "sysdpo/op/add_noise.hpp"
#include "sysdpo/op/add_rows.hpp"
#include "sysdpo/op/concat.hpp"
#include "sysdpo/op/conv2d.hpp"
#include "sysdpo/op/denoising_loss.hpp"
#include "sysdpo/op/diffusion_step.hpp"
#include "sysdpo/op/group_norm.hpp"
#include "sysdpo/op/timestep_embedding.hpp"
#include "sysdpo/op/upsample.hpp"
#include "sysdpo/optim/adamw.hpp"
#include "sysdpo/optim/moving_average.hpp"

namespace sysdpo {
struct preference_op;
}

using namespace test;

TEMPLATE_TEST_CASE("convolution on the device agrees with the CPU", "[backend]", SYSDPO_FORMATS) {
  check_op<TestType>(
      [](auto& tape, auto const& in) {
        return conv2d(tape, in[0], in[1], in[2], {1, 1});
      },
      {{{2, 5, 6, 8}}, {{16, 8, 3, 3}}, {{16}}});
  check_op<TestType>(
      [](auto& tape, auto const& in) {
        return conv2d(tape, in[0], in[1], {}, {2, 1});
      },
      {{{1, 7, 8, 8}}, {{8, 8, 3, 3}}});
  check_op<TestType>(
      [](auto& tape, auto const& in) {
        return conv2d(tape, in[0], in[1], in[2], {1, 0});
      },
      {{{2, 4, 4, 16}}, {{8, 16, 1, 1}}, {{8}}});
}

TEMPLATE_TEST_CASE("convolution by products agrees with the CPU", "[backend]", SYSDPO_FORMATS) {
  struct {
    shape x, w;
    index_t stride, padding;
  } const cases[] = {{{3, 5, 6, 4}, {7, 4, 3, 3}, 1, 1},
                     {{2, 7, 8, 3}, {5, 3, 3, 3}, 2, 1},
                     {{1, 8, 8, 6}, {4, 6, 4, 2}, 2, 0}};
  for (auto const& [of_x, of_w, stride, padding] : cases)
    for (index_t const most_bytes : {index_t{1} << 20, index_t{1}}) {  // all images at once, one by one
      auto const op = [&](auto& tape, auto const& in) {
        return conv2d(tape, in[0], in[1], in[2], {stride, padding});
      };
      std::vector<input> const inputs{{of_x}, {of_w}, {{of_w[0]}}};
      std::vector<numbers> values;
      for (std::size_t i = 0; i < 3; ++i)
        values.push_back(random_numbers<TestType>(inputs[i].extents.size(), i));
      auto const expected = results_of<sysdpo::cpu, double>(op, inputs, values, 1);  // gradients twice

      std::vector<sysdpo::tensor<device, TestType>> in;
      for (std::size_t i = 0; i < 3; ++i)
        in.push_back(tensor_of<device, TestType>(inputs[i].extents, values[i]));
      sysdpo::conv2d_sizes const sizes(of_x, of_w, stride, padding);
      sysdpo::device_detail::conv2d_by_products<device> const products(sizes, most_bytes);
      sysdpo::tensor<device, TestType> y({sizes.images, sizes.out_height, sizes.out_width, sizes.outputs}),
          dx(of_x), dw(of_w);
      auto const dy = tensor_of<device, TestType>(y.extents(), random_numbers<TestType>(y.size(), 101));
      products.forward<TestType>(in[0].data(), in[1].data(), in[2].data(), y.data());
      for (bool const accumulate : {false, true}) {
        products.input_gradient<TestType>(in[1].data(), dy.data(), dx.data(), accumulate);
        products.weight_gradient<TestType>(in[0].data(), dy.data(), dw.data(), accumulate);
      }
      auto const tolerance = 4 * unit<TestType> + 1e-6;
      REQUIRE(agree(numbers_of(y), expected[0], tolerance));
      REQUIRE(agree(numbers_of(dx), expected[1], tolerance));
      REQUIRE(agree(numbers_of(dw), expected[2], tolerance));
    }
}

TEMPLATE_TEST_CASE("group norm on kernels agrees with the CPU", "[backend]", SYSDPO_FORMATS) {
  for (auto const then : {sysdpo::activation::none, sysdpo::activation::silu}) {
    check_op<TestType>(
        [&](auto& tape, auto const& in) {
          return group_norm(tape, in[0], in[1], in[2], {.groups = 3, .then = then});
        },
        {{{2, 5, 9, 12}, 2}, {{12}}, {{12}}});
    check_op<TestType>(
        [&](auto& tape, auto const& in) {
          return group_norm(tape, in[0], in[1], in[2], {.groups = 4, .then = then});
        },
        {{{1, 8, 8, 32}, 2}, {{32}}, {{32}}});
  }
}

TEMPLATE_TEST_CASE("the shapes of UNets on kernels agree with the CPU", "[backend]", SYSDPO_FORMATS) {
  for (index_t const channels : {3, 16}) {
    check_op<TestType>([](auto& tape, auto const& in) { return add_rows(tape, in[0], in[1]); },
                       {{{3, 9, 5, channels}}, {{3, channels}}});
    check_op<TestType>([](auto& tape, auto const& in) { return concat(tape, in[0], in[1]); },
                       {{{3, 7, channels}}, {{3, 7, 8}}});
    check_op<TestType>([](auto& tape, auto const& in) { return upsample(tape, in[0]); },
                       {{{2, 3, 4, channels}}});
  }
}

TEMPLATE_TEST_CASE("denoising losses on kernels agree with the CPU", "[backend]", SYSDPO_FORMATS) {
  for (auto const reduce : {sysdpo::reduction::sum, sysdpo::reduction::mean}) {
    auto const constant = []<class B, class T>(sysdpo::tape<B, T> const&, shape const& extents,
                                               std::uint64_t seed) {
      return tensor_of<B, T>(extents, random_numbers<TestType>(extents.size(), seed));
    };
    shape const images{3, 5, 7, 3};
    check_op<TestType>(
        [&]<class B, class T>(sysdpo::tape<B, T>& tape, std::vector<sysdpo::variable<B, T>> const& in) {
          auto const weight = tensor_of<B, sysdpo::widened<T>>({3}, {0.5, 2, 1});
          return denoising_loss(tape, in[0], constant(tape, images, 1), weight, reduce);
        },
        {{images}});
    check_op<TestType>(
        [&]<class B, class T>(sysdpo::tape<B, T>& tape, std::vector<sysdpo::variable<B, T>> const& in) {
          auto const weight = tensor_of<B, sysdpo::widened<T>>({3}, {0.5, 2, 1});
          return denoising_log_ratio(tape, in[0], constant(tape, images, 2), constant(tape, images, 1),
                                     weight, reduce);
        },
        {{images}});
  }
}

TEMPLATE_TEST_CASE("noise, steps and their embedding on kernels agree with the CPU", "[backend]",
                   SYSDPO_FORMATS) {
  auto const on = [&]<class B, class T>(sysdpo::tape<B, T> const&) {
    auto const of = [](shape const& extents, std::uint64_t seed) {
      return tensor_of<B, T>(extents, random_numbers<TestType>(extents.size(), seed));
    };
    auto const wide = [](numbers const& values) { return tensor_of<B, sysdpo::widened<T>>({2}, values); };
    std::vector<sysdpo::draw_key> const keys{{.seed = 3}, {.seed = 3, .pair = 1}};
    shape const images{2, 3, 5, 3};
    std::vector<numbers> all;
    for (auto const wanted : {sysdpo::denoising_target::noise, sysdpo::denoising_target::velocity}) {
      auto const made = add_noise(of(images, 1), keys, wide({0.25, 0.5}), wide({0.75, 0.125}), wanted);
      all.push_back(numbers_of(made.noisy));
      all.push_back(numbers_of(made.target));
    }
    all.push_back(numbers_of(sysdpo::timestep_embedding<T>(ids<B>({0, 999, 37}), 18)));
    all.push_back(numbers_of(diffusion_step(of(images, 1), of({4, 3, 5, 3}, 2), of(images, 3),
                                            {.clean_of_z = 1.5,
                                             .clean_of_prediction = -0.5,
                                             .limit = 1,
                                             .next_of_clean = 0.25,
                                             .next_of_z = 0.5,
                                             .next_of_noise = 0.125,
                                             .guidance = 3})));
    all.push_back(numbers_of(diffusion_step(of(images, 1), of(images, 2), {}, {.clean_of_prediction = 1})));
    return all;
  };
  auto const got = on(sysdpo::tape<device, TestType>{});
  auto const expected = on(sysdpo::tape<sysdpo::cpu, double>{});
  for (std::size_t i = 0; i < got.size(); ++i) {
    INFO("result " << i);
    REQUIRE(agree(got[i], expected[i], 4 * unit<TestType> + 1e-6));
  }
}

TEMPLATE_TEST_CASE("losses and seeds of pairs on kernels agree with the CPU", "[backend]", sysdpo::logistic,
                   sysdpo::ipo, sysdpo::hinge) {
  auto const on = []<class B, class T>(sysdpo::tensor<B, T> const&) {
    using sysdpo::tensor;
    auto const ratios = tensor_of<B, T>({2, 2, 5}, random_numbers<float>(20, 1, 3));
    auto const scales = tensor_of<B, double>({2}, {1, 0.5});
    auto const rejected = tensor_of<B, double>({2}, {1, 0.25});
    auto const weights = tensor_of<B, double>({5}, {1, 1, 2, 0, 0.5});
    tensor<B, double> const scores({2, 5});
    tensor<B, double> const losses({5});
    tensor<B, T> const seeds({2, 2, 5});
    sysdpo::implement<sysdpo::preference_op, B>::forward(
        ratios.const_view(), scales.const_view(), rejected.const_view(), weights.const_view(), TestType{},
        0.1, 5.0, scores.view(), losses.view(), seeds.view());
    return std::vector{numbers_of(scores), numbers_of(losses), numbers_of(seeds)};
  };
  auto const got = on(sysdpo::tensor<device, float>{});
  auto const expected = on(sysdpo::tensor<sysdpo::cpu, double>{});
  for (std::size_t i = 0; i < 3; ++i) REQUIRE(agree(got[i], expected[i], i == 2 ? 1e-7 : 1e-12));
}

TEMPLATE_TEST_CASE("AdamW and averages on kernels agree with the CPU", "[backend]", sysdpo::precision<float>,
                   (sysdpo::precision<float, bf16, float>), (sysdpo::precision<bf16, bf16, float>)) {
  using reference = sysdpo::precision<typename TestType::parameter, float, float>;
  using stored = typename TestType::parameter;
  auto const train = []<class B, class P>(sysdpo::parameter_set<B, P>& weights) {
    weights.add("matrix", {70, 33}, sysdpo::normal(1));
    weights.add("gain", {5}, sysdpo::ones);
    sysdpo::moving_average<B, P> average(weights, 0.9);
    sysdpo::adamw<B, P> optimizer({.weight_decay = 0.1});
    for (std::uint64_t step = 0; step < 3; ++step) {
      for (auto& weight : weights) {
        auto const gradient = random_numbers<bf16>(weight.value.size(), step);
        weight.gradient.value = tensor_of<B, typename P::compute>(weight.value.extents(), gradient);
        weight.gradient.filled = true;
      }
      optimizer.step(weights, 0.01, 0.5);
      average.update(weights);
    }
    std::vector<numbers> all;
    for (auto const& weight : weights) all.push_back(numbers_of(weight.value));
    for (auto const& value : average.values()) all.push_back(numbers_of(value));
    all.push_back({squared_gradient_norm(weights)});
    return all;
  };
  sysdpo::parameter_set<device, TestType> here(1);
  sysdpo::parameter_set<sysdpo::cpu, reference> there(1);
  auto const got = train(here);
  auto const expected = train(there);
  // A last bit of the moments can turn a random rounding.
  for (std::size_t i = 0; i < got.size(); ++i)
    REQUIRE(agree(got[i], expected[i], std::is_same_v<stored, float> ? 1e-6 : 2 * unit<stored>));
}
