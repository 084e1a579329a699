//! How SigV4 writes things: percent-encoding of paths and queries, lower-case hex, decimals.

use super::midstate::DIGEST_BYTES;

/// How long a digest is in hex.
pub(super) const HEX_BYTES: usize = 2 * DIGEST_BYTES;

const UPPER_HEX: &[u8; 16] = b"0123456789ABCDEF";

/// Encodes an object key for the path: all but the unreserved characters and `/`.
pub(super) fn path(text: &str) -> String {
    percent_encode(text, |byte| is_unreserved(byte) || byte == b'/')
}

/// Encodes a query parameter's name or value: all but the unreserved characters.
pub(super) fn query(text: &str) -> String {
    percent_encode(text, is_unreserved)
}

/// Lower-case hex of a digest, as SigV4 writes hashes and signatures.
pub(super) fn hex(digest: &[u8; DIGEST_BYTES]) -> [u8; HEX_BYTES] {
    let mut text = [0; HEX_BYTES];
    for (pair, byte) in text.as_chunks_mut::<2>().0.iter_mut().zip(digest) {
        *pair = [lower_hex_digit(byte >> 4), lower_hex_digit(byte & 15)];
    }
    text
}

/// Arithmetic instead of a table, so that the compiler makes 16 digits at a time.
fn lower_hex_digit(nibble: u8) -> u8 {
    if nibble < 10 { b'0' + nibble } else { b'a' - 10 + nibble }
}

/// The digits of a number, written to the end of `buffer`.
pub(super) fn decimal(number: u32, buffer: &mut [u8; 10]) -> &str {
    let mut start = buffer.len();
    let mut left = number;
    loop {
        start -= 1;
        buffer[start] = b'0' + (left % 10) as u8;
        left /= 10;
        if left == 0 {
            return as_str(&buffer[start..]);
        }
    }
}

/// Appends the last digits of a number, with leading zeros.
pub(super) fn push_padded(text: &mut String, number: u32, digits: u32) {
    for place in (0..digits).rev() {
        let digit = number / 10_u32.pow(place) % 10;
        text.push(char::from(b'0' + digit as u8));
    }
}

/// Digits as text.
pub(super) fn as_str(digits: &[u8]) -> &str {
    str::from_utf8(digits).expect("decimal and hex digits are ascii")
}

/// RFC 3986 unreserved: the only characters that SigV4 leaves as they are.
pub(super) fn is_unreserved(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~')
}

fn percent_encode(text: &str, keep: impl Fn(u8) -> bool) -> String {
    // Most keys and upload ids need no encoding at all.
    let kept = text.bytes().take_while(|byte| keep(*byte)).count();
    let (kept, rest) = text.split_at(kept);
    let mut encoded = String::with_capacity(kept.len() + 3 * rest.len());
    encoded.push_str(kept);
    for byte in rest.bytes() {
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
        (digest[30], digest[31]) = (0x9a, 0xf0);
        assert_eq!(hex(&digest), *format!("{}9af0", "0".repeat(60)).as_bytes());
    }

    #[test]
    fn decimal_has_all_digits_and_padding_only_where_asked() {
        for number in [0, 7, 10, 10_000, u32::MAX] {
            assert_eq!(decimal(number, &mut [0; 10]), number.to_string());
        }
        let mut text = "a".to_owned();
        push_padded(&mut text, 42, 4);
        push_padded(&mut text, 0, 2);
        assert_eq!(text, "a004200");
    }
}
