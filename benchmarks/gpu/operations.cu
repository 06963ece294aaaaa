// Norms, positions, activations, embeddings and the optimiser.
#include "device.cuh"
#include "sysdpo/kernel/adamw.hpp"
#include "sysdpo/kernel/column_sums.hpp"
#include "sysdpo/kernel/embedding.hpp"
#include "sysdpo/kernel/geglu.hpp"
#include "sysdpo/kernel/gradient_clip.hpp"
#include "sysdpo/kernel/group_norm.hpp"
#include "sysdpo/kernel/rope.hpp"
#include "sysdpo/kernel/row_norm.hpp"
#include "sysdpo/kernel/swiglu.hpp"

namespace benchmarks::gpu {

namespace {

using sizes = std::vector<std::pair<std::string, std::int64_t>>;

/// A case of class Case: made of the numbers that it is given, with sets(), run(set) and check().
template <class Case, class... Given>
benchmark of_memory(char const* op, char const* pass, std::string const& shape, sizes const& numbers,
                    double bytes, Given... given) {
  return {op, pass, shape, "bf16", numbers, bound::memory, bytes, [=] {
            auto const one = std::make_shared<Case>(given...);
            prepared made;
            made.sets = one->sets();
            made.run = [=](int set) { one->run(set); };
            made.check = [=] { one->check(); };
            return made;
          }};
}

double sigmoid(double x) { return 1 / (1 + std::exp(-x)); }

template <kernel::norm Kind>
class row_norm_case {
 public:
  static constexpr float epsilon = 1e-5F;

  row_norm_case(index_t rows, int width, bool backward)
      : rows_(rows),
        width_(width),
        backward_(backward),
        parts_(parts_for(std::max<index_t>(1, width / 1024), rows, 32)),
        sets_(sets_for((backward ? 3 : 2) * bytes_of<bf16>(rows * width))),
        x_(random_array<bf16>(rows * width, sets_)),
        gamma_(random_array<bf16>(width, 1)),
        beta_(random_array<bf16>(width, 1)),
        y_(rows * width, sets_),
        dy_(random_array<bf16>(backward ? rows * width : 1, sets_)),
        means_(rows, sets_),
        scales_(rows, sets_),
        sums_(index_t{parts_} * 2 * width),
        dgamma_(width),
        dbeta_(width) {
    for (int set = 0; set < sets_; ++set) forward(set);
  }

  [[nodiscard]] int sets() const { return sets_; }

  void run(int set) const {
    if (!backward_) return forward(set);
    with_threads([&](auto threads) {
      sysdpo::launch<kernel::row_norm_backward<Kind, bf16, threads.value>>(
          {x_.of(set), gamma_.of(0), means_.of(set), scales_.of(set), dy_.of(set), rows_, width_, y_.of(set),
           false},
          nullptr);
    });
    sysdpo::launch<kernel::row_norm_gain_backward<Kind, bf16>>(
        {x_.of(set), means_.of(set), scales_.of(set), dy_.of(set), rows_, width_, parts_, sums_.of(0)},
        nullptr);
    sysdpo::launch<kernel::column_sums_end<bf16>>({sums_.of(0), 1, width_, parts_, dgamma_.of(0), false},
                                                  nullptr);
    if (Kind == kernel::norm::layer)
      sysdpo::launch<kernel::column_sums_end<bf16>>(
          {sums_.of(0) + index_t{parts_} * width_, 1, width_, parts_, dbeta_.of(0), false}, nullptr);
  }

  void check() const {
    run(0);
    auto const gamma = gamma_.numbers(0, width_);
    auto const beta = beta_.numbers(0, width_);
    for (auto const row : some_rows(rows_)) {
      auto x = x_.numbers(row * width_, width_);
      double mean = 0;
      double squares = 0;
      if (Kind == kernel::norm::layer)
        for (double const a : x) mean += a / width_;
      for (double const a : x) squares += (a - mean) * (a - mean) / width_;
      double const scale = 1 / std::sqrt(squares + static_cast<double>(epsilon));
      std::vector<double> expected(x.size());
      if (backward_) {
        auto g = dy_.numbers(row * width_, width_);
        double sum = 0;
        double product = 0;
        for (std::size_t i = 0; i < x.size(); ++i) {
          x[i] = (x[i] - mean) * scale;
          g[i] *= gamma[i];
          sum += Kind == kernel::norm::layer ? g[i] / width_ : 0;
          product += g[i] * x[i] / width_;
        }
        for (std::size_t i = 0; i < x.size(); ++i) expected[i] = scale * (g[i] - sum - x[i] * product);
      } else {
        for (std::size_t i = 0; i < x.size(); ++i)
          expected[i] = (x[i] - mean) * scale * gamma[i] + (Kind == kernel::norm::layer ? beta[i] : 0);
      }
      expect_close(backward_ ? "dx" : "y", y_.numbers(row * width_, width_), expected, 1e-2);
    }
    if (backward_) check_gain();
  }

 private:
  void forward(int set) const {
    with_threads([&](auto threads) {
      sysdpo::launch<kernel::row_norm<Kind, bf16, threads.value>>(
          {x_.of(set), gamma_.of(0), beta_.of(0), rows_, width_, epsilon, y_.of(set), means_.of(set),
           scales_.of(set)},
          nullptr);
    });
  }

  /// As backend/device/row_norm.hpp chooses them.
  template <class Visit>
  void with_threads(Visit&& visit) const {
    if (width_ <= 1024)
      visit(kernel::width<32>{});
    else
      visit(kernel::width<128>{});
  }

  /// The last column.
  void check_gain() const {
    auto const x = x_.elements(0, x_.size());
    auto const dy = dy_.elements(0, dy_.size());
    auto const scales = scales_.numbers(0, rows_);
    auto const means =
        Kind == kernel::norm::layer ? means_.numbers(0, rows_) : std::vector<double>(scales.size());
    double expected = 0;
    for (index_t row = 0; row < rows_; ++row) {
      auto const at = static_cast<std::size_t>(row * width_ + width_ - 1);
      auto const n = static_cast<std::size_t>(row);
      expected +=
          static_cast<double>(float(dy[at])) * (static_cast<double>(float(x[at])) - means[n]) * scales[n];
    }
    expect_close("the gain's gradient", dgamma_.numbers(width_ - 1, 1), {expected}, 1e-2);
  }

  index_t rows_;
  int width_;
  bool backward_;
  int parts_, sets_;
  device_array<bf16> x_, gamma_, beta_, y_, dy_;
  device_array<float> means_, scales_, sums_;
  device_array<bf16> dgamma_, dbeta_;
};

class group_norm_case {
 public:
  static constexpr int groups = 32;

  group_norm_case(int images, int pixels, int channels, bool backward)
      : images_(images),
        pixels_(pixels),
        channels_(channels),
        backward_(backward),
        parts_(parts_for(images, pixels, 16)),
        sets_(sets_for((backward ? 3 : 2) * bytes_of<bf16>(size()))),
        x_(random_array<bf16>(size(), sets_)),
        gamma_(random_array<bf16>(channels, 1)),
        beta_(random_array<bf16>(channels, 1)),
        y_(size(), sets_),
        dy_(random_array<bf16>(backward ? size() : 1, sets_)),
        sums_(index_t{images} * parts_ * 2 * channels),
        means_(index_t{images} * groups, sets_),
        scales_(index_t{images} * groups, sets_),
        slopes_(index_t{images} * channels, sets_),
        shifts_(index_t{images} * channels, sets_),
        tilts_(index_t{images} * channels),
        offsets_(index_t{images} * channels),
        image_sums_(index_t{images} * 2 * channels),
        dgamma_(channels),
        dbeta_(channels) {
    for (int set = 0; set < sets_; ++set) forward(set);
  }

  [[nodiscard]] int sets() const { return sets_; }

  void run(int set) const {
    if (!backward_) return forward(set);
    auto const given = layout(set);
    sysdpo::launch<kernel::group_norm_backward_sums<bf16>>(
        {x_.of(set), dy_.of(set), given, true, sums_.of(0)}, nullptr);
    sysdpo::launch<kernel::group_norm_backward_statistics<bf16>>(
        {gamma_.of(0), given, sums_.of(0), image_sums_.of(0), tilts_.of(0), offsets_.of(0)}, nullptr);
    sysdpo::launch<kernel::group_norm_backward<bf16>>(
        {x_.of(set), dy_.of(set), given, true, tilts_.of(0), offsets_.of(0), y_.of(set), false}, nullptr);
    auto const sums = [&](float* from, bf16* to) {
      sysdpo::launch<kernel::column_sums_end<bf16>>({from, 1, channels_, images_, to, false}, nullptr);
    };
    sums(image_sums_.of(0), dgamma_.of(0));
    sums(image_sums_.of(0) + index_t{images_} * channels_, dbeta_.of(0));
  }

  /// The last group of the last image.
  void check() const {
    run(0);
    int const width = channels_ / groups;
    auto const gather = [&](device_array<bf16> const& from) {
      auto const all = from.numbers(size() - index_t{pixels_} * channels_, index_t{pixels_} * channels_);
      std::vector<double> group;
      for (int pixel = 1; pixel <= pixels_; ++pixel)
        group.insert(group.end(), all.begin() + index_t{pixel} * channels_ - width,
                     all.begin() + index_t{pixel} * channels_);
      return group;
    };
    auto x = gather(x_);
    auto const gamma = gamma_.numbers(channels_ - width, width);
    auto const beta = beta_.numbers(channels_ - width, width);
    auto const members = static_cast<double>(x.size());
    double mean = 0;
    double squares = 0;
    for (double const a : x) mean += a / members;
    for (double const a : x) squares += (a - mean) * (a - mean) / members;
    double const scale = 1 / std::sqrt(squares + 1e-5);
    for (double& a : x) a = (a - mean) * scale;
    std::vector<double> expected(x.size());
    auto const n = static_cast<std::size_t>(width);
    for (std::size_t i = 0; i < x.size(); ++i) {
      double const z = x[i] * gamma[i % n] + beta[i % n];
      expected[i] = z * sigmoid(z);
    }
    if (backward_) {
      auto u = gather(dy_);
      double product = 0;
      double sum = 0;
      for (std::size_t i = 0; i < x.size(); ++i) {
        double const z = x[i] * gamma[i % n] + beta[i % n];
        u[i] *= sigmoid(z) * (1 + z * (1 - sigmoid(z))) * gamma[i % n];
        product += u[i] * x[i] / members;
        sum += u[i] / members;
      }
      for (std::size_t i = 0; i < x.size(); ++i) expected[i] = scale * (u[i] - sum - x[i] * product);
    }
    expect_close(backward_ ? "dx" : "y", gather(y_), expected, 1e-2);
  }

 private:
  void forward(int set) const {
    auto const given = layout(set);
    sysdpo::launch<kernel::group_norm_sums<bf16>>({x_.of(set), given, sums_.of(0)}, nullptr);
    sysdpo::launch<kernel::group_norm_statistics<bf16>>(
        {x_.of(set), gamma_.of(0), beta_.of(0), given, sums_.of(0), 1e-5F}, nullptr);
    sysdpo::launch<kernel::group_norm<bf16>>({x_.of(set), given, true, y_.of(set)}, nullptr);
  }

  [[nodiscard]] index_t size() const { return index_t{images_} * pixels_ * channels_; }
  [[nodiscard]] kernel::group_norm_layout layout(int set) const {
    return {images_,        pixels_,         channels_,       groups,         parts_,
            means_.of(set), scales_.of(set), slopes_.of(set), shifts_.of(set)};
  }

  int images_, pixels_, channels_;
  bool backward_;
  int parts_, sets_;
  device_array<bf16> x_, gamma_, beta_, y_, dy_;
  device_array<float> sums_, means_, scales_, slopes_, shifts_, tilts_, offsets_, image_sums_;
  device_array<bf16> dgamma_, dbeta_;
};

class rope_case {
 public:
  rope_case(index_t rows, int heads, int head_size)
      : rows_(rows),
        heads_(heads),
        head_size_(head_size),
        sets_(sets_for(2 * bytes_of<bf16>(size()))),
        x_(random_array<bf16>(size(), sets_)),
        y_(size(), sets_),
        positions_(random_array<std::int32_t>(rows, 1, {.bound = positions})),
        cosines_(random_array<float>(index_t{positions} * head_size / 2, 1)),
        sines_(random_array<float>(index_t{positions} * head_size / 2, 1)) {}

  static constexpr int positions = 4096;

  [[nodiscard]] int sets() const { return sets_; }

  void run(int set) const {
    sysdpo::launch<kernel::rope<bf16>>({x_.of(set), positions_.of(0), cosines_.of(0), sines_.of(0), rows_,
                                        positions, heads_, head_size_, 1, y_.of(set), false},
                                       nullptr);
  }

  void check() const {
    run(0);
    int const middle = head_size_ / 2;
    for (auto const row : some_rows(rows_)) {
      auto const at = (row * heads_ + heads_ - 1) * head_size_;
      auto const x = x_.numbers(at, head_size_);
      auto const angle = index_t{positions_.elements(row, 1)[0]} * middle;
      auto const c = cosines_.numbers(angle, middle);
      auto const s = sines_.numbers(angle, middle);
      std::vector<double> expected(x.size());
      auto const n = static_cast<std::size_t>(middle);
      for (std::size_t i = 0; i < n; ++i) {
        expected[i] = x[i] * c[i] - x[i + n] * s[i];
        expected[i + n] = x[i + n] * c[i] + x[i] * s[i];
      }
      expect_close("y", y_.numbers(at, head_size_), expected, 1e-2);
    }
  }

 private:
  [[nodiscard]] index_t size() const { return rows_ * heads_ * head_size_; }

  index_t rows_;
  int heads_, head_size_, sets_;
  device_array<bf16> x_, y_;
  device_array<std::int32_t> positions_;
  device_array<float> cosines_, sines_;
};

/// SwiGLU with gate and up apart, GEGLU with the rows [value, gate].
template <bool Geglu>
class gate_case {
 public:
  gate_case(index_t rows, int width, bool backward)
      : rows_(rows),
        width_(width),
        backward_(backward),
        sets_(sets_for((backward ? 5 : 3) * bytes_of<bf16>(rows * width))),
        x_(random_array<bf16>(2 * rows * width, sets_)),
        dy_(random_array<bf16>(backward ? rows * width : 1, sets_)),
        out_((backward ? 2 : 1) * rows * width, sets_) {}

  [[nodiscard]] int sets() const { return sets_; }

  void run(int set) const {
    auto const size = rows_ * width_;
    if constexpr (Geglu) {
      if (backward_)
        sysdpo::launch<kernel::geglu_backward<bf16>>(
            {x_.of(set), dy_.of(set), rows_, width_, out_.of(set), false}, nullptr);
      else
        sysdpo::launch<kernel::geglu<bf16>>({x_.of(set), rows_, width_, out_.of(set)}, nullptr);
    } else if (backward_) {
      sysdpo::launch<kernel::swiglu_backward<bf16>>(
          {x_.of(set), x_.of(set) + size, dy_.of(set), size, out_.of(set), out_.of(set) + size, false, false},
          nullptr);
    } else {
      sysdpo::launch<kernel::swiglu<bf16>>({x_.of(set), x_.of(set) + size, size, out_.of(set)}, nullptr);
    }
  }

  void check() const {
    run(0);
    for (auto const row : some_rows(rows_)) {
      auto const gate = x_.numbers(gate_at(row), width_);
      auto const up = x_.numbers(up_at(row), width_);
      std::vector<double> of_gate, of_up;
      for (std::size_t i = 0; i < gate.size(); ++i) {
        double const s = Geglu ? 0.5 * std::erfc(-gate[i] / std::sqrt(2.0)) : sigmoid(gate[i]);
        double const slope =
            Geglu ? s + gate[i] * std::exp(-gate[i] * gate[i] / 2) / std::sqrt(2 * 3.14159265358979324)
                  : s * (1 + gate[i] * (1 - s));
        of_up.push_back(gate[i] * s);
        of_gate.push_back(up[i] * slope);
      }
      if (backward_) {
        auto const dy = dy_.numbers(row * width_, width_);
        for (std::size_t i = 0; i < dy.size(); ++i) {
          of_up[i] *= dy[i];
          of_gate[i] *= dy[i];
        }
        expect_close("the gate's gradient", out_.numbers(gate_at(row), width_), of_gate, 1e-2);
        expect_close("the other's gradient", out_.numbers(up_at(row), width_), of_up, 1e-2);
      } else {
        for (std::size_t i = 0; i < up.size(); ++i) of_up[i] *= up[i];
        expect_close("y", out_.numbers(row * width_, width_), of_up, 1e-2);
      }
    }
  }

 private:
  [[nodiscard]] index_t gate_at(index_t row) const { return Geglu ? (2 * row + 1) * width_ : row * width_; }
  [[nodiscard]] index_t up_at(index_t row) const { return Geglu ? 2 * row * width_ : (rows_ + row) * width_; }

  index_t rows_;
  int width_;
  bool backward_;
  int sets_;
  device_array<bf16> x_, dy_, out_;
};

/// One word in sixteen is the same, as in a text.
class embedding_case {
 public:
  embedding_case(index_t vocabulary, index_t rows, int width, bool backward)
      : vocabulary_(vocabulary),
        rows_(rows),
        width_(width),
        backward_(backward),
        sets_(sets_for(2 * bytes_of<bf16>(rows * width))),
        table_(random_array<bf16>(vocabulary * width, 1)),
        ids_(words(rows, static_cast<std::int32_t>(vocabulary))),
        rows_of_(random_array<bf16>(rows * width, sets_)),
        pieces_(2 * gradient::chunks(rows) * width),
        host_ids_(ids_.elements(0, rows)),
        order_(order_of(host_ids_)),
        order_on_device_(order_),
        sorted_(in_order(host_ids_, order_)) {}

  [[nodiscard]] int sets() const { return sets_; }

  void run(int set) const {
    if (!backward_) {
      sysdpo::launch<kernel::embedding<bf16>>(
          {table_.of(0), ids_.of(0), rows_, vocabulary_, width_, rows_of_.of(set)}, nullptr);
      return;
    }
    gradient const given{.sorted_ids = sorted_.of(0),
                         .order = order_on_device_.of(0),
                         .dy = rows_of_.of(set),
                         .rows = rows_,
                         .table_rows = vocabulary_,
                         .width = width_,
                         .dtable = table_.of(0),
                         .pieces = pieces_.of(0)};
    sysdpo::launch<kernel::embedding_backward<bf16>>(given, nullptr);
    sysdpo::launch<kernel::embedding_backward_end<bf16>>(given, nullptr);
  }

  void check() const {
    for (auto const row : some_rows(rows_)) {
      auto const id = host_ids_[static_cast<std::size_t>(row)];
      auto expected = table_.numbers(index_t{id} * width_, width_);
      run(0);
      if (!backward_) {
        expect_close("y", rows_of_.numbers(row * width_, width_), expected, 0);
        continue;
      }
      for (index_t other = 0; other < rows_; ++other) {
        if (host_ids_[static_cast<std::size_t>(other)] != id) continue;
        auto const dy = rows_of_.numbers(other * width_, width_);
        for (std::size_t i = 0; i < dy.size(); ++i) expected[i] += dy[i];
      }
      expect_close("the table's gradient", table_.numbers(index_t{id} * width_, width_), expected, 1e-2);
    }
  }

 private:
  using gradient = kernel::embedding_gradient<bf16>;

  static std::vector<std::int32_t> words(index_t rows, std::int32_t vocabulary) {
    auto ids = random_array<std::int32_t>(rows, 1, {.bound = vocabulary}).elements(0, rows);
    for (std::size_t i = 0; i < ids.size(); i += 16) ids[i] = 0;
    return ids;
  }
  static std::vector<std::int32_t> order_of(std::vector<std::int32_t> const& ids) {
    std::vector<std::int32_t> order;
    for (std::int32_t i = 0; i < std::ssize(ids); ++i) order.push_back(i);
    std::stable_sort(order.begin(), order.end(), [&](std::int32_t a, std::int32_t b) {
      return ids[static_cast<std::size_t>(a)] < ids[static_cast<std::size_t>(b)];
    });
    return order;
  }
  static std::vector<std::int32_t> in_order(std::vector<std::int32_t> const& ids,
                                            std::vector<std::int32_t> const& order) {
    std::vector<std::int32_t> sorted;
    for (auto const i : order) sorted.push_back(ids[static_cast<std::size_t>(i)]);
    return sorted;
  }

  index_t vocabulary_, rows_;
  int width_;
  bool backward_;
  int sets_;
  device_array<bf16> table_;
  device_array<std::int32_t> ids_;
  device_array<bf16> rows_of_;
  device_array<float> pieces_;
  std::vector<std::int32_t> host_ids_, order_;
  device_array<std::int32_t> order_on_device_, sorted_;
};

class squared_norm_case {
 public:
  explicit squared_norm_case(index_t size)
      : size_(size),
        share_(kernel::ceil_divide(size / 2048, 4096) * 4096),
        blocks_(kernel::squared_norm<bf16>::blocks_of(size, share_)),
        x_(random_array<bf16>(size, 1)),
        list_(std::vector<kernel::squared_norm_tensor<bf16>>{{x_.of(0), size, 0}}),
        sums_(blocks_),
        norm_(1),
        scale_(1) {}

  [[nodiscard]] static int sets() { return 1; }

  void run(int /*set*/) const {
    sysdpo::launch<kernel::squared_norm<bf16>>({list_.of(0), 1, share_, blocks_, sums_.of(0)}, nullptr);
    sysdpo::launch<kernel::squared_norm_end>({sums_.of(0), static_cast<int>(blocks_), norm_.of(0)}, nullptr);
    sysdpo::launch<kernel::gradient_scales>({norm_.of(0), 1, nullptr, 0, 1, scale_.of(0)}, nullptr);
  }

  /// Normal numbers have mean square 1.
  void check() const {
    run(0);
    expect_close("the squared norm", norm_.numbers(0, 1), {static_cast<double>(size_)}, 2e-2);
    expect_close("the scale", scale_.numbers(0, 1), {1 / std::sqrt(static_cast<double>(size_))}, 1e-2);
  }

 private:
  index_t size_, share_, blocks_;
  device_array<bf16> x_;
  device_array<kernel::squared_norm_tensor<bf16>> list_;
  device_array<double> sums_, norm_, scale_;
};

/// Weights of bf16 that are rounded at random, in `tensors` tensors of one size.
class adamw_case {
 public:
  adamw_case(int tensors, index_t size)
      : tensors_(tensors),
        size_(size),
        w_(random_array<bf16>(total(), 1)),
        g_(random_array<bf16>(total(), 1)),
        m_(random_array<float>(total(), 1)),
        v_(random_array<float>(total(), 1, {.positive = true})),
        list_(list()) {}

  [[nodiscard]] static int sets() { return 1; }

  void run(int /*set*/) const {
    sysdpo::launch<kernel::adamw<bf16>>({list_.of(0),
                                         tensors_,
                                         tensors_ * kernel::adamw<bf16>::blocks_of(size_),
                                         0.9F,
                                         0.99F,
                                         keep,
                                         rate,
                                         root,
                                         epsilon,
                                         1.0F,
                                         nullptr,
                                         true,
                                         {}},
                                        nullptr);
  }

  /// The end of the first and the last tensor.
  void check() const {
    constexpr index_t count = 64;
    for (auto const end : {size_, total()}) {
      auto const g = g_.numbers(end - count, count);
      auto const m = m_.numbers(end - count, count);
      auto const v = v_.numbers(end - count, count);
      auto expected = w_.numbers(end - count, count);
      run(0);
      for (std::size_t i = 0; i < g.size(); ++i)
        expected[i] = expected[i] * static_cast<double>(keep) -
                      static_cast<double>(rate) * (0.9 * m[i] + 0.1 * g[i]) /
                          (std::sqrt((0.99 * v[i] + 0.01 * g[i] * g[i]) * static_cast<double>(root)) + 1e-8);
      expect_close("a weight", w_.numbers(end - count, count), expected, 1e-2);
    }
  }

 private:
  static constexpr float keep = 0.999F, rate = 0.01F, root = 1, epsilon = 1e-8F;

  [[nodiscard]] index_t total() const { return tensors_ * size_; }
  [[nodiscard]] std::vector<kernel::adamw_tensor<bf16>> list() const {
    std::vector<kernel::adamw_tensor<bf16>> made;
    for (index_t i = 0; i < tensors_; ++i)
      made.push_back({w_.of(0) + i * size_, g_.of(0) + i * size_, m_.of(0) + i * size_, v_.of(0) + i * size_,
                      size_, i * kernel::adamw<bf16>::blocks_of(size_)});
    return made;
  }

  int tensors_;
  index_t size_;
  device_array<bf16> w_, g_;
  device_array<float> m_, v_;
  device_array<kernel::adamw_tensor<bf16>> list_;
};

std::string by(std::initializer_list<std::int64_t> extents) {
  std::string text;
  for (auto const extent : extents) text += (text.empty() ? "" : " x ") + std::to_string(extent);
  return text;
}

std::vector<benchmark> operation_benchmarks() {
  std::vector<benchmark> made;
  auto const bytes = [](double arrays, index_t size) { return arrays * bytes_of<bf16>(size); };
  for (bool const backward : {false, true}) {
    auto const* const pass = backward ? "backward" : "forward";
    double const io = backward ? 3 : 2;
    for (auto const& [rows, width] : {std::pair<index_t, int>{16384, 2048}, {16384, 4096}})
      made.push_back(of_memory<row_norm_case<kernel::norm::rms>>(
          "rms_norm", pass, by({rows, width}), {{"rows", rows}, {"width", width}}, bytes(io, rows * width),
          rows, width, backward));
    for (auto const& [rows, width] : {std::pair<index_t, int>{65536, 320}, {16384, 640}})
      made.push_back(of_memory<row_norm_case<kernel::norm::layer>>(
          "layer_norm", pass, by({rows, width}), {{"rows", rows}, {"width", width}}, bytes(io, rows * width),
          rows, width, backward));
    for (auto const& [height, channels] : {std::pair{64, 320}, {32, 640}, {16, 1280}}) {
      constexpr int images = 16;
      made.push_back(of_memory<group_norm_case>("group_norm_silu", pass,
                                                by({images, height, height, channels}),
                                                {{"images", images},
                                                 {"height", height},
                                                 {"channels", channels},
                                                 {"groups", group_norm_case::groups}},
                                                bytes(io, index_t{images} * height * height * channels),
                                                images, height * height, channels, backward));
    }
    double const gates = backward ? 5 : 3;
    made.push_back(
        of_memory<gate_case<false>>("swiglu", pass, by({16384, 5632}), {{"rows", 16384}, {"width", 5632}},
                                    bytes(gates, index_t{16384} * 5632), index_t{16384}, 5632, backward));
    made.push_back(
        of_memory<gate_case<true>>("geglu", pass, by({65536, 1280}), {{"rows", 65536}, {"width", 1280}},
                                   bytes(gates, index_t{65536} * 1280), index_t{65536}, 1280, backward));
    for (index_t const vocabulary : {32000, 151936})
      // Backward reads and writes the rows of the table that have an id: about vocabulary * (1 - exp(-rows /
      // vocabulary)).
      made.push_back(of_memory<embedding_case>(
          "embedding", pass, by({16384, 2048}) + " of " + std::to_string(vocabulary),
          {{"vocabulary", vocabulary}, {"rows", 16384}, {"width", 2048}},
          bytes(backward ? 1 + 2 * static_cast<double>(vocabulary) / 16384 *
                                   (1 - std::exp(-16384 / static_cast<double>(vocabulary)))
                         : 2,
                index_t{16384} * 2048),
          vocabulary, index_t{16384}, 2048, backward));
  }
  made.push_back(of_memory<rope_case>(
      "rope", "forward", by({16384, 32, 128}),
      {{"rows", 16384}, {"heads", 32}, {"head_size", 128}, {"positions", rope_case::positions}},
      bytes(2, index_t{16384} * 32 * 128), index_t{16384}, 32, 128));
  made.push_back(of_memory<squared_norm_case>("squared_norm", "forward", by({1100000000}),
                                              {{"size", 1100000000}}, bytes(1, 1100000000),
                                              index_t{1100000000}));
  // Read: gradient 2 bytes, moments 8, weight 2; written: moments 8, weight 2.
  made.push_back(of_memory<adamw_case>("adamw", "step", by({200, 5500000}),
                                       {{"tensors", 200}, {"size", 5500000}}, 22 * 200 * 5500000.0, 200,
                                       index_t{5500000}));
  return made;
}

registration const registered(operation_benchmarks());

}  // namespace

}  // namespace benchmarks::gpu
