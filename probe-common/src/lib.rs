//! The records that cross the boundary between the probes and user space.
#![no_std]
