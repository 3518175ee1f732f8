//! The client's own streams, handed to the daemon: `ambit mcp` then only waits, and no byte passes through it. Two
//! copies and two changes of process less a call.

use std::fs::File;
use std::io::{self, IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;

use rustix::fs::{FileType, Mode, OFlags};
use rustix::net::{
    AddressFamily, RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer, SendAncillaryMessage,
    SendFlags, SocketType, recvmsg, sendmsg, sockopt,
};
use tokio::io::{AsyncRead, AsyncWrite, Interest};
use tokio::net::unix::pipe;

/// What the client writes to.
pub type Input = Box<dyn AsyncRead + Send + Unpin>;
/// What the client reads from.
pub type Output = Box<dyn AsyncWrite + Send + Unpin>;

/// Standard input and output of this process, fit to be handed over.
pub struct Own {
    input: OwnedFd,
    output: OwnedFd,
}

impl Own {
    /// `None` where they are no pipes and no sockets (a terminal, a file): those are copied.
    #[must_use]
    pub fn take() -> Option<Own> {
        let input = unblocking(io::stdin().as_fd(), OFlags::RDONLY)?;
        let output = unblocking(io::stdout().as_fd(), OFlags::WRONLY)?;
        Some(Own { input, output })
    }

    /// Sends them over a connection whose other end waits for them with [`receive`].
    ///
    /// # Errors
    /// When the other end is gone.
    pub fn send(self, over: &UnixStream) -> io::Result<()> {
        let both = [self.input.as_fd(), self.output.as_fd()];
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(2))];
        let mut control = SendAncillaryBuffer::new(&mut space);
        control.push(SendAncillaryMessage::ScmRights(&both));
        // Descriptors travel with at least one byte.
        sendmsg(over, &[IoSlice::new(b"\n")], &mut control, SendFlags::empty())?;
        Ok(())
    }
}

/// The same pipe or socket, that nobody waits in.
fn unblocking(fd: BorrowedFd<'_>, access: OFlags) -> Option<OwnedFd> {
    match FileType::from_raw_mode(rustix::fs::fstat(fd).ok()?.st_mode) {
        // Opened anew: whoever else has this end of the pipe goes on as before.
        FileType::Fifo => {
            let path = format!("/proc/self/fd/{}", std::os::fd::AsRawFd::as_raw_fd(&fd));
            rustix::fs::open(path, access | OFlags::NONBLOCK | OFlags::CLOEXEC, Mode::empty()).ok()
        }
        FileType::Socket if is_local_stream(fd) => {
            let own = fd.try_clone_to_owned().ok()?;
            let flags = rustix::fs::fcntl_getfl(&own).ok()?;
            rustix::fs::fcntl_setfl(&own, flags | OFlags::NONBLOCK).ok()?;
            Some(own)
        }
        _ => None,
    }
}

fn is_local_stream(fd: BorrowedFd<'_>) -> bool {
    sockopt::socket_domain(fd) == Ok(AddressFamily::UNIX) && sockopt::socket_type(fd) == Ok(SocketType::STREAM)
}

/// Waits for the streams that the other end hands over. Must be called within a Tokio runtime.
///
/// # Errors
/// When the other end is gone, or what it sent is not a stream to read from and one to write to.
pub async fn receive(over: &tokio::net::UnixStream) -> io::Result<(Input, Output)> {
    loop {
        over.readable().await?;
        match over.try_io(Interest::READABLE, || take(over.as_fd())) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            taken => {
                let [input, output] = taken?;
                return Ok((readable(input)?, writable(output)?));
            }
        }
    }
}

fn take(over: BorrowedFd<'_>) -> io::Result<[OwnedFd; 2]> {
    let mut byte = [0];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(2))];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    recvmsg(over, &mut [IoSliceMut::new(&mut byte)], &mut control, RecvFlags::CMSG_CLOEXEC)?;
    let mut fds = Vec::new();
    for message in control.drain() {
        if let RecvAncillaryMessage::ScmRights(sent) = message {
            fds.extend(sent);
        }
    }
    fds.try_into().map_err(|_| unfit("two streams were to be handed over"))
}

fn readable(fd: OwnedFd) -> io::Result<Input> {
    Ok(match kind(&fd)? {
        FileType::Fifo => Box::new(pipe::Receiver::from_file(File::from(fd))?),
        _ => Box::new(socket(fd)?),
    })
}

fn writable(fd: OwnedFd) -> io::Result<Output> {
    Ok(match kind(&fd)? {
        FileType::Fifo => Box::new(pipe::Sender::from_file(File::from(fd))?),
        _ => Box::new(socket(fd)?),
    })
}

fn kind(fd: &OwnedFd) -> io::Result<FileType> {
    Ok(FileType::from_raw_mode(rustix::fs::fstat(fd)?.st_mode))
}

fn socket(fd: OwnedFd) -> io::Result<tokio::net::UnixStream> {
    if !is_local_stream(fd.as_fd()) {
        return Err(unfit("what was handed over is no pipe and no local socket"));
    }
    let stream = UnixStream::from(fd);
    stream.set_nonblocking(true)?;
    tokio::net::UnixStream::from_std(stream)
}

fn unfit(why: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, why.to_owned())
}
