//! Recognizes encodings of streams that are not decoded.

/// The first bytes of compressed data, with the name of the format.
const MAGIC: [(&[u8], &str); 5] = [
    (&[0x1f, 0x8b], "gzip"),
    (&[0x28, 0xb5, 0x2f, 0xfd], "zstd"),
    (&[0x78, 0x01], "deflate"),
    (&[0x78, 0x9c], "deflate"),
    (&[0x78, 0xda], "deflate"),
];

/// Length of the part of a message that is searched for the headers of the AWS event stream encoding, in bytes.
const HEADERS_BYTES: usize = 256;

/// Returns the name of the encoding of these bytes. Returns `None` if they have no known encoding.
pub(super) fn detect(bytes: &[u8]) -> Option<&'static str> {
    let compressed = MAGIC.iter().find(|(magic, _)| bytes.starts_with(magic)).map(|(_, name)| *name);
    compressed.or_else(|| is_aws_event_stream(bytes).then_some("the binary event stream encoding of AWS"))
}

/// Returns `true` if the bytes begin with a message of the AWS event stream encoding: its length and the length of its
/// headers, both as four bytes, and a checksum; then the headers.
fn is_aws_event_stream(bytes: &[u8]) -> bool {
    const PRELUDE_BYTES: usize = 12;
    let Some((prelude, rest)) = bytes.split_at_checked(PRELUDE_BYTES) else { return false };
    // A message is shorter than 16 MiB, so its first byte is 0, which begins no text.
    let headers = &rest[..rest.len().min(HEADERS_BYTES)];
    let has_header = |name: &[u8]| memchr::memmem::find(headers, name).is_some();
    prelude[0] == 0 && (has_header(b":event-type") || has_header(b":message-type"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn encodings_are_recognized_by_their_first_bytes() {
        assert_eq!(detect(&[0x1f, 0x8b, 8, 0]), Some("gzip"));
        assert_eq!(detect(b"data: {}\n\n"), None);
        assert_eq!(detect(b"x"), None);
        let message = [&[0, 0, 0, 90, 0, 0, 0, 60, 1, 2, 3, 4][..], b"\x0b:event-type\x07\x00\x05chunk"].concat();
        assert_eq!(detect(&message), Some("the binary event stream encoding of AWS"));
        assert_eq!(detect(&message[..20]), None);
    }
}
