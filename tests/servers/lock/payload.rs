//! What DUMP answers for a lock, written by hand: so that a test can say things that no server says.

/// The footer's checksum is CRC-64/Jones: reflected, polynomial 0xad93d23594c935a9, no final xor.
pub(crate) fn crc64(bytes: &[u8]) -> u64 {
    const REFLECTED: u64 = 0x95ac_9329_ac4b_c9b5;
    bytes.iter().fold(0, |crc, byte| {
        (0..8).fold(crc ^ u64::from(*byte), |crc, _| (crc >> 1) ^ (REFLECTED & (crc & 1).wrapping_neg()))
    })
}

/// A payload of a real server, taken apart.
pub(crate) struct Payload {
    /// The server's type byte, the type's name and encoding version in 64 bits behind a mark, and our fields.
    pub(crate) body: Vec<u8>,
    /// The version of the RDB format.
    version: [u8; 2],
}

/// The type byte, the mark and the name.
pub(crate) const HEADER: usize = 10;

impl Payload {
    #[track_caller]
    pub(crate) fn parse(dump: &[u8]) -> Self {
        let (body, footer) = dump.split_at(dump.len() - 10);
        assert_eq!(crc64(&dump[..dump.len() - 8]).to_le_bytes(), footer[2..], "as the server computes it");
        Self { body: body.to_vec(), version: [footer[0], footer[1]] }
    }

    /// Other bytes in place of the body, with a footer that is right for them.
    pub(crate) fn sealed(&self, body: &[u8]) -> Vec<u8> {
        let mut bytes = [body, &self.version].concat();
        bytes.extend(crc64(&bytes).to_le_bytes());
        bytes
    }

    /// A lock of these fields, in range or not: how many holders it says it has, and each.
    pub(crate) fn lock(&self, count: u64, holders: &[(&[u8], u64, u64, u64)]) -> Vec<u8> {
        let mut body = self.body[..HEADER].to_vec();
        push_number(&mut body, count);
        for (owner, fence, deadline_ms, acquired_ms) in holders {
            body.push(STRING);
            push_length(&mut body, owner.len() as u64);
            body.extend_from_slice(owner);
            [fence, deadline_ms, acquired_ms].into_iter().for_each(|number| push_number(&mut body, *number));
        }
        body.push(END);
        self.sealed(&body)
    }
}

const END: u8 = 0;
const NUMBER: u8 = 2;
const STRING: u8 = 5;

fn push_number(body: &mut Vec<u8>, number: u64) {
    body.push(NUMBER);
    push_length(body, number);
}

/// Lengths and numbers alike in 64 bits behind their mark.
fn push_length(body: &mut Vec<u8>, length: u64) {
    body.push(0x81);
    body.extend(length.to_be_bytes());
}

#[test]
fn the_checksum_is_the_one_of_the_catalogue() {
    assert_eq!(crc64(b"123456789"), 0xe9c6_d914_c4b8_d9ca);
}
