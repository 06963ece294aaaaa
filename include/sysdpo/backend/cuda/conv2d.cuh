// Convolution on a GPU, by cuDNN's graph interface. x [N, H, W, C], w [O, C, kh, kw], bias [O] or absent, y
// [N, H', W', O]; nothing aliases. Kernels of 1×1 with a stride of 1 are products of matrices.
//
// The library wants weights with the channels last, [O, kh, kw, C]: they are packed at each call, and their
// gradient is unpacked. Only such of its engines are used as give the same bits in every run and add up in
// float; for float tensors none that rounds operands, unless `cuda::allow_tf32(true)` was called. It is asked
// once for each problem: a thread remembers the plan. What it has no such engine for is done by products of
// matrices (backend/device/conv2d_by_products.hpp), which takes more time and memory;
// `convolutions_by_products()` tells which those were.
#pragma once

#include <cudnn.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <map>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "sysdpo/backend/conv2d_sizes.hpp"
#include "sysdpo/backend/cuda/backend.cuh"
#include "sysdpo/backend/cuda/cublas.cuh"
#include "sysdpo/backend/cuda/cudnn.cuh"
#include "sysdpo/backend/cuda/product.cuh"
#include "sysdpo/backend/device/aligned.hpp"
#include "sysdpo/backend/device/column_sums.hpp"
#include "sysdpo/backend/device/conv2d_by_products.hpp"
#include "sysdpo/backend/device/elementwise.hpp"
#include "sysdpo/backend/scratch.hpp"
#include "sysdpo/kernel/add_rows.hpp"
#include "sysdpo/kernel/number.hpp"
#include "sysdpo/kernel/swap_axes.hpp"

namespace sysdpo {

struct conv2d_op;

namespace cuda_detail {

/// packed [O, taps, C] = weight [O, C, taps].
template <class T>
void pack_weight(T const* weight, index_t outputs, index_t channels, index_t taps, T* packed) {
  using device_detail::narrow;
  cuda::launch<kernel::swap_axes<T>>({.x = weight,
                                      .outer = outputs,
                                      .a = narrow("conv2d", channels),
                                      .b = narrow("conv2d", taps),
                                      .y = packed,
                                      .accumulate = false});
}

/// to [O, C, taps] = packed [O, taps, C], or += it.
template <class T>
void unpack_gradient(T const* packed, index_t outputs, index_t channels, index_t taps, T* to,
                     bool accumulate) {
  using device_detail::narrow;
  cuda::launch<kernel::swap_axes<T>>({.x = packed,
                                      .outer = outputs,
                                      .a = narrow("conv2d", taps),
                                      .b = narrow("conv2d", channels),
                                      .y = to,
                                      .accumulate = accumulate});
}

/// y [rows, O] += bias [O].
template <class T>
void add_bias(T const* bias, index_t rows, index_t outputs, T* y) {
  cuda::launch<kernel::add_rows<T>>({.x = y,
                                     .rows = bias,
                                     .images = 1,
                                     .places = rows,
                                     .channels = device_detail::narrow("conv2d", outputs),
                                     .y = y});
}

/// The sizes of a convolution, as its matrices have them.
struct conv2d_extents : conv2d_sizes {
  using conv2d_sizes::conv2d_sizes;

  /// Elements of the kernel for each pair of channels.
  [[nodiscard]] index_t taps() const { return kernel_height * kernel_width; }
  [[nodiscard]] index_t weights() const { return outputs * channels * taps(); }
  /// Pixels of all images, and of all results.
  [[nodiscard]] index_t pixels() const { return images * height * width; }
  [[nodiscard]] index_t results() const { return images * out_height * out_width; }
  /// Whether nothing is multiplied with anything.
  [[nodiscard]] bool are_empty() const { return pixels() * results() * weights() == 0; }
  /// Whether the result is that of a product of matrices.
  [[nodiscard]] bool are_of_product() const { return taps() == 1 && stride == 1 && padding == 0; }
  /// Whether [O, C, kh, kw] and [O, kh, kw, C] are the same.
  [[nodiscard]] bool are_packed() const { return taps() == 1 || channels == 1; }
};

/// The three convolutions of a training step.
enum class conv2d_kind { forward, input_gradient, weight_gradient };

/// cuDNN's name of a number format.
template <class T>
inline constexpr cudnnDataType_t cudnn_type = std::is_same_v<T, float>  ? CUDNN_DATA_FLOAT
                                              : std::is_same_v<T, bf16> ? CUDNN_DATA_BFLOAT16
                                                                        : CUDNN_DATA_HALF;

/// x or dx, w or dw, y or dy: what a convolution reads and writes, at multiples of 16 bytes.
struct conv2d_operands {
  void const* image;
  void const* weight;
  void const* result;
};

/// The convolutions that cuDNN had no engine for, of all threads, and what it said.
struct conv2d_refusals {
  std::mutex mutex;
  std::set<std::string> all;

  static conv2d_refusals& of_process() {
    static conv2d_refusals refusals;
    return refusals;
  }
};

/// How one convolution is done.
class conv2d_plan {
 public:
  /// Nothing if cuDNN has no way to do it. \throws error if it fails, and not for want of a way.
  template <class T>
  [[nodiscard]] static std::optional<conv2d_plan> make(conv2d_kind kind, conv2d_extents const& sizes,
                                                       bool tf32) {
    bool const unrounded = std::is_same_v<T, float> && !tf32;
    conv2d_plan plan(describe(kind, sizes, format_name<T>));
    auto graph = plan.make_graph(kind, sizes, cudnn_type<T>);

    auto why = CUDNN_STATUS_NOT_SUPPORTED;  // of those that failed the gravest; others may do all the same
    auto const refused = [&](cudnnStatus_t status) {
      if (is_for_want_of_a_way(why)) why = status;
    };
    for (auto const mode : {CUDNN_HEUR_MODE_A, CUDNN_HEUR_MODE_FALLBACK}) {
      cudnn_descriptor heuristic(CUDNN_BACKEND_ENGINEHEUR_DESCRIPTOR);
      heuristic.set(CUDNN_ATTR_ENGINEHEUR_OPERATION_GRAPH, graph).set(CUDNN_ATTR_ENGINEHEUR_MODE, mode);
      if (auto const status = heuristic.try_to_finish(); status != CUDNN_STATUS_SUCCESS) {
        refused(status);
        continue;
      }
      for (auto& config :
           heuristic.descriptors(CUDNN_ATTR_ENGINEHEUR_RESULTS, CUDNN_BACKEND_ENGINECFG_DESCRIPTOR)) {
        if (!is_exact(config, unrounded)) continue;
        cudnn_descriptor way(CUDNN_BACKEND_EXECUTION_PLAN_DESCRIPTOR);
        way.set(CUDNN_ATTR_EXECUTION_PLAN_HANDLE, cudnn_handle())
            .set(CUDNN_ATTR_EXECUTION_PLAN_ENGINE_CONFIG, config);
        if (auto const status = way.try_to_finish(); status != CUDNN_STATUS_SUCCESS) {
          refused(status);
          continue;
        }
        auto const workspace = way.number(CUDNN_ATTR_EXECUTION_PLAN_WORKSPACE_SIZE);
        if (plan.way_ && workspace >= plan.workspace_) continue;
        plan.config_ = std::move(config);
        plan.way_ = std::move(way);
        plan.workspace_ = workspace;
        if (workspace <= modest_workspace) break;
      }
      if (plan.way_ && plan.workspace_ <= modest_workspace) break;
    }
    if (!plan.way_) {
      if (!is_for_want_of_a_way(why))
        check_cudnn(why, "choice of an engine by cudnnBackendFinalize", plan.about_);
      auto& refusals = conv2d_refusals::of_process();
      std::scoped_lock const lock(refusals.mutex);
      refusals.all.insert(plan.about_ + ": no engine gives the same bits in every run" +
                          (unrounded ? ", without rounding to TF32" : "") + "; cuDNN said " +
                          cudnnGetErrorString(why));
      return std::nullopt;
    }
    plan.parts_.push_back(std::move(graph));
    return plan;
  }

  /// Issues it.
  void run(conv2d_operands const& operands) const {
    scratch_of<cuda, std::byte> const workspace(workspace_);
    if (!state().is_to_issue(convolution_call, number_, operands.image, operands.weight, operands.result,
                             workspace.data()))
      return;
    cudnn_descriptor pack(CUDNN_BACKEND_VARIANT_PACK_DESCRIPTOR);
    // The interface takes pointers to what is only read as it takes the others.
    std::array<void*, 3> const pointers{const_cast<void*>(operands.image), const_cast<void*>(operands.weight),
                                        const_cast<void*>(operands.result)};
    pack.set(CUDNN_ATTR_VARIANT_PACK_UNIQUE_IDS, std::array{image_id, weight_id, result_id})
        .set(CUDNN_ATTR_VARIANT_PACK_DATA_POINTERS, pointers)
        .set(CUDNN_ATTR_VARIANT_PACK_WORKSPACE, static_cast<void*>(workspace.data()));
    pack.finish("the operands", about_);
    check_cudnn(cudnnBackendExecute(cudnn_handle(), way_->get(), pack.get()), "cudnnBackendExecute", about_);
  }

 private:
  static constexpr std::int64_t image_id = 1;
  static constexpr std::int64_t weight_id = 2;
  static constexpr std::int64_t result_id = 3;
  /// Working memory that a way may take without a more modest one being looked for.
  static constexpr std::int64_t modest_workspace = std::int64_t{512} << 20;

  [[nodiscard]] static bool is_for_want_of_a_way(cudnnStatus_t status) {
    return CUDNN_STATUS_CATEGORY(static_cast<int>(status)) == CUDNN_STATUS_NOT_SUPPORTED;
  }

  [[nodiscard]] static std::uint64_t next_number() {
    static std::atomic<std::uint64_t> made{0};
    return ++made;
  }

  explicit conv2d_plan(std::string about) : about_(std::move(about)) {}

  /// A convolution in messages.
  [[nodiscard]] static std::string describe(conv2d_kind kind, conv2d_extents const& sizes,
                                            char const* format) {
    constexpr std::array names{"forward", "gradient of x", "gradient of the weight"};
    return std::string("conv2d ") + names[static_cast<std::size_t>(kind)] + ", x " +
           to_string(shape{sizes.images, sizes.height, sizes.width, sizes.channels}) + ", weight " +
           to_string(shape{sizes.outputs, sizes.channels, sizes.kernel_height, sizes.kernel_width}) +
           ", stride " + std::to_string(sizes.stride) + ", padding " + std::to_string(sizes.padding) + ", " +
           format;
  }

  /// A tensor [n, c, h, w] as cuDNN counts the axes, whose channels lie together.
  [[nodiscard]] static cudnn_descriptor tensor(std::int64_t id, cudnnDataType_t type, index_t n, index_t c,
                                               index_t h, index_t w) {
    cudnn_descriptor made(CUDNN_BACKEND_TENSOR_DESCRIPTOR);
    made.set(CUDNN_ATTR_TENSOR_UNIQUE_ID, id)
        .set(CUDNN_ATTR_TENSOR_DATA_TYPE, type)
        .set(CUDNN_ATTR_TENSOR_BYTE_ALIGNMENT, std::int64_t{16})  // which tensor cores ask for
        .set(CUDNN_ATTR_TENSOR_DIMENSIONS, std::array<std::int64_t, 4>{n, c, h, w})
        .set(CUDNN_ATTR_TENSOR_STRIDES, std::array<std::int64_t, 4>{h * w * c, 1, w * c, c});
    made.finish("a tensor");
    return made;
  }

  [[nodiscard]] cudnn_descriptor make_graph(conv2d_kind kind, conv2d_extents const& sizes,
                                            cudnnDataType_t type) {
    auto image = tensor(image_id, type, sizes.images, sizes.channels, sizes.height, sizes.width);
    auto weight =
        tensor(weight_id, type, sizes.outputs, sizes.channels, sizes.kernel_height, sizes.kernel_width);
    auto result = tensor(result_id, type, sizes.images, sizes.outputs, sizes.out_height, sizes.out_width);

    cudnn_descriptor movement(CUDNN_BACKEND_CONVOLUTION_DESCRIPTOR);
    std::array<std::int64_t, 2> const padding{sizes.padding, sizes.padding};
    movement.set(CUDNN_ATTR_CONVOLUTION_COMP_TYPE, CUDNN_DATA_FLOAT)
        .set(CUDNN_ATTR_CONVOLUTION_CONV_MODE, CUDNN_CROSS_CORRELATION)
        .set(CUDNN_ATTR_CONVOLUTION_SPATIAL_DIMS, std::int64_t{2})
        .set(CUDNN_ATTR_CONVOLUTION_PRE_PADDINGS, padding)
        .set(CUDNN_ATTR_CONVOLUTION_POST_PADDINGS, padding)
        .set(CUDNN_ATTR_CONVOLUTION_FILTER_STRIDES, std::array<std::int64_t, 2>{sizes.stride, sizes.stride})
        .set(CUDNN_ATTR_CONVOLUTION_DILATIONS, std::array<std::int64_t, 2>{1, 1});
    movement.finish("a convolution's movement", about_);

    auto const operation = [&](cudnnBackendDescriptorType_t descriptor, cudnnBackendAttributeName_t x,
                               cudnnBackendAttributeName_t w, cudnnBackendAttributeName_t y,
                               cudnnBackendAttributeName_t how, cudnnBackendAttributeName_t alpha,
                               cudnnBackendAttributeName_t beta) {
      cudnn_descriptor made(descriptor);
      made.set(x, image).set(w, weight).set(y, result).set(how, movement).set(alpha, 1.0F).set(beta, 0.0F);
      made.finish("a convolution", about_);
      return made;
    };
    auto convolution = kind == conv2d_kind::forward
                           ? operation(CUDNN_BACKEND_OPERATION_CONVOLUTION_FORWARD_DESCRIPTOR,
                                       CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_X,
                                       CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_W,
                                       CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_Y,
                                       CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_CONV_DESC,
                                       CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_ALPHA,
                                       CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_BETA)
                       : kind == conv2d_kind::input_gradient
                           ? operation(CUDNN_BACKEND_OPERATION_CONVOLUTION_BACKWARD_DATA_DESCRIPTOR,
                                       CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_DX,
                                       CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_W,
                                       CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_DY,
                                       CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_CONV_DESC,
                                       CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_ALPHA,
                                       CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_BETA)
                           : operation(CUDNN_BACKEND_OPERATION_CONVOLUTION_BACKWARD_FILTER_DESCRIPTOR,
                                       CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_X,
                                       CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_DW,
                                       CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_DY,
                                       CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_CONV_DESC,
                                       CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_ALPHA,
                                       CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_BETA);

    cudnn_descriptor graph(CUDNN_BACKEND_OPERATIONGRAPH_DESCRIPTOR);
    graph.set(CUDNN_ATTR_OPERATIONGRAPH_HANDLE, cudnn_handle())
        .set(CUDNN_ATTR_OPERATIONGRAPH_OPS, convolution);
    graph.finish("an operation graph", about_);
    for (auto* const part : std::array{&image, &weight, &result, &movement, &convolution})
      parts_.push_back(std::move(*part));
    return graph;
  }

  /// Whether a way gives the same bits in every run and rounds nothing that it need not; `unrounded`: not
  /// even the operands of tensor cores.
  [[nodiscard]] static bool is_exact(cudnn_descriptor const& config, bool unrounded) {
    auto const engine = config.descriptor(CUDNN_ATTR_ENGINECFG_ENGINE, CUDNN_BACKEND_ENGINE_DESCRIPTOR);
    return std::ranges::none_of(engine.numerical_notes(), [&](cudnnBackendNumericalNote_t note) {
      return note == CUDNN_NUMERICAL_NOTE_NONDETERMINISTIC ||
             note == CUDNN_NUMERICAL_NOTE_REDUCED_PRECISION_REDUCTION ||
             (unrounded &&
              (note == CUDNN_NUMERICAL_NOTE_TENSOR_CORE || note == CUDNN_NUMERICAL_NOTE_DOWN_CONVERT_INPUTS));
    });
  }

  std::string about_;
  std::vector<cudnn_descriptor> parts_;  // kept as long as the plan that was made of them
  std::optional<cudnn_descriptor> config_, way_;
  std::int64_t workspace_ = 0;
  std::uint64_t number_ = next_number();  // no other plan has it
};

/// This thread's plan for a convolution; null: cuDNN has none. It lasts until the next is asked for.
template <class T>
[[nodiscard]] conv2d_plan const* plan_for(conv2d_kind kind, conv2d_extents const& sizes) {
  bool const tf32 = std::is_same_v<T, float> && cuda::tf32_allowed();
  std::array<std::int64_t, 13> const key{static_cast<std::int64_t>(kind),
                                         sizes.images,
                                         sizes.height,
                                         sizes.width,
                                         sizes.channels,
                                         sizes.kernel_height,
                                         sizes.kernel_width,
                                         sizes.stride,
                                         sizes.padding,
                                         sizes.outputs,
                                         static_cast<std::int64_t>(cudnn_type<T>),
                                         static_cast<std::int64_t>(tf32),
                                         cuda::device()};
  (void)cudnn_handle();  // made before the plans, and so destroyed after them when the thread ends
  thread_local std::map<std::array<std::int64_t, 13>, std::optional<conv2d_plan>> plans;
  auto found = plans.find(key);
  if (found == plans.end()) {
    constexpr std::size_t most = 1024;  // shapes that change from step to step must not pile up
    if (plans.size() >= most) plans.clear();
    found = plans.emplace(key, conv2d_plan::make<T>(kind, sizes, tf32)).first;
  }
  return found->second ? &*found->second : nullptr;
}

}  // namespace cuda_detail

template <>
struct implement<conv2d_op, cuda> {
  template <class T>
  static void forward(array_view<T const> x, array_view<T const> w, array_view<T const> bias, array_view<T> y,
                      index_t stride, index_t padding) {
    using namespace cuda_detail;
    conv2d_extents const sizes(x.extents, w.extents, stride, padding);
    if (sizes.are_of_product())
      return product::forward(images(x.data, sizes), weights(w.data, sizes), bias.data,
                              matrix_view<T>{y.data, sizes.results(), sizes.outputs}, false);
    if (sizes.are_empty()) {
      cuda::zero(y.data, bytes<T>(sizes.results() * sizes.outputs));
      if (bias) add_bias(bias.data, sizes.results(), sizes.outputs, y.data);
      return;
    }
    auto const* const plan = plan_for<T>(conv2d_kind::forward, sizes);
    if (plan == nullptr) return by_products(sizes).forward(x.data, w.data, bias.data, y.data);
    aligned_operand<T> const image(x);
    packed_weight<T> const weight(sizes, w);
    aligned_gradient<T> const result(gradient_view<T>{y.data, y.extents, false});
    plan->run({image.data, weight.data, result.view.data});
    result.finish();
    if (bias) add_bias(bias.data, sizes.results(), sizes.outputs, y.data);
  }

  template <class T>
  static void backward(array_view<T const> x, array_view<T const> w, array_view<T const> dy,
                       gradient_view<T> dx, gradient_view<T> dw, gradient_view<T> dbias, index_t stride,
                       index_t padding) {
    using namespace cuda_detail;
    conv2d_extents const sizes(x.extents, w.extents, stride, padding);
    device_detail::column_sums<cuda>(1, sizes.results(), sizes.outputs, dy.data, dbias);
    if (sizes.are_of_product()) {
      matrix_view<T const> const upstream{dy.data, sizes.results(), sizes.outputs};
      if (dx)
        product::forward(upstream, matrix_view<T const>{w.data, sizes.outputs, sizes.channels},
                         matrix_view<T>{dx.data, sizes.pixels(), sizes.channels}, dx.accumulate);
      if (dw)
        product::forward(matrix_view<T const>{dy.data, sizes.results(), sizes.outputs, true},
                         images(x.data, sizes), matrix_view<T>{dw.data, sizes.outputs, sizes.channels},
                         dw.accumulate);
      return;
    }
    if (sizes.are_empty()) {
      if (dx && !dx.accumulate) cuda::zero(dx.data, bytes<T>(sizes.pixels() * sizes.channels));
      if (dw && !dw.accumulate) cuda::zero(dw.data, bytes<T>(sizes.weights()));
      return;
    }
    if (dx) input_gradient(sizes, w, dy, dx);
    if (dw) weight_gradient(sizes, x, dy, dw);
  }

 private:
  using product = implement<product_op, cuda>;

  template <class T>
  [[nodiscard]] static std::size_t bytes(index_t size) {
    return static_cast<std::size_t>(size) * sizeof(T);
  }
  template <class T>
  [[nodiscard]] static matrix_view<T const> images(T const* x, cuda_detail::conv2d_extents const& sizes) {
    return {x, sizes.pixels(), sizes.channels};
  }
  template <class T>
  [[nodiscard]] static matrix_view<T const> weights(T const* w, cuda_detail::conv2d_extents const& sizes) {
    return {w, sizes.outputs, sizes.channels, true};
  }

  using by_products = device_detail::conv2d_by_products<cuda>;
  template <class T>
  using aligned_operand = device_detail::aligned_operand<cuda, T>;
  template <class T>
  using aligned_gradient = device_detail::aligned_gradient<cuda, T>;

  /// The weights as cuDNN wants them.
  template <class T>
  struct packed_weight {
    scratch_of<cuda, T> copy;
    T const* data;

    packed_weight(cuda_detail::conv2d_extents const& sizes, array_view<T const> const& w)
        : copy(is_as_wanted(sizes, w.data) ? 0 : sizes.weights()),
          data(copy.data() == nullptr ? w.data : copy.data()) {
      if (copy.data() != nullptr)
        cuda_detail::pack_weight(w.data, sizes.outputs, sizes.channels, sizes.taps(), copy.data());
    }
    [[nodiscard]] static bool is_as_wanted(cuda_detail::conv2d_extents const& sizes, void const* address) {
      return sizes.are_packed() && device_detail::is_aligned_address(address);
    }
  };

  // What is to be added goes through memory of its own: not every engine adds.
  template <class T>
  static void input_gradient(cuda_detail::conv2d_extents const& sizes, array_view<T const> w,
                             array_view<T const> dy, gradient_view<T> dx) {
    using namespace cuda_detail;
    auto const* const plan = plan_for<T>(conv2d_kind::input_gradient, sizes);
    if (plan == nullptr) return by_products(sizes).input_gradient(w.data, dy.data, dx.data, dx.accumulate);
    packed_weight<T> const weight(sizes, w);
    aligned_operand<T> const upstream(dy);
    bool const in_place = !dx.accumulate && device_detail::is_aligned_address(dx.data);
    scratch_of<cuda, T> const sum(in_place ? 0 : dx.size());
    plan->run({in_place ? dx.data : sum.data(), weight.data, upstream.data});
    if (!in_place) device_detail::map<cuda>(kernel::function::copy{}, dx, static_cast<T const*>(sum.data()));
  }

  template <class T>
  static void weight_gradient(cuda_detail::conv2d_extents const& sizes, array_view<T const> x,
                              array_view<T const> dy, gradient_view<T> dw) {
    using namespace cuda_detail;
    auto const* const plan = plan_for<T>(conv2d_kind::weight_gradient, sizes);
    if (plan == nullptr) return by_products(sizes).weight_gradient(x.data, dy.data, dw.data, dw.accumulate);
    aligned_operand<T> const image(x);
    aligned_operand<T> const upstream(dy);
    bool const in_place = !dw.accumulate && packed_weight<T>::is_as_wanted(sizes, dw.data);
    scratch_of<cuda, T> const packed(in_place ? 0 : sizes.weights());
    plan->run({image.data, in_place ? dw.data : packed.data(), upstream.data});
    if (!in_place)
      unpack_gradient(packed.data(), sizes.outputs, sizes.channels, sizes.taps(), dw.data, dw.accumulate);
  }
};

/// The convolutions that were done by products, because cuDNN had no engine for them, and what it said: they
/// take more time and memory. Other numbers of channels, bf16, `cuda::allow_tf32(true)` or a newer cuDNN may
/// do better.
[[nodiscard]] inline std::vector<std::string> convolutions_by_products() {
  auto& refusals = cuda_detail::conv2d_refusals::of_process();
  std::scoped_lock const lock(refusals.mutex);
  return {refusals.all.begin(), refusals.all.end()};
}

}  // namespace sysdpo
