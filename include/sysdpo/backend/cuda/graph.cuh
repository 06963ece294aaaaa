// A step that is captured once and replayed: one launch for hundreds of kernels, for steps whose shapes
// repeat.
//
//   step();                          // once in the ordinary way: memory, plans and handles are made here
//   cuda_graph graph(step);          // issues nothing to the device
//   for (…) graph.replay();
//
// What a replay does is what was issued while the step was captured, with the same addresses and the same
// numbers passed by value (learning rates, counts of steps, seeds: what must change lies in memory of the
// device). The step reads its input from tensors that are made, and filled, outside. It may neither wait for
// the device, nor upload, nor take more memory than the pool has unused: all that is an error.
//
// The memory that the step took, and such as it gave back, belongs to the graph until the graph is gone: the
// pool gives it to nobody (memory_pool.hpp, `begin_reservation`). Tensors that the step made and left to the
// caller, its results, hold what the last replay computed. Tensors from outside that the step uses must live
// as long as the graph.
//
// A graph belongs to the thread and the device that it was made on; while it is captured no other thread may
// use that device. What its kernels report (backend/device/reports.hpp) shows up at the next wait after each
// replay.
#pragma once

#include <cuda_runtime.h>

#include <cstddef>
#include <thread>
#include <utility>
#include <vector>

#include "sysdpo/backend/cuda/backend.cuh"

namespace sysdpo {

/// The work of a step, to be done again.
class cuda_graph {
 public:
  /// Captures what `step()` issues to the current device. \throws error if the step does what cannot be
  /// captured, and whatever the step throws.
  template <class Step>
  explicit cuda_graph(Step&& step) : device_(cuda::device()) {
    capture under_way(*this);
    std::forward<Step>(step)();
    under_way.finish();
  }
  cuda_graph(cuda_graph const&) = delete;
  cuda_graph& operator=(cuda_graph const&) = delete;
  /// Replays under way end in peace: whoever gets the memory next is behind them in the stream.
  ~cuda_graph() {
    if (executable_ != nullptr) (void)cudaGraphExecDestroy(executable_);
    cuda_detail::state_of(device_).pool.release(reserved_);
  }

  /// Issues the step's work once more, and does not wait. \throws error if the device refuses.
  void replay() {
    cuda::device_scope const scope(device_);
    cuda_detail::state().refuse_in_capture("a replay", "Replay one graph after the other instead");
    check_cuda(cudaGraphLaunch(executable_, cuda::stream()), "cudaGraphLaunch");
    cuda::reports().open_again(reports_);
  }

 private:
  /// The time of capturing: whatever happens, the stream, the pool and the reports are as before at its end.
  class capture {
   public:
    explicit capture(cuda_graph& graph)
        : graph_(graph), device_(cuda_detail::state()), reports_before_(cuda::reports().size()) {
      device_.refuse_in_capture("another capture", "Capture one step after the other instead");
      device_.pool.begin_reservation();
      device_.capturing = std::this_thread::get_id();
      // Other threads may go on with other devices.
      if (auto const status = cudaStreamBeginCapture(device_.stream, cudaStreamCaptureModeThreadLocal);
          status != cudaSuccess) {
        leave();
        device_.pool.release(graph_.reserved_);
        check_cuda(status, "cudaStreamBeginCapture");
      }
    }
    capture(capture const&) = delete;
    capture& operator=(capture const&) = delete;
    ~capture() {
      if (finished_) return;
      cudaGraph_t discarded = nullptr;
      if (cudaStreamEndCapture(device_.stream, &discarded) == cudaSuccess && discarded != nullptr)
        (void)cudaGraphDestroy(discarded);
      (void)cudaGetLastError();
      leave();
      graph_.reports_.clear();
      device_.pool.release(graph_.reserved_);
    }

    void finish() {
      finished_ = true;
      cudaGraph_t recorded = nullptr;
      auto status = cudaStreamEndCapture(device_.stream, &recorded);
      auto const* call = "cudaStreamEndCapture";
      leave();
      if (status == cudaSuccess) {
        call = "cudaGraphInstantiate";
        status = cudaGraphInstantiate(&graph_.executable_, recorded, 0);
        (void)cudaGraphDestroy(recorded);
      }
      if (status == cudaSuccess) return;
      device_.pool.release(graph_.reserved_);
      check_cuda(status, call);
    }

   private:
    /// Ends it for the pool and the reports, whose part in it the graph gets.
    void leave() {
      device_.capturing = std::thread::id{};
      graph_.reserved_ = device_.pool.end_reservation();
      graph_.reports_ = cuda::reports().take_off(reports_before_);
    }

    cuda_graph& graph_;
    cuda_detail::device_state& device_;
    std::size_t reports_before_;
    bool finished_ = false;
  };

  int device_;
  cudaGraphExec_t executable_ = nullptr;
  std::vector<memory_block*> reserved_;
  std::vector<report_list<cuda_detail::report_memory>::entry> reports_;
};

}  // namespace sysdpo
