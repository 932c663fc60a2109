//! Our standard output. The acknowledgement is the return of write(2).

use super::verdict::Verdict;
use super::written;
use bytes::Bytes;
use std::io::Write;

/// Writes a batch, on a thread of its own: a reader that does not read must not stop the rest of the process.
pub async fn send(body: Bytes) -> Verdict {
    let write = move || {
        let mut stdout = std::io::stdout().lock();
        stdout.write_all(&body)?;
        stdout.flush()
    };
    written(tokio::task::spawn_blocking(write).await)
}
