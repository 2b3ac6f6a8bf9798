//! Sorts more records than fit into memory: records of one length, ordered by their bytes.
//!
//! Records are collected up to a share of memory, sorted, and written to files without a name,
//! which vanish with the process, however it ends. Reading merges them.

#[cfg(test)]
mod tests;

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::fs::File;
use std::io::{self, BufReader, BufWriter, Read, Seek, Write};
use std::path::{Path, PathBuf};
use std::vec;

/// Files merged at a time; so many of one level become one of the next.
const FAN_IN: usize = 32;

/// Buffer of each file that is read or written, in bytes.
const BUFFER: usize = 16 * 1024;

/// Collects records of `N` bytes.
pub(in crate::run) struct Sorter<const N: usize> {
    folder: PathBuf,
    /// The most records that are held in memory.
    most: usize,
    held: Vec<[u8; N]>,
    /// Sorted files; those of level *n* were merged *n* times.
    levels: Vec<Vec<Spill>>,
}

/// A file of sorted records.
struct Spill {
    file: File,
    records: u64,
}

/// Hands out the collected records in ascending order of their bytes; equal ones all.
pub(in crate::run) struct Sorted<const N: usize> {
    sources: Vec<Source<N>>,
    /// The next record of each source, and the source's place.
    heads: BinaryHeap<Reverse<([u8; N], usize)>>,
}

enum Source<const N: usize> {
    Memory(vec::IntoIter<[u8; N]>),
    File { reader: BufReader<File>, left: u64 },
}

impl<const N: usize> Sorter<N> {
    /// A sorter that holds up to `memory` bytes of records, and writes the rest into `folder`.
    pub(in crate::run) fn new(folder: &Path, memory: usize) -> Self {
        Self {
            folder: folder.to_owned(),
            most: (memory / N).max(1),
            held: Vec::new(),
            levels: Vec::new(),
        }
    }

    /// Adds a record.
    pub(in crate::run) fn push(&mut self, record: [u8; N]) -> io::Result<()> {
        if self.held.len() == self.most {
            self.spill()?;
        }
        if self.held.capacity() == 0 {
            // At once, because growing would hold the records twice for a moment.
            self.held.reserve_exact(self.most);
        }
        self.held.push(record);
        Ok(())
    }

    /// Ends the collection.
    pub(in crate::run) fn finish(mut self) -> io::Result<Sorted<N>> {
        self.held.sort_unstable();
        let mut sources = vec![Source::Memory(self.held.into_iter())];
        for spill in self.levels.into_iter().flatten() {
            sources.push(Source::open(spill)?);
        }
        Sorted::new(sources)
    }

    fn spill(&mut self) -> io::Result<()> {
        self.held.sort_unstable();
        let mut writer = SpillWriter::new(&self.folder)?;
        for record in self.held.drain(..) {
            writer.write(&record)?;
        }
        let mut spill = writer.finish()?;
        for level in 0.. {
            if level == self.levels.len() {
                self.levels.push(Vec::new());
            }
            let files = &mut self.levels[level];
            files.push(spill);
            if files.len() < FAN_IN {
                break;
            }
            spill = merge::<N>(&self.folder, std::mem::take(files))?;
        }
        Ok(())
    }
}

impl<const N: usize> Sorted<N> {
    fn new(mut sources: Vec<Source<N>>) -> io::Result<Self> {
        let mut heads = BinaryHeap::with_capacity(sources.len());
        for (place, source) in sources.iter_mut().enumerate() {
            if let Some(record) = source.next()? {
                heads.push(Reverse((record, place)));
            }
        }
        Ok(Self { sources, heads })
    }

    /// How many records are still to come.
    pub(in crate::run) fn left(&self) -> u64 {
        let behind: u64 = self.sources.iter().map(Source::left).sum();
        self.heads.len() as u64 + behind
    }

    /// The next record; `None` after the last.
    pub(in crate::run) fn next(&mut self) -> io::Result<Option<[u8; N]>> {
        let Some(mut least) = self.heads.peek_mut() else {
            return Ok(None);
        };
        let Reverse((record, place)) = *least;
        match self.sources[place].next()? {
            // Assigning to the greatest lets the heap sink it: one step instead of two.
            Some(following) => *least = Reverse((following, place)),
            None => {
                std::collections::binary_heap::PeekMut::pop(least);
            }
        }
        Ok(Some(record))
    }
}

impl<const N: usize> Source<N> {
    fn open(spill: Spill) -> io::Result<Self> {
        let Spill { mut file, records } = spill;
        file.rewind()?;
        Ok(Self::File {
            reader: BufReader::with_capacity(BUFFER, file),
            left: records,
        })
    }

    fn left(&self) -> u64 {
        match self {
            Self::Memory(records) => records.len() as u64,
            Self::File { left, .. } => *left,
        }
    }

    fn next(&mut self) -> io::Result<Option<[u8; N]>> {
        match self {
            Self::Memory(records) => Ok(records.next()),
            Self::File { left: 0, .. } => Ok(None),
            Self::File { reader, left } => {
                let mut record = [0; N];
                reader.read_exact(&mut record)?;
                *left -= 1;
                Ok(Some(record))
            }
        }
    }
}

/// Writes one sorted file.
struct SpillWriter {
    writer: BufWriter<File>,
    records: u64,
}

impl SpillWriter {
    fn new(folder: &Path) -> io::Result<Self> {
        Ok(Self {
            writer: BufWriter::with_capacity(BUFFER, tempfile::tempfile_in(folder)?),
            records: 0,
        })
    }

    fn write(&mut self, record: &[u8]) -> io::Result<()> {
        self.records += 1;
        self.writer.write_all(record)
    }

    fn finish(self) -> io::Result<Spill> {
        let file = self
            .writer
            .into_inner()
            .map_err(io::IntoInnerError::into_error)?;
        Ok(Spill {
            file,
            records: self.records,
        })
    }
}

fn merge<const N: usize>(folder: &Path, spills: Vec<Spill>) -> io::Result<Spill> {
    let sources: io::Result<Vec<Source<N>>> = spills.into_iter().map(Source::open).collect();
    let mut sorted = Sorted::new(sources?)?;
    let mut writer = SpillWriter::new(folder)?;
    while let Some(record) = sorted.next()? {
        writer.write(&record)?;
    }
    writer.finish()
}
