//! What a server has written: the last of it for people, and whether it says that memory ran out. Kept out: who writes it.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::Path;

use crate::store::StoreError;
use crate::store::file::write_atomically;
use crate::trust::{Redactor, Untrusted, without_broken_word};

/// Bytes of the end of a log that are looked at.
const END: u64 = 256 * 1024;
/// Lines of the end that are shown.
const SHOWN: usize = 15;
/// Characters of a line that are shown.
const LONGEST: usize = 300;
/// The largest log that is kept whole once the server has ended, in bytes; of a larger one the end is kept.
const KEPT: u64 = 32 * 1024 * 1024;

/// Which memory ran out.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Memory {
    /// The device's.
    Device,
    /// The machine's.
    Host,
}

/// What CUDA and PyTorch say of a device's memory, in lower case.
const DEVICE: [&str; 7] = [
    "cuda out of memory",
    "hip out of memory",
    "outofmemoryerror",
    "cuda error: out of memory",
    "cudamalloc failed: out of memory",
    "cudaerrormemoryallocation",
    "cublas_status_alloc_failed",
];
/// What vLLM, SGLang, TGI and llama.cpp say of it in words that could be about the machine's too.
const LIKELY_DEVICE: [&str; 4] = [
    "not enough memory",
    "no available memory for the cache blocks",
    "less than desired gpu memory utilization",
    "unable to allocate cuda",
];
/// The same of the machine's memory: the C library, C++, Python, PyTorch on the CPU.
const HOST: [&str; 5] = [
    "cannot allocate memory",
    "std::bad_alloc",
    "memoryerror",
    "defaultcpuallocator: can't allocate memory",
    "defaultcpuallocator: not enough memory",
];

/// The end of a log.
#[derive(Clone, Default)]
pub(super) struct Tail(String);

impl Tail {
    /// Reads it; a log that is not there is empty.
    pub(super) fn of(path: &Path) -> Self {
        let read = || -> io::Result<Vec<u8>> {
            let mut file = File::open(path)?;
            let length = file.metadata()?.len();
            file.seek(SeekFrom::Start(length.saturating_sub(END)))?;
            let mut bytes = Vec::new();
            file.take(END).read_to_end(&mut bytes)?;
            Ok(bytes)
        };
        Self(String::from_utf8_lossy(&read().unwrap_or_default()).into_owned())
    }

    /// The last lines that are not blank, without secrets.
    pub(super) fn lines(&self, redactor: &Redactor) -> Vec<Untrusted> {
        // A progress bar overwrites its line: what stands last is what is seen.
        let seen =
            |line: &str| line.rsplit('\r').find(|part| !part.trim().is_empty()).map(|part| part.trim().to_owned());
        let lines: Vec<String> = self.0.lines().filter_map(seen).collect();
        let shown = lines.get(lines.len().saturating_sub(SHOWN)..).unwrap_or_default();
        let cut = |line: &String| redactor.redact(line).chars().take(LONGEST).collect::<String>();
        shown.iter().map(|line| Untrusted::new(cut(line))).collect()
    }

    /// The last line.
    pub(super) fn last(&self, redactor: &Redactor) -> Option<Untrusted> {
        self.lines(redactor).pop()
    }

    /// Which memory it says ran out.
    pub(super) fn memory(&self) -> Option<Memory> {
        let text = self.0.to_lowercase();
        let says = |words: &[&str]| words.iter().any(|word| text.contains(word));
        if says(&DEVICE) {
            Some(Memory::Device)
        } else if says(&HOST) {
            Some(Memory::Host)
        } else {
            says(&LIKELY_DEVICE).then_some(Memory::Device)
        }
    }

    /// Whether the port was taken.
    pub(super) fn address_in_use(&self) -> bool {
        let text = self.0.to_lowercase();
        ["address already in use", "address in use", "eaddrinuse", "couldn't bind http server socket", "errno 98"]
            .iter()
            .any(|words| text.contains(words))
    }
}

/// Masks the secrets of a log that nobody writes any more, and cuts one that is too long.
pub(super) fn tidy(path: &Path, redactor: &Redactor) -> Result<(), StoreError> {
    let failed = |source| StoreError::File { path: path.display().to_string(), source };
    let mut file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(failed(error)),
    };
    let length = file.metadata().map_err(failed)?.len();
    let left_out = length.saturating_sub(KEPT);
    let mut bytes = Vec::new();
    file.seek(SeekFrom::Start(left_out)).map_err(failed)?;
    file.take(KEPT).read_to_end(&mut bytes).map_err(failed)?;
    let text = String::from_utf8_lossy(&bytes);
    // Half a secret is one that no redactor knows.
    let whole = if left_out == 0 { &*text } else { without_broken_word(&text) };
    let masked = redactor.redact(whole);
    if left_out == 0 && masked == text {
        return Ok(());
    }
    let cut = if left_out == 0 { String::new() } else { format!("[{left_out} bytes left out]\n") };
    write_atomically(path, format!("{cut}{masked}").as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trust::Secret;

    fn tail(text: &str) -> Tail {
        Tail(text.to_owned())
    }

    #[test]
    fn memory_that_ran_out_is_known_by_the_words_of_each_server() {
        for (text, memory) in [
            ("torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2.00 GiB", Some(Memory::Device)),
            (
                "ValueError: Free memory on device (3.1/79.1 GiB) on startup is less than desired GPU memory utilization (0.9, 71.2 GiB).",
                Some(Memory::Device),
            ),
            (
                "ValueError: No available memory for the cache blocks. Try increasing `gpu_memory_utilization`",
                Some(Memory::Device),
            ),
            ("RuntimeError: Not enough memory. Please try to increase --mem-fraction-static.", Some(Memory::Device)),
            (
                "RuntimeError: Not enough memory to handle 4096 prefill tokens. You need to decrease `--max-batch-prefill-tokens`",
                Some(Memory::Device),
            ),
            (
                "ggml_backend_cuda_buffer_type_alloc_buffer: allocating 14000.00 MiB on device 0: cudaMalloc failed: out of memory",
                Some(Memory::Device),
            ),
            (
                "RuntimeError: [enforce fail at alloc_cpu.cpp] DefaultCPUAllocator: can't allocate memory: you tried to allocate",
                Some(Memory::Host),
            ),
            ("terminate called after throwing an instance of 'std::bad_alloc'", Some(Memory::Host)),
            ("OSError: [Errno 12] Cannot allocate memory", Some(Memory::Host)),
            ("INFO: memory usage 12 %, out of 100", None),
            ("", None),
        ] {
            assert_eq!(tail(text).memory(), memory, "{text}");
        }
    }

    #[test]
    fn the_last_lines_are_shown_without_blanks_progress_bars_and_secrets() {
        let redactor = Redactor::new();
        redactor.learn(&[Secret::new("hf_long-secret-value")]);
        let many: String = (0..100).map(|number| format!("line {number}\n")).collect();
        let lines = tail(&format!("{many}\n10%\r50%\r100%\r\nkey hf_long-secret-value\n\n")).lines(&redactor);
        assert_eq!(lines.len(), SHOWN);
        let last: Vec<&str> = lines[SHOWN - 3..].iter().map(Untrusted::raw).collect();
        assert_eq!(last, ["line 99", "100%", "key ***"]);
    }

    #[test]
    fn a_port_that_is_taken_is_known() {
        assert!(tail("[Errno 98] error while attempting to bind on address: address already in use").address_in_use());
        assert!(tail("OSError: [Errno 98] Address already in use").address_in_use());
        assert!(!tail("listening on 127.0.0.1:9800").address_in_use());
    }

    #[test]
    #[expect(clippy::disallowed_methods, reason = "a file of the test")]
    fn a_log_that_is_done_holds_no_secret() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("server-m.log");
        let redactor = Redactor::new();
        redactor.learn(&[Secret::new("hf_long-secret-value")]);
        std::fs::write(&path, "a\nkey=hf_long-secret-value\nb\n").unwrap();
        tidy(&path, &redactor).unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "a\nkey=***\nb\n");
        tidy(&folder.path().join("absent"), &redactor).unwrap();
    }
}
