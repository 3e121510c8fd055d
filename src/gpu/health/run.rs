//! The work of the health run on one device: patterns over the free memory, copies, chains of multiply-adds, matrix products.
//! It runs within the process that may be lost; a missing symbol of the driver is a panic there, and a finding here.
//! Kept out: what a measurement means (`health`).

use std::ffi::{CString, c_void};
use std::sync::mpsc;
use std::time::Instant;

use cudarc::driver::{result, sys};

use super::super::driver::{self, Answer};
use super::{Depth, Finding, Measured};

const KERNELS: &str = include_str!("kernels.ptx");
/// Memory that is left to others: the larger of 512 MiB and a twentieth of the whole. Whoever starts beside the run finds room.
const MARGIN: usize = 512 << 20;
const MARGIN_PART: usize = 20;
/// Memory is taken in pieces: one large piece may not be free although its parts are.
const PIECE: usize = 1 << 30;
/// The least that is worth a run: two pieces to copy between that are larger than every cache.
const LEAST: usize = 2 * (256 << 20);
/// Pieces are a multiple of what a block of the copy moves.
const GRAIN: usize = 16 * 1024;
/// Rows and columns of the matrices; the kernel is written for them.
const SIDE: usize = 256;
/// Layers of one launch of products.
const LAYERS: u32 = 64;
/// Rounds of a chain, each of four links; eight times all links stay below 2^24, so that every sum is exact in a float.
const ROUNDS: u32 = 16_384;

/// Runs on all devices at once; each finding is said as soon as it is there.
pub(super) fn all(uuids: &[String], depth: Depth, say: &mut dyn FnMut(&str, &Finding)) {
    let answer = driver::ask();
    let Answer::Devices(_, devices) = answer else {
        let finding = match answer {
            // The driver does not even begin: that says nothing of any card.
            Answer::Failed(call, code) => Finding::Unknown(format!("{call} answered with CUDA error {code}")),
            other => Finding::Unknown(format!("the driver answers no more: {other:?}")),
        };
        uuids.iter().for_each(|uuid| say(uuid, &finding));
        return;
    };
    let (sender, receiver) = mpsc::channel();
    for uuid in uuids {
        let Some(device) = devices.iter().find(|device| device.uuid == *uuid) else {
            say(uuid, &Finding::Skips("the driver does not show it any more".to_owned()));
            continue;
        };
        let (sender, uuid, ordinal) = (sender.clone(), uuid.clone(), device.index);
        std::thread::spawn(move || {
            let finding = match driver::guarded(|| one(ordinal, &uuid, depth)) {
                Ok(Ok(measured)) => Finding::Ran(measured),
                Ok(Err(finding)) => finding,
                Err(what) => Finding::Unknown(format!("the driver misses what the run needs: {what}")),
            };
            // Nobody listens any more only where the process is at its end.
            let _ = sender.send((uuid, finding));
        });
    }
    drop(sender);
    receiver.iter().for_each(|(uuid, finding)| say(&uuid, &finding));
}

fn broke(call: &'static str) -> impl Fn(result::DriverError) -> Finding {
    move |error| Finding::Broke(call.to_owned(), error.0 as u32)
}

/// Memory of the device that is given back with its owner.
struct Piece {
    at: sys::CUdeviceptr,
    bytes: usize,
}

impl Drop for Piece {
    fn drop(&mut self) {
        // SAFETY: it was given by the driver, and is given back once. An error has no reader here.
        let _ = unsafe { result::free_sync(self.at) };
    }
}

impl Piece {
    fn take(bytes: usize) -> Result<Self, result::DriverError> {
        // SAFETY: the memory is written before it is read: by a pattern, a copy of one, or from the host.
        unsafe { result::malloc_sync(bytes) }.map(|at| Self { at, bytes })
    }

    /// With a host's values.
    fn of<T>(values: &[T]) -> Result<Self, Finding> {
        let piece = Self::take(std::mem::size_of_val(values)).map_err(broke("cuMemAlloc"))?;
        // SAFETY: the piece is as large as the values, and the call returns when they are there.
        unsafe { result::memcpy_htod_sync(piece.at, values) }.map_err(broke("cuMemcpyHtoD"))?;
        Ok(piece)
    }

    fn read<T>(&self, into: &mut [T]) -> Result<(), Finding> {
        // SAFETY: the piece was made from as many values of this type, all of whose bits are values.
        unsafe { result::memcpy_dtoh_sync(into, self.at) }.map_err(broke("cuMemcpyDtoH"))
    }

    fn elements(&self) -> u64 {
        (self.bytes / 16) as u64
    }
}

/// The kernels on one device, and the two counters that they share.
struct Bench {
    module: sys::CUmodule,
    counters: Piece,
    processors: u32,
    start: sys::CUevent,
    end: sys::CUevent,
}

impl Bench {
    fn new(processors: u32) -> Result<Self, Finding> {
        let text = CString::new(KERNELS).map_err(|error| Finding::Unknown(error.to_string()))?;
        // SAFETY: the text ends with a zero, and outlives the call.
        let module = unsafe { result::module::load_data(text.as_ptr().cast()) }.map_err(broke("cuModuleLoadData"))?;
        let event = || result::event::create(sys::CUevent_flags::CU_EVENT_DEFAULT).map_err(broke("cuEventCreate"));
        Ok(Self { module, counters: Piece::of(&[0_u64; 2])?, processors, start: event()?, end: event()? })
    }

    /// Starts a kernel; every parameter is as wide as the kernel declares it.
    fn launch(
        &self,
        name: &str,
        grid: (u32, u32, u32),
        block: (u32, u32),
        parameters: &[Parameter],
    ) -> Result<(), Finding> {
        let name = CString::new(name).map_err(|error| Finding::Unknown(error.to_string()))?;
        // SAFETY: the module is loaded as long as `self` is there.
        let kernel =
            unsafe { result::module::get_function(self.module, name) }.map_err(broke("cuModuleGetFunction"))?;
        let mut places: Vec<*mut c_void> = parameters.iter().map(Parameter::place).collect();
        // SAFETY: the parameters are those of the kernel in kernels.ptx, in number, order and width; their pieces outlive the
        // work, since every caller waits for it.
        unsafe { result::launch_kernel(kernel, grid, (block.0, block.1, 1), 0, std::ptr::null_mut(), &mut places) }
            .map_err(broke("cuLaunchKernel"))
    }

    fn wait(&self) -> Result<(), Finding> {
        result::ctx::synchronize().map_err(broke("cuCtxSynchronize"))
    }

    /// Seconds of some work on the device, by its own clock.
    fn timed(&self, work: impl FnOnce() -> Result<(), Finding>) -> Result<f64, Finding> {
        let record = |event| {
            // SAFETY: both events are made with the bench, and live as long; here and below.
            unsafe { result::event::record(event, std::ptr::null_mut()) }.map_err(broke("cuEventRecord"))
        };
        record(self.start)?;
        work()?;
        record(self.end)?;
        self.wait()?;
        // SAFETY: as above, and both have happened.
        let milliseconds =
            unsafe { result::event::elapsed(self.start, self.end) }.map_err(broke("cuEventElapsedTime"))?;
        Ok(f64::from(milliseconds) / 1e3)
    }

    /// What was looked at and what was wrong since the last time.
    fn counted(&self) -> Result<(u64, u64), Finding> {
        let mut counts = [0_u64; 2];
        self.counters.read(&mut counts)?;
        // SAFETY: as large as the counters.
        unsafe { result::memcpy_htod_sync(self.counters.at, &[0_u64; 2]) }.map_err(broke("cuMemcpyHtoD"))?;
        Ok((counts[0], counts[1]))
    }
}

/// A parameter of a kernel.
enum Parameter {
    Word(u32),
    Long(u64),
    Float(f32),
}

impl Parameter {
    fn place(&self) -> *mut c_void {
        let place: *const c_void = match self {
            Parameter::Word(value) => std::ptr::from_ref(value).cast(),
            Parameter::Long(value) => std::ptr::from_ref(value).cast(),
            Parameter::Float(value) => std::ptr::from_ref(value).cast(),
        };
        place.cast_mut()
    }
}

fn one(ordinal: usize, uuid: &str, depth: Depth) -> Result<Measured, Finding> {
    let began = Instant::now();
    let ordinal = i32::try_from(ordinal).map_err(|error| Finding::Unknown(error.to_string()))?;
    let device = result::device::get(ordinal).map_err(broke("cuDeviceGet"))?;
    let no_room = |why: &str| Finding::NoRoom(why.to_owned());
    // SAFETY: the device was given a moment ago; the context stays with this process, which ends after the run.
    let context = unsafe { result::primary_ctx::retain(device) }.map_err(|error| match error.0 {
        sys::CUresult::CUDA_ERROR_OUT_OF_MEMORY => no_room("others use its memory, and none is left to begin with"),
        _ => broke("cuDevicePrimaryCtxRetain")(error),
    })?;
    // SAFETY: the context was made a moment ago.
    unsafe { result::ctx::set_current(context) }.map_err(broke("cuCtxSetCurrent"))?;
    let (free, total) = result::mem_get_info().map_err(broke("cuMemGetInfo"))?;
    let usable = free.saturating_sub(MARGIN.max(total / MARGIN_PART));
    let pieces = take(usable)?;
    let [first, second, ..] = pieces.as_slice() else {
        return Err(no_room(&format!("{} MB of its memory are free, too little for a run", free / 1_000_000)));
    };
    // SAFETY: the device is valid, and the attribute a number.
    let processors = unsafe {
        result::device::get_attribute(device, sys::CUdevice_attribute::CU_DEVICE_ATTRIBUTE_MULTIPROCESSOR_COUNT)
    };
    let processors = processors.map_err(broke("cuDeviceGetAttribute"))?;
    let bench = Bench::new(u32::try_from(processors).unwrap_or(1).max(1))?;
    let times = match depth {
        Depth::Quick => 1,
        Depth::Full => 20,
    };
    let mut measured = Measured { uuid: uuid.to_owned(), ..Measured::default() };
    for _ in 0..times {
        patterns(&bench, &pieces, &mut measured)?;
        copies(&bench, first, second, &mut measured)?;
        chains(&bench, &mut measured)?;
        products(&bench, times, &mut measured)?;
    }
    measured.seconds = began.elapsed().as_secs_f64();
    Ok(measured)
}

/// Takes memory up to a limit, at least two pieces of one size; what others take in between is theirs.
fn take(usable: usize) -> Result<Vec<Piece>, Finding> {
    let mut pieces = Vec::new();
    if usable < LEAST {
        return Ok(pieces);
    }
    let bytes = PIECE.min(usable / 2) / GRAIN * GRAIN;
    while (pieces.len() + 1) * bytes <= usable {
        match Piece::take(bytes) {
            Ok(piece) => pieces.push(piece),
            Err(error) if error.0 == sys::CUresult::CUDA_ERROR_OUT_OF_MEMORY => break,
            Err(error) => return Err(broke("cuMemAlloc")(error)),
        }
    }
    Ok(pieces)
}

/// Both patterns in both polarities: all pieces are written before any is read, so that a wrong address is seen as well.
fn patterns(bench: &Bench, pieces: &[Piece], measured: &mut Measured) -> Result<(), Finding> {
    let grid = (bench.processors.saturating_mul(16), 1, 1);
    let forms = [
        ("fill_integers", "check_integers", 0_u32),
        ("fill_integers", "check_integers", u32::MAX),
        ("fill_floats", "check_floats", 0),
        ("fill_floats", "check_floats", 1 << 31),
    ];
    let all: u64 = pieces.iter().map(Piece::elements).sum();
    for (fill, check, flip) in forms {
        let mut first = 0;
        for (kernel, counters) in [(fill, None), (check, Some(bench.counters.at))] {
            first = 0;
            for piece in pieces {
                let mut parameters = vec![
                    Parameter::Long(piece.at),
                    Parameter::Long(piece.elements()),
                    Parameter::Long(first),
                    Parameter::Word(flip),
                ];
                parameters.extend(counters.map(Parameter::Long));
                bench.launch(kernel, grid, (256, 1), &parameters)?;
                first += piece.elements();
            }
            bench.wait()?;
        }
        let (looked, wrong) = bench.counted()?;
        if looked != first || looked != all {
            return Err(Finding::Skips(format!("{check} looked at {looked} elements of {all}: the device skips work")));
        }
        measured.wrong_elements += wrong;
    }
    measured.tested_bytes = measured.tested_bytes.max(all * 16);
    Ok(())
}

/// The fastest of several copies from one piece to another, by our kernel and by the driver's own.
fn copies(bench: &Bench, from: &Piece, to: &Piece, measured: &mut Measured) -> Result<(), Finding> {
    let bytes = from.bytes.min(to.bytes);
    let blocks = u32::try_from(bytes / GRAIN).map_err(|error| Finding::Unknown(error.to_string()))?;
    for _ in 0..10 {
        let own = bench.timed(|| {
            bench.launch("copy", (blocks, 1, 1), (256, 1), &[Parameter::Long(to.at), Parameter::Long(from.at)])
        })?;
        let drivers = bench.timed(|| {
            // SAFETY: both pieces are at least as large, and apart.
            unsafe { result::memcpy_dtod_async(to.at, from.at, bytes, std::ptr::null_mut()) }
                .map_err(broke("cuMemcpyDtoD"))
        })?;
        #[expect(clippy::cast_precision_loss, reason = "bytes of a piece are below 2^53")]
        let moved = 2.0 * bytes as f64 / 1e9;
        for seconds in [own, drivers] {
            let rate = moved / seconds;
            measured.bandwidth_gbs = Some(measured.bandwidth_gbs.map_or(rate, |best| best.max(rate)));
        }
    }
    // What was copied is still the last pattern: a copy that loses bits is a fault of the memory as well.
    let parameters = [to.at, to.elements(), 0].map(Parameter::Long);
    let [memory, elements, first] = parameters;
    let parameters = [memory, elements, first, Parameter::Word(1 << 31), Parameter::Long(bench.counters.at)];
    bench.launch("check_floats", (bench.processors.saturating_mul(16), 1, 1), (256, 1), &parameters)?;
    bench.wait()?;
    let (looked, wrong) = bench.counted()?;
    if looked != to.elements() {
        return Err(Finding::Skips(format!("{looked} elements of a copy were looked at: the device skips work")));
    }
    measured.wrong_elements += wrong;
    Ok(())
}

/// Chains of multiply-adds whose results are known whole numbers; the fastest launch is the device's speed.
fn chains(bench: &Bench, measured: &mut Measured) -> Result<(), Finding> {
    let blocks = bench.processors.saturating_mul(16);
    let links = ROUNDS * 4;
    #[expect(clippy::cast_precision_loss, reason = "below 2^24 by the choice of the rounds")]
    let wanted = (8 * links + 28) as f32;
    let launches = 5_u64;
    for _ in 0..launches {
        let parameters = [
            Parameter::Word(ROUNDS),
            Parameter::Float(1.0),
            Parameter::Float(1.0),
            Parameter::Float(wanted),
            Parameter::Long(bench.counters.at),
        ];
        let seconds = bench.timed(|| bench.launch("chains", (blocks, 1, 1), (256, 1), &parameters))?;
        // Eight chains, and two operations a link.
        let operations = 16.0 * f64::from(links) * f64::from(blocks) * 256.0;
        let rate = operations / seconds / 1e12;
        measured.float_tflops = Some(measured.float_tflops.map_or(rate, |best| best.max(rate)));
    }
    let (ran, wrong) = bench.counted()?;
    if ran != launches * u64::from(blocks) {
        return Err(Finding::Skips(format!("{ran} blocks of chains ran: the device skips work")));
    }
    measured.wrong_chains += wrong;
    Ok(())
}

/// Products of small whole numbers, which are exact in a float whatever the order of the sums.
fn products(bench: &Bench, times: u32, measured: &mut Measured) -> Result<(), Finding> {
    let (left, right) = (numbers(1), numbers(2));
    let wanted = product(&left, &right);
    let result = vec![f32::NAN; SIDE * SIDE];
    let pieces = [Piece::of(&left)?, Piece::of(&right)?, Piece::of(&wanted)?, Piece::of(&result)?];
    let mut parameters: Vec<Parameter> = pieces.iter().map(|piece| Parameter::Long(piece.at)).collect();
    parameters.push(Parameter::Long(bench.counters.at));
    let launches = 4 * times.min(5);
    for _ in 0..launches {
        bench.launch("product", (16, 16, LAYERS), (16, 16), &parameters)?;
    }
    bench.wait()?;
    let (ran, wrong) = bench.counted()?;
    let [.., result_piece] = &pieces;
    let mut first = result;
    result_piece.read(&mut first)?;
    // The first layer is compared here as well: a device that compares wrongly is found by it.
    let differ = first.iter().zip(&wanted).filter(|(own, wanted)| own != wanted).count() as u64;
    if ran != u64::from(launches * LAYERS * 256) {
        return Err(Finding::Skips(format!("{ran} blocks of products ran: the device skips work")));
    }
    measured.products.0 += ran * 256;
    measured.products.1 += wrong.max(differ);
    Ok(())
}

/// Whole numbers from -8 to 8 by a seed. Source: the generator of Steele, Lea and Flood, "Fast splittable pseudorandom
/// number generators" (splitmix64).
fn numbers(seed: u64) -> Vec<f32> {
    let mut state = seed;
    let mut next = || {
        state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mixed = (state ^ (state >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        let small = u8::try_from((mixed ^ (mixed >> 31)) % 17).unwrap_or_default();
        f32::from(small) - 8.0
    };
    (0..SIDE * SIDE).map(|_| next()).collect()
}

/// The product of two matrices, row by row, on the CPU.
fn product(left: &[f32], right: &[f32]) -> Vec<f32> {
    let mut result = Vec::with_capacity(SIDE * SIDE);
    for row in left.chunks_exact(SIDE) {
        let mut sums = vec![0.0_f32; SIDE];
        for (value, other) in row.iter().zip(right.chunks_exact(SIDE)) {
            for (sum, factor) in sums.iter_mut().zip(other) {
                *sum += value * factor;
            }
        }
        result.extend(sums);
    }
    result
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_product_is_exact_and_every_chain_stays_exact() {
        let (left, right) = (numbers(1), numbers(2));
        assert!(left.iter().all(|value| value.fract() == 0.0 && value.abs() <= 8.0));
        assert_ne!(left, right);
        let found = product(&left, &right);
        for (row, column) in [(0, 0), (255, 255), (17, 200)] {
            let exact: i64 = (0..SIDE).map(|k| left[row * SIDE + k] as i64 * right[k * SIDE + column] as i64).sum();
            assert_eq!(found[row * SIDE + column] as i64, exact);
        }
        const { assert!(8 * ROUNDS * 4 + 28 < 1 << 24) };
    }

    /// The text is compiled by the user's driver: what it declares and how it is called must agree.
    #[test]
    fn the_kernels_have_the_parameters_that_they_are_called_with() {
        let parameters = |kernel: &str| {
            let begin = KERNELS.find(&format!(".entry {kernel}(")).unwrap();
            let rest = &KERNELS[begin..];
            let list = &rest[..rest.find(')').unwrap()];
            list.matches(".param .").count()
        };
        let counts = ["fill_integers", "check_integers", "fill_floats", "check_floats", "copy", "product", "chains"];
        assert_eq!(counts.map(parameters), [4, 5, 4, 5, 2, 5, 5]);
        assert!(KERNELS.contains(".version 6.4\n.target sm_52\n"));
    }
}
