#include "sysdpo/tensor/checkpoint.hpp"

#include "support/finite_difference.hpp"
#include "sysdpo/backend/cpu/linear.hpp"
#include "sysdpo/backend/cpu/silu.hpp"
#include "sysdpo/op/add.hpp"
#include "sysdpo/op/linear.hpp"
#include "sysdpo/op/scale.hpp"
#include "sysdpo/op/silu.hpp"

using sysdpo::checkpoint;
using test::random_tensor;
using slot = sysdpo::gradient_slot<sysdpo::cpu, double>;
using weight = sysdpo::parameter<sysdpo::cpu, sysdpo::precision<double>>;

namespace {

weight random_weight(sysdpo::index_t rows, sysdpo::index_t columns, unsigned seed) {
  return {"w", random_tensor({rows, columns}, seed)};
}

/// x + silu(x·Wᵀ)·Vᵀ
auto residual(weight& w, weight& v) {
  return [&w, &v](test::tape& tape, test::variable const& x) {
    auto const h = sysdpo::silu(tape, sysdpo::linear(tape, x, tape.watch(w)));
    return sysdpo::add(tape, x, sysdpo::linear(tape, h, tape.watch(v)));
  };
}

using numbers = std::vector<double>;

/// The result, the gradients of w and v, and that of x where it has one.
struct outcome {
  numbers y, w, v, x;
  friend bool operator==(outcome const&, outcome const&) = default;
};

numbers taken(slot const& gradient) { return gradient.filled ? gradient.value.to_host() : numbers{}; }

/// Three residual blocks that share their weights, each run by `run(tape, block, x)`, the whole twice.
outcome three_blocks(auto&& run, bool x_wants) {
  auto w = random_weight(7, 5, 1);
  auto v = random_weight(5, 7, 2);
  slot gradient;
  outcome result;
  test::tape tape;
  for (int pass = 0; pass < 2; ++pass) {
    auto const value = random_tensor({4, 5}, 3);
    auto x = x_wants ? tape.watch(value, gradient) : tape.constant(value);
    auto const first = x;
    for (int i = 0; i < 3; ++i) x = run(tape, residual(w, v), x);
    x = sysdpo::add(tape, x, first);  // so that the first block's input collects from outside too
    result.y = x.value().to_host();
    tape.backward(x, random_tensor({4, 5}, 4));
  }
  result.w = taken(w.gradient);
  result.v = taken(v.gradient);
  result.x = taken(gradient);
  return result;
}

}  // namespace

TEST_CASE("values and gradients behind checkpoints are the same bits", "[tensor]") {
  bool const x_wants = GENERATE(true, false);
  auto const plain = [](test::tape& tape, auto const& block, test::variable const& x) {
    return block(tape, x);
  };
  auto const once = [](test::tape& tape, auto const& block, test::variable const& x) {
    return checkpoint(tape, block, x);
  };
  auto const nested = [](test::tape& tape, auto const& block, test::variable const& x) {
    return checkpoint(
        tape,
        [block](test::tape& on, test::variable const& h) {
          auto const middle = checkpoint(on, block, sysdpo::scale(on, h, 0.5));
          return sysdpo::add(on, middle, checkpoint(on, block, h));
        },
        x);
  };
  auto const unnested = [](test::tape& tape, auto const& block, test::variable const& x) {
    auto const middle = block(tape, sysdpo::scale(tape, x, 0.5));
    return sysdpo::add(tape, middle, block(tape, x));
  };
  auto const expected = three_blocks(plain, x_wants);
  CHECK(expected.w.size() == 35);
  CHECK(expected.x.size() == (x_wants ? 20 : 0));
  CHECK(three_blocks(once, x_wants) == expected);
  CHECK(three_blocks(nested, x_wants) == three_blocks(unnested, x_wants));
}

TEST_CASE("a checkpoint has the gradients of finite differences", "[tensor]") {
  test::check_gradients(
      [](test::tape& tape, std::vector<test::variable> const& in) {
        return checkpoint(
            tape,
            [](test::tape& on, test::variable const& x, test::variable const& w) {
              return sysdpo::silu(on, sysdpo::linear(on, x, w));
            },
            in[0], in[1]);
      },
      {random_tensor({3, 4}, 1), random_tensor({2, 4}, 2)});
}

TEST_CASE("an input given twice, and one under other extents, collect every contribution", "[tensor]") {
  auto const block = [](test::tape& tape, test::variable const& a, test::variable const& b,
                        test::variable const& c) {
    return sysdpo::add(tape, sysdpo::add(tape, a, sysdpo::scale(tape, b, 2)), sysdpo::scale(tape, c, 4));
  };
  auto const upstream = random_tensor({6}, 2);
  slot gradient;
  test::tape tape;
  auto const x = tape.watch(random_tensor({6}, 1), gradient);
  tape.backward(checkpoint(tape, block, x, x, x.reshaped({2, 3})), upstream);
  for (int i = 0; i < 6; ++i) CHECK(gradient.value.data()[i] == Approx(7 * upstream.data()[i]));
}

TEST_CASE("a block that gives back its input passes the gradient through", "[tensor]") {
  auto const identity = [](test::tape&, test::variable const& x) { return x; };
  auto const upstream = random_tensor({3}, 2);
  slot gradient;
  test::tape tape;
  auto const y = checkpoint(tape, identity, tape.watch(random_tensor({3}, 1), gradient));
  tape.backward(sysdpo::scale(tape, y, 2), upstream);
  CHECK(gradient.value.data()[1] == 2 * upstream.data()[1]);
}

TEST_CASE("a checkpoint with nothing to train, or on a tape that does not record, is the block", "[tensor]") {
  auto w = random_weight(7, 5, 1);
  auto v = random_weight(5, 7, 2);
  int runs = 0;
  auto const counted = [&, block = residual(w, v)](test::tape& tape, test::variable const& x) {
    ++runs;
    return block(tape, x);
  };
  test::tape off(sysdpo::recording::off);
  CHECK_FALSE(checkpoint(off, counted, off.constant(random_tensor({4, 5}, 3))).wants_gradient());
  CHECK(runs == 1);
  w.trainable = v.trainable = false;
  test::tape tape;
  CHECK_FALSE(checkpoint(tape, counted, tape.constant(random_tensor({4, 5}, 3))).wants_gradient());
  v.trainable = true;
  auto const y = checkpoint(tape, counted, tape.constant(random_tensor({4, 5}, 3)));
  CHECK(y.wants_gradient());
  CHECK(runs == 3);
  tape.backward(y, random_tensor({4, 5}, 4));
  CHECK(runs == 4);
  CHECK_FALSE(w.gradient.filled);
  CHECK(v.gradient.filled);
}

TEST_CASE("a checkpoint keeps its inputs alone", "[tensor]") {
  auto w = random_weight(512, 64, 1);
  auto v = random_weight(64, 512, 2);
  auto const held = [&](bool wanted) {
    test::tape tape;
    auto x = tape.constant(random_tensor({100, 64}, 3));
    auto const before = sysdpo::cpu::memory().bytes_in_use();
    for (int i = 0; i < 4; ++i) x = sysdpo::checkpoint_if(wanted, tape, residual(w, v), x);
    return sysdpo::cpu::memory().bytes_in_use() - before;
  };
  auto const inputs = 4 * std::size_t{100 * 64 * sizeof(double)};
  CHECK(held(true) < inputs * 5 / 4);
  CHECK(held(false) > 8 * inputs);
}

TEST_CASE("what a block throws in its second run leaves backward, and the tape can be used again",
          "[tensor]") {
  auto w = random_weight(7, 5, 1);
  auto v = random_weight(5, 7, 2);
  int runs = 0;
  auto const failing = [&, block = residual(w, v)](test::tape& tape, test::variable const& x) {
    auto const y = block(tape, x);
    if (++runs == 2) sysdpo::fail({"block", "", "it is broken", ""});
    return y;
  };
  test::tape tape;
  slot gradient;
  auto const x = random_tensor({4, 5}, 3);
  auto const seed = random_tensor({4, 5}, 4);
  auto const in_use = sysdpo::cpu::memory().bytes_in_use();
  auto const step = [&] { tape.backward(checkpoint(tape, failing, tape.watch(x, gradient)), seed); };
  REQUIRE_THROWS_WITH(step(), Catch::Contains("it is broken"));
  CHECK_FALSE(gradient.filled);
  tape.reset();
  CHECK(sysdpo::cpu::memory().bytes_in_use() == in_use);
  step();
  CHECK(gradient.filled);
  CHECK(w.gradient.filled);
}

TEST_CASE("a block whose second run gives another shape is refused with both", "[tensor]") {
  sysdpo::index_t rows = 6;
  auto const changing = [&](test::tape& tape, test::variable const& x) {
    return sysdpo::scale(tape, x.reshaped({rows, 6 / rows}), 2);
  };
  test::tape tape;
  slot gradient;
  auto const y = checkpoint(tape, changing, tape.watch(random_tensor({6}, 1), gradient));
  rows = 2;
  REQUIRE_THROWS_WITH(tape.backward(y, random_tensor({6, 1}, 2)),
                      Catch::Contains("[6, 1]") && Catch::Contains("[2, 3]"));
}

TEST_CASE("warm checkpoints take no memory from the system", "[tensor]") {
  auto w = random_weight(7, 5, 1);
  auto v = random_weight(5, 7, 2);
  test::tape tape;
  auto const x = random_tensor({4, 5}, 3);
  auto const seed = random_tensor({4, 5}, 4);
  auto const step = [&] {
    auto y = tape.constant(x);
    for (int i = 0; i < 20; ++i) y = checkpoint(tape, residual(w, v), y);
    tape.backward(y, seed);
  };
  for (int i = 0; i < 2; ++i) step();
  auto const before = sysdpo::cpu::memory().system_allocations();
  auto const* const inner = &tape.inner();
  step();
  CHECK(sysdpo::cpu::memory().system_allocations() == before);
  CHECK(&tape.inner() == inner);
}
