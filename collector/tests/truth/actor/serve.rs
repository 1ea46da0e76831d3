//! The actor's side: reads what to do, does it, says what came of it.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::SocketAddr;
use std::os::fd::{AsFd, AsRawFd, IntoRawFd};
use std::os::unix::fs::MetadataExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::time::Instant;

use super::protocol::{Acceptor, Fd, Op, Reply, Who};
use super::sys::{self, Answer};
use super::{diag, icmp, uring};
use crate::machine::{BOUND, BOUND_MS};

/// The argument that makes this binary an actor.
pub const FLAG: &str = "--actor";

/// What a socket's payload consists of.
static PAYLOAD: [u8; 1 << 16] = [b'.'; 1 << 16];

/// The process that the test starts: its standard input is the test's end of a socket pair.
pub fn main() {
    let _ = sys::die_with_parent();
    let Ok(control) = sys::borrow(0).try_clone_to_owned() else {
        return;
    };
    serve(&UnixStream::from(control));
}

/// Until the test hangs up.
fn serve(control: &UnixStream) {
    let Ok(mut answers) = control.try_clone() else {
        return;
    };
    let mut actor = Served { control };
    for line in BufReader::new(control).lines() {
        let Ok(Ok(op)) = line.map(|line| serde_json::from_str::<Op>(&line)) else {
            return;
        };
        let reply = actor.reply(&op);
        if say(&mut answers, &reply).is_err() {
            return;
        }
    }
}

fn say(to: &mut UnixStream, reply: &Reply) -> std::io::Result<()> {
    let mut line = serde_json::to_vec(reply)?;
    line.push(b'\n');
    to.write_all(&line)
}

struct Served<'a> {
    control: &'a UnixStream,
}

impl Served<'_> {
    fn reply(&mut self, op: &Op) -> Reply {
        let began = sys::now();
        let result = self.perform(op);
        let ended = sys::now();
        let (local, remote) = socket_of(op, result).map_or((None, None), sys::names);
        Reply {
            result,
            began,
            ended,
            who: who(),
            local,
            remote,
        }
    }

    fn perform(&mut self, op: &Op) -> Answer {
        match op {
            Op::Hello => Ok(0),
            Op::Socket {
                domain,
                flags,
                protocol,
            } => sys::socket(*domain, *flags, *protocol),
            Op::Bind { fd, addr } => sys::bind(*fd, *addr),
            Op::Listen { fd, backlog } => sys::listen(*fd, *backlog),
            Op::Connect { fd, addr } => sys::connect(*fd, *addr),
            Op::Disconnect { fd } => sys::disconnect(*fd),
            Op::Connected { fd } => {
                sys::poll(*fd, libc::POLLOUT, BOUND_MS)?;
                sys::get(*fd, libc::SOL_SOCKET, libc::SO_ERROR)
            }
            Op::Accept { fd, by } => accept(*fd, *by),
            Op::SendFastOpen { fd, addr, bytes } => {
                let payload = PAYLOAD.get(..*bytes).ok_or(libc::EMSGSIZE)?;
                sys::send_to(*fd, payload, *addr, libc::MSG_FASTOPEN)
            }
            Op::Send { fd, bytes } => send(*fd, *bytes),
            Op::Recv { fd, bytes } => recv(*fd, *bytes),
            Op::Shutdown { fd, how } => sys::shutdown(*fd, *how),
            Op::Set {
                fd,
                level,
                name,
                value,
            } => sys::set(*fd, *level, *name, *value),
            Op::Linger { fd, seconds } => {
                let linger = libc::linger {
                    l_onoff: 1,
                    l_linger: *seconds,
                };
                sys::set(*fd, libc::SOL_SOCKET, libc::SO_LINGER, linger)
            }
            Op::Deafen { fd } => sys::drop_everything(*fd),
            Op::Hear { fd } => sys::drop_nothing(*fd),
            Op::NonBlocking { fd } => sys::set_non_blocking(*fd),
            Op::Readable { fd, within_ms } => sys::poll(*fd, libc::POLLIN, *within_ms),
            Op::SentAgain { fd } => sent_again(*fd),
            Op::Destroy { local, remote } => diag::destroy(*local, *remote),
            Op::State { fd } => sys::tcp_state(*fd),
            Op::Close { fd } => sys::close(*fd),
            Op::Dup { fd } => sys::dup(*fd),
            Op::Fork { path } => fork(path),
            Op::Thread { path } => thread(path.clone()),
            Op::Pass { fd, path } => pass(*fd, path),
            Op::Take { path } => self.take(path),
            Op::Rename { comm } => sys::rename(comm),
            Op::SetIds { uid, gid } => sys::set_ids(*uid, *gid),
            Op::OwnNetwork => {
                sys::own_network()?;
                sys::loopback_up()
            }
            Op::JoinNetwork { pid } => {
                let path = format!("/proc/{pid}/ns/net");
                let namespace = fs::File::open(path).map_err(errno)?;
                sys::join_network(namespace.as_raw_fd())
            }
            Op::OwnCgroup { name } => own_cgroup(name),
            Op::WriteFile { path, text } => fs::write(path, text).map(|()| 0).map_err(errno),
            Op::Run { program, args } => run(program, args),
            Op::Exit { status } => sys::exit(*status),
            Op::Burst {
                domain,
                addr,
                times,
            } => burst(*domain, *addr, *times),
            Op::Serve { fd, times } => serve_burst(*fd, *times),
            Op::Tap { domain } => icmp::tap(*domain),
            Op::AnswerByIcmp { tap, port, code } => icmp::answer(*tap, *port, *code),
            Op::UringRead { bytes } => uring::read(*bytes),
            Op::Uring { fd, how } => uring::accept(*fd, *how),
        }
    }

    /// Says that it listens, and waits for somebody to send a descriptor.
    fn take(&mut self, path: &Path) -> Answer {
        let listener = UnixListener::bind(path).map_err(errno)?;
        let ready = Reply {
            result: Ok(0),
            began: sys::now(),
            ended: sys::now(),
            who: who(),
            local: None,
            remote: None,
        };
        say(&mut self.control.try_clone().map_err(errno)?, &ready).map_err(errno)?;
        let (from, _) = listener.accept().map_err(errno)?;
        let mut space = [std::mem::MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
        let mut ancillary = rustix::net::RecvAncillaryBuffer::new(&mut space);
        let mut byte = [0];
        rustix::net::recvmsg(
            &from,
            &mut [std::io::IoSliceMut::new(&mut byte)],
            &mut ancillary,
            rustix::net::RecvFlags::empty(),
        )
        .map_err(rustix::io::Errno::raw_os_error)?;
        for message in ancillary.drain() {
            if let rustix::net::RecvAncillaryMessage::ScmRights(mut fds) = message {
                return fds
                    .next()
                    .map(|fd| fd.into_raw_fd().into())
                    .ok_or(libc::EBADF);
            }
        }
        Err(libc::EBADF)
    }
}

#[allow(clippy::needless_pass_by_value)] // As map_err has it.
fn errno(error: std::io::Error) -> i32 {
    error.raw_os_error().unwrap_or(libc::EIO)
}

/// The socket that an operation is about, while it is open.
fn socket_of(op: &Op, result: Answer) -> Option<Fd> {
    match op {
        Op::Accept { .. } | Op::Uring { .. } | Op::Take { .. } => {
            result.ok().and_then(|fd| fd.try_into().ok())
        }
        Op::Bind { fd, .. }
        | Op::Listen { fd, .. }
        | Op::Connect { fd, .. }
        | Op::Connected { fd, .. }
        | Op::SendFastOpen { fd, .. }
        | Op::Send { fd, .. }
        | Op::Recv { fd, .. } => Some(*fd),
        _ => None,
    }
}

fn accept(fd: Fd, by: Acceptor) -> Answer {
    match by {
        Acceptor::Accept => sys::accept(fd),
        Acceptor::Accept4 => sys::accept4(fd),
        Acceptor::Epoll => {
            sys::epoll_wait(fd, BOUND_MS)?;
            sys::accept(fd)
        }
    }
}

fn send(fd: Fd, bytes: usize) -> Answer {
    let mut sent = 0;
    while sent < bytes {
        let piece = &PAYLOAD[..PAYLOAD.len().min(bytes - sent)];
        match sys::send(fd, piece, 0) {
            Ok(n) => sent += usize::try_from(n).unwrap_or(0),
            Err(libc::EAGAIN) if sent > 0 => break,
            Err(errno) => return Err(errno),
        }
    }
    Ok(i64::try_from(sent).unwrap_or(i64::MAX))
}

fn recv(fd: Fd, bytes: usize) -> Answer {
    let mut buffer = vec![0; 1 << 16];
    let mut received = 0;
    while received < bytes {
        let room = buffer.len().min(bytes - received);
        match sys::recv(fd, &mut buffer[..room])? {
            0 => break,
            n => received += usize::try_from(n).unwrap_or(0),
        }
    }
    Ok(i64::try_from(received).unwrap_or(i64::MAX))
}

fn sent_again(fd: Fd) -> Answer {
    let deadline = Instant::now() + BOUND;
    while Instant::now() < deadline {
        match sys::tcp_retransmitted(fd)? {
            0 => std::thread::yield_now(),
            segments => return Ok(segments),
        }
    }
    Err(libc::ETIMEDOUT)
}

fn burst(domain: i32, addr: SocketAddr, times: u32) -> Answer {
    let mut connected = 0;
    for _ in 0..times {
        let fd = sys::fd(sys::socket(domain, 0, libc::IPPROTO_TCP))?;
        connected += i64::from(sys::connect(fd, addr).is_ok());
        sys::close(fd)?;
    }
    Ok(connected)
}

fn serve_burst(fd: Fd, times: u32) -> Answer {
    let mut byte = [0];
    for _ in 0..times {
        let accepted = sys::fd(sys::accept4(fd))?;
        let _ = sys::recv(accepted, &mut byte);
        sys::close(accepted)?;
    }
    Ok(times.into())
}

fn fork(path: &Path) -> Answer {
    match sys::fork()? {
        0 => {
            let _ = sys::die_with_parent();
            if let Ok(control) = UnixStream::connect(path) {
                serve(&control);
            }
            sys::exit(0)
        }
        pid => Ok(pid),
    }
}

fn thread(path: PathBuf) -> Answer {
    let control = UnixStream::connect(path).map_err(errno)?;
    std::thread::Builder::new()
        .spawn(move || serve(&control))
        .map(|_| 0)
        .map_err(errno)
}

fn pass(fd: Fd, path: &Path) -> Answer {
    let to = UnixStream::connect(path).map_err(errno)?;
    let mut space = [std::mem::MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut ancillary = rustix::net::SendAncillaryBuffer::new(&mut space);
    let fds = [sys::borrow(fd)];
    ancillary.push(rustix::net::SendAncillaryMessage::ScmRights(&fds));
    rustix::net::sendmsg(
        to.as_fd(),
        &[std::io::IoSlice::new(b".")],
        &mut ancillary,
        rustix::net::SendFlags::empty(),
    )
    .map(|n| i64::try_from(n).unwrap_or(0))
    .map_err(rustix::io::Errno::raw_os_error)
}

fn who() -> Who {
    let (uid, gid) = sys::ids();
    let inode = |path| fs::metadata(path).map_or(0, |m| m.ino());
    Who {
        pid: std::process::id(),
        tid: sys::tid(),
        comm: sys::comm(),
        thread: sys::thread(),
        uid,
        gid,
        netns: u32::try_from(inode("/proc/thread-self/ns/net")).unwrap_or(0),
        mntns: u32::try_from(inode("/proc/thread-self/ns/mnt")).unwrap_or(0),
        cgroup: cgroup(),
    }
}

/// Where the v2 hierarchy is mounted, and this process's place in it.
pub fn hierarchy() -> Option<(Option<String>, String)> {
    let own = fs::read_to_string("/proc/thread-self/cgroup").ok()?;
    let path = own.lines().find_map(|line| line.strip_prefix("0::"))?;
    let mounts = fs::read_to_string("/proc/self/mountinfo").ok()?;
    let mount = mounts.lines().find_map(|line| {
        let (place, kind) = line.split_once(" - ")?;
        kind.starts_with("cgroup2 ")
            .then(|| place.split(' ').nth(4))?
    });
    Some((mount.map(Into::into), path.into()))
}

/// The id in the v2 hierarchy: the inode number of its folder.
fn cgroup() -> Option<u64> {
    match hierarchy()? {
        (Some(mount), path) => fs::metadata(format!("{mount}{path}")).ok().map(|m| m.ino()),
        // The root's number is the same everywhere.
        (None, path) => (path == "/").then_some(1),
    }
}

fn run(program: &str, args: &[String]) -> Answer {
    let quiet = std::process::Stdio::null;
    let status = std::process::Command::new(program)
        .args(args)
        .stdin(quiet())
        .status()
        .map_err(errno)?;
    if status.success() {
        Ok(0)
    } else {
        Err(libc::EINVAL)
    }
}

fn own_cgroup(name: &str) -> Answer {
    let Some((Some(mount), path)) = hierarchy() else {
        return Ok(0);
    };
    let folder = Path::new(&format!("{mount}{path}")).join(name);
    fs::create_dir(&folder).map_err(errno)?;
    fs::write(folder.join("cgroup.procs"), "0").map_err(errno)?;
    Ok(1)
}
