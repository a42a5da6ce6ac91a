// SPDX-License-Identifier: MIT OR Apache-2.0
//! Random programs from a grammar over the type's helpers. Each is either valid, and then its run
//! must give the model's result, or has one flaw, and then the verifier must reject it.
//!
//! ```text
//! program   = statement{1,8} "return digest"
//! statement = lookup [use] | update | delete        with a key, a value, flags
//! use       = read | write | add                    through the value that was found
//! flaw      = use without a check | use out of bounds | a key that is not memory
//!           | a key or a value that is too short | another helper | a lost map
//! ```

use std::os::fd::{AsFd, FromRawFd, OwnedFd};

use anyhow::{Context, Result, anyhow, bail, ensure};

use super::{tally::Tally, target::Target};
use crate::{
    instructions::{EXIT, R0, R1, instruction, load_map, set},
    maps::Shape,
    model::Model,
    random::Random,
    raw_call::RawCall,
};

/// Keys and values of the maps that programs use.
pub const SHAPE: Shape = Shape {
    data: 4,
    value: 8,
    max_entries: 60,
};

/// SOCKET_FILTER and helper numbers: uapi bpf.h.
const SOCKET_FILTER: u32 = 1;
const LOOKUP: i32 = 1;
const UPDATE: i32 = 2;
const DELETE: i32 = 3;
/// tail_call, redirect_map, map_push_elem, map_pop_elem, map_peek_elem,
/// for_each_map_elem, map_lookup_percpu_elem.
const OTHERS: [i32; 7] = [12, 51, 87, 88, 89, 164, 195];

const R2: u8 = 2;
const R3: u8 = 3;
const R4: u8 = 4;
/// A register that survives calls: the digest of all results.
const R8: u8 = 8;
const STACK: u8 = 10;
/// Where key and value are on the stack.
const KEY: i16 = -8;
const VALUE: i16 = -16;

enum Statement {
    Lookup(Vec<u8>, Use),
    Update(Vec<u8>, u64, i32),
    Delete(Vec<u8>),
}

#[derive(Clone, Copy)]
enum Use {
    Nothing,
    Read,
    Write(i32),
    Add(i32),
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Flaw {
    NoCheck,
    OutOfBounds(i16),
    KeyIsNoMemory,
    KeyTooShort,
    ValueTooShort,
    OtherHelper(i32),
    LostMap,
}

fn statement(random: &mut Random, target: &mut Target) -> Statement {
    let key = target.keys.draw(random);
    let small = |random: &mut Random| random.below(1 << 20) as i32;
    match random.below(4) {
        0 => Statement::Delete(key),
        1 => Statement::Update(key, small(random) as u64, random.below(5) as i32),
        _ => {
            let used = match random.below(4) {
                0 => Use::Nothing,
                1 => Use::Read,
                2 => Use::Write(small(random)),
                _ => Use::Add(small(random)),
            };
            Statement::Lookup(key, used)
        }
    }
}

fn flaw(random: &mut Random) -> Flaw {
    match random.below(7) {
        0 => Flaw::NoCheck,
        1 => Flaw::OutOfBounds([-8, -1, 1, 8, 4096][random.below(5)]),
        2 => Flaw::KeyIsNoMemory,
        3 => Flaw::KeyTooShort,
        4 => Flaw::ValueTooShort,
        5 => Flaw::OtherHelper(OTHERS[random.below(OTHERS.len())]),
        _ => Flaw::LostMap,
    }
}

/// `digest = digest * 31 + R0`
fn digest() -> Vec<u8> {
    [
        instruction(0x27, R8, 0, 0, 31),
        instruction(0x0f, R8, R0, 0, 0),
    ]
    .concat()
}

fn call(helper: i32) -> Vec<u8> {
    instruction(0x85, 0, 0, 0, helper)
}

/// `register = STACK + offset`
fn stack_address(register: u8, offset: i16) -> Vec<u8> {
    [
        instruction(0xbf, register, STACK, 0, 0),
        instruction(0x07, register, 0, 0, offset.into()),
    ]
    .concat()
}

/// Puts a key on the stack.
fn put_key(key: &[u8]) -> Vec<u8> {
    let word = |at: usize| {
        let bytes = [key[at], key[at + 1], key[at + 2], key[at + 3]];
        instruction(0x62, STACK, 0, KEY + at as i16, i32::from_ne_bytes(bytes))
    };
    [word(0), word(4)].concat()
}

impl Statement {
    fn compile(&self, target: &Target, flaw: Option<Flaw>) -> Vec<u8> {
        let (key, helper) = match self {
            Self::Lookup(key, _) => (key, LOOKUP),
            Self::Update(key, ..) => (key, UPDATE),
            Self::Delete(key) => (key, DELETE),
        };
        let mut code = put_key(key);
        if let Self::Update(_, value, flags) = self {
            code.extend(instruction(0x7a, STACK, 0, VALUE, *value as i32));
            let value = match flaw {
                Some(Flaw::ValueTooShort) => -4,
                _ => VALUE,
            };
            code.extend(stack_address(R3, value));
            code.extend(set(R4, *flags));
        }
        code.extend(match flaw {
            Some(Flaw::KeyIsNoMemory) => set(R2, 8),
            Some(Flaw::KeyTooShort) => stack_address(R2, -4),
            _ => stack_address(R2, KEY),
        });
        code.extend(match flaw {
            Some(Flaw::LostMap) => set(R1, 0),
            _ => load_map(R1, target.map.fd()),
        });
        code.extend(call(match flaw {
            Some(Flaw::OtherHelper(other)) => other,
            _ => helper,
        }));
        if let Self::Lookup(_, used) = self {
            code.extend(used.compile(flaw));
        }
        code.extend(digest());
        code
    }

    /// The statement's contribution to the digest.
    fn run(&self, model: &mut Model) -> u64 {
        let errno = |result: Result<(), i32>| result.map_or_else(|errno| -i64::from(errno), |()| 0);
        match self {
            Self::Delete(key) => errno(model.delete(key)) as u64,
            Self::Update(key, value, flags) => {
                errno(model.update(key, &value.to_ne_bytes(), *flags as u64)) as u64
            }
            Self::Lookup(key, used) => match model.lookup(key) {
                Err(_) => 0,
                Ok(value) => {
                    let mut word = [0; 8];
                    word.copy_from_slice(&value);
                    let value = u64::from_ne_bytes(word);
                    let (now, result) = match used {
                        Use::Nothing => (value, 1),
                        Use::Read => (value, value),
                        Use::Write(number) => (*number as u64, 1),
                        Use::Add(number) => (value.wrapping_add(*number as u64), 1),
                    };
                    model.write_found(key, &now.to_ne_bytes());
                    result
                }
            },
        }
    }
}

impl Use {
    /// Uses the value at R0; afterwards R0 is the result, 0 if there is none.
    fn compile(self, flaw: Option<Flaw>) -> Vec<u8> {
        let offset = match flaw {
            Some(Flaw::OutOfBounds(offset)) => offset,
            _ => 0,
        };
        let body = match self {
            Self::Nothing => set(R0, 1),
            Self::Read => instruction(0x79, R0, R0, offset, 0),
            Self::Write(number) => [
                set(R1, number),
                instruction(0x7b, R0, R1, offset, 0),
                set(R0, 1),
            ]
            .concat(),
            Self::Add(number) => [
                set(R1, number),
                instruction(0xdb, R0, R1, offset, 0),
                set(R0, 1),
            ]
            .concat(),
        };
        if flaw == Some(Flaw::NoCheck) {
            return body;
        }
        // if R0 == 0 skip the body
        [instruction(0x15, R0, 0, (body.len() / 8) as i16, 0), body].concat()
    }
}

/// A flaw that this statement can have.
fn fits(flaw: Flaw, statement: &Statement) -> bool {
    match flaw {
        Flaw::NoCheck | Flaw::OutOfBounds(_) => matches!(
            statement,
            Statement::Lookup(_, Use::Read | Use::Write(_) | Use::Add(_))
        ),
        Flaw::ValueTooShort => matches!(statement, Statement::Update(..)),
        _ => true,
    }
}

/// Loads a random program, runs it if it is valid, and repeats it in the model.
pub fn throw(random: &mut Random, target: &mut Target, tally: &mut Tally) -> Result<()> {
    let statements: Vec<_> = (0..1 + random.below(8))
        .map(|_| statement(random, target))
        .collect();
    let flawed = random.below(statements.len());
    let flaw = Some(flaw(random)).filter(|flaw| fits(*flaw, &statements[flawed]));
    let flaw = flaw.filter(|_| random.below(2) == 0);

    let mut code = set(R8, 0);
    for (index, statement) in statements.iter().enumerate() {
        code.extend(statement.compile(target, flaw.filter(|_| index == flawed)));
    }
    code.extend(instruction(0xbf, R0, R8, 0, 0));
    code.extend(EXIT);

    let mut load = RawCall::load(SOCKET_FILTER, &code);
    // SAFETY: the call's addresses are in its own memory, which is as long as the attributes say.
    let loaded = unsafe { load.make() };
    let errno = loaded.err().unwrap_or(0);
    let Some(flaw) = flaw else {
        tally.count("valid program", errno);
        let fd = loaded.map_err(|errno| anyhow!("a valid program: errno {errno}"))?;
        // SAFETY: the call has just returned this descriptor; nobody else has it.
        let program = unsafe { OwnedFd::from_raw_fd(fd as i32) };
        return run(program, &statements, target);
    };
    tally.count("flawed program", errno);
    if let Ok(fd) = loaded {
        // SAFETY: as above.
        drop(unsafe { OwnedFd::from_raw_fd(fd as i32) });
        bail!("the verifier accepted {flaw:?} in statement {flawed}: {code:?}");
    }
    Ok(())
}

fn run(program: OwnedFd, statements: &[Statement], target: &mut Target) -> Result<()> {
    let mut call = RawCall::run(program.as_fd());
    // SAFETY: as in `throw`.
    let result = unsafe { call.make() };
    ensure!(result == Ok(0), "BPF_PROG_TEST_RUN: {result:?}");
    let want = statements.iter().fold(0u64, |digest, statement| {
        digest
            .wrapping_mul(31)
            .wrapping_add(statement.run(&mut target.model))
    });
    let got = call.get32(4);
    ensure!(
        got == want as u32,
        "the program's results: digest {got:#x}, expected {:#x}",
        want as u32
    );
    target.check().context("after a program")
}
