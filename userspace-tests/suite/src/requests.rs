// SPDX-License-Identifier: MIT OR Apache-2.0
//! Updates and deletions of elements, by syscalls or by a program (bpf/on_request.bpf.c).

use std::{io, os::fd::AsFd};

use anyhow::Result;
use lpm_mtrie::{Loader, Object, Program};
use raw_bpf::RawMap;

use crate::{harness::Type, maps::Shape, model::ANY, objects};

/// The shape of the program's map. Values of nearly a page reach a memory limit quickly.
pub const SHAPE: Shape = Shape {
    data: 4,
    value: 4000,
    max_entries: 65_535,
};

/// Who writes to the map.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum By {
    Syscall,
    Program,
}

/// A map of [`SHAPE`], and its writer.
pub struct Requests {
    pub map: RawMap,
    program: Option<(Object, Program)>,
}

impl Requests {
    pub fn new(on: Type, map: RawMap, by: By) -> Result<Self> {
        let program = match by {
            By::Syscall => None,
            By::Program => {
                let object = Loader::new()
                    .lpm_type(on.map_type())
                    .reuse("lpm", map.fd().try_clone_to_owned()?)
                    .load(objects::ON_REQUEST)?;
                let program = object.load_program("serve")?;
                Some((object, program))
            }
        };
        Ok(Self { map, program })
    }

    pub fn update(&self, key: &[u8], value: &[u8]) -> io::Result<()> {
        match &self.program {
            None => self.map.update(key, value, ANY),
            Some(program) => serve(program, &[&0u64.to_ne_bytes(), key, value].concat()),
        }
    }

    pub fn delete(&self, key: &[u8]) -> io::Result<()> {
        match &self.program {
            None => self.map.delete(key),
            Some(program) => {
                let value = vec![0; SHAPE.value as usize];
                serve(program, &[&1u64.to_ne_bytes(), key, &value].concat())
            }
        }
    }
}

/// `request` is a `struct request`.
fn serve((object, program): &(Object, Program), request: &[u8]) -> io::Result<()> {
    let requests = object.map("request").map_err(io::Error::other)?;
    RawMap::new(requests.fd().as_fd())?.update(&[0; 4], request, ANY)?;
    // A failure to run the program is not a refusal by the map.
    match program.test_run(&[0; 64]).map_err(io::Error::other)?.retval {
        0 => Ok(()),
        errno => Err(io::Error::from_raw_os_error(errno as i32)),
    }
}
