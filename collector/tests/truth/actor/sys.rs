//! The system calls that actors make: each function is one of them, and answers with its errno.
#![allow(unsafe_code)]

use std::io;
use std::net::SocketAddr;
use std::os::fd::{BorrowedFd, FromRawFd, OwnedFd};

use libc::{c_int, c_void};
use socket2::{SockAddr, SockRef};

use super::protocol::{Fd, Moment};

/// A call's result, or its errno.
pub type Answer = Result<i64, i32>;

fn answer(result: impl Into<i64>) -> Answer {
    match result.into() {
        -1 => Err(errno()),
        n => Ok(n),
    }
}

/// A result that is a descriptor.
pub fn fd(answer: Answer) -> Result<Fd, i32> {
    answer.and_then(|fd| fd.try_into().map_err(|_| libc::EBADF))
}

fn errno() -> i32 {
    io::Error::last_os_error().raw_os_error().unwrap_or(0)
}

fn of_io<T>(result: io::Result<T>) -> Result<T, i32> {
    result.map_err(|e| e.raw_os_error().unwrap_or(libc::EIO))
}

/// Closes a descriptor that the test named.
pub fn close(fd: Fd) -> Answer {
    // SAFETY: no memory is involved; the actor's own descriptors are never named by a test.
    answer(unsafe { libc::close(fd) })
}

pub fn borrow<'a>(fd: Fd) -> BorrowedFd<'a> {
    // SAFETY: the test names descriptors that it knows to be open, and the loan ends with the call.
    unsafe { BorrowedFd::borrow_raw(fd) }
}

/// Makes a raw descriptor owned, so that it is closed when it is dropped.
pub fn own(fd: Fd) -> OwnedFd {
    // SAFETY: fresh from the kernel, and owned by nobody else.
    unsafe { OwnedFd::from_raw_fd(fd) }
}

pub fn socket(domain: c_int, flags: c_int, protocol: c_int) -> Answer {
    // SAFETY: no memory is involved.
    answer(unsafe { libc::socket(domain, libc::SOCK_STREAM | flags, protocol) })
}

pub fn bind(fd: Fd, addr: SocketAddr) -> Answer {
    let addr = SockAddr::from(addr);
    of_io(SockRef::from(&borrow(fd)).bind(&addr)).map(|()| 0)
}

pub fn listen(fd: Fd, backlog: c_int) -> Answer {
    // SAFETY: no memory is involved.
    answer(unsafe { libc::listen(fd, backlog) })
}

pub fn connect(fd: Fd, addr: SocketAddr) -> Answer {
    let addr = SockAddr::from(addr);
    // SAFETY: the address and its length belong together.
    answer(unsafe { libc::connect(fd, addr.as_ptr().cast(), addr.len()) })
}

pub fn disconnect(fd: Fd) -> Answer {
    let addr = libc::sockaddr {
        sa_family: libc::AF_UNSPEC.cast_unsigned().try_into().unwrap_or(0),
        sa_data: [0; 14],
    };
    // SAFETY: the address lives as long as the call.
    answer(unsafe { libc::connect(fd, &raw const addr, 16) })
}

pub fn accept(fd: Fd) -> Answer {
    let nobody = std::ptr::null_mut::<c_void>();
    // SAFETY: the peer's address is not asked for. Not libc::accept, which may be accept4.
    answer(unsafe { libc::syscall(libc::SYS_accept, fd, nobody, nobody) })
}

pub fn accept4(fd: Fd) -> Answer {
    let (nobody, len) = (std::ptr::null_mut(), std::ptr::null_mut());
    // SAFETY: the peer's address is not asked for.
    answer(unsafe { libc::accept4(fd, nobody, len, libc::SOCK_CLOEXEC) })
}

/// Waits until something of `events` holds; the result is what holds, 0 after the time.
pub fn poll(fd: Fd, events: i16, within_ms: c_int) -> Answer {
    let mut pollfd = libc::pollfd {
        fd,
        events,
        revents: 0,
    };
    // SAFETY: one structure, and the count says so.
    answer(unsafe { libc::poll(&raw mut pollfd, 1, within_ms) })?;
    Ok(pollfd.revents.into())
}

pub fn epoll_wait(socket: Fd, within_ms: c_int) -> Answer {
    // SAFETY: no memory is involved.
    let epoll = own(fd(answer(unsafe {
        libc::epoll_create1(libc::EPOLL_CLOEXEC)
    }))?);
    let epoll = std::os::fd::AsRawFd::as_raw_fd(&epoll);
    let mut event = libc::epoll_event {
        events: libc::EPOLLIN.cast_unsigned(),
        u64: 0,
    };
    // SAFETY: the structure lives as long as the calls.
    unsafe {
        answer(libc::epoll_ctl(
            epoll,
            libc::EPOLL_CTL_ADD,
            socket,
            &raw mut event,
        ))?;
        answer(libc::epoll_wait(epoll, &raw mut event, 1, within_ms))
    }
}

pub fn send(fd: Fd, bytes: &[u8], flags: c_int) -> Answer {
    // SAFETY: pointer and length are of one slice.
    let n = unsafe {
        libc::send(
            fd,
            bytes.as_ptr().cast(),
            bytes.len(),
            flags | libc::MSG_NOSIGNAL,
        )
    };
    answer(n as i64)
}

pub fn send_to(fd: Fd, bytes: &[u8], addr: SocketAddr, flags: c_int) -> Answer {
    let addr = SockAddr::from(addr);
    // SAFETY: pointers and lengths belong together.
    let n = unsafe {
        libc::sendto(
            fd,
            bytes.as_ptr().cast(),
            bytes.len(),
            flags | libc::MSG_NOSIGNAL,
            addr.as_ptr().cast(),
            addr.len(),
        )
    };
    answer(n as i64)
}

pub fn recv(fd: Fd, bytes: &mut [u8]) -> Answer {
    // SAFETY: pointer and length are of one slice.
    let n = unsafe { libc::recv(fd, bytes.as_mut_ptr().cast(), bytes.len(), 0) };
    answer(n as i64)
}

pub fn set_non_blocking(fd: Fd) -> Answer {
    of_io(SockRef::from(&borrow(fd)).set_nonblocking(true)).map(|()| 0)
}

pub fn shutdown(fd: Fd, how: c_int) -> Answer {
    // SAFETY: no memory is involved.
    answer(unsafe { libc::shutdown(fd, how) })
}

/// Sets an option whose value is of any plain type.
pub fn set<T: Copy>(fd: Fd, level: c_int, name: c_int, value: T) -> Answer {
    let len = u32::try_from(size_of::<T>()).unwrap_or(u32::MAX);
    // SAFETY: pointer and length are of one value.
    answer(unsafe { libc::setsockopt(fd, level, name, (&raw const value).cast(), len) })
}

pub fn get(fd: Fd, level: c_int, name: c_int) -> Answer {
    let mut value: c_int = 0;
    let mut len = 4;
    // SAFETY: pointer and length are of one value.
    answer(unsafe { libc::getsockopt(fd, level, name, (&raw mut value).cast(), &raw mut len) })?;
    Ok(value.into())
}

/// The first byte of `struct tcp_info`.
pub fn tcp_state(fd: Fd) -> Answer {
    get(fd, libc::IPPROTO_TCP, libc::TCP_INFO).map(|word| word & 0xff)
}

/// How many segments were sent again, of `struct tcp_info`.
pub fn tcp_retransmitted(fd: Fd) -> Answer {
    // SAFETY: all zero is a valid structure.
    let mut info: libc::tcp_info = unsafe { std::mem::zeroed() };
    let mut len = u32::try_from(size_of::<libc::tcp_info>()).unwrap_or(0);
    let (level, name) = (libc::IPPROTO_TCP, libc::TCP_INFO);
    // SAFETY: pointer and length are of one structure.
    answer(unsafe { libc::getsockopt(fd, level, name, (&raw mut info).cast(), &raw mut len) })?;
    Ok(info.tcpi_total_retrans.into())
}

/// A filter that lets nothing pass.
pub fn drop_everything(fd: Fd) -> Answer {
    // BPF_RET | BPF_K with 0: the length to keep.
    let mut program = [libc::sock_filter {
        code: 0x06,
        jt: 0,
        jf: 0,
        k: 0,
    }];
    let filter = libc::sock_fprog {
        len: 1,
        filter: program.as_mut_ptr(),
    };
    set(fd, libc::SOL_SOCKET, libc::SO_ATTACH_FILTER, filter)
}

pub fn drop_nothing(fd: Fd) -> Answer {
    set(fd, libc::SOL_SOCKET, libc::SO_DETACH_FILTER, 0_i32)
}

pub fn dup(fd: Fd) -> Answer {
    // SAFETY: no memory is involved.
    answer(unsafe { libc::dup(fd) })
}

/// The child goes on with one thread only.
pub fn fork() -> Answer {
    // SAFETY: the child goes on in code that needs no lock of another thread; actors fork before
    // they start threads.
    answer(unsafe { libc::fork() })
}

pub fn exit(status: c_int) -> ! {
    // SAFETY: ends the process.
    unsafe { libc::_exit(status) }
}

/// Ended when the one that started it ends.
pub fn die_with_parent() -> Answer {
    // SAFETY: no memory is involved.
    answer(unsafe { libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL) })
}

pub fn rename(comm: &[u8]) -> Answer {
    let mut name = [0_u8; 16];
    for (to, from) in name.iter_mut().zip(comm) {
        *to = *from;
    }
    // SAFETY: the kernel copies at most 16 bytes.
    answer(unsafe { libc::prctl(libc::PR_SET_NAME, name.as_ptr()) })
}

/// The calling thread's name.
pub fn thread() -> Vec<u8> {
    let mut name = [0_u8; 16];
    // SAFETY: the kernel writes 16 bytes.
    unsafe { libc::prctl(libc::PR_GET_NAME, name.as_mut_ptr()) };
    name.iter().copied().take_while(|b| *b != 0).collect()
}

/// The process's name, which is its first thread's.
pub fn comm() -> Vec<u8> {
    let mut name = std::fs::read("/proc/self/comm").unwrap_or_default();
    name.pop_if(|last| *last == b'\n');
    name
}

/// The calling thread's; an actor that changes them has one.
pub fn set_ids(uid: u32, gid: u32) -> Answer {
    // SAFETY: no memory is involved.
    unsafe {
        answer(libc::setresgid(gid, gid, gid))?;
        answer(libc::setresuid(uid, uid, uid))
    }
}

pub fn ids() -> (u32, u32) {
    // SAFETY: no memory is involved.
    unsafe { (libc::getuid(), libc::getgid()) }
}

pub fn tid() -> u32 {
    // SAFETY: no memory is involved.
    unsafe { libc::gettid() }.cast_unsigned()
}

pub fn own_network() -> Answer {
    // SAFETY: no memory is involved.
    answer(unsafe { libc::unshare(libc::CLONE_NEWNET) })
}

pub fn join_network(namespace: Fd) -> Answer {
    // SAFETY: no memory is involved.
    answer(unsafe { libc::setns(namespace, libc::CLONE_NEWNET) })
}

/// Brings the loopback device up; its addresses come by themselves.
pub fn loopback_up() -> Answer {
    const IFF_UP: i16 = 1;
    // SAFETY: all zero is a valid structure, and the name fits.
    let mut request: libc::ifreq = unsafe { std::mem::zeroed() };
    for (to, from) in request.ifr_name.iter_mut().zip(b"lo") {
        *to = from.cast_signed();
    }
    request.ifr_ifru.ifru_flags = IFF_UP;
    let socket = own(socket_of(libc::AF_INET, libc::SOCK_DGRAM)?);
    let device = std::os::fd::AsRawFd::as_raw_fd(&socket);
    // SAFETY: the structure is what the request wants.
    answer(unsafe { libc::ioctl(device, libc::SIOCSIFFLAGS, &raw const request) })
}

fn socket_of(domain: c_int, kind: c_int) -> Result<Fd, i32> {
    // SAFETY: no memory is involved.
    fd(answer(unsafe {
        libc::socket(domain, kind | libc::SOCK_CLOEXEC, 0)
    }))
}

/// The names of both ends, as long as the socket has them.
pub fn names(fd: Fd) -> (Option<SocketAddr>, Option<SocketAddr>) {
    let fd = borrow(fd);
    let socket = SockRef::from(&fd);
    let name = |addr: io::Result<SockAddr>| addr.ok().and_then(|addr| addr.as_socket());
    (name(socket.local_addr()), name(socket.peer_addr()))
}

pub fn now() -> Moment {
    let nanos = |time: rustix::time::Timespec| time.tv_sec * 1_000_000_000 + time.tv_nsec;
    Moment {
        wall: nanos(rustix::time::clock_gettime(rustix::time::ClockId::Realtime)),
        monotonic: nanos(rustix::time::clock_gettime(
            rustix::time::ClockId::Monotonic,
        )),
    }
}
