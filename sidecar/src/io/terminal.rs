//! Standard error, which log lines, alerts and a block that is drawn again and again share. The block is always the last thing on the
//! screen: whatever else is written goes above it. Where nothing is drawn, this is standard error and no more.

use rustix::termios::tcgetwinsize;
use std::io::{self, Write};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// The lines that are on the screen. The process has one standard error, so there is one.
static DRAWN: Mutex<Vec<String>> = Mutex::new(Vec::new());

/// Columns and rows where the terminal does not tell.
const USUAL_SIZE: (usize, usize) = (80, 24);

/// Writes above the block.
#[derive(Debug, Clone, Copy)]
pub struct Stderr;

impl Write for Stderr {
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        self.write_all(buffer)?;
        Ok(buffer.len())
    }

    fn write_all(&mut self, buffer: &[u8]) -> io::Result<()> {
        let drawn = drawn();
        let mut stderr = io::stderr().lock();
        if drawn.is_empty() {
            return stderr.write_all(buffer);
        }
        let mut text = erase(drawn.len()).into_bytes();
        text.extend_from_slice(buffer);
        for line in drawn.iter() {
            text.extend_from_slice(line.as_bytes());
            text.push(b'\n');
        }
        stderr.write_all(&text)
    }

    fn flush(&mut self) -> io::Result<()> {
        io::stderr().lock().flush()
    }
}

/// Draws these lines in the place of the last ones. None of them may be longer than the terminal is wide.
pub fn draw(lines: Vec<String>) {
    let mut drawn = drawn();
    let text = redraw(drawn.len(), &lines);
    // Nobody looks, then.
    let _ = io::stderr().lock().write_all(text.as_bytes());
    *drawn = lines;
}

/// Leaves the block where it is and writes below it from now on.
pub fn leave() {
    drawn().clear();
}

/// Columns and rows.
pub fn size() -> (usize, usize) {
    match tcgetwinsize(io::stderr()) {
        Ok(size) if size.ws_col > 0 && size.ws_row > 0 => (size.ws_col.into(), size.ws_row.into()),
        _ => USUAL_SIZE,
    }
}

fn drawn() -> MutexGuard<'static, Vec<String>> {
    DRAWN.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Up to the first line of the block, and nothing below.
fn erase(lines: usize) -> String {
    if lines == 0 {
        return String::new();
    }
    format!("\x1b[{lines}A\r\x1b[J")
}

/// Each line is overwritten in its place rather than erased before: so nothing flickers.
fn redraw(before: usize, lines: &[String]) -> String {
    let mut text = if before == 0 {
        String::new()
    } else {
        format!("\x1b[{before}A\r")
    };
    for line in lines {
        text.push_str(line);
        text.push_str("\x1b[K\n");
    }
    if before > lines.len() {
        text.push_str("\x1b[J");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_overwritten_in_their_place() {
        let lines = ["a".to_owned(), "b".to_owned()];
        assert_eq!(redraw(0, &lines), "a\x1b[K\nb\x1b[K\n");
        assert_eq!(redraw(2, &lines), "\x1b[2A\ra\x1b[K\nb\x1b[K\n");
        assert_eq!(redraw(3, &lines[..1]), "\x1b[3A\ra\x1b[K\n\x1b[J");
        assert_eq!(
            (erase(0), erase(2)),
            (String::new(), "\x1b[2A\r\x1b[J".to_owned())
        );
    }
}
