//! Ctrl-C, and what else asks a process to end: passed on as news, so that everything is put away in order.

use std::io::Read;
use std::os::unix::net::UnixStream;
use std::sync::mpsc::Sender;
use std::thread;

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};

use super::Failure;
use super::news::News;

/// Listens from now on. The second time, whoever asked does not want to wait: the process ends at once, and the
/// keeper puts everything away.
pub(super) fn listen(news: Sender<News>) -> Result<(), Failure> {
    let failed = "catch signals";
    let (mut read, write) = UnixStream::pair().map_err(Failure::system(failed))?;
    for signal in [SIGINT, SIGTERM, SIGHUP] {
        let write = write.try_clone().map_err(Failure::system(failed))?;
        signal_hook::low_level::pipe::register(signal, write).map_err(Failure::system(failed))?;
    }
    thread::spawn(move || {
        let mut byte = [0];
        let mut asked = false;
        while read.read(&mut byte).is_ok_and(|count| count > 0) {
            if asked {
                std::process::exit(130);
            }
            asked = true;
            // If nobody listens any more, it is ending already.
            drop(news.send(News::Interrupted));
        }
    });
    Ok(())
}
