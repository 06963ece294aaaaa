// A stand-in for cuDNN's graph interface, by the letter of its manual: descriptors take attributes of the
// right type and number, must be finished before they are used and cannot be changed afterwards, and an
// execution finds its tensors by their numbers and strides. It knows graphs of one convolution.
#include <cudnn.h>

#include <cstdint>
#include <cstring>
#include <map>
#include <string>
#include <vector>

#include "stand_in.hpp"

std::vector<stand_in::engine> stand_in::engines;
int stand_in::convolutions = 0;
int stand_in::execution_plans = 0;
int stand_in::descriptors = 0;

namespace {

struct descriptor {
  struct attribute {
    cudnnBackendAttributeType_t type{};
    std::int64_t count = 0;
    std::vector<char> bytes{};
  };

  cudnnBackendDescriptorType_t type{};
  bool is_finished = false;
  std::map<int, attribute> attributes{};
  stand_in::engine engine{};  // of engines, their configurations and plans with them

  template <class Value>
  [[nodiscard]] Value value(int name, std::size_t i = 0) const {
    Value read{};
    auto const& bytes = attributes.at(name).bytes;
    std::memcpy(&read, bytes.data() + i * sizeof read, sizeof read);
    return read;
  }
  [[nodiscard]] descriptor const& other(int name) const {
    return *static_cast<descriptor const*>(value<cudnnBackendDescriptor_t>(name));
  }
};

descriptor& of(cudnnBackendDescriptor_t given) { return *static_cast<descriptor*>(given); }

std::size_t bytes_of(cudnnBackendAttributeType_t type) {
  switch (type) {
    case CUDNN_TYPE_INT64:
    case CUDNN_TYPE_DOUBLE:
    case CUDNN_TYPE_VOID_PTR:
    case CUDNN_TYPE_HANDLE:
    case CUDNN_TYPE_BACKEND_DESCRIPTOR:
      return 8;
    default:
      return 4;
  }
}

struct expectation {
  cudnnBackendAttributeType_t type;
  std::int64_t count;  // 0: any
};

/// What the manual says of the attributes that a descriptor must be given.
std::map<int, expectation> const& expected_of(cudnnBackendDescriptorType_t type) {
  constexpr expectation part{CUDNN_TYPE_BACKEND_DESCRIPTOR, 1};
  constexpr expectation number{CUDNN_TYPE_INT64, 1};
  constexpr expectation factor{CUDNN_TYPE_FLOAT, 1};
  constexpr expectation two{CUDNN_TYPE_INT64, 2};
  static std::map<int, std::map<int, expectation>> const all = {
      {CUDNN_BACKEND_TENSOR_DESCRIPTOR,
       {{CUDNN_ATTR_TENSOR_UNIQUE_ID, number},
        {CUDNN_ATTR_TENSOR_DATA_TYPE, {CUDNN_TYPE_DATA_TYPE, 1}},
        {CUDNN_ATTR_TENSOR_BYTE_ALIGNMENT, number},
        {CUDNN_ATTR_TENSOR_DIMENSIONS, {CUDNN_TYPE_INT64, 4}},
        {CUDNN_ATTR_TENSOR_STRIDES, {CUDNN_TYPE_INT64, 4}}}},
      {CUDNN_BACKEND_CONVOLUTION_DESCRIPTOR,
       {{CUDNN_ATTR_CONVOLUTION_COMP_TYPE, {CUDNN_TYPE_DATA_TYPE, 1}},
        {CUDNN_ATTR_CONVOLUTION_CONV_MODE, {CUDNN_TYPE_CONVOLUTION_MODE, 1}},
        {CUDNN_ATTR_CONVOLUTION_SPATIAL_DIMS, number},
        {CUDNN_ATTR_CONVOLUTION_PRE_PADDINGS, two},
        {CUDNN_ATTR_CONVOLUTION_POST_PADDINGS, two},
        {CUDNN_ATTR_CONVOLUTION_FILTER_STRIDES, two},
        {CUDNN_ATTR_CONVOLUTION_DILATIONS, two}}},
      {CUDNN_BACKEND_OPERATION_CONVOLUTION_FORWARD_DESCRIPTOR,
       {{CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_X, part},
        {CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_W, part},
        {CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_Y, part},
        {CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_CONV_DESC, part},
        {CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_ALPHA, factor},
        {CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_BETA, factor}}},
      {CUDNN_BACKEND_OPERATION_CONVOLUTION_BACKWARD_DATA_DESCRIPTOR,
       {{CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_DX, part},
        {CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_W, part},
        {CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_DY, part},
        {CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_CONV_DESC, part},
        {CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_ALPHA, factor},
        {CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_BETA, factor}}},
      {CUDNN_BACKEND_OPERATION_CONVOLUTION_BACKWARD_FILTER_DESCRIPTOR,
       {{CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_X, part},
        {CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_DW, part},
        {CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_DY, part},
        {CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_CONV_DESC, part},
        {CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_ALPHA, factor},
        {CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_BETA, factor}}},
      {CUDNN_BACKEND_OPERATIONGRAPH_DESCRIPTOR,
       {{CUDNN_ATTR_OPERATIONGRAPH_HANDLE, {CUDNN_TYPE_HANDLE, 1}}, {CUDNN_ATTR_OPERATIONGRAPH_OPS, part}}},
      {CUDNN_BACKEND_ENGINEHEUR_DESCRIPTOR,
       {{CUDNN_ATTR_ENGINEHEUR_OPERATION_GRAPH, part},
        {CUDNN_ATTR_ENGINEHEUR_MODE, {CUDNN_TYPE_HEUR_MODE, 1}}}},
      {CUDNN_BACKEND_EXECUTION_PLAN_DESCRIPTOR,
       {{CUDNN_ATTR_EXECUTION_PLAN_HANDLE, {CUDNN_TYPE_HANDLE, 1}},
        {CUDNN_ATTR_EXECUTION_PLAN_ENGINE_CONFIG, part}}},
      {CUDNN_BACKEND_VARIANT_PACK_DESCRIPTOR,
       {{CUDNN_ATTR_VARIANT_PACK_UNIQUE_IDS, {CUDNN_TYPE_INT64, 3}},
        {CUDNN_ATTR_VARIANT_PACK_DATA_POINTERS, {CUDNN_TYPE_VOID_PTR, 3}},
        {CUDNN_ATTR_VARIANT_PACK_WORKSPACE, {CUDNN_TYPE_VOID_PTR, 1}}}}};
  static std::map<int, expectation> const nothing;
  auto const found = all.find(type);
  return found == all.end() ? nothing : found->second;
}

/// A tensor of float, read and written by its strides.
struct tensor {
  std::int64_t id, dimensions[4], strides[4];
  float* data = nullptr;

  tensor(descriptor const& of, descriptor const& pack)
      : id(of.value<std::int64_t>(CUDNN_ATTR_TENSOR_UNIQUE_ID)) {
    for (std::size_t i = 0; i < 4; ++i) {
      dimensions[i] = of.value<std::int64_t>(CUDNN_ATTR_TENSOR_DIMENSIONS, i);
      strides[i] = of.value<std::int64_t>(CUDNN_ATTR_TENSOR_STRIDES, i);
    }
    for (std::size_t i = 0; i < 3; ++i)
      if (pack.value<std::int64_t>(CUDNN_ATTR_VARIANT_PACK_UNIQUE_IDS, i) == id)
        data = static_cast<float*>(pack.value<void*>(CUDNN_ATTR_VARIANT_PACK_DATA_POINTERS, i));
  }
  [[nodiscard]] bool is_aligned() const {
    return data != nullptr && reinterpret_cast<std::uintptr_t>(data) % 16 == 0;
  }
  [[nodiscard]] float& at(std::int64_t n, std::int64_t c, std::int64_t h, std::int64_t w) const {
    return data[n * strides[0] + c * strides[1] + h * strides[2] + w * strides[3]];
  }
  void clear() const {
    for (std::int64_t n = 0; n < dimensions[0]; ++n)
      for (std::int64_t c = 0; c < dimensions[1]; ++c)
        for (std::int64_t h = 0; h < dimensions[2]; ++h)
          for (std::int64_t w = 0; w < dimensions[3]; ++w) at(n, c, h, w) = 0;
  }
};

/// The attributes of an operation: image, weight, result and movement.
struct names {
  int x, w, y, how;
};
names names_of(cudnnBackendDescriptorType_t type) {
  if (type == CUDNN_BACKEND_OPERATION_CONVOLUTION_FORWARD_DESCRIPTOR)
    return {CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_X, CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_W,
            CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_Y, CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_CONV_DESC};
  if (type == CUDNN_BACKEND_OPERATION_CONVOLUTION_BACKWARD_DATA_DESCRIPTOR)
    return {CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_DX, CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_W,
            CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_DY,
            CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_CONV_DESC};
  return {CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_X, CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_DW,
          CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_DY,
          CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_CONV_DESC};
}

/// Cross-correlation, or one of its gradients, by the definition.
void convolve(cudnnBackendDescriptorType_t type, tensor const& x, tensor const& w, tensor const& y,
              descriptor const& how) {
  auto const movement = [&](int name, std::size_t axis) { return how.value<std::int64_t>(name, axis); };
  if (type == CUDNN_BACKEND_OPERATION_CONVOLUTION_FORWARD_DESCRIPTOR)
    y.clear();
  else if (type == CUDNN_BACKEND_OPERATION_CONVOLUTION_BACKWARD_DATA_DESCRIPTOR)
    x.clear();
  else
    w.clear();
  for (std::int64_t n = 0; n < y.dimensions[0]; ++n)
    for (std::int64_t o = 0; o < y.dimensions[1]; ++o)
      for (std::int64_t row = 0; row < y.dimensions[2]; ++row)
        for (std::int64_t column = 0; column < y.dimensions[3]; ++column)
          for (std::int64_t c = 0; c < w.dimensions[1]; ++c)
            for (std::int64_t i = 0; i < w.dimensions[2]; ++i)
              for (std::int64_t j = 0; j < w.dimensions[3]; ++j) {
                auto const h = row * movement(CUDNN_ATTR_CONVOLUTION_FILTER_STRIDES, 0) + i -
                               movement(CUDNN_ATTR_CONVOLUTION_PRE_PADDINGS, 0);
                auto const v = column * movement(CUDNN_ATTR_CONVOLUTION_FILTER_STRIDES, 1) + j -
                               movement(CUDNN_ATTR_CONVOLUTION_PRE_PADDINGS, 1);
                if (h < 0 || h >= x.dimensions[2] || v < 0 || v >= x.dimensions[3]) continue;
                if (type == CUDNN_BACKEND_OPERATION_CONVOLUTION_FORWARD_DESCRIPTOR)
                  y.at(n, o, row, column) += x.at(n, c, h, v) * w.at(o, c, i, j);
                else if (type == CUDNN_BACKEND_OPERATION_CONVOLUTION_BACKWARD_DATA_DESCRIPTOR)
                  x.at(n, c, h, v) += y.at(n, o, row, column) * w.at(o, c, i, j);
                else
                  w.at(o, c, i, j) += y.at(n, o, row, column) * x.at(n, c, h, v);
              }
}

}  // namespace

extern "C" {

std::size_t cudnnGetVersion() { return CUDNN_VERSION; }
cudnnStatus_t cudnnCreate(cudnnHandle_t* handle) {
  *handle = reinterpret_cast<cudnnHandle_t>(new cudaStream_t{});
  return CUDNN_STATUS_SUCCESS;
}
cudnnStatus_t cudnnDestroy(cudnnHandle_t handle) {
  delete reinterpret_cast<cudaStream_t*>(handle);
  return CUDNN_STATUS_SUCCESS;
}
cudnnStatus_t cudnnSetStream(cudnnHandle_t handle, cudaStream_t stream) {
  *reinterpret_cast<cudaStream_t*>(handle) = stream;
  return CUDNN_STATUS_SUCCESS;
}
char const* cudnnGetErrorString(cudnnStatus_t status) {
  return status == CUDNN_STATUS_NOT_SUPPORTED ? "NOT_SUPPORTED" : "another status";
}
void cudnnGetLastErrorString(char* text, std::size_t size) {
  std::strncpy(text, "in the stand-in's words", size);
}

cudnnStatus_t cudnnBackendCreateDescriptor(cudnnBackendDescriptorType_t type,
                                           cudnnBackendDescriptor_t* made) {
  ++stand_in::descriptors;
  *made = new descriptor{.type = type};
  return CUDNN_STATUS_SUCCESS;
}
cudnnStatus_t cudnnBackendDestroyDescriptor(cudnnBackendDescriptor_t given) {
  --stand_in::descriptors;
  delete &of(given);
  return CUDNN_STATUS_SUCCESS;
}

cudnnStatus_t cudnnBackendSetAttribute(cudnnBackendDescriptor_t given, cudnnBackendAttributeName_t name,
                                       cudnnBackendAttributeType_t type, std::int64_t count,
                                       void const* values) {
  auto& to = of(given);
  auto const& expected = expected_of(to.type);
  auto const found = expected.find(name);
  if (to.is_finished || found == expected.end() || found->second.type != type || found->second.count != count)
    return CUDNN_STATUS_BAD_PARAM;
  if (type == CUDNN_TYPE_BACKEND_DESCRIPTOR &&
      !of(*static_cast<cudnnBackendDescriptor_t const*>(values)).is_finished)
    return CUDNN_STATUS_BAD_PARAM_NOT_FINALIZED;
  auto const* const bytes = static_cast<char const*>(values);
  to.attributes[name] = {type, count, {bytes, bytes + static_cast<std::size_t>(count) * bytes_of(type)}};
  return CUDNN_STATUS_SUCCESS;
}

cudnnStatus_t cudnnBackendFinalize(cudnnBackendDescriptor_t given) {
  auto& done = of(given);
  if (done.is_finished) return CUDNN_STATUS_BAD_PARAM;
  for (auto const& [name, expected] : expected_of(done.type))
    if (!done.attributes.contains(name)) return CUDNN_STATUS_BAD_PARAM;
  if (done.type == CUDNN_BACKEND_EXECUTION_PLAN_DESCRIPTOR) {
    done.engine = done.other(CUDNN_ATTR_EXECUTION_PLAN_ENGINE_CONFIG).engine;
    if (auto const status = static_cast<cudnnStatus_t>(done.engine.status); status != CUDNN_STATUS_SUCCESS)
      return status;
    ++stand_in::execution_plans;
  }
  done.is_finished = true;
  return CUDNN_STATUS_SUCCESS;
}

cudnnStatus_t cudnnBackendGetAttribute(cudnnBackendDescriptor_t given, cudnnBackendAttributeName_t name,
                                       cudnnBackendAttributeType_t type, std::int64_t wanted,
                                       std::int64_t* count, void* values) {
  auto const& from = of(given);
  if (name == CUDNN_ATTR_ENGINEHEUR_RESULTS && type == CUDNN_TYPE_BACKEND_DESCRIPTOR && from.is_finished) {
    // The fallback's engines are the last of all.
    bool const falls_back =
        from.value<cudnnBackendHeurMode_t>(CUDNN_ATTR_ENGINEHEUR_MODE) == CUDNN_HEUR_MODE_FALLBACK;
    std::vector<stand_in::engine> offered;
    for (auto const& one : stand_in::engines)
      if (one.is_fallback == falls_back) offered.push_back(one);
    *count = static_cast<std::int64_t>(offered.size());
    if (wanted == 0) return CUDNN_STATUS_SUCCESS;
    auto* const handles = static_cast<cudnnBackendDescriptor_t*>(values);
    auto const& graph = from.attributes.at(CUDNN_ATTR_ENGINEHEUR_OPERATION_GRAPH);
    for (std::size_t i = 0; i < std::min(offered.size(), static_cast<std::size_t>(wanted)); ++i) {
      auto& config = of(handles[i]);
      if (config.type != CUDNN_BACKEND_ENGINECFG_DESCRIPTOR) return CUDNN_STATUS_BAD_PARAM;
      config.engine = offered[i];
      config.attributes[CUDNN_ATTR_ENGINE_OPERATION_GRAPH] = graph;
      config.is_finished = true;
    }
    return CUDNN_STATUS_SUCCESS;
  }
  if (name == CUDNN_ATTR_ENGINECFG_ENGINE && from.is_finished) {
    auto& engine = of(*static_cast<cudnnBackendDescriptor_t*>(values));
    if (engine.type != CUDNN_BACKEND_ENGINE_DESCRIPTOR) return CUDNN_STATUS_BAD_PARAM;
    engine.engine = from.engine;
    engine.is_finished = true;
    *count = 1;
    return CUDNN_STATUS_SUCCESS;
  }
  if (name == CUDNN_ATTR_ENGINE_NUMERICAL_NOTE && type == CUDNN_TYPE_NUMERICAL_NOTE && from.is_finished) {
    *count = static_cast<std::int64_t>(from.engine.notes.size());
    for (std::size_t i = 0; i < from.engine.notes.size(); ++i)
      static_cast<cudnnBackendNumericalNote_t*>(values)[i] =
          static_cast<cudnnBackendNumericalNote_t>(from.engine.notes[i]);
    return CUDNN_STATUS_SUCCESS;
  }
  if (name == CUDNN_ATTR_EXECUTION_PLAN_WORKSPACE_SIZE && type == CUDNN_TYPE_INT64 && from.is_finished) {
    *count = 1;
    *static_cast<std::int64_t*>(values) = from.engine.workspace;
    return CUDNN_STATUS_SUCCESS;
  }
  return CUDNN_STATUS_BAD_PARAM;
}

cudnnStatus_t cudnnBackendExecute(cudnnHandle_t handle, cudnnBackendDescriptor_t plan,
                                  cudnnBackendDescriptor_t pack) {
  auto const& of_plan = of(plan);
  auto const& of_pack = of(pack);
  if (!of_plan.is_finished || !of_pack.is_finished) return CUDNN_STATUS_BAD_PARAM_NOT_FINALIZED;
  if (of_plan.engine.workspace > 0 && of_pack.value<void*>(CUDNN_ATTR_VARIANT_PACK_WORKSPACE) == nullptr)
    return CUDNN_STATUS_BAD_PARAM_NULL_POINTER;
  auto const& operation = of_plan.other(CUDNN_ATTR_EXECUTION_PLAN_ENGINE_CONFIG)
                              .other(CUDNN_ATTR_ENGINE_OPERATION_GRAPH)
                              .other(CUDNN_ATTR_OPERATIONGRAPH_OPS);
  auto const [x_name, w_name, y_name, how] = names_of(operation.type);
  tensor const x(operation.other(x_name), of_pack);
  tensor const w(operation.other(w_name), of_pack);
  tensor const y(operation.other(y_name), of_pack);
  if (!x.is_aligned() || !w.is_aligned() || !y.is_aligned()) return CUDNN_STATUS_BAD_PARAM_MISALIGNED_POINTER;
  ++stand_in::convolutions;
  stand_in::issue(*reinterpret_cast<cudaStream_t*>(handle),
                  [type = operation.type, x, w, y, movement = operation.other(how)] {
                    convolve(type, x, w, y, movement);
                  });
  return CUDNN_STATUS_SUCCESS;
}
}
