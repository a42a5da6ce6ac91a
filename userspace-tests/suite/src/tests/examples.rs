// SPDX-License-Identifier: MIT OR Apache-2.0
//! The programs of examples/, which lie next to the suite: each is started as a user
//! starts it, and must do and print what its README says.

use std::{
    env, fs,
    io::{self, BufRead, BufReader, Read},
    mem,
    net::{IpAddr, Ipv4Addr, UdpSocket},
    os::fd::{AsRawFd, FromRawFd, OwnedFd},
    path::Path,
    process::{Child, ChildStdout, Command, Stdio},
    time::Instant,
};

use anyhow::{Context, Result, bail};

use crate::{
    check,
    harness::{Test, Type},
};

pub const TESTS: &[Test] = &[
    Test::mtrie("example_firewall_follows_its_rules", firewall),
    Test::mtrie(
        "example_count_by_prefix_counts_the_longest",
        count_by_prefix,
    ),
    Test::mtrie("example_path_policy_follows_its_rules", path_policy),
    Test::mtrie("example_route_by_as_counts_both_ends", route_by_as),
    Test::mtrie(
        "example_prefixes_that_cover_ipv4_are_refused",
        all_addresses,
    ),
];

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

/// IPv4 is a part of IPv6 in their maps.
fn all_addresses(_: Type) -> Result<()> {
    for (name, line) in [
        ("firewall", "::/0 any drop\n"),
        ("count-by-prefix", "::/80\n"),
        ("route-by-as", "::/0 64500\n"),
    ] {
        let file = super::cli::file("all_addresses.txt", line)?;
        let path = file.to_str().context("a path in UTF-8")?;
        fails(name, &["lo", path], "would cover IPv4, too")?;
    }
    Ok(())
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
    let firewall = Example::start(
        "firewall",
        &["lo", &rules],
        "6 rules on lo; press Enter to stop",
    )?;

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

fn count_by_prefix(_: Type) -> Result<()> {
    let prefixes = sample("count-by-prefix/prefixes.txt");
    let ready = "5 prefixes on lo; press Enter for the top talkers, Ctrl-D to stop";
    let counter = Example::start("count-by-prefix", &["lo", &prefixes], ready)?;
    for (source, packets) in [
        ([127, 1, 2, 3], 3),
        ([127, 1, 3, 3], 2),
        ([127, 0, 0, 1], 1),
    ] {
        check::equal(arriving(source, 7000, packets)?, packets, "all arrive")?;
    }
    for source in ["2001:db8::1", "2001:db9::1"] {
        send(&udp(source.parse()?, "2001:db8::2".parse()?, 7000)?)?;
    }
    // An Ethernet header of 14 bytes, IPv4's of 20, UDP's of 8, and the text; IPv6's has
    // 40. One IPv6 packet matches no prefix, one prefix no packet.
    let v4 = 14 + 20 + 8 + "packet".len();
    let expected = [
        (3 * v4, 3, "127.1.2.0/24"),
        (2 * v4, 2, "127.1.0.0/16"),
        (14 + 40 + 8, 1, "2001:db8::/32"),
        (v4, 1, "127.0.0.0/8"),
    ];
    let expected =
        expected.map(|(bytes, packets, prefix)| format!("{bytes:>12} {packets:>12} {prefix}\n"));
    let expected = format!(
        "{:>12} {:>12} prefix\n{}",
        "bytes",
        "packets",
        expected.concat()
    );
    check::equal(counter.end()?, expected, "the top talkers")
}

fn path_policy(_: Type) -> Result<()> {
    let vault = Path::new("/run/vault");
    let public = vault.join("public");
    // With a NUL, the one just fits into 256 bytes, and the other does not.
    let [longest, too_long] = [255, 256].map(|size| {
        let slash = public.as_os_str().len() + 1;
        public.join("x".repeat(size - slash))
    });
    let [secret, note, other] = [
        vault.join("secret"),
        public.join("note"),
        vault.with_file_name("vault-old"),
    ];
    fs::create_dir_all(&public)?;
    for path in [&secret, &note, &longest, &too_long, &other] {
        fs::write(path, "text")?;
    }
    let rules = sample("path-policy/rules.txt");
    let policy = Example::start("path-policy", &[&rules], "2 rules; press Enter to stop")?;
    for (path, allowed, why) in [
        (secret.as_path(), false, "what is in the vault is denied"),
        (&note, true, "the longer rule allows"),
        (&longest, true, "255 bytes"),
        (&too_long, false, "256 bytes are denied"),
        (&other, true, "no rule"),
        (vault, true, "the directory itself has no slash at its end"),
    ] {
        match fs::File::open(path) {
            opened if allowed => drop(check::ok(opened, why)?),
            opened => check::errno(opened, libc::EACCES, why)?,
        }
    }
    let expected = "deny  /run/vault/: 1 opens\nallow /run/vault/public/: 2 opens\n";
    check::equal(
        policy.end()?.as_str(),
        expected,
        "how often each rule decided",
    )?;
    check::ok(fs::File::open(secret), "the end of it").map(drop)
}

fn route_by_as(_: Type) -> Result<()> {
    let table = sample("route-by-as/table.txt");
    let router = Example::start(
        "route-by-as",
        &["lo", &table],
        "8 prefixes on lo; press Enter to stop",
    )?;
    for (source, destination, packets) in [
        ("1.1.1.1", "8.8.8.8", 4),
        ("8.8.8.8", "9.9.9.9", 2),
        ("2606:4700:4700::1111", "2001:4860:4860::8888", 1),
        ("2001:db8::1", "2620:fe::fe", 1),
        ("192.0.2.1", "1.1.1.1", 2),
    ] {
        for _ in 0..packets {
            send(&udp(source.parse()?, destination.parse()?, 7000)?)?;
        }
    }
    let expected = [(13335, 5, 2), (15169, 2, 5), (0, 3, 0), (19281, 0, 3)];
    let expected = expected.map(|(origin, from, to)| format!("{origin:>10} {from:>12} {to:>12}\n"));
    let expected = format!(
        "{:>10} {:>12} {:>12}\n{}",
        "AS",
        "from",
        "to",
        expected.concat()
    );
    check::equal(router.end()?, expected, "the counts")
}
