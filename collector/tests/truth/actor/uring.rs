//! Accepting through `io_uring`.
#![allow(unsafe_code)]

use io_uring::{IoUring, opcode, squeue, types};

use super::protocol::{Fd, Uring};
use super::sys::Answer;

/// Takes one connection. With [`Uring::Direct`] the result is its slot, and the connection is
/// closed through the ring; else it is the descriptor.
pub fn accept(fd: Fd, how: Uring) -> Answer {
    let errno = |e: std::io::Error| e.raw_os_error().unwrap_or(libc::EIO);
    let mut builder = IoUring::builder();
    if how == Uring::SqPoll {
        builder.setup_sqpoll(100);
    }
    let mut ring = builder.build(8).map_err(errno)?;
    let entry = accept_entry(fd, how, &ring).map_err(errno)?;
    let result = run(&mut ring, &entry).map_err(errno)?;
    let result = if result < 0 {
        return Err(-result);
    } else {
        result
    };
    if how == Uring::Direct {
        let slot = types::Fixed(result.cast_unsigned());
        run(&mut ring, &opcode::Close::new(slot).build()).map_err(errno)?;
    }
    Ok(result.into())
}

/// Reads so many bytes, which is the result.
pub fn read(bytes: usize) -> Answer {
    let errno = |e: std::io::Error| e.raw_os_error().unwrap_or(libc::EIO);
    let zero = std::fs::File::open("/dev/zero").map_err(errno)?;
    let mut buffer = vec![0_u8; bytes];
    let mut ring = IoUring::new(8).map_err(errno)?;
    let fd = types::Fd(std::os::fd::AsRawFd::as_raw_fd(&zero));
    let len = u32::try_from(bytes).map_err(|_| libc::EINVAL)?;
    // The buffer lives until the completion.
    let entry = opcode::Read::new(fd, buffer.as_mut_ptr(), len).build();
    run(&mut ring, &entry).map(Into::into).map_err(errno)
}

fn accept_entry(fd: Fd, how: Uring, ring: &IoUring) -> std::io::Result<squeue::Entry> {
    let null = std::ptr::null_mut();
    Ok(match how {
        Uring::Single | Uring::SqPoll => {
            opcode::Accept::new(types::Fd(fd), null, std::ptr::null_mut()).build()
        }
        Uring::Worker => opcode::Accept::new(types::Fd(fd), null, std::ptr::null_mut())
            .build()
            .flags(squeue::Flags::ASYNC),
        Uring::Multishot => opcode::AcceptMulti::new(types::Fd(fd)).build(),
        Uring::Direct => {
            ring.submitter().register_files_sparse(4)?;
            let slot = types::DestinationSlot::try_from_slot_target(1).ok();
            opcode::Accept::new(types::Fd(fd), null, std::ptr::null_mut())
                .file_index(slot)
                .build()
        }
    })
}

/// Submits one entry, and waits for its first completion.
fn run(ring: &mut IoUring, entry: &squeue::Entry) -> std::io::Result<i32> {
    // SAFETY: the entries name descriptors, and memory that lives until they are complete.
    let pushed = unsafe { ring.submission().push(entry) };
    pushed.map_err(|_| std::io::Error::from_raw_os_error(libc::EBUSY))?;
    ring.submit_and_wait(1)?;
    let completion = ring.completion().next();
    completion
        .map(|completion| completion.result())
        .ok_or_else(|| std::io::Error::from_raw_os_error(libc::EAGAIN))
}
