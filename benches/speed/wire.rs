//! Requests written as a line of words, and the replies that they have to get.

/// The word of a request that stands for its key.
pub(crate) const KEY: &str = "__key__";

/// What every key looks like: 16 bytes, the last twelve its number.
const KEY_TEXT: &[u8] = b"key:000000000000";
const KEY_DIGITS: usize = 12;

/// A command in the server's protocol. All is written but the number of the key.
#[derive(Clone)]
pub(crate) struct Request {
    bytes: Vec<u8>,
    /// Where the digits of the key go; a PING has none.
    digits_at: Option<usize>,
    /// How the reply has to begin; with nothing, any will do that is no error.
    wanted: Vec<u8>,
}

impl Request {
    /// `SET __key__ v PX 1000`, and the lines with which its reply begins, a blank between them: `+OK`.
    pub(crate) fn new(line: &str, wanted: &str) -> Self {
        Self::of_words(&line.split_whitespace().collect::<Vec<_>>(), wanted)
    }

    /// The same for words with blanks in them.
    pub(crate) fn of_words(words: &[&str], wanted: &str) -> Self {
        let mut bytes = format!("*{}\r\n", words.len()).into_bytes();
        let mut digits_at = None;
        for &word in words {
            let word = if word == KEY { KEY_TEXT } else { word.as_bytes() };
            bytes.extend_from_slice(format!("${}\r\n", word.len()).as_bytes());
            bytes.extend_from_slice(word);
            if word == KEY_TEXT {
                digits_at = Some(bytes.len() - KEY_DIGITS);
            }
            bytes.extend_from_slice(b"\r\n");
        }
        let wanted = wanted.split_whitespace().flat_map(|line| [line, "\r\n"]).collect::<String>();
        Self { bytes, digits_at, wanted: wanted.into_bytes() }
    }

    /// Appends the request for one key.
    pub(crate) fn write(&self, key: u32, out: &mut Vec<u8>) {
        let start = out.len();
        out.extend_from_slice(&self.bytes);
        if let Some(at) = self.digits_at {
            let mut rest = key;
            for digit in out[start + at..start + at + KEY_DIGITS].iter_mut().rev() {
                *digit = b'0' + (rest % 10) as u8;
                rest /= 10;
            }
        }
    }

    /// Whether a whole reply is the one that is wanted. What was asked and answered, if not.
    pub(crate) fn check(&self, reply: &[u8]) -> Result<(), String> {
        if reply.starts_with(&self.wanted) && !reply.starts_with(b"-") {
            return Ok(());
        }
        let text = |bytes| String::from_utf8_lossy(bytes).trim_end().replace("\r\n", " ");
        // Each word stands below a line with its length.
        let words: Vec<_> = self.bytes.split(|&byte| byte == b'\n').skip(2).step_by(2).map(text).collect();
        let wanted = if self.wanted.is_empty() { "without an error".to_owned() } else { text(&self.wanted) };
        Err(format!(
            "{} was to be answered {wanted}, and was answered {}",
            words.join(" ").trim_end(),
            text(reply)
        ))
    }
}

/// How long the reply is with which the bytes begin; `None` if it is not whole yet.
pub(crate) fn reply_len(bytes: &[u8]) -> Option<usize> {
    let line = bytes.windows(2).position(|pair| pair == b"\r\n")? + 2;
    let number = || std::str::from_utf8(&bytes[1..line - 2]).unwrap().parse::<i64>().unwrap();
    match bytes[0] {
        b'+' | b'-' | b':' => Some(line),
        b'$' => {
            let body = usize::try_from(number()).map_or(0, |len| len + 2);
            (line + body <= bytes.len()).then_some(line + body)
        }
        b'*' => (0..number()).try_fold(line, |end, _| Some(end + reply_len(&bytes[end..])?)),
        other => panic!("no reply of RESP2 begins with byte {other}"),
    }
}
