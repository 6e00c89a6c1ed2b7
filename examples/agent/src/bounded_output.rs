//! A bounded buffer for the output of a command, which may print gigabytes.

const MAX_BYTES: usize = 512 * 1024;

/// The head and the tail of a stream of bytes.
#[derive(Debug, Default)]
pub(crate) struct BoundedOutput {
    head: Vec<u8>,
    tail: Vec<u8>,
    dropped: usize,
}

impl BoundedOutput {
    pub(crate) fn push(&mut self, bytes: &[u8]) {
        let head_length = (MAX_BYTES / 2).saturating_sub(self.head.len()).min(bytes.len());
        self.head.extend_from_slice(&bytes[..head_length]);
        self.tail.extend_from_slice(&bytes[head_length..]);
        if self.tail.len() > MAX_BYTES {
            let excess = self.tail.len() - MAX_BYTES / 2;
            self.tail.drain(..excess);
            self.dropped += excess;
        }
    }

    /// Returns the output as text, with the CR LF line ends of the terminal replaced by LF.
    pub(crate) fn text(&self) -> String {
        let text = if self.dropped == 0 {
            // Decoded in one piece, because a character may span head and tail.
            String::from_utf8_lossy(&[&self.head[..], &self.tail].concat()).into_owned()
        } else {
            let (head, tail) = (String::from_utf8_lossy(&self.head), String::from_utf8_lossy(&self.tail));
            format!("{head}\n[… {} bytes dropped …]\n{tail}", self.dropped)
        };
        text.replace("\r\n", "\n")
    }
}

/// Truncates a long text in its middle: head and tail carry the most information.
pub(crate) fn truncate_middle(text: &str, limit: usize) -> String {
    if text.len() <= limit {
        return text.to_owned();
    }
    let head = &text[..text.floor_char_boundary(limit / 2)];
    let tail = &text[text.ceil_char_boundary(text.len() - limit / 2)..];
    let cut = text.len() - head.len() - tail.len();
    format!("{head}\n[… {cut} bytes left out …]\n{tail}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_output_keeps_head_and_tail() {
        let mut output = BoundedOutput::default();
        output.push(b"first\r\n");
        for _ in 0..100_000 {
            output.push(b"and so on, and so on\r\n");
        }
        output.push(b"last\r\n");
        let text = output.text();
        assert!(text.len() < 2 * MAX_BYTES, "{}", text.len());
        assert!(text.starts_with("first\n") && text.ends_with("last\n"));
        assert!(text.contains("bytes dropped"));
    }

    #[test]
    fn truncation_keeps_characters_whole() {
        let text = "é".repeat(100);
        let short = truncate_middle(&text, 51);
        assert!(short.starts_with("éé") && short.ends_with("éé"), "{short}");
        assert_eq!(truncate_middle(&text, 200), text);
    }
}
