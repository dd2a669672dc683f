//! Server-sent events, read from bytes that come in any pieces (WHATWG HTML, § 9.2.6).

/// Longest event that is read.
const MAX_EVENT: usize = 8 << 20;

/// One event. Its name is not kept: the messages carry theirs in the data.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Event {
    pub id: Option<String>,
    pub data: String,
}

#[derive(Debug, Default)]
pub(crate) struct EventReader {
    line: Vec<u8>,
    event: Event,
    after_return: bool,
}

impl EventReader {
    /// Takes the next bytes and gives the events that they complete.
    ///
    /// # Errors
    /// When an event is longer than is read, or not UTF-8.
    pub fn feed(&mut self, bytes: &[u8]) -> Result<Vec<Event>, String> {
        let mut events = Vec::new();
        for &byte in bytes {
            match byte {
                b'\n' if self.after_return => self.after_return = false,
                b'\n' | b'\r' => {
                    self.after_return = byte == b'\r';
                    events.extend(self.end_line()?);
                }
                _ => {
                    self.after_return = false;
                    self.line.push(byte);
                    if self.line.len() + self.event.data.len() > MAX_EVENT {
                        return Err(format!("an event has more than {MAX_EVENT} bytes"));
                    }
                }
            }
        }
        Ok(events)
    }

    fn end_line(&mut self) -> Result<Option<Event>, String> {
        let line = std::mem::take(&mut self.line);
        if line.is_empty() {
            let mut event = std::mem::take(&mut self.event);
            event.data.pop();
            return Ok((!event.data.is_empty()).then_some(event));
        }
        let line = String::from_utf8(line).map_err(|_| "an event is not UTF-8".to_owned())?;
        let (field, value) = line.split_once(':').unwrap_or((&line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match field {
            "data" => {
                self.event.data.push_str(value);
                self.event.data.push('\n');
            }
            "id" => self.event.id = Some(value.to_owned()),
            _ => {}
        }
        Ok(None)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn events_are_whole_however_the_bytes_are_cut() {
        let check = |stream: &str, expect: &[(Option<&str>, &str)]| {
            let expect: Vec<Event> = expect
                .iter()
                .map(|(id, data)| Event { id: id.map(str::to_owned), data: (*data).to_owned() })
                .collect();
            for size in [1, 2, 3, 7, stream.len()] {
                let mut reader = EventReader::default();
                let events: Vec<Event> =
                    stream.as_bytes().chunks(size).flat_map(|piece| reader.feed(piece).unwrap()).collect();
                assert_eq!(events, expect, "{stream:?} in pieces of {size}");
            }
        };
        check("event: put\nid: 7\ndata: {}\n\n", &[(Some("7"), "{}")]);
        check("data:a\r\ndata: b\r\n\r\ndata: c\r\n\r\n", &[(None, "a\nb"), (None, "c")]);
        check(": comment\n\nid: 3\n\ndata: ä\n\n", &[(None, "ä")]);
        check("data: never ended\n", &[]);
    }

    #[test]
    fn endless_events_are_refused() {
        let mut reader = EventReader::default();
        let piece = vec![b'x'; 1 << 20];
        let refused = (0..16).any(|_| reader.feed(&piece).is_err());
        assert!(refused);
    }
}
