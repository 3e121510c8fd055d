//! A zip of somebody else: opened within limits, and nothing of it is ever written anywhere. Names that lead out of it, sizes that
//! are not what they say, and entries that grow to many times their size are refused.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{BufReader, Read, Seek, SeekFrom};
use std::path::Path;

use serde::de::DeserializeOwned;
use zip::ZipArchive;

use super::lines::{self, LARGEST};
use super::mended::Mended;
use crate::document::Problem;
use crate::trust::{Digest, Hasher};

/// Entries of one archive.
const MOST_ENTRIES: usize = 200_000;
/// The largest entry, unpacked.
const LARGEST_ENTRY: u64 = 256 * 1024 * 1024;
/// All entries that are read, unpacked.
const LARGEST_SUM: u64 = 8 * LARGEST;
/// How many times its size an entry may have unpacked, once it is larger than a few megabytes: text shrinks to a tenth, and
/// logs that repeat themselves to a hundredth.
const MOST_GROWTH: u64 = 1000;
/// Entries below this size are no bomb, however they shrink.
const SMALL: u64 = 4 * 1024 * 1024;

/// An archive that is open.
pub(super) struct Archive<'a> {
    zip: ZipArchive<BufReader<File>>,
    shown: &'a str,
    names: BTreeSet<String>,
    sum: u64,
    file: File,
}

impl<'a> Archive<'a> {
    /// Opens an archive, and looks at what it says of all entries.
    pub(super) fn open(path: &Path, shown: &'a str) -> Result<Self, Problem> {
        let problem = |message: String| Problem::of_file(shown, message);
        let file = lines::open(path, shown)?;
        let again = file.try_clone().map_err(|error| problem(format!("the archive cannot be read: {error}")))?;
        let mut zip = ZipArchive::new(BufReader::new(again)).map_err(|error| {
            problem(format!("no whole archive: {error}")).help("the file is damaged or cut off: make the results again")
        })?;
        // The reader keeps one of two entries with one name, and nobody knows which one the tool meant.
        if zip.has_duplicate_names() {
            return Err(problem("an entry is there twice".to_owned()));
        }
        if zip.len() > MOST_ENTRIES {
            return Err(problem(format!("an archive of {} entries; at most {MOST_ENTRIES} are read", zip.len())));
        }
        let mut names = BTreeSet::new();
        for index in 0..zip.len() {
            let entry = zip.by_index_raw(index).map_err(|error| problem(format!("no whole archive: {error}")))?;
            let name = entry.name().map_err(|_| problem("an entry's name is not UTF-8".to_owned()))?.into_owned();
            if entry.enclosed_name().is_none()
                || name.contains(['\\', '\0'])
                || name.starts_with('/')
                || name.split('/').any(|part| part == "..")
            {
                return Err(problem("an entry's name leads out of the archive".to_owned()));
            }
            let (packed, size) = (entry.compressed_size(), entry.size());
            if size > LARGEST_ENTRY || (size > SMALL && size / packed.max(1) > MOST_GROWTH) {
                return Err(problem(format!("an entry of {size} bytes, packed in {packed}, is too large to be a log")));
            }
            names.insert(name);
        }
        Ok(Self { zip, shown, names, sum: 0, file })
    }

    /// The names of all entries.
    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.names.iter().map(String::as_str)
    }

    /// The JSON of one entry; none where there is no such entry.
    pub(super) fn json<T: DeserializeOwned>(&mut self, name: &str) -> Result<Option<T>, Problem> {
        let shown = self.shown;
        let problem = |message: String| Problem::of_file(shown, message);
        let entry = match self.zip.by_name(name) {
            Ok(entry) => entry,
            Err(zip::result::ZipError::FileNotFound) => return Ok(None),
            Err(error) => return Err(problem(format!("an entry cannot be unpacked: {error}"))),
        };
        let said = entry.size();
        let mut bytes = Vec::new();
        // What it says of its size is only believed as far as it is true.
        entry
            .take(said + 1)
            .read_to_end(&mut bytes)
            .map_err(|error| problem(format!("an entry cannot be unpacked: {error}")))?;
        if bytes.len() as u64 != said {
            return Err(problem("an entry has another size than it says".to_owned()));
        }
        self.sum = self.sum.saturating_add(said);
        if self.sum > LARGEST_SUM {
            return Err(problem("the archive unpacks to more than 8 GiB".to_owned()));
        }
        let read = serde_json::from_reader(Mended::new(bytes.as_slice()));
        read.map(Some).map_err(|error| problem(format!("an entry is no log: {error}")))
    }

    /// Over the bytes of the archive.
    pub(super) fn digest(mut self) -> Result<Digest, Problem> {
        let problem =
            |error: std::io::Error| Problem::of_file(self.shown, format!("the archive cannot be read: {error}"));
        self.file.seek(SeekFrom::Start(0)).map_err(problem)?;
        let mut hasher = Hasher::new();
        let mut piece = vec![0; 1 << 16];
        loop {
            let count = self.file.read(&mut piece).map_err(problem)?;
            if count == 0 {
                return Ok(hasher.finish());
            }
            hasher.raw(piece.get(..count).unwrap_or_default());
        }
    }
}
