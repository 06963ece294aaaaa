// Operations as a model's tape issues them, with the working memory that they take: products and
// convolutions, which are the libraries', log-probabilities from hidden states, and what moves images.
#include <cstring>
#include <functional>

#include "device.cuh"
#include "sysdpo/backend/cuda/backend.cuh"
#include "sysdpo/backend/cuda/conv2d.cuh"
#include "sysdpo/backend/cuda/product.cuh"
#include "sysdpo/backend/device/add_rows.hpp"
#include "sysdpo/backend/device/concat.hpp"
#include "sysdpo/backend/device/head_log_prob.hpp"
#include "sysdpo/backend/device/linear.hpp"
#include "sysdpo/backend/device/upsample.hpp"

namespace benchmarks::gpu {

namespace {

using sysdpo::array_view;
using sysdpo::cuda;
using sysdpo::gradient_view;
using sysdpo::implement;
using sysdpo::shape;

template <class T>
array_view<T const> read(device_array<T> const& from, int set, shape const& extents) {
  return {from.of(set), extents};
}
template <class T>
array_view<T> written(device_array<T> const& to, int set, shape const& extents) {
  return {to.of(set), extents};
}
template <class T>
gradient_view<T> gradient(device_array<T> const& to, int set, shape const& extents) {
  return {to.of(set), extents, false};
}

/// What `run` issues by way of the backend. `check` finds its results there.
prepared by_backend(int sets, std::function<void(int)> const& run, std::function<void()> const& check) {
  check_cuda(cudaDeviceSynchronize(), "cudaDeviceSynchronize");  // the arrays were filled on another stream
  cuda::memory().trim();
  cuda::memory().reset_peak();
  return {.sets = sets,
          .run = run,
          .check =
              [=] {
                run(0);
                cuda::synchronize();
                check();
              },
          .stream = cuda::stream(),
          .working_bytes = [] {  // what libraries keep is no case's own
            return static_cast<double>(cuda::memory().peak_bytes() - cuda::memory().bytes_in_use());
          }};
}

double dot(std::vector<double> const& a, std::vector<double> const& b) {
  double sum = 0;
  for (std::size_t i = 0; i < a.size(); ++i) sum += a[i] * b.at(i);
  return sum;
}

/// Every `stride`-th of `count` numbers from `begin` on: a column of a matrix.
std::vector<double> column(std::vector<double> const& matrix, index_t begin, index_t stride) {
  std::vector<double> taken;
  for (auto i = static_cast<std::size_t>(begin); i < matrix.size(); i += static_cast<std::size_t>(stride))
    taken.push_back(matrix[i]);
  return taken;
}

/// y [rows, outputs] = x [rows, inputs]·Wᵀ + bias, or its gradients.
prepared prepare_linear(index_t rows, index_t inputs, index_t outputs, bool with_bias, bool backward) {
  int const sets = sets_for(bytes_of<bf16>(rows * (inputs + outputs) + inputs * outputs));
  auto const x = random_array<bf16>(rows * inputs, sets);
  auto const w = random_array<bf16>(outputs * inputs, sets);
  auto const bias = random_array<bf16>(outputs, 1);
  auto const dy = random_array<bf16>(backward ? rows * outputs : 0, sets);
  device_array<bf16> const y(backward ? 0 : rows * outputs, sets), dx(backward ? rows * inputs : 0, sets),
      dw(backward ? outputs * inputs : 0, sets), dbias(outputs);
  using op = implement<sysdpo::linear_op, cuda>;
  auto const run = [=](int set) {
    if (!backward)
      op::forward(read(x, set, {rows, inputs}), read(w, set, {outputs, inputs}),
                  with_bias ? read(bias, 0, {outputs}) : array_view<bf16 const>{},
                  written(y, set, {rows, outputs}));
    else
      op::backward(read(x, set, {rows, inputs}), read(w, set, {outputs, inputs}),
                   read(dy, set, {rows, outputs}), gradient(dx, set, {rows, inputs}),
                   gradient(dw, set, {outputs, inputs}),
                   with_bias ? gradient(dbias, 0, {outputs}) : gradient_view<bf16>{});
  };
  return by_backend(sets, run, [=] {
    auto const weights = w.numbers(0, outputs * inputs);
    auto const upstream = backward ? dy.numbers(0, rows * outputs) : std::vector<double>{};
    for (auto const row : some_rows(rows)) {
      std::vector<double> expected;
      if (!backward) {
        auto const states = x.numbers(row * inputs, inputs);
        for (index_t o = 0; o < outputs; ++o)
          expected.push_back((with_bias ? bias.numbers(o, 1)[0] : 0) +
                             dot(states, w.numbers(o * inputs, inputs)));
        expect_close("y", y.numbers(row * outputs, outputs), expected, 1e-2);
      } else {
        auto const slopes = dy.numbers(row * outputs, outputs);
        for (index_t i = 0; i < inputs; ++i) expected.push_back(dot(slopes, column(weights, i, inputs)));
        expect_close("dx", dx.numbers(row * inputs, inputs), expected, 1e-2);
      }
    }
    if (!backward) return;
    auto const states = x.numbers(0, rows * inputs);
    for (auto const output : some_rows(outputs)) {
      auto const slopes = column(upstream, output, outputs);
      std::vector<double> expected(static_cast<std::size_t>(inputs));
      for (std::size_t n = 0; n < slopes.size(); ++n)
        for (std::size_t i = 0; i < expected.size(); ++i)
          expected[i] += slopes[n] * states[n * expected.size() + i];
      expect_close("dw", dw.numbers(output * inputs, inputs), expected, 1e-2);
    }
  });
}

/// 3 × 3, of `images` of height × height × channels; or its gradients.
prepared prepare_conv2d(index_t images, index_t height, index_t channels, bool backward) {
  auto const size = images * height * height * channels;
  auto const weights = 9 * channels * channels;
  int const sets = sets_for(bytes_of<bf16>(2 * size + weights));
  auto const x = random_array<bf16>(size, sets);
  auto const w = random_array<bf16>(weights, sets);
  auto const dy = random_array<bf16>(backward ? size : 0, sets);
  device_array<bf16> const y(backward ? 0 : size, sets), dx(backward ? size : 0, sets),
      dw(backward ? weights : 0, sets);
  shape const of_image{images, height, height, channels};
  shape const of_weight{channels, channels, 3, 3};
  using op = implement<sysdpo::conv2d_op, cuda>;
  auto const run = [=](int set) {
    if (!backward)
      op::forward<bf16>(read(x, set, of_image), read(w, set, of_weight), {}, written(y, set, of_image), 1, 1);
    else
      op::backward<bf16>(read(x, set, of_image), read(w, set, of_weight), read(dy, set, of_image),
                         gradient(dx, set, of_image), gradient(dw, set, of_weight), {}, 1, 1);
  };
  return by_backend(sets, run, [=] {
    // At a corner, within and at the other corner of an image: visit(weight's place, pixel) of all that meet.
    auto const at = [=](index_t pixel, auto visit) {
      auto const row = pixel / height % height;
      auto const col = pixel % height;
      for (index_t tap = 0; tap < 9; ++tap) {
        auto const r = row + tap / 3 - 1;
        auto const c = col + tap % 3 - 1;
        if (r >= 0 && r < height && c >= 0 && c < height)
          visit(tap, pixel - row * height - col + r * height + c);
      }
    };
    auto const kernels = w.numbers(0, weights);
    auto const width = static_cast<std::size_t>(channels);
    for (auto const pixel : some_rows(images * height * height)) {
      std::vector<double> expected(width);
      at(pixel, [&](index_t tap, index_t other) {
        // An output's gradient reaches an input by the tap that is turned round.
        auto const from = (backward ? dy : x).numbers(other * channels, channels);
        auto const place = static_cast<std::size_t>(backward ? 8 - tap : tap);
        for (std::size_t to = 0; to < width; ++to)
          for (std::size_t c = 0; c < width; ++c)
            expected[to] += from[c] * kernels[(backward ? c * width + to : to * width + c) * 9 + place];
      });
      expect_close(backward ? "dx" : "y", (backward ? dx : y).numbers(pixel * channels, channels), expected,
                   1e-2);
    }
    if (!backward) return;
    auto const states = x.numbers(0, size);
    auto const upstream = dy.numbers(0, size);
    std::vector<double> expected(9);
    for (index_t pixel = 0; pixel < images * height * height; ++pixel)
      at(pixel, [&](index_t tap, index_t other) {  // of the last output and the first channel
        expected[static_cast<std::size_t>(tap)] +=
            upstream[static_cast<std::size_t>((pixel + 1) * channels - 1)] *
            states[static_cast<std::size_t>(other * channels)];
      });
    expect_close("dw", dw.numbers((channels - 1) * channels * 9, 9), expected, 2e-2);
  });
}

/// log p of a word a token from its hidden state, without logits; with gradients of states and head.
prepared prepare_head_log_prob(index_t tokens, index_t vocabulary, index_t width, bool backward) {
  auto const hidden = random_array<bf16>(tokens * width, 1);
  auto const head = random_array<bf16>(vocabulary * width, 1, {.scale = 0.03F});
  auto const targets =
      random_array<std::int32_t>(tokens, 1, {.bound = static_cast<std::int32_t>(vocabulary)});
  auto const dy = random_array<float>(tokens, 1);
  device_array<float> const y(tokens), log_sums(tokens);
  device_array<bf16> const dhidden(backward ? tokens * width : 0), dhead(backward ? vocabulary * width : 0);
  using op = implement<sysdpo::head_log_prob_op, cuda>;
  auto const run = [=](int) {
    auto const states = read(hidden, 0, {tokens, width});
    auto const words = read(head, 0, {vocabulary, width});
    op::forward(states, words, read(targets, 0, {tokens}), written(y, 0, {tokens}),
                written(log_sums, 0, {tokens}));
    if (backward)
      op::backward(states, words, read(targets, 0, {tokens}), read(log_sums, 0, {tokens}),
                   read(dy, 0, {tokens}), gradient(dhidden, 0, {tokens, width}),
                   gradient(dhead, 0, {vocabulary, width}));
  };
  return by_backend(1, run, [=] {
    auto const d = static_cast<std::size_t>(width);
    auto const words = head.elements(0, vocabulary * width);
    auto const logits_of = [&](std::vector<double> const& state) {
      std::vector<double> logits(static_cast<std::size_t>(vocabulary));
      for (std::size_t v = 0; v < logits.size(); ++v)
        for (std::size_t i = 0; i < d; ++i)
          logits[v] += state[i] * static_cast<double>(static_cast<float>(words[v * d + i]));
      return logits;
    };
    for (auto const token : some_rows(tokens)) {
      auto const logits = logits_of(hidden.numbers(token * width, width));
      double sum = 0;
      for (double const logit : logits) sum += std::exp(logit);
      auto const target = static_cast<std::size_t>(targets.elements(token, 1)[0]);
      expect_close("log p", y.numbers(token, 1), {logits[target] - std::log(sum)}, 1e-3);
      if (!backward) continue;
      auto const upstream = dy.numbers(token, 1)[0];
      std::vector<double> expected(d);
      for (std::size_t v = 0; v < logits.size(); ++v) {
        auto const slope = upstream * ((v == target ? 1 : 0) - std::exp(logits[v]) / sum);
        for (std::size_t i = 0; i < d; ++i)
          expected[i] += slope * static_cast<double>(static_cast<float>(words[v * d + i]));
      }
      expect_close("dhidden", dhidden.numbers(token * width, width), expected, 2e-2);
    }
    if (!backward) return;
    auto const states = hidden.numbers(0, tokens * width);
    auto const sums = log_sums.numbers(0, tokens);
    auto const upstream = dy.numbers(0, tokens);
    auto const chosen = targets.elements(0, tokens);
    for (auto const word : {static_cast<index_t>(chosen.front()), static_cast<index_t>(chosen.back())}) {
      auto const row = head.numbers(word * width, width);
      std::vector<double> expected(d);
      for (std::size_t n = 0; n < sums.size(); ++n) {
        double logit = 0;
        for (std::size_t i = 0; i < d; ++i) logit += states[n * d + i] * row[i];
        auto const slope = upstream[n] * ((chosen[n] == word ? 1 : 0) - std::exp(logit - sums[n]));
        for (std::size_t i = 0; i < d; ++i) expected[i] += slope * states[n * d + i];
      }
      expect_close("dhead", dhead.numbers(word * width, width), expected, 2e-2);
    }
  });
}

/// y [rows, left + right]: a beside b.
prepared prepare_concat(index_t rows, index_t left, index_t right) {
  int const sets = sets_for(bytes_of<bf16>(2 * rows * (left + right)));
  auto const a = random_array<bf16>(rows * left, sets);
  auto const b = random_array<bf16>(rows * right, sets);
  device_array<bf16> const y(rows * (left + right), sets);
  auto const run = [=](int set) {
    implement<sysdpo::concat_op, cuda>::forward(read(a, set, {rows, left}), read(b, set, {rows, right}),
                                                written(y, set, {rows, left + right}));
  };
  return by_backend(sets, run, [=] {
    for (auto const row : some_rows(rows)) {
      auto expected = a.numbers(row * left, left);
      auto const more = b.numbers(row * right, right);
      expected.insert(expected.end(), more.begin(), more.end());
      expect_close("y", y.numbers(row * (left + right), left + right), expected, 0);
    }
  });
}

/// Twice the height and width, or the gradient of that.
prepared prepare_upsample(index_t images, index_t height, index_t channels, bool backward) {
  auto const size = images * height * height * channels;
  int const sets = sets_for(bytes_of<bf16>(5 * size));
  auto const from = random_array<bf16>(backward ? 4 * size : size, sets);
  device_array<bf16> const to(backward ? size : 4 * size, sets);
  shape const small{images, height, height, channels};
  shape const large{images, 2 * height, 2 * height, channels};
  using op = implement<sysdpo::upsample_op, cuda>;
  auto const run = [=](int set) {
    if (backward)
      op::backward(read(from, set, large), gradient(to, set, small), small);
    else
      op::forward(read(from, set, small), written(to, set, large));
  };
  return by_backend(sets, run, [=] {
    for (auto const row : some_rows(images * height)) {  // of the small images; its first pixel
      auto const pixel = row * height * channels;
      auto const above = 4 * row * height * channels;
      auto const below = above + 2 * height * channels;
      if (backward) {
        std::vector<double> expected(static_cast<std::size_t>(channels));
        for (auto const part : {above, above + channels, below, below + channels}) {
          auto const more = from.numbers(part, channels);
          for (std::size_t i = 0; i < more.size(); ++i) expected[i] += more[i];
        }
        expect_close("dx", to.numbers(pixel, channels), expected, 1e-2);
      } else {
        for (auto const part : {above, above + channels, below, below + channels})
          expect_close("y", to.numbers(part, channels), from.numbers(pixel, channels), 0);
      }
    }
  });
}

/// dy [rows, width] summed over its rows, as for a bias.
prepared prepare_column_sums(index_t rows, index_t width) {
  int const sets = sets_for(bytes_of<bf16>(rows * width));
  auto const dy = random_array<bf16>(rows * width, sets);
  device_array<bf16> const sums(width);
  auto const run = [=](int set) {
    sysdpo::device_detail::column_sums<cuda>(1, rows, width, dy.of(set), gradient(sums, 0, {width}));
  };
  return by_backend(sets, run, [=] {
    auto const all = dy.numbers(0, rows * width);
    std::vector<double> expected(static_cast<std::size_t>(width));
    for (std::size_t i = 0; i < all.size(); ++i) expected[i % expected.size()] += all[i];
    expect_close("the sums", sums.numbers(0, width), expected, 1e-2);
  });
}

/// Weights in float to the copy that the model works with.
prepared prepare_cast(index_t size) {
  auto const from = random_array<float>(size, 1);
  device_array<bf16> const to(size);
  auto const run = [=](int) {
    implement<sysdpo::cast_op, cuda>::forward(read(from, 0, {size}), written(to, 0, {size}));
  };
  return by_backend(1, run, [=] {
    expect_close("the copy", to.numbers(size - 1000, 1000), from.numbers(size - 1000, 1000), 1e-2);
  });
}

std::vector<benchmark> library_benchmarks() {
  std::vector<benchmark> made;
  auto const text = [](auto... extents) {
    std::string joined;
    ((joined += (joined.empty() ? "" : " x ") + std::to_string(extents)), ...);
    return joined;
  };
  for (bool const backward : {false, true}) {
    auto const* const pass = backward ? "backward" : "forward";
    double const products = backward ? 2 : 1;
    struct {
      index_t rows, inputs, outputs;
      bool bias;
    } const layers[] = {{16384, 2048, 5632, false}, {16384, 4096, 4096, false}, {65536, 320, 1280, true}};
    for (auto const& [rows, inputs, outputs, bias] : layers)
      made.push_back({"linear",
                      pass,
                      text(rows, inputs, outputs) + (bias ? " with bias" : ""),
                      "bf16",
                      {{"rows", rows}, {"inputs", inputs}, {"outputs", outputs}, {"bias", bias ? 1 : 0}},
                      bound::compute,
                      products * 2 * static_cast<double>(rows * inputs * outputs),
                      [=] { return prepare_linear(rows, inputs, outputs, bias, backward); }});
    for (auto const& [height, channels] : {std::pair<index_t, index_t>{64, 320}, {32, 640}, {16, 1280}})
      made.push_back({"conv2d",
                      pass,
                      "3 x 3 of " + text(16, height, height, channels),
                      "bf16",
                      {{"images", 16}, {"height", height}, {"channels", channels}, {"outputs", channels}},
                      bound::compute,
                      products * 2 * 9 * 16 * static_cast<double>(height * height * channels * channels),
                      [=] { return prepare_conv2d(16, height, channels, backward); }});
    // By definition three products; four are computed, since backward makes the logits again.
    for (auto const& [tokens, vocabulary] : {std::pair<index_t, index_t>{16384, 248320}, {16384, 32000}})
      made.push_back({"head_log_prob",
                      backward ? "forward and backward" : "forward",
                      text(tokens, vocabulary, 2048),
                      "bf16",
                      {{"tokens", tokens}, {"vocabulary", vocabulary}, {"width", 2048}},
                      bound::compute,
                      (backward ? 3 : 1) * 2 * 2048 * static_cast<double>(tokens * vocabulary),
                      [=] { return prepare_head_log_prob(tokens, vocabulary, 2048, backward); }});
    made.push_back({"upsample",
                    pass,
                    text(16, 32, 32, 640),
                    "bf16",
                    {{"images", 16}, {"height", 32}, {"channels", 640}},
                    bound::memory,
                    bytes_of<bf16>(index_t{5} * 16 * 32 * 32 * 640),
                    [=] { return prepare_upsample(16, 32, 640, backward); }});
  }
  made.push_back({"concat",
                  "forward",
                  text(16384, 1280),
                  "bf16",
                  {{"rows", 16384}, {"left", 640}, {"right", 640}},
                  bound::memory,
                  bytes_of<bf16>(index_t{2} * 16384 * 1280),
                  [] { return prepare_concat(16384, 640, 640); }});
  made.push_back({"column_sums",
                  "forward",
                  text(65536, 1280),
                  "bf16",
                  {{"rows", 65536}, {"width", 1280}},
                  bound::memory,
                  bytes_of<bf16>(index_t{65536} * 1280),
                  [] { return prepare_column_sums(65536, 1280); }});
  made.push_back({"cast",
                  "forward",
                  text(1100000000),
                  "float",
                  {{"size", 1100000000}},
                  bound::memory,
                  6.0 * 1100000000,
                  [] { return prepare_cast(1100000000); }});
  return made;
}

registration const registered(library_benchmarks());

}  // namespace

}  // namespace benchmarks::gpu
