// SPDX-License-Identifier: MIT OR Apache-2.0
//! Load an ELF object whose `.maps` names LPM_MTRIE.
//!
//! aya's loader refuses map types that it does not know, whatever its options; its parser and
//! relocator, aya-obj, does not. So: parse, create the maps with the running kernel's number for
//! the type, relocate, load.
//!
//! ```no_run
//! let elf = std::fs::read("prog.bpf.o")?;
//! let mut object = lpm_mtrie::Loader::new().max_entries("routes", 1_000_000).load(&elf)?;
//! let program = object.load_program("count")?;
//! let routes = lpm_mtrie::map::typed::<u32, u32>(object.take_map("routes")?)?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! A loaded [`Program`] is a descriptor. [`Program::attach`] knows the most
//! common places; for others pin it and open it with aya's `KProbe::from_pin`
//! and the like.

use std::{
    collections::{HashMap, HashSet},
    ffi::CStr,
    io,
    os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd},
    sync::OnceLock,
};

use aya::maps::{MapData, MapError};
use aya_obj::{
    EbpfSectionKind,
    btf::{Btf, BtfError, BtfFeatures, BtfKind},
    maps::PinningType,
};
use thiserror::Error;

use crate::{
    MapType, MapTypeError,
    program_kind::{self, Kind},
    sys::{
        self,
        elements::Elements,
        map::MapAttr,
        prog::{ProgAttr, Records, Rejected},
    },
};

/// The number of the type in objects: `include/lpm_mtrie.bpf.h`.
const NUMBER_IN_OBJECTS: u32 = 36;

/// Why an object, or a program of it, did not load.
#[derive(Debug, Error)]
pub enum ObjectError {
    /// It is not an ELF object with BPF programs.
    #[error("not a readable BPF object: {0}")]
    Parse(#[from] aya_obj::ParseError),
    /// LPM_MTRIE has no number on this kernel.
    #[error(transparent)]
    MapType(#[from] MapTypeError),
    /// BTF is missing, or broken.
    #[error("the object's or the kernel's BTF cannot be used: {0}")]
    Btf(#[from] BtfError),
    /// The kernel rejects the object's BTF.
    #[error("the object's BTF was refused: {0}")]
    BtfRefused(Rejected),
    /// The kernel rejects one of its maps.
    #[error(
        "map {name} (type {map_type}, key {key_size}, value {value_size}, max_entries {max_entries}, flags {flags:#x}) was not created: {source}"
    )]
    Map {
        /// The map's name in the object.
        name: String,
        /// Its type's number.
        map_type: u32,
        /// Bytes of a key, with the prefixlen.
        key_size: u32,
        /// Bytes of a value.
        value_size: u32,
        /// How many entries it was to have.
        max_entries: u32,
        /// BPF_F_ flags.
        flags: u32,
        /// The errno.
        source: io::Error,
    },
    /// A map is to be pinned by its name, or to be the one that is pinned so.
    #[error(
        "map {name} is to be pinned by name, which this loader does not do: open or create it, and pass it to reuse()"
    )]
    Pinning {
        /// The map's name in the object.
        name: String,
    },
    /// aya cannot open a map that was created.
    #[error("map {name} cannot be opened: {source}")]
    OpenMap {
        /// The map's name in the object.
        name: String,
        /// Why not.
        source: MapError,
    },
    /// The values of global variables could not be written.
    #[error("map {name}: its initial data was not written: {source}")]
    Data {
        /// The map's name in the object.
        name: String,
        /// The errno.
        source: io::Error,
    },
    /// An instruction refers to something that does not exist.
    #[error("a reference could not be relocated: {0}")]
    Relocation(#[from] aya_obj::relocation::EbpfRelocationError),
    /// A program reads a field that this kernel does not have.
    #[error("a field of a kernel structure could not be relocated: {0}")]
    Field(#[from] aya_obj::btf::BtfRelocationError),
    /// A name that the object does not have.
    #[error("the object has no {what} named {name}; it has {present}")]
    NoSuch {
        /// Map or program.
        what: &'static str,
        /// The name looked for.
        name: String,
        /// The names that it has.
        present: String,
    },
    /// A program of a type that this loader does not support.
    #[error("program {name} is in a section of a kind that this loader does not load: {section}")]
    Section {
        /// The program's name.
        name: String,
        /// Its section.
        section: String,
    },
    /// The verifier rejects a program.
    #[error("program {name}: {source}")]
    Program {
        /// The program's name.
        name: String,
        /// The errno, and the verifier's log.
        source: Rejected,
    },
}

/// Changes to make to an object's maps when loading it.
#[derive(Debug, Default)]
pub struct Loader {
    lpm_type: Option<MapType>,
    max_entries: HashMap<String, u32>,
    reuse: HashMap<String, OwnedFd>,
    constants: HashMap<String, Vec<u8>>,
}

impl Loader {
    /// Changes nothing.
    pub fn new() -> Self {
        Self::default()
    }

    /// Maps that name LPM_MTRIE become maps of this type instead, to run the same program on
    /// LPM_TRIE. By default the running kernel's number is used.
    pub fn lpm_type(mut self, map_type: MapType) -> Self {
        self.lpm_type = Some(map_type);
        self
    }

    /// Creates `map` with this max_entries instead of the object's.
    pub fn max_entries(mut self, map: &str, max_entries: u32) -> Self {
        self.max_entries.insert(map.to_owned(), max_entries);
        self
    }

    /// Uses an existing map instead of creating `map`.
    pub fn reuse(mut self, map: &str, fd: OwnedFd) -> Self {
        self.reuse.insert(map.to_owned(), fd);
        self
    }

    /// Sets a `const volatile` variable of the object; `bytes` has its size.
    pub fn constant(mut self, name: &str, bytes: &[u8]) -> Self {
        self.constants.insert(name.to_owned(), bytes.to_vec());
        self
    }

    /// Creates the maps of the object; programs are loaded one by one afterwards.
    pub fn load(mut self, elf: &[u8]) -> Result<Object, ObjectError> {
        let mut object = aya_obj::Object::parse(elf)?;
        let constants = self.constants.iter();
        object.patch_map_data(
            constants
                .map(|(name, bytes)| (name.as_str(), (bytes.as_slice(), true)))
                .collect(),
        )?;

        // Linux 7.3 has every BTF feature for which aya-obj has a fallback.
        let features = BtfFeatures::new(true, true, true, true, true, true, true, true);
        let btf = match object.fixup_and_sanitize_btf(&features)? {
            Some(btf) => {
                Some(sys::prog::load_btf(&btf.to_bytes()).map_err(ObjectError::BtfRefused)?)
            }
            None => None,
        };

        if object.has_btf_relocations() {
            object.relocate_btf(kernel_btf()?)?;
        }

        for name in self.reuse.keys().chain(self.max_entries.keys()) {
            if !object.maps.contains_key(name) {
                return Err(no_such("map", name, object.maps.keys()));
            }
        }
        let mut maps = HashMap::new();
        for (name, definition) in &object.maps {
            if definition.pinning() == PinningType::ByName && !self.reuse.contains_key(name) {
                return Err(ObjectError::Pinning { name: name.clone() });
            }
            let fd = match self.reuse.remove(name) {
                Some(fd) => fd,
                None => self.create(name, definition, btf.as_ref().map(AsFd::as_fd))?,
            };
            let data = MapData::from_fd(fd).map_err(|source| ObjectError::OpenMap {
                name: name.clone(),
                source,
            })?;
            maps.insert(name.clone(), data);
        }

        let text: HashSet<usize> = object
            .functions
            .keys()
            .map(|(section, _)| *section)
            .collect();
        let definitions = object.maps.clone();
        object.relocate_maps(
            definitions
                .iter()
                .map(|(name, map)| (name.as_str(), maps[name].fd().as_fd().as_raw_fd(), map)),
            &text,
        )?;
        object.relocate_calls(&text)?;
        Ok(Object { object, btf, maps })
    }

    fn create(
        &mut self,
        name: &str,
        definition: &aya_obj::Map,
        btf: Option<BorrowedFd<'_>>,
    ) -> Result<OwnedFd, ObjectError> {
        // The template lives until the outer map has copied its properties.
        let inner = definition
            .inner()
            .map(|inner| self.create(&format!("{name}.in"), &inner, btf))
            .transpose()?;

        let mut attr = MapAttr {
            map_type: self.number(definition.map_type())?,
            key_size: definition.key_size(),
            value_size: definition.value_size(),
            max_entries: *self
                .max_entries
                .get(name)
                .unwrap_or(&definition.max_entries()),
            map_flags: definition.map_flags(),
            map_extra: definition.map_extra(),
            ..MapAttr::default()
        }
        .named(name.trim_start_matches('.'));
        if let Some(inner) = &inner {
            attr.inner_map_fd = sys::raw(inner.as_fd());
        } else if let (aya_obj::Map::Btf(map), Some(btf)) = (definition, btf) {
            attr.btf_fd = sys::raw(btf);
            attr.btf_key_type_id = map.def.btf_key_type_id;
            attr.btf_value_type_id = map.def.btf_value_type_id;
        }

        let fd = sys::map::create(&attr).map_err(|source| ObjectError::Map {
            name: name.to_owned(),
            map_type: attr.map_type,
            key_size: attr.key_size,
            value_size: attr.value_size,
            max_entries: attr.max_entries,
            flags: attr.map_flags,
            source,
        })?;
        fill(&fd, definition).map_err(|source| ObjectError::Data {
            name: name.to_owned(),
            source,
        })?;
        Ok(fd)
    }

    fn number(&mut self, in_object: u32) -> Result<u32, MapTypeError> {
        if in_object != NUMBER_IN_OBJECTS {
            return Ok(in_object);
        }
        let found = match self.lpm_type {
            Some(map_type) => map_type,
            None => MapType::lpm_mtrie()?,
        };
        self.lpm_type = Some(found);
        Ok(found.number())
    }
}

/// Global variables are an array of one element; constants are frozen afterwards.
fn fill(fd: &OwnedFd, definition: &aya_obj::Map) -> io::Result<()> {
    if definition.data().is_empty() {
        return Ok(());
    }
    let map = Elements::new(fd)?;
    map.update(&0u32.to_ne_bytes(), definition.data(), 0)?;
    if definition.section_kind() == EbpfSectionKind::Rodata {
        map.freeze()?;
    }
    Ok(())
}

/// An object whose maps exist.
#[derive(Debug)]
pub struct Object {
    object: aya_obj::Object,
    btf: Option<OwnedFd>,
    maps: HashMap<String, MapData>,
}

/// A program that the kernel has accepted; freed with the last descriptor, pin or link.
#[derive(Debug)]
pub struct Program {
    fd: OwnedFd,
}

impl Program {
    /// BPF_PROG_TEST_RUN with a packet.
    pub fn test_run(&self, packet: &[u8]) -> io::Result<sys::prog::TestResult> {
        let run = sys::prog::TestRun {
            data: packet,
            ctx: &[],
            repeat: 1,
        };
        sys::prog::test_run(self.fd.as_fd(), &run)
    }
}

impl AsFd for Program {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

impl Object {
    /// One of its maps.
    pub fn map(&self, name: &str) -> Result<&MapData, ObjectError> {
        self.maps
            .get(name)
            .ok_or_else(|| no_such("map", name, self.maps.keys()))
    }

    /// Removes and returns a map. Keep it open while programs that use it are loaded: their
    /// instructions hold the descriptor's number.
    pub fn take_map(&mut self, name: &str) -> Result<MapData, ObjectError> {
        self.maps
            .remove(name)
            .ok_or_else(|| no_such("map", name, self.maps.keys()))
    }

    /// Program names, sorted.
    pub fn programs(&self) -> Vec<&str> {
        let mut names: Vec<_> = self.object.programs.keys().map(String::as_str).collect();
        names.sort_unstable();
        names
    }

    /// Loads a program of the kind that its section names.
    pub fn load_program(&self, name: &str) -> Result<Program, ObjectError> {
        self.load_as(name, self.kind(name)?, 0)
    }

    /// Loads a program for one `target` in the kernel: a function (fentry, fexit), an LSM hook, or
    /// what an iterator visits (`bpf_map`).
    pub fn load_program_for(&self, name: &str, target: &str) -> Result<Program, ObjectError> {
        let kind = self.kind(name)?;
        let function = format!("{}{target}", kind.target_prefix);
        let id = kernel_btf()?.id_by_type_name_kind(&function, BtfKind::Func)?;
        self.load_as(name, kind, id)
    }

    /// Loads a program as a syscall program, whatever its section: aya-obj has
    /// none for that type.
    pub fn load_syscall_program(&self, name: &str) -> Result<Program, ObjectError> {
        self.load_as(name, program_kind::SYSCALL, 0)
    }

    fn program(&self, name: &str) -> Result<&aya_obj::Program, ObjectError> {
        let programs = &self.object.programs;
        programs
            .get(name)
            .ok_or_else(|| no_such("program", name, programs.keys()))
    }

    fn kind(&self, name: &str) -> Result<Kind, ObjectError> {
        let section = &self.program(name)?.section;
        program_kind::of(section).ok_or_else(|| ObjectError::Section {
            name: name.to_owned(),
            section: format!("{section:?}"),
        })
    }

    fn load_as(&self, name: &str, kind: Kind, attach_btf_id: u32) -> Result<Program, ObjectError> {
        let program = self.program(name)?;
        let license: &CStr = &program.license;
        let function = &self.object.functions[&program.function_key()];
        let attr = ProgAttr {
            prog_type: kind.prog_type,
            expected_attach_type: kind.attach_type,
            name,
            insns: &function.instructions,
            license,
            flags: kind.flags,
            attach_btf_id,
            btf: self.btf.as_ref().map(AsFd::as_fd),
            func_info: Records {
                bytes: function.func_info.func_info_bytes(),
                record_size: function.func_info_rec_size as u32,
                count: function.func_info.func_info.len() as u32,
            },
            line_info: Records {
                bytes: function.line_info.line_info_bytes(),
                record_size: function.line_info_rec_size as u32,
                count: function.line_info.line_info.len() as u32,
            },
        };
        sys::prog::load(&attr)
            .map(|fd| Program { fd })
            .map_err(|source| ObjectError::Program {
                name: name.to_owned(),
                source,
            })
    }
}

/// Parsed once, since it is several MB.
fn kernel_btf() -> Result<&'static Btf, BtfError> {
    static BTF: OnceLock<Btf> = OnceLock::new();
    match BTF.get() {
        Some(btf) => Ok(btf),
        None => {
            let btf = Btf::from_sys_fs()?;
            Ok(BTF.get_or_init(|| btf))
        }
    }
}

fn no_such<'a>(
    what: &'static str,
    name: &str,
    present: impl Iterator<Item = &'a String>,
) -> ObjectError {
    let mut present: Vec<_> = present.map(String::as_str).collect();
    present.sort_unstable();
    ObjectError::NoSuch {
        what,
        name: name.to_owned(),
        present: present.join(", "),
    }
}
