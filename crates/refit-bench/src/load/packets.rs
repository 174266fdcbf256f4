//! The packets of MQTT 3.1.1 that a load sends, and the length of those that it gets.

/// Returns the length of the packet at the start, if it is complete.
pub(super) fn packet_length(bytes: &[u8]) -> Option<usize> {
    let mut length = 0;
    for (at, byte) in bytes.iter().skip(1).take(4).enumerate() {
        length |= usize::from(byte & 0x7f) << (7 * at);
        if byte & 0x80 == 0 {
            let whole = 2 + at + length;
            return (bytes.len() >= whole).then_some(whole);
        }
    }
    None
}

/// CONNECT and SUBSCRIBE in one write.
pub(super) fn hello(id: &str, topics: &[&str]) -> Vec<u8> {
    let mut connect = b"\x00\x04MQTT\x04\x02\x00\x00".to_vec();
    put_text(&mut connect, id);
    let mut subscribe = vec![0, 1];
    for topic in topics {
        put_text(&mut subscribe, &format!("state/{id}/{topic}"));
        // Answers are counted, not acknowledged.
        subscribe.push(u8::from(*topic != "update/accepted"));
    }
    let mut bytes = Vec::new();
    put_packet(&mut bytes, 0x10, &connect);
    put_packet(&mut bytes, 0x82, &subscribe);
    bytes
}

pub(super) fn publish(topic: &str, payload: &str) -> Vec<u8> {
    let mut body = Vec::with_capacity(topic.len() + payload.len() + 4);
    put_text(&mut body, topic);
    body.extend_from_slice(&[0, 1]);
    body.extend_from_slice(payload.as_bytes());
    let mut bytes = Vec::with_capacity(body.len() + 4);
    put_packet(&mut bytes, 0x32, &body);
    bytes
}

fn put_text(bytes: &mut Vec<u8>, text: &str) {
    bytes.extend_from_slice(&(text.len() as u16).to_be_bytes());
    bytes.extend_from_slice(text.as_bytes());
}

fn put_packet(bytes: &mut Vec<u8>, first: u8, body: &[u8]) {
    bytes.push(first);
    let mut length = body.len();
    loop {
        let low = (length & 0x7f) as u8;
        length >>= 7;
        bytes.push(if length == 0 { low } else { low | 0x80 });
        if length == 0 {
            break;
        }
    }
    bytes.extend_from_slice(body);
}
