// SPDX-License-Identifier: MIT OR Apache-2.0
//! The programs of examples/, which lie next to the suite: each is started as a user
//! starts it, and must do and print what its README says.

use std::{
    env, fs,
    io::{self, BufRead, BufReader, Read},
    mem,
    net::{IpAddr, Ipv4Addr, UdpSocket},
    os::fd::{AsRawFd, FromRawFd, OwnedFd},
    process::{Child, ChildStdout, Command, Stdio},
    time::Instant,
};

use anyhow::{Context, Result, bail};

use crate::{
    check,
    harness::{Test, Type},
};

pub const TESTS: &[Test] = &[Test::mtrie("example_firewall_drops_what_it_says", firewall)];

/// An example that has attached its program, and does its work until Enter is pressed.
struct Example {
    child: Child,
    out: BufReader<ChildStdout>,
}

impl Example {
    /// Starts it and waits for the line that says that it is ready.
    fn start(name: &str, args: &[&str], ready: &str) -> Result<Self> {
        let mut child = command(name)?
            .args(args)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let out = BufReader::new(child.stdout.take().context("a pipe")?);
        let mut example = Self { child, out };
        let mut line = String::new();
        example.out.read_line(&mut line)?;
        check::equal(line.trim_end(), ready, "the line that says it is ready")?;
        Ok(example)
    }

    /// The end of input is as good as Enter; returns what it printed then.
    fn end(mut self) -> Result<String> {
        drop(self.child.stdin.take());
        let mut text = String::new();
        self.out.read_to_string(&mut text)?;
        check::equal(self.child.wait()?.code(), Some(0), "its exit status")?;
        Ok(text)
    }
}

/// Where a test failed in between, nothing stays attached.
impl Drop for Example {
    fn drop(&mut self) {
        // After `end` there is nothing to kill, which is no error.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn command(name: &str) -> Result<Command> {
    let name = format!("example-{name}");
    let path = env::current_exe()?.with_file_name(&name);
    if !path.exists() {
        bail!("{} is missing; build the package {name}", path.display());
    }
    Ok(Command::new(path))
}

/// A run that must fail prints this on standard error.
fn fails(name: &str, args: &[&str], part: &str) -> Result<()> {
    let output = command(name)?.args(args).stdin(Stdio::null()).output()?;
    let err = String::from_utf8(output.stderr)?;
    check::equal(output.status.code(), Some(1), "the exit status of an error")?;
    check::holds(err.contains(part), &format!("'{part}' in: {err}"))
}

/// A file that comes with an example.
fn sample(name: &str) -> String {
    format!("{}/../../examples/{name}", env!("CARGO_MANIFEST_DIR"))
}

/// An Ethernet frame with a UDP datagram without data, in both directions on this port.
fn udp(source: IpAddr, destination: IpAddr, port: u16) -> Result<Vec<u8>> {
    let mut frame = vec![0; 12];
    match (source, destination) {
        (IpAddr::V4(source), IpAddr::V4(destination)) => {
            frame.extend([0x08, 0x00]);
            frame.extend([0x45, 0, 0, 28, 0, 0, 0, 0, 64, 17, 0, 0]);
            frame.extend(source.octets());
            frame.extend(destination.octets());
        }
        (IpAddr::V6(source), IpAddr::V6(destination)) => {
            frame.extend([0x86, 0xdd]);
            frame.extend([0x60, 0, 0, 0, 0, 8, 17, 64]);
            frame.extend(source.octets());
            frame.extend(destination.octets());
        }
        _ => bail!("{source} and {destination} are of two families"),
    }
    for field in [port, port, 8, 0] {
        frame.extend(field.to_be_bytes());
    }
    Ok(frame)
}

/// Puts a frame onto the loopback interface, which receives it at once. Its addresses
/// need not be the machine's, nor of a family that its kernel has.
fn send(frame: &[u8]) -> Result<()> {
    // SAFETY: socket takes no addresses.
    let socket = unsafe { libc::socket(libc::AF_PACKET, libc::SOCK_RAW | libc::SOCK_CLOEXEC, 0) };
    if socket < 0 {
        return Err(io::Error::last_os_error()).context("a packet socket");
    }
    // SAFETY: the call above made this descriptor for us.
    let socket = unsafe { OwnedFd::from_raw_fd(socket) };
    // SAFETY: `sockaddr_ll` is a C struct of integers; all zeros is a value of it.
    let mut to: libc::sockaddr_ll = unsafe { mem::zeroed() };
    to.sll_family = libc::AF_PACKET as u16;
    to.sll_ifindex = 1;
    // SAFETY: the kernel reads `frame` and `to`, within the lengths given.
    let sent = unsafe {
        libc::sendto(
            socket.as_raw_fd(),
            frame.as_ptr().cast(),
            frame.len(),
            0,
            (&raw const to).cast(),
            size_of_val(&to) as u32,
        )
    };
    if sent != frame.len() as isize {
        return Err(io::Error::last_os_error()).context("send a frame on lo");
    }
    Ok(())
}

/// How many packets have come to a socket.
fn received(socket: &UdpSocket) -> Result<u64> {
    socket.set_nonblocking(true)?;
    for count in 0.. {
        match socket.recv(&mut [0; 16]) {
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(count),
            Err(error) => return Err(error).context("receive"),
        }
    }
    bail!("there is no end of packets")
}

/// Sends packets from one of the machine's addresses to another; returns how many come.
fn arriving(source: [u8; 4], port: u16, packets: u64) -> Result<u64> {
    let receiver = UdpSocket::bind((Ipv4Addr::LOCALHOST, port))?;
    let sender = UdpSocket::bind((Ipv4Addr::from(source), 0))?;
    for _ in 0..packets {
        sender.send_to(b"packet", receiver.local_addr()?)?;
    }
    received(&receiver)
}

fn firewall(_: Type) -> Result<()> {
    const LIMIT: u64 = 5;
    let rules = sample("firewall/rules.txt");
    fails("firewall", &["nowhere", &rules], "no such interface")?;
    let firewall = Example::start("firewall", &["lo", &rules], "6 rules on lo; Enter ends it")?;

    for (source, port, expected, why) in [
        ([127, 0, 0, 1], 7001, 3, "no rule"),
        ([127, 1, 1, 1], 7001, 0, "127.1.0.0/16 is dropped"),
        ([127, 1, 2, 3], 7002, 3, "127.1.2.0/24 passes"),
        ([127, 1, 2, 3], 7001, 0, "but not to port 7001"),
    ] {
        check::equal(arriving(source, port, 3)?, expected, why)?;
    }
    let start = Instant::now();
    let passed = arriving([127, 3, 0, 1], 7000, 50)?;
    // The kernel counts by whole seconds of its clock, of which these saw one more than
    // went by, and the start of another one.
    let most = LIMIT * (start.elapsed().as_secs() + 2);
    check::holds(
        (LIMIT..=most).contains(&passed),
        &format!("{passed} of 50 packets passed, at least {LIMIT} and at most {most} may"),
    )?;
    for (source, port) in [
        ("2001:db8::1", 53),
        ("2001:db8:1::1", 53),
        ("2001:db8:1::1", 53),
        ("2001:db8:1::1", 54),
    ] {
        send(&udp(source.parse()?, "2001:db8::2".parse()?, port)?)?;
    }

    let rules = fs::read_to_string(&rules)?;
    let rules = rules.lines().filter(|line| !line.starts_with('#'));
    let counts = [
        (0, 3),
        (3, 0),
        (0, 3),
        (passed, 50 - passed),
        (0, 2),
        (2, 0),
    ];
    let expected: String = rules
        .zip(counts)
        .map(|(rule, (passed, dropped))| format!("{rule}: {passed} passed, {dropped} dropped\n"))
        .collect();
    check::equal(firewall.end()?, expected, "what each rule did")?;
    check::equal(arriving([127, 1, 1, 1], 7001, 3)?, 3, "the end of it")
}
