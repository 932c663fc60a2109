//! The contents of an open log: bytes at an offset, and, of a compressed one, what they were before.

mod packed;

use self::packed::Packed;
use crate::engine::checkpoint::Fingerprint;
use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::FileExt;
use std::sync::Arc;

/// How a compressed file begins (RFC 1952).
const MAGIC: [u8; 2] = [0x1f, 0x8b];

/// An open log.
#[derive(Debug)]
pub(super) struct Contents {
    file: Arc<File>,
    form: Form,
}

#[derive(Debug)]
enum Form {
    /// As it is.
    Plain,
    /// Its name promises a compressed file, and it is too short to tell: somebody may be about to write it.
    Promised,
    /// Compressed.
    Packed(Box<Packed>),
}

/// What a read found.
pub(super) struct Found {
    /// Bytes of the whole; while it is being unpacked, more than was unpacked so far, and than was passed over for this read.
    pub size: u64,
    /// Bytes read into the buffer.
    pub count: usize,
}

impl Contents {
    /// Of a file that was just opened; `packed` says what its name promises.
    pub(super) fn new(file: File, packed: bool) -> io::Result<Self> {
        let file = Arc::new(file);
        let form = if packed { Form::of(&file)? } else { Form::Plain };
        Ok(Self { file, form })
    }

    /// The first bytes, as many as a fingerprint covers.
    pub(super) fn head(&self) -> io::Result<Vec<u8>> {
        let mut head = vec![0; Fingerprint::BYTES_MAX];
        let filled = match &self.form {
            Form::Plain => fill(&mut head, |rest, at| self.file.read_at(rest, at))?,
            Form::Promised => 0,
            Form::Packed(packed) => {
                let mut unpacked = packed.beginning();
                fill(&mut head, |rest, _| unpacked.read(rest))?
            }
        };
        head.truncate(filled);
        Ok(head)
    }

    /// Bytes of the whole; of a compressed file a guess that may be too small: [`Look::size`](crate::engine::tail::Look::size).
    pub(super) fn size(&self) -> io::Result<u64> {
        match &self.form {
            Form::Plain => Ok(self.file.metadata()?.len()),
            Form::Promised => Ok(0),
            Form::Packed(packed) => packed.size(),
        }
    }

    /// Reads at an offset.
    pub(super) fn read(&mut self, offset: u64, buffer: &mut [u8]) -> io::Result<Found> {
        if let Form::Promised = self.form {
            self.form = Form::of(&self.file)?;
        }
        match &mut self.form {
            Form::Plain => {
                let size = self.file.metadata()?.len();
                let count = self.file.read_at(buffer, offset)?;
                Ok(Found { size, count })
            }
            Form::Promised => Ok(Found { size: 0, count: 0 }),
            Form::Packed(packed) => packed.read(offset, buffer),
        }
    }
}

impl Form {
    /// Of a file whose name promises a compressed one.
    fn of(file: &Arc<File>) -> io::Result<Self> {
        let mut magic = [0; MAGIC.len()];
        let filled = fill(&mut magic, |rest, at| file.read_at(rest, at))?;
        Ok(if !MAGIC.starts_with(&magic[..filled]) {
            Self::Plain
        } else if filled < MAGIC.len() {
            Self::Promised
        } else {
            Self::Packed(Box::new(Packed::new(file.clone())))
        })
    }
}

/// Reads until the buffer is full or there is nothing more.
fn fill(buffer: &mut [u8], mut read: impl FnMut(&mut [u8], u64) -> io::Result<usize>) -> io::Result<usize> {
    let mut filled = 0;
    while filled < buffer.len() {
        match read(&mut buffer[filled..], filled as u64)? {
            0 => break,
            count => filled += count,
        }
    }
    Ok(filled)
}

#[cfg(test)]
mod tests {
    use super::*;
    use flate2::Compression;
    use flate2::write::GzEncoder;
    use std::io::Write;

    fn compressed(text: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
        encoder.write_all(text).unwrap();
        encoder.finish().unwrap()
    }

    /// An open file, and a descriptor to write it with.
    fn written(bytes: &[u8]) -> (Contents, File) {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(bytes).unwrap();
        (Contents::new(file.try_clone().unwrap(), true).unwrap(), file)
    }

    fn packed(text: &[u8]) -> Contents {
        written(&compressed(text)).0
    }

    fn numbers(count: u32) -> Vec<u8> {
        (0..count).flat_map(u32::to_le_bytes).collect()
    }

    /// Reads on from `offset` as far as it goes.
    fn rest(contents: &mut Contents, offset: usize) -> io::Result<Vec<u8>> {
        let mut text = Vec::new();
        let mut buffer = vec![0; 50_000];
        loop {
            let found = contents.read((offset + text.len()) as u64, &mut buffer)?;
            if found.count == 0 {
                return Ok(text);
            }
            text.extend_from_slice(&buffer[..found.count]);
        }
    }

    #[test]
    fn compressed_file_is_read_at_any_offset_to_its_end() {
        let text = numbers(300_000);
        let mut contents = packed(&text);
        assert_eq!(contents.size().unwrap(), text.len() as u64);
        assert_eq!(contents.head().unwrap(), text[..1024]);
        for offset in [0, 70_000, 69_800, 1_000_000, 5] {
            let mut buffer = vec![0; 256 << 10];
            let found = contents.read(offset as u64, &mut buffer).unwrap();
            assert!(found.count > 0 && found.size > (offset + found.count) as u64 - 1);
            assert_eq!(buffer[..found.count], text[offset..offset + found.count]);
        }
        let found = contents.read(text.len() as u64, &mut [0; 16]).unwrap();
        assert_eq!((found.size, found.count), (text.len() as u64, 0));
    }

    #[test]
    fn far_offset_is_reached_in_several_reads_of_which_none_looks_like_a_shorter_file() {
        let text = numbers(3_000_000);
        let mut contents = packed(&text);
        let offset = 11 << 20;
        let mut buffer = vec![0; 1 << 10];
        let mut passed_over = 0;
        let count = loop {
            let found = contents.read(offset as u64, &mut buffer).unwrap();
            assert!(found.size > offset as u64, "{}", found.size);
            if found.count > 0 {
                break found.count;
            }
            passed_over += 1;
            assert!(passed_over < 3);
        };
        assert!(passed_over > 0, "nothing was far");
        assert_eq!(buffer[..count], text[offset..offset + count]);
    }

    #[test]
    fn look_at_the_beginning_does_not_disturb_what_is_read_further_on() {
        let text = numbers(300_000);
        let mut contents = packed(&text);
        let mut read = vec![0; 200_000];
        let count = contents.read(0, &mut read).unwrap().count;
        assert_eq!(contents.head().unwrap(), text[..1024]);
        assert_eq!(contents.size().unwrap(), text.len() as u64);
        assert!(rest(&mut contents, count).unwrap() == text[count..]);
    }

    #[test]
    fn file_that_is_still_being_compressed_is_an_error_and_read_on_once_it_is_complete() {
        let text = numbers(30_000);
        let bytes = compressed(&text);
        let (begin, end) = bytes.split_at(bytes.len() - 1000);
        let (mut contents, mut file) = written(begin);
        let mut buffer = vec![0; 64 << 10];
        let count = contents.read(0, &mut buffer).unwrap().count;
        for _ in 0..2 {
            let error = rest(&mut contents, count).unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof);
        }
        file.write_all(end).unwrap();
        assert!(rest(&mut contents, count).unwrap() == text[count..]);
    }

    #[test]
    fn members_that_were_appended_are_read_on() {
        let (mut contents, mut file) = written(&compressed(b"one\n"));
        assert_eq!(rest(&mut contents, 0).unwrap(), b"one\n");
        file.write_all(&compressed(b"two, longer\n")).unwrap();
        file.write_all(&compressed(b"three\n")).unwrap();
        assert_eq!(rest(&mut contents, 4).unwrap(), b"two, longer\nthree\n");
        assert_eq!(contents.head().unwrap(), b"one\ntwo, longer\nthree\n");
        // All that it says of its size.
        assert_eq!(contents.size().unwrap(), 6);
    }

    #[test]
    fn file_that_is_compressed_into_after_it_was_opened_is_never_read_as_it_is() {
        let bytes = compressed(b"one\n");
        let (mut contents, mut file) = written(b"");
        assert_eq!((contents.size().unwrap(), contents.head().unwrap().len()), (0, 0));
        assert_eq!(rest(&mut contents, 0).unwrap(), b"");
        file.write_all(&bytes[..1]).unwrap();
        assert_eq!(rest(&mut contents, 0).unwrap(), b"");
        file.write_all(&bytes[1..]).unwrap();
        assert_eq!(rest(&mut contents, 0).unwrap(), b"one\n");
    }

    #[test]
    fn file_that_only_has_the_name_of_a_compressed_one_is_read_as_it_is() {
        let (mut contents, _) = written(b"text\n");
        assert_eq!(contents.size().unwrap(), 5);
        assert_eq!(rest(&mut contents, 0).unwrap(), b"text\n");
    }
}
