//! Bits into bytes, the lowest first, as RFC 1951, 3.1.1 has them.

use super::huffman::Code;

/// Bits are written eight bytes at a time, of which only the complete ones count.
const WORD_BYTES: usize = 8;
/// The most that a stored block can hold.
const STORED_MAX: usize = u16::MAX as usize;

/// What is written, with the bits that are no byte yet.
pub struct Output {
    bytes: Vec<u8>,
    buffer: u64,
    count: u64,
}

impl Output {
    /// Appends to these.
    pub fn new(bytes: Vec<u8>) -> Self {
        Self {
            bytes,
            buffer: 0,
            count: 0,
        }
    }

    /// Appends what `write` writes, which is `bits` bits.
    pub fn append(&mut self, bits: usize, write: impl FnOnce(&mut Bits<'_>)) {
        let start = self.bytes.len();
        self.bytes.resize(start + bits / 8 + 2 * WORD_BYTES, 0);
        let mut bits = Bits {
            room: &mut self.bytes[start..],
            buffer: self.buffer,
            count: self.count,
        };
        write(&mut bits);
        bits.flush();
        let unused = bits.room.len();
        (self.buffer, self.count) = (bits.buffer, bits.count);
        self.bytes.truncate(self.bytes.len() - unused);
    }

    /// Appends stored blocks: RFC 1951, 3.2.4.
    pub fn store(&mut self, text: &[u8], is_last: bool) {
        let mut parts = text.chunks(STORED_MAX).peekable();
        while let Some(part) = parts.next() {
            let is_last = is_last && parts.peek().is_none();
            self.append(WORD_BYTES, |bits| bits.put_bits(u32::from(is_last), 3));
            self.align();
            let length = part.len() as u16;
            self.bytes.extend_from_slice(&length.to_le_bytes());
            self.bytes.extend_from_slice(&(!length).to_le_bytes());
            self.bytes.extend_from_slice(part);
        }
    }

    /// The bytes, the last one filled with zeros.
    pub fn finish(mut self) -> Vec<u8> {
        self.align();
        self.bytes
    }

    fn align(&mut self) {
        if self.count > 0 {
            self.bytes.push(self.buffer as u8);
        }
        (self.buffer, self.count) = (0, 0);
    }
}

/// Bits on their way into bytes that are there already.
pub struct Bits<'a> {
    room: &'a mut [u8],
    buffer: u64,
    /// Only the lowest six bits count. After a flush there are at most seven bits in the buffer.
    count: u64,
}

impl<'a> Bits<'a> {
    /// Writes to a variable of its own, which the compiler keeps in registers.
    #[inline(always)]
    pub fn in_registers(&mut self, write: impl FnOnce(&mut Bits<'a>)) {
        let mut bits = Bits {
            room: std::mem::take(&mut self.room),
            buffer: self.buffer,
            count: self.count,
        };
        write(&mut bits);
        *self = bits;
    }

    /// A code.
    #[inline(always)]
    pub fn put(&mut self, code: Code) {
        self.buffer |= u64::from(code.bits()) << (self.count & 63);
        self.count = self.count.wrapping_add(code.length_and_more());
    }

    /// A code and then `extra` bits.
    #[inline(always)]
    pub fn put_with(&mut self, code: Code, value: u32, extra: u32) {
        let bits = code.bits() | value << (code.length_and_more() & 31);
        self.buffer |= u64::from(bits) << (self.count & 63);
        self.count = self
            .count
            .wrapping_add(code.length_and_more())
            .wrapping_add(u64::from(extra));
    }

    /// A number of `count` bits.
    #[inline(always)]
    pub fn put_bits(&mut self, value: u32, count: u32) {
        self.buffer |= u64::from(value) << (self.count & 63);
        self.count = self.count.wrapping_add(u64::from(count));
    }

    /// Makes room for 56 bits.
    #[inline(always)]
    pub fn flush(&mut self) {
        let room = std::mem::take(&mut self.room);
        room[..WORD_BYTES].copy_from_slice(&self.buffer.to_le_bytes());
        self.room = &mut room[(self.count as usize & 63) / 8..];
        self.buffer >>= self.count & 0b11_1000;
        self.count &= 7;
    }
}
