//! Weights from safetensors files. Nothing is ever unpickled, and a header is checked before anything it says is believed.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{BufReader, Read};
use std::path::{Path, PathBuf};

use candle_core::{DType, Device, Tensor};
use serde::Deserialize;

use super::error::EngineError;

/// The longest header that is read, in bytes. Source: the format's own limit.
const LONGEST_HEADER: u64 = 100_000_000;

/// A model's tensors by name, in the types of the file until they are taken: in f32.
pub(super) struct Weights {
    tensors: BTreeMap<String, Tensor>,
    place: PathBuf,
}

#[derive(Deserialize)]
struct Index {
    weight_map: BTreeMap<String, String>,
}

#[derive(Deserialize)]
struct Entry {
    data_offsets: (u64, u64),
}

impl Weights {
    /// Tensors that were read elsewhere.
    pub(super) fn new(place: &Path, tensors: BTreeMap<String, Tensor>) -> Self {
        Self { tensors, place: place.to_owned() }
    }

    /// Reads all safetensors files of a folder.
    pub(super) fn read(folder: &Path, device: &Device) -> Result<Self, EngineError> {
        let mut tensors = BTreeMap::new();
        for path in files(folder)? {
            check_header(&path)?;
            let bytes = std::fs::read(&path).map_err(|source| EngineError::file(&path, source))?;
            let loaded = candle_core::safetensors::load_buffer(&bytes, device)
                .map_err(|error| EngineError::unusable(&path, format!("not readable as safetensors: {error}")))?;
            for (name, tensor) in loaded {
                tensors.insert(name, tensor);
            }
        }
        Ok(Self::new(folder, tensors))
    }

    /// Takes a tensor out, and checks its shape.
    pub(super) fn take(&mut self, name: &str, shape: &[usize]) -> Result<Tensor, EngineError> {
        match self.take_if_there(name, shape)? {
            Some(tensor) => Ok(tensor),
            None => Err(EngineError::unusable(
                &self.place,
                format!("the tensor {name} is missing: the download may be incomplete"),
            )),
        }
    }

    /// The same for a tensor that not every model has.
    pub(super) fn take_if_there(&mut self, name: &str, shape: &[usize]) -> Result<Option<Tensor>, EngineError> {
        let Some(tensor) = self.tensors.remove(name) else { return Ok(None) };
        if tensor.dims() != shape {
            let what = format!("the tensor {name} has the shape {:?}; the config asks for {shape:?}", tensor.dims());
            return Err(EngineError::unusable(&self.place, what));
        }
        Ok(Some(tensor.to_dtype(DType::F32)?))
    }

    /// The number of rows of a tensor that is still there.
    pub(super) fn rows(&self, name: &str) -> Option<usize> {
        self.tensors.get(name).and_then(|tensor| tensor.dims().first().copied())
    }

    /// Numbers in all tensors.
    pub(super) fn parameters(&self) -> usize {
        self.tensors.values().map(Tensor::elem_count).sum()
    }
}

/// The safetensors files of a model: the index's shards, the one whole file, or an error that says what is there instead.
pub(super) fn files(folder: &Path) -> Result<Vec<PathBuf>, EngineError> {
    let index = folder.join("model.safetensors.index.json");
    if index.is_file() {
        let text = std::fs::read(&index).map_err(|source| EngineError::file(&index, source))?;
        let index_file: Index = serde_json::from_slice(&text)
            .map_err(|error| EngineError::unusable(&index, format!("not an index: {error}")))?;
        let names: BTreeSet<String> = index_file.weight_map.into_values().collect();
        if let Some(name) = names.iter().find(|name| name.contains(['/', '\\']) || name.starts_with('.')) {
            return Err(EngineError::unusable(&index, format!("the shard {name:?} is not a file of this folder")));
        }
        let paths: Vec<PathBuf> = names.iter().map(|name| folder.join(name)).collect();
        return match paths.iter().find(|path| !path.is_file()) {
            Some(missing) => {
                Err(EngineError::unusable(missing, "a shard of the index is missing: the download may be incomplete"))
            }
            None => Ok(paths),
        };
    }
    let whole = folder.join("model.safetensors");
    if whole.is_file() {
        return Ok(vec![whole]);
    }
    let entries = std::fs::read_dir(folder).map_err(|source| EngineError::file(folder, source))?;
    let pickled = entries.flatten().any(|entry| {
        let name = entry.file_name().to_string_lossy().into_owned();
        [".bin", ".pt", ".pth", ".ckpt", ".pkl"].iter().any(|ending| name.ends_with(ending))
    });
    let what = if pickled {
        "only pickled weights: they can run code when they are loaded, so they are never read; convert them to safetensors"
    } else {
        "no weights: expected model.safetensors, model.safetensors.index.json with its shards, or give a .gguf file"
    };
    Err(EngineError::unusable(folder, what))
}

/// The header's length is within the file, and its tensors lie inside the data, in order and without overlap.
fn check_header(path: &Path) -> Result<(), EngineError> {
    let file = File::open(path).map_err(|source| EngineError::file(path, source))?;
    let size = file.metadata().map_err(|source| EngineError::file(path, source))?.len();
    let mut reader = BufReader::new(file);
    let broken = |what: &str| EngineError::unusable(path, format!("not a whole safetensors file: {what}"));
    let mut prefix = [0; 8];
    reader.read_exact(&mut prefix).map_err(|_| broken("it is shorter than 8 bytes"))?;
    let length = u64::from_le_bytes(prefix);
    if length > LONGEST_HEADER || length.saturating_add(8) > size {
        return Err(broken("its header is longer than the file, or than 100 MB"));
    }
    let mut header = vec![0; usize::try_from(length).map_err(|_| broken("its header is too long"))?];
    reader.read_exact(&mut header).map_err(|source| EngineError::file(path, source))?;
    let entries: BTreeMap<String, serde_json::Value> =
        serde_json::from_slice(&header).map_err(|_| broken("its header is not JSON"))?;
    let mut spans = Vec::new();
    for (name, entry) in entries.into_iter().filter(|(name, _)| name != "__metadata__") {
        let entry: Entry =
            serde_json::from_value(entry).map_err(|_| broken(&format!("the tensor {name} has no offsets")))?;
        spans.push(entry.data_offsets);
    }
    spans.sort_unstable();
    let mut end = 0;
    for (from, to) in spans {
        if from < end || to < from {
            return Err(broken("its tensors overlap"));
        }
        end = to;
    }
    if end != size - 8 - length {
        return Err(broken("its tensors do not fill the file: it may be cut short"));
    }
    Ok(())
}
