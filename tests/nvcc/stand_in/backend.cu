// What the CUDA backend does on the host, on stand-ins for CUDA's libraries: order, memory, errors, and what
// cuBLASLt is told.
#include "sysdpo/backend/cuda/backend.cuh"

#include <cmath>
#include <random>
#include <semaphore>
#include <string>
#include <thread>
#include <vector>

#include "stand_in.hpp"
#include "support/catch.hpp"
#include "sysdpo/backend/cuda/product.cuh"
#include "sysdpo/backend/recorded_step.hpp"

using sysdpo::bf16;
using sysdpo::cuda;
using sysdpo::index_t;

namespace {

/// An array on the current device.
template <class T>
struct array {
  sysdpo::memory_block* block;
  T* data;
  index_t size;

  explicit array(index_t count)
      : block(cuda::memory().take(static_cast<std::size_t>(count) * sizeof(T))),
        data(static_cast<T*>(block->data)),
        size(count) {}
  explicit array(std::vector<T> const& host) : array(static_cast<index_t>(host.size())) {
    cuda::upload(data, host.data(), host.size() * sizeof(T));
  }
  array(array const&) = delete;
  array& operator=(array const&) = delete;
  ~array() { cuda::memory().give_back(block); }

  [[nodiscard]] std::vector<T> host() const {
    std::vector<T> values(static_cast<std::size_t>(size));
    cuda::download(values.data(), data, values.size() * sizeof(T));
    return values;
  }
};

std::size_t mebibytes(std::size_t count) { return count << 20; }

auto found_by(std::string const& name) {
  return [name](std::int64_t position, std::int64_t id) {
    sysdpo::fail({name, std::to_string(position), "id " + std::to_string(id), ""});
  };
}

using recording = sysdpo::recorded_step<cuda>;

/// y [size] = factor · x.
struct scaled {
  static constexpr int threads = 32;
  struct arguments {
    float const* x;
    float* y;
    index_t size;
    float factor;
  };
  using shared = sysdpo::kernel::nothing_shared;
  static index_t blocks(arguments const& given) { return sysdpo::kernel::ceil_divide(given.size, threads); }
  template <class Block>
  SYSDPO_DEVICE void operator()(Block&, arguments const&, shared&) const {}
};
/// What the stand-in runs for it.
void scale(unsigned blocks, void const* arguments) {
  auto const& [x, y, size, factor] = *static_cast<scaled::arguments const*>(arguments);
  CHECK(blocks == (size + 31) / 32);
  for (index_t i = 0; i < size; ++i) y[i] = factor * x[i];
}

/// What a recording of `step` throws.
template <class Step>
std::string refusal(Step const& step) {
  try {
    recording const made(step);
    return "none";
  } catch (sysdpo::error const& error) {
    return error.what();
  }
}

template <class T, class Out>
void multiply_all() {
  std::mt19937 random(2);
  auto const values = [&]<class X>(X, index_t count) {
    std::vector<X> made;
    for (index_t i = 0; i < count; ++i)
      made.push_back(X(static_cast<float>(static_cast<int>(random() % 17) - 8) / 4));
    return made;
  };
  struct sizes {
    index_t m, n, k;
  };
  for (auto const [m, n, k] : {sizes{3, 4, 5}, {1, 7, 2}, {6, 1, 3}, {4, 3, 0}, {0, 3, 2}, {2, 0, 2}})
    for (int form = 0; form < 32; ++form) {
      bool const a_turned = form & 1;
      bool const b_turned = form & 2;
      bool const accumulate = form & 4;
      bool const has_bias = form & 8;
      auto const shift = static_cast<std::size_t>(form / 16);  // a need not be aligned
      auto const host_a = values(T{}, m * k + form / 16);
      auto const host_b = values(T{}, k * n);
      auto const host_bias = values(Out{}, n);
      auto const old = values(Out{}, m * n);
      array<T> const device_a(host_a);
      array<T> const device_b(host_b);
      array<Out> const bias(host_bias);
      array<Out> const c(old);
      sysdpo::matrix_view<T const> const a{device_a.data + shift, a_turned ? k : m, a_turned ? m : k,
                                           a_turned};
      sysdpo::matrix_view<T const> const b{device_b.data, b_turned ? n : k, b_turned ? k : n, b_turned};
      using product = sysdpo::implement<sysdpo::product_op, cuda>;
      product::forward(a, b, has_bias ? bias.data : nullptr, sysdpo::matrix_view<Out>{c.data, m, n},
                       accumulate);
      auto const got = c.host();
      for (index_t i = 0; i < m; ++i)
        for (index_t j = 0; j < n; ++j) {
          auto const at = static_cast<std::size_t>(i * n + j);
          float sum = accumulate ? float(old[at]) : 0;
          if (has_bias) sum += float(host_bias[static_cast<std::size_t>(j)]);
          for (index_t q = 0; q < k; ++q)
            sum += float(host_a[shift + static_cast<std::size_t>(a_turned ? q * m + i : i * k + q)]) *
                   float(host_b[static_cast<std::size_t>(b_turned ? j * k + q : q * n + j)]);
          CHECK(float(got[at]) == float(Out(sum)));
        }
    }
}

}  // namespace

TEST_CASE("an upload may lose its source at once, and waits only for a full ring", "[cuda]") {
  std::mt19937 random(1);
  std::vector<unsigned char> expected(mebibytes(40));
  std::vector<unsigned char> source(mebibytes(5));
  array<unsigned char> const to(static_cast<index_t>(expected.size()));
  auto const waits = stand_in::waits_for_events;
  for (std::size_t at = 0; at < expected.size();) {
    auto const most = random() % 4 != 0 ? std::size_t{70000} : mebibytes(4);
    auto const size = std::min<std::size_t>(random() % most, expected.size() - at);
    for (std::size_t i = 0; i < size; ++i)
      expected[at + i] = source[i] = static_cast<unsigned char>(random());
    cuda::upload(to.data + at, source.data(), size);
    std::fill_n(source.begin(), size, 0);
    at += size;
  }
  CHECK(stand_in::waits_for_events > waits);
  CHECK((to.host() == expected));

  auto const before = std::pair(stand_in::waits_for_events, stand_in::waits_for_streams);
  for (int i = 0; i < 250; ++i) cuda::upload(to.data + 4 * i, &i, sizeof i);
  CHECK(before == std::pair(stand_in::waits_for_events, stand_in::waits_for_streams));
}

TEST_CASE("each device has its own memory, and a block finds its way back", "[cuda]") {
  CHECK(cuda::device_count() == 2);
  CHECK_THROWS_WITH(cuda::use_device(3), Catch::Contains("device 3): this machine has 2"));
  CHECK_THROWS_WITH(cuda::device_scope(-1), Catch::Contains("device -1"));
  sysdpo::memory_block* other = nullptr;
  {
    cuda::device_scope const scope(1);
    CHECK(cuda::device() == 1);
    other = cuda::memory().take(100);
    CHECK(other->device == 1);
  }
  CHECK(cuda::device() == 0);
  auto const in_use = cuda::memory().bytes_in_use();
  cuda::memory().give_back(other);
  CHECK(cuda::memory().bytes_in_use() == in_use);
  cuda::device_scope const scope(1);
  CHECK(cuda::memory().bytes_in_use() == 0);
  auto* const again = cuda::memory().take(100);
  CHECK(again == other);
  cuda::memory().give_back(again);
}

TEST_CASE("a device without memory left says what it has and who holds it", "[cuda]") {
  cuda::device_scope const scope(1);
  cuda::memory().trim();
  {
    array<char> const half(static_cast<index_t>(mebibytes(56)));
    CHECK_THROWS_WITH(
        array<char>(static_cast<index_t>(mebibytes(64))),
        Catch::Contains("device 1): 64 MiB were asked for; 44 MiB of 100 MiB are free, and this "
                        "process's pool holds 56 MiB, of which 56 MiB are in use"));
    CHECK(cuda::memory().bytes_in_use() == half.block->bytes);
  }
  array<char> const large(static_cast<index_t>(mebibytes(64)));  // the pool gave its own back
  CHECK(cuda::memory().held_bytes() == large.block->bytes);
}

TEST_CASE("what a kernel reports shows up when its thread waits", "[cuda]") {
  array<std::int64_t> const fault(std::vector<std::int64_t>{5, 77});
  (void)cuda::reports().take(found_by("first"));
  auto* const slot = cuda::reports().take(found_by("second"));
  cuda::copy(slot, fault.data, 16);
  CHECK(slot[0] == -1);
  std::jthread([] { cuda::synchronize(); }).join();
  CHECK_THROWS_WITH(fault.host(), "second (5): id 77.");
  CHECK(fault.host().size() == 2);
}

TEST_CASE("cuBLASLt is told the product that was asked for, once", "[cuda]") {
  multiply_all<float, float>();
  multiply_all<bf16, bf16>();
  multiply_all<bf16, float>();
  auto const asked = stand_in::heuristics;
  multiply_all<float, float>();
  CHECK(stand_in::heuristics == asked);
  using product = sysdpo::implement<sysdpo::product_op, cuda>;
  using matrix = sysdpo::matrix_view<float const>;
  CHECK_THROWS_WITH(product::forward(matrix{nullptr, 2, 3}, matrix{nullptr, 2, 3},
                                     sysdpo::matrix_view<float>{nullptr, 2, 3}, false),
                    Catch::Contains("[2, 3] times [2, 3]"));
}

TEST_CASE("a recorded step is done again at each replay, in memory that nobody else gets", "[cuda]") {
  array<std::int64_t> const fault(std::vector<std::int64_t>{5, 77});
  array<float> const x(std::vector<float>{1, 2, 3, 4});
  array<float> const y(4);
  auto const step = [&] {
    array<float> const first(4);
    cuda::copy(first.data, x.data, 16);
    array<float> const second(4);
    cuda::copy(second.data, first.data, 16);
    cuda::copy(y.data, second.data, 16);
    cuda::zero(x.data, 4);
    cuda::copy(cuda::reports().take(found_by("step")), fault.data, 16);
  };
  step();
  CHECK_THROWS_WITH(cuda::synchronize(), "step (5): id 77.");

  std::vector<float> const fresh{5, 6, 7, 8};
  cuda::upload(x.data, fresh.data(), 16);
  cuda::zero(y.data, 16);
  {
    recording graph(step);
    CHECK(y.host() == std::vector<float>(4));
    graph.replay();
    array<float> const foreign(std::vector<float>(4, 9));
    graph.replay();
    CHECK_THROWS_WITH(cuda::synchronize(), "step (5): id 77.");
    CHECK(foreign.host() == std::vector<float>(4, 9));
    CHECK(y.host() == std::vector<float>{0, 6, 7, 8});
    graph.replay();
  }
  CHECK_THROWS_WITH(cuda::synchronize(), "step (5): id 77.");
}

TEST_CASE("an update takes over what is uploaded and what kernels are given", "[cuda]") {
  stand_in::kernel = scale;
  stand_in::argument_bytes = sizeof(scaled::arguments);
  std::vector<float> host(40, 1);
  float factor = 2;
  array<float> const y(std::vector<float>(40, 0));
  auto* target = y.data;
  auto const step = [&] {
    array<float> const x(host);
    array<float> const between(40);
    cuda::launch<scaled>({x.data, between.data, static_cast<index_t>(host.size()), factor});
    cuda::copy(target, between.data, 40);
    cuda::launch<scaled>({between.data, y.data, static_cast<index_t>(host.size()), 10});
  };
  step();
  cuda::synchronize();
  recording again(step);
  host.assign(40, 3);
  factor = 5;
  again.replay();
  CHECK(y.host() == std::vector<float>(40, 20));  // as it was recorded
  REQUIRE(again.update(step));
  auto const foreign = array<float>(std::vector<float>(40, 9));
  again.replay();
  host.assign(40, 4);  // it has been read
  again.replay();
  CHECK(y.host() == std::vector<float>(40, 150));
  auto const waits = stand_in::waits_for_events;
  again.replay();
  REQUIRE(again.update(step));
  CHECK(stand_in::waits_for_events == waits + 1);  // for what the replay before reads
  again.replay();
  CHECK(y.host() == std::vector<float>(40, 200));
  CHECK(foreign.host() == std::vector<float>(40, 9));

  SECTION("another number of elements to upload") { host.resize(39); }
  SECTION("another place to copy to") { target = foreign.data; }
  CHECK(!again.update(step));
  CHECK_THROWS_WITH(again.replay(), Catch::Contains("other work than was recorded"));
}

TEST_CASE("a step whose kernels report more than a list holds is recorded all the same", "[cuda]") {
  array<std::int64_t> const fault(std::vector<std::int64_t>{5, 77});
  std::string name = "first";
  auto const step = [&] {
    for (std::size_t i = 0; i < 1024; ++i) (void)cuda::reports().take(found_by("other"));
    cuda::copy(cuda::reports().take(found_by(name)), fault.data, 16);
  };
  CHECK_THROWS_WITH(
      [&] {
        step();
        cuda::synchronize();
      }(),
      "first (5): id 77.");
  recording again(step);
  again.replay();
  name = "second";
  REQUIRE(again.update(step));
  again.replay();
  CHECK_THROWS_WITH(cuda::synchronize(), "second (5): id 77.");
  cuda::synchronize();
}

TEST_CASE("a walk leaves another thread's recording alone", "[cuda]") {
  array<float> const x(std::vector<float>{1, 2, 3, 4});
  array<float> const y(4);
  std::binary_semaphore recording_begun(0);
  std::binary_semaphore walked(0);
  std::jthread other;
  bool disturbs = false;
  auto const step = [&] {
    if (disturbs) {
      other = std::jthread([&] {
        recording const made([&] {
          recording_begun.release();
          walked.acquire();
          cuda::zero(y.data, 4);
        });
      });
      recording_begun.acquire();
    }
    cuda::copy(y.data, x.data, 16);
  };
  step();
  recording again(step);
  disturbs = true;
  bool const same = again.update(step);
  disturbs = false;
  std::string refused;
  try {
    step();
  } catch (sysdpo::error const& error) {
    refused = error.what();
  }
  walked.release();
  other.join();
  CHECK(same);
  CHECK_THAT(refused, Catch::Contains("another thread records"));
  again.replay();
  CHECK(y.host() == std::vector<float>{1, 2, 3, 4});
}

TEST_CASE("an update sees to it that libraries are asked for the same", "[cuda]") {
  using product = sysdpo::implement<sysdpo::product_op, cuda>;
  array<float> const a(std::vector<float>{1, 2, 3, 4, 5, 6});
  array<float> const b(std::vector<float>{1, 0, 0, 1, 1, 1});
  array<float> const c(4);
  array<float> const spare(std::vector<float>(4, 1));
  auto const* first = a.data;
  auto const* second = b.data;
  auto* to = c.data;
  float const* bias = nullptr;
  index_t rows = 2;
  bool accumulate = false;
  bool turned = false;
  bool streams = false;
  auto const step = [&] {
    product::forward(sysdpo::matrix_view<float const>{first, rows, 3},
                     sysdpo::matrix_view<float const>{second, turned ? 2 : 3, turned ? 3 : 2, turned}, bias,
                     sysdpo::matrix_view<float>{to, rows, 2}, accumulate);
    if (streams) (void)cuda::stream();
  };
  step();
  cuda::synchronize();
  recording again(step);
  cuda::zero(a.data, 4);
  REQUIRE(again.update(step));
  again.replay();
  CHECK(c.host() == std::vector<float>{3, 5, 10, 11});
  SECTION("another first operand") { first = b.data; }
  SECTION("another second operand") { second = a.data; }
  SECTION("another result") { to = spare.data; }
  SECTION("a bias") { bias = spare.data; }
  SECTION("one row less") { rows = 1; }
  SECTION("an operand that is transposed") { turned = true; }
  SECTION("a sum") { accumulate = true; }
  SECTION("work by other means") { streams = true; }
  CHECK(!again.update(step));
  CHECK(c.host() == std::vector<float>{3, 5, 10, 11});
}

TEST_CASE("a recording refuses what it cannot hold, and leaves all as it was", "[cuda]") {
  array<float> const x(4);
  (void)x.host();
  CHECK(refusal([] {}) == "none");
  CHECK_THAT(refusal([&] { (void)x.host(); }),
             Catch::Contains("recorded step (a download): a step that is recorded cannot do that"));
  CHECK_THAT(refusal([] { cuda::synchronize(); }), Catch::Contains("waiting for the device"));
  CHECK_THAT(refusal([] {
               cuda::device_scope const scope(1);
               array<char> const other(100);
             }),
             Catch::Contains("the step that is recorded on device 0 uses another one too"));
  CHECK(refusal([] { array<char>(22222222); }) == "none");
  CHECK_THAT(refusal([] { array<char>(mebibytes(200)); }), Catch::Contains("of 100 MiB are free"));
  CHECK_THAT(refusal([] { recording const inner([] {}); }), Catch::Contains("another recording"));
  CHECK_THAT(refusal([] {
               void* memory = nullptr;
               (void)cudaMalloc(&memory, 100);
             }),
             Catch::Contains("cudaStreamEndCapture") && Catch::Contains("nor ask the system"));
  CHECK(refusal([] { sysdpo::fail({"step", "", "its own", ""}); }) == "step: its own.");
  std::string of_the_other;
  CHECK(refusal([&] {
          std::jthread([&] {
            try {
              cuda::zero(x.data, 4);
            } catch (sysdpo::error const& error) {
              of_the_other = error.what();
            }
          }).join();
        }) == "none");
  CHECK_THAT(of_the_other, Catch::Contains("another thread records"));

  CHECK(cudaGetLastError() == cudaSuccess);
  array<char> const works(33333333);
  cuda::synchronize();
}

TEST_CASE("a product that cuBLASLt refuses or fails is named, with its status", "[cuda]") {
  array<float> const a(std::vector<float>(15, 1));
  array<float> const b(std::vector<float>(35, 1));
  array<float> const c(21);
  auto const multiply = [&] {
    sysdpo::implement<sysdpo::product_op, cuda>::forward(sysdpo::matrix_view<float const>{a.data, 3, 5},
                                                         sysdpo::matrix_view<float const>{b.data, 5, 7},
                                                         sysdpo::matrix_view<float>{c.data, 3, 7}, false);
  };
  stand_in::has_algorithm = false;
  CHECK_THROWS_WITH(multiply(), Catch::Contains("cublasLtMatmulAlgoGetHeuristic") &&
                                    Catch::Contains("a status, as the stand-in says"));
  stand_in::has_algorithm = true;
  stand_in::multiplies = false;
  CHECK_THROWS_WITH(multiply(), Catch::Contains("cuBLASLt (cublasLtMatmul, "));
  stand_in::multiplies = true;
  multiply();
  CHECK(c.host() == std::vector<float>(21, 5));
}
