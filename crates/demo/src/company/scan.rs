//! Small files in place of scanned identity papers. Each says in clear that it is a sample.

/// Side of the picture, in pixels.
const SIDE: u8 = 16;

const PNG_SIGNATURE: [u8; 8] = *b"\x89PNG\r\n\x1a\n";

/// Makes a grey PNG picture that carries `text` as its comment.
pub(super) fn png(text: &str) -> Vec<u8> {
    let side = u32::from(SIDE).to_be_bytes();
    // Eight bits of grey; compression, filter and interlace methods 0.
    let header = [&side[..], &side[..], &[8, 0, 0, 0, 0]].concat();
    let comment = [b"Comment\0", text.as_bytes()].concat();
    let mut file = PNG_SIGNATURE.to_vec();
    push_chunk(&mut file, *b"IHDR", &header);
    push_chunk(&mut file, *b"tEXt", &comment);
    push_chunk(&mut file, *b"IDAT", &stored_zlib(&grey_lines()));
    push_chunk(&mut file, *b"IEND", &[]);
    file
}

/// Each line begins with its filter type, 0.
fn grey_lines() -> Vec<u8> {
    (0..SIDE)
        .flat_map(|line| {
            let pixels = (0..SIDE).map(move |column| 0x80 | (line ^ column));
            std::iter::once(0).chain(pixels)
        })
        .collect()
}

fn push_chunk(file: &mut Vec<u8>, kind: [u8; 4], data: &[u8]) {
    let body = [&kind[..], data].concat();
    file.extend(length(data.len()).to_be_bytes());
    file.extend(&body);
    file.extend(crc32(&body).to_be_bytes());
}

/// A zlib stream of one stored block (RFC 1950, RFC 1951).
fn stored_zlib(data: &[u8]) -> Vec<u8> {
    let length = u16::try_from(data.len()).unwrap_or(u16::MAX);
    let mut stream = vec![0x78, 0x01, 0x01];
    stream.extend(length.to_le_bytes());
    stream.extend((!length).to_le_bytes());
    stream.extend(data);
    stream.extend(adler32(data).to_be_bytes());
    stream
}

fn crc32(data: &[u8]) -> u32 {
    let mut register = u32::MAX;
    for &byte in data {
        register ^= u32::from(byte);
        for _ in 0..8 {
            let carry = if register & 1 == 1 { 0xedb8_8320 } else { 0 };
            register = (register >> 1) ^ carry;
        }
    }
    !register
}

fn adler32(data: &[u8]) -> u32 {
    const MODULUS: u32 = 65_521;
    let (mut low, mut high) = (1, 0);
    for &byte in data {
        low = (low + u32::from(byte)) % MODULUS;
        high = (high + low) % MODULUS;
    }
    (high << 16) | low
}

fn length(bytes: usize) -> u32 {
    u32::try_from(bytes).unwrap_or(u32::MAX)
}

/// Makes a PDF of one page that shows `text`, which must be plain ASCII without parentheses.
pub(super) fn pdf(text: &str) -> Vec<u8> {
    let content = format!("BT /F1 10 Tf 20 50 Td ({text}) Tj ET");
    let objects = [
        "<< /Type /Catalog /Pages 2 0 R >>".to_owned(),
        "<< /Type /Pages /Kids [3 0 R] /Count 1 >>".to_owned(),
        "<< /Type /Page /Parent 2 0 R /MediaBox [0 0 420 100] /Contents 4 0 R \
         /Resources << /Font << /F1 5 0 R >> >> >>"
            .to_owned(),
        format!(
            "<< /Length {} >>\nstream\n{content}\nendstream",
            content.len()
        ),
        "<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>".to_owned(),
    ];
    let mut parts = vec!["%PDF-1.4\n".to_owned()];
    let mut written = parts[0].len();
    let mut places = String::new();
    for (index, object) in objects.iter().enumerate() {
        let part = format!("{} 0 obj\n{object}\nendobj\n", index + 1);
        places = format!("{places}{written:010} 00000 n \n");
        written += part.len();
        parts.push(part);
    }
    parts.push(format!("xref\n0 6\n0000000000 65535 f \n{places}"));
    parts.push(format!(
        "trailer\n<< /Size 6 /Root 1 0 R >>\nstartxref\n{written}\n%%EOF\n"
    ));
    parts.concat().into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_checksums_are_those_of_the_standards() {
        assert_eq!(crc32(b"123456789"), 0xcbf4_3926);
        assert_eq!(adler32(b"Wikipedia"), 0x11e6_0398);
    }

    #[test]
    fn a_scan_says_that_it_is_a_sample() {
        for file in [png("generated sample"), pdf("generated sample")] {
            assert!(file.windows(16).any(|part| part == b"generated sample"));
            assert!(file.len() < 1000);
        }
    }
}
