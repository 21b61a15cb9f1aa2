#include "kernels/cuda/vendor/cublaslt.h"

#include <cublasLt.h>

#include <cstddef>
#include <map>

#include "kernels/common/device_failure.h"
#include "kernels/cuda/vendor/shared_library.h"
#include "kernels/cuda/vendor/vendor_finish.h"
#include "kernels/device_runtime.h"

namespace akimbo::kernels::cuda::vendor {
namespace {

#define AKIMBO_CUBLASLT_FUNCTIONS(F)                                                     \
  F(cublasLtCreate)                                                                      \
  F(cublasLtGetStatusString)                                                             \
  F(cublasLtMatmul) F(cublasLtMatmulDescCreate) F(cublasLtMatmulDescDestroy)             \
      F(cublasLtMatmulDescSetAttribute) F(cublasLtMatrixLayoutCreate)                    \
          F(cublasLtMatrixLayoutDestroy) F(cublasLtMatmulPreferenceCreate)               \
              F(cublasLtMatmulPreferenceDestroy) F(cublasLtMatmulPreferenceSetAttribute) \
                  F(cublasLtMatmulAlgoGetHeuristic)

struct CublasLt {
  SharedLibrary library{"libcublasLt.so.13", "libcublasLt.so.12", "libcublasLt.so"};
#define AKIMBO_CUBLASLT_MEMBER(name) decltype(::name)* name = nullptr;
  AKIMBO_CUBLASLT_FUNCTIONS(AKIMBO_CUBLASLT_MEMBER)
  CublasLt() {
#define AKIMBO_CUBLASLT_FIND(name) library.find(#name, name);
    AKIMBO_CUBLASLT_FUNCTIONS(AKIMBO_CUBLASLT_FIND)
  }
};

const CublasLt& lt() {
  static const CublasLt* const instance = new CublasLt;  // outlives the threads that use it
  return *instance;
}

void check(cublasStatus_t status, const char* what) {
  if (status == CUBLAS_STATUS_SUCCESS) return;
  throw DeviceFailure(std::string("[cublaslt] ") + what + ": " +
                      lt().cublasLtGetStatusString(status));
}

// Lives as long as the thread; the driver frees it with the process.
cublasLtHandle_t handle() {
  thread_local std::map<int, cublasLtHandle_t> handles;
  cublasLtHandle_t& value = handles[current_device()];
  if (value == nullptr) check(lt().cublasLtCreate(&value), "cublasLtCreate");
  return value;
}

cudaDataType data_type_of(DType dtype) {
  switch (dtype) {
    case DType::bf16: return CUDA_R_16BF;
    case DType::f16: return CUDA_R_16F;
    default: return CUDA_R_32F;
  }
}

class Layout {
 public:
  Layout(DType dtype, std::int64_t rows, std::int64_t columns) {
    check(lt().cublasLtMatrixLayoutCreate(&value_, data_type_of(dtype),
                                          static_cast<std::uint64_t>(rows),
                                          static_cast<std::uint64_t>(columns), rows),
          "cublasLtMatrixLayoutCreate");
  }
  ~Layout() { lt().cublasLtMatrixLayoutDestroy(value_); }
  Layout(const Layout&) = delete;
  Layout& operator=(const Layout&) = delete;
  operator cublasLtMatrixLayout_t() const { return value_; }

 private:
  cublasLtMatrixLayout_t value_ = nullptr;
};

class Description {
 public:
  Description(bool transpose_first, bool transpose_second, bool tf32) {
    check(lt().cublasLtMatmulDescCreate(
              &value_, tf32 ? CUBLAS_COMPUTE_32F_FAST_TF32 : CUBLAS_COMPUTE_32F, CUDA_R_32F),
          "cublasLtMatmulDescCreate");
    set(CUBLASLT_MATMUL_DESC_TRANSA, transpose_first ? CUBLAS_OP_T : CUBLAS_OP_N);
    set(CUBLASLT_MATMUL_DESC_TRANSB, transpose_second ? CUBLAS_OP_T : CUBLAS_OP_N);
  }
  ~Description() { lt().cublasLtMatmulDescDestroy(value_); }
  Description(const Description&) = delete;
  Description& operator=(const Description&) = delete;
  operator cublasLtMatmulDesc_t() const { return value_; }

 private:
  void set(cublasLtMatmulDescAttributes_t attribute, cublasOperation_t operation) {
    check(lt().cublasLtMatmulDescSetAttribute(value_, attribute, &operation, sizeof(operation)),
          "cublasLtMatmulDescSetAttribute");
  }
  cublasLtMatmulDesc_t value_ = nullptr;
};

class Preference {
 public:
  explicit Preference(std::size_t workspace_bytes) {
    check(lt().cublasLtMatmulPreferenceCreate(&value_), "cublasLtMatmulPreferenceCreate");
    check(
        lt().cublasLtMatmulPreferenceSetAttribute(value_, CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES,
                                                  &workspace_bytes, sizeof(workspace_bytes)),
        "cublasLtMatmulPreferenceSetAttribute");
  }
  ~Preference() { lt().cublasLtMatmulPreferenceDestroy(value_); }
  Preference(const Preference&) = delete;
  Preference& operator=(const Preference&) = delete;
  operator cublasLtMatmulPreference_t() const { return value_; }

 private:
  cublasLtMatmulPreference_t value_ = nullptr;
};

}  // namespace

std::string cublaslt_unavailable_reason() {
  return lt().library.is_open() ? "" : lt().library.error();
}

bool cublaslt_takes(ConstView a, ConstView b, ConstView y) {
  const bool known = y.dtype == DType::f32 || y.dtype == DType::bf16 || y.dtype == DType::f16;
  return known && a.numel() > 0 && b.numel() > 0 && lt().library.is_open();
}

// Row-major y [M, N] is column-major [N, M]: the product of the factors in the other order.
void cublaslt_matmul(const Exec& exec, ConstView a, ConstView b, const MatmulParams& params,
                     View y) {
  constexpr std::size_t kWorkspaceBytes = std::size_t{32} << 20;
  const Description description(params.transpose_b, params.transpose_a, exec.tf32);
  const Layout first(b.dtype, b.dim(1), b.dim(0)), second(a.dtype, a.dim(1), a.dim(0));
  const Layout result(y.dtype, y.dim(1), y.dim(0));
  const Preference preference(kWorkspaceBytes);
  cublasLtMatmulHeuristicResult_t found{};
  int count = 0;
  check(lt().cublasLtMatmulAlgoGetHeuristic(handle(), description, first, second, result, result,
                                            preference, 1, &found, &count),
        "cublasLtMatmulAlgoGetHeuristic");
  if (count == 0) throw DeviceFailure("[cublaslt] it has no algorithm for this product");
  const Scratch<std::byte> workspace(exec, found.workspaceSize);
  const float one = 1, zero = 0;
  check(lt().cublasLtMatmul(handle(), description, &one, b.pointer, first, a.pointer, second, &zero,
                            y.pointer, result, y.pointer, result, &found.algo, workspace.data(),
                            found.workspaceSize, static_cast<cudaStream_t>(exec.stream)),
        "cublasLtMatmul");
  finish_in_place(exec, {.shift = params.bias}, y);
}

}  // namespace akimbo::kernels::cuda::vendor
