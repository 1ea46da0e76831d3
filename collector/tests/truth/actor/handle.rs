//! The test's side of an actor.

use std::io::{BufRead, BufReader, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::fd::OwnedFd;
use std::os::unix::net::{UnixListener, UnixStream};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use super::protocol::{Acceptor, Fd, Moment, Op, Reply, Who};
use super::serve::FLAG;
use super::sys;
use crate::case::{Fallible, Stop, failed, no};
use crate::machine::{BOUND, BOUND_MS};

/// No operation may take longer, one that waits included: then the kernel or the actor hangs.
const HANGS: Duration = BOUND.saturating_mul(2);

/// How an actor is ended when the test is over.
enum Life {
    /// A child of the test's.
    Process(Child),
    /// A child of another actor's.
    Forked,
    /// Ends with its process.
    Thread,
}

/// A process, or a thread of one, that does what it is told.
pub struct Actor {
    control: BufReader<UnixStream>,
    life: Life,
    who: Who,
    scratch: tempfile::TempDir,
}

/// When something happened: between these, by the wall clock, nanoseconds.
#[derive(Clone, Copy, Debug)]
pub struct Window {
    pub from: i64,
    pub to: i64,
}

impl Window {
    /// From the beginning of this to the end of that.
    pub fn until(self, later: Self) -> Self {
        Self {
            from: self.from,
            to: later.to,
        }
    }
}

/// An operation that is over.
#[derive(Clone, Debug)]
pub struct Done {
    pub result: Result<i64, i32>,
    pub window: Window,
    pub who: Who,
    pub local: Option<SocketAddr>,
    pub remote: Option<SocketAddr>,
}

/// An operation that is under way: its answer is still to come.
#[must_use]
pub struct Pending;

/// A socket that listens.
#[derive(Clone, Copy, Debug)]
pub struct Listener {
    pub fd: Fd,
    pub addr: SocketAddr,
}

/// One end of a connection, and the call that made it.
#[derive(Clone, Debug)]
pub struct Conn {
    pub fd: Fd,
    pub local: SocketAddr,
    pub remote: SocketAddr,
    pub done: Done,
}

impl Done {
    fn of(reply: Reply) -> Self {
        Self {
            result: reply.result,
            window: Window {
                from: reply.began.wall,
                to: reply.ended.wall,
            },
            who: reply.who,
            local: reply.local,
            remote: reply.remote,
        }
    }

    /// It must have worked; what it returned.
    pub fn ok(&self) -> Fallible<i64> {
        self.result
            .map_err(|errno| Stop::Failed(format!("{}", std::io::Error::from_raw_os_error(errno))))
    }

    /// It must have failed so.
    pub fn fails_with(&self, errno: i32) -> Fallible<()> {
        if self.result == Err(errno) {
            Ok(())
        } else {
            failed(format!("expected errno {errno}, got {:?}", self.result))
        }
    }
}

impl Actor {
    /// Starts one.
    pub fn start() -> Fallible<Self> {
        let (ours, theirs) = UnixStream::pair()?;
        let child = Command::new("/proc/self/exe")
            .arg(FLAG)
            .stdin(Stdio::from(OwnedFd::from(theirs)))
            .spawn()?;
        Self::meet(ours, Life::Process(child))
    }

    /// A client and a server.
    pub fn pair() -> Fallible<(Self, Self)> {
        Ok((Self::start()?, Self::start()?))
    }

    /// A client and a server in one network namespace of their own.
    pub fn pair_apart() -> Fallible<(Self, Self)> {
        let (mut client, mut server) = Self::pair()?;
        server.does(Op::OwnNetwork)?;
        client.does(Op::JoinNetwork {
            pid: server.who().pid,
        })?;
        Ok((client, server))
    }

    fn meet(control: UnixStream, life: Life) -> Fallible<Self> {
        control.set_read_timeout(Some(HANGS))?;
        let mut actor = Self {
            control: BufReader::new(control),
            life,
            who: Who::default(),
            scratch: tempfile::tempdir()?,
        };
        actor.does(Op::Hello)?;
        Ok(actor)
    }

    /// Who it was when it last said something.
    pub fn who(&self) -> &Who {
        &self.who
    }

    /// Tells it to begin; [`Self::finish`] gets the answer.
    pub fn begin(&mut self, op: &Op) -> Fallible<Pending> {
        let mut line = serde_json::to_vec(op)?;
        line.push(b'\n');
        self.control.get_mut().write_all(&line)?;
        Ok(Pending)
    }

    /// Waits for the answer of what was begun.
    pub fn finish(&mut self, _pending: Pending) -> Fallible<Done> {
        let mut line = String::new();
        if self.control.read_line(&mut line)? == 0 {
            return failed(format!("actor {} is gone", self.who.pid));
        }
        let done = Done::of(serde_json::from_str(&line)?);
        self.who = done.who.clone();
        Ok(done)
    }

    /// Does it, whatever comes of it.
    #[allow(clippy::needless_pass_by_value)] // Made for the call.
    pub fn tries(&mut self, op: Op) -> Fallible<Done> {
        let pending = self.begin(&op)?;
        self.finish(pending)
    }

    /// Does it, and it works.
    pub fn does(&mut self, op: Op) -> Fallible<Done> {
        let what = format!("{op:?}");
        let done = self.tries(op)?;
        match done.result {
            Ok(_) => Ok(done),
            Err(errno) => {
                let why = std::io::Error::from_raw_os_error(errno);
                failed(format!("{what}: {why}"))
            }
        }
    }

    /// Waits until it is blocked in a system call of that number.
    pub fn is_blocked_in(&self, call: i64) -> Fallible<()> {
        let path = format!("/proc/{}/task/{}/syscall", self.who.pid, self.who.tid);
        let begin = format!("{call} ");
        crate::case::until(|| {
            std::fs::read_to_string(&path).is_ok_and(|text| text.starts_with(&begin))
        })
        .map_err(|_| {
            Stop::Failed(format!(
                "actor {} does not block in call {call}",
                self.who.pid
            ))
        })
    }

    // What most cases need.

    /// A TCP socket of the address's family.
    pub fn socket(&mut self, like: SocketAddr) -> Fallible<Fd> {
        self.socket_with(like, 0, libc::IPPROTO_TCP)
    }

    pub fn socket_with(&mut self, like: SocketAddr, flags: i32, protocol: i32) -> Fallible<Fd> {
        let domain = domain(like);
        let done = self.does(Op::Socket {
            domain,
            flags,
            protocol,
        })?;
        as_fd(&done)
    }

    /// Listens at an address; port 0 is any that is free.
    pub fn listens(&mut self, at: SocketAddr) -> Fallible<Listener> {
        self.listens_with(at, 128, libc::IPPROTO_TCP)
    }

    pub fn listens_with(
        &mut self,
        at: SocketAddr,
        backlog: i32,
        protocol: i32,
    ) -> Fallible<Listener> {
        let fd = self.socket_with(at, 0, protocol)?;
        self.does(Op::Bind { fd, addr: at })?;
        let done = self.does(Op::Listen { fd, backlog })?;
        let addr = done.local.ok_or_else(no("name of a listener"))?;
        Ok(Listener { fd, addr })
    }

    /// A socket with a name of its own, so that it is known when the connect fails.
    pub fn bound(&mut self, addr: SocketAddr) -> Fallible<(Fd, SocketAddr)> {
        let fd = self.socket(addr)?;
        let done = self.does(Op::Bind { fd, addr })?;
        Ok((fd, done.local.ok_or_else(no("name of a bound socket"))?))
    }

    pub fn connects(&mut self, to: SocketAddr) -> Fallible<Conn> {
        let fd = self.socket(to)?;
        let done = self.does(Op::Connect { fd, addr: to })?;
        Conn::new(fd, done)
    }

    pub fn accepts(&mut self, listener: Listener) -> Fallible<Conn> {
        let done = self.does(Op::Accept {
            fd: listener.fd,
            by: Acceptor::Accept,
        })?;
        Conn::new(as_fd(&done)?, done)
    }

    pub fn closes(&mut self, fd: Fd) -> Fallible<Done> {
        self.does(Op::Close { fd })
    }

    pub fn sends(&mut self, fd: Fd, bytes: usize) -> Fallible<Done> {
        self.does(Op::Send { fd, bytes })
    }

    /// Receives exactly so much.
    pub fn receives(&mut self, fd: Fd, bytes: usize) -> Fallible<Done> {
        let done = self.does(Op::Recv { fd, bytes })?;
        if done.result == i64::try_from(bytes).map_err(|_| 0) {
            return Ok(done);
        }
        failed(format!("wanted {bytes} bytes, got {:?}", done.result))
    }

    /// Receives until the peer closes.
    pub fn drains(&mut self, fd: Fd) -> Fallible<Done> {
        self.does(Op::Recv {
            fd,
            bytes: usize::MAX,
        })
    }

    /// Waits for something to read.
    pub fn waits_for_data(&mut self, fd: Fd) -> Fallible<()> {
        if self.is_readable(fd, BOUND_MS)? {
            return Ok(());
        }
        failed("there is nothing to read")
    }

    /// Lets so much time pass, in which nobody sends anything.
    pub fn waits_in_vain(&mut self, fd: Fd, ms: i32) -> Fallible<()> {
        if self.is_readable(fd, ms)? {
            return failed("there is something to read");
        }
        Ok(())
    }

    fn is_readable(&mut self, fd: Fd, within_ms: i32) -> Fallible<bool> {
        Ok(self.does(Op::Readable { fd, within_ms })?.ok()? != 0)
    }

    pub fn shuts(&mut self, fd: Fd, how: i32) -> Fallible<Done> {
        self.does(Op::Shutdown { fd, how })
    }

    /// Runs a program in this actor's namespaces, its words parted by spaces.
    pub fn runs(&mut self, command: &str) -> Fallible<Done> {
        let mut words = command.split(' ').map(Into::into);
        self.does(Op::Run {
            program: words.next().ok_or_else(no("program"))?,
            args: words.collect(),
        })
    }

    pub fn sets(&mut self, fd: Fd, level: i32, name: i32, value: i32) -> Fallible<Done> {
        self.does(Op::Set {
            fd,
            level,
            name,
            value,
        })
    }

    /// A copy of the process, with copies of its descriptors.
    pub fn forks(&mut self) -> Fallible<Self> {
        let path = self.scratch.path().join("fork");
        let listener = UnixListener::bind(&path)?;
        self.does(Op::Fork { path: path.clone() })?;
        let (control, _) = listener.accept()?;
        std::fs::remove_file(path)?;
        Self::meet(control, Life::Forked)
    }

    /// Another thread of the process.
    pub fn thread(&mut self) -> Fallible<Self> {
        let path = self.scratch.path().join("thread");
        let listener = UnixListener::bind(&path)?;
        self.does(Op::Thread { path: path.clone() })?;
        let (control, _) = listener.accept()?;
        std::fs::remove_file(path)?;
        Self::meet(control, Life::Thread)
    }

    /// Gives a descriptor to another process; the descriptor there.
    pub fn passes(&mut self, fd: Fd, to: &mut Self) -> Fallible<Fd> {
        let path = to.scratch.path().join("pass");
        let ready = to.begin(&Op::Take { path: path.clone() })?;
        to.finish(ready)?.ok()?;
        self.does(Op::Pass { fd, path })?;
        let taken = to.finish(Pending)?;
        taken.ok()?;
        as_fd(&taken)
    }

    /// Ends without closing anything by itself. What it says of the actor is from before.
    pub fn exits(&mut self, status: i32) -> Fallible<Done> {
        let began = sys::now();
        let _ = self.begin(&Op::Exit { status })?;
        self.is_gone(began)
    }

    /// Sends a signal that ends it, and waits until it is gone.
    pub fn is_killed(&mut self, signal: rustix::process::Signal) -> Fallible<Done> {
        let began = sys::now();
        self.signal(signal)?;
        self.is_gone(began)
    }

    /// Whether its network namespace has no such socket any more that is open or being opened.
    pub fn has_no_socket(&self, local: SocketAddr, remote: SocketAddr) -> Fallible<bool> {
        let table = std::fs::read_to_string(format!("/proc/{}/net/tcp", self.who.pid))?;
        let ports = format!(":{:04X} ", local.port());
        let other = format!(":{:04X} ", remote.port());
        Ok(!table
            .lines()
            .any(|line| line.contains(&ports) && line.contains(&other)))
    }

    pub fn signal(&self, signal: rustix::process::Signal) -> Fallible<()> {
        let pid =
            rustix::process::Pid::from_raw(self.who.pid.cast_signed()).ok_or_else(no("process"))?;
        Ok(rustix::process::kill_process(pid, signal)?)
    }

    fn is_gone(&mut self, began: Moment) -> Fallible<Done> {
        if let Life::Process(child) = &mut self.life {
            crate::case::until(|| !matches!(child.try_wait(), Ok(None)))?;
        } else {
            // Its end of the control socket is closed with everything else.
            let mut line = String::new();
            let _ = self.control.read_line(&mut line);
        }
        Ok(Done {
            result: Ok(0),
            window: Window {
                from: began.wall,
                to: sys::now().wall,
            },
            who: self.who.clone(),
            local: None,
            remote: None,
        })
    }
}

impl Drop for Actor {
    fn drop(&mut self) {
        match &mut self.life {
            Life::Process(child) => {
                let _ = child.kill();
                let _ = child.wait();
            }
            // Not reaped as long as its parent lives, so that the number is still its own; and if
            // its parent is gone, so is it.
            Life::Forked => {
                let _ = self.control.get_mut().shutdown(std::net::Shutdown::Both);
            }
            Life::Thread => {}
        }
    }
}

impl Conn {
    pub fn new(fd: Fd, done: Done) -> Fallible<Self> {
        Ok(Self {
            fd,
            local: done.local.ok_or_else(no("local name"))?,
            remote: done.remote.ok_or_else(no("remote name"))?,
            done,
        })
    }
}

pub fn as_fd(done: &Done) -> Fallible<Fd> {
    Ok(done.ok()?.try_into()?)
}

/// `AF_INET` or `AF_INET6`.
pub fn domain(like: SocketAddr) -> i32 {
    match like {
        SocketAddr::V4(_) => libc::AF_INET,
        SocketAddr::V6(_) => libc::AF_INET6,
    }
}

/// Any free port of 127.0.0.1.
pub const V4: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 0);
/// Any free port of `::1`.
pub const V6: SocketAddr = SocketAddr::new(IpAddr::V6(Ipv6Addr::LOCALHOST), 0);
/// Any free port of all addresses of both families.
pub const ANY6: SocketAddr = SocketAddr::new(IpAddr::V6(Ipv6Addr::UNSPECIFIED), 0);
