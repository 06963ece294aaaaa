// Attention at the sizes that the field reports, with grouped heads, and as a UNet has it.
// Operations are 4·d for each query, visible key and head forward, and 10·d backward: what the definition
// takes, as everybody counts; the deterministic backward pass here does 14·d.
#include "sysdpo/kernel/attention.hpp"

#include "device.cuh"
#include "sysdpo/kernel/attention_backward.hpp"

namespace benchmarks::gpu {

namespace {

struct attention_shape {
  int batch, queries, keys, heads, key_heads, head_size;
  bool causal;

  [[nodiscard]] double pairs() const {
    double total = 0;
    for (int i = 0; i < queries; ++i) total += visible(i);
    return total * batch * heads;
  }
  /// Bytes of the operands and results, each once.
  [[nodiscard]] double bytes(bool backward) const {
    auto const elements = index_t{batch} * head_size * (index_t{queries} * heads + index_t{keys} * key_heads);
    return (backward ? 4 : 2) * bytes_of<bf16>(elements);
  }
  /// With so few keys there are fewer operations for each byte than a device does meanwhile.
  [[nodiscard]] bound limit() const { return keys < 300 ? bound::memory : bound::compute; }
  [[nodiscard]] int visible(int i) const {
    return causal ? std::clamp(i + 1 + keys - queries, 0, keys) : keys;
  }
  [[nodiscard]] std::string text() const {
    auto const length =
        queries == keys ? std::to_string(queries) : std::to_string(queries) + "x" + std::to_string(keys);
    auto const by =
        heads == key_heads ? std::to_string(heads) : std::to_string(heads) + ":" + std::to_string(key_heads);
    return "d" + std::to_string(head_size) + (causal ? " causal " : " full ") + length + ", batch " +
           std::to_string(batch) + ", heads " + by;
  }
};

/// One sequence's numbers on the host.
struct host_sequence {
  std::vector<bf16> rows;
  int heads, head_size;
  [[nodiscard]] bf16 const* row(int i, int head) const {
    return rows.data() + (index_t{i} * heads + head) * head_size;
  }
  [[nodiscard]] std::vector<double> copy(int i, int head) const {
    std::vector<double> made(static_cast<std::size_t>(head_size));
    add_to(made, 1, row(i, head));
    return made;
  }

  /// sum += factor · row.
  static void add_to(std::vector<double>& sum, double factor, bf16 const* row) {
    for (std::size_t c = 0; c < sum.size(); ++c) sum[c] += factor * static_cast<double>(float(row[c]));
  }
};

double dot(bf16 const* x, bf16 const* y, int size) {
  double sum = 0;
  for (int i = 0; i < size; ++i) sum += static_cast<double>(float(x[i])) * static_cast<double>(float(y[i]));
  return sum;
}

template <int D>
class attention_case {
 public:
  using forward_kernel = kernel::attention<bf16, D>;
  using queries_kernel = kernel::attention_backward_queries<bf16, D>;
  using keys_kernel = kernel::attention_backward_keys<bf16, D>;

  attention_case(attention_shape const& shape, bool backward)
      : shape_(shape),
        sets_(sets_for(shape.bytes(backward))),
        q_(random_array<bf16>(q_size(), sets_)),
        k_(random_array<bf16>(k_size(), sets_)),
        v_(random_array<bf16>(k_size(), sets_)),
        y_(q_size(), sets_),
        log_sums_(rows(), sets_),
        dy_(backward ? random_array<bf16>(q_size(), sets_) : device_array<bf16>(1)),
        dq_(backward ? q_size() : 1, backward ? sets_ : 1),
        dk_(backward ? k_size() : 1, backward ? sets_ : 1),
        dv_(backward ? k_size() : 1, backward ? sets_ : 1),
        products_(backward ? rows() : 1, backward ? sets_ : 1),
        q_offsets_(steps(shape.queries, 0)),
        k_begins_(steps(shape.keys, 0)),
        k_ends_(steps(shape.keys, 1)) {
    if (backward)
      for (int set = 0; set < sets_; ++set) forward(set);
  }

  [[nodiscard]] int sets() const { return sets_; }

  void forward(int set) const {
    sysdpo::launch<forward_kernel>(
        {q_.of(set), k_.of(set), v_.of(set), layout(), y_.of(set), log_sums_.of(set)}, nullptr);
  }

  void backward(int set) const {
    sysdpo::launch<kernel::attention_products<bf16>>(
        {y_.of(set), dy_.of(set), rows(), shape_.head_size, products_.of(set)}, nullptr);
    sysdpo::launch<queries_kernel>({q_.of(set), k_.of(set), v_.of(set), dy_.of(set), log_sums_.of(set),
                                    products_.of(set), layout(), dq_.of(set), false},
                                   nullptr);
    sysdpo::launch<keys_kernel>({q_.of(set), k_.of(set), v_.of(set), dy_.of(set), log_sums_.of(set),
                                 products_.of(set), layout(), dk_.of(set), dv_.of(set), false, false},
                                nullptr);
  }

  /// The last head of the last sequence, some queries of it.
  void check_forward() const {
    forward(0);
    auto const q = last(q_, shape_.queries, shape_.heads);
    auto const k = last(k_, shape_.keys, shape_.key_heads);
    auto const v = last(v_, shape_.keys, shape_.key_heads);
    auto const y = last(y_, shape_.queries, shape_.heads);
    for (auto const i : some_rows(shape_.queries)) {
      auto const at = static_cast<int>(i);
      std::vector<double> expected(static_cast<std::size_t>(shape_.head_size));
      double sum = 0;
      for (int j = 0; j < shape_.visible(at); ++j) {
        double const p = std::exp(scale() * dot(q.row(at, head()), k.row(j, key_head()), shape_.head_size));
        sum += p;
        host_sequence::add_to(expected, p, v.row(j, key_head()));
      }
      for (auto& x : expected) x /= sum;
      expect_close("y", y.copy(at, head()), expected, 2e-2);
    }
  }

  /// Likewise some rows of each gradient, from the y and sums of the forward pass.
  void check_backward() const {
    check_forward();
    backward(0);
    auto const d = shape_.head_size;
    auto const q = last(q_, shape_.queries, shape_.heads);
    auto const k = last(k_, shape_.keys, shape_.key_heads);
    auto const v = last(v_, shape_.keys, shape_.key_heads);
    auto const y = last(y_, shape_.queries, shape_.heads);
    auto const dy = last(dy_, shape_.queries, shape_.heads);
    auto const log_sums = log_sums_.numbers(rows() - index_t{shape_.queries} * shape_.heads,
                                            index_t{shape_.queries} * shape_.heads);
    auto const probability = [&](int i, int of_head, int j) {
      return std::exp(scale() * dot(q.row(i, of_head), k.row(j, key_head()), d) -
                      log_sums[static_cast<std::size_t>(i * shape_.heads + of_head)]);
    };
    auto const slope = [&](int i, int of_head, int j) {
      return probability(i, of_head, j) * (dot(dy.row(i, of_head), v.row(j, key_head()), d) -
                                           dot(dy.row(i, of_head), y.row(i, of_head), d));
    };
    auto const dq = last(dq_, shape_.queries, shape_.heads);
    for (auto const row : some_rows(shape_.queries)) {
      auto const i = static_cast<int>(row);
      if (shape_.visible(i) < 2) continue;  // one key: the gradient is 0
      std::vector<double> expected(static_cast<std::size_t>(d));
      for (int j = 0; j < shape_.visible(i); ++j) {
        double const factor = scale() * slope(i, head(), j);
        host_sequence::add_to(expected, factor, k.row(j, key_head()));
      }
      expect_close("dq", dq.copy(i, head()), expected, 3e-2);
    }
    auto const dk = last(dk_, shape_.keys, shape_.key_heads);
    auto const dv = last(dv_, shape_.keys, shape_.key_heads);
    for (auto const row : some_rows(shape_.keys)) {
      auto const j = static_cast<int>(row);
      std::vector<double> of_key(static_cast<std::size_t>(d));
      std::vector<double> of_value(static_cast<std::size_t>(d));
      for (int of_head = shape_.heads - group(); of_head < shape_.heads; ++of_head)
        for (int i = 0; i < shape_.queries; ++i) {
          if (shape_.visible(i) <= j) continue;
          double const factor = scale() * slope(i, of_head, j);
          double const p = probability(i, of_head, j);
          host_sequence::add_to(of_key, factor, q.row(i, of_head));
          host_sequence::add_to(of_value, p, dy.row(i, of_head));
        }
      expect_close("dk", dk.copy(j, key_head()), of_key, 3e-2);
      expect_close("dv", dv.copy(j, key_head()), of_value, 3e-2);
    }
  }

 private:
  [[nodiscard]] index_t rows() const { return index_t{shape_.batch} * shape_.queries * shape_.heads; }
  [[nodiscard]] index_t q_size() const { return rows() * shape_.head_size; }
  [[nodiscard]] index_t k_size() const {
    return index_t{shape_.batch} * shape_.keys * shape_.key_heads * shape_.head_size;
  }
  [[nodiscard]] double scale() const { return 1 / std::sqrt(static_cast<double>(shape_.head_size)); }
  [[nodiscard]] int head() const { return shape_.heads - 1; }
  [[nodiscard]] int key_head() const { return shape_.key_heads - 1; }
  [[nodiscard]] int group() const { return shape_.heads / shape_.key_heads; }

  [[nodiscard]] std::vector<std::int32_t> steps(int length, int first) const {
    std::vector<std::int32_t> made;
    for (int i = 0; i <= shape_.batch; ++i) made.push_back((i + first) * length);
    return made;
  }

  [[nodiscard]] kernel::attention_layout layout() const {
    return {q_offsets_.of(0),           k_begins_.of(0),  k_ends_.of(0),  shape_.batch, shape_.heads,
            shape_.key_heads,           shape_.head_size, shape_.queries, shape_.keys,  shape_.causal,
            static_cast<float>(scale())};
  }

  /// The last sequence of the first set.
  [[nodiscard]] host_sequence last(device_array<bf16> const& from, int length, int heads) const {
    auto const size = index_t{length} * heads * shape_.head_size;
    return {from.elements(from.size() - size, size), heads, shape_.head_size};
  }

  attention_shape shape_;
  int sets_;
  device_array<bf16> q_, k_, v_, y_;
  device_array<float> log_sums_;
  device_array<bf16> dy_, dq_, dk_, dv_;
  device_array<float> products_;
  device_array<std::int32_t> q_offsets_, k_begins_, k_ends_;
};

template <int D>
prepared prepare(attention_shape const& shape, bool backward) {
  auto const one = std::make_shared<attention_case<D>>(shape, backward);
  prepared made;
  made.sets = one->sets();
  made.run = [=](int set) { backward ? one->backward(set) : one->forward(set); };
  made.check = [=] { backward ? one->check_backward() : one->check_forward(); };
  return made;
}

/// The least D that the library offers for a head size.
prepared prepare_any(attention_shape const& shape, bool backward) {
  switch (shape.head_size) {
    case 40:
      return prepare<48>(shape, backward);
    case 64:
      return prepare<64>(shape, backward);
    case 80:
      return prepare<80>(shape, backward);
    case 128:
      return prepare<128>(shape, backward);
    case 160:
      return prepare<160>(shape, backward);
    default:
      return prepare<256>(shape, backward);
  }
}

std::vector<benchmark> attention_benchmarks() {
  std::vector<attention_shape> shapes;
  // 16,384 tokens of width 2048, as papers have it.
  for (int const d : {64, 128, 256})
    for (bool const causal : {true, false})
      for (int const length : {2048, 4096, 16384})
        shapes.push_back({16384 / length, length, length, 2048 / d, 2048 / d, d, causal});
  shapes.push_back({4, 4096, 4096, 32, 8, 128, true});  // grouped heads
  // The three levels of SD 1.5's UNet, 16 images: among pixels, and from pixels to a caption.
  for (auto const& [d, pixels] : {std::pair{40, 4096}, {80, 1024}, {160, 256}})
    for (int const keys : {pixels, 77}) shapes.push_back({16, pixels, keys, 8, 8, d, false});

  std::vector<benchmark> made;
  for (bool const backward : {false, true})
    for (auto const& shape : shapes)
      made.push_back({"attention",
                      backward ? "backward" : "forward",
                      shape.text(),
                      "bf16",
                      {{"batch", shape.batch},
                       {"queries", shape.queries},
                       {"keys", shape.keys},
                       {"heads", shape.heads},
                       {"key_heads", shape.key_heads},
                       {"head_size", shape.head_size},
                       {"causal", shape.causal ? 1 : 0}},
                      shape.limit(),
                      shape.limit() == bound::memory ? shape.bytes(backward)
                                                     : (backward ? 10 : 4) * shape.head_size * shape.pairs(),
                      [=] { return prepare_any(shape, backward); }});
  return made;
}

registration const registered(attention_benchmarks());

}  // namespace

}  // namespace benchmarks::gpu
