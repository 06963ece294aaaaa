// Log-probabilities from logits, noising, and the loss of denoising models.
#include "device.cuh"
#include "sysdpo/kernel/denoising_loss.hpp"
#include "sysdpo/kernel/log_softmax_gather.hpp"

namespace benchmarks::gpu {

namespace {

template <class T, bool Statistics>
class log_softmax_case {
 public:
  log_softmax_case(index_t rows, int vocabulary)
      : rows_(rows),
        vocabulary_(vocabulary),
        sets_(sets_for(bytes_of<T>(rows * vocabulary))),
        logits_(random_array<T>(rows * vocabulary, sets_, {.scale = 2})),
        targets_(random_array<std::int32_t>(rows, 1, {.bound = vocabulary})),
        log_probs_(rows),
        log_sums_(rows),
        entropies_(rows),
        tops_(rows),
        dy_(random_array<float>(rows, 1)) {
    forward(0);
  }

  [[nodiscard]] int sets() const { return sets_; }

  void forward(int set) const {
    sysdpo::launch<kernel::log_softmax_gather<T, 512, Statistics>>(
        {logits_.of(set), targets_.of(0), rows_, vocabulary_, log_probs_.of(0), log_sums_.of(0),
         entropies_.of(0), tops_.of(0)},
        nullptr);
  }

  /// The gradient takes the logits' place, as in a training.
  void backward(int set) const {
    sysdpo::launch<kernel::log_softmax_gather_backward<T>>(
        {logits_.of(set), targets_.of(0), log_sums_.of(0), dy_.of(0), nullptr, 0, rows_, vocabulary_,
         parts_for(rows_, vocabulary_, 4096), logits_.of(set), false},
        nullptr);
  }

  void check_forward() const {
    forward(0);
    for (auto const row : some_rows(rows_)) {
      auto const x = logits_.numbers(row * vocabulary_, vocabulary_);
      auto const log_sum = log_sum_of(x);
      double entropy = 0;
      for (double const logit : x) entropy -= std::exp(logit - log_sum) * (logit - log_sum);
      auto const target = static_cast<std::size_t>(targets_.elements(row, 1)[0]);
      auto const top = static_cast<double>(std::max_element(x.begin(), x.end()) - x.begin());
      expect_close("log p", log_probs_.numbers(row, 1), {x[target] - log_sum}, 1e-4);
      if (!Statistics) continue;
      expect_close("the entropy", entropies_.numbers(row, 1), {entropy}, 1e-3);
      expect_close("the most probable token", {static_cast<double>(tops_.elements(row, 1)[0]) + 1}, {top + 1},
                   0);
    }
  }

  void check_backward() const {
    std::vector<std::vector<double>> before;
    for (auto const row : some_rows(rows_)) before.push_back(logits_.numbers(row * vocabulary_, vocabulary_));
    forward(0);
    backward(0);
    auto expected = before.begin();
    for (auto const row : some_rows(rows_)) {
      auto found = logits_.numbers(row * vocabulary_, vocabulary_);
      auto const log_sum = log_sum_of(*expected);
      auto const upstream = dy_.numbers(row, 1)[0];
      auto const target = static_cast<std::size_t>(targets_.elements(row, 1)[0]);
      for (auto& x : *expected) x = -upstream * std::exp(x - log_sum);
      expect_close("a logit's gradient", {found[target]}, {(*expected)[target] + upstream}, 1e-2);
      found[target] = (*expected)[target] = 0;  // it is far larger than the others
      expect_close("the logits' gradient", found, *expected, 1e-2);
      ++expected;
    }
  }

 private:
  static double log_sum_of(std::vector<double> const& x) {
    double sum = 0;
    for (double const logit : x) sum += std::exp(logit);
    return std::log(sum);
  }

  index_t rows_;
  int vocabulary_;
  int sets_;
  device_array<T> logits_;
  device_array<std::int32_t> targets_;
  device_array<float> log_probs_, log_sums_, entropies_;
  device_array<std::int32_t> tops_;
  device_array<float> dy_;
};

/// Where the target of a denoising loss comes from.
enum class target_from { memory, stream };

class denoising_case {
 public:
  static constexpr index_t least = 1024;  ///< elements of a row for each of its blocks, or more

  denoising_case(index_t rows, int size, target_from target)
      : rows_(rows),
        size_(size),
        target_from_(target),
        parts_(parts_for(rows, size, least)),
        sets_(sets_for(4 * bytes_of<bf16>(rows * size))),
        z_(random_array<bf16>(rows * size, sets_)),
        reference_(random_array<bf16>(rows * size, sets_)),
        target_(random_array<bf16>(rows * size, sets_)),
        out_(rows * size, sets_),
        streams_(streams(rows)),
        signal_(std::vector<float>(static_cast<std::size_t>(rows), 0.8F)),
        deviation_(std::vector<float>(static_cast<std::size_t>(rows), 0.6F)),
        weight_(random_array<float>(rows, 1)),
        sums_(rows * parts_ * 2),
        log_ratios_(rows),
        losses_(rows) {}

  [[nodiscard]] int sets() const { return sets_; }

  void add_noise(int set, kernel::noise_target wanted) const {
    sysdpo::launch<kernel::add_noise<bf16>>({z_.of(set), streams_.of(0), signal_.of(0), deviation_.of(0),
                                             rows_, size_, parts_, out_.of(set), target_.of(set), wanted},
                                            nullptr);
  }

  void forward(int set) const {
    sysdpo::launch<kernel::denoising_loss<bf16>>(
        {z_.of(set), reference_.of(set), target(set), streams_.of(0), rows_, size_, parts_, sums_.of(0)},
        nullptr);
    sysdpo::launch<kernel::denoising_loss_end>(
        {sums_.of(0), weight_.of(0), rows_, size_, parts_, true, log_ratios_.of(0), losses_.of(0)}, nullptr);
  }

  void backward(int set) const {
    sysdpo::launch<kernel::denoising_loss_backward<bf16>>(
        {z_.of(set), target(set), streams_.of(0), weight_.of(0), signal_.of(0), rows_, size_, parts_, true, 1,
         out_.of(set), false},
        nullptr);
  }

  void check_add_noise(kernel::noise_target wanted) const {
    add_noise(0, wanted);
    for (auto const row : some_rows(rows_)) {
      auto expected = z_.numbers(row * size_, size_);
      auto const noise = noise_of(row);
      for (std::size_t i = 0; i < expected.size(); ++i) expected[i] = 0.8 * expected[i] + 0.6 * noise[i];
      expect_close("the noisy image", out_.numbers(row * size_, size_), expected, 1e-2);
      if (wanted == kernel::noise_target::noise)
        expect_close("the noise", target_.numbers(row * size_, size_), noise, 1e-2);
    }
  }

  void check_forward() const {
    forward(0);
    for (auto const row : some_rows(rows_)) {
      auto const p = z_.numbers(row * size_, size_);
      auto const r = reference_.numbers(row * size_, size_);
      auto const goal = target_of(row);
      double ratio = 0;
      double loss = 0;
      for (std::size_t i = 0; i < p.size(); ++i) {
        ratio += (p[i] - r[i]) * (2 * goal[i] - p[i] - r[i]);
        loss += (goal[i] - p[i]) * (goal[i] - p[i]);
      }
      auto const factor = weight_.numbers(row, 1)[0] / size_;
      expect_close("the log-ratio", log_ratios_.numbers(row, 1), {factor * ratio}, 1e-3);
      expect_close("the loss", losses_.numbers(row, 1), {factor * loss}, 1e-3);
    }
  }

  void check_backward() const {
    backward(0);
    for (auto const row : some_rows(rows_)) {
      auto expected = z_.numbers(row * size_, size_);
      auto const goal = target_of(row);
      auto const factor = 2 * weight_.numbers(row, 1)[0] * 0.8 / size_;
      for (std::size_t i = 0; i < expected.size(); ++i) expected[i] = factor * (goal[i] - expected[i]);
      expect_close("the prediction's gradient", out_.numbers(row * size_, size_), expected, 1e-2);
    }
  }

 private:
  static sysdpo::philox_stream stream(index_t row) {
    return sysdpo::philox_stream({.seed = 1, .pair = static_cast<std::uint64_t>(row)});
  }
  static std::vector<sysdpo::philox_stream> streams(index_t rows) {
    std::vector<sysdpo::philox_stream> made;
    for (index_t row = 0; row < rows; ++row) made.push_back(stream(row));
    return made;
  }
  [[nodiscard]] bf16* target(int set) const {
    return target_from_ == target_from::memory ? target_.of(set) : nullptr;
  }
  [[nodiscard]] std::vector<double> noise_of(index_t row) const {
    std::vector<double> made;
    for (int i = 0; i < size_; ++i)
      made.push_back(static_cast<double>(sysdpo::normal_at(stream(row), static_cast<std::uint64_t>(i))));
    return made;
  }
  [[nodiscard]] std::vector<double> target_of(index_t row) const {
    return target_from_ == target_from::memory ? target_.numbers(row * size_, size_) : noise_of(row);
  }

  index_t rows_;
  int size_;
  target_from target_from_;
  int parts_;
  int sets_;
  device_array<bf16> z_, reference_, target_, out_;
  device_array<sysdpo::philox_stream> streams_;
  device_array<float> signal_, deviation_, weight_;
  device_array<double> sums_;
  device_array<float> log_ratios_, losses_;
};

/// As a training has it, or, forward alone, with entropies and the most probable words.
template <class T, bool Statistics = false>
void add_log_softmax(std::vector<benchmark>& to, index_t rows, int vocabulary) {
  for (bool const backward : {false, true})
    if (!(backward && Statistics))
      to.push_back({Statistics ? "log_softmax_gather_and_entropy" : "log_softmax_gather",
                    backward ? "backward" : "forward",
                    std::to_string(rows) + " x " + std::to_string(vocabulary) + " " + type_name<T>,
                    type_name<T>,
                    {{"rows", rows}, {"vocabulary", vocabulary}},
                    bound::memory,
                    (backward ? 2 : 1) * bytes_of<T>(rows * vocabulary),
                    [=] {
                      auto const one = std::make_shared<log_softmax_case<T, Statistics>>(rows, vocabulary);
                      prepared made;
                      made.sets = one->sets();
                      made.run = [=](int set) { backward ? one->backward(set) : one->forward(set); };
                      made.check = [=] { backward ? one->check_backward() : one->check_forward(); };
                      return made;
                    }});
}

void add_denoising(std::vector<benchmark>& to, index_t rows, int height, int channels) {
  int const size = height * height * channels;
  auto const shape = std::to_string(rows) + " x " + std::to_string(height) + " x " + std::to_string(height) +
                     " x " + std::to_string(channels);
  auto const add = [&](char const* op, char const* pass, double elements, target_from target, auto run,
                       auto check) {
    to.push_back({op,
                  pass,
                  shape,
                  "bf16",
                  {{"rows", rows}, {"height", height}, {"channels", channels}},
                  bound::memory,
                  elements * bytes_of<bf16>(rows * size),
                  [=] {
                    auto const one = std::make_shared<denoising_case>(rows, size, target);
                    prepared made;
                    made.sets = one->sets();
                    made.run = [=](int set) { run(*one, set); };
                    made.check = [=] { check(*one); };
                    return made;
                  }});
  };
  using enum kernel::noise_target;
  using of = denoising_case const&;
  add(
      "denoising_loss", "forward", 3, target_from::memory, [](of one, int set) { one.forward(set); },
      [](of one) { one.check_forward(); });
  add(
      "denoising_loss", "backward", 3, target_from::memory, [](of one, int set) { one.backward(set); },
      [](of one) { one.check_backward(); });
  add(
      "denoising_loss_of_stream", "forward", 2, target_from::stream,
      [](of one, int set) { one.forward(set); }, [](of one) { one.check_forward(); });
  add(
      "denoising_loss_of_stream", "backward", 2, target_from::stream,
      [](of one, int set) { one.backward(set); }, [](of one) { one.check_backward(); });
  add(
      "add_noise", "forward", 2, target_from::memory, [](of one, int set) { one.add_noise(set, none); },
      [](of one) { one.check_add_noise(none); });
  add(
      "add_noise_keeping_it", "forward", 3, target_from::memory,
      [](of one, int set) { one.add_noise(set, noise); }, [](of one) { one.check_add_noise(noise); });
}

std::vector<benchmark> loss_benchmarks() {
  std::vector<benchmark> made;
  add_log_softmax<bf16>(made, 8192, 151936);
  add_log_softmax<bf16, true>(made, 8192, 151936);
  add_log_softmax<float>(made, 16384, 32000);
  add_log_softmax<bf16>(made, 4096, 262144);
  add_denoising(made, 256, 64, 4);
  add_denoising(made, 64, 512, 3);
  return made;
}

registration const registered(loss_benchmarks());

}  // namespace

}  // namespace benchmarks::gpu
