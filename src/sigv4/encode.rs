//! The two encodings of SigV4: percent-encoding of paths and queries, and lower-case hex.

const UPPER_HEX: &[u8; 16] = b"0123456789ABCDEF";
const LOWER_HEX: &[u8; 16] = b"0123456789abcdef";

/// Encodes an object key for the path: all but the unreserved characters and `/`.
pub(super) fn path(text: &str) -> String {
    percent_encode(text, |byte| is_unreserved(byte) || byte == b'/')
}

/// Encodes a query parameter's name or value: all but the unreserved characters.
pub(super) fn query(text: &str) -> String {
    percent_encode(text, is_unreserved)
}

/// Lower-case hex of a digest, as SigV4 writes hashes and signatures.
pub(super) fn hex(digest: &[u8; 32]) -> String {
    let mut text = vec![0; 64];
    for (pair, byte) in text.as_chunks_mut::<2>().0.iter_mut().zip(digest) {
        *pair = [LOWER_HEX[usize::from(byte >> 4)], LOWER_HEX[usize::from(byte & 15)]];
    }
    String::from_utf8(text).expect("hex digits are ascii")
}

/// RFC 3986 unreserved: the only characters that SigV4 leaves as they are.
pub(super) fn is_unreserved(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~')
}

fn percent_encode(text: &str, keep: impl Fn(u8) -> bool) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        if keep(byte) {
            encoded.push(byte.into());
        } else {
            encoded.push('%');
            encoded.push(UPPER_HEX[usize::from(byte >> 4)].into());
            encoded.push(UPPER_HEX[usize::from(byte & 15)].into());
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn path_keeps_slashes_and_encodes_utf8_bytes_in_upper_case() {
        assert_eq!(path("a//b/../c%41 ü~"), "a//b/../c%2541%20%C3%BC~");
    }

    #[test]
    fn query_encodes_slashes_plus_and_equals() {
        assert_eq!(query("2~abc+/=="), "2~abc%2B%2F%3D%3D");
    }

    #[test]
    fn hex_is_lower_case_with_leading_zeros() {
        let mut digest = [0; 32];
        digest[31] = 0xaf;
        assert_eq!(hex(&digest), format!("{}af", "0".repeat(62)));
    }
}
