//! Reading a log: its last lines, and what is written from then on.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;

use super::LogFile;

/// Pieces of output, in order.
pub type LogStream = ReceiverStream<io::Result<Bytes>>;

/// One read.
const PIECE: usize = 64 << 10;
/// Pieces read ahead of a slow reader.
const AHEAD: usize = 4;
/// How often a follower looks for more. Only while somebody reads: no watch is left behind on idle hosts.
const LOOK: Duration = Duration::from_millis(100);
/// Rotated files that the last lines are looked for in.
const MOST_ROTATED: u32 = 100;

/// The last `tail` lines, then, when `follow`, everything written from then on, until the stream is dropped.
/// Must be called within a tokio runtime.
pub fn stream(log: Arc<LogFile>, tail: u64, follow: bool) -> LogStream {
    let (sender, receiver) = mpsc::channel(AHEAD);
    tokio::spawn(async move {
        if let Err(error) = send(&log, tail, follow, &sender).await {
            // The reader may be gone, which ends the stream as well.
            let _ = sender.send(Err(error)).await;
        }
    });
    ReceiverStream::new(receiver)
}

/// Sends until the end, or until nobody reads.
async fn send(
    log: &Arc<LogFile>,
    tail: u64,
    follow: bool,
    to: &mpsc::Sender<io::Result<Bytes>>,
) -> io::Result<()> {
    let found = Arc::clone(log);
    let Start { rotated, mut position } =
        tokio::task::spawn_blocking(move || found.last_lines(tail)).await.map_err(io::Error::other)??;
    for (file, mut offset) in rotated {
        loop {
            let mut bytes = vec![0; PIECE];
            let read = file.read_at(&mut bytes, offset)?;
            bytes.truncate(read);
            offset += read as u64;
            if read == 0 {
                break;
            }
            if to.send(Ok(bytes.into())).await.is_err() {
                return Ok(());
            }
        }
    }
    let end = log.end();
    loop {
        if !follow && position >= end {
            return Ok(());
        }
        let piece = log.read(position, PIECE)?;
        let moved = piece.next != position;
        position = piece.next;
        if piece.skipped > 0 {
            let notice = format!("[{} bytes were rotated away before they could be sent]\n", piece.skipped);
            if to.send(Ok(notice.into())).await.is_err() {
                return Ok(());
            }
        }
        if !piece.bytes.is_empty() {
            if to.send(Ok(piece.bytes.into())).await.is_err() {
                return Ok(());
            }
        } else if !moved {
            if !follow {
                return Ok(());
            }
            tokio::select! {
                () = to.closed() => return Ok(()),
                () = tokio::time::sleep(LOOK) => {}
            }
        }
    }
}

/// Where the last lines begin.
struct Start {
    /// Rotated files to send first, oldest first, each from an offset.
    rotated: Vec<(File, u64)>,
    /// Position in the current file.
    position: u64,
}

impl LogFile {
    fn last_lines(&self, lines: u64) -> io::Result<Start> {
        // Held throughout, so that no rotation moves the files meanwhile.
        let cut = self.cut.lock();
        let mut wanted = lines;
        let mut rotated = Vec::new();
        let mut position = cut.base;
        for age in 0..=MOST_ROTATED {
            let path = if age == 0 { self.current() } else { self.rotated(age) };
            let file = match File::open(path) {
                Ok(file) => file,
                Err(error) if error.kind() == io::ErrorKind::NotFound && age == 0 => continue,
                Err(error) if error.kind() == io::ErrorKind::NotFound => break,
                Err(error) => return Err(error),
            };
            // A newline that ends the newest byte ends the last line; it does not begin another.
            let (offset, found) = nth_line_from_end(&file, wanted, age == 0)?;
            wanted = wanted.saturating_sub(found);
            match age {
                0 => position = cut.base.saturating_add(offset),
                _ => rotated.push((file, offset)),
            }
            if wanted == 0 {
                break;
            }
        }
        rotated.reverse();
        Ok(Start { rotated, position })
    }
}

/// The offset at which the last `lines` lines begin, and how many there are in this file (a line is counted by the
/// newline before it). The newest file's own last byte does not count.
fn nth_line_from_end(file: &File, lines: u64, newest: bool) -> io::Result<(u64, u64)> {
    let length = file.metadata()?.len();
    let mut end = if newest { length.saturating_sub(1) } else { length };
    if lines == 0 {
        return Ok((length, 0));
    }
    let mut found = 0;
    let mut block = vec![0; PIECE];
    while end > 0 {
        let start = end.saturating_sub(PIECE as u64);
        let part = block.get_mut(..(end - start) as usize).unwrap_or_default();
        file.read_exact_at(part, start)?;
        for at in memchr::memrchr_iter(b'\n', part) {
            found += 1;
            if found == lines {
                return Ok((start + at as u64 + 1, found));
            }
        }
        end = start;
    }
    Ok((0, found))
}
