//! Products of numbers of two bytes on CUDA, with results in f32. The tensor library gives the result of such a product two bytes
//! as well, and so 8 or 11 binary digits of the 24 that it was added up in; cuBLAS can give all of them. Kept out: what is multiplied (`eval`).
#![expect(unsafe_code, reason = "cuBLAS's interface is C")]

use candle_core::cuda_backend::cudarc::cublas::{result::gemm_ex, sys};
use candle_core::cuda_backend::cudarc::driver::{CudaSlice, DevicePtr, DevicePtrMut};
use candle_core::cuda_backend::{CudaStorageSlice, WrapErr};
use candle_core::{CpuStorage, CudaStorage, CustomOp2, Error, Layout, Result, Shape, Tensor};

/// (rows, inputs) times (inputs, outputs), both in bf16 or both in f16 and on one device: (rows, outputs) in f32, added up in f32.
pub fn product(rows: &Tensor, weight: &Tensor) -> Result<Tensor> {
    rows.apply_op2_no_bwd(weight, &Product)
}

struct Product;

impl CustomOp2 for Product {
    fn name(&self) -> &'static str {
        "product"
    }

    fn cpu_fwd(&self, _: &CpuStorage, _: &Layout, _: &CpuStorage, _: &Layout) -> Result<(CpuStorage, Shape)> {
        Err(Error::Msg("a product of two bytes is for GPUs".to_owned()))
    }

    fn cuda_fwd(
        &self,
        rows: &CudaStorage,
        rows_layout: &Layout,
        weight: &CudaStorage,
        weight_layout: &Layout,
    ) -> Result<(CudaStorage, Shape)> {
        let (count, inputs) = rows_layout.shape().dims2()?;
        let (weight_inputs, outputs) = weight_layout.shape().dims2()?;
        let (Some(rows_span), Some(weight_span)) =
            (rows_layout.contiguous_offsets(), weight_layout.contiguous_offsets())
        else {
            return Err(Error::Msg("a product of two bytes wants numbers in a row".to_owned()));
        };
        if inputs != weight_inputs {
            return Err(Error::Msg(format!("a product of {inputs} inputs with weights for {weight_inputs}")));
        }
        let size = Size { count, inputs, outputs };
        let mut result = rows.device.alloc_zeros::<f32>(count * outputs)?;
        let spans = (rows_span, weight_span);
        match (&rows.slice, &weight.slice) {
            (CudaStorageSlice::BF16(left), CudaStorageSlice::BF16(right)) => {
                multiply(rows, (left, right), spans, sys::cudaDataType_t::CUDA_R_16BF, &size, &mut result)?;
            }
            (CudaStorageSlice::F16(left), CudaStorageSlice::F16(right)) => {
                multiply(rows, (left, right), spans, sys::cudaDataType_t::CUDA_R_16F, &size, &mut result)?;
            }
            _ => return Err(Error::Msg("a product of two bytes wants bf16 or f16 on both sides".to_owned())),
        }
        Ok((CudaStorage::wrap_cuda_slice(result, rows.device.clone()), Shape::from((count, outputs))))
    }
}

/// (count, inputs) times (inputs, outputs).
struct Size {
    count: usize,
    inputs: usize,
    outputs: usize,
}

/// `spans` are the first number and the end of both sides within their slices.
fn multiply<T>(
    of: &CudaStorage,
    (rows, weight): (&CudaSlice<T>, &CudaSlice<T>),
    (rows_span, weight_span): ((usize, usize), (usize, usize)),
    kind: sys::cudaDataType_t,
    size: &Size,
    result: &mut CudaSlice<f32>,
) -> Result<()> {
    let whole = |number: usize| {
        i32::try_from(number).map_err(|_| Error::Msg(format!("a product of {number} numbers in a row")))
    };
    let (count, inputs, outputs) = (whole(size.count)?, whole(size.inputs)?, whole(size.outputs)?);
    if count == 0 || inputs == 0 || outputs == 0 {
        return Ok(());
    }
    let blas = of.device.cublas_handle();
    let stream = of.device.cuda_stream();
    // A span that is not within its slice ends here.
    let outside = || Error::Msg("a product outside of its numbers".to_owned());
    let rows = rows.try_slice(rows_span.0..rows_span.1).ok_or_else(outside)?;
    let weight = weight.try_slice(weight_span.0..weight_span.1).ok_or_else(outside)?;
    let (rows, _rows_guard) = rows.device_ptr(&stream);
    let (weight, _weight_guard) = weight.device_ptr(&stream);
    let (result, _result_guard) = result.device_ptr_mut(&stream);
    let (one, zero) = (1_f32, 0_f32);
    let plain = sys::cublasOperation_t::CUBLAS_OP_N;
    // SAFETY: the three slices live on the handle's device, and have as many numbers of the named types as the sizes say: the spans are
    // those of layouts with these shapes, and the result was made for them. cuBLAS stores by column, so that our weight is its first
    // operand. Both factors are f32 on this side, as the handle's default pointer mode and a computation in f32 want them.
    unsafe {
        gemm_ex(
            *blas.handle(),
            plain,
            plain,
            outputs,
            count,
            inputs,
            (&raw const one).cast(),
            weight as *const _,
            kind,
            outputs,
            rows as *const _,
            kind,
            inputs,
            (&raw const zero).cast(),
            result as *mut _,
            sys::cudaDataType_t::CUDA_R_32F,
            outputs,
            sys::cublasComputeType_t::CUBLAS_COMPUTE_32F,
            sys::cublasGemmAlgo_t::CUBLAS_GEMM_DEFAULT_TENSOR_OP,
        )
    }
    .w()
}
