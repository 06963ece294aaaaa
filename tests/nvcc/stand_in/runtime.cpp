// A stand-in for the CUDA runtime, of which it has what backend/cuda/ calls: two devices of 100 MiB whose
// streams do nothing before somebody waits for them, so that what relies on being waited for shows. It aborts
// where a GPU would read what is no longer there. Kernels are what a test says they are.
#include <cuda_runtime_api.h>

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <functional>
#include <map>
#include <mutex>
#include <utility>
#include <vector>

#include "stand_in.hpp"

namespace {

using work = std::function<void()>;

std::recursive_mutex mutex;
thread_local int current = 0;
thread_local cudaError_t last = cudaSuccess;
thread_local CUstream_st* captured = nullptr;  // by this thread
thread_local cudaStreamCaptureMode capture_mode = cudaStreamCaptureModeGlobal;
struct {
  dim3 grid, block;
  std::size_t bytes;
  CUstream_st* stream;
} thread_local configuration;
std::map<char const*, std::size_t> pinned;
std::map<void*, std::pair<int, std::size_t>> allocated;
std::size_t used[2];
constexpr std::size_t total = std::size_t{100} << 20;

cudaError_t returned(cudaError_t status) {
  if (status != cudaSuccess) last = status;
  return status;
}

}  // namespace

struct CUstream_st {
  std::deque<work> queue;
  std::vector<work>* capture = nullptr;
  bool invalid = false;

  void wait() {
    while (!queue.empty()) step();
  }
  void step() {
    auto const next = std::move(queue.front());
    queue.pop_front();
    next();
  }
};

struct CUevent_st {
  std::int64_t recorded = 0;
  std::int64_t done = 0;
  CUstream_st* stream = nullptr;
};

namespace {

/// A kernel as a test has it, with a copy of its arguments. It aborts where a graph's node becomes another
/// one.
work kernel_work(void const* function, dim3 grid, dim3 block, std::size_t bytes, void** arguments) {
  static std::map<void const*, std::pair<unsigned, std::size_t>> launched;
  if (launched.emplace(function, std::pair(block.x, bytes)).first->second != std::pair(block.x, bytes))
    std::abort();
  auto const* const first = static_cast<char const*>(arguments[0]);
  return [grid, given = std::vector<char>(first, first + stand_in::argument_bytes)] {
    stand_in::kernel(grid.x, given.data());
  };
}

/// What a capture does not allow.
cudaError_t refuse(CUstream_st* stream) {
  if (capture_mode == cudaStreamCaptureModeRelaxed) return cudaSuccess;
  stream->invalid = true;
  return returned(cudaErrorStreamCaptureUnsupported);
}

void* allocate(std::size_t bytes) {
  auto* const memory = std::aligned_alloc(256, (bytes + 255) / 256 * 256);
  std::memset(memory, 0xee, bytes);
  return memory;
}

}  // namespace

int stand_in::waits_for_streams = 0;
int stand_in::waits_for_events = 0;
std::size_t stand_in::argument_bytes = 0;
void (*stand_in::kernel)(unsigned, void const*) = nullptr;

void stand_in::issue(CUstream_st* stream, std::function<void()> done) {
  std::scoped_lock const lock(mutex);
  if (stream->capture != nullptr)
    stream->capture->push_back(std::move(done));
  else
    stream->queue.push_back(std::move(done));
}

extern "C" {

cudaError_t cudaGetDevice(int* device) {
  *device = current;
  return cudaSuccess;
}
cudaError_t cudaSetDevice(int device) {
  if (device < 0 || device > 1) return returned(cudaErrorInvalidDevice);
  current = device;
  return cudaSuccess;
}
cudaError_t cudaGetDeviceCount(int* count) {
  *count = 2;
  return cudaSuccess;
}
cudaError_t cudaGetLastError() { return std::exchange(last, cudaSuccess); }
char const* cudaGetErrorName(cudaError_t status) {
  static thread_local char name[32];
  std::snprintf(name, sizeof name, "status %d", static_cast<int>(status));
  return name;
}
char const* cudaGetErrorString(cudaError_t) { return "as the stand-in says"; }

cudaError_t cudaMalloc(void** memory, std::size_t bytes) {
  std::scoped_lock const lock(mutex);
  if (captured != nullptr && refuse(captured) != cudaSuccess) return last;
  if (used[current] + bytes > total) return returned(cudaErrorMemoryAllocation);
  *memory = allocate(bytes);
  allocated[*memory] = {current, bytes};
  used[current] += bytes;
  return cudaSuccess;
}
cudaError_t cudaFree(void* memory) {
  std::scoped_lock const lock(mutex);
  if (captured != nullptr) return refuse(captured);
  auto const [device, bytes] = allocated.at(memory);
  used[device] -= bytes;
  allocated.erase(memory);
  std::free(memory);
  return cudaSuccess;
}
cudaError_t cudaMemGetInfo(std::size_t* free, std::size_t* all) {
  *free = total - used[current];
  *all = total;
  return cudaSuccess;
}
cudaError_t cudaHostAlloc(void** memory, std::size_t bytes, unsigned) {
  std::scoped_lock const lock(mutex);
  if (captured != nullptr && refuse(captured) != cudaSuccess) return last;
  *memory = allocate(bytes);
  pinned[static_cast<char const*>(*memory)] = bytes;
  return cudaSuccess;
}
cudaError_t cudaFreeHost(void* memory) {
  std::scoped_lock const lock(mutex);
  pinned.erase(static_cast<char const*>(memory));
  std::free(memory);
  return cudaSuccess;
}

cudaError_t cudaStreamCreateWithFlags(cudaStream_t* stream, unsigned) {
  *stream = new CUstream_st;
  return cudaSuccess;
}
cudaError_t cudaStreamSynchronize(cudaStream_t stream) {
  std::scoped_lock const lock(mutex);
  ++stand_in::waits_for_streams;
  if (stream->capture != nullptr) return refuse(stream);
  stream->wait();
  return cudaSuccess;
}
cudaError_t cudaMemcpyAsync(void* to, void const* from, std::size_t bytes, cudaMemcpyKind kind,
                            cudaStream_t stream) {
  std::scoped_lock const lock(mutex);
  if (kind == cudaMemcpyDeviceToHost) {  // to memory that is not pinned it returns when all is done
    if (stream->capture != nullptr) return refuse(stream);
    stream->wait();
    std::memcpy(to, from, bytes);
    return cudaSuccess;
  }
  if (kind == cudaMemcpyHostToDevice) {
    auto const* const begin = static_cast<char const*>(from);
    auto const after = pinned.upper_bound(begin);
    if (after == pinned.begin() || begin + bytes > std::prev(after)->first + std::prev(after)->second)
      std::abort();
  }
  stand_in::issue(stream, [=] { std::memmove(to, from, bytes); });
  return cudaSuccess;
}
cudaError_t cudaMemsetAsync(void* to, int value, std::size_t bytes, cudaStream_t stream) {
  stand_in::issue(stream, [=] { std::memset(to, value, bytes); });
  return cudaSuccess;
}

cudaError_t cudaEventCreateWithFlags(cudaEvent_t* event, unsigned) {
  *event = new CUevent_st;
  return cudaSuccess;
}
cudaError_t cudaEventRecord(cudaEvent_t event, cudaStream_t stream) {
  std::scoped_lock const lock(mutex);
  event->stream = stream;
  stand_in::issue(stream, [event, time = ++event->recorded] { event->done = time; });
  return cudaSuccess;
}
cudaError_t cudaEventSynchronize(cudaEvent_t event) {
  std::scoped_lock const lock(mutex);
  if (event->done != event->recorded) ++stand_in::waits_for_events;
  while (event->done != event->recorded) event->stream->step();
  return cudaSuccess;
}

cudaError_t cudaEventDestroy(cudaEvent_t event) {
  delete event;
  return cudaSuccess;
}

cudaError_t cudaStreamBeginCapture(cudaStream_t stream, cudaStreamCaptureMode) {
  std::scoped_lock const lock(mutex);
  if (stream->capture != nullptr) return returned(cudaErrorIllegalState);
  stream->capture = new std::vector<work>;
  stream->invalid = false;
  captured = stream;
  return cudaSuccess;
}
cudaError_t cudaStreamEndCapture(cudaStream_t stream, cudaGraph_t* graph) {
  std::scoped_lock const lock(mutex);
  captured = nullptr;
  auto* const recorded = std::exchange(stream->capture, nullptr);
  *graph = stream->invalid ? nullptr : reinterpret_cast<cudaGraph_t>(recorded);
  if (!stream->invalid) return cudaSuccess;
  delete recorded;
  return returned(cudaErrorStreamCaptureInvalidated);
}
cudaError_t cudaThreadExchangeStreamCaptureMode(cudaStreamCaptureMode* mode) {
  std::swap(*mode, capture_mode);
  return cudaSuccess;
}
cudaError_t cudaStreamGetCaptureInfo(cudaStream_t stream, cudaStreamCaptureStatus* status,
                                     unsigned long long*, cudaGraph_t*, cudaGraphNode_t const** nodes,
                                     cudaGraphEdgeData const**, std::size_t* count) {
  static thread_local cudaGraphNode_t node;
  *status = cudaStreamCaptureStatusActive;
  node = reinterpret_cast<cudaGraphNode_t>(stream->capture->size());
  *nodes = &node;
  *count = 1;
  return cudaSuccess;
}
cudaError_t cudaGraphExecKernelNodeSetParams(cudaGraphExec_t executable, cudaGraphNode_t node,
                                             cudaKernelNodeParams const* given) {
  auto& each = *reinterpret_cast<std::vector<work>*>(executable);
  each.at(reinterpret_cast<std::size_t>(node) - 1) =
      kernel_work(given->func, given->gridDim, given->blockDim, given->sharedMemBytes, given->kernelParams);
  return cudaSuccess;
}
cudaError_t cudaGraphInstantiate(cudaGraphExec_t* executable, cudaGraph_t graph, unsigned long long) {
  *executable =
      reinterpret_cast<cudaGraphExec_t>(new std::vector<work>(*reinterpret_cast<std::vector<work>*>(graph)));
  return cudaSuccess;
}
cudaError_t cudaGraphUpload(cudaGraphExec_t, cudaStream_t) { return cudaSuccess; }
cudaError_t cudaGraphDestroy(cudaGraph_t graph) {
  delete reinterpret_cast<std::vector<work>*>(graph);
  return cudaSuccess;
}
cudaError_t cudaGraphExecDestroy(cudaGraphExec_t executable) {
  delete reinterpret_cast<std::vector<work>*>(executable);
  return cudaSuccess;
}
cudaError_t cudaGraphLaunch(cudaGraphExec_t executable, cudaStream_t stream) {
  for (auto const& each : *reinterpret_cast<std::vector<work>*>(executable)) stand_in::issue(stream, each);
  return cudaSuccess;
}

cudaError_t cudaFuncSetAttribute(void const*, cudaFuncAttribute, int) { return cudaSuccess; }
cudaError_t cudaLaunchKernel(void const* function, dim3 grid, dim3 block, void** arguments, std::size_t bytes,
                             cudaStream_t stream) {
  stand_in::issue(stream, kernel_work(function, grid, block, bytes, arguments));
  return cudaSuccess;
}

// What nvcc's code calls at a launch, and when a program starts.
unsigned __cudaPushCallConfiguration(dim3 grid, dim3 block, std::size_t bytes, CUstream_st* stream) {
  configuration = {grid, block, bytes, stream};
  return 0;
}
cudaError_t __cudaPopCallConfiguration(dim3* grid, dim3* block, std::size_t* bytes, void* stream) {
  *grid = configuration.grid;
  *block = configuration.block;
  *bytes = configuration.bytes;
  *static_cast<CUstream_st**>(stream) = configuration.stream;
  return cudaSuccess;
}
cudaError_t __cudaGetKernel(cudaKernel_t* kernel, void const* function) {
  *kernel = reinterpret_cast<cudaKernel_t>(const_cast<void*>(function));
  return cudaSuccess;
}
cudaError_t __cudaLaunchKernel(cudaKernel_t kernel, dim3 grid, dim3 block, void** arguments,
                               std::size_t bytes, cudaStream_t stream) {
  return cudaLaunchKernel(kernel, grid, block, arguments, bytes, stream);
}
void __cudaRegisterFunction(void**, char const*, char*, char const*, int, uint3*, uint3*, dim3*, dim3*,
                            int*) {}
void** __cudaRegisterFatBinary(void*) {
  static void* nothing = nullptr;
  return &nothing;
}
void __cudaRegisterFatBinaryEnd(void**) {}
void __cudaUnregisterFatBinary(void**) {}
char __cudaInitModule(void**) { return 0; }
}
