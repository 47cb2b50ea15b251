//! The processes that listen at an address, as Linux shows them in `/proc`. Elsewhere none can be seen.

use std::fs;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::Path;

/// A process that listens.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Holder {
    pub(super) id: u32,
    /// The name of its program: its arguments may have secrets.
    pub(super) name: String,
}

/// The state of a socket that listens, in the tables of the kernel.
const LISTENING: &str = "0A";

/// The processes that listen at `address`, or at every address with its port, as far as this user sees them.
pub(super) fn holders(address: SocketAddr) -> Vec<Holder> {
    let tables = ["/proc/net/tcp", "/proc/net/tcp6"]
        .map(|table| fs::read_to_string(table).unwrap_or_default());
    let sockets: Vec<_> = tables
        .iter()
        .flat_map(|table| table.lines())
        .filter_map(listening)
        .filter(|(at, _)| at.port() == address.port() && same_interface(at.ip(), address.ip()))
        .map(|(_, inode)| format!("socket:[{inode}]"))
        .collect();
    let mut found: Vec<_> = fs::read_dir("/proc")
        .into_iter()
        .flatten()
        .filter_map(|entry| {
            let path = entry.ok()?.path();
            let id = path.file_name()?.to_str()?.parse().ok()?;
            has_one_of(&path, &sockets).then(|| Holder { id, name: name(&path) })
        })
        .collect();
    found.sort_by_key(|own| own.id);
    found
}

/// The address and the socket of a line of the table.
fn listening(line: &str) -> Option<(SocketAddr, &str)> {
    let mut columns = line.split_whitespace();
    let address = columns.nth(1)?;
    let state = columns.nth(1)?;
    let inode = columns.nth(5)?;
    (state == LISTENING).then_some((socket_address(address)?, inode))
}

/// An address as the kernel writes it: words of 32 bits in the order of this machine.
fn socket_address(text: &str) -> Option<SocketAddr> {
    let (ip, port) = text.split_once(':')?;
    let word = |at: usize| {
        let digits = ip.get(at..at.checked_add(8)?)?;
        Some(u32::from_str_radix(digits, 16).ok()?.to_ne_bytes())
    };
    let ip: IpAddr = match ip.len() {
        8 => Ipv4Addr::from(word(0)?).into(),
        32 => {
            let words = [word(0)?, word(8)?, word(16)?, word(24)?];
            let bytes: [u8; 16] = words.concat().try_into().ok()?;
            Ipv6Addr::from(bytes).to_canonical()
        }
        _ => return None,
    };
    Some((ip, u16::from_str_radix(port, 16).ok()?).into())
}

/// True if one who listens at `one` keeps another from listening at `other`.
fn same_interface(one: IpAddr, other: IpAddr) -> bool {
    one == other || one.is_unspecified() || other.is_unspecified()
}

fn has_one_of(process: &Path, sockets: &[String]) -> bool {
    let files = fs::read_dir(process.join("fd")).into_iter().flatten();
    let mut links = files.filter_map(|file| fs::read_link(file.ok()?.path()).ok());
    links.any(|link| link.to_str().is_some_and(|link| sockets.iter().any(|own| own == link)))
}

fn name(process: &Path) -> String {
    fs::read_to_string(process.join("comm")).unwrap_or_default().trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_the_tables_are_read() {
        let four = "   0: 0100007F:2329 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 4711 1 0";
        let connected = four.replace(" 0A ", " 01 ");
        if cfg!(target_endian = "little") {
            assert_eq!(listening(four), Some((([127, 0, 0, 1], 9001).into(), "4711")));
            let six = socket_address("00000000000000000000000001000000:20FB");
            assert_eq!(six, Some("[::1]:8443".parse().unwrap()));
        }
        assert_eq!(listening(&connected), None);
        assert_eq!(listening("  sl  local_address rem_address   st"), None);
    }
}
