// Runs kernels on the CPU, so that they can be proved without a GPU: emulate<Kernel>(arguments) gives what
// kernel/block.hpp promises, one fiber a thread, and is made to show what a GPU would do only now and then:
//
// - Warps run ahead, one after the other, to the next barrier of the block, and the lanes of a warp to the
//   next operation of the warp, in an order that is asked for: what another thread has not yet written is
//   not there, and what it should not yet have overwritten is gone.
// - Shared memory holds NaN (all bits 1) when a block starts, and where a copy is under way. Copies arrive
//   when they are waited for (in order), at once (reversed), or either (seeded).
// - Threads at different barriers, or beyond their end while others wait, throw.
// - A barrier, or a wait for copies, can be skipped by its place in the source: a test that still passes does
//   not test it.
//
// Blocks run one after the other, each to its end. Two threads that write one place between two barriers are
// not noticed where the result comes out right. POSIX; one program thread emulates on its own, several may.
#pragma once

#include <sys/mman.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <exception>
#include <memory>
#include <new>
#include <numeric>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "sysdpo/core/config.hpp"
#include "sysdpo/core/error.hpp"
#include "sysdpo/kernel/block.hpp"

#if !defined(__x86_64__)
#include <ucontext.h>
#endif
#if SYSDPO_ADDRESS_SANITIZER
#include <sanitizer/common_interface_defs.h>
#endif
#if SYSDPO_THREAD_SANITIZER
#include <sanitizer/tsan_interface.h>
#endif

namespace sysdpo {

/// A barrier's place in the source: "kernel/attention.hpp", line.
struct barrier_site {
  std::string file;
  int line = 0;
  friend auto operator<=>(barrier_site const&, barrier_site const&) = default;
};

/// Which of several threads that could run does.
enum class thread_order { in_order, reversed, seeded };

/// How a kernel is emulated.
struct emulation {
  thread_order order = thread_order::in_order;
  std::uint64_t seed = 0;                  ///< of the order, where it is seeded
  barrier_site skip{};                     ///< threads pass here; line 0 stands for none
  std::set<barrier_site>* seen = nullptr;  ///< gets the barriers that were met
};

namespace emulated_detail {

/// "kernel/attention.hpp" of a path.
[[nodiscard]] inline std::string_view within_library(std::string_view path) {
  auto const at = path.rfind("sysdpo/");
  return at == std::string_view::npos ? path.substr(path.rfind('/') + 1) : path.substr(at + 7);
}

#if defined(__x86_64__)
/// Saves the registers that a function must keep and the stack's top in *from; goes on where `to` stood.
[[gnu::naked, gnu::noinline]] inline void switch_stack(void** /*from*/, void* /*to*/) {
  asm volatile(
      "pushq %rbp\n\tpushq %rbx\n\tpushq %r12\n\tpushq %r13\n\tpushq %r14\n\tpushq %r15\n\t"
      "movq %rsp, (%rdi)\n\tmovq %rsi, %rsp\n\t"
      "popq %r15\n\tpopq %r14\n\tpopq %r13\n\tpopq %r12\n\tpopq %rbx\n\tpopq %rbp\n\tretq");
}
#endif

/// A stack of its own on which `body(argument)` runs, again and again: each resume() goes on where the last
/// pause() left, or starts the body anew.
class fiber {
 public:
  using body_type = void (*)(void*);

  fiber() : memory_(mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)) {
    if (memory_ == MAP_FAILED || mprotect(memory_, guard, PROT_NONE) != 0)
      fail({"emulator", std::to_string(bytes) + " bytes for a thread's stack", "the system gives no memory",
            "Emulate kernels with fewer threads, or close other programs"});
#if defined(__x86_64__)
    auto** top = reinterpret_cast<void**>(static_cast<char*>(memory_) + bytes) - 8;
    for (int i = 0; i < 6; ++i) top[i] = nullptr;
    top[6] = reinterpret_cast<void*>(&entry);
    top[7] = nullptr;
    own_ = top;
#else
    getcontext(&own_);
    own_.uc_stack.ss_sp = memory_;
    own_.uc_stack.ss_size = bytes;
    makecontext(&own_, &entry, 0);
#endif
#if SYSDPO_THREAD_SANITIZER
    own_history_ = __tsan_create_fiber(0);
#endif
  }
  ~fiber() {
    if (entered_) {  // lets the sanitizer forget the stack
      body_ = nullptr;
      resume();
    }
#if SYSDPO_THREAD_SANITIZER
    __tsan_destroy_fiber(own_history_);
#endif
    munmap(memory_, bytes);
  }
  fiber(fiber const&) = delete;
  fiber& operator=(fiber const&) = delete;

  void start(body_type body, void* argument) {
    body_ = body;
    argument_ = argument;
  }

  /// From outside: runs until the fiber pauses or its body ends.
  void resume() {
    current = this;
    entered_ = true;
    [[maybe_unused]] void* fake = nullptr;
#if SYSDPO_ADDRESS_SANITIZER
    __sanitizer_start_switch_fiber(&fake, memory_, bytes);
#elif SYSDPO_THREAD_SANITIZER
    caller_history_ = __tsan_get_current_fiber();
    __tsan_switch_to_fiber(own_history_, 0);
#endif
    change(caller_, own_);
#if SYSDPO_ADDRESS_SANITIZER
    __sanitizer_finish_switch_fiber(fake, nullptr, nullptr);
#endif
  }

  /// From within: back to whoever resumed.
  void pause() {
    [[maybe_unused]] void* fake = nullptr;
#if SYSDPO_ADDRESS_SANITIZER
    __sanitizer_start_switch_fiber(body_ == nullptr ? nullptr : &fake, caller_stack_, caller_bytes_);
#elif SYSDPO_THREAD_SANITIZER
    __tsan_switch_to_fiber(caller_history_, 0);
#endif
    change(own_, caller_);
#if SYSDPO_ADDRESS_SANITIZER
    __sanitizer_finish_switch_fiber(fake, &caller_stack_, &caller_bytes_);
#endif
  }

 private:
  static constexpr std::size_t guard = 4096;
  static constexpr std::size_t bytes = (256 << 10) + guard;

#if defined(__x86_64__)
  using context = void*;
  static void change(context& from, context& to) { switch_stack(&from, to); }
#else
  using context = ucontext_t;
  static void change(context& from, context& to) { swapcontext(&from, &to); }
#endif

  static void entry() {
    auto* const self = current;
#if SYSDPO_ADDRESS_SANITIZER
    __sanitizer_finish_switch_fiber(nullptr, &self->caller_stack_, &self->caller_bytes_);
#endif
    for (;;) {
      if (self->body_ != nullptr) self->body_(self->argument_);
      self->pause();
    }
  }

  void* memory_;
  context own_{}, caller_{};
  body_type body_ = nullptr;
  void* argument_ = nullptr;
  bool entered_ = false;
  [[maybe_unused]] void const* caller_stack_ = nullptr;
  [[maybe_unused]] std::size_t caller_bytes_ = 0;
  [[maybe_unused]] void* own_history_ = nullptr;
  [[maybe_unused]] void* caller_history_ = nullptr;
  inline static thread_local fiber* current = nullptr;
};

/// What a thread waits at, and what it brings.
struct request {
  using operation = void (*)(request const*);

  operation perform = nullptr;  ///< works on the requests of a warp; null for the block's barrier
  char const* name = "";
  char const* file = "";
  int line = 0;
  void const* in = nullptr;
  void const* more = nullptr;
  void* out = nullptr;
  int parameter = 0;

  [[nodiscard]] bool meets(request const& other) const {
    return perform == other.perform && line == other.line &&
           (file == other.file || std::strcmp(file, other.file) == 0);
  }
  [[nodiscard]] std::string text() const {
    return std::string(name) + " at " + std::string(within_library(file)) + ":" + std::to_string(line);
  }
};

/// One thread of the block that is being run.
struct thread_state {
  enum class state { ready, waiting, finished };

  struct copy {
    void* to;
    void const* from;
    int bytes;
    std::uint64_t group;
  };

  fiber stack;
  state at = state::finished;
  request waits;
  std::vector<copy> copies{};
  std::uint64_t group = 0;  ///< copies made now belong to it
};

/// Runs one block after the other.
class machine {
 public:
  using body_type = void (*)(machine&, int thread, void* context);

  void begin(emulation const& how) {
    how_ = how;
    random_ = how.seed * 0x9e3779b97f4a7c15U + 1;
  }

  /// Numbers below `size` in the order that was asked for.
  std::vector<int> const& order(std::vector<int>& numbers, int size) {
    numbers.resize(static_cast<std::size_t>(size));
    std::iota(numbers.begin(), numbers.end(), 0);
    if (how_.order == thread_order::reversed) {
      std::reverse(numbers.begin(), numbers.end());
    } else if (how_.order == thread_order::seeded) {
      for (auto left = static_cast<std::uint64_t>(size); left > 1; --left)
        std::swap(numbers[left - 1], numbers[next_random() % left]);
    }
    return numbers;
  }

  void run_block(int threads, body_type body, void* context) {
    while (std::ssize(threads_) < threads) threads_.push_back(std::make_unique<thread_state>());
    body_ = body;
    context_ = context;
    live_ = threads;
    starts_.resize(static_cast<std::size_t>(threads));
    for (int i = 0; i < threads; ++i) {
      auto& thread = at(i);
      starts_[static_cast<std::size_t>(i)] = {this, i};
      thread.stack.start(&run_thread, &starts_[static_cast<std::size_t>(i)]);
      thread.at = thread_state::state::ready;
      thread.copies.clear();
      thread.group = 0;
    }
    try {
      while (run_to_barrier()) {
      }
    } catch (...) {
      give_up();
      throw;
    }
  }

  /// In a thread: stops until the others have come, and the operation is done.
  void wait(int thread, request const& what) {
    auto& self = at(thread);
    self.waits = what;
    self.at = thread_state::state::waiting;
    self.stack.pause();
    if (given_up_) throw abandoned{};
  }

  /// Whether threads stop at this barrier.
  [[nodiscard]] bool stops_at(char const* file, int line) const {
    if (how_.seen == nullptr && how_.skip.line != line) return true;
    barrier_site site{std::string(within_library(file)), line};
    if (how_.skip == site) return false;
    if (how_.seen != nullptr) how_.seen->insert(std::move(site));
    return true;
  }

  void copy(int thread, void* to, void const* from, int bytes) {
    if (bytes < 0 || bytes > 16 || (reinterpret_cast<std::uintptr_t>(to) % 16) != 0 ||
        (bytes > 0 && (reinterpret_cast<std::uintptr_t>(from) % 16) != 0))
      fail({"emulated kernel", "copy_async of " + std::to_string(bytes) + " bytes",
            "the addresses are no multiples of 16, or the size is none of 0 to 16",
            "Copy whole aligned words"});
    auto& self = at(thread);
    bool const at_once = how_.order == thread_order::reversed ||
                         (how_.order == thread_order::seeded && next_random() % 2 == 0);
    if (at_once) return deliver({to, from, bytes, 0});
    std::memset(to, 0xff, 16);
    self.copies.push_back({to, from, bytes, self.group});
  }

  void commit(int thread) { ++at(thread).group; }

  void wait_copies(int thread, int pending) {
    auto& self = at(thread);
    std::size_t done = 0;
    while (done < self.copies.size() &&
           self.copies[done].group + static_cast<std::uint64_t>(pending) < self.group)
      deliver(self.copies[done++]);
    self.copies.erase(self.copies.begin(), self.copies.begin() + static_cast<std::ptrdiff_t>(done));
  }

 private:
  struct abandoned {};
  struct start {
    machine* owner;
    int thread;
  };

  static void run_thread(void* argument) {
    auto const from = *static_cast<start*>(argument);
    auto& self = *from.owner;
    try {
      if (!self.given_up_) self.body_(self, from.thread, self.context_);
    } catch (abandoned const&) {  // NOLINT(bugprone-empty-catch): it has unwound, and that is all
    } catch (...) {
      if (!self.thrown_) self.thrown_ = std::current_exception();
    }
    self.at(from.thread).at = thread_state::state::finished;
  }

  thread_state& at(int thread) { return *threads_[static_cast<std::size_t>(thread)]; }

  std::uint64_t next_random() {  // xorshift64*: Marsaglia, Vigna
    random_ ^= random_ >> 12;
    random_ ^= random_ << 25;
    random_ ^= random_ >> 27;
    return (random_ * 0x2545f4914f6cdd1dU) >> 32;
  }

  static void deliver(thread_state::copy const& from) {
    std::memset(from.to, 0, 16);
    if (from.bytes > 0) std::memcpy(from.to, from.from, static_cast<std::size_t>(from.bytes));
  }

  /// Whether the block has more to do.
  bool run_to_barrier() {
    for (int const warp : order(warps_, live_ / kernel::warp_size)) run_warp(warp * kernel::warp_size);
    check_together(0, live_, "block");
    if (at(0).at == thread_state::state::finished) return false;
    for (int i = 0; i < live_; ++i) at(i).at = thread_state::state::ready;
    return true;
  }

  void run_warp(int first) {
    for (;;) {
      for (int const lane : order(lanes_, kernel::warp_size)) {
        auto& thread = at(first + lane);
        if (thread.at != thread_state::state::ready) continue;
        thread.stack.resume();
        if (thrown_) std::rethrow_exception(std::exchange(thrown_, nullptr));
      }
      bool together = false;
      for (int i = first; i < first + kernel::warp_size; ++i)
        together = together || (at(i).at == thread_state::state::waiting && at(i).waits.perform != nullptr);
      if (!together) return;
      check_together(first, first + kernel::warp_size, "warp");
      request requests[kernel::warp_size];
      for (int lane = 0; lane < kernel::warp_size; ++lane) {
        requests[lane] = at(first + lane).waits;
        at(first + lane).at = thread_state::state::ready;
      }
      requests[0].perform(requests);
    }
  }

  void check_together(int begin, int end, char const* whose) {
    auto const place = [&](int i) {
      return "thread " + std::to_string(i) + " of a " + whose +
             (at(i).at == thread_state::state::finished ? " is at its end"
                                                        : " waits in " + at(i).waits.text());
    };
    for (int i = begin + 1; i < end; ++i)
      if (at(i).at != at(begin).at ||
          (at(i).at == thread_state::state::waiting && !at(i).waits.meets(at(begin).waits)))
        fail({"emulated kernel", place(begin) + ", " + place(i), "they would wait for each other for ever",
              "Let every thread of a block reach every barrier"});
  }

  /// Lets every thread unwind.
  void give_up() {
    given_up_ = true;
    for (int i = 0; i < live_; ++i)
      if (at(i).at != thread_state::state::finished) at(i).stack.resume();
    given_up_ = false;
    thrown_ = nullptr;
  }

  std::vector<std::unique_ptr<thread_state>> threads_;
  std::vector<start> starts_;
  std::vector<int> warps_, lanes_;
  emulation how_;
  std::uint64_t random_ = 1;
  int live_ = 0;
  body_type body_ = nullptr;
  void* context_ = nullptr;
  bool given_up_ = false;
  std::exception_ptr thrown_;
};

/// The machine of this program thread; its stacks are kept from launch to launch.
[[nodiscard]] inline machine& this_machine() {
  static thread_local machine one;
  return one;
}

/// Does nothing: the lanes have met.
inline void meet(request const* /*lanes*/) {}

template <class T>
void exchange(request const* lanes) {
  for (int lane = 0; lane < kernel::warp_size; ++lane)
    *static_cast<T*>(lanes[lane].out) =
        *static_cast<T const*>(lanes[(lane ^ lanes[lane].parameter) % kernel::warp_size].in);
}

/// parameter: 1 where the matrices are transposed.
inline void load_matrices(request const* lanes) {
  for (int matrix = 0; matrix < 4; ++matrix) {
    std::uint16_t elements[8][8];
    for (int row = 0; row < 8; ++row) std::memcpy(elements[row], lanes[8 * matrix + row].in, 16);
    for (int lane = 0; lane < kernel::warp_size; ++lane) {
      int const i = lane / 4;
      int const j = lane % 4 * 2;
      bool const turned = lanes[lane].parameter != 0;
      std::uint32_t const low = turned ? elements[j][i] : elements[i][j];
      std::uint32_t const high = turned ? elements[j + 1][i] : elements[i][j + 1];
      static_cast<std::uint32_t*>(lanes[lane].out)[matrix] = low | high << 16;
    }
  }
}

/// in: a[4], more: b[2], out: c[4].
template <class T>
void multiply(request const* lanes) {
  auto const number = [](std::uint32_t bits) {
    return float(T::from_bits(static_cast<std::uint16_t>(bits)));
  };
  using row = float __attribute__((vector_size(8 * sizeof(float))));  // fast even where nothing is optimised
  float a[16][16];
  row b[16];
  row c[16];
  for (int lane = 0; lane < kernel::warp_size; ++lane) {
    int const g = lane / 4;
    int const t = lane % 4 * 2;
    auto const* const from_a = static_cast<std::uint32_t const*>(lanes[lane].in);
    auto const* const from_b = static_cast<std::uint32_t const*>(lanes[lane].more);
    auto const* const from_c = static_cast<float const*>(lanes[lane].out);
    for (int i = 0; i < 4; ++i)
      for (int half = 0; half < 2; ++half)
        a[g + i % 2 * 8][t + i / 2 * 8 + half] = number(from_a[i] >> 16 * half);
    for (int i = 0; i < 2; ++i)
      for (int half = 0; half < 2; ++half) b[t + i * 8 + half][g] = number(from_b[i] >> 16 * half);
    for (int i = 0; i < 4; ++i) c[g + i / 2 * 8][t + i % 2] = from_c[i];
  }
  for (int i = 0; i < 16; ++i)
    for (int k = 0; k < 16; ++k) c[i] += a[i][k] * b[k];
  for (int lane = 0; lane < kernel::warp_size; ++lane)
    for (int i = 0; i < 4; ++i)
      static_cast<float*>(lanes[lane].out)[i] = c[lane / 4 + i / 2 * 8][lane % 4 * 2 + i % 2];
}

}  // namespace emulated_detail

/// What a kernel's body sees of its block: kernel/block.hpp says what each member does.
class emulated_block {
 public:
  /// Thread `thread` of block `index`.
  emulated_block(emulated_detail::machine& machine, index_t index, int thread)
      : machine_(machine), index_(index), thread_(thread) {}

  [[nodiscard]] index_t index() const { return index_; }
  [[nodiscard]] int thread() const { return thread_; }

  /// Waits for the block.
  void sync(int line = __builtin_LINE(), char const* file = __builtin_FILE()) {
    if (machine_.stops_at(file, line))
      machine_.wait(thread_, {.perform = nullptr, .name = "sync", .file = file, .line = line});
  }
  /// Waits for the warp.
  void sync_warp(int line = __builtin_LINE(), char const* file = __builtin_FILE()) {
    if (machine_.stops_at(file, line))
      machine_.wait(thread_,
                    {.perform = &emulated_detail::meet, .name = "sync_warp", .file = file, .line = line});
  }

  /// Lanes meet in the next operation of the warp anyway.
  void converge() {}

  /// x of another lane.
  template <class T>
  [[nodiscard]] T shuffle_xor(T x, int mask, int line = __builtin_LINE(),
                              char const* file = __builtin_FILE()) {
    static_assert(sizeof(T) == 4 || sizeof(T) == 8);
    T got{};
    machine_.wait(thread_, {.perform = &emulated_detail::exchange<T>,
                            .name = "shuffle_xor",
                            .file = file,
                            .line = line,
                            .in = &x,
                            .out = &got,
                            .parameter = mask});
    return got;
  }

  void copy_async(void* to, void const* from, int bytes) { machine_.copy(thread_, to, from, bytes); }
  void commit_copies() { machine_.commit(thread_); }
  /// Waits for copies.
  void wait_copies(int pending, int line = __builtin_LINE(), char const* file = __builtin_FILE()) {
    if (machine_.stops_at(file, line)) machine_.wait_copies(thread_, pending);
  }

  /// Four matrices from shared memory.
  void load_matrices(std::uint32_t (&to)[4], void const* row, int line = __builtin_LINE(),
                     char const* file = __builtin_FILE()) {
    load(to, row, 0, line, file);
  }
  /// Their transposes.
  void load_matrices_transposed(std::uint32_t (&to)[4], void const* row, int line = __builtin_LINE(),
                                char const* file = __builtin_FILE()) {
    load(to, row, 1, line, file);
  }

  /// c += a·b.
  template <class T>
  void mma(T /*format*/, float (&c)[4], std::uint32_t const (&a)[4], std::uint32_t const (&b)[2],
           int line = __builtin_LINE(), char const* file = __builtin_FILE()) {
    machine_.wait(thread_, {.perform = &emulated_detail::multiply<T>,
                            .name = "mma",
                            .file = file,
                            .line = line,
                            .in = a,
                            .more = b,
                            .out = c});
  }

 private:
  void load(std::uint32_t (&to)[4], void const* row, int transposed, int line, char const* file) {
    if (reinterpret_cast<std::uintptr_t>(row) % 16 != 0)
      fail({"emulated kernel", "load_matrices at " + std::string(emulated_detail::within_library(file)),
            "a row's address is no multiple of 16", "Pad rows to whole words of 16 bytes"});
    machine_.wait(thread_, {.perform = &emulated_detail::load_matrices,
                            .name = "load_matrices",
                            .file = file,
                            .line = line,
                            .in = row,
                            .out = to,
                            .parameter = transposed});
  }

  emulated_detail::machine& machine_;
  index_t index_;
  int thread_;
};

static_assert(kernel::block<emulated_block>);

/// Runs all blocks of a kernel. \throws error if its threads do not meet, and whatever its body throws.
template <kernel::kernel Kernel>
void emulate(typename Kernel::arguments const& arguments, emulation const& how = {}) {
  using shared = typename Kernel::shared;
  constexpr std::align_val_t alignment{alignof(shared) < 128 ? 128 : alignof(shared)};
  struct launch {
    typename Kernel::arguments const& arguments;
    void* memory;
    index_t block;
  };
  std::unique_ptr<void, void (*)(void*)> const memory(
      ::operator new(sizeof(shared), alignment), [](void* bytes) { ::operator delete(bytes, alignment); });
  launch now{arguments, memory.get(), 0};
  auto& machine = emulated_detail::this_machine();
  machine.begin(how);
  std::vector<int> blocks;
  for (int const block : machine.order(blocks, static_cast<int>(Kernel::blocks(arguments)))) {
    now.block = block;
    std::memset(now.memory, 0xff, sizeof(shared));
    machine.run_block(
        Kernel::threads,
        [](emulated_detail::machine& owner, int thread, void* context) {
          auto const& at = *static_cast<launch*>(context);
          emulated_block self(owner, at.block, thread);
          Kernel{}(self, at.arguments, *static_cast<shared*>(at.memory));
        },
        &now);
  }
}

}  // namespace sysdpo
