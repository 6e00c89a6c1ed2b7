//! The ways in which a URL can name the machine that the program runs on.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Names that systems give their loopback addresses.
const NAMES: [&str; 6] =
    ["ip6-localhost", "ip6-loopback", "localhost", "localhost.localdomain", "localhost4", "localhost6"];

/// Returns `true` if the host of a URL is this machine: one of its usual names, a loopback address or the unspecified
/// address, in any form that the system's resolver accepts. No name is looked up.
pub(super) fn is_this_machine(host: &str) -> bool {
    let host = host.trim_start_matches('[').trim_end_matches(']').to_ascii_lowercase();
    let host = host.strip_suffix('.').unwrap_or(&host);
    if NAMES.contains(&host) || host.ends_with(".localhost") {
        return true;
    }
    let address = host.split('%').next().and_then(|address| address.parse().ok());
    match address.or_else(|| parse_numbers(host).map(IpAddr::V4)) {
        Some(IpAddr::V4(address)) => is_own(address),
        Some(IpAddr::V6(address)) => is_own_v6(address),
        None => false,
    }
}

fn is_own(address: Ipv4Addr) -> bool {
    address.is_loopback() || address.is_unspecified()
}

fn is_own_v6(address: Ipv6Addr) -> bool {
    // Both ways to write an IPv4 address as an IPv6 address: `::ffff:127.0.0.1` and `::127.0.0.1`.
    address.is_loopback() || address.is_unspecified() || address.to_ipv4().is_some_and(is_own)
}

/// Parses an IPv4 address of one to four numbers, decimal, octal or hexadecimal, of which the last one stands for all
/// remaining bytes: `127.1`, `2130706433`, `0x7f.0.0.1` and `0177.1` are `127.0.0.1`. Returns `None` for anything else.
fn parse_numbers(host: &str) -> Option<Ipv4Addr> {
    let numbers: Vec<_> = host.split('.').map(parse_number).collect::<Option<_>>()?;
    let (last, first) = numbers.split_last()?;
    let rest = 4_u32.checked_sub(u32::try_from(first.len()).ok()?).filter(|rest| *rest > 0)?;
    let mut address = (u64::from(*last) < 1 << (8 * rest)).then_some(*last)?;
    for (number, place) in first.iter().zip((0..4).rev()) {
        address |= u32::from(u8::try_from(*number).ok()?) << (8 * place);
    }
    Some(Ipv4Addr::from(address))
}

fn parse_number(digits: &str) -> Option<u32> {
    if !digits.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
        return None;
    }
    match digits.strip_prefix("0x") {
        Some("") => Some(0),
        Some(digits) => u32::from_str_radix(digits, 16).ok(),
        None if digits.len() > 1 && digits.starts_with('0') => u32::from_str_radix(digits, 8).ok(),
        None => digits.parse().ok(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_spelling_of_this_machine_is_recognised() {
        for host in [
            "localhost",
            "LOCALHOST",
            "localhost.",
            "LocalHost.",
            "a.localhost",
            "localhost.localdomain",
            "ip6-localhost",
            "127.0.0.1",
            "127.0.0.1.",
            "127.255.3.4",
            "127.1",
            "127.0.1",
            "127.65535",
            "127.16777215",
            "2130706433",
            "0x7f000001",
            "0X7F.0.0.1",
            "0x7f.1",
            "0177.0.0.1",
            "0177.0x0.1",
            "017700000001",
            "0.0.0.0",
            "0",
            "0x0",
            "0x",
            "00",
            "0.0",
            "[::1]",
            "[::]",
            "[0:0:0:0:0:0:0:1]",
            "[::ffff:127.0.0.1]",
            "[::ffff:7f00:1]",
            "[::FFFF:127.9.9.9]",
            "[::ffff:0.0.0.0]",
            "[::127.0.0.1]",
            "[::1%lo]",
            "[0000::0001]",
        ] {
            assert!(is_this_machine(host), "{host}");
        }
    }

    #[test]
    fn other_hosts_are_not_this_machine() {
        for host in [
            "",
            ".",
            "example.com",
            "localhost.example.com",
            "notlocalhost",
            "128.0.0.1",
            "126.255.255.255",
            "1.127.0.0.1",
            "127.0.0.0.1",
            "127.256.0.1",
            "127.0.0.256",
            "127.0.65536",
            "127.16777216",
            "4294967296",
            "2130706432.1",
            "0x80.1",
            "0200.0.0.1",
            "127.0.0.08",
            "127..1",
            "127.0.0.1a",
            "10.0.0.1",
            "1",
            "[::2]",
            "[fe80::1]",
            "[::ffff:128.0.0.1]",
            "[2001:db8::127.0.0.1]",
            "127.0.0.1.example.com",
            "-1",
            "+127.1",
            "0x7g.1",
            "0x+7f.1",
        ] {
            assert!(!is_this_machine(host), "{host}");
        }
    }
}
