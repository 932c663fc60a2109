//! The frame of gRPC messages in HTTP/2 bodies ("gRPC over HTTP2"): a flag, a length, a message. Pure.

use bytes::{BufMut, Bytes, BytesMut};

const HEAD_BYTES: usize = 5;

/// The body with one message.
///
/// # Panics
/// Never: batches are far smaller than 4 GiB.
pub fn frame(message: &[u8], is_compressed: bool) -> Bytes {
    let mut body = BytesMut::with_capacity(HEAD_BYTES + message.len());
    body.put_u8(u8::from(is_compressed));
    body.put_u32(u32::try_from(message.len()).expect("batches are far smaller than 4 GiB"));
    body.put_slice(message);
    body.freeze()
}

/// The first message of a body, where it is complete and not compressed; we never offer to take compressed ones.
pub fn message(body: &[u8]) -> Option<&[u8]> {
    let (head, rest) = body.split_first_chunk::<HEAD_BYTES>()?;
    let [0, length @ ..] = head else {
        return None;
    };
    rest.get(..u32::from_be_bytes(*length) as usize)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn message_comes_out_of_its_frame_and_torn_or_compressed_ones_do_not() {
        let body = frame(b"hello", false);
        assert_eq!(&body[..], b"\0\0\0\0\x05hello");
        assert_eq!(message(&body), Some(&b"hello"[..]));
        assert_eq!(message(&body[..9]), None);
        assert_eq!(message(&body[..3]), None);
        assert_eq!(message(&frame(b"hello", true)), None);
    }
}
